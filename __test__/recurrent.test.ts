/** Recurrent layers beyond their operators: states in and out, options that run as a scan, cells of one's own. */
import { describe, expect, it } from 'vitest';
import type { NablaError } from '../src/errors/index.js';
import { checkGradients, Dataset, Trainer } from '../src/index.js';
import { orthogonal, xavierUniform, zeros } from '../src/initializers/index.js';
import { attention, dense, gru, type Layer, layer, lstm, type Model, network, scan, sequential, simpleRnn } from '../src/layers/index.js';
import { sgd } from '../src/optimizers/index.js';
import { l2 } from '../src/regularizers/index.js';
import { type Tensor, Trace } from '../src/trace/index.js';

const caught = (run: () => unknown): NablaError => {
  try {
    run();
  } catch (error) {
    return error as NablaError;
  }
  throw new Error('expected an error');
};

const time = 5;
const features = Array.from({ length: 10 }, (_, i) => Array.from({ length: time }, (_, t) => [Math.sin(i + 2 * t), Math.cos(3 * i - t)]));
const data = Dataset.from({ features, targets: features.map((row) => row[0]![0]! * row[4]![1]!) });
const recipe = (model: Model, more: { epochs?: number; learningRate?: number; precision?: 'f64' } = {}) =>
  new Trainer({
    model,
    loss: 'meanSquaredError',
    optimizer: sgd({ learningRate: more.learningRate ?? 0.1 }),
    epochs: more.epochs ?? 3,
    batchSize: 5,
    precision: more.precision ?? 'f32',
    seed: 2,
  });

/** The simple cell and the GRU as a user would write them, with the names of the built-in layers' parameters. */
const ownSimple = (units: number) =>
  layer('simpleRnn', (x, { parameter }) => {
    const kernel = parameter('kernel', [x.shape[2]!, units], xavierUniform());
    const weights = parameter('recurrentKernel', [units, units], orthogonal());
    const bias = parameter('bias', [units], zeros(), { decay: false });
    return scan(x, units, (xt, h) => ({ state: xt.matmul(kernel).add(bias).add(h.matmul(weights)).tanh() })).state;
  });
const ownGru = (units: number, reverse: boolean) =>
  layer('gru', (x, { parameter }) => {
    const kernel = parameter('kernel', [x.shape[2]!, 3 * units], xavierUniform());
    const weights = parameter('recurrentKernel', [units, 3 * units], orthogonal());
    const bias = parameter('bias', [3 * units], zeros(), { decay: false });
    const inner = parameter('recurrentBias', [units], zeros(), { decay: false });
    const part = (y: Tensor, i: number) => y.slice(1, i * units, (i + 1) * units);
    const { output } = scan(
      x,
      units,
      (xt, h) => {
        const [a, b] = [xt.matmul(kernel).add(bias), h.matmul(weights)];
        const r = part(a, 0).add(part(b, 0)).sigmoid();
        const z = part(a, 1).add(part(b, 1)).sigmoid();
        const n = part(a, 2)
          .add(r.multiply(part(b, 2).add(inner)))
          .tanh();
        return { state: n.multiply(z.negate().add(1)).add(z.multiply(h)) };
      },
      { reverse },
    );
    return output;
  });

describe('a scan', () => {
  it.each([
    ['a simple cell', () => sequential([ownSimple(4), dense(1)]), () => sequential([simpleRnn(4), dense(1)])],
    [
      'a GRU of all steps',
      () => sequential([ownGru(4, false), simpleRnn(3), dense(1)]),
      () => sequential([gru(4, { returnSequences: true }), simpleRnn(3), dense(1)]),
    ],
    [
      'a GRU backwards',
      () => sequential([ownGru(4, true), simpleRnn(3), dense(1)]),
      () => sequential([gru(4, { returnSequences: true, reverse: true }), simpleRnn(3), dense(1)]),
    ],
  ])('%s is the built-in layer, in value and training', async (_, own, builtIn) => {
    const [a, b] = [await recipe(own(), { precision: 'f64' }).fit(data), await recipe(builtIn(), { precision: 'f64' }).fit(data)];
    const [p, q] = [await a.predict(data), await b.predict(data)];
    p.forEach((value, i) => expect(Math.abs(value - q[i]!)).toBeLessThan(1e-6));
    expect([...a.weights().keys()]).toEqual([...b.weights().keys()]);
  });

  it('has the gradient of finite differences', async () => {
    expect(
      (await checkGradients(recipe(sequential([ownGru(3, false), simpleRnn(2), dense(1)])), data.take(4))).maxRelativeError,
    ).toBeLessThan(1e-5);
  });

  it('carries several states, and keeps an output of its own', () => {
    const trace = new Trace();
    const x = trace.input('features', [-1, 4, 3]);
    const start = x.slice(1, 0, 1).reshape([-1, 3]);
    const { output, state } = scan(x, [start, start], (xt, [a, b]) => ({ state: [a!.add(xt), b!.multiply(xt)], output: a!.concat(b!) }));
    expect(output.shape).toEqual([-1, 4, 6]);
    expect(state.map(({ shape }) => shape)).toEqual([[-1, 3], [-1, 3]]); // biome-ignore format: one line
  });

  it('traces its step once', () => {
    let calls = 0;
    const trace = new Trace();
    const x = trace.input('features', [-1, 30, 3]);
    scan(x, x.slice(1, 0, 1).reshape([-1, 3]), (xt, h) => {
      calls++;
      return { state: h.add(xt) };
    });
    expect(calls).toBe(1);
  });

  it('says what is wrong', () => {
    const x = new Trace().input('features', [-1, 4, 3]);
    const start = x.slice(1, 0, 1).reshape([-1, 3]);
    expect(caught(() => scan(x, start, (xt, h) => ({ state: h.concat(xt) })))).toMatchObject({
      code: 'SHAPE_MISMATCH',
      received: '[batch, 6]',
    });
    expect(caught(() => scan(x, start, (_, h) => h as never)).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => scan(new Trace().input('x', [-1]), start, (_, h) => ({ state: h }))).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => scan(x, 0, (_, h) => ({ state: h }))).code).toBe('INVALID_OPTION');
    expect(caught(() => scan(x, start, 3 as never)).code).toBe('INVALID_OPTION');
    expect(caught(() => scan([1] as never, start, (_, h) => ({ state: h }))).code).toBe('INVALID_OPTION');
  });
});

describe('options that run as a scan', () => {
  it.each([
    ['simpleRnn', simpleRnn],
    ['gru', gru],
    ['lstm', lstm],
  ] as const)('%s: the same as the operator where both can, and other activations train', async (_, make) => {
    // An activation of one's own that is tanh: the operator does not know it.
    const [a, b] = await Promise.all(
      [make(3, { activation: (x) => x.tanh() }), make(3)].map((first) =>
        recipe(sequential([first, dense(1)]), { precision: 'f64' }).fit(data),
      ),
    );
    const [p, q] = [await a!.predict(data), await b!.predict(data)];
    p.forEach((value, i) => expect(Math.abs(value - q[i]!)).toBeLessThan(1e-9));
    const other = sequential([make(3, { activation: 'softsign', gateActivation: 'hardSigmoid', recurrentDropout: 0.3 }), dense(1)]);
    expect((await recipe(other, { epochs: 5 }).fit(data)).history.at(-1)!.train.loss).toBeLessThan(2);
  });

  it('recurrent dropout changes training, not prediction', async () => {
    const run = async (recurrentDropout: number) =>
      (await recipe(sequential([gru(4, { recurrentDropout }), dense(1)]), { epochs: 1, learningRate: 1e-30 }).fit(data)).predict(data);
    const [none, some] = [await run(0), await run(0.5)];
    some.forEach((value, i) => expect(value).toBeCloseTo(none[i]!, 5));
  });
});

describe('states', () => {
  it('go from one layer to another: two halves are the whole', async () => {
    const whole = network((x: Tensor) => dense(1)(lstm(4)(x))) as Layer;
    const halves = network((x: Tensor) => {
      const layer = lstm(4);
      const { state } = layer.run(x.slice(1, 0, 2));
      return dense(1)(layer.run(x.slice(1, 2), { state }).output);
    }) as Layer;
    const fitted = await recipe(whole).fit(data);
    const same = await recipe(halves, { epochs: 1, learningRate: 1e-30 }).fit(data, { from: fitted });
    const [p, q] = [await fitted.predict(data), await same.predict(data)];
    p.forEach((value, i) => expect(value).toBeCloseTo(q[i]!, 6));
  });

  it('have shapes', () => {
    const x = new Trace().input('features', [-1, 4, 3]);
    expect(lstm(5, { returnSequences: true }).run(x)).toMatchObject({ output: { shape: [-1, 4, 5] }, state: { shape: [-1, 10] } });
    expect(gru(5, { reverse: true }).run(x)).toMatchObject({ output: { shape: [-1, 5] }, state: { shape: [-1, 5] } });
    expect(caught(() => gru(5).run(x, { state: lstm(5).run(x).state })).code).toBe('SHAPE_MISMATCH');
    expect(caught(() => gru(5).run(3 as never)).code).toBe('INVALID_OPTION');
  });

  it('decode what an encoder read, with attention to it', () => {
    const trace = new Trace();
    const [question, answer] = [trace.input('question', [-1, 6, 3]), trace.input('answer', [-1, 4, 2])];
    const encoded = gru(8, { returnSequences: true }).run(question);
    const decoded = gru(8, { returnSequences: true }).run(answer, { state: encoded.state }).output;
    expect(attention({ heads: 2 }).over(decoded, encoded.output).shape).toEqual([-1, 4, 8]);
    expect(caught(() => attention({ heads: 3 }).over(decoded, encoded.output)).code).toBe('SHAPE_MISMATCH');
  });
});

it('a regularizer acts on its own weights', async () => {
  const norm = async (options: object) => {
    const fitted = await recipe(sequential([gru(4, options), dense(1)])).fit(data);
    const size = (name: string) => Math.hypot(...fitted.weights().get(`gru/${name}`)!.values);
    return [size('kernel'), size('recurrentKernel')] as const;
  };
  const [none, kernel, recurrent] = [await norm({}), await norm({ regularizer: l2(1) }), await norm({ recurrentRegularizer: l2(1) })];
  expect(kernel[0]).toBeLessThan(0.8 * none[0]);
  expect(kernel[1]).toBeGreaterThan(0.9 * none[1]);
  expect(recurrent[1]).toBeLessThan(0.8 * none[1]);
  expect(recurrent[0]).toBeGreaterThan(0.9 * none[0]);
});
