/** What TypeScript traces and calls, on the real addon. */
import { describe, expect, it } from 'vitest';
import { activationNames } from '../src/activations/index.js';
import type { NablaError } from '../src/errors/index.js';
import * as initializers from '../src/initializers/index.js';
import { dense, dropout, flatten, layer, reshape, residual, sequential } from '../src/layers/index.js';
import { lossNames } from '../src/losses/loss.js';
import { resolveLoss } from '../src/losses/resolve.js';
import {
  accuracy,
  balancedAccuracy,
  f1,
  fBeta,
  meanSquaredError,
  precision,
  r2,
  recall,
  rootMeanSquaredError,
} from '../src/metrics/index.js';
import { adam, sgd } from '../src/optimizers/index.js';
import { Trace } from '../src/trace/index.js';

const { ones, zeros } = initializers;
const notBuilt = ['triplet', 'contrastive', 'ctc'];

const caught = (run: () => unknown): NablaError => {
  try {
    run();
  } catch (error) {
    return error as NablaError;
  }
  throw new Error('expected an error');
};

/** The first frame of the stack. */
const top = (error: Error): string => error.stack?.split('\n').find((line) => line.startsWith('    at ')) ?? '';

describe('a trace', () => {
  it('gives the graph with its parameters by name', () => {
    const trace = new Trace();
    const scale = layer('scale', (x, { parameter }) => x.multiply(parameter('gain', [x.shape.at(-1)!], ones())));
    const model = sequential([dense(8, { activation: 'relu' }), dropout(0.2), residual([dense(8), scale()]), dense(3, { name: 'head' })]);
    const prediction = model(trace.input('features', [-1, 4]));
    expect(String(prediction)).toBe('Tensor [batch, 3]');
    expect(trace.lastLayer).toBe('head');
    const loss = resolveLoss('crossEntropy')(prediction, trace.input('targets', [-1], 'index'));
    expect(trace.lastLayer).toBe('head');
    const graph = JSON.parse(trace.finish({ prediction, loss })) as {
      parameters: { name: string; shape: number[]; decay: boolean; initializer: { kind: string } }[];
    };
    expect(graph.parameters.map(({ name, shape, decay, initializer }) => [name, shape, decay, initializer.kind])).toEqual([
      ['dense/kernel', [4, 8], true, 'heNormal'],
      ['dense/bias', [8], false, 'zeros'],
      ['residual/dense/kernel', [8, 8], true, 'xavierUniform'],
      ['residual/dense/bias', [8], false, 'zeros'],
      ['residual/scale/gain', [8], true, 'ones'],
      ['head/kernel', [8, 3], true, 'xavierUniform'],
      ['head/bias', [3], false, 'zeros'],
    ]);
  });

  it.each(activationNames)('knows the activation %s', (activation) => {
    expect(dense(4, { activation })(new Trace().input('features', [-1, 3])).shape).toEqual([-1, 4]);
  });

  it.each(lossNames.filter((name) => !notBuilt.includes(name)))('knows the loss %s: one value a row', (name) => {
    const trace = new Trace();
    const loss = resolveLoss(name);
    const target = trace.input('targets', loss.targets === 'classes' ? [-1] : [-1, 3]);
    expect(loss(trace.input('prediction', [-1, 3]), target).shape).toEqual([-1]);
  });

  it('knows the other operators', () => {
    const x = new Trace().input('features', [-1, 28, 28, 1]);
    expect(x.erf().sign().expm1().log1p().exp().log().sqrt().reciprocal().negate().shape).toEqual(x.shape);
    expect(x.divide(2).maximum(x).minimum(1).greater(0).less(x).equal(1).shape).toEqual(x.shape);
    expect([flatten()(x).shape, reshape([14, 56])(x).shape]).toEqual([
      [-1, 784],
      [-1, 14, 56],
    ]);
    expect([x.max().shape, x.sum([1, 2]).shape, x.mean(-1, { keepDims: true }).shape]).toEqual([[], [-1, 1], x.shape]);
    expect(x.reshape([-1, 784]).matmul(dense(2)(flatten()(x)), { transposeA: true }).rank).toBe(2);
  });
});

describe('an error of the addon', () => {
  it("names the layer and starts on the user's own line", () => {
    const bad = layer('bad', (x, { parameter }) => x.matmul(parameter('w', [4, 4], zeros())));
    const error = caught(() => sequential([dense(3), bad({ name: 'oops' })])(new Trace().input('features', [-1, 2])));
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'bad "oops"', layer: 'oops' });
    expect(error.message).toContain('inner sizes 3 and 4 differ');
    expect(top(error)).toContain('tracing.test.ts');
  });

  it.each([
    ['an axis that is not there', () => new Trace().input('x', [-1, 2]).mean(7), 'SHAPE_MISMATCH'],
    ['another number of elements', () => new Trace().input('x', [-1, 4]).reshape([-1, 3]), 'SHAPE_MISMATCH'],
    [
      'shapes that do not broadcast',
      () => dense(2)(new Trace().input('x', [-1, 4])).add(dense(3)(new Trace().input('x', [-1, 4]))),
      'INVALID_OPTION',
    ],
    ['a mean over the batch', () => new Trace().input('x', [-1, 2]).mean(), 'NOT_IMPLEMENTED'],
    ['no numbers', () => r2([1, Number.NaN], [1, 2]), 'NOT_FINITE'],
    ['weights of another length', () => accuracy([1, 2], [1, 2], { weights: [1] }), 'SHAPE_MISMATCH'],
    ['a shape that cannot be orthogonal', () => initializers.orthogonal().sample([4]), 'SHAPE_MISMATCH'],
  ])('has its code: %s', (_, run, code) => {
    const error = caught(run);
    expect(error).toMatchObject({ name: 'NablaError', code });
    expect(top(error)).toContain('tracing.test.ts');
  });
});

describe('instruments', () => {
  const makers = Object.entries(initializers).filter(([name]) => name !== 'constant' && name !== 'lsuv') as [
    string,
    () => initializers.Initializer,
  ][];
  it.each(makers)('%s draws the same values for the same seed', (_, make) => {
    const values = make().sample([5, 3], { seed: 1 });
    expect(values).toBeInstanceOf(Float32Array);
    expect(values).toHaveLength(15);
    expect(make().sample([5, 3], { seed: 1 })).toEqual(values);
    expect(Float32Array.from(make().sample([5, 3], { seed: 1, precision: 'f64' }))).toEqual(values);
  });

  it.each([
    // The first step of Adam is η·sign(g), up to ε.
    ['adam', adam(), 0.001],
    ['amsgrad', adam({ amsgrad: true }), 0.001],
    ['sgd', sgd(), 0.01],
    ['nesterov', sgd({ momentum: 0.9, nesterov: true }), 0.019],
  ])('%s takes its first step in place', (_, optimizer, size) => {
    for (const theta of [Float64Array.of(1, 2), Float32Array.of(1, 2)]) {
      optimizer.start<Float32Array | Float64Array>(theta).update(theta.map((_, i) => (i === 0 ? 1 : -1)));
      expect(theta[0]).toBeCloseTo(1 - size, 6);
      expect(theta[1]).toBeCloseTo(2 + size, 6);
    }
  });

  it('metrics are those of their formulas', () => {
    const [labels, predictions] = [
      ['a', 'b', 'c', 'a'],
      ['a', 'c', 'c', 'b'],
    ];
    // a: precision 1, recall ½; b: 0, 0; c: ½, 1.
    expect(accuracy(labels, predictions)).toBe(0.5);
    expect(precision(labels, predictions)).toBeCloseTo(0.5, 12);
    expect(recall(labels, predictions)).toBeCloseTo(0.5, 12);
    expect(balancedAccuracy(labels, predictions)).toBeCloseTo(0.5, 12);
    expect(f1(labels, predictions)).toBeCloseTo(4 / 9, 12);
    expect(fBeta(labels, predictions, { beta: 2, average: 'weighted' })).toBeCloseTo((2 * (5 / 9) + 5 / 6) / 4, 12);
    expect(f1([0, 1, 1], [1, 1, 1])).toBeCloseTo(0.8, 12);
    expect(f1([true, false], [true, true], { positive: false })).toBe(0);
    expect(accuracy(['x'], ['x'])).toBe(1);
    expect(r2([1, 2, 3], [1, 2, 4])).toBeCloseTo(0.5, 12);
    expect(rootMeanSquaredError([1, 2, 3], [1, 2, 4])).toBeCloseTo(Math.sqrt(1 / 3), 12);
    expect(meanSquaredError([1, 2], [1, 3], { weights: [1, 0] })).toBe(0);
    expect(
      meanSquaredError(
        [
          [1, 2],
          [3, 4],
        ],
        [
          [1, 2],
          [3, 6],
        ],
      ),
    ).toBe(1);
  });
});
