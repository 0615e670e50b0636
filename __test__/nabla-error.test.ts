import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  codes,
  expectInteger,
  expectNumber,
  expectOneOf,
  expectOptions,
  isNumber,
  NablaError,
  nearest,
  notImplemented,
} from '../src/errors/index.js';

describe('NablaError', () => {
  it('is printed with code, place and hint', () => {
    const error = new NablaError({ code: 'SHAPE_MISMATCH', place: 'dense "head"', message: "a · b don't fit.", hint: 'look at a.' });
    expect(String(error)).toBe('NablaError [SHAPE_MISMATCH] dense "head": a · b don\'t fit.\n  Hint: look at a.');
    expect(inspect(error).startsWith(String(error))).toBe(true);
    expect(error.name).toBe('NablaError');
    expect(Object.keys(error)).toEqual(['code', 'place', 'hint']);
    expect(error).toBeInstanceOf(Error);
  });

  it('comes from the JSON of the native side', () => {
    const json = { code: 'NOT_FINITE', place: 'step 3', expected: 'a finite loss', received: 'NaN', hint: 'scale the inputs' };
    const error = NablaError.fromNative(JSON.stringify({ ...json, message: 'loss is NaN' }), { layer: 'residual/dense', step: 3 });
    expect(error).toMatchObject({ ...json, message: 'step 3: loss is NaN\n  Hint: scale the inputs', layer: 'residual/dense', step: 3 });
  });

  it('keeps its cause, also when more is known', () => {
    const cause = new Error('deeper');
    const error = new NablaError({ code: 'IO', message: 'no' }, { cause }).with({ place: 'a.csv' });
    expect(error).toMatchObject({ cause, place: 'a.csv', message: 'a.csv: no' });
    expect('cause' in new NablaError({ code: 'IO', message: 'no' })).toBe(false);
  });

  it('says the place once', () => {
    expect(new NablaError({ code: 'IO', place: 'a.csv', message: 'a.csv: gone' }).message).toBe('a.csv: gone');
  });

  it('has a stack that starts after the function that was called', () => {
    const outer = (): never => {
      throw new NablaError({ code: 'INTERNAL', message: 'x' }, { caller: outer });
    };
    const called = (): unknown => outer();
    try {
      called();
      expect.unreachable();
    } catch (error) {
      const frames = (error as Error).stack!.split('\n').filter((line) => line.startsWith('    at '));
      expect(frames[0]).toContain('called');
      expect(frames.length).toBeLessThanOrEqual(Error.stackTraceLimit);
    }
  });
});

describe('options', () => {
  const spec = { rate: isNumber({ min: 0, below: 1 }), size: isNumber({ above: 0 }), health: 'planned' } as const;
  it.each([
    [{ rate: 1 }, 'dropout: expected rate in [0, 1), got 1 (number).'],
    [{ rate: Number.NaN }, 'dropout: expected rate in [0, 1), got NaN (number).'],
    [{ rate: null }, 'dropout: expected rate in [0, 1), got null.'],
    [{ size: 0 }, 'dropout: expected size above 0, got 0 (number).'],
    [{ raet: 0.5 }, "dropout: there is no option 'raet'.\n  Hint: did you mean 'rate'?"],
    [{ patience: 1 }, "dropout: there is no option 'patience'.\n  Hint: its options are rate, size, health."],
    [null, "dropout: expected the options to be an object with 'rate', 'size' or 'health', got null."],
    [[0.5], "dropout: expected the options to be an object with 'rate', 'size' or 'health', got [0.5] (array)."],
  ])('refuses %o', (options, message) => {
    expect(() => expectOptions('dropout', options, spec)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message }) as Error);
  });

  it('takes undefined for not given, and says what is not built', () => {
    expect(() => expectOptions('dropout', { rate: undefined, health: undefined }, spec)).not.toThrow();
    expect(() => expectOptions('dropout', { health: true }, spec)).toThrow(expect.objectContaining({ code: 'NOT_IMPLEMENTED' }) as Error);
  });

  it('has no way round through the prototype', () => {
    expect(() => expectOptions('dropout', JSON.parse('{"constructor": 1}'), spec)).toThrow(NablaError);
    expect(() => expectOptions('dropout', JSON.parse('{"__proto__": 1}'), spec)).toThrow(NablaError);
  });

  it('checks single values', () => {
    expect(expectInteger('kFold: k', 3, { min: 2 })).toBe(3);
    expect(() => expectInteger('kFold: k', 1, { min: 2 })).toThrow('kFold: expected k to be a whole number ≥ 2, got 1 (number).');
    expect(() => expectNumber('x', Number.POSITIVE_INFINITY)).toThrow('x: expected x to be a finite number, got Infinity (number).');
    expect(() => expectOneOf('split: unit', 'rwos', ['rows', 'share'])).toThrow("did you mean 'rows'?");
  });

  it('refuses anything that is no object, by a coded error', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        try {
          expectOptions('x', value, spec);
        } catch (error) {
          expect(error).toBeInstanceOf(NablaError);
        }
      }),
    );
  });
});

describe('nearest', () => {
  it.each([
    ['rleu', 'relu'],
    ['Adam', 'adam'],
    ['crossentropy', 'crossEntropy'],
    ['accuraccy', 'accuracy'],
    ['xyz', undefined],
    ['', undefined],
  ])('%s → %s', (name, expected) => {
    expect(nearest(name, ['relu', 'adam', 'crossEntropy', 'accuracy'])).toBe(expected);
  });
});

it('notImplemented names what is missing', () => {
  expect(() => notImplemented('layers/conv2d')).toThrow(
    expect.objectContaining({ code: 'NOT_IMPLEMENTED', place: 'layers/conv2d' }) as Error,
  );
  expect(new Set(codes).size).toBe(codes.length);
});
