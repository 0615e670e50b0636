import type { Dataset } from '../data/dataset.js';
import type { PredictInput } from './fitted.js';

/** What an estimator's fit gives: it predicts, and it scores. */
export interface FittedEstimator<Scores extends Readonly<Record<string, number>> = Readonly<Record<string, number>>> {
  predict(input: PredictInput): PromiseLike<unknown>;
  evaluate(data: Dataset): PromiseLike<Scores>;
}

/** Options that every estimator's `fit` understands. */
export interface EstimatorFitOptions {
  readonly validation?: Dataset;
  readonly signal?: AbortSignal;
  readonly threads?: number;
}

/** Estimators whose fits may run beside each other: they keep nothing between fits and work off the JavaScript thread. */
export const sideBySide = new WeakSet<object>();

/** Anything with `fit`: a `Trainer`, `ridge`, `ensemble`, a recipe of one's own. Validation and tuning take any of them. */
export interface Estimator<F extends FittedEstimator = FittedEstimator> {
  fit(data: Dataset, options?: EstimatorFitOptions): PromiseLike<F>;
}
