import type { Preparation } from '../data/preparation.js';
import { type NamedTargetSchema, type Schema, type TargetSchema, targetWidth } from '../data/schema.js';
import { type Check, expectArgument, isListOf, isNumber, NablaError, nearest, shown } from '../errors/index.js';
import type { NamedTensors } from '../layers/index.js';
import type { Loss, LossLike, OutputActivation } from '../losses/index.js';
import { resolveLoss } from '../losses/resolve.js';
import type { MetricKey, Metrics } from '../metrics/index.js';
import { type ResolvedMetric, resolveMetrics } from '../metrics/resolve.js';
import { Tensor } from '../trace/index.js';
import type { PredictionKind } from './predictions.js';

/** Models with several outputs by name: one loss, one target and, if wanted, metrics each. */

/** Losses of several outputs, by name. */
export type NamedLosses = Readonly<Record<string, LossLike>>;

/** Metrics of several outputs, by name; results call them `digit.accuracy`. */
export type NamedMetrics = Readonly<Record<string, Metrics>>;

/** What results call the metrics of a recipe with one output or several. */
export type ScoreName<M extends Metrics | NamedMetrics> = M extends Metrics
  ? MetricKey<M>
  : M extends NamedMetrics
    ? { [K in keyof M & string]: `${K}.${MetricKey<M[K]>}` }[keyof M & string]
    : never;

/** What each output of a model predicts. */
export type NamedKinds = Readonly<Record<string, PredictionKind>>;

type SingleKind<L> = L extends 'crossEntropy' | 'focal'
  ? 'classes'
  : L extends
        | 'meanSquaredError'
        | 'meanAbsoluteError'
        | 'huber'
        | 'logCosh'
        | 'poisson'
        | 'klDivergence'
        | 'triplet'
        | 'contrastive'
        | 'ctc'
    ? 'numbers'
    : PredictionKind;

/** What a recipe with this loss predicts, as far as its type tells. */
export type PredictionKindOf<L> = L extends LossLike
  ? SingleKind<L>
  : L extends NamedLosses
    ? { readonly [K in keyof L]: SingleKind<L[K]> }
    : PredictionKind;

/** Weights of the classes of one output: by name, or so that each has the same total. */
export type ClassWeights = 'balanced' | Readonly<Record<string, number>>;

/** One output of several, ready to be traced. */
export interface PlannedOutput {
  readonly name: string;
  readonly loss: Loss;
  readonly weight: number;
  readonly prepareTargets: readonly Preparation[];
  readonly classWeights?: ClassWeights | undefined;
}

export const isPreparation = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'kind' in value && 'spec' in value && 'fit' in value
    ? undefined
    : 'to be a preparation such as standardize()';

export const isClassWeights = (value: unknown): string | undefined => {
  if (value === 'balanced') return undefined;
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  return plain && Object.values(value).every((weight) => isNumber({ above: 0 })(weight) === undefined)
    ? undefined
    : "to be 'balanced' or an object of class names and weights above 0";
};

/** A check of a value, or of one an output. */
export const isByOutput =
  (check: Check): Check =>
  (value) => {
    const words = check(value);
    if (words === undefined || !isPlain(value)) return words;
    return Object.values(value).every((one) => check(one) === undefined) ? undefined : `${words}, or one such an output`;
  };

/** What a recipe says of its outputs beside their losses. */
export interface OutputSettings {
  readonly lossWeights?: Readonly<Record<string, number>> | undefined;
  readonly prepareTargets?: readonly Preparation[] | Readonly<Record<string, readonly Preparation[]>> | undefined;
  readonly classWeights?: ClassWeights | Readonly<Record<string, ClassWeights>> | undefined;
}

/** An option of a recipe with several outputs, by the name of an output each. */
const byOutput = <T>(option: string, given: unknown, names: readonly string[], check: Check): Readonly<Record<string, T>> => {
  if (given === undefined || (Array.isArray(given) && given.length === 0)) return {};
  if (!isPlain(given)) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      place: `Trainer: ${option}`,
      message: `a model with several outputs has its ${option} by output.`,
      expected: `an object with some of ${names.join(', ')}`,
      received: shown(given),
    });
  }
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name)) throw refused(`Trainer: ${option}`, `there is no output '${name}'.`, names, name);
    expectArgument(`Trainer: ${option}`, name, value, check);
  }
  return given as Readonly<Record<string, T>>;
};

const refused = (place: string, message: string, expected: readonly string[], received: string): NablaError => {
  const meant = nearest(received, expected);
  return new NablaError({
    code: 'INVALID_OPTION',
    place,
    message,
    expected: expected.join(', '),
    received,
    hint: meant === undefined ? undefined : `did you mean '${meant}'?`,
  });
};

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/**
 * The losses of several outputs with their weights.
 * @throws {NablaError} `INVALID_OPTION` with the nearest name
 */
export const resolveNamedLosses = (
  losses: unknown,
  { lossWeights: weights, prepareTargets, classWeights }: OutputSettings,
): readonly PlannedOutput[] => {
  if (!isPlain(losses) || Object.keys(losses).length === 0) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      place: 'Trainer',
      message: 'expected loss to be a name, a function, or an object of one loss an output.',
      expected: "such as { digit: 'crossEntropy', parity: 'binaryCrossEntropy' }",
    });
  }
  const names = Object.keys(losses);
  const dotted = names.find((name) => name.includes('.') || name === 'loss');
  if (dotted !== undefined) throw refused('Trainer: loss', `an output cannot be called '${dotted}'.`, ['a name without a dot'], dotted);
  for (const [name, weight] of Object.entries(weights ?? {})) {
    if (!names.includes(name)) throw refused('Trainer: lossWeights', `there is no loss of an output '${name}'.`, names, name);
    const words = isNumber({ min: 0 })(weight);
    if (words !== undefined)
      throw new NablaError({
        code: 'INVALID_OPTION',
        place: 'Trainer: lossWeights',
        message: `expected ${name} ${words}, got ${String(weight)}.`,
        expected: words,
      });
  }
  const steps = byOutput<readonly Preparation[]>('prepareTargets', prepareTargets, names, isListOf(isPreparation));
  const classes = byOutput<ClassWeights>('classWeights', classWeights, names, isClassWeights);
  return names.map((name) => ({
    name,
    loss: resolveLoss(losses[name] as LossLike),
    weight: weights?.[name] ?? 1,
    prepareTargets: steps[name] ?? [],
    classWeights: classes[name],
  }));
};

/** A loss whose predictions no metric can compare with the targets: embeddings of classes, or time steps of labels. */
export const expectComparable = (loss: Loss, metrics: readonly unknown[], place: string): void => {
  if (metrics.length === 0 || (loss.targets !== 'labels' && loss.targets !== 'sequences')) return;
  const what =
    loss.targets === 'labels' ? 'embeddings, and its targets are classes' : 'scores by time step, and its targets are labels without time';
  throw new NablaError({
    code: 'INVALID_OPTION',
    place,
    message: `a model of the loss ${loss.kind} gives ${what}: no metric compares them.`,
    expected: 'no metrics',
    received: `${metrics.length}`,
    hint: `Watch the loss, and judge what \`predict\` gives${loss.targets === 'labels' ? ', for instance by the class of the nearest neighbour' : ''}.`,
  });
};

/** The metrics of several outputs under their full names. */
export const resolveNamedMetrics = (metrics: unknown, outputs: readonly PlannedOutput[]): readonly ResolvedMetric[] => {
  if (Array.isArray(metrics) && metrics.length === 0) return [];
  const names = outputs.map(({ name }) => name);
  if (!isPlain(metrics)) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      place: 'Trainer: metrics',
      message: 'a model with several outputs has its metrics by output.',
      expected: `an object of lists, such as { ${names[0]}: ['accuracy'] }`,
    });
  }
  return Object.entries(metrics).flatMap(([output, list]) => {
    if (!names.includes(output)) throw refused('Trainer: metrics', `there is no output '${output}'.`, names, output);
    const resolved = resolveMetrics(list as Metrics, `metrics.${output}`);
    expectComparable(outputs.find(({ name }) => name === output)!.loss, resolved, `metrics.${output}`);
    return resolved.map((metric) => ({ ...metric, name: `${output}.${metric.name}` }));
  });
};

/** The tensors of a model by output: exactly those that have a loss. */
export const expectOutputs = (prediction: unknown, outputs: readonly PlannedOutput[]): NamedTensors => {
  const wanted = outputs.map(({ name }) => name);
  if (prediction instanceof Tensor || !isPlain(prediction)) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      place: 'Trainer: loss',
      message: `there are losses of outputs by name (${wanted.join(', ')}), but the model gives one output without a name.`,
      expected: `a model that returns { ${wanted.join(', ')} }`,
      received: String(prediction),
      hint: 'give one loss, or return an object of Tensors from network((x) => …).',
    });
  }
  const given = Object.keys(prediction);
  for (const name of wanted)
    if (!given.includes(name))
      throw refused('Trainer: loss', `there is a loss of an output '${name}', which the model does not have.`, given, name);
  const without = given.find((name) => !wanted.includes(name));
  if (without !== undefined) throw refused('Trainer: loss', `the output '${without}' of the model has no loss.`, wanted, without);
  return prediction as NamedTensors;
};

/** The target of an output: of its name, or the column of its name among numbers; and where it lies in a row of targets. */
export const targetOf = (name: string, { target }: Schema): { readonly target: TargetSchema; readonly at: number } => {
  const numbers =
    target?.kind === 'numbers'
      ? target.names.map((own): NamedTargetSchema => ({ name: own, target: { kind: 'numbers', names: [own], width: 1 } }))
      : [];
  const all = target?.kind === 'several' ? target.targets : numbers;
  const index = all.findIndex((one) => one.name === name);
  if (index < 0) {
    const names = all.map((one) => one.name);
    const meant = nearest(name, names);
    throw new NablaError({
      code: 'INVALID_DATA',
      place: `targets.${name}`,
      message: `the data set has no target '${name}' for the output of that name`,
      expected: `a target for each output by name: targets: { ${name}: […] }`,
      received: names.length > 0 ? names.join(', ') : 'one target without a name',
      hint: meant === undefined ? undefined : `did you mean '${meant}'?`,
    });
  }
  const at = all.slice(0, index).reduce((sum, one) => sum + targetWidth(one.target), 0);
  return { target: (all[index] as NamedTargetSchema).target, at };
};

/** Where an output lies in a row of predictions. */
export interface OutputPlace {
  readonly name: string;
  readonly from: number;
  readonly width: number;
  /** Its values say nothing of single classes, whatever its target. */
  readonly embeds: boolean;
}

/** The outputs of a spec as plain data. */
export const outputSpecs = (
  outputs: readonly PlannedOutput[],
): readonly {
  readonly name: string;
  readonly output: OutputActivation;
  readonly prepareTargets?: readonly unknown[];
  readonly classWeights?: ClassWeights;
}[] =>
  outputs.map(({ name, loss, prepareTargets, classWeights }) => ({
    name,
    output: loss.output,
    ...(prepareTargets.length === 0 ? {} : { prepareTargets: prepareTargets.map(({ spec }) => spec) }),
    ...(classWeights === undefined ? {} : { classWeights }),
  }));

/** One part of each row. */
export const columnsOfOutput = (values: Float64Array, rows: number, { from, width }: Pick<OutputPlace, 'from' | 'width'>): Float64Array => {
  const stride = values.length / Math.max(rows, 1);
  const own = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) own.set(values.subarray(row * stride + from, row * stride + from + width), row * width);
  return own;
};

/** The rows of a matrix as views of its buffer: memory of its own for each would cost more than predicting it. */
export const rowsOf = (matrix: Float64Array, width: number): Float64Array[] => {
  const { buffer, byteOffset, BYTES_PER_ELEMENT: bytes } = matrix;
  // `subarray` takes twice as long.
  return Array.from(
    { length: width > 0 ? matrix.length / width : 0 },
    (_, row) => new Float64Array(buffer, byteOffset + bytes * width * row, width),
  );
};

/** One array of probabilities a row, all in one buffer; a single sigmoid output p stands for [1 − p, p]. */
export const probabilityRows = (values: Float64Array, rows: number): Float64Array[] => {
  const single = values.length === rows;
  const matrix = single ? new Float64Array(2 * rows) : values;
  if (single) for (const [row, p] of values.entries()) matrix.set([1 - p, p], 2 * row);
  return rowsOf(matrix, matrix.length / rows);
};

/** Class names of what an output predicts; none where that is numbers. */
export const classesOf = ({ name, embeds }: OutputPlace, target: TargetSchema | null): readonly string[] => {
  if (embeds) return [];
  const own = target?.kind === 'several' ? target.targets.find((one) => one.name === name)?.target : undefined;
  return own?.kind === 'classes' ? own.names : [];
};
