import { beforeEach, describe, expect, it, vi } from 'vitest';
import { NablaError } from '../src/errors/index.js';
import { ones, zeros } from '../src/initializers/index.js';
import {
  activation,
  add,
  dense,
  dropout,
  flatten,
  type Layer,
  layer,
  type Model,
  network,
  reshape,
  residual,
  sequential,
} from '../src/layers/index.js';
import { type Tensor, Trace } from '../src/trace/index.js';
import { idOf } from '../src/trace/tensor.js';
import { eagerBinding } from './eager-builder.js';

let eager = eagerBinding();
vi.mock('../src/native/index.js', async (original) => {
  const actual = await original<typeof import('../src/native/index.js')>();
  return {
    ...actual,
    callNative: (run: (binding: unknown) => unknown, caller?: never) => {
      try {
        return run(eager.binding);
      } catch (error) {
        if (error instanceof NablaError || !(error instanceof Error)) throw error;
        throw actual.nativeError(error.message, caller);
      }
    },
  };
});

beforeEach(() => {
  eager = eagerBinding();
});

const traced = (model: Model, shape: number[] = [-1, 4], trace = new Trace()): Tensor =>
  (model as (x: Tensor) => Tensor)(trace.input('features', shape));
const paths = (model: Model, shape?: number[]): string[] => {
  traced(model, shape);
  return eager.record.parameters.map(({ path }) => path);
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
/** The line of this file on which the stack starts, as it was written. */
const userLine = (error: Error): string => {
  const frame = error.stack?.split('\n').find((line) => line.startsWith('    at ')) ?? '';
  return frame;
};

describe('names', () => {
  it('numbers the layers of a kind', () => {
    expect(paths(sequential([dense(8), dense(8, { bias: false }), dense(2)]))).toEqual([
      'dense/kernel',
      'dense/bias',
      'dense2/kernel',
      'dense3/kernel',
      'dense3/bias',
    ]);
  });

  it("takes the user's name, and numbers it when it is taken", () => {
    const named = () => dense(4, { bias: false, name: 'head' });
    expect(paths(sequential([named(), dense(4, { bias: false }), named()]))).toEqual(['head/kernel', 'dense/kernel', 'head2/kernel']);
  });

  it('nests what has a level of its own, and nothing else', () => {
    const block = residual([sequential([dense(4, { bias: false })]), dense(4, { bias: false })]);
    const model = sequential([dense(4, { bias: false }), block, sequential([dense(4, { bias: false })], { name: 'tail' })]);
    expect(paths(model)).toEqual(['dense/kernel', 'residual/dense/kernel', 'residual/dense2/kernel', 'tail/dense/kernel']);
  });

  it('starts over in each trace', () => {
    const model = sequential([dense(3), dense(3)]);
    const first = paths(model);
    eager = eagerBinding();
    expect(paths(model)).toEqual(first);
  });
});

describe('sharing', () => {
  it('shares the parameters of one instance called twice', () => {
    const shared = dense(4, { bias: false });
    expect(paths(sequential([shared, shared, dense(4, { bias: false })]))).toEqual(['dense/kernel', 'dense2/kernel']);
  });

  it('shares what a layer makes anew in each call', () => {
    const block = layer('block', (x) => dense(4, { bias: false })(dense(4, { bias: false })(x)));
    expect(paths(sequential([block, block, block()]))).toEqual([
      'block/dense/kernel',
      'block/dense2/kernel',
      'block2/dense/kernel',
      'block2/dense2/kernel',
    ]);
  });

  it('matches new layers between known ones by their place', () => {
    const outside = dense(4, { bias: false, name: 'outside' });
    const block = layer('block', (x) => dense(4, { bias: false })(outside(dense(4, { bias: false })(x))));
    expect(paths(sequential([block, block]))).toEqual(['block/dense/kernel', 'block/outside/kernel', 'block/dense2/kernel']);
  });

  it('shares across nesting, and through network and sequential', () => {
    const shared = dense(4, { bias: false });
    const net = network((x) => dense(4, { bias: false })(shared(x)));
    expect(paths(sequential([residual([shared]), net as Layer, net as Layer]))).toEqual(['residual/dense/kernel', 'dense/kernel']);
  });

  it('refuses to share between inputs of different widths', () => {
    const shared = dense(3);
    const error = caught(() => traced(sequential([shared, shared])));
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'dense', layer: 'dense' });
    expect(error.message).toContain('[4, 3] and is now asked for with [3, 3]');
  });
});

describe('layers', () => {
  it('dense computes x·W + b', () => {
    eager = eagerBinding({ features: [1, 2, 3, 4, 5, 6] });
    const y = traced(dense(2, { biasInitializer: ones() }), [-1, 2]);
    expect(y.shape).toEqual([-1, 2]);
    // kernel [[0, 0.1], [0.2, 0.3]]
    const expected = [1.4, 1.7, 1.8, 2.5, 2.2, 3.3];
    eager.valueOf(idOf(y)).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 12);
    });
  });

  it.each([
    ['relu', 'heNormal'],
    ['gelu', 'heNormal'],
    ['selu', 'lecunNormal'],
    ['tanh', 'xavierUniform'],
    [undefined, 'xavierUniform'],
  ] as const)('starts the kernel of a dense layer with %s by %s', (name, kind) => {
    const x = new Trace().input('features', [-1, 4]);
    try {
      dense(3, name === undefined ? {} : { activation: name })(x);
    } catch (error) {
      // gelu is not in the eager builder
      if ((error as NablaError).code !== 'INTERNAL') throw error;
    }
    expect(eager.record.parameters[0]?.kind).toBe(kind);
  });

  it('leaves biases out of weight decay', () => {
    traced(dense(3));
    expect(eager.record.parameters.map(({ decay }) => decay)).toEqual([true, false]);
  });

  it('gives prelu a slope a channel', () => {
    traced(dense(3, { activation: 'prelu' }));
    expect(eager.record.parameters.at(-1)).toEqual({ path: 'dense/slope', shape: [3], kind: 'constant', decay: false });
  });

  it('reshapes', () => {
    expect(traced(reshape([2, 2])).shape).toEqual([-1, 2, 2]);
    expect(traced(sequential([reshape([2, 2]), flatten()])).shape).toEqual([-1, 4]);
  });

  it('adds branches of one shape only', () => {
    expect(userLine(caught(() => traced(residual([dense(1)]))))).toContain('layers.test.ts');
    const x = new Trace().input('features', [-1, 4]);
    expect(add()([x, x, x]).shape).toEqual([-1, 4]);
    expect(caught(() => add({ name: 'sum' })(x, dense(1)(x)))).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'add "sum"' });
    expect(caught(() => traced(residual([dense(1)])))).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'residual' });
    expect(traced(residual([dense(2)], { shortcut: dense(2) })).shape).toEqual([-1, 2]);
  });

  it('traces an operator by exactly one native call', () => {
    const x = new Trace().input('features', [-1, 4]);
    for (const y of [
      () => x.add(x),
      () => x.multiply(0.5),
      () => x.relu(),
      () => x.sum(-1),
      () => x.softmax(),
      () => x.reshape([-1, 2, 2]),
    ]) {
      const before = eager.record.applied.length;
      y();
      expect(eager.record.applied.length - before).toBe(1);
    }
  });

  it('gives several outputs by name', () => {
    const model = network((x) => ({ digit: dense(10)(x), parity: dense(1)(x) }));
    const outputs = model(new Trace().input('features', [-1, 4]));
    expect(outputs.digit.shape).toEqual([-1, 10]);
    expect(outputs.parity.shape).toEqual([-1, 1]);
  });

  it('takes several inputs by name', () => {
    const trace = new Trace();
    const model = network<{ a: Tensor; b: Tensor }>(({ a, b }) => dense(2)(a.add(b)));
    expect(model({ a: trace.input('a', [-1, 4]), b: trace.input('b', [-1, 4]) }).shape).toEqual([-1, 2]);
  });

  it('names a layer by its kind or by the user', () => {
    expect([dense(1).name, dense(1, { name: 'head' }).name, dropout(0.1).name, sequential([dense(1)]).name]).toEqual([
      'dense',
      'head',
      'dropout',
      'sequential',
    ]);
  });

  it('runs a layer of a user, and makes another of it', () => {
    const scale = layer('scale', (x, { parameter, path }) => {
      expect(path).toBe('scale');
      return x.multiply(parameter('gain', [x.shape.at(-1)!], ones()));
    });
    expect(traced(scale).shape).toEqual([-1, 4]);
    expect(eager.record.parameters).toEqual([{ path: 'scale/gain', shape: [4], kind: 'ones', decay: true }]);
    expect(scale({ name: 'other' }).name).toBe('other');
  });
});

describe('errors', () => {
  it("start on the user's own line and name the layer", () => {
    const wrong = layer('wrong', (x, { parameter }) => x.matmul(parameter('w', [3, 2], zeros())));
    const error = caught(() => traced(sequential([dense(8), wrong({ name: 'mine' })])));
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'wrong "mine"', layer: 'mine' });
    expect(userLine(error)).toContain('layers.test.ts');
    expect(String(error)).toMatch(/^NablaError \[SHAPE_MISMATCH\] wrong "mine": x \[-1, 8\] · kernel \[3, 2\] don't fit/);
    expect(error.stack?.startsWith('NablaError [SHAPE_MISMATCH] wrong "mine": ')).toBe(true);
  });

  it.each([
    ['dense units', () => dense(0), 'dense: expected units to be a whole number ≥ 1, got 0 (number).'],
    ['dense units of another type', () => dense('8' as never), 'dense: expected units to be a whole number ≥ 1, got "8" (string).'],
    ['a rate', () => dropout(1.5, { name: 'drop1' }), 'dropout "drop1": expected rate in [0, 1), got 1.5 (number).'],
    [
      'an unknown option',
      () => dense(8, { activaton: 'relu' } as never),
      "dense: there is no option 'activaton'.\n  Hint: did you mean 'activation'?",
    ],
    ['a wrong name', () => dense(8, { activation: 'rleu' as never }), "Hint: did you mean 'relu'?"],
    ['an unknown initializer', () => dense(8, { kernelInitializer: 'heNormall' as never }), "Hint: did you mean 'heNormal'?"],
    ['options that are none', () => dense(8, 'relu' as never), 'dense: expected the options to be an object'],
    ['an activation for a layer', () => sequential([dense(8), 'relu' as never]), "an activation is written activation('relu')"],
    ['no layers', () => sequential([]), 'sequential: expected at least one layer'],
    ['data for a layer', () => dense(8)([1, 2] as never), 'dense: expected a Tensor, got [1, 2] (array).'],
    ['a shape', () => reshape([2, 0]), 'reshape: expected shape every item to be a whole number ≥ 1, got [2, 0] (array).'],
    ['an activation', () => activation('swish' as never), 'activation: expected the activation to be '],
  ])('say what is wrong with %s', (_, run, message) => {
    const error = caught(run);
    expect(error.code).toBe('INVALID_OPTION');
    expect(error.message).toContain(message);
    expect(userLine(error)).toContain('layers.test.ts');
  });

  it('tell a layer that is returned from one that is called', () => {
    expect(caught(() => traced(network(() => dense(1) as never))).message).toContain('call it, as in dense(8)(x)');
    expect(caught(() => traced(layer('mine', (() => undefined) as never))).message).toContain('is a return missing?');
  });

  it('refuse a Tensor of another trace', () => {
    const other = new Trace().input('features', [-1, 4]);
    expect(caught(() => traced(layer('mine', (x) => x.add(other))))).toMatchObject({ code: 'INVALID_OPTION', place: 'mine' });
  });

  it('refuse vectors without an axis of features', () => {
    expect(caught(() => traced(dense(2, { name: 'head' }), [-1]))).toMatchObject({
      code: 'SHAPE_MISMATCH',
      place: 'dense "head"',
      received: '[batch]',
    });
  });
});
