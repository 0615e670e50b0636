import type { Dataset } from '../data/dataset.js';
import { expectOptions, invalidOption, isBoolean, isFunction, isInteger, optionsOf } from '../errors/index.js';
import { countBar } from '../report/progress.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import { expectDataset } from '../trainer/trainer.js';
import { type CrossValidation, type Fold, foldViews, isSignal, isSplitter, type ScoresOf, summarize } from './cross-validate.js';
import { fitAll } from './fit-all.js';
import { kFold } from './k-fold.js';
import { rememberFolds } from './shared-folds.js';
import type { Splitter } from './splitter.js';

/** Options of `nestedCrossValidate`. */
export interface NestedOptions<F extends FittedEstimator> {
  /** Default `kFold({ k: 10 })`. */
  readonly outer?: Splitter<ArrayLike<number>>;
  /** Chooses on the training part of an outer fold, say by `tune`, or by `crossValidate` over candidates; what it gives is fitted on all of that part. */
  readonly tune: (train: Dataset, fold: number) => Estimator<F> | PromiseLike<Estimator<F>>;
  /** Keeps each outer fold's model. Default false. */
  readonly keepModels?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
}

const nestedOptions = optionsOf('validation/nestedCrossValidate', {
  outer: isSplitter,
  tune: isFunction,
  keepModels: isBoolean,
  threads: isInteger({ min: 1, max: 1024 }),
  signal: isSignal,
  progress: isBoolean,
});

/**
 * Chooses inside each outer fold and scores the choice on rows that neither the fit nor the choice has seen. The best score of an ordinary
 * cross-validation over candidates is too good, because the same rows chose it; this estimate is not (Varma & Simon 2006).
 *
 * Outer folds run one after the other, since each `tune` uses all cores itself.
 * @example
 * const report = await nestedCrossValidate(data, {
 *   outer: kFold({ k: 5 }),
 *   tune: async (train) => recipe((await tune(train, { space, estimator: recipe, objective: 'accuracy', refit: false })).best.params),
 * });
 */
export const nestedCrossValidate = async <F extends FittedEstimator>(
  data: Dataset,
  options: NestedOptions<F>,
): Promise<CrossValidation<F>> => {
  expectDataset('nestedCrossValidate', data);
  expectOptions('nestedCrossValidate', options, nestedOptions, nestedCrossValidate);
  const { outer = kFold(), tune, keepModels = false, threads, signal, progress = false } = options;
  if (tune === undefined) throw invalidOption('nestedCrossValidate', 'tune', 'to be a function', tune, nestedCrossValidate);
  const views = foldViews(data, outer);
  const bar = progress ? countBar('outer fold', views.length) : undefined;
  const folds: Fold<F>[] = [];
  try {
    for (const [index, { train, validation }] of views.entries()) {
      signal?.throwIfAborted();
      const estimator = await tune(train, index);
      if (typeof estimator !== 'object' || estimator === null || typeof estimator.fit !== 'function')
        throw invalidOption(
          'nestedCrossValidate',
          'tune',
          'to give an estimator: a Trainer, or anything with fit',
          estimator,
          nestedCrossValidate,
        );
      const [fit] = await fitAll(estimator, [{ train, score: validation }], { threads, signal });
      folds.push({
        index,
        trainRows: train.rows,
        validationRows: validation.rows,
        scores: (fit?.scores ?? {}) as ScoresOf<F>,
        ...(keepModels ? { fitted: fit?.fitted as F } : {}),
      });
      bar?.tick();
    }
  } finally {
    bar?.done();
  }
  // Candidates may name different metrics: what all folds have is summarized.
  const names = Object.keys(folds[0]?.scores ?? {}).filter((name) => folds.every(({ scores }) => name in scores));
  const of = (name: string): number[] => folds.map(({ scores }) => (scores as Record<string, number>)[name] as number);
  const report = { scores: Object.fromEntries(names.map((name) => [name, summarize(of(name))])), folds };
  rememberFolds(report, views);
  return report as unknown as CrossValidation<F>;
};
