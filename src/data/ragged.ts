import { NablaError } from '../errors/index.js';
import { described, expectFinite, invalidData, isTypedArray, type Matrix, type NumberArray } from './features.js';

/** Sequences of different lengths as one matrix: each padded with 0 to the longest. */
export interface Ragged extends Matrix {
  /** Steps of each row. */
  readonly lengths: Uint32Array;
}

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value) || isTypedArray(value);

/** How many steps each row has, and the longest of them. */
const lengthsOf = (place: string, input: readonly unknown[], longest: number | undefined): { lengths: Uint32Array; time: number } => {
  const lengths = Uint32Array.from(input, (row, i) => {
    if (!isList(row)) throw invalidData(`${place}[${i}]`, 'a sequence: an array of numbers, or of arrays of numbers', described(row));
    if (row.length === 0) throw invalidData(`${place}[${i}]`, 'at least one step', 'none', 'Leave out empty sequences.');
    return row.length;
  });
  const most = lengths.reduce((a, b) => Math.max(a, b), 0);
  if (longest !== undefined && most > longest) {
    const row = lengths.indexOf(most);
    throw new NablaError({
      code: 'SHAPE_MISMATCH',
      message: `the sequence has ${most} steps, more than the longest allowed of ${longest}`,
      place: `${place}[${row}]`,
      expected: `at most ${longest} steps`,
      received: `${most} steps`,
      hint: 'Cut it, as in row.slice(-length), or fit on sequences as long as this.',
    });
  }
  return { lengths, time: longest ?? most };
};

/**
 * Reads rows of different lengths: `[[1, 2, 3], [4]]`, or with several numbers a step `[[[1, 2], [3, 4]], [[5, 6]]]`.
 * @param longest to which rows are padded; default the longest of them
 * @throws {NablaError} `INVALID_DATA`, `SHAPE_MISMATCH` or `NOT_FINITE` with the place, such as `features[3][2]`
 */
export const readRagged = (place: string, input: unknown, longest?: number): Ragged => {
  if (!Array.isArray(input) || input.length === 0) throw invalidData(place, 'an array of sequences', described(input));
  const { lengths, time } = lengthsOf(place, input, longest);
  const step: unknown = (input[0] as readonly unknown[])[0];
  const width = isList(step) ? step.length : undefined;
  if (width === 0) throw invalidData(`${place}[0][0]`, 'at least one number a step', 'none');
  const values = new Float64Array(input.length * time * (width ?? 1));
  (input as readonly (readonly unknown[])[]).forEach((row, i) => {
    const start = i * time * (width ?? 1);
    for (let t = 0; t < row.length; t++) {
      const where = `${place}[${i}][${t}]`;
      const value = row[t];
      if (width === undefined) {
        if (typeof value !== 'number') throw invalidData(where, 'a number, as the steps before it', described(value));
        values[start + t] = value;
        continue;
      }
      if (!isList(value) || value.length !== width) throw invalidData(where, `${width} numbers as in the first step`, described(value));
      for (let j = 0; j < width; j++) {
        const number = value[j];
        if (typeof number !== 'number') throw invalidData(`${where}[${j}]`, 'a number', described(number));
        values[start + t * width + j] = number;
      }
    }
  });
  const sampleShape = width === undefined ? [time] : [time, width];
  expectFinite(place, values, sampleShape);
  return { values, rows: input.length, sampleShape, lengths };
};

/** One class for each step of each row, padded like the features. */
export const readStepClasses = (
  place: string,
  input: readonly (readonly unknown[] | NumberArray)[],
  { lengths, sampleShape }: { readonly lengths: Uint32Array; readonly sampleShape: readonly number[] },
  given: readonly string[] | undefined,
): { readonly names: readonly string[]; readonly labels: Uint32Array } => {
  if (input.length !== lengths.length) throw invalidData(place, `${lengths.length} rows of classes`, `${input.length}`);
  const time = sampleShape[0] ?? 0;
  const names = given ?? [...new Set(input.flatMap((row) => Array.from(row as readonly unknown[], String)))].sort();
  const codes = new Map(names.map((name, code) => [name, code]));
  const labels = new Uint32Array(input.length * time);
  input.forEach((row, i) => {
    if (!isList(row) || row.length !== lengths[i]) throw invalidData(`${place}[${i}]`, `${lengths[i]} classes, one a step`, described(row));
    for (let t = 0; t < row.length; t++) {
      const code = codes.get(String(row[t]));
      if (code === undefined)
        throw invalidData(`${place}[${i}][${t}]`, `one of the classes ${names.slice(0, 20).join(', ')}`, described(row[t]));
      labels[i * time + t] = code;
    }
  });
  return { names, labels };
};
