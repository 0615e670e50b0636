import { expectOptions, invalidOption, isBoolean, isInteger, isListOf, isNumber, isString, optionsOf } from '../errors/index.js';
import type { FlatSpace } from './space.js';

/** Chooses the hyperparameters of the next trials, as plain data that runs natively on the unit cube. */
export interface Sampler {
  readonly kind: 'random' | 'grid' | 'sobol' | 'coarseToFine' | 'tpe' | 'gaussianProcess' | 'populationBased' | 'tiers';
  /** Trials chosen at once, for those that learn. */
  readonly round?: number;
  /** Regions of coarse-to-fine; tiers. */
  readonly rounds?: number;
  /** Members of a population, and epochs of a generation. */
  readonly size?: number;
  readonly every?: number;
  /** Names of each tier. */
  readonly order?: readonly (readonly string[])[];
  /** The tier of each dimension. */
  readonly tiers?: readonly number[];
}

/** Independent draws. Bergstra & Bengio 2012, JMLR 13: better than a grid whenever few hyperparameters matter. The default. */
export const random = (): Sampler => Object.freeze({ kind: 'random' });

/** Options of `grid`. */
export interface GridOptions {
  /** Values a range, default 5; a choice gives all of its own. */
  points?: number;
}

const gridOptions = optionsOf('tuning/grid', { points: isInteger({ min: 1, max: 1 << 20 }) });

/** Every combination, in a shuffled order. A study ends with the grid. Its size is the product of the points; never the default. */
export const grid = (options: GridOptions = {}): Sampler => {
  expectOptions('grid', options, gridOptions, grid);
  return Object.freeze({ kind: 'grid', points: options.points ?? 5 });
};

/** Low-discrepancy draws: evenly spread however many. Sobol 1967, scrambled after Owen 1998. */
export const sobol = (): Sampler => Object.freeze({ kind: 'sobol' });

/** Options of `coarseToFine`. */
export interface CoarseToFineOptions {
  /** How often it looks, at random first and then one zoom each. Default 3. */
  rounds?: number;
  /** The next region encloses so many of the best trials, as a share of a round. Default ¼. */
  keep?: number;
  /** Whether a region may leave its range where the best lies at the edge; a range from 0 up stays so. Default false. */
  widen?: boolean;
}

const coarseToFineOptions = optionsOf('tuning/coarseToFine', {
  rounds: isInteger({ min: 1, max: 1000 }),
  keep: isNumber({ above: 0, max: 1 }),
  widen: isBoolean,
});

/**
 * Random search, then again in the box around the best, and again: trials are divided evenly among the rounds. Logarithmic ranges are
 * boxed by their logarithm; a choice keeps the values that the best have; a box grows where the best of all lies at its edge.
 * @example coarseToFine({ rounds: 3 })
 */
export const coarseToFine = (options: CoarseToFineOptions = {}): Sampler => {
  expectOptions('coarseToFine', options, coarseToFineOptions, coarseToFine);
  const { rounds = 3, keep = 0.25, widen = false } = options;
  return Object.freeze({ kind: 'coarseToFine', rounds, keep, widen });
};

/** Options of `tpe`. */
export interface TpeOptions {
  /** Random trials before it learns, default 10. */
  startup?: number;
  /** Share of the trials counted as good; default a tenth, 25 at most, as in Optuna. */
  gamma?: number;
  /** Draws to choose from, default 128: with 24, as in Optuna, rounds of two cost a little. */
  candidates?: number;
  /** Trials chosen at once: the same result for any number in parallel. Default 2; larger ones learn later. */
  round?: number;
}

const tpeOptions = optionsOf('tuning/tpe', {
  startup: isInteger({ min: 1 }),
  gamma: isNumber({ above: 0, below: 1 }),
  candidates: isInteger({ min: 1, max: 100_000 }),
  round: isInteger({ min: 1, max: 10_000 }),
});

/**
 * Tree-structured Parzen estimator: where good trials are dense and bad ones are not. Bergstra et al. 2011; several hyperparameters in one
 * kernel as in Falkner et al. 2018 (BOHB), those of a branch by themselves.
 */
export const tpe = (options: TpeOptions = {}): Sampler => {
  expectOptions('tpe', options, tpeOptions, tpe);
  const { startup = 10, gamma, candidates = 128, round = 2 } = options;
  return Object.freeze({ kind: 'tpe', startup, candidates, round, ...(gamma === undefined ? {} : { gamma }) });
};

/** Options of `gaussianProcess`. */
export interface GaussianProcessOptions {
  /** Random trials before it learns, default 10. */
  startup?: number;
  /** Trials chosen at once, default 2. */
  round?: number;
}

const gaussianProcessOptions = optionsOf('tuning/gaussianProcess', {
  startup: isInteger({ min: 2 }),
  round: isInteger({ min: 1, max: 1000 }),
});

/**
 * The logarithm of expected improvement under a Gaussian process (Matérn 5/2, a length a hyperparameter), climbed by L-BFGS. For few, costly trials; it knows 200 at most, the
 * best and the newest. Jones, Schonlau & Welch 1998; Snoek, Larochelle & Adams 2012, arXiv:1206.2944.
 */
export const gaussianProcess = (options: GaussianProcessOptions = {}): Sampler => {
  expectOptions('gaussianProcess', options, gaussianProcessOptions, gaussianProcess);
  const { startup = 10, round = 2 } = options;
  return Object.freeze({ kind: 'gaussianProcess', startup, round });
};

/** Options of `tiers`. */
export interface TiersOptions {
  /** The hyperparameters of each tier, by name; what is not named comes last. Default: by their names. */
  order?: readonly (readonly string[])[];
}

const tiersOptions = optionsOf('tuning/tiers', { order: isListOf(isListOf(isString)) });

/** What the names of hyperparameters usually mean: the first tier and the last; all others lie between. */
const firstTier = /^(learning_?rate|lr|eta|step_?size)$/i;
const lastTier = /layer|depth|decay|schedule|warm/i;

/**
 * What matters most first: trials are divided evenly among tiers, each drawn at random while those before have the values of the best and
 * those after the middle of their range (the first of a choice). Without `order`: the learning rate (`learningRate`, `lr`); then optimizer
 * settings, units, batch size and whatever else there is; then depth and decay (names with `layer`, `depth`, `decay`, `schedule`, `warm`).
 * @example tiers({ order: [['learningRate'], ['momentum', 'units', 'batchSize'], ['layers', 'weightDecay']] })
 */
export const tiers = (options: TiersOptions = {}): Sampler => {
  expectOptions('tiers', options, tiersOptions, tiers);
  const { order } = options;
  return Object.freeze({ kind: 'tiers', ...(order === undefined ? {} : { order: order.map((names) => Object.freeze([...names])) }) });
};

/** A sampler as it is for a space: tiers know which dimensions are theirs, and those without any are left out. */
export const samplerFor = (sampler: Sampler, space: FlatSpace): Sampler => {
  if (sampler.kind !== 'tiers') return sampler;
  const { order } = sampler;
  const tops = space.dimensions.map((_, at) => space.top(at));
  const unknown = order?.flat().find((name) => !tops.includes(name));
  if (unknown !== undefined) throw invalidOption('tiers', 'order', `to name hyperparameters: ${[...new Set(tops)].join(', ')}`, unknown);
  const tierOf = ({ name }: { readonly name: string }, at: number): number => {
    if (order !== undefined) {
      const tier = order.findIndex((names) => names.includes(tops[at] as string));
      return tier < 0 ? order.length : tier;
    }
    const own = name.slice(name.lastIndexOf('.') + 1);
    return firstTier.test(own) ? 0 : lastTier.test(own) ? 2 : 1;
  };
  const all = space.dimensions.map(tierOf);
  const used = [...new Set(all)].sort((a, b) => a - b);
  return Object.freeze({ kind: 'tiers', rounds: used.length, tiers: all.map((tier) => used.indexOf(tier)) });
};

/** Options of `populationBased`. */
export interface PopulationBasedOptions {
  /** Members side by side, default 16. */
  size?: number;
  /** Epochs between two exchanges, default 5. */
  every?: number;
  /** Share of the worst that takes over weights and values of the best, default ¼, at most ½. */
  replace?: number;
}

const populationBasedOptions = optionsOf('tuning/populationBased', {
  size: isInteger({ min: 2, max: 10_000 }),
  every: isInteger({ min: 1 }),
  replace: isNumber({ above: 0, max: 0.5 }),
});

/**
 * Trains a population in generations of `every` epochs: after each, the worst members take over the weights, the optimizer's state and the
 * values of the best, vary the ranges among them (× 0.8 or 1.2, a quarter drawn anew) and go on. So it finds a course of learning rates
 * rather than one. Jaderberg et al. 2017, arXiv:1711.09846, in step, so that the result does not depend on timing.
 *
 * A trial is one generation of one member: of a recipe with n epochs there are size · ⌈n/every⌉ at most, the default of `trials` here.
 * The weights of two generations are kept in a quarter of the memory that is free when the search begins (or of `NABLA_MEMORY_LIMIT`);
 * what finds no room there is fitted again from the beginning of its line, to the same bits.
 * Whole numbers and choices come along unchanged with the weights they shape. `study.fitted` lives through the best one's course on all rows. For a
 * `Trainer`, without a pruner.
 * @example tune(train, { sampler: populationBased({ size: 8, every: 2 }), … })
 */
export const populationBased = (options: PopulationBasedOptions = {}): Sampler => {
  expectOptions('populationBased', options, populationBasedOptions, populationBased);
  const { size = 16, every = 5, replace = 0.25 } = options;
  return Object.freeze({ kind: 'populationBased', size, every, replace, round: size });
};
