import { Dataset, groupNamesOf, labelIndices, schemaOf, spansOf } from '../data/dataset.js';
import { expectOptions, invalidOption, isBoolean, isInteger, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import type { GradientHealth } from '../health/index.js';
import { countBar } from '../report/progress.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import type { Fitted } from '../trainer/fitted.js';
import { everyOf, expectDataset, expectSameSchema, type FitOptions, isHealthOption, metricsOf, Trainer } from '../trainer/trainer.js';
import { type Fit, fitAll, type Work } from './fit-all.js';
import { kFold } from './k-fold.js';
import { type HeldOutPart, joined, type OutOfFold, poolScores, predictHeldOut } from './out-of-fold.js';
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
  /** With `health`: what its fit's gradients looked like. */
  readonly health?: GradientHealth;
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
  /** Looks at gradients in each fit of a `Trainer`, as `fit` does: `report.folds[i].health`, and `report.fitted.health` of the refit. */
  readonly health?: FitOptions['health'];
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
  health: isHealthOption,
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

/**
 * A fold by its rows, and as views, which are made anew each time. Where all other rows in their order are trained on, only what is held
 * out is kept: n folds that leave one out are n numbers, not n².
 */
export class FoldView {
  readonly heldOut: Uint32Array;
  readonly #data: Dataset;
  readonly #train: Uint32Array | undefined;

  constructor(data: Dataset, train: Uint32Array, heldOut: Uint32Array) {
    this.#data = data;
    this.heldOut = heldOut;
    // Nothing is in both, so as many as are left, ascending, are all that are left.
    const rest = train.length === data.rows - new Set(heldOut).size && train.every((row, i) => i === 0 || (train[i - 1] as number) < row);
    this.#train = rest ? undefined : train;
  }

  get trainRows(): Uint32Array {
    if (this.#train !== undefined) return this.#train;
    const out = new Uint8Array(this.#data.rows);
    for (const row of this.heldOut) out[row] = 1;
    const train = new Uint32Array(out.length - new Set(this.heldOut).size);
    for (let row = 0, at = 0; row < out.length; row++) if (out[row] === 0) train[at++] = row;
    return train;
  }

  get train(): Dataset {
    return this.#data.select(this.trainRows);
  }

  get validation(): Dataset {
    return this.#data.select(this.heldOut);
  }
}

/** Fits that are given to the native side at once: enough that cores seldom wait for the last of them, few enough to forget. */
const PART = 128;

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
    // A view is made only to say which index is no row, or that there are none: thousands of them would wait for the collector.
    for (const indices of [trainRows, heldOut]) if (indices.length === 0 || indices.some((row) => row >= data.rows)) data.select(indices);
    for (let i = 0; i < split.train.length; i++) seen[split.train[i] as number] = index;
    for (let i = 0; i < split.validation.length; i++) {
      const row = split.validation[i] as number;
      if (seen[row] === index) throw fail(`row ${row} is both trained on and scored`, place);
    }
    if (rows.spans !== undefined && purge(place, { train: trainRows, validation: heldOut }, rows.spans).train.length < trainRows.length)
      throw fail('windows that are trained on share rows of the series with windows that are scored', place);
    views.push(new FoldView(data, trainRows, heldOut));
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
    predictions: asked = false,
    keepModels = false,
    threads,
    signal,
    progress = false,
  } = chosen;
  const predictions = asked || aggregate === 'pooled';
  if (test !== undefined && !refit)
    throw invalidOption('crossValidate', 'refit', 'to be true: the test rows are scored by the refitted model', refit, crossValidate);
  if (test !== undefined) expectSameSchema('test', schemaOf(data), schemaOf(test));

  const health = everyOf(chosen.health);
  if (health !== undefined && !(estimator instanceof Trainer))
    throw invalidOption(
      'crossValidate',
      'health',
      'to come with a Trainer: other estimators have no steps to look at',
      health,
      crossValidate,
    );

  const views = foldViews(data, splitter);
  const count = views.length + Number(refit);
  const bar = progress ? countBar(refit ? 'fit' : 'fold', count) : undefined;
  const watch = { threads, signal, health, onDone: bar && (() => bar.tick()) };
  const folds: {
    index: number;
    trainRows: number;
    validationRows: number;
    scores: Readonly<Record<string, number>>;
    fitted?: Fit['fitted'];
    health?: GradientHealth;
  }[] = [];
  const parts: HeldOutPart[] = [];
  let last: Fit | undefined;
  try {
    // Part by part, so that leaving each of many rows out needs no more memory than ten folds do: a fold's model is let go once it is scored.
    for (let from = 0; from < count; from += PART) {
      const some = views.slice(from, from + PART);
      const works: Work[] = some.map(({ train, validation }) => ({ train, score: validation }));
      if (refit && from + PART >= count) works.push({ train: data, ...(test === undefined ? {} : { test }) });
      const fits = await fitAll(estimator, works, watch);
      for (const [i, { heldOut }] of some.entries()) {
        const { fitted, scores } = fits[i] as Fit;
        const { train, score } = works[i] as Work;
        const index = from + i;
        folds.push({
          index,
          trainRows: train.rows,
          validationRows: heldOut.length,
          scores: scores ?? {},
          ...(health === undefined ? {} : { health: (fitted as Fitted).health as GradientHealth }),
          ...(keepModels ? { fitted } : {}),
        });
        if (predictions) parts.push(await predictHeldOut(fitted, score as Dataset));
      }
      if (works.length > some.length) last = fits.at(-1);
    }
  } finally {
    bar?.done();
  }

  const names =
    estimator instanceof Trainer ? ['loss', ...metricsOf(estimator).map(({ name }) => name)] : Object.keys(folds[0]?.scores ?? {});
  const summaries = names.map((name) => [name, summarize(folds.map((fold) => fold.scores[name] ?? Number.NaN))] as const);
  const outOfFold = predictions ? joined(views, parts) : undefined;
  const pooled = outOfFold !== undefined && aggregate === 'pooled' ? poolScores(estimator, data, outOfFold, folds, names) : undefined;
  const scores = Object.fromEntries(
    summaries.map(([name, summary]) => [name, pooled === undefined ? summary : { ...summary, mean: pooled[name] as number }]),
  );
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
