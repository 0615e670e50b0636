import type { Dataset } from '../data/index.js';
import { planned } from '../errors/index.js';
import type { Estimator } from '../trainer/index.js';
import type { Splitter } from '../validation/index.js';
import type { Executor } from './executor.js';
import type { Pruner } from './pruner.js';
import type { Sampler } from './sampler.js';
import type { Params, Space } from './space.js';

/** What fitting an estimator gives. */
export type FittedOf<E extends Estimator> = Awaited<ReturnType<E['fit']>>;

/** The scores that it names, such as `{ loss, accuracy }`. */
export type ScoresOf<E extends Estimator> = Awaited<ReturnType<FittedOf<E>['evaluate']>>;

/** One set of hyperparameters, tried. */
export interface Trial<S extends Space = Space> {
  /** From 0, over all runs of a storage. */
  readonly number: number;
  readonly params: Params<S>;
  readonly state: 'complete' | 'pruned' | 'failed';
  /** Mean of the objective over the folds; absent unless complete. */
  readonly score?: number;
  /** One a fold, in their order. */
  readonly values: readonly number[];
  /** Learned last from it: the error of a trial that failed. */
  readonly error?: string;
  readonly seconds: number;
}

/** What a search gives. */
export interface Study<S extends Space = Space, E extends Estimator = Estimator, T = Dataset | undefined> {
  readonly best: Trial<S> & { readonly score: number };
  readonly trials: readonly Trial<S>[];
  /** The best hyperparameters, fitted once more on all rows. */
  readonly fitted: FittedOf<E>;
  /** With `test`: the scores of `fitted` on rows that nothing else has touched. */
  readonly testScores: T extends Dataset ? ScoresOf<E> : undefined;
  /** Share of the score's variance that each hyperparameter explains. Hutter, Hoos & Leyton-Brown 2014 (fANOVA). */
  readonly importance: { readonly [K in keyof S]: number };
  /** Such as: the best learning rate lies at the edge of its range. */
  readonly warnings: readonly string[];
}

/** A search in progress: `await` it for the study, `for await` it for its trials, `stop()` it. */
export interface StudyRun<S extends Space, Result> extends PromiseLike<Result>, AsyncIterable<Trial<S>> {
  /** Ends after the trials that are running; resolves with what there is. */
  stop(): void;
}

/** Options of `tune`. */
export interface TuneOptions<S extends Space, E extends Estimator, T extends Dataset | undefined = Dataset | undefined> {
  /** The hyperparameters; what their ranges draw is what `estimator` gets. */
  space: S;
  /** The recipe for one set of them. */
  estimator: (params: Params<S>) => E;
  /** A metric of the estimator, or `'loss'`; its direction is known. */
  objective: keyof ScoresOf<E> & string;
  /** Default `kFold({ k: 10 })`; `holdOut()` is quicker and noisier. */
  splitter?: Splitter<ArrayLike<number>>;
  /** Default `random()`. */
  sampler?: Sampler;
  /** Default none. */
  pruner?: Pruner;
  /** Default `threads()`. */
  executor?: Executor;
  /** The total over all runs of this storage, default 50. */
  trials?: number;
  /** Starts no trial after that long; the result then depends on the machine. */
  timeoutMs?: number;
  /** A file of JSON lines from which a search goes on. */
  storage?: string;
  /** Fits the best once more on all rows. Default `true`. */
  refit?: boolean;
  /** Scored once, after the refit. */
  test?: T;
  /** Default 0. */
  seed?: number;
  /** Default all cores. */
  threads?: number;
  signal?: AbortSignal;
  progress?: boolean;
}

/**
 * The whole k-fold procedure in one call: for each trial draw hyperparameters, fit on k − 1 folds and score on the other, k times; take
 * the best mean; fit it once more on all rows; score it once on `test`.
 *
 * The same seed gives the same study for any number of trials at once (but for `asha` and `timeoutMs`).
 * @throws {NablaError} `INVALID_OPTION`; `STUDY_CHANGED` when `storage` was made with other data, space, splitter or recipe
 * @example
 * const study = await tune(train, {
 *   space: { learningRate: logUniform(1e-4, 1e-1), batchSize: choice([16, 32, 64]) },
 *   estimator: ({ learningRate, batchSize }) => new Trainer({ …, optimizer: adam({ learningRate }), batchSize, metrics: ['accuracy'] }),
 *   objective: 'accuracy',
 * });
 */
export const tune: <S extends Space, E extends Estimator, T extends Dataset | undefined = undefined>(
  data: Dataset,
  options: TuneOptions<S, E, T>,
) => StudyRun<S, Study<S, E, T>> = planned('tuning/tune');
