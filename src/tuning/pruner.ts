import { planned } from '../errors/index.js';

/** Ends trials that promise nothing; it knows of folds: a trial is judged on the folds it has finished. */
export interface Pruner {
  readonly kind: 'median' | 'successiveHalving' | 'hyperband' | 'asha';
}

/** Options of `median`. */
export interface MedianOptions {
  /** Trials that are never ended, default 5. */
  startup?: number;
  /** Epochs (or folds) before it judges, default 0. */
  warmup?: number;
}

/** Ends a trial that is worse than the median of the others at the same point. Golovin et al. 2017 (Vizier). */
export const median: (options?: MedianOptions) => Pruner = planned('tuning/median');

/** Options of the halving pruners. */
export interface HalvingOptions {
  /** Epochs of the first rung, default 1. */
  minimum?: number;
  /** One in `factor` goes on to a rung of `factor` times the epochs, default 3. */
  factor?: number;
}

/** Many trials for a short time, the best of them for longer. Jamieson & Talwalkar 2016, arXiv:1502.07943. */
export const successiveHalving: (options?: HalvingOptions) => Pruner = planned('tuning/successiveHalving');

/** Successive halving from several first rungs. Li et al. 2018, arXiv:1603.06560. */
export const hyperband: (options?: HalvingOptions) => Pruner = planned('tuning/hyperband');

/** Successive halving that waits for nobody, so its result depends on timing. Li et al. 2020, arXiv:1810.05934. */
export const asha: (options?: HalvingOptions) => Pruner = planned('tuning/asha');
