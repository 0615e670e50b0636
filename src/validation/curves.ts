import { type Dataset, labelIndices } from '../data/dataset.js';
import {
  expectOptions,
  invalidOption,
  isBoolean,
  isEither,
  isFunction,
  isInteger,
  isListOf,
  isNumber,
  isString,
  optionsOf,
} from '../errors/index.js';
import { callNative } from '../native/index.js';
import { countBar } from '../report/progress.js';
import { short } from '../text/number.js';
import { table } from '../text/table.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import { expectDataset } from '../trainer/trainer.js';
import { type FoldScores, foldViews, isSignal, isSplitter, type ScoresOf, summarize } from './cross-validate.js';
import { bandPicture } from './curve-picture.js';
import { type Fit, fitAll } from './fit-all.js';
import { kFold } from './k-fold.js';
import type { Splitter } from './splitter.js';

/** One point of a curve. */
export interface CurvePoint<X, Names extends string = string> {
  readonly at: X;
  /** On the rows that were trained on. */
  readonly train: { readonly [K in Names]: FoldScores };
  /** On the rows held out. */
  readonly validation: { readonly [K in Names]: FoldScores };
}

/** Scores along a curve; prints as a table. */
export interface Curve<X, Names extends string = string> {
  readonly points: readonly CurvePoint<X, Names>[];
  /** A row a point: mean ± standard deviation over the folds. */
  toString(): string;
  /** A picture of one score, by default the first that is not the loss: means as lines, one standard deviation as bands. */
  toSvg(score?: Names): string;
}

/** Options of both curves. */
interface CurveOptions {
  /** Default `kFold({ k: 5 })`. */
  readonly splitter?: Splitter<ArrayLike<number>>;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
}

/** Options of `learningCurve`. */
export interface LearningCurveOptions extends CurveOptions {
  /** Shares of a fold's training rows in (0, 1], or numbers of rows from 2; ascending. Default 0.1, 0.325, 0.55, 0.775, 1, as scikit-learn. */
  readonly sizes?: readonly number[];
  /** Of the order in which rows join. Default 0. */
  readonly seed?: number;
}

/** Options of `validationCurve`. */
export interface ValidationCurveOptions<X> extends CurveOptions {
  /** Values of the hyperparameter. */
  readonly values: readonly X[];
  /** What the axis is called. Default `value`. */
  readonly name?: string;
}

const curveOptions = {
  splitter: isSplitter,
  threads: isInteger({ min: 1, max: 1024 }),
  signal: isSignal,
  progress: isBoolean,
};
const learningOptions = optionsOf('validation/learningCurve', {
  ...curveOptions,
  sizes: isListOf(isEither(isNumber({ above: 0, max: 1 }), isInteger({ min: 2 }))),
  seed: isInteger({ min: 0 }),
});
const validationOptions = optionsOf('validation/validationCurve', {
  ...curveOptions,
  values: (value) => (Array.isArray(value) && value.length > 0 ? undefined : 'to be a list of at least one value'),
  name: isString,
});

/**
 * Rows of a training part in the order in which they join: by chance, and classes in step, so that each beginning of it has nearly the
 * classes' shares: the r-th row of a class with n rows stands at (r + ½)/n.
 */
export const joiningOrder = (data: Dataset, seed: number): Uint32Array => {
  const order = callNative((n) => n.permutation(data.rows, seed));
  const labels = labelIndices(data);
  if (labels === undefined) return order;
  const count = new Map<number, number>();
  for (const label of labels) count.set(label, (count.get(label) ?? 0) + 1);
  const met = new Map<number, number>();
  const place = new Float64Array(data.rows);
  for (const row of order) {
    const label = labels[row] as number;
    const rank = met.get(label) ?? 0;
    met.set(label, rank + 1);
    place[row] = (rank + 0.5) / (count.get(label) as number);
  }
  // A stable sort keeps the random order between equal places.
  return Uint32Array.from(Array.from(order).sort((a, b) => (place[a] as number) - (place[b] as number)));
};

/** Scores of the fits of one point: trained on, and held out. */
const pointOf = <X>(at: X, fits: readonly Fit[]): CurvePoint<X> => {
  const summary = (of: (fit: Fit) => Readonly<Record<string, number>> | undefined): Record<string, FoldScores> => {
    const names = Object.keys(of(fits[0] as Fit) ?? {});
    return Object.fromEntries(names.map((name) => [name, summarize(fits.map((fit) => of(fit)?.[name] ?? Number.NaN))]));
  };
  return { at, train: summary((fit) => fit.testScores), validation: summary((fit) => fit.scores) };
};

const inspect = Symbol.for('nodejs.util.inspect.custom');

const curveOf = <X>(points: readonly CurvePoint<X>[], axis: string): Curve<X> => {
  const names = Object.keys(points[0]?.validation ?? {});
  const first = names.find((name) => name !== 'loss') ?? 'loss';
  const cell = (scores: FoldScores | undefined): string =>
    scores === undefined ? '' : `${short(scores.mean)} ± ${short(scores.standardDeviation)}`;
  const print = (): string =>
    table([
      [axis, ...names.flatMap((name) => [`${name} (train)`, `${name} (validation)`])],
      ...points.map(({ at, train, validation }) => [String(at), ...names.flatMap((name) => [cell(train[name]), cell(validation[name])])]),
    ]);
  const numeric = points.every(({ at }) => typeof at === 'number');
  const draw = (score: string = first): string => {
    const part = (name: 'train' | 'validation') => ({
      name,
      points: points.map((point, i) => ({
        x: numeric ? (point.at as number) : i,
        y: point[name][score]?.mean ?? Number.NaN,
        deviation: point[name][score]?.standardDeviation ?? 0,
      })),
    });
    if (!names.includes(score)) throw invalidOption('toSvg', 'score', `to be one of ${names.map((n) => `'${n}'`).join(', ')}`, score);
    return bandPicture([part('train'), part('validation')], {
      x: axis,
      y: score,
      ...(numeric ? {} : { ticks: points.map(({ at }) => String(at)) }),
    });
  };
  const text = { value: print };
  return Object.defineProperties({ points }, { toString: text, [inspect]: text, toSvg: { value: draw } }) as Curve<X>;
};

type NamesOf<F extends FittedEstimator> = keyof ScoresOf<F> & string;

const isEstimator = (value: unknown): value is Estimator =>
  typeof value === 'object' && value !== null && 'fit' in value && typeof value.fit === 'function';

/**
 * Scores against the number of training rows, with bands over the folds: does more data help? Each fold's training rows join in one
 * order, so a larger training set contains the smaller ones. Cost: sizes × folds fits, one a core over one copy of the data.
 * @example
 * const curve = await learningCurve(trainer, data, { sizes: [0.2, 0.6, 1] });
 * console.log(String(curve)); await writeFile('curve.svg', curve.toSvg());
 */
export const learningCurve = async <F extends FittedEstimator>(
  estimator: Estimator<F>,
  data: Dataset,
  options: LearningCurveOptions = {},
): Promise<Curve<number, NamesOf<F>>> => {
  if (!isEstimator(estimator))
    throw invalidOption('learningCurve', 'the estimator', 'to be a Trainer, or anything with fit', estimator, learningCurve);
  expectDataset('learningCurve', data);
  expectOptions('learningCurve', options, learningOptions, learningCurve);
  const { sizes = [0.1, 0.325, 0.55, 0.775, 1], splitter = kFold({ k: 5 }), seed = 0, threads, signal, progress = false } = options;
  const views = foldViews(data, splitter);
  const most = Math.min(...views.map(({ train }) => train.rows));
  const rows = sizes.map((size) => (size <= 1 ? Math.round(size * most) : size));
  const wrong = rows.findIndex((size, i) => size < 2 || size > most || (i > 0 && size <= (rows[i - 1] as number)));
  if (wrong >= 0 || rows.length === 0)
    throw invalidOption(
      'learningCurve',
      'sizes',
      `to ascend, from 2 to the ${most} rows of the smallest fold`,
      sizes[wrong] ?? sizes,
      learningCurve,
    );
  const works = views.flatMap(({ train, validation }) => {
    const order = joiningOrder(train, seed);
    return rows.map((size) => {
      const part = train.select(order.slice(0, size));
      return { train: part, score: validation, test: part };
    });
  });
  const bar = progress ? countBar('fit', works.length) : undefined;
  try {
    const fits = await fitAll(estimator, works, { threads, signal, onDone: bar && (() => bar.tick()) });
    const points = rows.map((size, i) =>
      pointOf(
        size,
        views.map((_, fold) => fits[fold * rows.length + i] as Fit),
      ),
    );
    return curveOf(points, 'rows') as Curve<number, NamesOf<F>>;
  } finally {
    bar?.done();
  }
};

/**
 * Scores against one hyperparameter, with bands over the folds: too small, too large? The folds are the same for all values.
 * Cost: values × folds fits, one a core over one copy of the data.
 * @example const curve = await validationCurve((units) => network(units), data, { values: [2, 8, 32, 128], name: 'units' });
 */
export const validationCurve = async <X, F extends FittedEstimator>(
  estimator: (value: X) => Estimator<F>,
  data: Dataset,
  options: ValidationCurveOptions<X>,
): Promise<Curve<X, NamesOf<F>>> => {
  const words = isFunction(estimator);
  if (words !== undefined)
    throw invalidOption('validationCurve', 'the estimator', `${words} of the value that gives one`, estimator, validationCurve);
  expectDataset('validationCurve', data);
  expectOptions('validationCurve', options, validationOptions, validationCurve);
  const { values, name = 'value', splitter = kFold({ k: 5 }), threads, signal, progress = false } = options;
  if (values === undefined) throw invalidOption('validationCurve', 'values', 'to be a list', values, validationCurve);
  // All estimators first: what is wrong with the last value is said before the first fit.
  const estimators = values.map((value) => estimator(value));
  const bad = estimators.findIndex((each) => !isEstimator(each));
  if (bad >= 0)
    throw invalidOption('validationCurve', 'the estimator', 'to give a Trainer, or anything with fit', estimators[bad], validationCurve);
  const works = foldViews(data, splitter).map(({ train, validation }) => ({ train, score: validation, test: train }));
  const bar = progress ? countBar('fit', works.length * values.length) : undefined;
  const points: CurvePoint<X>[] = [];
  try {
    for (const [i, each] of estimators.entries()) {
      const fits = await fitAll(each, works, { threads, signal, onDone: bar && (() => bar.tick()) });
      points.push(pointOf(values[i] as X, fits));
    }
  } finally {
    bar?.done();
  }
  return curveOf(points, name) as Curve<X, NamesOf<F>>;
};
