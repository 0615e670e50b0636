import { Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import {
  expectOptions,
  invalidOption,
  isBoolean,
  isEither,
  isFunction,
  isInteger,
  isListOf,
  isNumber,
  isOneOf,
  isString,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import type { Direction } from '../metrics/names.js';
import { native } from '../native/index.js';
import { countBar } from '../report/progress.js';
import type { Estimator } from '../trainer/estimator.js';
import { Run } from '../trainer/run.js';
import { everyOf, expectDataset, expectSameSchema, type FitOptions, isHealthOption } from '../trainer/trainer.js';
import { foldViews } from '../validation/cross-validate.js';
import { kFold } from '../validation/k-fold.js';
import type { Splitter } from '../validation/splitter.js';
import { refit as fitAgain } from './evaluation.js';
import { type Executor, threads as inThreads } from './executor.js';
import type { Pruner } from './pruner.js';
import { random, type Sampler, samplerFor } from './sampler.js';
import { Search } from './search.js';
import { expectSpace, FlatSpace, isAllowed, type Params, type Space } from './space.js';
import { StudyResult } from './study.js';
import type { Trial } from './trial.js';

/** What fitting an estimator gives. */
export type FittedOf<E extends Estimator> = Awaited<ReturnType<E['fit']>>;

/** The scores that it names, such as `{ loss, accuracy }`. */
export type ScoresOf<E extends Estimator> = Awaited<ReturnType<FittedOf<E>['evaluate']>>;

/** What a search gives. */
export interface Study<S extends Space = Space, E extends Estimator = Estimator, T = Dataset | undefined, R extends boolean = true> {
  readonly objective: keyof ScoresOf<E> & string;
  readonly direction: Direction;
  readonly best: Trial<S> & { readonly score: number };
  /** In the order of their numbers. */
  readonly trials: readonly Trial<S>[];
  /** The best so many, best first. Default 5. */
  top(count?: number): readonly Trial<S>[];
  /** The best hyperparameters, fitted once more on all rows. */
  readonly fitted: R extends false ? undefined : FittedOf<E>;
  /** With `test`: the scores of `fitted` on rows that nothing else has touched. */
  readonly testScores: T extends Dataset ? ScoresOf<E> : undefined;
  /**
   * Share of the score's variance that each hyperparameter explains by itself. Hutter, Hoos & Leyton-Brown 2014 (fANOVA). A choice counts
   * together with the values of its branches, which Optuna's fANOVA leaves out; logarithmic ranges are weighed by their logarithms.
   */
  readonly importance: { readonly [K in keyof S]: number };
  /** Such as: the best learning rate lies at the edge of its range. */
  readonly warnings: readonly string[];
  /** One HTML file: history, parallel coordinates, slices, importance, the zoom of coarse-to-fine. It needs nothing else. */
  saveReport(path: string): Promise<void>;
  /** The five best as a table, and the warnings. */
  toString(): string;
}

/** A search in progress: `await` it for the study, `for await` it for its trials in their order, `stop()` it. */
export interface StudyRun<S extends Space, Result> extends PromiseLike<Result>, AsyncIterable<Trial<S>> {
  /** Ends after the trials that are running; resolves with what there is. */
  stop(): void;
}

/** Options of `tune`. */
export interface TuneOptions<
  S extends Space,
  E extends Estimator,
  T extends Dataset | undefined = Dataset | undefined,
  R extends boolean = boolean,
> {
  /** The hyperparameters; what their ranges draw is what `estimator` gets. */
  space: S;
  /** The recipe for one set of them. */
  estimator: (params: Params<S>) => E;
  /** A metric of the estimator, or `'loss'`; its direction is known. */
  objective: keyof ScoresOf<E> & string;
  /** Which way a score of your own is better. Default: known for every metric of nabla. */
  direction?: Direction;
  /** Default `kFold({ k: 10 })`; `holdOut()` is quicker and noisier. */
  splitter?: Splitter<ArrayLike<number>>;
  /** Default `random()`. */
  sampler?: Sampler;
  /** Default none. */
  pruner?: Pruner;
  /** Default `threads()`. */
  executor?: Executor;
  /** The total over all runs of this storage, default 50; with `populationBased` all of its generations. */
  trials?: number;
  /** Hyperparameters to try before the sampler's; they count as trials. */
  first?: readonly Params<S>[];
  /** Which combinations may be tried at all. @example constraint: ({ low, high }) => low < high */
  constraint?: (params: Params<S>) => boolean;
  /** Starts no trial after that long; the result then depends on the machine. */
  timeoutMs?: number;
  /**
   * A file of JSON lines from which a search goes on after a stop or a crash, and on which several processes may work at once. It is a
   * journal of Optuna's, so its dashboard shows the study.
   */
  storage?: string;
  /** Fits the best once more on all rows. Default `true`. */
  refit?: R;
  /** Scored once, after the refit. */
  test?: T;
  /** Looks at gradients in the refit, as `fit` does: `study.fitted.health`. Trials are not looked at; `gradientHealth` looks at any recipe. */
  health?: FitOptions['health'];
  /** Default 0. */
  seed?: number;
  /** Fits at once and threads of the refit. Default all cores, or `NABLA_THREADS`. Never changes the result. */
  threads?: number;
  signal?: AbortSignal;
  progress?: boolean;
}

const hasKind =
  (words: string, ...kinds: readonly string[]) =>
  (value: unknown): string | undefined =>
    typeof value === 'object' && value !== null && 'kind' in value && Object.isFrozen(value) && kinds.includes(String(value.kind))
      ? undefined
      : words;

const samplers = [
  'random',
  'grid',
  'sobol',
  'coarseToFine',
  'tpe',
  'gaussianProcess',
  'populationBased',
  'tiers',
] as const satisfies readonly Sampler['kind'][];
const pruners = ['median', 'successiveHalving', 'hyperband', 'asha'] as const satisfies readonly Pruner['kind'][];
const executors = ['threads', 'processes', 'queue'] as const satisfies readonly Executor['kind'][];

const tuneOptions = optionsOf('tuning/tune', {
  space: (value) => (typeof value === 'object' && value !== null ? undefined : 'to be an object of hyperparameters'),
  estimator: isFunction,
  objective: isString,
  direction: isOneOf(['max', 'min']),
  splitter: (value) =>
    typeof value === 'object' && value !== null && 'split' in value ? undefined : 'to be a splitter such as kFold({ k: 5 })',
  sampler: hasKind('to be a sampler such as coarseToFine()', ...samplers),
  pruner: hasKind('to be a pruner such as median()', ...pruners),
  executor: hasKind('to be an executor such as threads()', ...executors),
  trials: isInteger({ min: 1, max: 1e6 }),
  first: isListOf((value) => (typeof value === 'object' && value !== null ? undefined : 'to be an object of hyperparameters')),
  constraint: isFunction,
  timeoutMs: isNumber({ above: 0 }),
  storage: isString,
  refit: isBoolean,
  health: isHealthOption,
  test: (value) => (value instanceof Dataset ? undefined : 'to be a Dataset'),
  seed: isInteger({ min: 0 }),
  threads: isInteger({ min: 1, max: 1024 }),
  signal: (value) => (value instanceof AbortSignal ? undefined : 'to be an AbortSignal'),
  progress: isEither(isBoolean),
});

/** What cannot go with a population is said, not ignored. */
const expectPopulation = (sampler: Sampler, pruner: Pruner | undefined, first: number): void => {
  if (pruner !== undefined)
    throw invalidOption('tune', 'pruner', 'to be left out: a population replaces its worst itself', pruner.kind, tune);
  if (first > (sampler.size ?? 0))
    throw invalidOption('tune', 'first', `to have ${sampler.size} at most: the first generation`, first, tune);
};

/** The same code as the first failure has, and all of its words. */
const allFailed = (count: number, cause: unknown): NablaError =>
  new NablaError(
    {
      code: cause instanceof NablaError ? cause.code : 'INVALID_DATA',
      place: 'tune',
      message: `none of ${count} trials gave a score; the first: ${cause instanceof Error ? cause.message : String(cause)}`,
    },
    { cause },
  );

const noTrial = (): NablaError =>
  new NablaError({ code: 'ABORTED', place: 'tune', message: 'the search ended before a trial had a score', hint: 'Give it more time.' });

/**
 * The whole k-fold procedure in one call: for each trial draw hyperparameters, fit on k − 1 folds and score on the other, k times; take
 * the best mean; fit it once more on all rows; score it once on `test`.
 *
 * Preparation is fitted inside each fold, and all trials share the folds. A trial that fails is kept with its error and ends nothing.
 * Trials × folds go through one queue, one fit a core, over one copy of the data; a change of learning rate, decay, dropout rate or seed
 * compiles nothing anew. The same seed gives the same study for any number of trials at once (but for `asha` and `timeoutMs`).
 * @throws {NablaError} `INVALID_OPTION`; `STUDY_CHANGED` when `storage` was made with other data, space, splitter or recipe
 * @example
 * const study = await tune(train, {
 *   space: { learningRate: logUniform(1e-4, 1e-1), batchSize: choice([16, 32, 64]) },
 *   estimator: ({ learningRate, batchSize }) => new Trainer({ …, optimizer: adam({ learningRate }), batchSize, metrics: ['accuracy'] }),
 *   objective: 'accuracy',
 * });
 */
export const tune = <S extends Space, E extends Estimator, T extends Dataset | undefined = undefined, R extends boolean = true>(
  data: Dataset,
  options: TuneOptions<S, E, T, R>,
): StudyRun<S, Study<S, E, T, R>> => {
  expectDataset('tune', data);
  expectOptions('tune', options, tuneOptions, tune);
  const { estimator, objective, direction, constraint, timeoutMs, test, seed = 0, signal, progress = false } = options;
  const { splitter = kFold(), executor = inThreads(), refit = true, first = [] } = options;
  const isPopulation = options.sampler?.kind === 'populationBased';
  const trials = options.trials ?? (isPopulation ? Number.MAX_SAFE_INTEGER : 50);
  expectSpace('tune', options.space, tune);
  if (estimator === undefined) throw invalidOption('tune', 'estimator', 'to be a function of hyperparameters', estimator, tune);
  if (objective === undefined) throw invalidOption('tune', 'objective', "to be a metric of the estimator, or 'loss'", objective, tune);
  if (test !== undefined && !refit)
    throw invalidOption('tune', 'refit', 'to be true: the test rows are scored by the refitted model', refit, tune);
  const health = everyOf(options.health);
  if (health !== undefined && !refit)
    throw invalidOption('tune', 'health', 'to come with refit, whose gradients it looks at', health, tune);
  if (test !== undefined) expectSameSchema('test', schemaOf(data), schemaOf(test));
  const space = new FlatSpace(options.space);
  const sampler = samplerFor(options.sampler ?? random(), space);
  if (first.length > trials) throw invalidOption('tune', 'first', `to have ${trials} at most: they count as trials`, first.length, tune);
  const points = first.map((params, index) => {
    const point = space.point(params, `tune: first[${index}]`);
    if (constraint !== undefined && !isAllowed(constraint as (params: never) => unknown, params))
      throw invalidOption('tune', `first[${index}]`, 'to satisfy the constraint', JSON.stringify(params), tune);
    return point;
  });
  if (isPopulation) expectPopulation(sampler, options.pruner, first.length);
  const lanes = options.threads ?? native().defaultThreads();
  let bar: ReturnType<typeof countBar> | undefined;
  let emit: (trial: Trial) => void = () => {};
  const search = new Search(
    {
      space,
      estimator: estimator as (params: never) => Estimator,
      objective,
      direction,
      constraint: constraint as ((params: never) => boolean) | undefined,
      first: points,
      views: foldViews(data, splitter),
      data,
      sampler,
      pruner: options.pruner,
      trials,
      timeoutMs,
      seed,
      storage: options.storage,
      // What runs elsewhere takes none of these cores.
      lanes: executor.kind === 'queue' ? Number.MAX_SAFE_INTEGER : lanes,
      parallel: executor.parallel ?? lanes,
      executor,
    },
    (trial) => {
      if (progress) bar ??= countBar('trial', search.plan.trials);
      bar?.tick();
      emit(trial);
    },
  );
  const start = async (): Promise<StudyResult> => {
    try {
      await search.run();
    } finally {
      bar?.done();
    }
    search.signal.throwIfAborted();
    const best = search.best();
    if (best === undefined) throw search.done.size === 0 ? noTrial() : allFailed(search.done.size, search.firstError);
    if (!refit) return new StudyResult(search, { fitted: undefined, testScores: undefined });
    const { number } = best.trial;
    const rows = test === undefined ? undefined : nativeOf(test).fingerprint();
    const stored = rows === undefined ? undefined : search.storedTestScores(number, rows);
    const { fitted, testScores } = await fitAgain(search.course(number), data, stored === undefined ? test : undefined, {
      threads: options.threads,
      health,
      signal: search.signal,
    });
    if (testScores !== undefined && rows !== undefined) await search.keepTestScores(number, rows, testScores);
    return new StudyResult(search, { fitted, testScores: stored ?? testScores });
  };
  const run = new Run<StudyResult, Trial>(
    {
      start: (_live, emitted) => {
        emit = emitted;
        return start();
      },
      history: (study) => study.trials,
      stop: () => search.stop(),
      abort: () => search.abort(),
    },
    { signal },
  );
  return run as unknown as StudyRun<S, Study<S, E, T, R>>;
};
