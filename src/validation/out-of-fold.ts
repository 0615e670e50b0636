import { type Dataset, labelIndices, schemaOf } from '../data/dataset.js';
import { invalidOption, NablaError } from '../errors/index.js';
import { type MetricName, metricNames } from '../metrics/names.js';
import { callNative } from '../native/index.js';
import type { Estimator } from '../trainer/estimator.js';
import { Fitted, outputsOf } from '../trainer/fitted.js';
import { expectOneOutput } from '../trainer/outputs.js';
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
}

/** Predictions of any estimator as numbers: a fitted network's own outputs; another's numbers, or classes as 0 and 1. */
const predicted = async (fitted: Fit['fitted'], data: Dataset): Promise<{ readonly width: number; readonly values: Float64Array }> => {
  if (fitted instanceof Fitted) {
    expectOneOutput('crossValidate: aggregate, predictions', fitted);
    const values = await outputsOf(fitted, data);
    return { width: values.length / data.rows, values };
  }
  const given = (await fitted.predict(data)) as ArrayLike<number> | readonly string[];
  const { target } = schemaOf(data);
  if (target?.kind !== 'classes') {
    const values = Float64Array.from(given as ArrayLike<number>);
    return { width: values.length / data.rows, values };
  }
  const width = target.names.length;
  const values = new Float64Array(data.rows * width);
  Array.from(given as readonly string[]).forEach((name, row) => {
    const k = target.names.indexOf(name);
    if (k < 0) throw new NablaError({ code: 'INVALID_DATA', message: `a prediction is no class of the target: ${name}`, place: 'predict' });
    values[row * width + k] = 1;
  });
  return { width, values };
};

/** What each fold's model says of the rows it has not seen. */
export const heldOut = async (
  data: Dataset,
  views: readonly { readonly validation: Dataset; readonly heldOut: Uint32Array }[],
  fits: readonly Fit[],
): Promise<OutOfFold> => {
  const total = views.reduce((sum, view) => sum + view.heldOut.length, 0);
  const rows = new Uint32Array(total);
  const folds = new Uint32Array(total);
  let values = new Float64Array(0);
  let width = 0;
  let at = 0;
  for (const [index, view] of views.entries()) {
    const part = await predicted((fits[index] as Fit).fitted, view.validation);
    if (index === 0) {
      width = part.width;
      values = new Float64Array(total * width);
    }
    if (part.width !== width || part.values.length !== view.heldOut.length * width) {
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        message: `fold ${index} predicts ${part.values.length} values for ${data.rows} rows, the first ${width} a row`,
        place: `fold ${index}`,
      });
    }
    rows.set(view.heldOut, at);
    folds.fill(index, at, at + view.heldOut.length);
    values.set(part.values, at * width);
    at += view.heldOut.length;
  }
  return { rows, folds, width, values };
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
  { rows, folds, width, values }: OutOfFold,
  results: readonly { readonly scores: Readonly<Record<string, number>> }[],
  names: readonly string[],
): Readonly<Record<string, number>> => {
  const { target } = schemaOf(data);
  const all = data.weights();
  const weights = all === undefined ? null : pick(all, rows, 1);
  const classes = target?.kind === 'classes' ? target.names.length : 0;
  const truth = classes > 0 ? pick(labelIndices(data) as Uint32Array, rows, 1) : pick(data.targets(), rows, width);
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
    return callNative((n) => n.metric(JSON.stringify(spec), truth, values, width, classes, weights));
  };
  return Object.fromEntries(names.map((name) => [name, score(name)]));
};
