/** Convolution, pooling and norms through the public interface, down to the arithmetic. */
import { Dataset, sequential, Trainer } from 'nabla';
import {
  activation,
  averagePool1d,
  averagePool2d,
  batchNorm,
  conv1d,
  conv2d,
  conv3d,
  convTranspose2d,
  dense,
  depthwiseConv2d,
  flatten,
  globalAveragePool,
  globalMaxPool,
  groupNorm,
  instanceNorm,
  type Layer,
  layer,
  layerNorm,
  maxPool1d,
  maxPool2d,
  reshape,
  residual,
  rmsNorm,
} from 'nabla/layers';
import { adam, sgd } from 'nabla/optimizers';
import { describe, expect, it } from 'vitest';
import { zeros } from '../src/initializers/index.js';
import { Trace } from '../src/trace/index.js';

const shapeOf = (layer: Layer, shape: number[]): readonly number[] => layer(new Trace().input('features', shape)).shape;

/** Rows of pseudo-random numbers. */
const rows = (count: number, width: number): number[][] =>
  Array.from({ length: count }, (_, i) => Array.from({ length: width }, (_, j) => Math.sin(12.9898 * (i * width + j + 1)) * 2));

const numbers = (features: number[][], targets: number[]): Dataset => Dataset.from({ features, targets, task: 'regression' });

/** One step on all rows, with a rate that moves nothing that can be seen. */
const once = (layers: Layer[], data: Dataset, learningRate = 1e-30) =>
  new Trainer({
    model: sequential(layers),
    loss: 'meanSquaredError',
    optimizer: sgd({ learningRate }),
    epochs: 1,
    batchSize: 'full',
    precision: 'f64',
    seed: 3,
  }).fit(data);

describe('shapes', () => {
  it.each([
    [conv2d(8, { kernel: 3 }), [-1, 28, 20, 1], [-1, 26, 18, 8]],
    [conv2d(8, { kernel: 3, padding: 'same', stride: 2 }), [-1, 28, 15, 3], [-1, 14, 8, 8]],
    [conv2d(8, { kernel: [3, 5], padding: 1, dilation: 2, groups: 2 }), [-1, 12, 12, 4], [-1, 10, 6, 8]],
    [conv1d(4, { kernel: 3, stride: 2 }), [-1, 9, 2], [-1, 4, 4]],
    [conv3d(4, { kernel: 2 }), [-1, 4, 5, 6, 2], [-1, 3, 4, 5, 4]],
    [depthwiseConv2d({ kernel: 3, multiplier: 2 }), [-1, 6, 6, 3], [-1, 4, 4, 6]],
    [convTranspose2d(5, { kernel: 2, stride: 2 }), [-1, 7, 6, 3], [-1, 14, 12, 5]],
    [convTranspose2d(5, { kernel: 3, stride: 2, padding: 'same' }), [-1, 7, 6, 3], [-1, 14, 12, 5]],
    [convTranspose2d(5, { kernel: 3, padding: 1, dilation: 2 }), [-1, 7, 6, 3], [-1, 9, 8, 5]],
    [maxPool2d({ size: 2 }), [-1, 7, 6, 3], [-1, 3, 3, 3]],
    [averagePool2d({ size: 3, stride: 1, padding: 'same' }), [-1, 7, 6, 3], [-1, 7, 6, 3]],
    [maxPool1d({ size: 2 }), [-1, 7, 3], [-1, 3, 3]],
    [averagePool1d({ size: 2 }), [-1, 7, 3], [-1, 3, 3]],
    [globalAveragePool(), [-1, 7, 6, 3], [-1, 3]],
    [globalMaxPool(), [-1, 7, 3], [-1, 3]],
    [groupNorm({ groups: 2 }), [-1, 7, 6, 4], [-1, 7, 6, 4]],
    [batchNorm(), [-1, 7], [-1, 7]],
    [layerNorm(), [-1, 7], [-1, 7]],
    [rmsNorm(), [-1, 7], [-1, 7]],
    [instanceNorm(), [-1, 4, 7], [-1, 4, 7]],
  ])('%s %j → %j', (of, from, to) => {
    expect(shapeOf(of, from)).toEqual(to);
  });

  it.each([
    [conv2d(8, { kernel: 3 }), [-1, 784], 'SHAPE_MISMATCH', 'reshape'],
    [conv2d(8, { kernel: 5 }), [-1, 4, 4, 1], 'SHAPE_MISMATCH', "padding: 'same'"],
    [conv2d(8, { kernel: 3, groups: 3 }), [-1, 9, 9, 4], 'INVALID_OPTION', ''],
    [maxPool2d({ size: 2 }), [-1, 784], 'SHAPE_MISMATCH', 'reshape'],
    [groupNorm({ groups: 3 }), [-1, 9, 4], 'INVALID_OPTION', ''],
    [batchNorm(), [-1], 'SHAPE_MISMATCH', ''],
  ])('%s refuses %j', (of, shape, code, hint) => {
    expect(() => shapeOf(of, shape)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(hint) }) as Error);
  });

  it('refuses options that mean nothing', () => {
    for (const make of [
      () => conv2d(8, {} as never),
      () => conv2d(8, { kernel: [3, 3, 3] }),
      () => conv2d(0, { kernel: 3 }),
      () => conv2d(8, { kernel: 3, padding: 'full' as never }),
      () => maxPool2d({ size: 0 }),
      () => batchNorm({ momentum: 2 }),
      () => groupNorm({} as never),
    ])
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });
});

describe('convolution', () => {
  it.each([
    { kernel: 3, padding: 'same' as const, stride: 1, dilation: 1 },
    { kernel: 3, padding: 'same' as const, stride: 2, dilation: 1 },
    { kernel: 2, padding: 1, stride: 1, dilation: 2 },
    { kernel: 3, padding: 'valid' as const, stride: 2, dilation: 1 },
  ])('is the sum it says it is: %j', async (options) => {
    const [height, width, channels] = [6, 7, 2];
    const features = rows(5, height * width * channels);
    const data = numbers(features, [1, 2, 3, 4, 5]);
    const fitted = await once([reshape([height, width, channels]), conv2d(1, options), globalAveragePool()], data);
    const kernel = fitted.weights().get('conv2d/kernel')!;
    expect(kernel.shape).toEqual([options.kernel, options.kernel, channels, 1]);
    const { stride, dilation } = options;
    const reach = dilation * (options.kernel - 1) + 1;
    const padded = (size: number): number => {
      if (options.padding === 'valid') return 0;
      if (options.padding !== 'same') return options.padding;
      return Math.floor(Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size) / 2);
    };
    const count = (size: number): number =>
      options.padding === 'same'
        ? Math.ceil(size / stride)
        : Math.floor((size + 2 * (options.padding === 'valid' ? 0 : (options.padding as number)) - reach) / stride) + 1;
    const expected = features.map((image) => {
      let sum = 0;
      for (let i = 0; i < count(height); i++)
        for (let j = 0; j < count(width); j++)
          for (let a = 0; a < options.kernel; a++)
            for (let b = 0; b < options.kernel; b++)
              for (let c = 0; c < channels; c++) {
                const [y, x] = [i * stride + a * dilation - padded(height), j * stride + b * dilation - padded(width)];
                if (y < 0 || y >= height || x < 0 || x >= width) continue;
                sum += image[(y * width + x) * channels + c]! * kernel.values[(a * options.kernel + b) * channels + c]!;
              }
      return sum / (count(height) * count(width));
    });
    const found = await fitted.predict(features);
    expected.forEach((value, row) => {
      expect(found[row]).toBeCloseTo(value, 10);
    });
  });
});

describe('batch norm', () => {
  it('keeps running statistics, which inference uses', async () => {
    const features = rows(6, 2).map(([a, b]) => [3 + a!, 10 * b!]);
    const fitted = await once([batchNorm({ momentum: 0.8 }), dense(1, { bias: false })], numbers(features, [1, 2, 3, 4, 5, 6]));
    const weights = fitted.weights();
    const [mean, variance] = ['batchNorm/mean', 'batchNorm/variance'].map((name) => weights.get(name)!.values);
    for (const c of [0, 1]) {
      const column = features.map((row) => row[c]!);
      const average = column.reduce((a, b) => a + b) / 6;
      const unbiased = column.reduce((sum, x) => sum + (x - average) ** 2, 0) / 5;
      expect(mean![c]).toBeCloseTo(0.2 * average, 12);
      expect(variance![c]).toBeCloseTo(0.8 + 0.2 * unbiased, 12);
    }
    const kernel = weights.get('dense/kernel')!.values;
    const [x] = features as [number[]];
    const expected = [0, 1].reduce((sum, c) => sum + ((x[c]! - mean![c]!) / Math.sqrt(variance![c]! + 1e-5)) * kernel[c]!, 0);
    expect((await fitted.predict([x]))[0]).toBeCloseTo(expected, 10);
    expect(fitted.parameters).toBe(2 * 4 + 2);
  });

  it('is open to own layers: an untrained parameter gets a new value after each step', async () => {
    const steps = layer('steps', (x, { parameter, update }) => {
      const count = parameter('count', [1], zeros(), { trainable: false });
      update(count, (old) => old.add(1));
      return x.add(count.multiply(0));
    });
    const trainer = new Trainer({ model: sequential([steps, dense(1)]), loss: 'meanSquaredError', epochs: 3, batchSize: 2, seed: 1 });
    const fitted = await trainer.fit(numbers(rows(5, 2), [1, 2, 3, 4, 5]));
    expect(fitted.weights().get('steps/count')!.values[0]).toBe(9);
    const wrong = layer('wrong', (x, { parameter, update }) => {
      update(parameter('w', [1], zeros()), (old) => old.add(1));
      return x;
    });
    expect(() => shapeOf(wrong, [-1, 2])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });
});

describe('learning', () => {
  const digits = () => Dataset.builtin('digits');
  const block = (filters: number, stride = 1): Layer =>
    residual(
      [
        conv2d(filters, { kernel: 3, padding: 'same', stride, bias: false }),
        batchNorm(),
        activation('relu'),
        conv2d(filters, { kernel: 3, padding: 'same', bias: false }),
        batchNorm(),
      ],
      stride === 1 ? {} : { shortcut: sequential([conv2d(filters, { kernel: 1, stride, bias: false }), batchNorm()]) },
    );

  it('a small convolutional network learns the built-in digits', async () => {
    const { train, test } = (await digits()).split({ ratios: { train: 0.8, test: 0.2 }, seed: 2 });
    const fitted = await new Trainer({
      model: sequential([
        reshape([8, 8, 1]),
        conv2d(16, { kernel: 3, padding: 'same', activation: 'relu' }),
        maxPool2d({ size: 2 }),
        conv2d(32, { kernel: 3, padding: 'same', activation: 'relu' }),
        globalMaxPool(),
        dense(10),
      ]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate: 3e-3 }),
      metrics: ['accuracy'],
      epochs: 12,
      batchSize: 32,
      seed: 4,
    }).fit(train);
    expect((await fitted.evaluate(test)).accuracy).toBeGreaterThan(0.95);
  }, 120_000);

  it('a residual network of more than twenty layers with batch norm learns', async () => {
    const { train, test } = (await digits()).split({ ratios: { train: 0.5, test: 0.2 }, seed: 2 });
    const fitted = await new Trainer({
      model: sequential([
        reshape([8, 8, 1]),
        conv2d(8, { kernel: 3, padding: 'same', bias: false }),
        batchNorm(),
        activation('relu'),
        ...Array.from({ length: 5 }, () => block(8)),
        block(16, 2),
        ...Array.from({ length: 5 }, () => block(16)),
        globalAveragePool(),
        dense(10),
      ]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate: 3e-3 }),
      metrics: ['accuracy'],
      epochs: 4,
      batchSize: 32,
      seed: 4,
    }).fit(train);
    const losses = fitted.history.map((epoch) => epoch.train.loss!);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 3);
    // Around 0.85: which side of it is a matter of rounding.
    expect((await fitted.evaluate(test)).accuracy).toBeGreaterThan(0.75);
  }, 240_000);

  it('every norm trains', async () => {
    const data = (await digits()).take(200);
    for (const norm of [layerNorm(), rmsNorm(), groupNorm({ groups: 2 }), instanceNorm(), batchNorm({ scale: false, shift: false })]) {
      const fitted = await new Trainer({
        model: sequential([reshape([8, 8, 1]), conv2d(4, { kernel: 3 }), norm, activation('relu'), flatten(), dense(10)]),
        loss: 'crossEntropy',
        optimizer: adam({ learningRate: 1e-2 }),
        epochs: 5,
        seed: 4,
      }).fit(data);
      const losses = fitted.history.map((epoch) => epoch.train.loss!);
      expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    }
  }, 120_000);
});
