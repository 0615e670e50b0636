import { Dataset, groupNamesOf, labelIndices, schemaOf, spansOf } from '../data/dataset.js';
import { expectOptions, invalidOption, isBoolean, isInteger, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { countBar } from '../report/progress.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import { expectOneOutput } from '../trainer/outputs.js';
import { expectDataset, expectSameSchema, metricsOf, Trainer } from '../trainer/trainer.js';
import { type Fit, fitAll, type Work } from './fit-all.js';
import { kFold } from './k-fold.js';
import { heldOut, type OutOfFold, poolScores } from './out-of-fold.js';
import { purge } from './purged.js';
import { rememberFolds } from './shared-folds.js';
import type { RowsToSplit, Splitter } from './splitter.js';
import { expectVariedTarget } from './varied-target.js';

/** Scores of one metric over the folds. */
export interface FoldScores {
  /** Of the folds; with `aggregate: 'pooled'` the score of all held-out predictions at once. */
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
  /** With `predictions` or `aggregate: 'pooled'`: what each fold's model says of the rows it has not seen. */
  readonly outOfFold?: OutOfFold;
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
  /** Keeps the predictions of the held-out rows. Default: whether they are pooled. */
  readonly predictions?: boolean;
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
export const isSplitter = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'split' in value && typeof value.split === 'function'
    ? undefined
    : 'to be a splitter such as kFold({ k: 10 }), an object with a split generator';

export const isSignal = (value: unknown): string | undefined => (value instanceof AbortSignal ? undefined : 'to be an AbortSignal');

const crossValidateOptions = optionsOf('validation/crossValidate', {
  splitter: isSplitter,
  refit: isBoolean,
  test: isDataset,
  aggregate: isOneOf(['folds', 'pooled']),
  keepModels: isBoolean,
  predictions: isBoolean,
  threads: isInteger({ min: 1, max: 1024 }),
  signal: isSignal,
  progress: isBoolean,
});
/** The rows of a data set as a splitter sees them. */
const rowsOf = (data: Dataset): RowsToSplit => {
  const { target } = schemaOf(data);
  return {
    rows: data.rows,
    labels: labelIndices(data),
    groups: data.groups(),
    names: { labels: target?.kind === 'classes' ? target.names : undefined, groups: groupNamesOf(data) },
    spans: spansOf(data),
  };
};

const fail = (message: string, place: string): NablaError =>
  new NablaError({
    code: 'INVALID_DATA',
    message,
    place,
    hint: 'A splitter yields { train, validation }, two arrays of row indices that have none in common.',
  });

/** A fold as views, with the rows that it holds out. */
export interface FoldView {
  readonly train: Dataset;
  readonly validation: Dataset;
  readonly trainRows: Uint32Array;
  readonly heldOut: Uint32Array;
}

/** Splits of any splitter as views, checked: a row that is both trained on and scored would be a leak. */
export const foldViews = (data: Dataset, splitter: Splitter<ArrayLike<number>>): FoldView[] => {
  expectVariedTarget('targets', data);
  const views: FoldView[] = [];
  const seen = new Int32Array(data.rows).fill(-1);
  const rows = rowsOf(data);
  for (const split of splitter.split(rows)) {
    const index = views.length;
    const place = `split ${index}`;
    if (typeof split !== 'object' || split === null || split.train === undefined || split.validation === undefined) {
      throw fail('the splitter did not yield { train, validation }', place);
    }
    const trainRows = Uint32Array.from(split.train);
    const heldOut = Uint32Array.from(split.validation);
    const train = data.select(trainRows);
    const validation = data.select(heldOut);
    for (let i = 0; i < split.train.length; i++) seen[split.train[i] as number] = index;
    for (let i = 0; i < split.validation.length; i++) {
      const row = split.validation[i] as number;
      if (seen[row] === index) throw fail(`row ${row} is both trained on and scored`, place);
    }
    if (rows.spans !== undefined && purge(place, { train: trainRows, validation: heldOut }, rows.spans).train.length < trainRows.length)
      throw fail('windows that are trained on share rows of the series with windows that are scored', place);
    views.push({ train, validation, trainRows, heldOut });
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
    predictions = aggregate === 'pooled',
    keepModels = false,
    threads,
    signal,
    progress = false,
  } = chosen;
  if (test !== undefined && !refit)
    throw invalidOption('crossValidate', 'refit', 'to be true: the test rows are scored by the refitted model', refit, crossValidate);
  if (test !== undefined) expectSameSchema('test', schemaOf(data), schemaOf(test));

  if (predictions) expectOneOutput('crossValidate: aggregate, predictions', schemaOf(data));
  const views = foldViews(data, splitter);
  const works: Work[] = views.map(({ train, validation }) => ({ train, score: validation }));
  if (refit) works.push({ train: data, ...(test === undefined ? {} : { test }) });
  const bar = progress ? countBar(refit ? 'fit' : 'fold', works.length) : undefined;
  let fits: Fit[];
  try {
    fits = await fitAll(estimator, works, { threads, signal, onDone: bar && (() => bar.tick()) });
  } finally {
    bar?.done();
  }

  const folds = views.map(({ train, validation }, index) => {
    const { fitted, scores } = fits[index] as Fit;
    return { index, trainRows: train.rows, validationRows: validation.rows, scores: scores ?? {}, ...(keepModels ? { fitted } : {}) };
  });
  const names =
    estimator instanceof Trainer ? ['loss', ...metricsOf(estimator).map(({ name }) => name)] : Object.keys(folds[0]?.scores ?? {});
  const summaries = names.map((name) => [name, summarize(folds.map((fold) => fold.scores[name] ?? Number.NaN))] as const);
  const outOfFold = predictions || aggregate === 'pooled' ? await heldOut(data, views, fits) : undefined;
  const pooled = outOfFold !== undefined && aggregate === 'pooled' ? poolScores(estimator, data, outOfFold, folds, names) : undefined;
  const scores = Object.fromEntries(
    summaries.map(([name, summary]) => [name, pooled === undefined ? summary : { ...summary, mean: pooled[name] as number }]),
  );
  const last = refit ? fits.at(-1) : undefined;
  const report = {
    scores,
    folds,
    ...(outOfFold === undefined ? {} : { outOfFold }),
    ...(last === undefined ? {} : { fitted: last.fitted }),
    ...(last?.testScores === undefined ? {} : { testScores: last.testScores }),
  };
  rememberFolds(report, views);
  return report as unknown as CrossValidationReport<F, O>;
};
