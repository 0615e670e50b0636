import { planned } from '../errors/index.js';

/** Chooses the hyperparameters of the next trials, as plain data that runs natively on the unit cube. */
export interface Sampler {
  readonly kind: 'random' | 'grid' | 'sobol' | 'coarseToFine' | 'tpe' | 'gaussianProcess' | 'populationBased';
}

/** Independent draws. Bergstra & Bengio 2012, JMLR 13: better than a grid whenever few hyperparameters matter. The default. */
export const random: () => Sampler = planned('tuning/random');

/** Options of `grid`. */
export interface GridOptions {
  /** Values a range, default 5; a choice gives all of its own. */
  points?: number;
}

/** Every combination. Its size is the product of the points; never the default. */
export const grid: (options?: GridOptions) => Sampler = planned('tuning/grid');

/** Low-discrepancy draws: evenly spread however many. Sobol 1967, scrambled after Owen 1998. */
export const sobol: () => Sampler = planned('tuning/sobol');

/** Options of `coarseToFine`. */
export interface CoarseToFineOptions {
  /** How many times the region shrinks, default 3. */
  rounds?: number;
  /** Share of the best trials that the next region encloses, default ¼. */
  keep?: number;
}

/** Random search, then again in the region of the best, and again. @example coarseToFine({ rounds: 3 }) */
export const coarseToFine: (options?: CoarseToFineOptions) => Sampler = planned('tuning/coarseToFine');

/** Options of `tpe`. */
export interface TpeOptions {
  /** Random trials before it learns, default 10. */
  startup?: number;
  /** Share of the trials counted as good, default ¼ of the square root, as in Optuna. */
  gamma?: number;
  /** Draws to choose from, default 24. */
  candidates?: number;
  /** Trials chosen at once: the same result for any number in parallel. Default 4. */
  round?: number;
}

/** Tree-structured Parzen estimator: where good trials are dense and bad ones are not. Bergstra et al. 2011. */
export const tpe: (options?: TpeOptions) => Sampler = planned('tuning/tpe');

/** Options of `gaussianProcess`. */
export interface GaussianProcessOptions {
  /** Random trials before it learns, default 10. */
  startup?: number;
  /** Trials chosen at once, default 4. */
  round?: number;
}

/** Expected improvement under a Gaussian process. Jones, Schonlau & Welch 1998; Snoek, Larochelle & Adams 2012, arXiv:1206.2944. */
export const gaussianProcess: (options?: GaussianProcessOptions) => Sampler = planned('tuning/gaussianProcess');

/** Options of `populationBased`. */
export interface PopulationBasedOptions {
  /** Trials side by side, default 16. */
  size?: number;
  /** Epochs between two exchanges, default 5. */
  every?: number;
  /** Share of the worst that takes over weights and values of the best, default ¼. */
  replace?: number;
}

/** Trials that copy the better ones' weights while they train and vary their hyperparameters. Jaderberg et al. 2017, arXiv:1711.09846. */
export const populationBased: (options?: PopulationBasedOptions) => Sampler = planned('tuning/populationBased');
