import { Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { expectOptions, invalidOption, isInteger, NablaError, optionsOf } from '../errors/index.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import { checkGradients } from '../trainer/examine.js';
import { Fitted } from '../trainer/fitted.js';
import { expectDataset, Trainer } from '../trainer/trainer.js';
import { laterLaws } from './full-batch-laws.js';
import { recipeLaws } from './recipe-laws.js';

/** One law and whether it held. */
export interface CheckedLaw {
  readonly law: string;
  readonly passed: boolean;
  /** What went wrong, or why the law does not apply (it counts as passed then). */
  readonly detail?: string;
}

/** What `checkEstimator` found: prints as a list. */
export interface EstimatorCheck {
  readonly laws: readonly CheckedLaw[];
  /** Whether every law held. */
  readonly passed: boolean;
  toString(): string;
}

/** A law does not apply. */
export class NotApplicable extends Error {}

/** Everything a prediction holds, in order. */
export const flat = (prediction: unknown): (number | string | boolean)[] => {
  if (prediction === null || typeof prediction !== 'object') return [prediction as number | string | boolean];
  const parts = ArrayBuffer.isView(prediction) ? (prediction as Float64Array) : Object.values(prediction);
  return Array.from(parts as ArrayLike<unknown>).flatMap(flat);
};

/** Where two predictions differ by more than `tolerance` (times 1, or the larger where that is more). */
export const difference = (a: unknown, b: unknown, tolerance: number): string | undefined => {
  const [left, right] = [flat(a), flat(b)];
  if (left.length !== right.length) return `${left.length} and ${right.length} values`;
  const at = left.findIndex((x, i) => {
    const y = right[i];
    if (typeof x !== 'number' || typeof y !== 'number') return x !== y;
    return !Object.is(x, y) && !(Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(x), Math.abs(y)));
  });
  return at < 0 ? undefined : `value ${at} is ${left[at]} and ${right[at]}`;
};

const predictionsOf = async (fitted: FittedEstimator, data: Dataset): Promise<unknown> =>
  fitted instanceof Fitted && schemaOf(data).target?.kind === 'classes'
    ? fitted.predict(data, { probabilities: true } as never)
    : fitted.predict(data);

/** The first built-in data that the estimator takes. */
const dataFor = async (estimator: Estimator): Promise<Dataset> => {
  let refused: unknown;
  for (const name of ['diabetes', 'iris', 'digits'] as const) {
    const data = (await Dataset.builtin(name)).split({ counts: { train: 60 }, seed: 1 }).train;
    try {
      await estimator.fit(data);
      return data;
    } catch (error) {
      refused = error;
    }
  }
  throw invalidOption('checkEstimator', 'data', 'to be rows that the estimator fits: it takes none of the built-in sets', String(refused));
};

const checkOptions = optionsOf('validation/checkEstimator', {
  data: (value) => (value instanceof Dataset ? undefined : 'to be a Dataset'),
  seed: isInteger({ min: 0 }),
});

/** A promise of NablaError or of a finite result. */
const definedOrNamed = async (fitted: () => PromiseLike<FittedEstimator>, data: Dataset): Promise<string | undefined> => {
  try {
    const values = flat(await predictionsOf(await fitted(), data));
    const wrong = values.find((value) => typeof value === 'number' && !Number.isFinite(value));
    return wrong === undefined ? undefined : `predicts ${wrong}`;
  } catch (error) {
    return error instanceof NablaError && error.code !== 'INTERNAL' ? undefined : `throws ${error}`;
  }
};

const laws = (estimator: Estimator, data: Dataset): [law: string, check: () => Promise<string | undefined>][] => {
  const outcome = async (options: object = {}, rows = data): Promise<unknown> => predictionsOf(await estimator.fit(rows, options), data);
  const half = data.take(Math.max(1, data.rows >> 1));
  let first: Promise<unknown> | undefined;
  const once = (): Promise<unknown> => (first ??= outcome());
  return [
    ['fitted twice it gives the same bits', async () => difference(await once(), await outcome(), 0)],
    ['one thread and two give the same bits', async () => difference(await outcome({ threads: 1 }), await outcome({ threads: 2 }), 0)],
    [
      'side by side fits give what they give alone',
      async () => {
        const [a, b] = await Promise.all([outcome(), outcome({}, half)]);
        return difference(await once(), a, 0) ?? difference(await outcome({}, half), b, 0);
      },
    ],
    [
      'the data set stays as it was',
      async () => {
        const before = nativeOf(data).fingerprint();
        await outcome();
        return nativeOf(data).fingerprint() === before ? undefined : 'the rows have changed';
      },
    ],
    ['options may be frozen', async () => difference(await once(), await outcome(Object.freeze({ threads: 1 })), 0)],
    [
      'a row predicts the same alone as in a batch',
      async () => {
        const fitted = await estimator.fit(data);
        const together = flat(await predictionsOf(fitted, data));
        const each = together.length / data.rows;
        for (const row of [0, data.rows >> 1, data.rows - 1]) {
          const alone = await predictionsOf(fitted, data.select([row]));
          const found = difference(together.slice(row * each, (row + 1) * each), alone, 1e-6);
          if (found !== undefined) return `row ${row}: ${found}`;
        }
        return undefined;
      },
    ],
    [
      'predictions of what it was fitted on are finite',
      async () => {
        const wrong = flat(await once()).find((value) => typeof value === 'number' && !Number.isFinite(value));
        return wrong === undefined ? undefined : `predicts ${wrong}`;
      },
    ],
    [
      'one feature is a named error or a defined result',
      async () => {
        const { width, sampleShape, columns, target } = schemaOf(data);
        if (sampleShape.length !== 1 || columns.some(({ kind }) => kind === 'category') || target === null || target.kind === 'several')
          throw new NotApplicable('rows that are no plain columns of numbers');
        const features = data.features();
        const first = Array.from({ length: data.rows }, (_, row) => [features[row * width] as number]);
        const targets = target.kind === 'classes' ? data.labels() : data.targets();
        const narrow = Dataset.from({ features: first, targets, ...(target.kind === 'classes' ? { classes: target.names } : {}) });
        return definedOrNamed(() => estimator.fit(narrow), narrow);
      },
    ],
    ['one row is a named error or a defined result', () => definedOrNamed(() => estimator.fit(data.take(1)), data)],
    [
      'one class is a named error or a defined result',
      async () => {
        if (schemaOf(data).target?.kind !== 'classes') throw new NotApplicable('the target is not classes');
        const labels = data.labels();
        const rows = labels.flatMap((label, row) => (label === labels[0] ? [row] : []));
        return definedOrNamed(() => estimator.fit(data.select(rows)), data);
      },
    ],
    [
      'an aborted fit rejects with its reason and leaves the recipe usable',
      async () => {
        const reason = new Error('enough');
        const ended = await Promise.resolve(estimator.fit(data, { signal: AbortSignal.abort(reason) })).then(
          () => 'it resolves',
          (error: unknown) => (error === reason ? undefined : `it rejects with ${error}`),
        );
        return ended ?? difference(await once(), await outcome(), 0);
      },
    ],
    [
      'unknown options are refused by name',
      async () => {
        if (!(estimator instanceof Trainer)) throw new NotApplicable('not a Trainer');
        const error = await Promise.resolve()
          .then(() => estimator.fit(data, { thread: 1 } as never))
          .then(
            () => undefined,
            (refused: unknown) => refused,
          );
        return error instanceof NablaError && error.code === 'INVALID_OPTION' && /threads/.test(error.message)
          ? undefined
          : `fit(data, { thread: 1 }) gives ${error}`;
      },
    ],
    [
      'gradients are right to 1e-6, and every parameter that is trained has one',
      async () => {
        if (!(estimator instanceof Trainer)) throw new NotApplicable('not a Trainer');
        const { maxRelativeError, worstParameter } = await checkGradients(estimator as never, data.take(Math.min(8, data.rows)));
        return maxRelativeError <= 1e-6 ? undefined : `${worstParameter}: a relative error of ${maxRelativeError}`;
      },
    ],
  ];
};

/**
 * Runs the laws of an estimator on a recipe of one's own (with a layer, a loss or a metric of one's own), or on anything with `fit`: the same
 * bits each time and on any number of threads, rows that predict alike alone and in a batch, data and options that stay as they were,
 * named errors for too little data, aborts that leave the recipe usable. Of a `Trainer` also gradients in double precision, single precision
 * that follows double, weights that mean repetition, parameters that all move, a file that gives the model back and goes on as it would
 * have, an epoch left and gone on from, classes in another order, a scaled loss. With `--expose-gc` also that fits leave no memory behind.
 *
 * `data` defaults to sixty rows of the first built-in set that the estimator takes. Cost: some fifty fits.
 * @throws {NablaError} `INVALID_OPTION` when it can be fitted on no built-in set and no data are given; a broken law is in the result
 * @example
 * const check = await checkEstimator(new Trainer({ model: sequential([myLayer(), dense(1)]), loss: 'meanSquaredError' }));
 * if (!check.passed) console.log(`${check}`);
 */
export const checkEstimator = async (
  estimator: Estimator,
  options: { readonly data?: Dataset; readonly seed?: number } = {},
): Promise<EstimatorCheck> => {
  if (typeof estimator !== 'object' || estimator === null || typeof estimator.fit !== 'function')
    throw invalidOption('checkEstimator', 'the estimator', 'to be a Trainer, or anything with fit', estimator, checkEstimator);
  expectOptions('checkEstimator', options, checkOptions, checkEstimator);
  const data = options.data ?? (await dataFor(estimator));
  expectDataset('checkEstimator', data);
  const checked: CheckedLaw[] = [];
  for (const [law, check] of [...laws(estimator, data), ...laterLaws(estimator, data, options.seed ?? 0), ...recipeLaws(estimator, data)]) {
    try {
      const detail = await check();
      checked.push(detail === undefined ? { law, passed: true } : { law, passed: false, detail });
    } catch (error) {
      if (error instanceof NotApplicable) checked.push({ law, passed: true, detail: `does not apply: ${error.message}` });
      else checked.push({ law, passed: false, detail: String(error) });
    }
  }
  const passed = checked.every((law) => law.passed);
  return Object.freeze({
    laws: checked,
    passed,
    toString: () =>
      checked.map(({ law, passed: held, detail }) => `${held ? 'ok  ' : 'FAIL'} ${law}${detail ? ` (${detail})` : ''}`).join('\n'),
  });
};
