import type { Params, Space } from './space.js';

/** One set of hyperparameters, tried. */
export interface Trial<S extends Space = Space> {
  /** From 0, over all runs of a storage. */
  readonly number: number;
  readonly params: Params<S>;
  readonly state: 'complete' | 'pruned' | 'failed';
  /** Mean of the objective over the folds; absent unless complete. */
  readonly score?: number;
  /** Standard deviation over the folds (of the sample: over n − 1); NaN for one fold, absent unless complete. */
  readonly standardDeviation?: number;
  /** One a fold, in their order, of the folds that were finished. */
  readonly values: readonly number[];
  /** With the `median` pruner: the objective after each epoch, one list a fold. */
  readonly curves?: readonly (readonly number[])[];
  /** With a halving pruner: the mean over the folds on each rung. */
  readonly rungs?: readonly number[];
  /** With `populationBased`: the trial whose weights it went on from, in the generation before. */
  readonly parent?: number;
  /** Why a trial failed. */
  readonly error?: string;
  readonly seconds: number;
}
