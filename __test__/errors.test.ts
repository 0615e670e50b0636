import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Dataset, Fitted, NablaError, norm, sequential, Trainer } from 'nabla';
import { minMax, standardize } from 'nabla/data';
import { dense } from 'nabla/layers';
import {
  crossValidate,
  holdOut,
  kFold,
  leaveOneGroupOut,
  leaveOneOut,
  leavePOut,
  repeatedKFold,
  shuffleSplit,
  timeSeriesSplit,
} from 'nabla/validation';
import { beforeAll, describe, expect, it } from 'vitest';

/** Sixty values that are hardly ever what a function wants. */
const wrongValues: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2,
  7,
  1e-320,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  10n,
  Symbol('s'),
  '',
  ' ',
  'adam',
  'NaN',
  '0',
  '__proto__',
  'constructor',
  '\u0000',
  'a'.repeat(1e5),
  [],
  [[]],
  [[[]]],
  [0],
  [null],
  [undefined],
  ['a'],
  [[1, 2], [3]],
  [[1], ['b']],
  [Number.NaN],
  [[Number.NaN]],
  [[Number.POSITIVE_INFINITY]],
  new Array(5),
  {},
  { a: 1 },
  { length: 3 },
  Object.create(null),
  new Map(),
  new Set([1]),
  new Date(0),
  /r/,
  () => 1,
  async () => 1,
  class {},
  new Float32Array(0),
  Float32Array.of(1, Number.NaN),
  new ArrayBuffer(8),
  new Uint8Array(3),
  BigInt64Array.of(1n),
  new DataView(new ArrayBuffer(8)),
  Promise.resolve(1),
  new Proxy({}, {}),
  globalThis.process,
];

const rows = 24;
const features = Array.from({ length: rows }, (_, i) => [i / rows, (i * 7) % 5, -i]);
const targets = features.map((_, i) => `c${i % 3}`);
const data = Dataset.from({ features, targets });
const numbers = Dataset.from({ features, targets: features.map((_, i) => i) });
const model = sequential([dense(3)]);
const recipe = { model, loss: 'crossEntropy', epochs: 1 } as const;

// biome-ignore lint/suspicious/noExplicitAny: wrong values have no type
type Wrong = any;

let fitted: Fitted;
beforeAll(async () => {
  fitted = (await new Trainer({ ...recipe, metrics: ['accuracy'] }).fit(data)) as unknown as Fitted;
});

/** Each public function with one argument or option to be wrong. What succeeds (a value may be right) is fine; what fails has a code. */
const uses: Readonly<Record<string, (value: Wrong) => unknown>> = {
  'Dataset.from': (v) => Dataset.from(v),
  'Dataset.from features': (v) => Dataset.from({ features: v }),
  'Dataset.from features, with shape': (v) => Dataset.from({ features: v, shape: [1, 1] }),
  'Dataset.from shape': (v) => Dataset.from({ features: new Float32Array(6), shape: v }),
  'Dataset.from targets': (v) => Dataset.from({ features, targets: v }),
  'Dataset.from targets, two rows': (v) => Dataset.from({ features: [[1], [2]], targets: v }),
  'Dataset.from one target': (v) => Dataset.from({ features: [[1], [2]], targets: ['a', v] }),
  'Dataset.from one cell': (v) => Dataset.from({ features: [[1], [v]] }),
  'Dataset.from one cell of an object': (v) => Dataset.from({ features: [{ a: 1 }, { a: v }] }),
  'Dataset.from one column': (v) => Dataset.from({ features: { a: [1, 2], b: v } }),
  'Dataset.from weights': (v) => Dataset.from({ features, weights: v }),
  'Dataset.from one weight': (v) => Dataset.from({ features: [[1], [2]], weights: [1, v] }),
  'Dataset.from groups': (v) => Dataset.from({ features, groups: v }),
  'Dataset.from task': (v) => Dataset.from({ features, targets, task: v }),
  'Dataset.from classes': (v) => Dataset.from({ features, targets, classes: v }),
  'Dataset.from positiveClass': (v) => Dataset.from({ features, targets, positiveClass: v }),
  'Dataset.fromCsv': (v) => Dataset.fromCsv(v),
  'Dataset.fromCsv options': (v) => Dataset.fromCsv('/nowhere.csv', v),
  'Dataset.fromCsv target': (v) => Dataset.fromCsv('/nowhere.csv', { target: v }),
  'Dataset.fromCsv kinds': (v) => Dataset.fromCsv('/nowhere.csv', { kinds: v }),
  'Dataset.fromIdx': (v) => Dataset.fromIdx(v),
  'Dataset.fromIdx labels': (v) => Dataset.fromIdx('/nowhere', { labels: v }),
  'Dataset.builtin': (v) => Dataset.builtin(v),
  select: (v) => data.select(v),
  'select one': (v) => data.select([0, v]),
  take: (v) => data.take(v),
  split: (v) => data.split(v),
  'split ratios': (v) => data.split({ ratios: v }),
  'split one ratio': (v) => data.split({ ratios: { train: v } }),
  'split counts': (v) => data.split({ counts: v }),
  'split one count': (v) => data.split({ counts: { test: v } }),
  'split stratify': (v) => data.split({ stratify: v }),
  'split groups': (v) => data.split({ groups: v }),
  'split tuning': (v) => data.split({ tuning: v }),
  'split seed': (v) => data.split({ seed: v }),
  standardize: (v) => standardize(v),
  'standardize mean': (v) => standardize({ mean: v }),
  'standardize columns': (v) => standardize({ columns: v }),
  'standardize fit': (v) => standardize().fit(v),
  'standardize fit width': (v) => standardize().fit(new Float32Array(6), { width: v }),
  'standardize transform': (v) => standardize().fit(features).transform(v),
  minMax: (v) => minMax(v),
  'minMax low': (v) => minMax({ low: v }),
  'minMax inverse': (v) => minMax().fit(features).inverse(v),
  Trainer: (v) => new Trainer(v),
  'Trainer model': (v) => new Trainer({ ...recipe, model: v }),
  'Trainer model, fitted': (v) => new Trainer({ ...recipe, model: v }).fit(data),
  'Trainer model that gives it': (v) => new Trainer({ ...recipe, model: (() => v) as Wrong }).fit(data),
  'Trainer loss': (v) => new Trainer({ ...recipe, loss: v }),
  'Trainer loss that gives it': (v) => new Trainer({ ...recipe, loss: () => v }).fit(data),
  'Trainer optimizer': (v) => new Trainer({ ...recipe, optimizer: v }),
  'Trainer metrics': (v) => new Trainer({ ...recipe, metrics: v }),
  'Trainer one metric': (v) => new Trainer({ ...recipe, metrics: [v] }),
  'Trainer epochs': (v) => new Trainer({ ...recipe, epochs: v }),
  'Trainer batchSize': (v) => new Trainer({ ...recipe, batchSize: v }),
  'Trainer prepare': (v) => new Trainer({ ...recipe, prepare: v }),
  'Trainer one preparation': (v) => new Trainer({ ...recipe, prepare: [v] }),
  'Trainer prepareTargets': (v) => new Trainer({ ...recipe, prepareTargets: v }),
  'Trainer output': (v) => new Trainer({ ...recipe, output: v }),
  'Trainer earlyStopping': (v) => new Trainer({ ...recipe, earlyStopping: v }),
  'Trainer monitor': (v) => new Trainer({ ...recipe, earlyStopping: { monitor: v } }),
  'Trainer patience': (v) => new Trainer({ ...recipe, earlyStopping: { patience: v } }),
  'Trainer seed': (v) => new Trainer({ ...recipe, seed: v }),
  'Trainer precision': (v) => new Trainer({ ...recipe, precision: v }),
  fit: (v) => new Trainer(recipe).fit(v),
  'fit options': (v) => new Trainer(recipe).fit(data, v),
  'fit validation': (v) => new Trainer(recipe).fit(data, { validation: v }),
  'fit signal': (v) => new Trainer(recipe).fit(data, { signal: v }),
  'fit threads': (v) => new Trainer(recipe).fit(data, { threads: v }),
  'fit progress': (v) => v !== true && new Trainer(recipe).fit(data, { progress: v }),
  predict: (v) => fitted.predict(v),
  'predict options': (v) => fitted.predict(data, v),
  'predict probabilities': (v) => fitted.predict(data, { probabilities: v }),
  predictSync: (v) => fitted.predictSync(v),
  'predictSync options': (v) => fitted.predictSync([1, 2, 3], v),
  evaluate: (v) => fitted.evaluate(v),
  withThreshold: (v) => fitted.withThreshold(v),
  save: (v) => typeof v !== 'string' && fitted.save(v),
  'Fitted.load': (v) => Fitted.load(v),
  crossValidate: (v) => crossValidate(v, data),
  'crossValidate data': (v) => crossValidate(new Trainer(recipe), v),
  'crossValidate options': (v) => crossValidate(new Trainer(recipe), data, v),
  'crossValidate splitter': (v) => crossValidate(new Trainer(recipe), data, { splitter: v }),
  'crossValidate splitter that yields it': (v) =>
    crossValidate(new Trainer(recipe), data, {
      splitter: {
        *split() {
          yield v;
        },
      },
    }),
  'crossValidate test': (v) => crossValidate(new Trainer(recipe), data, { test: v }),
  'crossValidate threads': (v) => crossValidate(new Trainer(recipe), data, { splitter: kFold({ k: 2 }), threads: v }),
  kFold: (v) => [...kFold(v).split({ rows })],
  'kFold k': (v) => [...kFold({ k: v }).split({ rows })],
  'kFold stratify': (v) => [...kFold({ stratify: v }).split({ rows })],
  'kFold seed': (v) => [...kFold({ seed: v }).split({ rows })],
  'kFold rows': (v) => [...kFold({ k: 2 }).split(v)],
  'kFold number of rows': (v) => typeof v !== 'number' && [...kFold({ k: 2 }).split({ rows: v })],
  'kFold labels': (v) => [...kFold({ k: 2 }).split({ rows, labels: v })],
  repeatedKFold: (v) => [...repeatedKFold(v).split({ rows })],
  'repeatedKFold repeats': (v) => typeof v !== 'number' && [...repeatedKFold({ repeats: v }).split({ rows })],
  holdOut: (v) => [...holdOut(v).split({ rows })],
  'holdOut validation': (v) => [...holdOut({ validation: v }).split({ rows })],
  'holdOut groups': (v) => [...holdOut({ groups: v }).split({ rows })],
  'shuffleSplit splits': (v) => typeof v !== 'number' && [...shuffleSplit({ splits: v }).split({ rows })],
  leaveOneOut: (v) => typeof v !== 'number' && [...leaveOneOut().split(v)],
  leaveOneGroupOut: (v) => [...leaveOneGroupOut().split({ rows, groups: v })],
  leavePOut: (v) => leavePOut(v),
  'leavePOut p': (v) => leavePOut({ p: v }),
  timeSeriesSplit: (v) => [...timeSeriesSplit(v).split({ rows })],
  'timeSeriesSplit k': (v) => [...timeSeriesSplit({ k: v }).split({ rows })],
  'timeSeriesSplit gap': (v) => [...timeSeriesSplit({ gap: v }).split({ rows })],
  norm: (v) => norm(v, 2),
  'norm p': (v) => norm([1, 2], v),
};

describe.each(Object.entries(uses))('%s', (_, use) => {
  it('fails with a code, or not at all, for sixty wrong values', async () => {
    for (const value of wrongValues) {
      try {
        await use(value);
      } catch (error) {
        const shown = (() => {
          try {
            return String(value);
          } catch {
            return typeof value;
          }
        })();
        expect(error, `${shown.slice(0, 80)}: ${error instanceof Error ? error.stack : error}`).toBeInstanceOf(NablaError);
        expect((error as NablaError).code, `${shown.slice(0, 80)}: ${(error as Error).stack}`).not.toBe('INTERNAL');
      }
    }
  }, 60_000);
});

/** What goes wrong most often, and what is said about it. */
const mistakes: readonly (readonly [string, () => unknown, string, RegExp])[] = [
  [
    'NaN in features',
    () =>
      Dataset.from({
        features: [
          [0, 1],
          [2, Number.NaN],
        ],
      }),
    'NOT_FINITE',
    /features\[1\]\[1\]/,
  ],
  [
    '∞ in a typed array',
    () => Dataset.from({ features: Float32Array.of(0, 1, 2, Number.POSITIVE_INFINITY, 4, 5), shape: [2, 3] }),
    'NOT_FINITE',
    /features\[1\]\[0\]/,
  ],
  ['NaN in targets', () => Dataset.from({ features: [[0], [1]], targets: [1, Number.NaN] }), 'NOT_FINITE', /targets\[1\]/],
  ['rows of two lengths', () => Dataset.from({ features: [[0, 1], [2]] }), 'SHAPE_MISMATCH', /features\[1\].*2 values/],
  [
    'text in a number row',
    () =>
      Dataset.from({
        features: [
          [0, 1],
          [2, 'three' as Wrong],
        ],
      }),
    'INVALID_DATA',
    /features\[1\]\[1\].*three/,
  ],
  ['lengths that differ', () => Dataset.from({ features: [[0], [1]], targets: ['a'] }), 'INVALID_DATA', /2 rows.*1/],
  ['no rows', () => Dataset.from({ features: [] }), 'INVALID_DATA', /at least one row/],
  [
    'a shape that does not fit',
    () => Dataset.from({ features: new Float32Array(7), shape: [2, 3] }),
    'SHAPE_MISMATCH',
    /7 values.*\[2, 3\]/,
  ],
  ['a misspelt option', () => Dataset.from({ features: [[0]], target: [1] } as Wrong), 'INVALID_OPTION', /targets/],
  ['an index out of range', () => data.select([0, 24]), 'INVALID_DATA', /indices\[1\].*24/],
  ['stratifying numbers', () => numbers.split({ stratify: true }), 'INVALID_OPTION', /classes/],
  ['ratios above 1', () => data.split({ ratios: { train: 0.9, test: 0.2 } }), 'INVALID_OPTION', /at most 1/],
  ['a part without rows', () => data.take(2).split({ ratios: 'auto' }), 'INVALID_DATA', /too few/],
  ['a misspelt loss', () => new Trainer({ ...recipe, loss: 'crossentropy' as Wrong }), 'INVALID_OPTION', /crossEntropy/],
  ['a misspelt activation', () => dense(3, { activation: 'rellu' as Wrong }), 'INVALID_OPTION', /relu/],
  ['a misspelt trainer option', () => new Trainer({ ...recipe, batchsize: 3 } as Wrong), 'INVALID_OPTION', /batchSize/],
  ['weights of one loss', () => new Trainer({ ...recipe, lossWeights: { a: 1 } }), 'INVALID_OPTION', /lossWeights/],
  ['to resume without checkpoints', () => new Trainer(recipe).fit(data, { resume: true }), 'INVALID_OPTION', /resume.*checkpoint/],
  ['checkpoints nowhere', () => new Trainer(recipe).fit(data, { checkpoint: {} as Wrong }), 'INVALID_OPTION', /directory/],
  [
    'checkpoints that do not stay',
    () => new Trainer(recipe).fit(data, { checkpoint: { directory: 'x', keep: 0 } }),
    'INVALID_OPTION',
    /keep/,
  ],
  [
    'too few outputs',
    () => new Trainer({ ...recipe, model: sequential([dense(8), dense(2)]) }).fit(data),
    'SHAPE_MISMATCH',
    /dense2.*\[batch, 2\].*\[batch, 3\]/,
  ],
  ['a loss of classes on numbers', () => new Trainer(recipe).fit(numbers), 'INVALID_DATA', /crossEntropy needs classes/],
  [
    'a loss of numbers on classes',
    () => new Trainer({ ...recipe, loss: 'meanSquaredError' }).fit(data),
    'INVALID_DATA',
    /meanSquaredError needs numbers/,
  ],
  [
    'three classes, one output',
    () => new Trainer({ model: sequential([dense(1)]), loss: 'binaryCrossEntropy' }).fit(data),
    'INVALID_DATA',
    /two classes/,
  ],
  ['no target', () => new Trainer(recipe).fit(Dataset.from({ features })), 'INVALID_DATA', /no target/],
  [
    'a loss with more than one value a row',
    () => new Trainer({ model: sequential([dense(1)]), loss: (p, t) => p.subtract(t).square() }).fit(numbers),
    'SHAPE_MISMATCH',
    /one value a row/,
  ],
  [
    'validation of another width',
    () => new Trainer(recipe).fit(data, { validation: Dataset.from({ features: [[1, 2]], targets: ['c0'] }) }),
    'SHAPE_MISMATCH',
    /validation/,
  ],
  [
    'validation of other classes',
    () => new Trainer(recipe).fit(data, { validation: Dataset.from({ features: [[1, 2, 3]], targets: ['zebra'] }) }),
    'INVALID_DATA',
    /zebra/,
  ],
  [
    'a category',
    () => new Trainer(recipe).fit(Dataset.from({ features: targets.map((c) => ({ c })), targets })),
    'INVALID_DATA',
    /"c" holds categories/,
  ],
  [
    'a step for a column that is not there',
    () => new Trainer({ ...recipe, prepare: [standardize({ columns: ['size'] })] }).fit(data),
    'INVALID_OPTION',
    /"size"/,
  ],
  ['prediction of another width', () => fitted.predict([[1, 2]]), 'SHAPE_MISMATCH', /\[3\].*rows of 2/],
  ['a flat array of another width', () => fitted.predictSync(new Float32Array(4)), 'SHAPE_MISMATCH', /4 values/],
  [
    'probabilities of a regression',
    async () =>
      (await new Trainer({ model: sequential([dense(1)]), loss: 'meanSquaredError', epochs: 1 }).fit(numbers)).predict(numbers, {
        probabilities: true,
      }),
    'INVALID_OPTION',
    /numbers, not classes/,
  ],
  ['evaluation of numbers', () => fitted.evaluate(numbers), 'INVALID_DATA', /predicts classes/],
  ['a threshold among three classes', () => fitted.withThreshold(0.3), 'INVALID_OPTION', /two classes/],
  ['more folds than rows', () => [...kFold({ k: 25 }).split({ rows: 24 })], 'INVALID_OPTION', /24 rows/],
  ['test rows without a refit', () => crossValidate(new Trainer(recipe), data, { test: data, refit: false }), 'INVALID_OPTION', /refit/],
  ['a model that is not there', () => Fitted.load(join(tmpdir(), 'nowhere.nabla')), 'IO', /nowhere/],
];

describe('mistakes', () => {
  it.each(mistakes)('%s', async (_, make, code, words) => {
    const error = await (async () => make())().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).toBeInstanceOf(NablaError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(words) });
  });

  it('are shown on the line of the user: the layer that does not fit', async () => {
    const broken = new Trainer({
      model: ((x: Wrong) => dense(4)(x).add(dense(3)(x))) as Wrong, // ← this line
      loss: 'crossEntropy',
    });
    const error = await (async () => broken.fit(data))().catch((failure: Error) => failure);
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH' });
    const first = (error as Error).stack?.split('\n').find((line) => line.includes('    at '));
    expect(first).toContain('errors.test.ts');
  });
});
