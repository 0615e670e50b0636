/** Sessions: one step at a time is the whole sequence at once; what cannot be stepped says so; generation through it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { NablaError } from '../src/errors/index.js';
import { Dataset, Fitted, Trainer } from '../src/index.js';
import {
  attention,
  batchNorm,
  bidirectional,
  conv1d,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePool,
  gru,
  type Layer,
  layer,
  layerNorm,
  lstm,
  network,
  positionalEmbedding,
  residual,
  scan,
  sequential,
  simpleRnn,
  transformerBlock,
} from '../src/layers/index.js';
import type { Tensor } from '../src/trace/index.js';

const caught = (run: () => unknown): NablaError => {
  try {
    run();
  } catch (error) {
    return error as NablaError;
  }
  throw new Error('expected an error');
};

const time = 7;
const rows = Array.from({ length: 8 }, (_, i) => Array.from({ length: time }, (_, t) => [Math.sin(i + t), Math.cos(i * t)]));
const fitOf = (model: Layer, sequence = false) => {
  const targets = rows.map((row) => row.map(([a]) => (a! > 0 ? 'up' : 'down')));
  const data = sequence
    ? Dataset.from({ features: rows, targets, ragged: true })
    : Dataset.from({ features: rows, targets: targets.map((row) => row[3]!) });
  return new Trainer({ model, loss: 'crossEntropy', epochs: 2, batchSize: 4, seed: 1 }).fit(data);
};
const all = { returnSequences: true } as const;
/** The last state of a scan; all its outputs; a scan of two states, one of which is kept. */
const own = layer('own', (x) => scan(x, 2, (xt, h) => ({ state: h.add(xt).tanh() })).state);
const scanned = layer('scanned', (x) => scan(x, 2, (xt, h) => ({ state: h.multiply(0.5).add(xt).tanh() })).output);
const pair = layer('pair', (x) => {
  const start = [x.slice(1, 0, 1).reshape([-1, 2]).multiply(0), x.slice(1, 0, 1).reshape([-1, 2]).multiply(0)];
  return scan(x, start, (xt, [a, b]) => ({ state: [a!.add(xt).tanh(), b!.add(a!).multiply(0.5)], output: b!.subtract(xt) })).output;
});
/** Steps whose first number is small do not count, wherever they are. */
const masked = layer('masked', (x) => x.withMask(x.slice(2, 0, 1).reshape([-1, time]).abs().greater(0.5)));
const reversed = layer('reversed', (x) => scan(x, 2, (xt, h) => ({ state: h.add(xt).tanh() }), { reverse: true }).state);
const looking = layer('looking', (x) => scan(x, 2, (xt, h) => ({ state: h.add(xt).add(x.max(1)).tanh() })).state);
const started = layer(
  'started',
  (x, { parameter }) =>
    scan(
      x,
      x
        .slice(1, 0, 1)
        .reshape([-1, 2])
        .multiply(0)
        .add(parameter('start', [2], 'ones')),
      (xt, h) => ({ state: h.add(xt).tanh() }),
    ).state,
);

describe('a session', () => {
  it.each([
    ['an LSTM', () => sequential([lstm(5), dense(2)])],
    [
      'stacked cells',
      () => sequential([dense(4), dropout(0.3), gru(5, all), layerNorm(), simpleRnn(4, all), batchNorm(), lstm(3), dense(2)]),
    ],
    ['own code', () => network((x: Tensor) => dense(2)(gru(4)(x.multiply(2).concat(x.square()).slice(2, 1, 4)))) as Layer],
    ['a stack of halves', () => sequential([residual([gru(2, all)]), lstm(4), dense(2)])],
    ['a cell of functions of its own', () => sequential([gru(4, { activation: 'softsign', recurrentDropout: 0.2 }), dense(2)])],
    ['a scan', () => sequential([own(), dense(2)])],
    ['scans over scans', () => sequential([pair(), pair(), lstm(3), dense(2)])],
    [
      'causal convolutions',
      () =>
        sequential([
          conv1d(4, { kernel: 3, padding: 'causal', activation: 'relu' }),
          conv1d(4, { kernel: 2, dilation: 2, groups: 2, padding: 'causal' }),
          conv1d(3, { kernel: 1 }),
          gru(3),
          dense(2),
        ]),
    ],
  ])('of %s predicts as the whole sequence does', async (_, make) => {
    const fitted = await fitOf(make());
    const session = fitted.session();
    for (const row of rows.slice(0, 2)) {
      session.reset();
      let last: Float64Array | undefined;
      for (const step of row) last = session.step(step, { probabilities: true });
      const [whole] = await fitted.predict([row], { probabilities: true });
      expect(Math.abs(last![0]! - whole![0]!)).toBeLessThan(1e-6);
      expect(session.position).toBe(time);
    }
    expect(session.limit).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ['a recurrent model', () => sequential([lstm(5, all), dense(2)])],
    ['a transformer', () => sequential([dense(4), positionalEmbedding(), transformerBlock({ heads: 2, causal: true }), dense(2)])],
    [
      'learned places, two blocks',
      () =>
        sequential([
          dense(6),
          positionalEmbedding({ kind: 'learned' }),
          transformerBlock({ heads: 3, causal: true, norm: 'post' }),
          attention({ heads: 1, causal: true }),
          dense(2),
        ]),
    ],
    ['dropout of weights', () => sequential([dense(4), transformerBlock({ heads: 2, causal: true, dropout: 0.3 }), dense(2)])],
    ['a masked scan', () => sequential([masked(), scanned(), dense(2)])],
    ['masked cells', () => sequential([masked(), lstm(3, all), gru(3, all), simpleRnn(3, all), dense(2)])],
    ['masked attention', () => sequential([masked(), dense(4), attention({ heads: 2, causal: true }), dense(2)])],
    ['masked convolution', () => sequential([masked(), conv1d(4, { kernel: 3, padding: 'causal' }), dense(2)])],
  ])('of %s predicts each step as the whole sequence does, with a mask or without', async (name, make) => {
    const places = /transformer|places|weights|attention/.test(name);
    const unmasked = network((x: Tensor) => make()(x.withMask(undefined))) as Layer;
    for (const model of name.startsWith('masked') ? [make()] : [unmasked, make()]) {
      const fitted = await fitOf(model, true);
      const session = fitted.session();
      const [whole] = await fitted.predict([rows[1]!], { probabilities: true });
      rows[1]!.forEach((step, at) => {
        const p = session.step(step, { probabilities: true });
        expect(Math.abs(p[0]! - whole![2 * at]!)).toBeLessThan(1e-6);
      });
      session.reset();
      expect(['up', 'down']).toContain(session.step(rows[0]![0]!));
      expect(session.limit).toBe(places ? time : Number.POSITIVE_INFINITY);
    }
  });

  it('of a model whose last step that counts decides carries what it knows over padding', async () => {
    const fitted = await fitOf(sequential([masked(), lstm(4), dense(2)]));
    const session = fitted.session();
    let last: Float64Array | undefined;
    rows[2]!.forEach((step) => {
      last = session.step(step, { probabilities: true });
    });
    const [whole] = await fitted.predict([rows[2]!], { probabilities: true });
    expect(Math.abs(last![0]! - whole![0]!)).toBeLessThan(1e-6);
  });

  it('goes no further than the places that the model knows', async () => {
    const session = (
      await fitOf(network((x: Tensor) => dense(2)(attention({ heads: 1, causal: true })(x.withMask(undefined)))) as Layer, true)
    ).session();
    for (let t = 0; t < time; t++) session.step([t, 1]);
    expect(caught(() => session.step([1, 1]))).toMatchObject({ code: 'INVALID_OPTION', place: 'step' });
    session.reset();
    session.step([1, 1]);
    expect(session.position).toBe(1);
  });

  it('checks its steps', async () => {
    const session = (await fitOf(sequential([lstm(3), dense(2)]))).session();
    expect(caught(() => session.step([1])).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => session.step([1, Number.NaN])).code).toBe('NOT_FINITE');
    expect(caught(() => session.step('a')).code).toBe('INVALID_DATA');
    expect(caught(() => session.step({} as never)).code).toBe('INVALID_DATA');
    expect(caught(() => session.step([1, 2], { probability: true } as never)).code).toBe('INVALID_OPTION');
    expect(session.position).toBe(0);
  });
});

it.each([
  ['bidirectional/backward', sequential([bidirectional(lstm(3)), dense(2)])],
  ['gru', sequential([gru(3, { reverse: true }), dense(2)])],
  ['attention', sequential([attention({ heads: 1 }), lstm(3), dense(2)])],
  ['globalAveragePool', sequential([globalAveragePool(), dense(2)])],
  ['flatten', sequential([flatten(), dense(2)])],
  ['conv1d', sequential([conv1d(3, { kernel: 2 }), lstm(3), dense(2)])],
  ['reversed', sequential([reversed(), dense(2)])],
  ['looking', sequential([looking(), dense(2)])],
  ['started', sequential([started(), dense(2)])],
  ['conv1d', sequential([conv1d(3, { kernel: 2, stride: 2, padding: 'causal' }), lstm(3), dense(2)])],
  ['globalAveragePool', sequential([masked(), globalAveragePool(), dense(2)])],
])('%s cannot be stepped and is named', async (name, model) => {
  const fitted = await fitOf(model);
  const error = caught(() => fitted.session());
  expect(error).toMatchObject({ code: 'INVALID_OPTION', place: name });
  expect(error.message).toContain('cannot be stepped');
});

describe('generate', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nabla-session-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'text.txt');
  writeFileSync(path, 'the sea, the sky. '.repeat(60));
  const model = (n: number) => sequential([embedding(n, 8), gru(16, all), dense(n)]);
  const causal = (n: number) =>
    sequential([embedding(n, 16), positionalEmbedding(), transformerBlock({ heads: 2, causal: true }), dense(n)]);
  const written = async (fitted: Fitted, prompt: string, options: object) => {
    let text = '';
    for await (const character of fitted.generate(prompt, { length: 30, ...options })) text += character;
    return text;
  };

  it.each([
    ['a GRU', model],
    ['a transformer', causal],
  ])('of %s: a seed is a text, and topK 1 the likeliest', async (_, make) => {
    const data = await Dataset.fromText(path, { length: 12, stride: 7 });
    const trainer = new Trainer({ model: make(data.classes.length), loss: 'crossEntropy', epochs: 3, batchSize: 16 });
    const fitted = await trainer.fit(data);
    const text = await written(fitted, 'the', { seed: 3, temperature: 1.5 });
    expect(text).toHaveLength(30);
    expect(await written(fitted, 'the', { seed: 3, temperature: 1.5 })).toBe(text);
    expect(await written(fitted, 'the', { seed: 4, temperature: 1.5 })).not.toBe(text);
    expect(await written(fitted, 'the', { topK: 1, seed: 9 })).toBe(await written(fitted, 'the', { temperature: 0 }));
    expect(await written(fitted, 'the', { length: 0 })).toBe('');
    const steps = fitted.session();
    expect(data.classes).toContain(steps.step('t'));
    expect(caught(() => steps.step('x')).code).toBe('INVALID_DATA');
  });

  it('ends with the reason of its signal', async () => {
    const data = await Dataset.fromText(path, { length: 12 });
    const fitted = await new Trainer({ model: model(data.classes.length), loss: 'crossEntropy', epochs: 1 }).fit(data);
    const controller = new AbortController();
    const reason = new Error('enough');
    let count = 0;
    const run = async () => {
      for await (const _ of fitted.generate('the', { length: 1000, signal: controller.signal }))
        if (++count === 5) controller.abort(reason);
    };
    await expect(run()).rejects.toBe(reason);
    expect(count).toBe(5);
    await fitted.save(join(folder, 'model.nabla'));
    expect(await written(await Fitted.load(join(folder, 'model.nabla')), 'sky', {})).toBe(await written(fitted, 'sky', {}));
  });
});
