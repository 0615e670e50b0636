import { type Dataset, schemaOf } from '../data/dataset.js';
import { expectOptions, invalidOption, isBoolean, isFunction, isInteger, isOneOf, isString, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';
import { countBar } from '../report/progress.js';
import { short } from '../text/number.js';
import { table } from '../text/table.js';
import type { Estimator } from '../trainer/estimator.js';
import { expectDataset, expectSameSchema } from '../trainer/trainer.js';
import { isSignal } from './cross-validate.js';
import { decompose, type Parts, resampler, type Terms, type Votes } from './decomposition.js';
import { fitAll } from './fit-all.js';
import { oneOutput } from './one-output.js';
import { repetitionSeed } from './rows-to-split.js';
import { expectVariedTarget } from './varied-target.js';

/** A number with its standard error. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** Options of `biasVariance`. */
export interface BiasVarianceOptions {
  /** Where training sets are drawn from. */
  readonly train: Dataset;
  /** Where predictions are compared. */
  readonly test: Dataset;
  /** How many training sets, from 2. Default 50. */
  readonly trainingSets?: number;
  /** Rows drawn with replacement (default), or parts of the training rows that share none, which are as good as fresh draws. */
  readonly sampling?: 'bootstrap' | 'disjoint';
  /** Rows of each training set. Default: all of `train`; disjoint: ⌊rows/trainingSets⌋. */
  readonly size?: number;
  /** Of a model with several outputs: the one that is judged. */
  readonly output?: string;
  /** The target without noise of a row of features: a number, or the name of the likeliest class. */
  readonly truth?: (row: Float64Array) => number | string;
  /** Of drawing and resampling. Default 0. */
  readonly seed?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
}

/** What the expected error of a recipe consists of. */
export interface BiasVariance {
  /** `'squared'` for numbers, `'zero-one'` for classes. */
  readonly loss: 'squared' | 'zero-one';
  /** How far the average (or most frequent) prediction is from the truth. Contains the noise where `noiseFrom` is `'bound'`. */
  readonly biasSquared: Estimate;
  /** How much predictions scatter with the training set; of classes the net effect on the error. */
  readonly variance: Estimate;
  /** What no model can avoid; NaN where nothing measures it: then it is at most `noiseBound`. */
  readonly noise: Estimate;
  /** Mean loss on the test rows over the training sets. */
  readonly expectedError: Estimate;
  /** What the noise was measured by. */
  readonly noiseFrom: 'truth' | 'repeated rows' | 'bound';
  /** The noise is at most this. */
  readonly noiseBound: number;
  readonly trainingSets: number;
  readonly trainingRows: number;
  /** A table; `console.log` prints it so. */
  toString(): string;
}

const biasOptions = optionsOf('validation/biasVariance', {
  train: (value) => (typeof value === 'object' && value !== null ? undefined : 'to be a Dataset'),
  test: (value) => (typeof value === 'object' && value !== null ? undefined : 'to be a Dataset'),
  trainingSets: isInteger({ min: 2, max: 100_000 }),
  sampling: isOneOf(['bootstrap', 'disjoint']),
  size: isInteger({ min: 1 }),
  output: isString,
  truth: isFunction,
  seed: isInteger({ min: 0 }),
  threads: isInteger({ min: 1, max: 1024 }),
  signal: isSignal,
  progress: isBoolean,
});

/** Random rows with replacement. */
const drawn = (rows: number, size: number, seed: number): Uint32Array => {
  const next = resampler(seed);
  return Uint32Array.from({ length: size }, () => next(rows));
};

const trainingSetsOf = (
  train: Dataset,
  { trainingSets = 50, sampling = 'bootstrap', size, seed = 0 }: BiasVarianceOptions,
): Uint32Array[] => {
  const { rows } = train;
  if (sampling === 'bootstrap') return Array.from({ length: trainingSets }, (_, t) => drawn(rows, size ?? rows, repetitionSeed(seed, t)));
  const each = size ?? Math.floor(rows / trainingSets);
  if (each < 1 || each * trainingSets > rows)
    throw invalidOption(
      'biasVariance',
      'trainingSets',
      `times size to be at most the ${rows} rows: disjoint sets share none`,
      `${trainingSets} × ${each}`,
    );
  const order = callNative((n) => n.permutation(rows, seed));
  return Array.from({ length: trainingSets }, (_, t) => order.slice(t * each, (t + 1) * each));
};

/** Rows with the same features, as lists of their numbers; only those that repeat. */
const repeatedRows = (data: Dataset): number[][] => {
  const features = data.features();
  const width = features.length / data.rows;
  const groups = new Map<string, number[]>();
  for (let row = 0; row < data.rows; row++) {
    const key = features.subarray(row * width, (row + 1) * width).join();
    const rows = groups.get(key);
    if (rows === undefined) groups.set(key, [row]);
    else rows.push(row);
  }
  return [...groups.values()].filter((rows) => rows.length > 1);
};

const truthOf = (test: Dataset, names: readonly string[], truth: NonNullable<BiasVarianceOptions['truth']>): Float64Array => {
  const features = test.features();
  const width = features.length / test.rows;
  const classes = names.length > 0;
  return Float64Array.from({ length: test.rows }, (_, row) => {
    const given = truth(features.slice(row * width, (row + 1) * width));
    const value = classes ? names.indexOf(String(given)) : given;
    if (typeof value === 'number' && Number.isFinite(value) && !(classes && value < 0)) return value;
    throw invalidOption('biasVariance', 'truth', classes ? 'to give a class of the target' : 'to give a finite number', given);
  });
};

/**
 * Bias², variance and noise of a recipe: fits it on many training sets of one size and compares what they predict for the test rows.
 *
 * Squared loss, f̄ the mean of T predictions and s² their variance over T − 1: variance = mean s², bias² = mean((f̄ − y)² − s²/T), which is
 * unbiased, noise = mean((y − truth)²); they sum to the expected error (Geman, Bienenstock & Doursat 1992). Classes, 0-1 loss after Domingos
 * (2000, A unified bias-variance decomposition): bias is whether the most frequent prediction is wrong; a prediction that differs from it
 * costs where it is right and may gain where it is wrong, and variance is the net effect.
 *
 * The noise is known by `truth`, or measured by test rows whose features repeat; else it cannot be told from the bias, and only a bound
 * is given. Standard errors resample training sets and test rows (200 times). Bootstrap sets share rows, so that variance comes out
 * smaller than over fresh data; with enough rows `sampling: 'disjoint'` has no such fault.
 *
 * Cost: `trainingSets` fits, one a core, over one copy of the data.
 * @example const { biasSquared, variance } = await biasVariance(trainer, { train, test, trainingSets: 50 });
 */
export const biasVariance = async (estimator: Estimator, options: BiasVarianceOptions): Promise<BiasVariance> => {
  if (typeof estimator !== 'object' || estimator === null || typeof estimator.fit !== 'function')
    throw invalidOption('biasVariance', 'the estimator', 'to be a Trainer, or anything with fit', estimator, biasVariance);
  expectOptions('biasVariance', options, biasOptions, biasVariance);
  const { train, test, truth, seed = 0, threads, signal, progress = false } = options;
  expectDataset('biasVariance: train', train);
  expectDataset('biasVariance: test', test);
  expectSameSchema('test', schemaOf(train), schemaOf(test));
  const one = oneOutput('biasVariance', train, options.output);
  const { classes } = one;
  expectVariedTarget('biasVariance: train', train);
  const y = one.values(test);
  const known = truth === undefined ? undefined : truthOf(test, one.names, truth);
  const repeats = known === undefined ? repeatedRows(test) : [];
  const sets = trainingSetsOf(train, options);
  const works = sets.map((rows) => ({ train: train.select(rows) }));
  const bar = progress ? countBar('fit', works.length) : undefined;
  let found: Float64Array[];
  try {
    const fits = await fitAll(estimator, works, { threads, signal, onDone: bar && (() => bar.tick()) });
    found = [];
    for (const { fitted } of fits) found.push(await one.predictions(fitted, test));
  } finally {
    bar?.done();
  }
  const votes: Votes = { classes, predictions: found, y, known, repeats };
  const parts: Parts = await decompose(votes, seed, signal);
  const estimate = (name: keyof Terms): Estimate => ({ value: parts.terms[name], standardError: parts.errors[name] });
  const result = {
    loss: classes > 0 ? ('zero-one' as const) : ('squared' as const),
    biasSquared: estimate('bias'),
    variance: estimate('variance'),
    noise: estimate('noise'),
    expectedError: estimate('expectedError'),
    noiseFrom: parts.noiseFrom,
    noiseBound: parts.noiseFrom === 'bound' ? parts.terms.bias : parts.terms.noise,
    trainingSets: sets.length,
    trainingRows: sets[0]?.length ?? 0,
  };
  const print = (): string => {
    const line = (name: string, { value, standardError }: Estimate): string[] => [name, short(value), `± ${short(standardError)}`];
    return table([
      [`${result.loss} loss`, 'value', 'standard error'],
      line(parts.noiseFrom === 'bound' ? 'bias² + noise' : 'bias²', result.biasSquared),
      line('variance', result.variance),
      ...(parts.noiseFrom === 'bound' ? [] : [line(`noise (by ${parts.noiseFrom})`, result.noise)]),
      line('expected error', result.expectedError),
    ]);
  };
  const text = { value: print };
  return Object.defineProperties(result, { toString: text, [Symbol.for('nodejs.util.inspect.custom')]: text }) as BiasVariance;
};
