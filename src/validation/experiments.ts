import type { Dataset } from '../data/dataset.js';
import { planned } from '../errors/index.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import type { CrossValidation, FoldScores, ScoresOf } from './cross-validate.js';
import type { Splitter } from './splitter.js';

/** What every experiment takes. */
interface Watched {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly progress?: boolean;
}

/** A number with its standard error. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** Options of `nestedCrossValidate`. */
export interface NestedOptions<F extends FittedEstimator> extends Watched {
  readonly outer?: Splitter<ArrayLike<number>>;
  /** Tunes on the training part of an outer fold; what it gives is scored on the rest. */
  readonly tune: (train: Dataset, fold: number) => PromiseLike<Estimator<F>>;
}

/** Tunes inside each outer fold, so that the estimate is not biased by the choice. */
export const nestedCrossValidate =
  planned<<F extends FittedEstimator>(data: Dataset, options: NestedOptions<F>) => Promise<CrossValidation<F>>>(
    'validation/nestedCrossValidate',
  );

/** One point of a curve. */
export interface CurvePoint<X> {
  readonly at: X;
  readonly train: Readonly<Record<string, FoldScores>>;
  readonly validation: Readonly<Record<string, FoldScores>>;
}

/** Scores against the number of training rows, with bands over folds. */
export const learningCurve =
  planned<
    <F extends FittedEstimator>(
      estimator: Estimator<F>,
      data: Dataset,
      options?: Watched & { readonly sizes?: readonly number[]; readonly splitter?: Splitter<ArrayLike<number>>; readonly seed?: number },
    ) => Promise<{ readonly points: readonly CurvePoint<number>[] }>
  >('validation/learningCurve');

/** Scores against one hyperparameter, with bands over folds. */
export const validationCurve =
  planned<
    <X, F extends FittedEstimator>(
      estimator: (value: X) => Estimator<F>,
      data: Dataset,
      options: Watched & { readonly values: readonly X[]; readonly splitter?: Splitter<ArrayLike<number>> },
    ) => Promise<{ readonly points: readonly CurvePoint<X>[] }>
  >('validation/validationCurve');

/** Options of `biasVariance`. */
export interface BiasVarianceOptions extends Watched {
  readonly train: Dataset;
  readonly test: Dataset;
  readonly trainingSets?: number;
  readonly sampling?: 'bootstrap' | 'subsample';
  /** The target without noise, where it is known. */
  readonly truth?: (row: Float64Array) => number;
  readonly seed?: number;
}

/** Bias², variance and noise of a recipe over many training sets of the same size. */
export const biasVariance =
  planned<
    (
      estimator: Estimator,
      options: BiasVarianceOptions,
    ) => Promise<{
      readonly biasSquared: Estimate;
      readonly variance: Estimate;
      readonly noise: Estimate;
      readonly expectedError: Estimate;
    }>
  >('validation/biasVariance');

/** What `diagnose` concludes. */
export type Verdict = 'high-bias' | 'high-variance' | 'both' | 'noise-limited' | 'good-fit';

/** Whether bias, variance or noise limits a recipe, and what to try. */
export const diagnose =
  planned<
    (
      estimator: Estimator,
      options: Watched & { readonly train: Dataset; readonly validation: Dataset; readonly baselineError?: number },
    ) => Promise<{
      readonly verdict: Verdict;
      readonly evidence: Readonly<Record<string, number>>;
      readonly suggestions: readonly string[];
    }>
  >('validation/diagnose');

/** The corrected resampled t-test (Nadeau & Bengio 2003) on shared folds. */
export const compareModels =
  planned<
    <F extends FittedEstimator>(
      a: CrossValidation<F>,
      b: CrossValidation<F>,
      options?: { readonly metric?: keyof ScoresOf<F> & string },
    ) => { readonly difference: number; readonly t: number; readonly degreesOfFreedom: number; readonly pValue: number }
  >('validation/compareModels');

/** Runs the laws of an estimator on a layer, loss or recipe of one's own. */
export const checkEstimator =
  planned<
    (
      estimator: Estimator,
      options?: { readonly data?: Dataset; readonly seed?: number },
    ) => Promise<{ readonly laws: readonly { readonly law: string; readonly passed: boolean; readonly detail?: string }[] }>
  >('validation/checkEstimator');
