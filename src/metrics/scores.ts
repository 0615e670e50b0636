import {
  type Caller,
  expectArgument,
  expectOptions,
  isArrayLike,
  isInteger,
  isOneOf,
  NablaError,
  optionsOf,
  type Spec,
  shown,
} from '../errors/index.js';
import { callNative } from '../native/index.js';
import { classIndices, type Label } from './class-indices.js';
import type { WeightOptions } from './classification.js';
import type { Average, MetricName } from './names.js';
import { flat, widthOf } from './regression.js';

/** Scores of the positive class, one a row, or one row of scores a row in the order of the classes. */
export type Scores = ArrayLike<number> | readonly ArrayLike<number>[];

/** The class of each row; for `rocAuc` and `averagePrecision` also several marks of 0 and 1 a row. */
export type Marks = readonly ArrayLike<number>[];

/** Options of metrics of scores. */
export interface ScoreOptions<A = never> extends WeightOptions {
  /** Order of the columns, and all classes where some have no rows; default the sorted labels. */
  classes?: readonly Label[];
  /** Default `'macro'` beyond two classes, one class against the rest. */
  average?: A;
}

/** Options of `rocAuc`. */
export interface RocAucOptions extends ScoreOptions<'macro' | 'weighted' | 'micro'> {
  /** Each class against the rest (default), or each pair of classes: Hand & Till 2001. */
  multiClass?: 'ovr' | 'ovo';
}

const isClasses = (value: unknown): string | undefined =>
  Array.isArray(value) && value.length > 0 ? undefined : 'to be a list of classes';
const scoreOptions = { weights: isArrayLike, classes: isClasses };
const averages = { average: isOneOf(['macro', 'weighted', 'micro']) };
const known = {
  rocAuc: optionsOf('metrics/rocAuc', { ...scoreOptions, ...averages, multiClass: isOneOf(['ovr', 'ovo']) }),
  averagePrecision: optionsOf('metrics/averagePrecision', { ...scoreOptions, ...averages }),
  logLoss: optionsOf('metrics/logLoss', scoreOptions),
  brier: optionsOf('metrics/brier', scoreOptions),
  topKAccuracy: optionsOf('metrics/topKAccuracy', { ...scoreOptions, k: isInteger({ min: 1 }) }),
  calibrationError: optionsOf('metrics/calibrationError', { ...scoreOptions, bins: isInteger({ min: 1, max: 10_000 }) }),
} satisfies Partial<Record<MetricName, Spec>>;

const mismatch = (place: string, message: string, expected: string, received: string, hint?: string): NablaError =>
  new NablaError({ code: 'SHAPE_MISMATCH', place, message, expected, received, hint });

/** Labels that are all 0 and 1, or all booleans, without a look-up a row; undefined for others. */
const zeroOne = (labels: ArrayLike<Label>): Float64Array | undefined => {
  const truth = new Float64Array(labels.length);
  const [no, yes] = typeof labels[0] === 'boolean' ? [false, true] : [0, 1];
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row];
    if (label === yes) truth[row] = 1;
    else if (label !== no) return undefined;
  }
  return truth;
};

/** The class of each row as an index into the columns of the scores. */
const indicesOf = (kind: string, labels: ArrayLike<Label>, width: number, classes: readonly Label[] | undefined) => {
  const count = Math.max(width, 2);
  const quick = classes === undefined && count === 2 ? zeroOne(labels) : undefined;
  if (quick !== undefined) return { truth: quick, count };
  const known = classes ?? classIndices(kind, labels, labels).classes;
  if (known.length !== count) {
    const columns = width === 1 ? 'a score a row' : `${width} scores a row`;
    throw mismatch(
      kind,
      `${columns} and ${known.length} classes don't fit.`,
      `${count} classes`,
      `${known.length} classes`,
      'name all classes in the order of the columns: { classes: […] }.',
    );
  }
  const index = new Map(known.map((label, i) => [label, i]));
  const truth = Float64Array.from({ length: labels.length }, (_, row) => {
    const found = index.get(labels[row]!);
    if (found !== undefined) return found;
    throw new NablaError({
      code: 'INVALID_DATA',
      place: kind,
      message: `row ${row} has the label ${shown(labels[row])}, which is not among the classes.`,
      expected: known.map(String).join(', '),
      received: shown(labels[row]),
    });
  });
  return { truth, count };
};

const isMarks = (labels: ArrayLike<unknown>): labels is Marks => typeof labels[0] === 'object' && labels[0] !== null;

const score = (
  kind: keyof typeof known,
  labels: ArrayLike<Label> | Marks,
  scores: Scores,
  options: ScoreOptions<unknown>,
  caller: Caller,
): number => {
  expectOptions(kind, options, known[kind], caller);
  expectArgument(kind, 'labels', labels, isArrayLike, caller);
  expectArgument(kind, 'scores', scores, isArrayLike, caller);
  const { weights, classes, ...rest } = options;
  const [rows, width] = [labels.length, widthOf(scores)];
  if (rows !== scores.length || rows === 0 || width === 0) {
    throw mismatch(
      kind,
      `${rows} labels and scores [${scores.length}, ${width}] don't fit.`,
      'a row of scores for each label',
      `${scores.length}`,
    );
  }
  const marked = isMarks(labels);
  if (marked && kind !== 'rocAuc' && kind !== 'averagePrecision') {
    throw new NablaError({
      code: 'INVALID_DATA',
      place: kind,
      message: 'several marks a row: only rocAuc and averagePrecision take them.',
      expected: 'one label a row',
      received: shown(labels[0]),
    });
  }
  if (marked && widthOf(labels) !== width) {
    throw mismatch(kind, `${widthOf(labels)} marks and ${width} scores a row don't fit.`, `${width} marks`, `${widthOf(labels)} marks`);
  }
  const { truth, count } = marked ? { truth: flat(kind, labels, width), count: 0 } : indicesOf(kind, labels, width, classes);
  const values = flat(kind, scores, width);
  const weighed = weights === undefined ? null : Float64Array.from(weights);
  return callNative(
    (binding) => binding.metric(JSON.stringify({ kind, name: kind, ...rest }), truth, values, width, count, weighed),
    caller,
  );
};

/**
 * Area under the ROC curve: the probability that a positive row scores above a negative one, ties ½. NaN where there is one class only.
 * scikit-learn's `roc_auc_score`. Hanley & McNeil 1982. Cost: one sort a class.
 * @example rocAuc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) // 0.75
 */
export const rocAuc = (labels: ArrayLike<Label> | Marks, scores: Scores, options: RocAucOptions = {}): number =>
  score('rocAuc', labels, scores, options, rocAuc);

/** Σ (Rₙ − Rₙ₋₁)·Pₙ over thresholds, the area under precision and recall in steps. scikit-learn's `average_precision_score`. */
export const averagePrecision = (
  labels: ArrayLike<Label> | Marks,
  scores: Scores,
  options: ScoreOptions<Exclude<Average, 'binary'>> = {},
): number => score('averagePrecision', labels, scores, options, averagePrecision);

/** Mean of −ln p of the right class, p cut to [ε, 1 − ε], ε = 2⁻⁵². scikit-learn's `log_loss`. */
export const logLoss = (labels: ArrayLike<Label>, probabilities: Scores, options: ScoreOptions = {}): number =>
  score('logLoss', labels, probabilities, options, logLoss);

/** Mean squared distance of the probabilities from 0 and 1; halved for two classes. Brier 1950; scikit-learn's `brier_score_loss`. */
export const brier = (labels: ArrayLike<Label>, probabilities: Scores, options: ScoreOptions = {}): number =>
  score('brier', labels, probabilities, options, brier);

/** Share of rows whose class is among the `k` best (default 2). Of equal scores the later class is the better, as in scikit-learn's `top_k_accuracy_score`. */
export const topKAccuracy = (labels: ArrayLike<Label>, scores: Scores, options: ScoreOptions & { k?: number } = {}): number =>
  score('topKAccuracy', labels, scores, options, topKAccuracy);

/** Expected calibration error: mean distance of confidence and accuracy over `bins` (default 15) equal parts. Guo et al. 2017, arXiv:1706.04599. */
export const calibrationError = (labels: ArrayLike<Label>, probabilities: Scores, options: ScoreOptions & { bins?: number } = {}): number =>
  score('calibrationError', labels, probabilities, options, calibrationError);
