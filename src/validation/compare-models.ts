import { expectOptions, invalidOption, isString, NablaError, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';
import type { FittedEstimator } from '../trainer/estimator.js';
import type { CrossValidation, ScoresOf } from './cross-validate.js';
import { sameFolds } from './shared-folds.js';

/** What `compareModels` finds. */
export interface Comparison {
  /** Which score was compared. */
  readonly metric: string;
  /** Mean over the folds of a's score less b's. */
  readonly difference: number;
  readonly standardError: number;
  readonly t: number;
  readonly degreesOfFreedom: number;
  /** Two-sided: how likely so large a |t| is if there is no difference. */
  readonly pValue: number;
  /** Where the difference lies with 95 % confidence. */
  readonly interval: readonly [low: number, high: number];
}

const comparisonOptions = optionsOf('validation/compareModels', { metric: isString });

const refuse = (message: string, hint: string): NablaError =>
  new NablaError({ code: 'INVALID_DATA', message, place: 'compareModels', hint });

/**
 * Whether two recipes differ, by the corrected resampled t-test on folds that both have seen:
 * t = d̄/√((1/J + n₂/n₁)·s²), d the J differences of scores, s² over J − 1, n₂/n₁ the rows held out over those trained on;
 * J − 1 degrees of freedom. Nadeau & Bengio 2003, Inference for the generalization error, equation 8. The plain t-test takes folds for
 * independent, which they are not, and finds differences that are not there.
 *
 * `metric` defaults to the first of a's metrics, else the loss.
 * @throws {NablaError} `INVALID_DATA` for reports of different folds, or fewer than two
 * @example compareModels(await crossValidate(wide, data, { splitter }), await crossValidate(narrow, data, { splitter })).pValue
 */
export const compareModels = <F extends FittedEstimator, G extends FittedEstimator = F>(
  a: CrossValidation<F>,
  b: CrossValidation<G>,
  options: { readonly metric?: keyof ScoresOf<F> & keyof ScoresOf<G> & string } = {},
): Comparison => {
  expectOptions('compareModels', options, comparisonOptions, compareModels);
  for (const report of [a, b]) {
    if (typeof report !== 'object' || report === null || !Array.isArray(report.folds) || typeof report.scores !== 'object') {
      throw invalidOption('compareModels', 'a report', 'to be what crossValidate gives', report, compareModels);
    }
  }
  const names = Object.keys(a.scores);
  const metric = options.metric ?? names.find((name) => name !== 'loss') ?? 'loss';
  const of = (report: { readonly scores: object }): readonly number[] | undefined =>
    (report.scores as Record<string, { readonly values: readonly number[] }>)[metric]?.values;
  const [left, right] = [of(a), of(b)];
  if (left === undefined || right === undefined)
    throw invalidOption('compareModels', 'metric', `to be among the scores of both, such as '${names[0]}'`, metric, compareModels);
  const folds = left.length;
  if (folds < 2 || right.length !== folds)
    throw refuse(`${folds} and ${right.length} folds cannot be compared`, 'Cross-validate both with one splitter of at least two folds.');
  const sizes = (report: typeof a | typeof b): string => report.folds.map((fold) => `${fold.trainRows}/${fold.validationRows}`).join();
  if (sizes(a) !== sizes(b) || sameFolds(a, b) === false)
    throw refuse('the two reports are of different folds', 'Give both calls the same data and the same splitter, with its seed.');
  const differences = left.map((value, i) => value - (right[i] as number));
  if (differences.some((value) => !Number.isFinite(value)))
    throw refuse(`${metric} is not a number in some fold`, 'Choose a metric that each fold has, or fewer folds.');
  const difference = differences.reduce((sum, value) => sum + value, 0) / folds;
  const variance = differences.reduce((sum, value) => sum + (value - difference) ** 2, 0) / (folds - 1);
  const ratio = a.folds.reduce((sum, fold) => sum + fold.validationRows / fold.trainRows, 0) / folds;
  const standardError = Math.sqrt((1 / folds + ratio) * variance);
  const t = difference === 0 ? 0 : difference / standardError;
  const degreesOfFreedom = folds - 1;
  const pValue = callNative((n) => n.studentTTwoSided(t, degreesOfFreedom));
  const reach = standardError * callNative((n) => n.studentTQuantile(0.975, degreesOfFreedom));
  return { metric, difference, standardError, t, degreesOfFreedom, pValue, interval: [difference - reach, difference + reach] };
};
