import { NablaError } from '../errors/index.js';
import { native } from '../native/index.js';
import { columnsOfArrays, isArrayOfArrays, objectsOfArrays } from './parts.js';
import type { Column, SchemaPart } from './schema.js';

/** Typed arrays that travel without a conversion; others are read as doubles. */
export type FeatureArray = Float32Array | Float64Array | Uint8Array;

/** Any array of numbers with a length. */
export type NumberArray =
  | FeatureArray
  | Int8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | readonly number[];

/** One cell of a row given as an object; `null` and `undefined` are missing. */
export type Cell = number | string | boolean | null | undefined;

/** Rows of numbers; deeper nesting makes samples of more axes (images are `[height][width][channels]`). */
export type NestedRows = readonly (NumberArray | NestedRows)[];

/** Rows as objects, one key a column: a cell, or an array of the same shape in each row. */
export type ObjectRows = readonly Readonly<Record<string, Cell | NumberArray | NestedRows>>[];

/** An object of columns: cells, an array a row, or a flat array with its shape, rows first. */
export type Columns = Readonly<
  Record<string, readonly Cell[] | NumberArray | NestedRows | { readonly values: NumberArray; readonly shape: readonly number[] }>
>;

/** Features in any of the forms that are understood. */
export type Features = NumberArray | NestedRows | ObjectRows | Columns;

/** Features as one row-major matrix. */
export interface Matrix {
  readonly values: FeatureArray;
  readonly rows: number;
  readonly sampleShape: readonly number[];
  /** Present when the input names its columns. */
  readonly columns?: readonly Column[];
  /** Present when some of them are arrays. */
  readonly parts?: readonly SchemaPart[];
}

/** What is known beforehand about the matrix that is read. */
export interface Expected {
  /** Shape of a flat array, rows first. */
  readonly shape?: readonly number[] | undefined;
  /** Rows of a flat array without a shape. */
  readonly rows?: number | undefined;
  /** Shape of one sample of a flat array without a shape. */
  readonly sampleShape?: readonly number[] | undefined;
  /** Columns to look for, in this order; categories keep these levels. */
  readonly columns?: readonly Column[] | undefined;
  /** Arrays by name among them. */
  readonly parts?: readonly SchemaPart[] | undefined;
  /** Whether the numbers of a typed array are finite is found by who asks. */
  readonly unseen?: boolean;
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** A short description of a value, for error messages. */
export const described = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${'length' in value ? String(value.length) : value.byteLength}`;
  if (typeof value === 'string') return `${JSON.stringify(value)} (string)`;
  if (typeof value === 'function') return `a function${value.name ? ` "${value.name}"` : ''}`;
  if (typeof value === 'object') return `an object of ${value.constructor?.name ?? 'no class'}`;
  return typeof value === 'symbol' || typeof value === 'undefined' ? String(value) : `${String(value)} (${typeof value})`;
};

/** `INVALID_DATA` with the place and what came. */
export const invalidData = (place: string, expected: string, received: string, hint?: string): NablaError =>
  new NablaError({
    code: 'INVALID_DATA',
    message: `expected ${expected}, got ${received}`,
    place,
    expected,
    received,
    ...(hint ? { hint } : {}),
  });

const notFinite = (place: string, value: number): NablaError =>
  new NablaError({
    code: 'NOT_FINITE',
    message: `expected a finite number, got ${value}`,
    place,
    expected: 'a finite number',
    received: String(value),
    hint: 'Mark a missing cell with null; divide by zero or log of zero before this point?',
  });

/** Whether `value` is a typed array of numbers (BigInt arrays and DataView are not). */
export const isTypedArray = (value: unknown): value is Exclude<NumberArray, readonly number[]> =>
  ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array);

/** Whether `value` is an array or typed array, of whatever. */
export const isArrayLike = (value: unknown): value is readonly unknown[] => Array.isArray(value) || isTypedArray(value);

export const places = (place: string, index: number, sampleShape: readonly number[]): string => {
  const shape = [0, ...sampleShape];
  const parts: number[] = [];
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const size = shape[axis] ?? 1;
    parts.unshift(index % size);
    index = Math.floor(index / size);
  }
  return `${place}${[index, ...parts].map((i) => `[${i}]`).join('')}`;
};

/** Checks that every number is finite; `u8` always is. */
export const expectFinite = (place: string, values: FeatureArray, sampleShape: readonly number[]): void => {
  if (values instanceof Uint8Array) return;
  // Many numbers natively, in a twentieth of the time; the place is looked for here.
  if (values.length > 4096 && native().allFinite(values)) return;
  for (let i = 0; i < values.length; i++) {
    // x − x is NaN for NaN and ±∞ alike: one comparison an element.
    const value = values[i] as number;
    if (value - value !== 0) throw notFinite(places(place, i, sampleShape), value);
  }
};

const storage = (values: Exclude<NumberArray, readonly number[]>): FeatureArray => {
  if (values instanceof Float32Array || values instanceof Float64Array || values instanceof Uint8Array) return values;
  if (values instanceof Uint8ClampedArray) return new Uint8Array(values.buffer, values.byteOffset, values.length);
  return Float64Array.from(values);
};

export const fromFlat = (place: string, input: NumberArray, expected: Expected): Matrix => {
  let values: FeatureArray;
  if (isTypedArray(input)) {
    values = storage(input);
  } else {
    values = new Float64Array(input.length);
    for (let i = 0; i < input.length; i++) {
      const value: unknown = input[i];
      if (typeof value !== 'number') throw invalidData(`${place}[${i}]`, 'a number', described(value));
      values[i] = value;
    }
  }
  let { shape } = expected;
  if (shape === undefined && expected.sampleShape !== undefined) {
    const width = product(expected.sampleShape);
    shape = [values.length / width, ...expected.sampleShape];
  }
  if (shape === undefined && expected.rows !== undefined && expected.rows > 0) shape = [expected.rows, values.length / expected.rows];
  if (shape === undefined) {
    throw invalidData(place, 'a shape beside a flat array, such as shape: [rows, columns]', described(input));
  }
  if (!shape.every((size) => Number.isInteger(size) && size >= 0) || shape.length === 0 || product(shape) !== values.length) {
    throw new NablaError({
      code: 'SHAPE_MISMATCH',
      message: `${values.length} values do not fill the shape [${shape.join(', ')}]`,
      place,
      expected: `[${shape.join(', ')}], ${product(shape)} values`,
      received: `${values.length} values`,
    });
  }
  const [rows = 0, ...rest] = shape;
  const sampleShape = rest.length === 0 ? [1] : rest;
  if (!expected.unseen || !isTypedArray(input)) expectFinite(place, values, sampleShape);
  return { values, rows, sampleShape };
};

const shapeOf = (place: string, value: unknown): number[] => {
  const shape: number[] = [];
  for (let at: unknown = value; isArrayLike(at); at = at[0]) {
    if (at.length === 0) throw invalidData(place, 'at least one number a row', 'an empty array');
    shape.push(at.length);
  }
  return shape;
};

export const fromNested = (place: string, input: readonly unknown[]): Matrix => {
  const sampleShape = shapeOf(`${place}[0]`, input[0]);
  const values = new Float64Array(input.length * product(sampleShape));
  let at = 0;
  const read = (value: unknown, axis: number, where: () => string): void => {
    if (axis === sampleShape.length) {
      if (typeof value === 'number') {
        if (value - value !== 0) throw notFinite(where(), value);
        values[at++] = value;
      } else if (value === null) {
        values[at++] = Number.NaN;
      } else {
        throw invalidData(where(), 'a number, or null where it is missing', described(value));
      }
      return;
    }
    const size = sampleShape[axis] ?? 0;
    if (!isArrayLike(value)) throw invalidData(where(), `an array of ${size}`, described(value));
    if (value.length !== size) {
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        message: `expected ${size} values as in the first row, got ${value.length}`,
        place: where(),
        expected: `${size} values`,
        received: `${value.length} values`,
        hint: axis === 0 || sampleShape.length > 1 ? 'Sequences of different lengths are read with ragged: true.' : undefined,
      });
    }
    for (let i = 0; i < size; i++) read(value[i], axis + 1, () => `${where()}[${i}]`);
  };
  for (let row = 0; row < input.length; row++) read(input[row], 0, () => `${place}[${row}]`);
  return { values, rows: input.length, sampleShape };
};

/** Columns out of cells: all numbers and booleans make a number column, any text a category. */
const inferColumn = (name: string, rows: number, cell: (row: number) => Cell): Column => {
  const levels = new Set<string>();
  let text = false;
  for (let row = 0; row < rows; row++) {
    const value = cell(row);
    if (value === null || value === undefined) continue;
    if (typeof value === 'string') text = true;
    levels.add(String(value));
  }
  return text ? { name, kind: 'category', levels: [...levels].sort() } : { name, kind: 'number' };
};

export const fromCells = (
  rows: number,
  names: readonly string[],
  cell: (row: number, name: string) => Cell,
  where: (row: number, name: string) => string,
  known: readonly Column[] | undefined,
): Matrix => {
  const columns = known ?? names.map((name) => inferColumn(name, rows, (row) => cell(row, name)));
  const values = new Float64Array(rows * columns.length);
  columns.forEach((column, j) => {
    const codes = column.kind === 'category' ? new Map(column.levels.map((level, code) => [level, code])) : undefined;
    for (let row = 0; row < rows; row++) {
      const value = cell(row, column.name);
      let number: number;
      if (value === null || value === undefined) {
        number = Number.NaN;
      } else if (codes !== undefined) {
        const code = codes.get(String(value));
        if (code === undefined) {
          throw invalidData(where(row, column.name), `one of the levels ${[...codes.keys()].slice(0, 20).join(', ')}`, described(value));
        }
        number = code;
      } else if (typeof value === 'number' || typeof value === 'boolean') {
        number = Number(value);
        if (number - number !== 0) throw notFinite(where(row, column.name), number);
      } else {
        throw invalidData(where(row, column.name), 'a number', described(value));
      }
      values[row * columns.length + j] = number;
    }
  });
  return { values, rows, sampleShape: [columns.length], columns };
};

export const expectColumns = (place: string, names: readonly string[], known: readonly { readonly name: string }[] | undefined): void => {
  if (names.length === 0) throw invalidData(place, 'at least one column', 'none');
  if (known === undefined) return;
  const missing = known.filter(({ name }) => !names.includes(name)).map(({ name }) => JSON.stringify(name));
  if (missing.length > 0) {
    throw new NablaError({
      code: 'SHAPE_MISMATCH',
      message: `the column${missing.length > 1 ? 's' : ''} ${missing.slice(0, 10).join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing`,
      place,
      expected: known.map(({ name }) => name).join(', '),
      received: names.join(', '),
    });
  }
};

const isCell = (value: unknown): value is Cell =>
  value === null || value === undefined || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean';

const fromObjects = (place: string, input: readonly unknown[], expected: Expected): Matrix => {
  const first = input[0] as Record<string, unknown>;
  const names = Object.keys(first);
  const known = expected.columns;
  if (expected.parts !== undefined || names.some((name) => isArrayLike(first[name]))) return objectsOfArrays(place, input, expected);
  expectColumns(`${place}[0]`, names, known);
  const seen = new Set(names);
  input.forEach((row, i) => {
    if (typeof row !== 'object' || row === null || isArrayLike(row))
      throw invalidData(`${place}[${i}]`, 'an object as the first row', described(row));
    for (const [name, value] of Object.entries(row)) {
      if (!seen.has(name))
        throw invalidData(`${place}[${i}]`, `the columns of the first row (${names.join(', ')})`, `the column ${JSON.stringify(name)}`);
      if (!isCell(value))
        throw invalidData(`${place}[${i}].${name}`, 'a number, a string, a boolean, or null where it is missing', described(value));
    }
  });
  return fromCells(
    input.length,
    names,
    (row, name) => (input[row] as Record<string, Cell>)[name],
    (row, name) => `${place}[${row}].${name}`,
    known,
  );
};

const fromColumns = (place: string, input: Readonly<Record<string, unknown>>, expected: Expected): Matrix => {
  const names = Object.keys(input);
  const known = expected.columns;
  if (expected.parts !== undefined || names.some((name) => isArrayOfArrays(input[name]))) return columnsOfArrays(place, input, expected);
  expectColumns(place, names, known);
  let rows: number | undefined;
  for (const name of names) {
    const column = input[name];
    if (!isArrayLike(column)) throw invalidData(`${place}.${name}`, 'an array of cells', described(column));
    rows ??= column.length;
    if (column.length !== rows) throw invalidData(`${place}.${name}`, `${rows} cells as in the first column`, String(column.length));
    const wrong = Array.isArray(column) ? column.findIndex((value) => !isCell(value)) : -1;
    if (wrong >= 0)
      throw invalidData(
        `${place}.${name}[${wrong}]`,
        'a number, a string, a boolean, or null where it is missing',
        described(column[wrong]),
      );
  }
  return fromCells(
    rows ?? 0,
    names,
    (row, name) => (input[name] as readonly Cell[])[row],
    (row, name) => `${place}.${name}[${row}]`,
    known,
  );
};

/**
 * Reads features in any form into one row-major matrix. Numbers must be finite; `null` is a missing cell.
 * @throws {NablaError} `INVALID_DATA`, `SHAPE_MISMATCH` or `NOT_FINITE` with the place, such as `features[3][2]`.
 */
export const readFeatures = (place: string, input: unknown, expected: Expected = {}): Matrix => {
  let matrix: Matrix;
  if (isTypedArray(input)) {
    matrix = fromFlat(place, input, expected);
  } else if (Array.isArray(input)) {
    if (input.length === 0) throw invalidData(place, 'at least one row', 'none');
    const [first] = input as readonly unknown[];
    if (typeof first === 'number') matrix = fromFlat(place, input as readonly number[], expected);
    else if (isArrayLike(first)) matrix = fromNested(place, input);
    else if (typeof first === 'object' && first !== null) matrix = fromObjects(place, input, expected);
    else throw invalidData(`${place}[0]`, 'a row of numbers or an object of cells', described(first));
  } else if (typeof input === 'object' && input !== null && Object.getPrototypeOf(input) === Object.prototype) {
    matrix = fromColumns(place, input as Record<string, unknown>, expected);
  } else {
    throw invalidData(place, 'nested arrays, a typed array with a shape, rows as objects, or an object of columns', described(input));
  }
  if (matrix.rows === 0) throw invalidData(place, 'at least one row', 'none');
  return matrix;
};
