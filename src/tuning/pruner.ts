import { expectOptions, isInteger, optionsOf } from '../errors/index.js';

/** Ends trials that promise nothing; it knows of folds: a trial is judged on all of its folds, or on those it has finished. */
export interface Pruner {
  readonly kind: 'median' | 'successiveHalving' | 'hyperband' | 'asha';
  /** Trials that are judged by the same others, for `median`. */
  readonly round?: number;
  readonly startup?: number;
  readonly warmup?: number;
  readonly minimum?: number;
  readonly factor?: number;
}

/** Options of `median`. */
export interface MedianOptions {
  /** Trials that are never ended, default 5. */
  startup?: number;
  /** Epochs of the first fold before it judges, default 0. */
  warmup?: number;
  /** Trials that are compared with the same ones before: the same result for any number at once. Default 4. */
  round?: number;
}

const medianOptions = optionsOf('tuning/median', {
  startup: isInteger({ min: 1 }),
  warmup: isInteger({ min: 0 }),
  round: isInteger({ min: 1, max: 10_000 }),
});

/**
 * Ends a trial that is worse than the median of the others at the same point: after an epoch of the same fold, with the mean of the folds
 * before. Folds of one trial go one after the other then, trials side by side. Golovin et al. 2017 (Vizier).
 */
export const median = (options: MedianOptions = {}): Pruner => {
  expectOptions('median', options, medianOptions, median);
  const { startup = 5, warmup = 0, round = 4 } = options;
  return Object.freeze({ kind: 'median', startup, warmup, round });
};

/** Options of the halving pruners. */
export interface HalvingOptions {
  /** Epochs of the first rung, default 1. */
  minimum?: number;
  /** One in `factor` goes on to a rung of `factor` times the epochs, default 3. */
  factor?: number;
}

const halving = (kind: 'successiveHalving' | 'hyperband' | 'asha') => {
  const allowed = optionsOf(`tuning/${kind}`, { minimum: isInteger({ min: 1 }), factor: isInteger({ min: 2, max: 100 }) });
  const made = {
    [kind]: (options: HalvingOptions = {}): Pruner => {
      expectOptions(kind, options, allowed, made[kind]);
      const { minimum = 1, factor = 3 } = options;
      return Object.freeze({ kind, minimum, factor });
    },
  };
  return made[kind] as (options?: HalvingOptions) => Pruner;
};

/**
 * Many trials for a short time, the best of them for longer: groups of as many as the rungs can halve, each rung scored by all folds. A
 * trial that goes on does so from the rung's weights and optimizer state, to the same bits as a fit that was never left. Those that wait
 * are kept in a quarter of the memory that is free when the search begins (or of `NABLA_MEMORY_LIMIT`); one that finds no room there is
 * fitted from the beginning, to the same bits. Jamieson & Talwalkar 2016, arXiv:1502.07943.
 */
export const successiveHalving = halving('successiveHalving');

/** Successive halving from several first rungs, one group after the other. Li et al. 2018, arXiv:1603.06560. */
export const hyperband = halving('hyperband');

/** Successive halving that waits for nobody, so its result depends on timing. Li et al. 2020, arXiv:1810.05934. */
export const asha = halving('asha');
