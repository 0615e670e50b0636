/** Values of the families: plain data with defaults, checked when they are made; and metrics on arrays up to the native call. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { NablaError } from '../src/errors/index.js';
import { constant, heNormal, type Initializer, normal, sparse, uniform, zeros } from '../src/initializers/index.js';
import { resolveInitializer } from '../src/initializers/initializer.js';
import { accuracy, confusionMatrix, f1, fBeta, meanSquaredError, r2 } from '../src/metrics/index.js';
import { metricDirection } from '../src/metrics/names.js';
import { resolveMetrics } from '../src/metrics/resolve.js';
import { adam, sgd } from '../src/optimizers/index.js';
import { resolveOptimizer } from '../src/optimizers/resolve.js';
import { choice, integer, logInteger, logUniform, uniform as uniformRange } from '../src/tuning/index.js';

/** Native calls, recorded. */
const calls: Record<string, unknown[][]> = {};
const recorded =
  <T>(name: string, result: T) =>
  (...args: unknown[]): T => {
    (calls[name] ??= []).push(args);
    return result;
  };
vi.mock('../src/native/index.js', async (original) => ({
  ...(await original<typeof import('../src/native/index.js')>()),
  callNative: (run: (binding: unknown) => unknown) =>
    run({
      metric: recorded('metric', 0.5),
      sampleInitializer: recorded('sampleInitializer', Float64Array.of(0.1, 0.2)),
      OptimizerState: class {
        constructor(...args: unknown[]) {
          recorded('OptimizerState', undefined)(...args);
        }
        update = recorded('update', undefined);
      },
    }),
}));
beforeEach(() => {
  for (const name of Object.keys(calls)) delete calls[name];
});

const option = (message: string): Error =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(message) }) as Error;

describe('initializers', () => {
  it('are plain data', () => {
    expect({ ...heNormal() }).toEqual({ kind: 'heNormal', negativeSlope: 0, mode: 'fanIn' });
    expect(JSON.stringify(constant(0.1))).toBe('{"kind":"constant","value":0.1}');
    expect(structuredClone(zeros())).toEqual({ kind: 'zeros' });
    expect(resolveInitializer('zeros')).toEqual(zeros());
  });

  it('draw natively, in single precision unless asked', () => {
    expect(heNormal().sample([784, 128], { seed: 1 })).toEqual(Float32Array.of(0.1, 0.2));
    expect(calls.sampleInitializer).toEqual([['{"kind":"heNormal","negativeSlope":0,"mode":"fanIn"}', [784, 128], 1]]);
    expect(zeros().sample([2], { precision: 'f64' })).toEqual(Float64Array.of(0.1, 0.2));
  });

  it.each<[string, () => Initializer | Float32Array, string]>([
    ['a mode', () => heNormal({ mode: 'fanin' as never }), "did you mean 'fanIn'?"],
    ['a deviation', () => normal({ deviation: -1 }), 'normal: expected deviation ≥ 0, got -1 (number).'],
    ['an order', () => uniform({ low: 1, high: 0 }), 'uniform: expected low ≤ high'],
    ['a share', () => sparse({ sparsity: 2 }), 'sparse: expected sparsity in [0, 1], got 2 (number).'],
    ['a value', () => constant(Number.NaN), 'constant: expected value to be a finite number, got NaN (number).'],
    ['a shape', () => zeros().sample([2, -1]), 'zeros.sample: expected shape'],
    ['a seed', () => zeros().sample([2], { seed: 0.5 }), 'zeros.sample: expected seed'],
  ])('refuse %s out of range', (_, run, message) => expect(run).toThrow(option(message)));
});

describe('optimizers', () => {
  it('are plain data with the defaults of their papers', () => {
    expect({ ...adam() }).toEqual({
      kind: 'adam',
      learningRate: 0.001,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      amsgrad: false,
      epsilonInRoot: false,
    });
    expect({ ...sgd({ momentum: 0.9, nesterov: true }) }).toEqual({
      kind: 'sgd',
      learningRate: 0.01,
      momentum: 0.9,
      dampening: 0,
      nesterov: true,
      lookAhead: false,
      rateInVelocity: false,
      weightDecay: 0,
    });
    expect(resolveOptimizer('adam')).toEqual(adam());
    expect(() => resolveOptimizer('adan' as never)).toThrow("did you mean 'adam'?");
  });

  it('step natively, in place', () => {
    const theta = Float64Array.of(1, 2);
    const run = adam().start(theta);
    run.update(Float64Array.of(0.1, 0.2));
    expect(run.theta).toBe(theta);
    expect(calls.OptimizerState).toEqual([[JSON.stringify(adam()), 2, 'f64']]);
    expect(calls.update).toEqual([[theta, Float64Array.of(0.1, 0.2)]]);
  });

  it.each([
    ['beta1', () => adam({ beta1: 1 }), 'adam: expected beta1 in [0, 1), got 1 (number).'],
    ['nesterov without momentum', () => sgd({ nesterov: true }), 'sgd: expected nesterov to go with momentum > 0'],
    ['an option of PyTorch', () => adam({ lr: 0.1 } as never), "adam: there is no option 'lr'."],
    ['theta', () => adam().start([1, 2] as never), 'adam.start: expected theta to be a Float32Array or a Float64Array'],
    [
      'a function',
      () =>
        adam()
          .start(new Float64Array(2))
          .update(() => ({ loss: 0, gradient: new Float64Array(2) })),
      'takes the gradient itself',
    ],
  ])('refuse %s', (_, run, message) => expect(run).toThrow(option(message)));

  it('refuse a gradient of another length', () => {
    expect(() => adam().start(new Float32Array(2)).update(new Float32Array(3))).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH', expected: 'Float32Array of 2', received: 'Float32Array of 3' }) as Error,
    );
  });
});

describe('metrics', () => {
  const asked = (): unknown[] => {
    const [spec, truth, prediction, width, classes, weights] = calls.metric!.at(-1)!;
    return [JSON.parse(spec as string), [...(truth as Float64Array)], [...(prediction as Float64Array)], width, classes, weights];
  };

  it('send two classes as one column', () => {
    expect(accuracy(['cat', 'dog', 'dog'], ['dog', 'dog', 'cat'])).toBe(0.5);
    expect(asked()).toEqual([{ kind: 'accuracy', name: 'accuracy' }, [0, 1, 1], [1, 1, 0], 1, 2, null]);
    f1([true, true], [true, true]);
    expect(asked().slice(1, 5)).toEqual([[1, 1], [1, 1], 1, 2]);
    f1([0, 0], [0, 0], { positive: 0 });
    expect(asked()).toEqual([{ kind: 'f1', name: 'f1', positive: 0 }, [0, 0], [0, 0], 1, 2, null]);
  });

  it('send more classes as one column each', () => {
    fBeta([10, 2, 30], [2, 2, 30], { beta: 2, average: 'macro', weights: [1, 2, 3] });
    expect(asked()).toEqual([
      { kind: 'fBeta', name: 'fBeta', beta: 2, average: 'macro' },
      [1, 0, 2],
      [1, 0, 0, 1, 0, 0, 0, 0, 1],
      3,
      3,
      Float64Array.of(1, 2, 3),
    ]);
  });

  it('send numbers row by row', () => {
    r2([1, 2], Float32Array.of(1, 3));
    expect(asked()).toEqual([{ kind: 'r2', name: 'r2' }, [1, 2], [1, 3], 1, 0, null]);
    meanSquaredError(
      [
        [1, 2],
        [3, 4],
      ],
      [
        [1, 2],
        [3, 5],
      ],
    );
    expect(asked().slice(1, 5)).toEqual([[1, 2, 3, 4], [1, 2, 3, 5], 2, 0]);
  });

  it('count the confusion matrix, truth down', () => {
    expect(confusionMatrix(['a', 'b', 'b', 'c'], ['a', 'b', 'c', 'c'])).toEqual({
      classes: ['a', 'b', 'c'],
      matrix: [
        [1, 0, 0],
        [0, 1, 1],
        [0, 0, 1],
      ],
    });
    expect(confusionMatrix([0, 1], [1, 1], { weights: [0.5, 2] }).matrix).toEqual([
      [0, 0.5],
      [0, 2],
    ]);
  });

  it.each([
    ['lengths', () => accuracy([1, 2], [1]), 'SHAPE_MISMATCH'],
    ['nothing', () => accuracy([], []), 'INVALID_DATA'],
    ['mixed labels', () => accuracy([1, 'a'] as never, [1, 'a'] as never), 'INVALID_DATA'],
    ['labels that are none', () => accuracy([Number.NaN], [1]), 'INVALID_DATA'],
    ['weights of another length', () => confusionMatrix([1], [1], { weights: [1, 2] }), 'SHAPE_MISMATCH'],
    ['a class that is not there', () => f1([0, 1], [0, 1], { positive: 7 }), 'INVALID_OPTION'],
    ['rows of two widths', () => r2([[1, 2], [3]], [[1, 2], [3]]), 'SHAPE_MISMATCH'],
    ['numbers of two lengths', () => r2([1, 2], [1]), 'SHAPE_MISMATCH'],
  ])('refuse %s', (_, run, code) => expect(run).toThrow(expect.objectContaining({ code }) as Error));

  it('become plain data in a recipe', () => {
    expect(resolveMetrics(['accuracy', ['fBeta', { beta: 2, average: 'macro', as: 'f2' }], ['r2', {}]])).toEqual([
      { kind: 'accuracy', name: 'accuracy' },
      { kind: 'fBeta', name: 'f2', beta: 2, average: 'macro' },
      { kind: 'r2', name: 'r2' },
    ]);
    expect([metricDirection('accuracy'), metricDirection('meanSquaredError'), metricDirection('loss')]).toEqual(['max', 'min', 'min']);
  });

  it.each([
    ['an unknown name', ['acuracy'], "did you mean 'accuracy'?"],
    ['an unknown option', [['fBeta', { betta: 2 }]], "did you mean 'beta'?"],
    ['a value out of range', [['fBeta', { beta: 0 }]], 'metrics: fBeta: expected beta above 0, got 0 (number).'],
    ['one name twice', ['f1', ['f1', { average: 'micro' }]], "metrics: two metrics are called 'f1'."],
    ['the name loss', [['f1', { as: 'loss' }]], "a metric cannot be called 'loss'"],
    ['what is no list', 'accuracy', 'to be an array'],
    ['what is no metric', [3], 'expected a metric to be'],
  ])('refuse %s in a recipe', (_, metrics, message) => {
    expect(() => resolveMetrics(metrics as never)).toThrow(NablaError);
    expect(() => resolveMetrics(metrics as never)).toThrow(message);
  });
});

describe('spaces', () => {
  it('are plain data', () => {
    expect(uniformRange(0, 0.5)).toEqual({ kind: 'uniform', low: 0, high: 0.5 });
    expect(logInteger(8, 1024)).toEqual({ kind: 'logInteger', low: 8, high: 1024 });
    expect(choice([16, 32])).toEqual({ kind: 'choice', values: [16, 32] });
  });

  it.each([
    ['log of 0', () => logUniform(0, 1), 'logUniform: expected low above 0, got 0 (number).'],
    ['log of 0 integers', () => logInteger(0, 8), 'logInteger: expected low to be a whole number ≥ 1'],
    ['halves', () => integer(0.5, 2), 'integer: expected low to be a whole number'],
    ['the wrong order', () => uniformRange(2, 1), 'uniform: expected low ≤ high, got 2 and 1.'],
    ['no choice', () => choice([]), 'choice: expected values to be an array of at least one'],
  ])('refuse %s', (_, run, message) => expect(run).toThrow(option(message)));
});
