/** Sequences of different lengths: masks through layers, and the law that padding more changes nothing. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { quantile, standardize } from '../src/data/index.js';
import type { NablaError } from '../src/errors/index.js';
import { checkGradients, Dataset, Trainer } from '../src/index.js';
import {
  attention,
  averagePool1d,
  batchNorm,
  bidirectional,
  conv1d,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePool,
  globalMaxPool,
  gru,
  type Layer,
  layerNorm,
  lstm,
  maxPool1d,
  network,
  positionalEmbedding,
  sequential,
  simpleRnn,
  transformerBlock,
} from '../src/layers/index.js';
import { sgd } from '../src/optimizers/index.js';
import { type Tensor, Trace } from '../src/trace/index.js';

const caught = (run: () => unknown): NablaError => {
  try {
    run();
  } catch (error) {
    return error as NablaError;
  }
  throw new Error('expected an error');
};

/** Rows of 1 to 6 steps of 2 numbers. */
const rows = Array.from({ length: 12 }, (_, i) =>
  Array.from({ length: 1 + ((i * 5) % 6) }, (_, t) => [Math.sin(i + 3 * t), Math.cos(2 * i - t)]),
);
const labels = rows.map((row, i) => (row[0]![0]! > 0 === i % 3 > 0 ? 'a' : 'b'));
const ragged = (length?: number): Dataset =>
  Dataset.from({ features: rows, targets: labels, ragged: true, ...(length === undefined ? {} : { length }) });
const recipe = (model: Layer, epochs = 2, learningRate = 0.1) =>
  new Trainer({ model, loss: 'crossEntropy', optimizer: sgd({ learningRate }), metrics: ['accuracy'], epochs, batchSize: 4, seed: 3 });

const models: readonly (readonly [string, () => Layer])[] = [
  ['lstm', () => sequential([lstm(5), dense(2)])],
  ['gru', () => sequential([gru(5, { reverse: true }), dense(2)])],
  ['simpleRnn', () => sequential([simpleRnn(5, { activation: 'relu' }), dense(2)])],
  ['stacked', () => sequential([lstm(5, { returnSequences: true }), dropout(0), gru(4), dense(2)])],
  ['bidirectional', () => sequential([bidirectional(lstm(3, { returnSequences: true })), bidirectional(gru(3)), dense(2)])],
  ['scanned', () => sequential([gru(4, { activation: 'softsign' }), dense(2)])],
  ['attention', () => sequential([dense(4), attention({ heads: 2 }), globalAveragePool(), dense(2)])],
  ['transformer', () => sequential([dense(4), positionalEmbedding(), transformerBlock({ heads: 2 }), globalMaxPool(), dense(2)])],
  ['norm', () => sequential([dense(4, { activation: 'gelu' }), layerNorm(), globalAveragePool(), dense(2)])],
  ['conv1d', () => sequential([conv1d(4, { kernel: 3, padding: 'same', activation: 'relu' }), globalAveragePool(), dense(2)])],
  ['own', () => network((x: Tensor) => dense(2)(x.square().mean(1).concat(x.max(1)))) as Layer],
];

describe.each(models)('%s', (_, make) => {
  it('padding more changes no bit of a prediction, and training no more than rounding', async () => {
    const [less, more] = [await recipe(make()).fit(ragged()), await recipe(make()).fit(ragged(11))];
    const start = await recipe(make(), 1, 1e-30).fit(ragged());
    const wide = await recipe(make(), 1, 1e-30).fit(ragged(11));
    expect(await wide.predict(rows, { probabilities: true })).toEqual(await start.predict(rows, { probabilities: true }));
    const losses = [less, more].map(({ history }) => history.at(-1)!.train.loss);
    expect(Math.abs(losses[0]! - losses[1]!)).toBeLessThan(1e-5);
  });

  it('has the gradients of finite differences', async () => {
    const { maxRelativeError } = await checkGradients(recipe(make()), ragged());
    expect(maxRelativeError).toBeLessThan(1e-5);
  });

  it('is what each row gives alone, without a mask', async () => {
    const fitted = await recipe(make()).fit(ragged());
    const together = (await fitted.predict(rows, { probabilities: true })) as Float64Array[];
    for (const at of [0, 1, 2, 5]) {
      const row = rows[at]!;
      const alone = Dataset.from({ features: [row, row], targets: ['a', 'b'] });
      const same = await recipe(make(), 1, 1e-30).fit(alone, { from: fitted });
      const [p] = (await same.predict([row], { probabilities: true })) as Float64Array[];
      expect(Math.abs(p![0]! - together[at]![0]!)).toBeLessThan(1e-6);
      expect(fitted.predictSync(row as never, { probabilities: true })[0]).toBeCloseTo(p![0]!, 6);
    }
  });
});

describe('the mask of a layer', () => {
  const traced = (run: (x: Tensor) => Tensor, shape: readonly number[] = [-1, 9, 4]): Tensor => {
    const trace = new Trace();
    return run(trace.input('features', shape).withMask({ steps: trace.input('mask', [-1, shape[1]!]), prefix: true }));
  };

  it.each([
    ['conv1d', conv1d(3, { kernel: 3, stride: 2 }), 4],
    ['conv1d same', conv1d(3, { kernel: 3, stride: 2, padding: 'same' }), 5],
    ['maxPool1d', maxPool1d({ size: 2 }), 4],
    ['averagePool1d', averagePool1d({ size: 3, stride: 1 }), 7],
    ['dense', dense(3), 9],
    ['lstm', lstm(3, { returnSequences: true }), 9],
    ['attention', attention({ heads: 2 }), 9],
  ] as const)('%s passes it on', (_, layer, time) => {
    expect(traced(layer).mask?.steps.shape).toEqual([-1, time]);
  });

  it.each([
    ['flatten', sequential([flatten(), dense(2)])],
    ['batchNorm', batchNorm()],
    ['maxPool1d', maxPool1d({ size: 2, padding: 'same' })],
  ] as const)('%s does not understand it and says so', (name, layer) => {
    const error = caught(() => traced(layer));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', place: name });
    expect(error.message).toContain('mask');
  });

  it('ends where a layer reduces time, and can be taken off or given', () => {
    expect(traced(lstm(3)).mask).toBeUndefined();
    expect(traced(globalMaxPool()).mask).toBeUndefined();
    expect(traced((x) => flatten()(x.withMask(undefined))).shape).toEqual([-1, 36]);
    expect(traced((x) => x.slice(1, 2, 5)).mask?.steps.shape).toEqual([-1, 3]);
    expect(caught(() => traced((x) => x.transpose())).code).toBe('INVALID_OPTION');
    expect(caught(() => traced((x) => x.withMask(x))).code).toBe('INVALID_OPTION');
    expect(traced(embedding(9, 4, { padding: 0 }), [-1, 9]).mask?.prefix).toBe(false);
    expect(caught(() => embedding(9, 4, { padding: 9 })).code).toBe('INVALID_OPTION');
  });
});

describe('an embedding with a padding index', () => {
  it('leaves padding out wherever it stands', async () => {
    const model = () => sequential([embedding(6, 3, { padding: 0 }), bidirectional(gru(4)), dense(2)]);
    const words = [[1, 2, 3, 0, 0], [0, 4, 5, 0, 1], [0, 0, 0, 2, 1], [5, 5, 1, 2, 3]]; // biome-ignore format: a line a row
    const fitted = await recipe(model()).fit(Dataset.from({ features: words, targets: ['a', 'b', 'a', 'b'] }));
    const p = async (row: number[]) => ((await fitted.predict([row], { probabilities: true })) as Float64Array[])[0]!;
    expect(await p([4, 0, 0, 5, 1])).toEqual(await p([0, 4, 5, 0, 1]));
    expect(await p([4, 5, 1, 0, 0])).toEqual(await p([0, 4, 5, 0, 1]));
    expect(await p([5, 4, 1, 0, 0])).not.toEqual(await p([0, 4, 5, 0, 1]));
  });
});

describe('a class for each step', () => {
  const features = [[1, 2, 3], [3], [2, 1], [1, 1, 2, 3]];
  const targets = features.map((row) => row.map((n) => ['low', 'middle', 'high'][n - 1]!));
  const trainer = new Trainer({
    model: sequential([embedding(4, 8), gru(8, { returnSequences: true }), dense(3)]),
    loss: 'crossEntropy',
    optimizer: 'adam',
    metrics: ['accuracy'],
    epochs: 150,
    batchSize: 2,
  });

  it('is learned and predicted as names, and padding counts for nothing', async () => {
    const data = Dataset.from({ features, targets, ragged: true, length: 6 });
    const fitted = await trainer.fit(data);
    expect(await fitted.predict([[3, 1], [2]], { steps: true })).toEqual([['high', 'low'], ['middle']]);
    expect(fitted.predictSync([3, 1], { steps: true })).toEqual(['high', 'low']);
    await expect(fitted.predict([[3, 1], [2]])).rejects.toMatchObject({ code: 'INVALID_OPTION', place: 'predict' });
    expectTypeOf(fitted.predict([[3, 1]], { steps: true })).resolves.toEqualTypeOf<string[][]>();
    const scores = await fitted.evaluate(Dataset.from({ features, targets, ragged: true, classes: data.classes }));
    expect(scores).toMatchObject({ accuracy: 1 });
    // The mean over all steps: of rows of 3, 1, 2 and 4.
    const each = await Promise.all(
      features.map(async (row, i) => {
        const one = Dataset.from({ features: [row], targets: [targets[i]!], ragged: true, classes: data.classes });
        return row.length * (await fitted.evaluate(one)).loss;
      }),
    );
    expect(scores.loss).toBeCloseTo(each.reduce((a, b) => a + b) / 10, 6);
    await expect(fitted.predict([[1, 1, 1, 1, 1, 1, 1]], { steps: true })).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
      place: 'features[0]',
    });
  });
});

describe('ragged rows that are none', () => {
  it.each([
    [{ features: [[1], []], ragged: true }, 'INVALID_DATA', 'features[1]'],
    [
      {
        features: [
          [1, 2],
          [1, 'x'],
        ],
        ragged: true,
      },
      'INVALID_DATA',
      'features[1][1]',
    ],
    [{ features: [[[1, 2]], [[1, 2], [3]]], ragged: true }, 'INVALID_DATA', 'features[1][1]'],
    [
      {
        features: [
          [1, 2],
          [1, Number.NaN],
        ],
        ragged: true,
      },
      'NOT_FINITE',
      'features[1][1]',
    ],
    [
      {
        features: [
          [1, 2],
          [1, 2, 3],
        ],
        ragged: true,
        length: 2,
      },
      'SHAPE_MISMATCH',
      'features[1]',
    ],
    [
      {
        features: [[1, 2], [1]],
        targets: [
          ['a', 'b'],
          ['a', 'b'],
        ],
        ragged: true,
      },
      'INVALID_DATA',
      'targets[1]',
    ],
    [
      {
        features: [
          [1, 2],
          [1, 2],
        ],
        length: 2,
      },
      'INVALID_OPTION',
      'Dataset.from',
    ],
    [{ features: [[1, 2], [1]] }, 'SHAPE_MISMATCH', 'features[1]'],
  ])('%j', (input, code, place) => {
    expect(caught(() => Dataset.from(input as never))).toMatchObject({ code, place });
  });
});

describe('prepared sequences', () => {
  const far = rows.map((row) => row.map(([a, b]) => [1000 + 50 * a!, 3 * b! - 7]));
  const steps = far.flat();
  const [mean, deviation] = [0, 1]
    .map((j) => steps.map((step) => step[j]!))
    .map((column) => {
      const m = column.reduce((a, b) => a + b) / column.length;
      return [m, Math.sqrt(column.reduce((a, b) => a + (b - m) ** 2, 0) / column.length)] as const;
    })
    .reduce<readonly [number[], number[]]>(
      ([ms, ds], [m, d]) => [
        [...ms, m],
        [...ds, d],
      ],
      [[], []],
    );
  const byHand = far.map((row) => row.map((step) => step.map((x, j) => (x - mean[j]!) / deviation[j]!)));
  const of = (features: number[][][], length?: number) =>
    Dataset.from({ features, targets: labels, ragged: true, ...(length === undefined ? {} : { length }) });
  const made = (prepare: boolean, padding: 'same' | 'valid' = 'same') =>
    new Trainer({
      model: sequential([conv1d(3, { kernel: 3, padding }), gru(4), dense(2)]),
      loss: 'crossEntropy',
      optimizer: sgd({ learningRate: 0.1 }),
      epochs: 3,
      batchSize: 4,
      precision: 'f64',
      ...(prepare ? { prepare: [standardize()] } : {}),
    });

  it('have one map for all steps, fitted without the padding, which stays 0', async () => {
    const [prepared, plain] = [await made(true).fit(of(far)), await made(false).fit(of(byHand))];
    const probabilities = { probabilities: true } as const;
    const [found, expected] = [await prepared.predict(far, probabilities), await plain.predict(byHand, probabilities)];
    found.forEach((p, i) => expect(p[0]).toBeCloseTo(expected[i]![0]!, 9));
    expect((await prepared.evaluate(of(far))).loss).toBeCloseTo((await plain.evaluate(of(byHand))).loss, 9);
    far.forEach((row, i) => expect(prepared.predictSync(row as never, probabilities)[0]).toBeCloseTo(expected[i]![0]!, 9));
    // More padding changes nothing but the shape of the program.
    const wide = await made(true).fit(of(far, 11));
    (await wide.predict(far, probabilities)).forEach((p, i) => expect(p[0]).toBeCloseTo(expected[i]![0]!, 9));
  });

  it('can be stepped', async () => {
    const trainer = new Trainer({
      model: sequential([network((x: Tensor) => x.withMask(undefined)) as Layer, gru(4, { returnSequences: true }), dense(2)]),
      loss: 'crossEntropy',
      epochs: 2,
      prepare: [standardize()],
    });
    const targets = far.map((row) => row.map(([a]) => (a! > 1000 ? 'up' : 'down')));
    const fitted = await trainer.fit(Dataset.from({ features: far, targets, ragged: true }));
    const session = fitted.session();
    const [whole] = await fitted.predict([far[1]!], { probabilities: true });
    far[1]!.forEach((step, at) => expect(session.step(step, { probabilities: true })[0]).toBeCloseTo(whole![2 * at]!, 5));
  });

  it('take no steps that are not alike at each step', async () => {
    await expect(
      (async () =>
        new Trainer({ model: sequential([gru(3), dense(2)]), loss: 'crossEntropy', epochs: 1, prepare: [quantile()] }).fit(of(far)))(),
    ).rejects.toMatchObject({ code: 'INVALID_OPTION', place: 'prepare' });
  });
});
