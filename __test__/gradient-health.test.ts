/** Planted failures are named, healthy networks are called healthy, and looking changes no bit. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { standardize } from '../src/data/index.js';
import {
  Dataset,
  GradientHealth,
  gradientHealth,
  type HealthVerdict,
  type NablaError,
  network,
  ridge,
  sequential,
  type Tensor,
  Trainer,
  type TrainerOptions,
} from '../src/index.js';
import { constant, heNormal, identity, normal, xavierNormal, zeros } from '../src/initializers/index.js';
import {
  activation,
  batchNorm,
  bidirectional,
  conv2d,
  dense,
  flatten,
  globalAveragePool,
  gru,
  type Layer,
  layerNorm,
  lstm,
  reshape,
  residual,
  simpleRnn,
  transformerBlock,
} from '../src/layers/index.js';
import { adam, lbfgs, sam, sgd } from '../src/optimizers/index.js';
import { logUniform, tune } from '../src/tuning/index.js';
import { crossValidate, kFold } from '../src/validation/index.js';

const digits = await Dataset.builtin('digits');
const train = digits.take(512);
const deep = (count: number, make: () => Layer): Layer[] => Array.from({ length: count }, make);
const recipe = (model: Layer[], rest: Partial<TrainerOptions> = {}): TrainerOptions =>
  ({ prepare: [standardize()], model: sequential([...model, dense(10)]), loss: 'crossEntropy', batchSize: 32, ...rest }) as TrainerOptions;

const seeds = [0, 1, 2];
type Planted = readonly [name: string, verdict: HealthVerdict, layer: RegExp, options: TrainerOptions];
const small = () => dense(32, { activation: 'sigmoid', kernelInitializer: normal({ deviation: 0.01 }) });
const large = () => dense(64, { activation: 'tanh', kernelInitializer: normal({ deviation: 1 }) });
const drowned = () => dense(64, { activation: 'relu', biasInitializer: constant(-10) });
const steps = [reshape([64, 1])];
const failures: readonly Planted[] = [
  ['sigmoid, 12 deep, small Gaussian', 'vanishing', /^dense$/, recipe(deep(12, small))],
  ['tanh, large Gaussian', 'saturated', /^dense\d*$/, recipe(deep(6, large))],
  ['ReLU, drowned by its bias', 'dead-units', /^dense2$/, recipe([dense(64, { activation: 'relu' }), drowned()])],
  [
    'a recurrence that grows',
    'exploding',
    /^simpleRnn$/,
    recipe([...steps, simpleRnn(16, { activation: 'relu', recurrentInitializer: identity({ gain: 1.3 }) })]),
  ],
  [
    'a recurrence that is chaotic',
    'exploding',
    /^simpleRnn$/,
    recipe([...steps, simpleRnn(32, { recurrentInitializer: normal({ deviation: 1 }) })]),
  ],
  [
    'a recurrence that forgets',
    'vanishing',
    /^simpleRnn$/,
    recipe([...steps, simpleRnn(16, { recurrentInitializer: normal({ deviation: 0.01 }) })]),
  ],
  ['an LSTM whose gates are shut', 'saturated', /^lstm$/, recipe([reshape([8, 8]), lstm(16, { biasInitializer: constant(-8) })])],
  [
    'a GRU whose candidate is stuck',
    'saturated',
    /^gru$/,
    recipe([reshape([8, 8]), gru(16, { kernelInitializer: normal({ deviation: 20 }) })]),
  ],
  [
    'Adam, too high a rate',
    'learning-rate-too-high',
    /^dense\d*$/,
    recipe(
      deep(3, () => dense(64, { activation: 'relu' })),
      { optimizer: adam({ learningRate: 1 }) },
    ),
  ],
  [
    'SGD, too high a rate',
    'learning-rate-too-high',
    /^dense\d*$/,
    recipe(
      deep(3, () => dense(64, { activation: 'relu' })),
      { optimizer: sgd({ learningRate: 10 }) },
    ),
  ],
];

describe.each(failures)('%s', (_, verdict, layer, options) => {
  it.each(seeds)('is named, seed %i', async (seed) => {
    const health = await gradientHealth(new Trainer({ ...options, seed }), train, { threads: 1 });
    expect(health.toString()).toContain(verdict);
    expect({ verdict: health.verdict, layer: health.layer }).toEqual({ verdict, layer: expect.stringMatching(layer) });
    expect(Object.values(health.evidence).every((value) => typeof value === 'number')).toBe(true);
    expect(health.suggestions.length).toBeGreaterThan(2);
  });
});

const conv = (filters: number) => [conv2d(filters, { kernel: 3, padding: 'same', bias: false }), batchNorm(), activation('relu')];
const healthy: readonly (readonly [name: string, options: TrainerOptions])[] = [
  ['He, ReLU', recipe(deep(4, () => dense(64, { activation: 'relu', kernelInitializer: heNormal() })))],
  ['Glorot, tanh', recipe(deep(5, () => dense(48, { activation: 'tanh', kernelInitializer: xavierNormal() })))],
  ['convolutions with batch norm', recipe([reshape([8, 8, 1]), ...conv(8), ...conv(16), globalAveragePool()])],
  ['LSTM', recipe([reshape([8, 8]), lstm(32)])],
  ['LSTM over 64 steps', recipe([...steps, lstm(16)], { batchSize: 64 })],
  ['GRU and a simple RNN', recipe([reshape([8, 8]), gru(32, { returnSequences: true }), simpleRnn(32)])],
  ['both ways', recipe([reshape([8, 8]), bidirectional(lstm(16))])],
  [
    'pre-norm transformer',
    recipe([reshape([8, 8]), dense(32), transformerBlock({ heads: 4 }), transformerBlock({ heads: 4 }), layerNorm(), flatten()]),
  ],
];

describe.each(healthy)('%s', (_, options) => {
  it.each(seeds)('is fine, seed %i', async (seed) => {
    const trainer = new Trainer({ ...options, seed, epochs: 3 });
    const health = await gradientHealth(trainer, train, { threads: 1 });
    expect(health.toString()).toMatch(/^fine/);
    const fitted = await trainer.fit(train, { health: { every: 8 }, threads: 1 });
    expect(fitted.health?.toString()).toMatch(/^fine/);
    for (const epoch of fitted.history) expect(epoch.health?.verdict).toBe('fine');
  });
});

const mlp = (rest: Partial<TrainerOptions> = {}) =>
  recipe([dense(16, { activation: 'tanh', name: 'below' }), dense(12, { activation: 'relu', name: 'above' })], { epochs: 2, ...rest });

describe('what is looked at', () => {
  it('is in events, history and result; the bits are those of a fit without', async () => {
    const trainer = new Trainer(mlp());
    const run = trainer.fit(train, { health: { every: 5 } });
    const seen: number[] = [];
    for await (const epoch of run) seen.push(...(epoch.health?.records ?? []).map(({ step }) => step));
    const fitted = await run;
    expect(seen).toEqual([0, 5, 10, 15, 20, 25, 30]);
    expect(fitted.health?.records.map(({ step }) => step)).toEqual(seen);
    const plain = await trainer.fit(train);
    expect(plain.weights()).toEqual(fitted.weights());
    expect(plain.health).toBeUndefined();
    expect(plain.history.map(({ train }) => train.loss)).toEqual(fitted.history.map(({ train }) => train.loss));
    expect((await trainer.fit(train, { health: true })).health?.records.map(({ step }) => step)).toEqual([0]);
    expect((await trainer.fit(train, { health: false })).health).toBeUndefined();
  });

  it('are the numbers that they are said to be', async () => {
    const rate = 0.25;
    const options = mlp({ optimizer: sgd({ learningRate: rate }), batchSize: 'full', epochs: 1, precision: 'f64' });
    const still = await new Trainer({ ...options, optimizer: sgd({ learningRate: 0 }) }).fit(train);
    const fitted = await new Trainer(options).fit(train, { health: { every: 1 } });
    const [before, after] = [still.weights(), fitted.weights()];
    const [record] = fitted.health!.records;
    expect(record!.loss).toBeCloseTo(still.history[0]!.train.loss, 5);
    expect(record!.layers.map(({ layer, ends, bound }) => [layer, ends, bound])).toEqual([
      ['below', [2], 'tanh'],
      ['above', [2], 'relu'],
      ['dense', [], undefined],
    ]);
    const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));
    for (const { name, kernel, gradient, weightNorm, updateNorm, ratio } of record!.layers.flatMap(({ parameters }) => parameters)) {
      const [old, next] = [before.get(name)!.values, after.get(name)!.values];
      const moved = old.map((w, i) => w - next[i]!);
      expect(kernel).toBe(name.endsWith('kernel'));
      expect(gradient.count).toBe(old.length);
      expect(gradient.norm / (norm(moved) / rate)).toBeCloseTo(1, 4);
      expect(gradient.mean).toBeCloseTo(moved.reduce((a, b) => a + b, 0) / moved.length / rate, 5);
      expect(gradient.zeros).toBeCloseTo(moved.filter((g) => g === 0).length / moved.length, 5);
      expect(updateNorm / norm(moved)).toBeCloseTo(1, 4);
      if (kernel) expect(weightNorm / norm(old)).toBeCloseTo(1, 4);
      if (kernel) expect(ratio).toBeCloseTo(updateNorm / weightNorm, 4);
    }
    const above = record!.layers[1]!;
    expect(above.outputs!.count).toBe(512 * 12);
    expect(above.outputs!.smallest).toBe(0);
    expect(above.outputs!.zeros).toBeGreaterThan(0.2);
    expect(above.signal!.count).toBe(512 * 12);
    expect(above.dead).toBeLessThan(0.4);
    expect(record!.layers[0]!.saturated).toBeLessThan(0.3);
  });

  it('follows the gradient through time, and where gates stand', async () => {
    const [rows, time, b, u] = [4, 9, 0.4, 0.7];
    const data = Dataset.from({ features: Array.from({ length: rows }, () => new Array(time).fill(1)), targets: new Array(rows).fill(0) });
    const look = async (layer: Layer) => {
      const model = sequential([reshape([time, 1]), layer]);
      const options = { model, loss: (y: Tensor) => y.square().mean(-1), precision: 'f64', batchSize: 'full', epochs: 1 } as const;
      return (await new Trainer(options).fit(data, { health: true })).health!.records[0]!.layers[0]!;
    };
    const flat = { kernelInitializer: zeros(), biasInitializer: constant(b) } as const;
    const close = (found: readonly number[], expected: readonly number[]) => {
      expect(found).toHaveLength(expected.length);
      found.forEach((value, i) => void expect(value / expected[i]!).toBeCloseTo(1, 4));
    };
    // The rows are alike, so norms over them are √rows times 1/rows of one's.
    const share = 2 / Math.sqrt(rows);
    for (const reverse of [false, true]) {
      // hₜ = tanh(b + u·hₜ₋₁)
      const h = [0];
      for (let t = 0; t < time; t++) h.push(Math.tanh(b + u * h[t]!));
      const dz = new Array<number>(time);
      for (let t = time - 1, dh = share * h[time]!; t >= 0; dh = u * dz[t]!, t--) dz[t] = dh * (1 - h[t + 1]! ** 2);
      const simple = await look(simpleRnn(1, { ...flat, recurrentInitializer: constant(u), reverse }));
      close(simple.steps!, dz);
      expect(simple.gates).toBeUndefined();
      // Gates of one value: c grows by i·g and keeps f of itself, and so does its gradient.
      const [gate, g] = [1 / (1 + Math.exp(-b)), Math.tanh(b)];
      const c = [0];
      for (let t = 0; t < time; t++) c.push(gate * c[t]! + gate * g);
      const slope = gate * (1 - gate);
      const last = Math.tanh(c[time]!);
      const dh = share * gate * last;
      const norms = Array.from({ length: time }, (_, t) => {
        const dc = dh * gate * (1 - last ** 2) * gate ** (time - 1 - t);
        return Math.hypot(dc * g * slope, dc * c[t]! * slope, dc * gate * (1 - g * g), t === time - 1 ? dh * last * slope : 0);
      });
      const long = await look(lstm(1, { ...flat, recurrentInitializer: zeros(), reverse }));
      close(long.steps!, norms);
      expect(long.gates!.map((found) => found.gate)).toEqual(['input', 'forget', 'candidate', 'output']);
      close(
        long.gates!.map(({ mean }) => mean),
        [gate, gate, g, gate],
      );
      // The gates of a GRU: h moves to n by 1 − z, and its gradient is kept by z.
      const short = await look(gru(1, { ...flat, recurrentInitializer: zeros(), reverse }));
      close(short.gates!.map(({ mean }) => mean).slice(1), [gate, short.gates![2]!.mean]);
      expect(short.steps).toHaveLength(time);
      const stuck = await look(lstm(1, { ...flat, biasInitializer: constant(-5), recurrentInitializer: zeros(), reverse }));
      expect(stuck.gates!.map(({ low, high }) => [low, high])).toEqual(new Array(4).fill([1, 0]));
    }
  });

  it('names shared, nested and branching layers, and leaves out what is frozen', async () => {
    const twice = dense(8, { activation: 'tanh', name: 'twice' });
    const model = network((x: Tensor) => {
      const h = dense(8, { name: 'in', activation: 'relu' })(x);
      const left = residual([dense(8, { activation: 'relu' }), dense(8)], { name: 'left' })(h);
      return {
        digit: dense(10, { name: 'digit' })(twice(dense(8, { name: 'between' })(twice(left)))),
        size: dense(1, { name: 'size' })(h),
      };
    });
    const data = Dataset.from({
      features: Array.from({ length: 64 }, (_, i) => [Math.sin(i), Math.cos(i), (i % 7) / 7]),
      targets: { digit: Array.from({ length: 64 }, (_, i) => `c${i % 10}`), size: Array.from({ length: 64 }, (_, i) => i / 64) },
    });
    const trainer = new Trainer({
      model,
      loss: { digit: 'crossEntropy', size: 'meanSquaredError' },
      groups: [{ match: 'in', freeze: true }],
      epochs: 1,
    });
    const [record] = (await trainer.fit(data, { health: true })).health!.records;
    const layers = new Map(record!.layers.map((layer) => [layer.layer, layer]));
    expect([...layers.keys()]).toEqual(['in', 'left/dense', 'left/dense2', 'left', 'twice', 'between', 'digit', 'size']);
    expect(layers.get('in')).toMatchObject({ parameters: [], bound: 'relu', ends: [6, 7] });
    expect(layers.get('in')?.signal).toBeUndefined();
    expect(layers.get('twice')?.outputs?.count).toBe(2 * 32 * 8);
    expect(layers.get('left/dense')?.ends).toEqual([6]);
  });

  it.each<[string, Partial<TrainerOptions>]>([
    ['lbfgs', { optimizer: lbfgs(), batchSize: 'full' }],
    ['sam', { optimizer: sam(adam()) }],
    ['swa and clipping', { averaging: 'swa', clip: { globalNorm: 0.1 } }],
  ])('goes with %s', async (_, rest) => {
    const trainer = new Trainer(mlp(rest));
    const [plain, watched] = [await trainer.fit(train), await trainer.fit(train, { health: { every: 1 } })];
    expect(watched.weights()).toEqual(plain.weights());
    for (const { layers } of watched.health!.records)
      for (const { parameters } of layers) for (const p of parameters) expect(p.updateNorm).toBeGreaterThan(0);
  });

  it('is drawn, printed and written as plain data', async () => {
    const health = await gradientHealth(new Trainer(mlp()), train, { steps: 6, every: 2, threads: 1 });
    expect(health.records.map(({ step }) => step)).toEqual([0, 2, 4]);
    expect(health.toSvg()).toMatch(/^<svg.*Gradient health: fine.*<\/svg>\s*$/s);
    expect(health.toSvg()).not.toMatch(/NaN|undefined|Infinity/);
    expect(inspect(health)).toMatch(/^fine \(3 steps looked at\)\nstep 4:\nlayer +outputs +zeros/);
    const through = await gradientHealth(new Trainer(recipe([reshape([8, 8]), gru(8)])), train, { steps: 3, threads: 1 });
    expect(through.toSvg()).toMatch(/Gradient through time/);
    expect(through.toSvg()).not.toMatch(/NaN|undefined|Infinity/);
    expect(inspect(through)).toMatch(
      /gru: gradient [\d.e-]+ at the first step, [\d.e-]+ at the last; gates reset 0\.\d+ \(0 % low, 0 % high\)/,
    );
    const flat = await gradientHealth(new Trainer(recipe([dense(8, { activation: 'relu' }), drowned()])), train, { steps: 2, threads: 1 });
    expect(flat.toSvg()).not.toMatch(/NaN|undefined|Infinity/);
    expect(JSON.parse(JSON.stringify(health))).toMatchObject({ verdict: 'fine', findings: [] });
  });

  it('starts from a model where it is told to', async () => {
    const fitted = await new Trainer(mlp({ epochs: 6 })).fit(train);
    const [first, later] = [
      await gradientHealth(new Trainer(mlp()), train, { steps: 1 }),
      await gradientHealth(new Trainer(mlp()), train, { steps: 1, from: fitted }),
    ];
    expect(later.records[0]!.loss).toBeLessThan(0.7 * first.records[0]!.loss);
  });

  it('says what was seen before training stopped being finite', async () => {
    const health = await gradientHealth(new Trainer(mlp({ optimizer: sgd({ learningRate: 1e30 }) })), train, { threads: 1 });
    expect(health.broke).toMatch(/finite/);
    expect(health.verdict).toBe('learning-rate-too-high');
  });

  it('goes with the error of a fit that stops being finite', async () => {
    const trainer = new Trainer(mlp({ optimizer: sgd({ learningRate: 1e12 }), epochs: 3 }));
    const error = await trainer.fit(train, { health: { every: 1 } }).then(
      () => expect.fail('it is finite'),
      (e: unknown) => e as NablaError,
    );
    expect(error).toMatchObject({ code: 'NOT_FINITE', hint: expect.stringMatching(/^Gradient health: learning-rate-too-high in /) });
    const { health } = error.details as { health: GradientHealth };
    expect(health).toBeInstanceOf(GradientHealth);
    expect(health.records.map(({ step }) => step)).toEqual(health.records.map((_, i) => i));
    expect(health.broke).toMatch(/finite/);
    // Nobody looked: nothing is known.
    const plain = await trainer.fit(train).catch((e: unknown) => e);
    expect((plain as NablaError).details).toBeUndefined();
  });

  it('is in each fold and in refits', async () => {
    const trainer = new Trainer(mlp());
    const splitter = kFold({ k: 2 });
    const report = await crossValidate(trainer, train, { splitter, health: { every: 4 }, refit: true });
    expect(report.folds.map(({ health }) => health?.records.map(({ step }) => step))).toEqual([
      [0, 4, 8, 12],
      [0, 4, 8, 12],
    ]);
    expect(report.fitted.health?.verdict).toBe('fine');
    const plain = await crossValidate(trainer, train, { splitter });
    expect(plain.scores.loss.values).toEqual(report.scores.loss.values);
    expect(plain.folds[0]!.health).toBeUndefined();
    const study = { space: { rate: logUniform(1e-4, 1e-2) }, trials: 2, objective: 'loss', splitter } as const;
    const estimator = ({ rate }: { readonly rate: number }) => new Trainer(mlp({ optimizer: adam({ learningRate: rate }) }));
    expect((await tune(train, { ...study, estimator, health: true })).fitted.health?.records).toHaveLength(1);
    await expect(crossValidate(ridge(), train, { health: true })).rejects.toThrow(/health.*Trainer/);
    await expect((async () => tune(train, { ...study, estimator, health: true, refit: false }))()).rejects.toThrow(/health.*refit/);
  });
});

describe('arrays of one’s own loop', () => {
  const values = (count: number, of: (i: number) => number) => Float32Array.from({ length: count }, (_, i) => of(i));
  const layer = (name: string, gradient: number, update = 1e-3) => ({
    layer: name,
    weights: values(100, () => 0.1),
    gradient: values(100, (i) => gradient * Math.sin(i)),
    update: values(100, (i) => 0.1 * update * Math.cos(i)),
    signal: values(50, (i) => gradient * Math.cos(i)),
  });
  it('are judged alike', () => {
    const steps = (layers: readonly object[], losses = [2, 1.5, 1]) =>
      losses.map((loss) => ({ loss, layers })) as Parameters<typeof gradientHealth>[0];
    const judged = (layers: readonly object[], losses?: number[]) =>
      gradientHealth(steps(layers, losses) as never) as unknown as GradientHealth;
    expect(judged([layer('a', 0.1), layer('b', 0.1)]).verdict).toBe('fine');
    expect(judged([layer('a', 1e-6), layer('b', 0.1)])).toMatchObject({ verdict: 'vanishing', layer: 'a' });
    expect(judged([layer('a', 1e4), layer('b', 0.1)])).toMatchObject({ verdict: 'exploding', layer: 'a' });
    expect(judged([layer('a', 0.1, 0.9), layer('b', 0.1)], [2, 3, 4])).toMatchObject({ verdict: 'learning-rate-too-high', layer: 'a' });
    const tanh = { ...layer('a', 0.1), activation: 'tanh', outputs: values(60, (i) => (i % 5 === 0 ? 0 : 0.999)) };
    expect(judged([tanh, layer('b', 0.1)]).evidence).toEqual({ saturated: 0.8 });
    const relu = { ...layer('a', 0.1), activation: 'relu', outputs: new Float32Array(60) };
    expect(judged([relu, layer('b', 0.1)])).toMatchObject({ verdict: 'dead-units', layer: 'a', evidence: { zeros: 1 } });
  });
});

describe('what is refused', () => {
  const trainer = new Trainer(mlp());
  it.each<[string, () => unknown, RegExp]>([
    ['every 0', () => trainer.fit(train, { health: { every: 0 } }), /every/],
    ['a word', () => trainer.fit(train, { health: 'yes' as never }), /health/],
    ['an unknown option', () => trainer.fit(train, { health: { each: 3 } as never }), /every/],
    ['no trainer', () => gradientHealth({} as never, train), /Trainer/],
    ['no steps', () => gradientHealth(trainer, train, { steps: 0 }), /steps/],
    [
      'an update of another size',
      () => gradientHealth([{ layers: [{ layer: 'a', weights: [1, 2], gradient: [1] }] }]),
      /2 numbers|2 weights/,
    ],
  ])('%s', async (_, run, message) => {
    await expect((async () => run())()).rejects.toThrow(message);
  });
});

describe('a hidden layer that starts at 0', () => {
  const warnings = async (model: Layer): Promise<readonly string[]> =>
    (await new Trainer({ model, loss: 'crossEntropy', epochs: 1 }).fit(digits.take(32))).warnings;
  const zero = { kernelInitializer: zeros() } as const;
  it.each<[string, Layer, RegExp | undefined]>([
    ['dense', sequential([dense(8, { ...zero, activation: 'tanh', name: 'idle' }), dense(10)]), /^idle\/kernel starts at 0/],
    [
      'a convolution',
      sequential([reshape([8, 8, 1]), conv2d(4, { ...zero, kernel: 3 }), batchNorm(), activation('relu'), flatten(), dense(10)]),
      /^conv2d\/kernel/,
    ],
    ['lstm', sequential([reshape([8, 8]), lstm(8, zero), dense(10)]), /^lstm\/kernel/],
    ['constant(0)', sequential([dense(8, { kernelInitializer: constant(0) }), dense(10)]), /^dense\/kernel/],
    ['the output', sequential([dense(8), dense(10, zero)]), undefined],
    [
      'the last of a residual branch',
      sequential([dense(8), residual([dense(8, { activation: 'relu' }), dense(8, zero)]), dense(10)]),
      undefined,
    ],
    ['recurrent weights', sequential([reshape([8, 8]), lstm(8, { recurrentInitializer: zeros() }), dense(10)]), undefined],
    ['a constant that is not 0', sequential([dense(8, { kernelInitializer: constant(0.1) }), dense(10)]), undefined],
  ])('%s', async (_, model, text) => {
    const found = await warnings(model);
    if (text === undefined) expect(found).toEqual([]);
    else expect(found).toEqual([expect.stringMatching(text)]);
  });

  it('is said once a process', async () => {
    const said: string[] = [];
    const listen = (warning: Error): void => void (warning.name === 'NablaWarning' && said.push(warning.message));
    process.on('warning', listen);
    const model = sequential([dense(8, { ...zero, name: 'once' }), dense(10)]);
    await warnings(model);
    await warnings(model);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(said).toEqual([expect.stringMatching(/^once\/kernel starts at 0 in a hidden layer/)]);
  });
});
