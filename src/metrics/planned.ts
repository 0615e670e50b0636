import { planned } from '../errors/index.js';
import type { Label } from './class-indices.js';
import type { WeightOptions } from './classification.js';
import type { Average } from './names.js';
import type { Outputs } from './regression.js';

/** Scores of the positive class, one a row, or one row of probabilities a row in the order of the classes. */
export type Scores = ArrayLike<number> | readonly ArrayLike<number>[];

/** Options of metrics of scores. */
export interface ScoreOptions<A = never> extends WeightOptions {
  /** Order of the columns; default sorted. */
  classes?: readonly Label[];
  /** Default `'macro'` beyond two classes, one class against the rest. */
  average?: A;
}

/** Area under the ROC curve: the probability that a positive row scores above a negative one, ties ½. scikit-learn's `roc_auc_score`. */
export const rocAuc: (labels: ArrayLike<Label>, scores: Scores, options?: ScoreOptions<'macro' | 'weighted'>) => number =
  planned('metrics/rocAuc');

/** Σ (Rₙ − Rₙ₋₁)·Pₙ over thresholds, the area under precision and recall in steps. scikit-learn's `average_precision_score`. */
export const averagePrecision: (labels: ArrayLike<Label>, scores: Scores, options?: ScoreOptions<Exclude<Average, 'binary'>>) => number =
  planned('metrics/averagePrecision');

/** Mean of −log p of the right class. scikit-learn's `log_loss`. */
export const logLoss: (labels: ArrayLike<Label>, probabilities: Scores, options?: ScoreOptions) => number = planned('metrics/logLoss');

/** Mean squared distance of the probabilities from 0 and 1. Brier 1950; scikit-learn's `brier_score_loss`. */
export const brier: (labels: ArrayLike<Label>, probabilities: Scores, options?: ScoreOptions) => number = planned('metrics/brier');

/** Share of rows whose class is among the `k` best (default 2). scikit-learn's `top_k_accuracy_score`. */
export const topKAccuracy: (labels: ArrayLike<Label>, scores: Scores, options?: ScoreOptions & { k?: number }) => number =
  planned('metrics/topKAccuracy');

/** Correlation of truth and prediction, in [−1, 1]. Matthews 1975; scikit-learn's `matthews_corrcoef`. */
export const matthews: <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options?: WeightOptions) => number =
  planned('metrics/matthews');

/** Agreement beyond chance, (pₒ − pₑ)/(1 − pₑ). Cohen 1960; scikit-learn's `cohen_kappa_score`. */
export const cohenKappa: <L extends Label>(
  labels: ArrayLike<L>,
  predictions: ArrayLike<L>,
  options?: WeightOptions & { weighting?: 'linear' | 'quadratic' },
) => number = planned('metrics/cohenKappa');

/** Expected calibration error: mean distance of confidence and accuracy over `bins` (default 15) equal parts. Guo et al. 2017, arXiv:1706.04599. */
export const calibrationError: (labels: ArrayLike<Label>, probabilities: Scores, options?: ScoreOptions & { bins?: number }) => number =
  planned('metrics/calibrationError');

/** Median of |ŷ − y|, which outliers don't move. scikit-learn's `median_absolute_error`. */
export const medianAbsoluteError: (truth: Outputs, predictions: Outputs, options?: WeightOptions) => number =
  planned('metrics/medianAbsoluteError');

/** Mean of |ŷ − y|/max(|y|, ε). scikit-learn's `mean_absolute_percentage_error`: a share, not per cent. */
export const meanAbsolutePercentageError: (truth: Outputs, predictions: Outputs, options?: WeightOptions) => number = planned(
  'metrics/meanAbsolutePercentageError',
);

/** 1 − Var(y − ŷ)/Var(y): r2 without the bias. scikit-learn's `explained_variance_score`. */
export const explainedVariance: (truth: Outputs, predictions: Outputs, options?: WeightOptions) => number =
  planned('metrics/explainedVariance');

/** Largest |ŷ − y|. scikit-learn's `max_error`. */
export const maxError: (truth: Outputs, predictions: Outputs) => number = planned('metrics/maxError');

/** Mean of max(q·e, (q − 1)·e), e = y − ŷ, for the quantile q (default ½). Koenker & Bassett 1978; scikit-learn's `mean_pinball_loss`. */
export const pinball: (truth: Outputs, predictions: Outputs, options?: WeightOptions & { quantile?: number }) => number =
  planned('metrics/pinball');
