import type { Dataset } from '../data/dataset.js';
import type { Direction } from '../metrics/names.js';
import type { Estimator } from '../trainer/estimator.js';
import type { FoldView } from './evaluation.js';
import type { Executor } from './executor.js';
import { type Fitter, inThisProcess } from './fitter.js';
import { inProcesses } from './process-pool.js';
import type { Pruner } from './pruner.js';
import { onQueue } from './queue.js';
import type { Sampler } from './sampler.js';
import type { FlatSpace, Point } from './space.js';
import type { Trial } from './trial.js';

/** A trial with the point it was made of. */
export interface PointTrial {
  readonly point: Point;
  readonly trial: Trial;
}

/** What a search is made of, checked. */
export interface SearchPlan {
  readonly space: FlatSpace;
  readonly estimator: (params: never) => Estimator;
  readonly objective: string;
  readonly direction: Direction | undefined;
  readonly constraint: ((params: never) => boolean) | undefined;
  /** Points that are tried before the sampler's. */
  readonly first: readonly Point[];
  readonly views: readonly FoldView[];
  readonly data: Dataset;
  readonly sampler: Sampler;
  readonly pruner: Pruner | undefined;
  readonly trials: number;
  readonly timeoutMs: number | undefined;
  readonly seed: number;
  readonly storage: string | undefined;
  /** Fits at once. */
  readonly lanes: number;
  /** Trials at once. */
  readonly parallel: number;
  /** Where folds are fitted. */
  readonly executor: Executor;
}

/** Where the folds of a plan are fitted. */
export const fitterOf = ({ executor, data, views }: SearchPlan): Fitter => {
  if (executor.kind === 'processes') return inProcesses(data, views, executor.memory);
  return executor.queue === undefined ? inThisProcess(views) : onQueue(executor.queue, data, views);
};
