import { type Caller, type Check, isEither, isInteger, isListOf, isOneOf, NablaError } from '../errors/index.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';

/** `'valid'`: none, the output shrinks. `'same'`: zeros so that the output has ⌈size/stride⌉. A number: that many zeros on each side. */
export type Padding = 'valid' | 'same' | number;

/** Over time also `'causal'`: zeros before the first step only, so that no output looks at a later step. */
export type TimePadding = Padding | 'causal';

/** One number for all spatial axes, or one each. */
export type PerAxis = number | readonly number[];

export const isPadding: Check = isEither(isOneOf(['valid', 'same']), isInteger({ min: 0, max: 2 ** 20 }));

export const isTimePadding: Check = isEither(isOneOf(['valid', 'same', 'causal']), isInteger({ min: 0, max: 2 ** 20 }));

const isStep = isInteger({ min: 1, max: 2 ** 20 });

/** A whole number of at least 1, or a list of them: one for each of `axes`. */
export const isPerAxis =
  (axes: number): Check =>
  (value) => {
    const words = isEither(isStep, isListOf(isStep))(value);
    if (words !== undefined) return words;
    return Array.isArray(value) && value.length !== axes ? `to have one number for each of ${axes} axes` : undefined;
  };

/** One number an axis. */
export const perAxis = (value: PerAxis, axes: number): readonly number[] =>
  typeof value === 'number' ? Array.from({ length: axes }, () => value) : [...value];

/**
 * Zeros before and after each axis, `[before, after, before, …]`. `'same'` puts the odd one after, as TensorFlow does.
 *
 * @param reach what a window covers, dilation · (kernel − 1) + 1
 */
export const paddingOf = (
  padding: TimePadding,
  sizes: readonly number[],
  reach: readonly number[],
  stride: readonly number[],
): readonly number[] =>
  sizes.flatMap((size, axis) => {
    if (padding === 'valid') return [0, 0];
    if (padding === 'causal') return [reach[axis]! - 1, 0];
    if (padding !== 'same') return [padding, padding];
    const total = Math.max(0, (Math.ceil(size / stride[axis]!) - 1) * stride[axis]! + reach[axis]! - size);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  });

/**
 * What becomes of a mask over time under windows: a window counts that ends within the steps that count (with `'same'`, that begins at
 * one, with `'causal'` at its own step), so that padding a sequence more changes nothing.
 */
export const maskOfWindows = (x: Tensor, y: Tensor, reach: number, stride: number, padding: TimePadding): Tensor => {
  const { mask } = x;
  if (mask === undefined) return y;
  if (padding === 'causal' && stride === 1) return y.withMask(mask);
  const [time, after] = [x.shape[1]!, y.shape[1]!];
  const end = padding === 'same' || padding === 'causal' ? 0 : reach - 1 - (padding === 'valid' ? 0 : 2 * padding);
  const choice = Array.from({ length: time * after }, () => 0);
  for (let at = 0; at < after; at++) choice[Math.min(time - 1, Math.max(0, at * stride + end)) * after + at] = 1;
  const steps = mask.steps.matmul(traceOf(x).constant(choice, [time, after]));
  return y.withMask({ steps, prefix: mask.prefix });
};

/** The sizes between batch and channels. */
export const spatialSizes = (x: Tensor, axes: number, caller: Caller): readonly number[] => {
  if (x.rank === axes + 2 && x.shape.slice(1).every((size) => size > 0)) return x.shape.slice(1, -1);
  const names = ['time', 'height, width', 'depth, height, width'][axes - 1]!;
  throw new NablaError(
    {
      code: 'SHAPE_MISMATCH',
      place: traceOf(x).label,
      layer: traceOf(x).path,
      message: `x ${shapeText(x.shape)} is not [batch, ${names}, channels].`,
      expected: `[batch, ${names}, channels]`,
      received: shapeText(x.shape),
      hint: axes === 2 ? 'images get their axes by reshape([height, width, 1]).' : 'reshape([…]) gives the rows more axes.',
    },
    { caller },
  );
};
