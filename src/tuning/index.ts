export { type Executor, type ParallelOptions, type ProcessesOptions, processes, queue, threads } from './executor.js';
export { asha, type HalvingOptions, hyperband, type MedianOptions, median, type Pruner, successiveHalving } from './pruner.js';
export { fitFromQueue, type QueueOptions, type QueueWorkOptions, type WorkQueue } from './queue.js';
export {
  type CoarseToFineOptions,
  coarseToFine,
  type GaussianProcessOptions,
  type GridOptions,
  gaussianProcess,
  grid,
  type PopulationBasedOptions,
  populationBased,
  random,
  type Sampler,
  sobol,
  type TiersOptions,
  type TpeOptions,
  tiers,
  tpe,
} from './sampler.js';
export {
  type Branches,
  type BranchParameter,
  type BranchParams,
  type ChoiceParameter,
  choice,
  integer,
  logInteger,
  logUniform,
  type Parameter,
  type Params,
  type RangeParameter,
  type Space,
  uniform,
} from './space.js';
export type { Trial } from './trial.js';
export { type FittedOf, type ScoresOf, type Study, type StudyRun, type TuneOptions, tune } from './tune.js';
