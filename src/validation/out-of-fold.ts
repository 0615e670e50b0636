import { type Dataset, schemaOf } from '../data/dataset.js';
import { targetWidth } from '../data/schema.js';
import { invalidOption, NablaError } from '../errors/index.js';
import { type MetricName, metricNames } from '../metrics/names.js';
import { callNative } from '../native/index.js';
import type { Estimator } from '../trainer/estimator.js';
import { Fitted, outputsOf, placesOf } from '../trainer/fitted.js';
import { columnsOfOutput, type OutputPlace, targetOf } from '../trainer/outputs.js';
import { metricsOf, Trainer } from '../trainer/trainer.js';
import type { Fit } from './fit-all.js';

/** Predictions of held-out rows, fold after fold; a row that several folds hold out is there several times. */
export interface OutOfFold {
  /** Index of each row in the data set. */
  readonly rows: Uint32Array;
  /** The fold whose model predicts it. */
  readonly folds: Uint32Array;
  /** Numbers a row: classes (or 1, the probability of the second), or outputs. */
  readonly width: number;
  /** `[rows, width]`: probabilities, or numbers in the target's own units. */
  readonly values: Float64Array;
  /** Of a model with several outputs: which of the numbers of a row are whose. */
  readonly outputs?: readonly OutputPlace[];
}

/** Predictions of one fold as numbers. */
export interface HeldOutPart {
  readonly width: number;
  readonly values: Float64Array;
  readonly outputs: readonly OutputPlace[];
}

/** Predictions of any estimator as numbers: a fitted network's own outputs; another's numbers, or classes as 0 and 1. */
export const predictHeldOut = async (fitted: Fit['fitted'], data: Dataset): Promise<HeldOutPart> => {
  if (fitted instanceof Fitted) {
    const values = await outputsOf(fitted, data);
    return { width: values.length / data.rows, values, outputs: placesOf(fitted) };
  }
  const given: unknown = await fitted.predict(data);
  const { target } = schemaOf(data);
  const named = typeof given === 'object' && given !== null && !Array.isArray(given) && !ArrayBuffer.isView(given);
  if (named || target?.kind === 'several') {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: 'held-out predictions of several outputs are those of a Trainer: another estimator does not say where its outputs lie',
      place: 'crossValidate: predictions',
      expected: "a Trainer, or aggregate: 'folds' without predictions",
    });
  }
  if (target?.kind !== 'classes') {
    const values = Float64Array.from(given as ArrayLike<number>);
    return { width: values.length / data.rows, values, outputs: [] };
  }
  const width = target.names.length;
  const values = new Float64Array(data.rows * width);
  Array.from(given as readonly string[]).forEach((name, row) => {
    const k = target.names.indexOf(name);
    if (k < 0) throw new NablaError({ code: 'INVALID_DATA', message: `a prediction is no class of the target: ${name}`, place: 'predict' });
    values[row * width + k] = 1;
  });
  return { width, values, outputs: [] };
};

/** What each fold's model says of the rows it has not seen, fold after fold. */
export const joined = (views: readonly { readonly heldOut: Uint32Array }[], parts: readonly HeldOutPart[]): OutOfFold => {
  const total = views.reduce((sum, view) => sum + view.heldOut.length, 0);
  const { width, outputs } = parts[0] as HeldOutPart;
  const rows = new Uint32Array(total);
  const folds = new Uint32Array(total);
  const values = new Float64Array(total * width);
  let at = 0;
  for (const [index, { heldOut }] of views.entries()) {
    const part = parts[index] as HeldOutPart;
    if (part.width !== width || part.values.length !== heldOut.length * width) {
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        message: `fold ${index} predicts ${part.values.length} values for ${heldOut.length} rows, the first ${width} a row`,
        place: `fold ${index}`,
      });
    }
    rows.set(heldOut, at);
    folds.fill(index, at, at + heldOut.length);
    values.set(part.values, at * width);
    at += heldOut.length;
  }
  return { rows, folds, width, values, ...(outputs.length > 0 ? { outputs } : {}) };
};

const pick = (from: ArrayLike<number>, rows: Uint32Array, width: number): Float64Array => {
  const out = new Float64Array(rows.length * width);
  rows.forEach((row, i) => {
    for (let j = 0; j < width; j++) out[i * width + j] = from[row * width + j] as number;
  });
  return out;
};

/**
 * Each score over all held-out predictions at once. The loss is the mean of the folds' losses weighted by their rows, which is the same as
 * pooling, because a loss is a mean over rows.
 */
export const poolScores = (
  estimator: Estimator,
  data: Dataset,
  { rows, folds, width, values, outputs = [] }: OutOfFold,
  results: readonly { readonly scores: Readonly<Record<string, number>> }[],
  names: readonly string[],
): Readonly<Record<string, number>> => {
  const schema = schemaOf(data);
  const all = data.weights();
  const weights = all === undefined ? null : pick(all, rows, 1);
  const stride = schema.target === null ? 1 : targetWidth(schema.target);
  const targets = data.targets();
  /** Truth and predictions of the one target, or of the output that a score's name begins with. */
  const judged = (name: string) => {
    const place = outputs.find((output) => name.startsWith(`${output.name}.`));
    const { target, at } = place === undefined ? { target: schema.target, at: 0 } : targetOf(place.name, schema);
    const own = target === null ? 1 : targetWidth(target);
    return {
      classes: target?.kind === 'classes' ? target.names.length : 0,
      truth: pick(own === stride ? targets : columnsOfOutput(targets, data.rows, { from: at, width: own }), rows, own),
      values: place === undefined ? values : columnsOfOutput(values, rows.length, place),
      width: place?.width ?? width,
    };
  };
  const specs = new Map<string, object>(estimator instanceof Trainer ? metricsOf(estimator).map((spec) => [spec.name, spec]) : []);
  const score = (name: string): number => {
    if (name === 'loss') {
      const total = new Float64Array(results.length);
      rows.forEach((_, i) => {
        total[folds[i] as number]! += weights === null ? 1 : (weights[i] as number);
      });
      const sum = total.reduce((a, b) => a + b, 0);
      return results.reduce(
        (mean, { scores }, i) => mean + ((total[i] as number) === 0 ? 0 : (scores.loss as number) * ((total[i] as number) / sum)),
        0,
      );
    }
    const spec = specs.get(name) ?? (metricNames.includes(name as MetricName) ? { kind: name, name } : undefined);
    if (spec === undefined)
      throw invalidOption('crossValidate', 'aggregate', `to be 'folds': the score ${name} is no metric of nabla`, 'pooled');
    const one = judged(name);
    return callNative((n) => n.metric(JSON.stringify(spec), one.truth, one.values, one.width, one.classes, weights));
  };
  return Object.fromEntries(names.map((name) => [name, score(name)]));
};
