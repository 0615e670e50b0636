import { type Augmentation, isAugmentation, mixes } from '../data/augmentation.js';
import { Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { described } from '../data/features.js';
import type { Preparation } from '../data/preparation.js';
import type { Schema, TargetSchema } from '../data/schema.js';
import { expectSameVocabulary } from '../data/text.js';
import {
  expectArgument,
  expectOptions,
  invalidOption,
  isAnything,
  isBoolean,
  isEither,
  isFunction,
  isInteger,
  isListOf,
  isNumber,
  isOneOf,
  isString,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import type { Model } from '../layers/index.js';
import type { Loss, LossLike, OutputActivation } from '../losses/index.js';
import { resolveLoss } from '../losses/resolve.js';
import type { Metrics } from '../metrics/index.js';
import { metricDirection } from '../metrics/names.js';
import { type ResolvedMetric, resolveMetrics } from '../metrics/resolve.js';
import { adam, type OptimizerLike } from '../optimizers/index.js';
import { resolveOptimizer } from '../optimizers/resolve.js';
import type { Regularizer } from '../regularizers/index.js';
import { isRegularizer } from '../regularizers/penalties.js';
import { progressBar } from '../report/progress.js';
import type { ScheduleLike } from '../schedules/index.js';
import { type ResolvedSchedule, resolveSchedule } from '../schedules/resolve.js';
import { isSchedule } from '../schedules/schedule.js';
import { type CheckpointOptions, checkpointOf, isCheckpoint } from './checkpoint.js';
import type { Epoch, Scores } from './epoch.js';
import type { Estimator } from './estimator.js';
import { Fitted, modelOf } from './fitted.js';
import { isSignal } from './generate.js';
import { type FinishedFit, NativeFits } from './native-fit.js';
import {
  type ClassWeights,
  expectComparable,
  isByOutput,
  isClassWeights,
  isPreparation,
  type NamedLosses,
  type NamedMetrics,
  outputSpecs,
  type PlannedOutput,
  type PredictionKindOf,
  resolveNamedLosses,
  resolveNamedMetrics,
  type ScoreName,
} from './outputs.js';
import { plan } from './plan.js';
import { Run } from './run.js';

/** When to end a fit before its last epoch. */
export interface EarlyStopping<Name extends string = string> {
  /** The score that is watched, on the validation rows. Default: the first metric, else the loss. */
  readonly monitor?: Name | 'loss';
  /** Epochs without an improvement. Default 10. */
  readonly patience?: number;
  /** What counts as an improvement at least. Default 0. */
  readonly minDelta?: number;
  /** Which way a score is better. Default: as the metric says. */
  readonly direction?: 'max' | 'min';
  /** Epochs at the beginning that are not judged: none of them counts as the best, and none towards `patience`. Default 0. */
  readonly warmUp?: number;
  /** The weights of the best epoch come back. Default true. */
  readonly restoreBest?: boolean;
  /** Share of the training rows that is held out to be watched, where `fit` gets no `validation`. Default 0.1. */
  readonly validationFraction?: number;
}

/** A group of parameters with settings of their own. */
export interface ParameterGroup {
  /** A layer or a parameter, with `*` for anything: `'dense'`, `'conv*'`, `'head/kernel'`. One that names nothing is an error. */
  readonly match: string;
  /** In place of the optimizer's; a schedule multiplies it in the same proportion. */
  readonly learningRate?: number;
  /** In place of the optimizer's, for what decays (no biases, no scales of norms). */
  readonly weightDecay?: number;
  /** Kept as it is; no gradient is computed. */
  readonly freeze?: boolean;
}

/**
 * A limit of the gradient: each number to ±`value`; each parameter's to `norm`, or all together to `globalNorm` (Pascanu, Mikolov & Bengio
 * 2013, arXiv:1211.5063); each unit's to `adaptive` times the norm of its weights, 0.001 at least (Brock et al. 2021, arXiv:2102.06171).
 */
export type Clip = { readonly value: number } | { readonly norm: number } | { readonly globalNorm: number } | { readonly adaptive: number };

/**
 * Normal noise on each number of the (clipped) gradient, whose variance in step t, from 0, is `variance`/(1 + t)^`decay`. Neelakantan et al.
 * 2015, arXiv:1511.06807, with `decay` 0.55 (the default) and a `variance` of 0.01, 0.3 or 1. The same bits on any number of threads.
 */
export interface GradientNoise {
  /** η, above 0. */
  readonly variance: number;
  /** γ ≥ 0, default 0.55; 0 keeps the variance. */
  readonly decay?: number;
}

/** The recipe. */
export interface TrainerOptions<M extends Metrics | NamedMetrics = Metrics, L extends LossLike | NamedLosses = LossLike | NamedLosses> {
  /** A layer, `sequential([…])` or `network((x) => …)`. */
  readonly model: Model;
  /** A name, a value, a function of prediction and target that gives one value a row; one each for several outputs. */
  readonly loss: L;
  /** Weights of the losses of several outputs. Default 1. */
  readonly lossWeights?: Readonly<Record<string, number>>;
  /** Default `adam()`. */
  readonly optimizer?: OptimizerLike;
  /**
   * Names, or names with options: `['accuracy', ['fBeta', { beta: 2, as: 'f2' }]]`. Results have exactly these, and `loss`. Of several
   * outputs by name, `{ digit: ['accuracy'] }`, which results call `digit.accuracy`.
   */
  readonly metrics?: M;
  /** Passes over the training rows. Default 10. */
  readonly epochs?: number;
  /** Rows a step: 1 is stochastic, `'full'` is batch gradient descent. Default 32. */
  readonly batchSize?: number | 'full';
  /** New order of the rows each epoch. Default true. */
  readonly shuffle?: boolean;
  /** Steps fitted on the training rows and saved with the result; `'auto'` fills missing numbers with
   * the mean, standardizes numbers and one-hot encodes categories. Of sequences of different lengths one affine map for all steps,
   * fitted without their padding. Default none. */
  readonly prepare?: readonly Preparation[] | 'auto';
  /**
   * The same for numeric targets, with affine steps; predictions come back in the target's own units. Of several outputs by name,
   * `{ price: [standardize()] }`: those that are not named stay as they are.
   */
  readonly prepareTargets?: readonly Preparation[] | Readonly<Record<string, readonly Preparation[]>>;
  /** Changes of the training samples, each epoch anew: `[flip(), crop({ padding: 4 })]`. Rows that are scored stay as they are. */
  readonly augment?: readonly Augmentation[];
  /** What turns the model's output into predictions. Default: what fits the loss. */
  readonly output?: OutputActivation;
  /**
   * Weights of the classes in the objective, by name (1 where nothing is said); `'balanced'` gives each class of the training rows the same
   * total, n/(k·n_c). Losses and metrics that are reported are not weighted by them. Of several outputs by name,
   * `{ digit: 'balanced', parity: { odd: 2 } }`: the loss of each becomes Σ w·c·ℓ / Σ w·c over a batch, and so counts in the training loss
   * that is reported; scores of rows that are held out are without.
   */
  readonly classWeights?: ClassWeights | Readonly<Record<string, ClassWeights>>;
  /** The learning rate over time: a schedule, or the rate of each step, called ahead of the fit. Default constant. */
  readonly schedule?: ScheduleLike;
  /** A limit of the gradient, penalties included. */
  readonly clip?: Clip;
  /** Noise added to the gradient, less from step to step. Default none. */
  readonly gradientNoise?: GradientNoise;
  /** Penalties and constraints on all weights but biases and the scales of norms; `regularizer` of a layer is for its kernel alone. */
  readonly regularizers?: readonly Regularizer[];
  /**
   * Averaged weights, which each epoch is scored by and the fit gives: the mean over the epochs from `start` (a share of all, default 0.75)
   * on (`'swa'`, Izmailov et al. 2018, arXiv:1803.05407; running statistics of batch norm are computed anew for it by a pass over the rows
   * an epoch), or an exponential mean over steps (`'ema'`, `decay` 0.999 by default, less in the first steps).
   */
  readonly averaging?:
    | 'swa'
    | 'ema'
    | { readonly kind: 'swa'; readonly start?: number }
    | { readonly kind: 'ema'; readonly decay?: number };
  /** The first group that names a parameter decides. */
  readonly groups?: readonly ParameterGroup[];
  /** Off unless given. */
  readonly earlyStopping?: EarlyStopping<ScoreName<M>>;
  /** Of everything random: initial weights, order of rows, dropout. Default 0. */
  readonly seed?: number;
  /** Default `'f32'`. */
  readonly precision?: 'f32' | 'f64';
}

/** What belongs to one fit rather than to the recipe. */
export interface FitOptions<Name extends string = string> {
  /** Rows that each epoch is scored on, and that early stopping watches. Never trained on. */
  readonly validation?: Dataset;
  /** Ends the fit within one batch; the run rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Default: all cores, or `NABLA_THREADS`. Never changes a bit of the result. */
  readonly threads?: number;
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
  /** Sees each epoch. What it throws ends the fit and rejects the run. */
  readonly onEpoch?: (epoch: Epoch<Name>) => unknown;
  /**
   * Saves the state of the fit at the end of epochs, so that it can go on after a crash; the folder, how often (30 s) and how many stay (3).
   * A file is written whole or not at all; one that is torn or rotten is noticed, said as a warning, and the one before it is taken.
   */
  readonly checkpoint?: CheckpointOptions;
  /**
   * With `checkpoint`: goes on from the latest, if there is one, to the same bits as if there had been no crash; epochs before it come once
   * more as events. Only `epochs` may differ from the fit that left it: another recipe, other rows or another `from` are an error.
   * Default `false`: begins anew and replaces what is there.
   */
  readonly resume?: boolean;
  /**
   * Looks at the health of gradients each so many steps (`true`: 50): per layer means, deviations, norms and histograms of outputs and
   * gradients, and how far updates move weights. `epoch.health` and `fitted.health` say what is wrong, and so do the `details` of a
   * `NOT_FINITE` that ends the fit (`error.details.health`). Never changes a bit of the result;
   * steps in between cost nothing. Takes memory for the gradients at all layers of a batch. Not saved with the model.
   */
  readonly health?: boolean | { readonly every?: number };
  /** Starts from the weights of another model, by name: all that both have. `fitted.taken` and `notTaken` tell which. */
  readonly from?: Fitted;
  /** With `from`: the layers or parameters whose weights are taken, `*` for anything. */
  readonly take?: readonly string[];
  /** With `from`: its fitted preparation is kept, or fitted anew on these rows; default `'refit'`. To keep it takes the same steps. */
  readonly preparation?: 'keep' | 'refit';
}

/** A layer or any function of a tensor; a class is neither, however much `typeof` calls it a function. */
const isModel = (value: unknown): string | undefined =>
  typeof value === 'function' && !Function.prototype.toString.call(value).startsWith('class')
    ? undefined
    : 'to be a layer, sequential([…]) or network((x) => …)';

const isLimit = isNumber({ above: 0 });
const clipOptions = optionsOf('Trainer: clip', { value: isLimit, norm: isLimit, globalNorm: isLimit, adaptive: isLimit });
const noiseOptions = optionsOf('Trainer: gradientNoise', { variance: isLimit, decay: isNumber({ min: 0 }) });
const groupOptions = optionsOf('Trainer: groups', {
  match: isString,
  learningRate: isNumber({ min: 0 }),
  weightDecay: isNumber({ min: 0 }),
  freeze: isBoolean,
});

const expectClip = (clip: Clip): Clip => {
  expectOptions('Trainer: clip', clip, clipOptions);
  if (Object.values(clip).filter((limit) => limit !== undefined).length === 1) return { ...clip };
  throw invalidOption('Trainer', 'clip', 'to have one of value, norm, globalNorm, adaptive', clip);
};

const expectNoise = (noise: GradientNoise): GradientNoise => {
  expectOptions('Trainer: gradientNoise', noise, noiseOptions);
  expectArgument('Trainer: gradientNoise', 'variance', noise.variance, isLimit);
  const { variance, decay = 0.55 } = noise;
  return { variance, decay };
};

const expectGroup = (group: ParameterGroup): ParameterGroup => {
  expectOptions('Trainer: groups', group, groupOptions);
  if (group.match === undefined) throw invalidOption('Trainer: groups', 'match', 'to name parameters or layers', group.match);
  return { ...group };
};

/** Averaging by name: the last quarter of the epochs, or a memory of some thousand steps. */
const averages = { swa: { kind: 'swa', start: 0.75 }, ema: { kind: 'ema', decay: 0.999 } } as const;
const isShare = isNumber({ min: 0, below: 1 });
const averagingOptions = {
  swa: optionsOf('Trainer: averaging', { kind: isString, start: isShare }),
  ema: optionsOf('Trainer: averaging', { kind: isString, decay: isShare }),
};

const expectAveraging = (averaging: NonNullable<TrainerOptions['averaging']>): object => {
  if (typeof averaging === 'string') return averages[averaging];
  expectArgument('Trainer: averaging', 'kind', averaging.kind, isOneOf(['swa', 'ema']));
  expectOptions('Trainer: averaging', averaging, averagingOptions[averaging.kind]);
  const given = Object.fromEntries(Object.entries(averaging).filter(([, value]) => value !== undefined));
  return { ...averages[averaging.kind], ...given };
};

const trainerOptions = optionsOf('Trainer', {
  model: isModel,
  loss: isAnything,
  lossWeights: isAnything,
  optimizer: isAnything,
  metrics: isAnything,
  epochs: isInteger({ min: 1 }),
  batchSize: isEither(isInteger({ min: 1 }), isOneOf(['full'])),
  shuffle: isBoolean,
  prepare: isEither(isOneOf(['auto']), isListOf(isPreparation)),
  prepareTargets: isByOutput(isListOf(isPreparation)),
  augment: isListOf(isAugmentation),
  output: isOneOf(['softmax', 'sigmoid', 'identity']),
  classWeights: isByOutput(isClassWeights),
  schedule: isSchedule,
  clip: isAnything,
  gradientNoise: isAnything,
  regularizers: isListOf(isRegularizer),
  averaging: isEither(isOneOf(['swa', 'ema']), (value) =>
    typeof value === 'object' && value !== null ? undefined : 'to be an object with kind',
  ),
  groups: isListOf(isAnything),
  earlyStopping: isAnything,
  seed: isInteger({ min: 0 }),
  precision: isOneOf(['f32', 'f64']),
});

const isDataset = (value: unknown): string | undefined => (value instanceof Dataset ? undefined : 'to be a Dataset');
/** What `fit` gives. */
export const isFitted = (value: unknown): string | undefined => (value instanceof Fitted ? undefined : 'to be a fitted model');

const isHealth = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null ? undefined : 'to be true or { every }';
const healthOptions = optionsOf('Trainer.fit: health', { every: isInteger({ min: 1 }) });

/** `health` of a fit, and of what makes many. */
export const isHealthOption = isEither(isBoolean, isHealth);

/** Each how many steps are looked at. */
export const everyOf = (health: FitOptions['health'] = false): number | undefined => {
  if (typeof health === 'boolean') return health ? 50 : undefined;
  expectOptions('fit: health', health, healthOptions);
  return health.every ?? 50;
};

const fitOptions = optionsOf('Trainer.fit', {
  validation: isDataset,
  signal: isSignal,
  threads: isInteger({ min: 1, max: 1024 }),
  progress: isBoolean,
  onEpoch: isFunction,
  checkpoint: isCheckpoint,
  resume: isBoolean,
  health: isHealthOption,
  from: isFitted,
  take: isListOf(isString),
  preparation: isOneOf(['keep', 'refit']),
});

const earlyStoppingOptions = optionsOf('Trainer: earlyStopping', {
  monitor: isAnything,
  patience: isInteger({ min: 0 }),
  minDelta: isNumber({ min: 0 }),
  direction: isOneOf(['max', 'min']),
  warmUp: isInteger({ min: 0 }),
  restoreBest: isBoolean,
  validationFraction: isNumber({ above: 0, below: 1 }),
});

/** A data set, or `INVALID_DATA` that says what came and how to make one. */
export function expectDataset(where: string, value: unknown): asserts value is Dataset {
  if (value instanceof Dataset) return;
  throw new NablaError({
    code: 'INVALID_DATA',
    message: `expected a Dataset, got ${described(value)}`,
    place: where,
    expected: 'a Dataset',
    received: described(value),
    hint: 'Dataset.from({ features, targets }) makes one of arrays.',
  });
}

const targetText = (target: TargetSchema | null): string => {
  if (target === null) return 'no target';
  if (target.kind === 'several') return target.targets.map(({ name, target }) => `${name}: ${targetText(target)}`).join('; ');
  return target.kind === 'numbers' ? `${target.width} numbers` : `classes ${target.names.slice(0, 12).join(', ')}`;
};

const sameTargets = (a: TargetSchema | null, b: TargetSchema | null): boolean => {
  if (a === null || b === null || a.kind !== b.kind) return a === b;
  if (a.kind === 'numbers') return b.kind === 'numbers' && a.width === b.width;
  if (a.kind === 'several')
    return (
      b.kind === 'several' &&
      a.targets.length === b.targets.length &&
      a.targets.every(({ name, target }, i) => b.targets[i]?.name === name && sameTargets(target, b.targets[i].target))
    );
  return (b.kind === 'classes' || b.kind === 'sequence') && a.names.join('\n') === b.names.join('\n');
};

/** Whether `other` can be scored by a model of `train`: the same features, the same target. */
export const expectSameSchema = (where: string, train: Schema, other: Schema): void => {
  const text = ({ sampleShape, target }: Schema): string => `[rows, ${sampleShape.join(', ')}], ${targetText(target)}`;
  expectSameVocabulary(where, train, other);
  // Shorter sequences are padded to those of the training rows.
  const [time = 0, longest = 0] = [other.sampleShape[0], train.sampleShape[0]];
  const sameShape =
    train.ragged && other.ragged
      ? train.sampleShape.slice(1).join() === other.sampleShape.slice(1).join() && time <= longest
      : train.sampleShape.join() === other.sampleShape.join() && train.columns.every(({ name }, i) => other.columns[i]?.name === name);
  const sameTarget = sameTargets(train.target, other.target);
  if (sameShape && sameTarget) return;
  throw new NablaError({
    code: sameShape ? 'INVALID_DATA' : 'SHAPE_MISMATCH',
    message: `the ${where} rows are not like the training rows: ${text(other)} against ${text(train)}`,
    place: where,
    expected: text(train),
    received: text(other),
    hint: train.ragged
      ? 'Split one data set, or read both with the same length: the longest there will be.'
      : 'Split one data set, or read both with the same options (classes: […] fixes their order).',
  });
};

const monitored = (given: EarlyStopping | undefined, metrics: readonly ResolvedMetric[]): Readonly<Record<string, unknown>> | null => {
  if (given === undefined) return null;
  expectOptions('Trainer: earlyStopping', given, earlyStoppingOptions);
  const { monitor = metrics[0]?.name ?? 'loss', patience = 10, minDelta = 0, restoreBest = true, validationFraction = 0.1 } = given;
  const { direction, warmUp } = given;
  const names = [...metrics.map(({ name }) => name), 'loss'];
  expectArgument('Trainer: earlyStopping', 'monitor', monitor, isOneOf(names));
  const mode = direction ?? metricDirection(metrics.find(({ name }) => name === monitor)?.kind ?? 'loss');
  return { monitor, mode, patience, minDelta, restoreBest, validationFraction, ...(warmUp === undefined ? {} : { warmUp }) };
};

/** Fit specs of a trainer; for validation and tuning. */
// biome-ignore lint/suspicious/noExplicitAny: any trainer has one
export let specOf: (trainer: Trainer<any, any>, schema: Schema) => string;
/** What a trainer was made with; for recipes made of it. */
// biome-ignore lint/suspicious/noExplicitAny: any trainer has one
export let recipeOf: (trainer: Trainer<any, any>) => TrainerOptions<any, any>;
/** Epochs of a trainer; for validation and tuning. */
// biome-ignore lint/suspicious/noExplicitAny: any trainer has them
export let epochsOf: (trainer: Trainer<any, any>) => number;
/** Names and directions of a trainer's metrics; for validation and tuning. */
// biome-ignore lint/suspicious/noExplicitAny: any trainer has them
export let metricsOf: (trainer: Trainer<any, any>) => readonly ResolvedMetric[];

/**
 * An immutable recipe: preparation, model, loss, optimizer, stopping, metrics, seed. It holds no weights: the same one can be fitted a
 * thousand times, side by side, and the same data and seed give the same bits on any number of threads.
 *
 * Everything that can be known is checked here; shapes, when the data are known.
 * @throws {NablaError} `INVALID_OPTION` with the nearest name, `NOT_IMPLEMENTED`
 * @example
 * const trainer = new Trainer({ model: sequential([dense(16, { activation: 'tanh' }), dense(3)]), loss: 'crossEntropy', metrics: ['accuracy'], epochs: 100 });
 * const fitted = await trainer.fit(train);
 */
export class Trainer<const M extends Metrics | NamedMetrics = readonly [], const L extends LossLike | NamedLosses = LossLike>
  implements Estimator<Fitted<ScoreName<M>, PredictionKindOf<L>>>
{
  // biome-ignore lint/suspicious/noExplicitAny: a trainer stays assignable to one of other metrics
  readonly #options: TrainerOptions<any, any>;
  readonly #model: Model;
  readonly #loss: Loss | readonly PlannedOutput[];
  readonly #prepare: readonly Preparation[] | 'auto';
  readonly #prepareTargets: readonly Preparation[];
  readonly #mixes: boolean;
  readonly #metrics: readonly ResolvedMetric[];
  readonly #epochs: number;
  readonly #batchSize: number | 'full';
  readonly #schedule: ResolvedSchedule | undefined;
  readonly #penalties: readonly { readonly penalty: Regularizer }[];
  /** The spec without what the data decide. */
  readonly #recipe: Readonly<Record<string, unknown>>;
  /** Specs by what of the schema they depend on, so that a second fit traces nothing. */
  readonly #specs = new Map<string, string>();

  static {
    specOf = (trainer, schema) => trainer.#spec(schema);
    metricsOf = (trainer) => trainer.#metrics;
    recipeOf = (trainer) => trainer.#options;
    epochsOf = (trainer) => trainer.#epochs;
  }

  constructor(options: TrainerOptions<M, L>) {
    expectOptions('Trainer', options, trainerOptions);
    const {
      model,
      loss,
      lossWeights,
      optimizer = adam(),
      metrics,
      epochs = 10,
      batchSize = 32,
      shuffle = true,
      prepare = [],
      prepareTargets = [],
      augment = [],
      output,
      classWeights,
      schedule,
      clip,
      gradientNoise,
      regularizers = [],
      averaging,
      groups = [],
      earlyStopping,
      seed = 0,
      precision = 'f32',
    } = options;
    if (model === undefined) throw invalidOption('Trainer', 'model', 'to be a layer, sequential([…]) or network((x) => …)', model);
    if (loss === undefined) throw invalidOption('Trainer', 'loss', 'to be a name or a function of prediction and target', loss);
    this.#options = { ...options };
    this.#model = model;
    const named = typeof loss === 'object' ? resolveNamedLosses(loss, { lossWeights, prepareTargets, classWeights }) : undefined;
    if (named === undefined) {
      if (!Array.isArray(prepareTargets))
        throw invalidOption('Trainer', 'prepareTargets', 'to be a list of steps, by output only where there are several', prepareTargets);
      if (classWeights !== undefined) expectArgument('Trainer', 'classWeights', classWeights, isClassWeights);
    }
    const single = named === undefined ? resolveLoss(loss as LossLike) : undefined;
    if (named === undefined && lossWeights !== undefined)
      throw invalidOption('Trainer', 'lossWeights', 'to come with a loss for each of several outputs', lossWeights);
    if (named !== undefined && output !== undefined)
      throw invalidOption('Trainer', 'output', 'to be left out where outputs have names: the loss of each decides', output);
    this.#loss = single ?? (named as readonly PlannedOutput[]);
    this.#prepare = prepare === 'auto' ? prepare : [...prepare];
    this.#prepareTargets = named === undefined ? [...(prepareTargets as readonly Preparation[])] : [];
    const mixing = augment.findIndex(mixes);
    if (mixing >= 0 && mixing + 1 < augment.length)
      throw invalidOption(
        'Trainer',
        'augment',
        `to have ${augment[mixing]!.kind} last, of which it mixes what the others made`,
        augment[mixing + 1]!.kind,
      );
    this.#mixes = mixing >= 0;
    this.#metrics = named === undefined ? resolveMetrics((metrics ?? []) as Metrics) : resolveNamedMetrics(metrics ?? [], named);
    if (single !== undefined) expectComparable(single, this.#metrics, 'Trainer: metrics');
    this.#epochs = epochs;
    this.#batchSize = batchSize;
    const names = this.#metrics.map(({ name }) => name);
    const direction = (name: string) => metricDirection(this.#metrics.find((metric) => metric.name === name)?.kind ?? 'loss');
    this.#schedule = schedule === undefined ? undefined : resolveSchedule(schedule, { names, direction });
    this.#penalties = regularizers.map((penalty) => ({ penalty }));
    const rule = resolveOptimizer(optimizer);
    if (rule.kind === 'lbfgs' && batchSize !== 'full')
      throw invalidOption('Trainer', 'batchSize', "to be 'full' with lbfgs, whose line search compares losses of one batch", batchSize);
    this.#recipe = {
      prepareTargets: this.#prepareTargets.map(({ spec }) => spec),
      ...(augment.length === 0 ? {} : { augment: augment.map(({ spec }) => spec) }),
      loss: single ?? Object.fromEntries((named as readonly PlannedOutput[]).map(({ name, loss }) => [name, loss])),
      output: output ?? single?.output ?? 'identity',
      ...(named === undefined ? {} : { outputs: outputSpecs(named) }),
      optimizer: rule,
      ...(classWeights === undefined || named !== undefined ? {} : { classWeights }),
      ...(clip === undefined ? {} : { clip: expectClip(clip) }),
      ...(gradientNoise === undefined ? {} : { gradientNoise: expectNoise(gradientNoise) }),
      ...(averaging === undefined ? {} : { averaging: expectAveraging(averaging) }),
      groups: groups.map(expectGroup),
      metrics: this.#metrics,
      epochs,
      batchSize,
      shuffle,
      earlyStopping: monitored(earlyStopping, this.#metrics),
      seed,
      precision,
    };
    Object.freeze(this);
  }

  /** The fit spec for data of this schema: the graph is traced once, and again only for another schema. */
  #spec(schema: Schema): string {
    const { rows, sampleShape, columns, target } = schema;
    const schedule = this.#schedule;
    const key = JSON.stringify([sampleShape, columns, target, schedule?.counted ? rows : 0]);
    let spec = this.#specs.get(key);
    if (spec === undefined) {
      const recipe = {
        model: this.#model,
        loss: this.#loss,
        prepare: this.#prepare,
        prepareTargets: this.#prepareTargets,
        mixes: this.#mixes,
      };
      const { graph, penalties, prepare } = plan(recipe, schema);
      const steps = this.#epochs * (this.#batchSize === 'full' ? 1 : Math.ceil(rows / this.#batchSize));
      const rest = JSON.stringify({
        prepare: prepare.map((step) => step.spec),
        ...this.#recipe,
        schedule: schedule?.data(steps),
        regularizers: [...this.#penalties, ...penalties],
      });
      spec = `{"version":1,"graph":${graph},${rest.slice(1)}`;
      this.#specs.set(key, spec);
    }
    return spec;
  }

  /**
   * Fits on a data set. The run is awaited for the result, iterated for its epochs, stopped early; the event loop stays free.
   *
   * What is wrong with options, data or shapes is thrown at once; what happens while training rejects the run.
   * @throws {NablaError} `INVALID_OPTION`, `INVALID_DATA`, `SHAPE_MISMATCH` with the layer
   * @example
   * const run = trainer.fit(train, { validation, signal: AbortSignal.timeout(60_000) });
   * for await (const epoch of run) console.log(epoch.index, epoch.train.loss);
   * const fitted = await run;
   */
  fit(data: Dataset, options: FitOptions<ScoreName<M>> = {}): Run<Fitted<ScoreName<M>, PredictionKindOf<L>>, Epoch<ScoreName<M>>> {
    type Name = ScoreName<M>;
    type Result = Fitted<Name, PredictionKindOf<L>>;
    expectDataset('fit', data);
    expectOptions('fit', options, fitOptions, this.fit);
    const { validation, signal, threads, progress = false, onEpoch, from, take, preparation } = options;
    if (preparation !== undefined && from === undefined)
      throw invalidOption('fit', 'preparation', 'to come with from', preparation, this.fit);
    if (take !== undefined && (from === undefined || take.length === 0))
      throw invalidOption('fit', 'take', from === undefined ? 'to come with from' : 'to name at least one layer', take, this.fit);
    const health = everyOf(options.health);
    const checkpoint = checkpointOf(options.checkpoint, options.resume, this.fit);
    const schema = schemaOf(data);
    const spec = this.#spec(schema);
    if (validation !== undefined) expectSameSchema('validation', schema, schemaOf(validation));
    const job = {
      train: nativeOf(data),
      validation: validation && nativeOf(validation),
      from: from && modelOf(from),
      take,
      keep: preparation === 'keep',
      checkpoint,
    };

    const bar = progress ? progressBar(this.#epochs) : undefined;
    const onEvent =
      bar === undefined
        ? onEpoch
        : (epoch: Epoch<Name>): unknown => {
            bar.epoch(epoch);
            return onEpoch?.(epoch);
          };
    const fits = new NativeFits();
    return new Run<Result, Epoch<Name>>(
      {
        async start(live, emit) {
          try {
            const [first] = await fits.start(spec, [job], { threads, events: live, health }, (_, epoch) => emit(epoch as Epoch<Name>));
            return (first as FinishedFit).fitted as unknown as Result;
          } finally {
            bar?.done();
          }
        },
        history: (fitted) => fitted.history,
        stop: () => fits.stop(),
        abort: () => fits.abort(),
      },
      { signal, onEvent },
    );
  }

  get [Symbol.toStringTag](): string {
    return 'Trainer';
  }
}

/** Any trainer, whatever its metrics and loss. */
// biome-ignore lint/suspicious/noExplicitAny: the parameters do not matter here
export type AnyTrainer = Trainer<any, any>;

/** What `new Trainer(…)` gives. */
export const isTrainer = (value: unknown): string | undefined => (value instanceof Trainer ? undefined : 'to be a Trainer');

export type { Scores };
