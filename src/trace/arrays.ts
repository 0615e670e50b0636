import { NablaError, shown } from '../errors/index.js';

/** An array with its shape, row-major. */
export interface ArrayValue {
  readonly values: Float32Array | Float64Array;
  readonly shape: readonly number[];
}

type Flat = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

/** Numbers in nested arrays of one shape. */
export type Nested = readonly (number | Nested | Flat)[];

/** What stands for an array: a number, a typed array (one axis), nested arrays, or values with their shape. */
export type ArrayInput = number | Flat | Nested | { readonly values: Flat | readonly number[]; readonly shape: readonly number[] };

const isFlat = (value: unknown): value is Flat =>
  ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array);

const refused = (place: string, expected: string, value: unknown): NablaError =>
  new NablaError({
    code: 'INVALID_OPTION',
    place,
    message: `expected ${expected}, got ${shown(value)}.`,
    expected,
    received: shown(value),
  });

const misfit = (place: string, message: string): NablaError =>
  new NablaError({ code: 'SHAPE_MISMATCH', place, message, expected: 'one shape', received: message });

/** An array as the native side takes it. */
export interface Read {
  readonly values: Float64Array;
  readonly shape: readonly number[];
  /** Whether its numbers were single. */
  readonly single: boolean;
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const fromNested = (place: string, input: Nested): Read => {
  const shape: number[] = [];
  for (let at: unknown = input; Array.isArray(at) || isFlat(at); at = at[0]) shape.push(at.length);
  const values = new Float64Array(product(shape));
  let next = 0;
  let single = true;
  const read = (value: unknown, axis: number, where: string): void => {
    if (axis === shape.length) {
      if (typeof value !== 'number') throw refused(where, 'a number', value);
      values[next++] = value;
      return;
    }
    if (!Array.isArray(value) && !isFlat(value)) throw refused(where, `an array of ${shape[axis]}`, value);
    if (value.length !== shape[axis]) throw misfit(where, `${value.length} values, before there were ${shape[axis]}`);
    if (axis === shape.length - 1) single &&= value instanceof Float32Array;
    for (let i = 0; i < value.length; i++) read(value[i], axis + 1, `${where}[${i}]`);
  };
  read(input, 0, place);
  return { values, shape, single };
};

/**
 * Reads an array; every number is taken as it is, NaN and ±∞ too.
 * @throws {NablaError} `INVALID_OPTION`, `SHAPE_MISMATCH` with the place, such as `x[3][2]`
 */
export const readArray = (place: string, input: unknown): Read => {
  if (typeof input === 'number') return { values: Float64Array.of(input), shape: [], single: false };
  if (isFlat(input)) return { values: Float64Array.from(input), shape: [input.length], single: input instanceof Float32Array };
  if (Array.isArray(input)) return fromNested(place, input as Nested);
  if (typeof input === 'object' && input !== null && 'values' in input && 'shape' in input) {
    const { values, shape } = input;
    if (!(Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0)))
      throw refused(`${place}.shape`, 'whole sizes of at least 0', shape);
    if (!isFlat(values) && !Array.isArray(values)) throw refused(`${place}.values`, 'a typed array', values);
    const wrong = Array.isArray(values) ? values.findIndex((value) => typeof value !== 'number') : -1;
    if (wrong >= 0) throw refused(`${place}.values[${wrong}]`, 'a number', values[wrong]);
    if (values.length !== product(shape as number[]))
      throw misfit(place, `${values.length} values do not fill the shape [${shape.join(', ')}]`);
    return { values: Float64Array.from(values as ArrayLike<number>), shape: shape as number[], single: values instanceof Float32Array };
  }
  throw refused(place, 'a number, a typed array, nested arrays, or { values, shape }', input);
};

/** Cuts the outputs of a call apart. */
export const cut = (all: Float64Array, shapes: readonly (readonly number[])[], single: boolean): ArrayValue[] => {
  let at = 0;
  return shapes.map((shape) => {
    const part = all.subarray(at, (at += product(shape)));
    return { values: single ? Float32Array.from(part) : Float64Array.from(part), shape };
  });
};
