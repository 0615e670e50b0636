import { Dataset, labelIndices, nativeOf, schemaOf } from '../data/dataset.js';
import {
  expectOptions,
  invalidOption,
  isBoolean,
  isInteger,
  isOneOf,
  NablaError,
  notImplemented,
  optionsOf,
  register,
} from '../errors/index.js';
import { countBar } from '../report/progress.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import { type FinishedFit, NativeFits } from '../trainer/native-fit.js';
import { Run } from '../trainer/run.js';
import { epochsOf, expectDataset, expectSameSchema, metricsOf, specOf, Trainer } from '../trainer/trainer.js';
import { kFold } from './k-fold.js';
import type { RowsToSplit, Splitter } from './splitter.js';

/** Scores of one metric over the folds. */
export interface FoldScores {
  readonly mean: number;
  /** Of the sample: over n − 1; NaN for one fold. */
  readonly standardDeviation: number;
  /** One a fold, in their order. */
  readonly values: readonly number[];
}

/** One fold, finished. */
export interface Fold<F extends FittedEstimator = FittedEstimator> {
  readonly index: number;
  readonly trainRows: number;
  readonly validationRows: number;
  readonly scores: ScoresOf<F>;
  /** With `keepModels`. */
  readonly fitted?: F;
}

/** The scores that an estimator's result gives. */
export type ScoresOf<F extends FittedEstimator> = Awaited<ReturnType<F['evaluate']>>;

/** What cross-validation gives. */
export interface CrossValidation<F extends FittedEstimator = FittedEstimator> {
  /** Each metric that the trainer names, and the loss. */
  readonly scores: { readonly [K in keyof ScoresOf<F>]: FoldScores };
  readonly folds: readonly Fold<F>[];
}

/** With `refit`: fitted once more on all rows. */
export interface Refitted<F extends FittedEstimator> {
  readonly fitted: F;
}

/** With `test`: the scores of the refitted model on rows that nothing else has touched. */
export interface Tested<F extends FittedEstimator> {
  readonly testScores: ScoresOf<F>;
}

/** Options of `crossValidate`. */
export interface CrossValidateOptions {
  /** Default `kFold({ k: 10 })`. A user's own is any object with a `split` generator. */
  readonly splitter?: Splitter<ArrayLike<number>>;
  /** Fits once more on all rows, after the folds. Default: whether `test` is given. */
  readonly refit?: boolean;
  /** Scored once, by the refitted model. */
  readonly test?: Dataset;
  /** `'folds'` (default) averages the scores of the folds, `'pooled'` scores all out-of-fold predictions at once. */
  readonly aggregate?: 'folds' | 'pooled';
  /** Keeps each fold's model. Default false. */
  readonly keepModels?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
}

/** What the options ask of the report. */
export type CrossValidationReport<F extends FittedEstimator, O> = CrossValidation<F> &
  (O extends { readonly refit: true } | { readonly test: Dataset } ? Refitted<F> : unknown) &
  (O extends { readonly test: Dataset } ? Tested<F> : unknown);

const isDataset = (value: unknown): string | undefined => (value instanceof Dataset ? undefined : 'to be a Dataset');
const isSplitter = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'split' in value && typeof value.split === 'function'
    ? undefined
    : 'to be a splitter such as kFold({ k: 10 }), an object with a split generator';

const crossValidateOptions = optionsOf('validation/crossValidate', {
  splitter: isSplitter,
  refit: isBoolean,
  test: isDataset,
  aggregate: isOneOf(['folds', 'pooled']),
  keepModels: isBoolean,
  threads: isInteger({ min: 1, max: 1024 }),
  signal: (value) => (value instanceof AbortSignal ? undefined : 'to be an AbortSignal'),
  progress: isBoolean,
});
register("validation/crossValidate: aggregate 'pooled'");

/** The rows of a data set as a splitter sees them. */
const rowsOf = (data: Dataset): RowsToSplit => ({ rows: data.rows, labels: labelIndices(data), groups: data.groups() });

const fail = (message: string, place: string): NablaError =>
  new NablaError({
    code: 'INVALID_DATA',
    message,
    place,
    hint: 'A splitter yields { train, validation }, two arrays of row indices that have none in common.',
  });

/** Splits of any splitter as views, checked: a row that is both trained on and scored would be a leak. */
export const foldViews = (
  data: Dataset,
  splitter: Splitter<ArrayLike<number>>,
): { readonly train: Dataset; readonly validation: Dataset }[] => {
  const views: { readonly train: Dataset; readonly validation: Dataset }[] = [];
  const seen = new Int32Array(data.rows).fill(-1);
  for (const split of splitter.split(rowsOf(data))) {
    const index = views.length;
    const place = `split ${index}`;
    if (typeof split !== 'object' || split === null || split.train === undefined || split.validation === undefined) {
      throw fail('the splitter did not yield { train, validation }', place);
    }
    const train = data.select(Uint32Array.from(split.train));
    const validation = data.select(Uint32Array.from(split.validation));
    for (let i = 0; i < split.train.length; i++) seen[split.train[i] as number] = index;
    for (let i = 0; i < split.validation.length; i++) {
      const row = split.validation[i] as number;
      if (seen[row] === index) throw fail(`row ${row} is both trained on and scored`, place);
    }
    views.push({ train, validation });
  }
  if (views.length === 0) throw fail('the splitter yielded no split', 'splitter');
  return views;
};

/** Mean and standard deviation over the folds; the deviations are taken from the mean in a second pass. */
export const summarize = (values: readonly number[]): FoldScores => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardDeviation: Math.sqrt(squares / (values.length - 1)), values };
};

/** One fit of a fold, or of all rows. */
interface Fit {
  readonly fitted: FittedEstimator;
  readonly scores: Readonly<Record<string, number>> | undefined;
  readonly testScores: Readonly<Record<string, number>> | undefined;
}

interface Work {
  readonly train: Dataset;
  /** Only scored: early stopping holds out rows of its own. */
  readonly score?: Dataset;
  readonly test?: Dataset;
}

interface Watch {
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called once for each fit that is over; without it nothing crosses while the fits run. */
  readonly onDone?: (() => void) | undefined;
}

/** All fits in one native call: index views on one copy of the data, one fit a core. */
const fitNatively = async (trainer: Trainer, works: readonly Work[], { threads, signal, onDone }: Watch): Promise<Fit[]> => {
  const [first] = works;
  const spec = specOf(trainer, schemaOf((first as Work).train));
  const jobs = works.map(({ train, score, test }) => ({
    train: nativeOf(train),
    score: score && nativeOf(score),
    test: test && nativeOf(test),
  }));
  const epochs = epochsOf(trainer);
  let done = 0;
  const fits = new NativeFits();
  const run = new Run<FinishedFit[], never>(
    {
      start: () =>
        fits.start(spec, jobs, { threads, events: onDone !== undefined }, (_, { index }) => {
          if (index + 1 < epochs) return;
          done++;
          onDone?.();
        }),
      history: () => [],
      stop: () => fits.stop(),
      abort: () => fits.abort(),
    },
    { signal },
  );
  const finished = await run;
  // Fits that early stopping has ended.
  for (; done < jobs.length; done++) onDone?.();
  return finished;
};

/** Any estimator: one fit after the other. */
const fitOneByOne = async (estimator: Estimator, works: readonly Work[], { threads, signal, onDone }: Watch): Promise<Fit[]> => {
  const fits: Fit[] = [];
  for (const { train, score, test } of works) {
    signal?.throwIfAborted();
    const fitted = await estimator.fit(train, {
      ...(threads === undefined ? {} : { threads }),
      ...(signal === undefined ? {} : { signal }),
    });
    fits.push({
      fitted,
      scores: score === undefined ? undefined : await fitted.evaluate(score),
      testScores: test === undefined ? undefined : await fitted.evaluate(test),
    });
    onDone?.();
  }
  return fits;
};

/**
 * Fits once a fold and scores each model on the rows it has not seen. Preparation is fitted inside each fold; early stopping holds out
 * rows of the training part, so the rows that score are only scored.
 *
 * With `refit` the recipe is fitted once more on all rows, and with `test` that model is scored on the test rows: once, at the end.
 * Cost: k fits, side by side on the cores over one copy of the data.
 * @throws {NablaError} `INVALID_OPTION`, `INVALID_DATA`, and whatever a fit throws
 * @example
 * const report = await crossValidate(trainer, train, { splitter: kFold({ k: 10, seed: 7 }), test, refit: true });
 * report.scores.accuracy.mean; report.testScores.accuracy;
 */
export const crossValidate = async <F extends FittedEstimator, const O extends CrossValidateOptions = Record<never, never>>(
  estimator: Estimator<F>,
  data: Dataset,
  options?: O,
): Promise<CrossValidationReport<F, O>> => {
  const chosen: CrossValidateOptions = options ?? {};
  if (typeof estimator !== 'object' || estimator === null || typeof estimator.fit !== 'function') {
    throw invalidOption('crossValidate', 'the estimator', 'to be a Trainer, or anything with fit', estimator, crossValidate);
  }
  expectDataset('crossValidate', data);
  expectOptions('crossValidate', chosen, crossValidateOptions, crossValidate);
  const {
    splitter = kFold(),
    test,
    refit = test !== undefined,
    aggregate = 'folds',
    keepModels = false,
    threads,
    signal,
    progress = false,
  } = chosen;
  if (aggregate === 'pooled') notImplemented("validation/crossValidate: aggregate 'pooled'", crossValidate);
  if (test !== undefined && !refit)
    throw invalidOption('crossValidate', 'refit', 'to be true: the test rows are scored by the refitted model', refit, crossValidate);
  if (test !== undefined) expectSameSchema('test', schemaOf(data), schemaOf(test));

  const views = foldViews(data, splitter);
  const works: Work[] = views.map(({ train, validation }) => ({ train, score: validation }));
  if (refit) works.push({ train: data, ...(test === undefined ? {} : { test }) });
  const bar = progress ? countBar(refit ? 'fit' : 'fold', works.length) : undefined;
  const watch: Watch = { threads, signal, onDone: bar && (() => bar.tick()) };
  let fits: Fit[];
  try {
    fits = estimator instanceof Trainer ? await fitNatively(estimator, works, watch) : await fitOneByOne(estimator, works, watch);
  } finally {
    bar?.done();
  }

  const folds = views.map(({ train, validation }, index) => {
    const { fitted, scores } = fits[index] as Fit;
    return { index, trainRows: train.rows, validationRows: validation.rows, scores: scores ?? {}, ...(keepModels ? { fitted } : {}) };
  });
  const names =
    estimator instanceof Trainer ? ['loss', ...metricsOf(estimator).map(({ name }) => name)] : Object.keys(folds[0]?.scores ?? {});
  const scores = Object.fromEntries(names.map((name) => [name, summarize(folds.map((fold) => fold.scores[name] ?? Number.NaN))]));
  const last = refit ? fits.at(-1) : undefined;
  const report = {
    scores,
    folds,
    ...(last === undefined ? {} : { fitted: last.fitted }),
    ...(last?.testScores === undefined ? {} : { testScores: last.testScores }),
  };
  return report as unknown as CrossValidationReport<F, O>;
};
