/** Sequence layers on the real addon: shapes, names, what they refuse, and that they learn. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NablaError } from '../src/errors/index.js';
import { Dataset, Fitted, Trainer } from '../src/index.js';
import {
  attention,
  bidirectional,
  concat,
  dense,
  embedding,
  flatten,
  gru,
  type Layer,
  lstm,
  type Model,
  network,
  positionalEmbedding,
  sequential,
  simpleRnn,
  transformerBlock,
} from '../src/layers/index.js';
import { adam } from '../src/optimizers/index.js';
import { type Tensor, Trace } from '../src/trace/index.js';

const traced = (run: (x: Tensor) => Tensor, shape: readonly number[] = [-1, 5, 6]): readonly number[] =>
  run(new Trace().input('features', shape)).shape;
const parameters = (model: Layer, shape: readonly number[] = [-1, 5, 6]): Record<string, number[]> => {
  const trace = new Trace();
  const graph = trace.finish({ prediction: model(trace.input('features', shape)) });
  const list = (JSON.parse(graph) as { parameters: { name: string; shape: number[] }[] }).parameters;
  return Object.fromEntries(list.map(({ name, shape }) => [name, shape]));
};
const caught = (run: () => unknown): NablaError => {
  try {
    run();
  } catch (error) {
    if (error instanceof NablaError) return error;
    throw error;
  }
  throw new Error('expected a NablaError');
};

describe('tensors', () => {
  it('change their shape', () => {
    expect(traced((x) => x.transpose())).toEqual([-1, 6, 5]);
    expect(traced((x) => x.transpose([0, 2, 1]).slice(1, 1, -1))).toEqual([-1, 4, 5]);
    expect(traced((x) => x.pad([[0, 0], [1, 2], [0, -1]]))).toEqual([-1, 8, 5]); // biome-ignore format: one line
    expect(traced((x) => x.concat([x, x.slice(2, 0, 1)]))).toEqual([-1, 5, 13]);
    expect(traced((x) => x.concat(x, { axis: 1 }))).toEqual([-1, 10, 6]);
    expect(traced((x) => x.matmul(x, { transposeB: true }).lowerTriangle(-1))).toEqual([-1, 5, 5]);
    expect(traced((x) => concat({ axis: 1 })(x, x, x))).toEqual([-1, 15, 6]);
  });

  it('give rows by index, along any axis', () => {
    const trace = new Trace();
    const table = trace.constant([1, 2, 3, 4, 5, 6], [2, 3]);
    const index = trace.input('features', [-1, 4]);
    expect(table.gather(index).shape).toEqual([-1, 4, 3]);
    expect(table.gather(index, { axis: 1 }).shape).toEqual([2, -1, 4]);
  });

  it('refuse what does not fit, at the line that asked', () => {
    expect(caught(() => traced((x) => x.slice(0, 0, 1))).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => traced((x) => x.slice(1, 0, 9))).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => traced((x) => x.transpose([0, 1]))).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => traced((x) => x.concat(x.slice(1, 1)))).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => traced((x) => x.pad([[1, 1]]))).code).toBe('INVALID_OPTION');
    expect(caught(() => traced((x) => x.concat(3 as never))).code).toBe('INVALID_OPTION');
  });
});

describe('recurrent layers', () => {
  it.each([
    ['simpleRnn', simpleRnn, 1],
    ['gru', gru, 3],
    ['lstm', lstm, 4],
  ] as const)('%s: shapes and parameters', (name, make, gates) => {
    expect(traced(make(7))).toEqual([-1, 7]);
    expect(traced(make(7, { returnSequences: true, reverse: true, dropout: 0.3 }))).toEqual([-1, 5, 7]);
    expect(traced(sequential([make(7, { returnSequences: true }), make(3)]))).toEqual([-1, 3]);
    expect(parameters(make(7))).toMatchObject({
      [`${name}/kernel`]: [6, gates * 7],
      [`${name}/recurrentKernel`]: [7, gates * 7],
      [`${name}/bias`]: [gates * 7],
    });
  });

  it('go both ways', () => {
    expect(traced(bidirectional(lstm(4)))).toEqual([-1, 8]);
    expect(traced(bidirectional(gru(4, { returnSequences: true }), { merge: 'average' }))).toEqual([-1, 5, 4]);
    expect(Object.keys(parameters(bidirectional(simpleRnn(4))))).toEqual([
      'bidirectional/forward/kernel',
      'bidirectional/forward/recurrentKernel',
      'bidirectional/forward/bias',
      'bidirectional/backward/kernel',
      'bidirectional/backward/recurrentKernel',
      'bidirectional/backward/bias',
    ]);
    expect(caught(() => bidirectional(dense(3) as never)).code).toBe('INVALID_OPTION');
  });

  it('need a sequence', () => {
    const error = caught(() => traced(sequential([lstm(4), lstm(4)])));
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'lstm2' });
    expect(error.message).toContain('returnSequences');
    expect(caught(() => lstm(4, { recurrentDropout: 1 })).code).toBe('INVALID_OPTION');
    expect(caught(() => simpleRnn(0)).code).toBe('INVALID_OPTION');
  });
});

describe('embedding and attention', () => {
  it('shapes and parameters', () => {
    expect(traced(embedding(9, 4), [-1, 5])).toEqual([-1, 5, 4]);
    expect(traced(positionalEmbedding({ kind: 'learned', length: 8 }))).toEqual([-1, 5, 6]);
    expect(traced(attention({ heads: 3, causal: true }))).toEqual([-1, 5, 6]);
    expect(traced(attention({ heads: 2, dropout: 0.1 }))).toEqual([-1, 5, 6]);
    expect(parameters(transformerBlock({ heads: 2, norm: 'post', expansion: 2 }))).toMatchObject({
      'transformerBlock/attention/kernel': [6, 18],
      'transformerBlock/dense/kernel': [6, 12],
      'transformerBlock/dense2/kernel': [12, 6],
    });
  });

  it('one table for both ends', () => {
    const tokens = embedding(9, 6);
    const model = network((x: Tensor) => tokens.project(transformerBlock({ heads: 2 })(tokens(x)))) as Layer;
    expect(traced(model, [-1, 5])).toEqual([-1, 5, 9]);
    expect(Object.keys(parameters(model, [-1, 5])).filter((name) => name.includes('table'))).toEqual(['embedding/table']);
  });

  it('report an index that is no row of the table, in training and from predictions', async () => {
    const rows = [
      [0, 1],
      [2, 1],
      [1, 1],
      [2, 2],
    ];
    const trainer = new Trainer({ model: sequential([embedding(3, 4), flatten(), dense(2)]), loss: 'crossEntropy', epochs: 1 });
    const data = Dataset.from({ features: rows, targets: ['a', 'b', 'a', 'b'] });
    const bad = Dataset.from({ features: [...rows.slice(0, 3), [2, 3]], targets: ['a', 'b', 'a', 'b'] });
    await expect(trainer.fit(bad)).rejects.toMatchObject({
      code: 'NOT_FINITE',
      message: expect.stringMatching(/layer "embedding".*row 3 of the data/s),
      hint: expect.stringContaining('number of levels'),
    });
    const fitted = await trainer.fit(data);
    const expected = { code: 'NOT_FINITE', place: 'row 1', hint: expect.stringContaining('embedding') };
    await expect(fitted.predict([[1, 2], [5, 1]])).rejects.toMatchObject(expected); // biome-ignore format: two rows
    expect(caught(() => fitted.predictSync([[1, 2], [0.5, 1]]))).toMatchObject(expected); // biome-ignore format: two rows
    // One bad request does not spoil the others that came with it.
    const batcher = fitted.batcher({ maxBatch: 2, maxWaitMs: 1000 });
    const [good, wrong] = await Promise.allSettled([batcher.predict([1, 2]), batcher.predict([7, 1])]);
    expect([good.status, wrong.status]).toEqual(['fulfilled', 'rejected']);
  });

  it('refuse heads that do not divide the channels', () => {
    expect(caught(() => traced(attention({ heads: 4 })))).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'attention' });
    expect(caught(() => attention({} as never)).code).toBe('INVALID_OPTION');
    expect(caught(() => transformerBlock({ heads: 2, norm: 'both' as never })).code).toBe('INVALID_OPTION');
    expect(caught(() => traced(positionalEmbedding({ kind: 'learned', length: 3 }))).code).toBe('SHAPE_MISMATCH');
  });
});

/** Eight digits below 8: is the first one larger than the last? One has to remember over the whole sequence. */
const toy = (rows: number): Dataset => {
  let seed = 12345;
  const next = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 16) % 8;
  };
  const features = Array.from({ length: rows }, () => Array.from({ length: 8 }, next));
  return Dataset.from({ features, targets: features.map((row) => (row[0]! > row[7]! ? 'more' : 'not more')) });
};

describe('learning', () => {
  const accuracyOf = async (model: Model, learningRate: number, epochs: number): Promise<number> => {
    const trainer = new Trainer({
      model,
      loss: 'crossEntropy',
      optimizer: adam({ learningRate }),
      metrics: ['accuracy'],
      epochs,
      batchSize: 32,
      seed: 3,
    });
    const data = toy(1200);
    const fitted = await trainer.fit(data.take(1000));
    return (await fitted.evaluate(data.select(Array.from({ length: 200 }, (_, i) => 1000 + i)))).accuracy;
  };

  it.each([
    ['an LSTM', sequential([embedding(8, 8), lstm(16), dense(2)])],
    ['a GRU', sequential([embedding(8, 8), gru(16), dense(2)])],
    ['a bidirectional simple RNN', sequential([embedding(8, 8), bidirectional(simpleRnn(16)), dense(2)])],
    [
      'a transformer',
      sequential([
        embedding(8, 16),
        positionalEmbedding({ kind: 'learned' }),
        transformerBlock({ heads: 2, expansion: 2 }),
        flatten(),
        dense(2),
      ]),
    ],
  ])('%s learns to compare the ends of a sequence', async (_, model) => {
    expect(await accuracyOf(model, 0.01, 25)).toBeGreaterThan(0.9);
  });
});

describe('text', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nabla-text-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (text: string): string => {
    const path = join(folder, `${text.length}.txt`);
    writeFileSync(path, text);
    return path;
  };
  const line = 'the sea, the sky. ';

  it('becomes windows of characters and what follows them', async () => {
    const text = await Dataset.fromText(file('abcabd€'), { length: 3, stride: 2 });
    expect([text.rows, text.sampleShape, text.classes]).toEqual([2, [3], ['a', 'b', 'c', 'd', '€']]);
    expect(Array.from(text.features())).toEqual([0, 1, 2, 2, 0, 1]);
    expect(String(text.describe())).toContain('target: a (2), b (2), c (1), d (1), € (0)');
  });

  it('refuses what is too short, missing or unknown', async () => {
    await expect(Dataset.fromText(file('abc'), { length: 3 })).rejects.toMatchObject({ code: 'INVALID_DATA' });
    await expect(Dataset.fromText(join(folder, 'none.txt'))).rejects.toMatchObject({ code: 'IO' });
    await expect(Dataset.fromText(file('abcdef'), { length: 2, vocabulary: ['a', 'b'] })).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });

  it.each([
    ['an LSTM', (n: number) => sequential([embedding(n, 16), lstm(32, { returnSequences: true }), dense(n)])],
    [
      'a transformer',
      (n: number) =>
        sequential([embedding(n, 32), positionalEmbedding({ kind: 'learned' }), transformerBlock({ heads: 2, causal: true }), dense(n)]),
    ],
  ])('is learned by heart and continued by %s', async (_, model) => {
    const data = await Dataset.fromText(file(line.repeat(120)), { length: 18, stride: 5 });
    const n = data.classes.length;
    const trainer = new Trainer({
      model: model(n),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate: 0.01 }),
      metrics: ['accuracy'],
      epochs: 12,
      batchSize: 32,
      seed: 5,
    });
    const fitted = await trainer.fit(data);
    const { loss, accuracy } = await fitted.evaluate(data);
    expect(loss).toBeLessThan(0.3);
    expect(accuracy).toBeGreaterThan(0.85);
    const path = join(folder, 'model.nabla');
    await fitted.save(path);
    const written: string[] = [];
    for await (const character of (await Fitted.load(path)).generate('the sea, the', { length: 24, temperature: 0 }))
      written.push(character);
    expect(written.join('')).toBe(' sky. the sea, the sky. ');
    expect(caught(() => fitted.generate('xyz!', { length: 3 })).code).toBe('INVALID_DATA');
    expect(caught(() => fitted.generate('the', { length: 3, topK: 0 })).code).toBe('INVALID_OPTION');
  });

  it('needs one output for each character at each position', async () => {
    const data = await Dataset.fromText(file(line.repeat(4)), { length: 18 });
    const trainer = new Trainer({ model: sequential([embedding(9, 4), lstm(4), dense(9)]), loss: 'crossEntropy', epochs: 1 });
    await expect(async () => trainer.fit(data)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
  });
});
