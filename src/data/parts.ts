import { NablaError } from '../errors/index.js';
import {
  type Cell,
  described,
  type Expected,
  expectColumns,
  fromCells,
  fromFlat,
  fromNested,
  invalidData,
  isArrayLike,
  type Matrix,
  type NumberArray,
  places,
} from './features.js';
import type { Column, SchemaPart } from './schema.js';

/** Rows whose columns may be arrays: `{ pixels: [0, 0, 13, …], age: 42 }`. They lie side by side in one flat row. */

interface FlatColumn {
  readonly values: NumberArray;
  readonly shape: readonly number[];
}

const isFlatColumn = (column: unknown): column is FlatColumn =>
  typeof column === 'object' && column !== null && 'values' in column && 'shape' in column && Array.isArray(column.shape);

/** An array a row, or a flat array with its shape. */
export const isArrayOfArrays = (column: unknown): boolean => isFlatColumn(column) || (Array.isArray(column) && isArrayLike(column[0]));

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** One column: its values row by row, its shape, its columns by name. */
const read = (
  place: string,
  name: string,
  column: unknown,
  where: (row: number) => string,
  known: { readonly part: SchemaPart; readonly columns: readonly Column[] } | undefined,
): Matrix & { readonly part: SchemaPart } => {
  const array = isArrayOfArrays(column);
  if (known !== undefined && array !== known.part.shape.length > 0) {
    const expected = known.part.shape.length > 0 ? `an array [${known.part.shape.join(', ')}] a row` : 'one value a row';
    throw invalidData(`${place}.${name}`, expected, described(Array.isArray(column) ? column[0] : column));
  }
  if (!array) {
    const cells = column as readonly Cell[];
    const matrix = fromCells(cells.length, [name], (row) => cells[row], where, known?.columns);
    return { ...matrix, part: { name, shape: [] } };
  }
  const matrix = isFlatColumn(column)
    ? fromFlat(`${place}.${name}`, column.values, { shape: column.shape })
    : fromNested(`${place}.${name}`, column as readonly unknown[]);
  const shape = matrix.sampleShape;
  if (known !== undefined && known.part.shape.join() !== shape.join()) {
    throw new NablaError({
      code: 'SHAPE_MISMATCH',
      message: `the model was fitted on arrays [${known.part.shape.join(', ')}], these are [${shape.join(', ')}]`,
      place: `${place}.${name}`,
      expected: `[${known.part.shape.join(', ')}]`,
      received: `[${shape.join(', ')}]`,
    });
  }
  // `pixels[3]`, `image[0][2][1]`: what preparation and descriptions call them.
  const columns = Array.from({ length: size(shape) }, (_, i): Column => {
    const at = places('', i, shape);
    return { name: `${name}${at.slice(at.indexOf(']') + 1)}`, kind: 'number' };
  });
  return { ...matrix, columns, part: { name, shape } };
};

const join = (
  place: string,
  names: readonly string[],
  column: (name: string) => unknown,
  where: (row: number, name: string) => string,
  expected: Expected,
): Matrix => {
  const known = expected.parts;
  expectColumns(place, names, known);
  let at = 0;
  const blocks = (known?.map(({ name }) => name) ?? names).map((name) => {
    const part = known?.find((part) => part.name === name);
    const from = at;
    at += part === undefined ? 0 : size(part.shape);
    const own = part === undefined ? undefined : { part, columns: expected.columns?.slice(from, at) ?? [] };
    return read(place, name, column(name), (row) => where(row, name), own);
  });
  const rows = blocks[0]?.rows ?? 0;
  const odd = blocks.find((block) => block.rows !== rows);
  if (odd !== undefined) throw invalidData(`${place}.${odd.part.name}`, `${rows} rows as in the first column`, String(odd.rows));
  const width = blocks.reduce((sum, { sampleShape }) => sum + size(sampleShape), 0);
  const values = new Float64Array(rows * width);
  let start = 0;
  for (const block of blocks) {
    const own = size(block.sampleShape);
    for (let row = 0; row < rows; row++) values.set(block.values.subarray(row * own, (row + 1) * own), row * width + start);
    start += own;
  }
  return {
    values,
    rows,
    sampleShape: [width],
    columns: blocks.flatMap((block) => block.columns ?? []),
    parts: blocks.map(({ part }) => part),
  };
};

/** Rows as objects. */
export const objectsOfArrays = (place: string, input: readonly unknown[], expected: Expected): Matrix => {
  const names = Object.keys(input[0] as object);
  input.forEach((row, i) => {
    if (typeof row !== 'object' || row === null || isArrayLike(row))
      throw invalidData(`${place}[${i}]`, 'an object as the first row', described(row));
    const odd = Object.keys(row).find((name) => !names.includes(name)) ?? names.find((name) => !(name in row));
    if (odd !== undefined)
      throw invalidData(`${place}[${i}]`, `the columns of the first row (${names.join(', ')})`, `another set, see ${JSON.stringify(odd)}`);
  });
  const column = (name: string) => input.map((row) => (row as Record<string, unknown>)[name]);
  return join(place, names, column, (row, name) => `${place}[${row}].${name}`, expected);
};

/** An object of columns. */
export const columnsOfArrays = (place: string, input: Readonly<Record<string, unknown>>, expected: Expected): Matrix => {
  for (const [name, column] of Object.entries(input))
    if (!isArrayLike(column) && !isFlatColumn(column)) throw invalidData(`${place}.${name}`, 'an array of cells', described(column));
  return join(
    place,
    Object.keys(input),
    (name) => input[name],
    (row, name) => `${place}.${name}[${row}]`,
    expected,
  );
};
