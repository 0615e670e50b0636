/** Noise of training, weight norm and Monte-Carlo predictions. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkGradients, Dataset, type Fitted, network, sequential, type Tensor, Trainer } from '../src/index.js';
import {
  alphaDropout,
  conv2d,
  dense,
  dropout,
  embedding,
  flatten,
  gaussianNoise,
  gru,
  type Layer,
  lstm,
  reshape,
  spatialDropout,
  stochasticDepth,
  weightNorm,
} from '../src/layers/index.js';
import { native } from '../src/native/index.js';
import { sgd } from '../src/optimizers/index.js';
import { l2 } from '../src/regularizers/index.js';

const numbers = (rows: number, width: number) =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(1 + i * 7 + j * 3)));
const data = (width: number, rows = 64) => Dataset.from({ features: numbers(rows, width), targets: numbers(rows, 1) });

const recipe = (model: Layer | ReturnType<typeof network>, more = {}) =>
  new Trainer({
    model: model as Layer,
    loss: 'meanSquaredError',
    epochs: 1,
    batchSize: 'full',
    optimizer: sgd({ learningRate: 0 }),
    ...more,
  });

/** What a model of noise alone makes of ones, over many rows. */
const sampled = async (layer: Layer, shape: readonly number[], rows = 200) => {
  const width = shape.reduce((a, b) => a * b, 1);
  const ones = Dataset.from({
    features: Array.from({ length: rows }, () => new Array<number>(width).fill(1)),
    targets: Array.from({ length: rows }, () => new Array<number>(width).fill(0)),
  });
  // A loss that is the output itself: one row's mean over its values shows in the loss, the values in samples.
  const fitted = await recipe(sequential([reshape([...shape]), layer, flatten()])).fit(ones);
  const { mean, standardDeviation } = await fitted.predict(ones, { samples: 2, seed: 3 });
  const [m, d] = [mean as Float64Array, standardDeviation as Float64Array];
  // Of two samples a and b: mean ± deviation/√2.
  return { high: m.map((x, i) => x + d[i]! / Math.SQRT2), low: m.map((x, i) => x - d[i]! / Math.SQRT2), width, fitted };
};
const average = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;

describe('noise', () => {
  it('drops whole channels', async () => {
    const { high, low, width } = await sampled(spatialDropout(0.5), [3, 3, 2]);
    for (let row = 0; row < 20; row++)
      for (const values of [high, low])
        for (let channel = 0; channel < 2; channel++)
          for (let at = channel; at < width; at += 2) expect(values[row * width + at]).toBeCloseTo(values[row * width + channel]!, 6);
    expect(new Set([...high, ...low].map((x) => Math.round(x)))).toEqual(new Set([0, 2]));
    expect(average(high) / 2 + average(low) / 2).toBeCloseTo(1, 0);
  });

  it('drops whole branches of a row', async () => {
    const { high, low, width } = await sampled(
      stochasticDepth((x: Tensor) => x.multiply(10), { rate: 0.5 }),
      [2, 2],
    );
    expect(new Set([...high, ...low].map((x) => Math.round(x)))).toEqual(new Set([1, 21]));
    for (let row = 0; row < 20; row++) expect(new Set(high.subarray(row * width, (row + 1) * width)).size).toBe(1);
  });

  it('keeps mean 0 and variance 1 with alpha dropout', async () => {
    const rate = 0.2;
    const { high, low } = await sampled(alphaDropout(rate), [8]);
    const alpha = -1.6732632423543772 * 1.0507009873554805;
    const a = 1 / Math.sqrt((1 - rate) * (1 + rate * alpha * alpha));
    const found = new Set([...high, ...low].map((x) => x.toFixed(4)));
    expect(found).toEqual(new Set([a - a * alpha * rate, a * alpha - a * alpha * rate].map((x) => x.toFixed(4))));
    // Of a value with mean 0 and variance 1: q·(a²) + variance of the shift is 1.
    expect((1 - rate) * a * a + a * a * alpha * alpha * rate * (1 - rate)).toBeCloseTo(1, 12);
  });

  it('adds normal noise', async () => {
    const { high, low } = await sampled(gaussianNoise(0.5), [10], 400);
    const all = Float64Array.from([...high, ...low]);
    const mean = average(all);
    expect(Math.abs(mean - 1)).toBeLessThan(0.03);
    expect(Math.abs(Math.sqrt(average(all.map((x) => (x - mean) ** 2))) - 0.5)).toBeLessThan(0.03);
  });

  it.each<[string, Layer, readonly number[]]>([
    ['spatialDropout', spatialDropout(0.5), [2, 3]],
    ['alphaDropout', alphaDropout(0.3), [6]],
    ['gaussianNoise', gaussianNoise(0.2), [6]],
    ['stochasticDepth', stochasticDepth([dense(3, { activation: 'tanh' })], { rate: 0.4 }), [2, 3]],
  ])('%s has right gradients and does nothing at inference', async (_, layer, shape) => {
    const trainer = recipe(sequential([reshape([...shape]), dense(shape.at(-1)!), layer, flatten(), dense(1)]));
    const { maxRelativeError } = await checkGradients(trainer, data(6, 5));
    expect(maxRelativeError).toBeLessThan(1e-6);
    const fitted = await trainer.fit(data(6));
    expect(await fitted.predict(data(6))).toEqual(await fitted.predict(data(6)));
  });

  it('compiles nothing for another rate', async () => {
    const model = (rate: number) => recipe(sequential([dense(7), dropout(rate), gaussianNoise(rate), dense(1)]));
    await model(0.1).fit(data(6));
    const before = native().compilations();
    for (const rate of [0, 0.25, 0.5, 0.9]) await model(rate).fit(data(6));
    expect(native().compilations()).toBe(before);
  });

  it('refuses rates out of range', () => {
    for (const make of [spatialDropout, alphaDropout]) expect(() => make(1)).toThrow(/expected rate in \[0, 1\)/);
    expect(() => gaussianNoise(-1)).toThrow(/deviation ≥ 0/);
    expect(() => stochasticDepth(dense(2), { rate: 1 })).toThrow(/rate in \[0, 1\)/);
    expect(() => recipe(stochasticDepth(dense(2), { rate: 0.1 })).fit(data(6))).toThrow(/shapes differ/);
  });
});

describe('Monte-Carlo dropout', () => {
  let fitted: Fitted<never, 'numbers'>;
  beforeAll(async () => {
    fitted = (await recipe(sequential([dense(32, { activation: 'relu' }), dropout(0.5), dense(1)])).fit(
      data(6),
    )) as unknown as typeof fitted;
  });

  it('has the mean and deviation of the samples, and the same bits for a seed', async () => {
    const many = await fitted.predict(data(6), { samples: 400, seed: 1 });
    expect(await fitted.predict(data(6), { samples: 400, seed: 1 })).toEqual(many);
    expect(await fitted.predict(data(6), { samples: 400, seed: 2 })).not.toEqual(many);
    const plain = await fitted.predict(data(6));
    // Dropout before a linear layer: the mean of many samples is the prediction without noise.
    plain.forEach((value, i) =>
      expect(Math.abs(many.mean[i]! - value)).toBeLessThan((5 * many.standardDeviation[i]!) / Math.sqrt(400) + 1e-9),
    );
    expect(many.standardDeviation.every((d) => d > 0)).toBe(true);
  });

  it('gives probabilities of classes, and each output under its name', async () => {
    const features = numbers(40, 6);
    const classes = Dataset.from({ features, targets: features.map((_, i) => (i % 2 === 0 ? 'a' : 'b')) });
    const binary = await new Trainer({ model: sequential([dropout(0.5), dense(1)]), loss: 'binaryCrossEntropy', epochs: 1 }).fit(classes);
    const { mean, standardDeviation } = await binary.predict(classes, { samples: 10 });
    const [m, d] = [mean as Float64Array[], standardDeviation as Float64Array[]];
    expect(m[0]![0]! + m[0]![1]!).toBeCloseTo(1, 12);
    expect(d[0]![0]).toBe(d[0]![1]);
    const named = Dataset.from({ features, targets: { one: features.map(([x]) => x!), two: features.map((_, i) => String(i % 3)) } });
    const several = await new Trainer({
      model: network((x) => ({ one: dense(1)(dropout(0.5)(x)), two: dense(3)(dropout(0.5)(x)) })),
      loss: { one: 'meanSquaredError', two: 'crossEntropy' },
      epochs: 1,
    }).fit(named);
    const found = await several.predict(named, { samples: 5 });
    expect([found.mean.one.length, found.mean.two.length, found.standardDeviation.two[0]!.length]).toEqual([40, 40, 3]);
  });

  it('refuses a model without noise, and one sample', async () => {
    const plain = await recipe(dense(1)).fit(data(6));
    await expect(plain.predict(data(6), { samples: 10 })).rejects.toThrow(/samples with a model that has dropout/);
    await expect(fitted.predict(data(6), { samples: 1 })).rejects.toThrow(/expected samples/);
  });
});

describe('weightNorm', () => {
  it('starts as the layer alone, and learns a gain a unit', async () => {
    const set = data(6);
    const [plain, normed] = await Promise.all(
      [dense(5, { activation: 'tanh' }), weightNorm(dense(5, { activation: 'tanh' }))].map((layer) =>
        recipe(sequential([layer, dense(1)])).fit(set),
      ),
    );
    const [a, b] = [(await plain!.predict(set)) as Float64Array, (await normed!.predict(set)) as Float64Array];
    a.forEach((value, i) => expect(value).toBeCloseTo(b[i]!, 6));
    const gain = normed!.weights().get('dense/kernelGain')!;
    const kernel = normed!.weights().get('dense/kernel')!.values;
    gain.values.forEach((g, j) =>
      expect(g).toBeCloseTo(Math.sqrt([0, 1, 2, 3, 4, 5].reduce((sum, i) => sum + kernel[i * 5 + j]! ** 2, 0)), 5),
    );
  });

  it.each<[string, () => Layer]>([
    ['dense', () => sequential([weightNorm(dense(4, { activation: 'tanh' })), dense(1)])],
    ['conv2d', () => sequential([reshape([3, 2, 1]), weightNorm(conv2d(2, { kernel: 2 })), flatten(), dense(1)])],
    ['gru', () => sequential([reshape([3, 2]), weightNorm(gru(3), { parameters: ['kernel', 'recurrentKernel'] }), dense(1)])],
    [
      'layers called twice',
      () => {
        const own = weightNorm(dense(6));
        return sequential([own, own, dense(1)]);
      },
    ],
  ])('has right gradients: %s', async (_, model) => {
    const { maxRelativeError } = await checkGradients(recipe(model()), data(6, 5));
    expect(maxRelativeError).toBeLessThan(1e-6);
  });

  it('follows PyTorch', async () => {
    const { x, y, v, g, bias, steps } = JSON.parse(readFileSync(new URL('fixtures/weight-norm.json', import.meta.url), 'utf8')) as {
      x: number[][];
      y: number[][];
      v: number[];
      g: number[];
      bias: number[];
      steps: { v: number[]; g: number[]; bias: number[] };
    };
    const set = Dataset.from({ features: x, targets: y });
    const start = await recipe(weightNorm(dense(2)), { precision: 'f64' }).fit(set);
    const first = start.weights();
    // The same first weights: PyTorch's were taken from here.
    expect(Array.from(first.get('dense/kernel')!.values)).toEqual(v);
    Array.from(first.get('dense/kernelGain')!.values).forEach((value, i) => expect(value).toBeCloseTo(g[i]!, 14));
    expect(Array.from(first.get('dense/bias')!.values)).toEqual(bias);
    const fitted = await recipe(weightNorm(dense(2)), {
      precision: 'f64',
      epochs: 5,
      optimizer: sgd({ learningRate: 0.1 }),
      shuffle: false,
    }).fit(set);
    const last = fitted.weights();
    for (const [name, expected] of [
      ['kernel', steps.v],
      ['kernelGain', steps.g],
      ['bias', steps.bias],
    ] as const)
      last.get(`dense/${name}`)!.values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 12));
  });

  it('refuses a parameter that is not there', () => {
    expect(() => recipe(weightNorm(dense(1), { parameters: ['kernels'] })).fit(data(6))).toThrow(/to name matrices of the layer/);
  });
});

describe('options of layers', () => {
  it('penalizes the kernel of a convolution alone', async () => {
    const model = (regularizer?: ReturnType<typeof l2>) =>
      sequential([
        reshape([3, 2, 1]),
        conv2d(2, { kernel: 2, ...(regularizer === undefined ? {} : { regularizer }) }),
        flatten(),
        dense(1),
      ]);
    const step = (regularizer?: ReturnType<typeof l2>) =>
      recipe(model(regularizer), { optimizer: sgd({ learningRate: 0.1 }), precision: 'f64' }).fit(data(6));
    const [start, plain, penalized] = [await recipe(model(), { precision: 'f64' }).fit(data(6)), await step(), await step(l2(0.5))].map(
      (f) => f.weights(),
    );
    const of = (weights: typeof start, name: string) => weights!.get(name)!.values;
    of(start, 'conv2d/kernel').forEach((w, i) => {
      const extra = of(plain, 'conv2d/kernel')[i]! - of(penalized, 'conv2d/kernel')[i]!;
      expect(extra / w).toBeCloseTo(extra > 0 === w > 0 ? Math.abs(extra / w) : Number.NaN, 12);
      expect(Math.abs(extra)).toBeGreaterThan(0);
    });
    expect(of(plain, 'dense/kernel')).toEqual(of(penalized, 'dense/kernel'));
  });

  it('keeps the row of padding zero', async () => {
    const text = Dataset.from({
      features: [
        [0, 1, 2],
        [2, 0, 0],
        [1, 1, 0],
      ],
      targets: [1, 2, 3],
    });
    const trainer = recipe(sequential([embedding(3, 2, { padding: 0 }), lstm(2), dense(1)]), {
      optimizer: sgd({ learningRate: 0.1 }),
      epochs: 3,
    });
    const fitted = await trainer.fit(text);
    const start = await recipe(sequential([embedding(3, 2, { padding: 0 }), lstm(2), dense(1)])).fit(text);
    const [before, after] = [start, fitted].map((f) => f.weights().get('embedding/table')!.values);
    expect(after!.subarray(0, 2)).toEqual(before!.subarray(0, 2));
    expect(after!.subarray(2)).not.toEqual(before!.subarray(2));
    expect(() => embedding(3, 2, { padding: 3 })).toThrow(/padding to be one of the 3 levels/);
  });
});
