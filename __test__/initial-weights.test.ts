/** What each kind of layer starts from: the fans of its kernels by the conventions of Keras and PyTorch, moments and bounds, orthogonality. */
import { describe, expect, it } from 'vitest';
import { Dataset, sequential, Trainer } from '../src/index.js';
import { heNormal, orthogonal, xavierUniform } from '../src/initializers/index.js';
import {
  attention,
  conv1d,
  conv2d,
  convTranspose2d,
  dense,
  depthwiseConv2d,
  flatten,
  gru,
  type Layer,
  lstm,
  simpleRnn,
} from '../src/layers/index.js';
import { sgd } from '../src/optimizers/index.js';

/** The weights of one layer before any step, in double precision. */
const started = async (layer: Layer, shape: readonly number[]) => {
  const size = shape.reduce((a, b) => a * b, 1);
  const features = Float32Array.from({ length: 2 * size }, (_, i) => Math.sin(i));
  const data = Dataset.from({ features, shape: [2, ...shape], targets: [0, 1] });
  const model = sequential([layer, flatten(), dense(1, { name: 'end' })]);
  const recipe = { model, loss: 'meanSquaredError', epochs: 1, optimizer: sgd({ learningRate: 0 }), precision: 'f64', seed: 5 } as const;
  return (await new Trainer(recipe).fit(data)).weights();
};

const variance = (values: Float64Array): number => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
};

const he = { kernelInitializer: heNormal() };
const xavier = { kernelInitializer: xavierUniform() };
/** A layer by its initializer, the shape it takes, the name of its kernel, and the fans. */
const layers: readonly (readonly [string, (options: typeof he) => Layer, readonly number[], string, number, number])[] = [
  ['dense', (o) => dense(60, o), [90], 'dense/kernel', 90, 60],
  ['conv1d', (o) => conv1d(30, { kernel: 5, ...o }), [8, 20], 'conv1d/kernel', 100, 150],
  ['conv2d', (o) => conv2d(32, { kernel: 3, ...o }), [4, 4, 16], 'conv2d/kernel', 144, 288],
  // Of groups fan-in is what one output sees; fan-out counts the filters of all groups, as PyTorch and Keras do.
  ['conv2d in groups', (o) => conv2d(32, { kernel: 3, groups: 4, ...o }), [4, 4, 64], 'conv2d/kernel', 144, 288],
  ['depthwiseConv2d', (o) => depthwiseConv2d({ kernel: 5, multiplier: 4, ...o }), [5, 5, 64], 'depthwiseConv2d/kernel', 25, 6400],
  // [height, width, out, in], and so the fans change places, as in Keras and PyTorch.
  ['convTranspose2d', (o) => convTranspose2d(24, { kernel: 3, ...o }), [4, 4, 16], 'convTranspose2d/kernel', 216, 144],
  ['simpleRnn', (o) => simpleRnn(50, o), [3, 80], 'simpleRnn/kernel', 80, 50],
  // The gates lie side by side and count as outputs, as in Keras.
  ['lstm', (o) => lstm(20, o), [3, 60], 'lstm/kernel', 60, 80],
  ['gru', (o) => gru(20, o), [3, 60], 'gru/kernel', 60, 60],
];

describe.each(layers)('%s', (_, make, shape, name, fanIn, fanOut) => {
  it('He normal goes by its fan-in', async () => {
    const { values } = (await started(make(he), shape)).get(name)!;
    // The variance of n normal numbers has the relative error √(2/n).
    expect(Math.abs((variance(values) * fanIn) / 2 - 1)).toBeLessThan(4 * Math.sqrt(2 / values.length));
  });

  it('Xavier uniform goes by both', async () => {
    const { values } = (await started(make(xavier), shape)).get(name)!;
    const bound = Math.sqrt(6 / (fanIn + fanOut));
    const largest = Math.max(...values.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(bound * (1 - 20 / values.length));
    // Of the uniform distribution κ = 1.8: √((κ − 1)/n).
    expect(Math.abs((3 * variance(values)) / bound ** 2 - 1)).toBeLessThan(4 * Math.sqrt(0.8 / values.length));
  });
});

/** The largest element of WWᵀ − 1, or of WᵀW − 1 where there are more rows than columns. */
const fromOrthogonal = (shape: readonly number[], values: Float64Array): number => {
  const columns = shape.at(-1)!;
  const rows = values.length / columns;
  const at = (i: number, k: number) => (rows <= columns ? values[i * columns + k]! : values[k * columns + i]!);
  const [few, many] = [Math.min(rows, columns), Math.max(rows, columns)];
  let worst = 0;
  for (let i = 0; i < few; i++)
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? -1 : 0;
      for (let k = 0; k < many; k++) sum += at(i, k) * at(j, k);
      worst = Math.max(worst, Math.abs(sum));
    }
  return worst;
};

it.each<[string, Layer, readonly number[], string]>([
  ['dense, wide', dense(40, { kernelInitializer: orthogonal() }), [30], 'dense/kernel'],
  ['dense, tall', dense(30, { kernelInitializer: orthogonal() }), [40], 'dense/kernel'],
  ['conv2d', conv2d(20, { kernel: 3, kernelInitializer: orthogonal() }), [3, 3, 8], 'conv2d/kernel'],
  ['lstm, recurrent', lstm(24), [3, 5], 'lstm/recurrentKernel'],
  ['gru, recurrent', gru(24), [3, 5], 'gru/recurrentKernel'],
  ['simpleRnn, recurrent', simpleRnn(24), [3, 5], 'simpleRnn/recurrentKernel'],
])('%s is orthogonal to 1e-6', async (_, layer, shape, name) => {
  const weight = (await started(layer, shape)).get(name)!;
  expect(fromOrthogonal(weight.shape, weight.values)).toBeLessThan(1e-6);
});

it('biases start at 0, and attention by the fans of its projections', async () => {
  const weights = await started(attention({ heads: 4 }), [3, 48]);
  const bounds = { 'attention/kernel': [48, 144], 'attention/outputKernel': [48, 48] } as const;
  for (const [name, [fanIn, fanOut]] of Object.entries(bounds)) {
    const bound = Math.sqrt(6 / (fanIn + fanOut));
    const largest = Math.max(...weights.get(name)!.values.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.98 * bound);
  }
  for (const [name, { values }] of weights) if (/bias$/i.test(name)) expect(values.every((v) => v === 0)).toBe(true);
});
