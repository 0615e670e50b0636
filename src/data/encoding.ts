import { expectArgument, isInteger, NablaError, nearest, shown } from '../errors/index.js';
import type { NumberArray } from './features.js';

/** Rows of texts and numbers; null is a missing cell. A column of texts holds categories. */
export type CategoryRows = readonly (readonly (string | number | null)[])[];

/** Levels learned from rows of texts. */
export interface FittedEncoding {
  /** The levels of each column in their order; null for a column of numbers, which stays as it is. */
  readonly levels: readonly (readonly string[] | null)[];
  /** The names of the columns that come out, by the place of the one that went in: `0=blue`, `0=red`, `1`. */
  readonly names: readonly string[];
  /**
   * Rows of numbers; a missing number, or number of a level, is NaN.
   * @throws {NablaError} `INVALID_DATA` with the cell, also of a level that `ordinal` has not seen
   */
  transform(matrix: CategoryRows): number[][];
  /** The texts again: of `oneHot` that of the greatest column above ½, else the level left out, or null; NaN becomes null. */
  inverse(matrix: readonly NumberArray[]): (string | number | null)[][];
}

/** How the columns of one category are written and read. */
interface Code {
  readonly width: number;
  readonly names: (column: string) => readonly string[];
  readonly write: (level: string | null, place: () => string) => readonly number[];
  readonly read: (values: ArrayLike<number>, at: number, place: () => string) => string | null;
}

const invalid = (place: string, expected: string, received: string, hint?: string): NablaError =>
  new NablaError({ code: 'INVALID_DATA', message: `expected ${expected}, got ${received}`, place, expected, received, hint });

const oneHotCode = (levels: readonly string[], drop: 'first' | 'binary' | undefined): Code => {
  const first = (drop === 'first' && levels.length > 1) || (drop === 'binary' && levels.length === 2) ? 1 : 0;
  const kept = levels.slice(first);
  return {
    width: kept.length,
    names: (column) => kept.map((level) => `${column}=${level}`),
    write: (level) => kept.map((own) => (own === level ? 1 : 0)),
    read: (values, at) => {
      let best = 0;
      for (let j = 1; j < kept.length; j++) if ((values[at + j] as number) > (values[at + best] as number)) best = j;
      if ((values[at + best] as number) > 0.5) return kept[best] ?? null;
      return first > 0 ? (levels[0] as string) : null;
    },
  };
};

const ordinalCode = (levels: readonly string[]): Code => {
  const codes = new Map(levels.map((level, code) => [level, code]));
  const known = levels.slice(0, 20).join(', ');
  return {
    width: 1,
    names: (column) => [column],
    write: (level, place) => {
      if (level === null) return [Number.NaN];
      const code = codes.get(level);
      if (code !== undefined) return [code];
      const meant = nearest(level, levels);
      throw invalid(place(), `a level seen at fit (${known})`, shown(level), meant === undefined ? undefined : `did you mean '${meant}'?`);
    },
    read: (values, at, place) => {
      const value = values[at] as number;
      if (Number.isNaN(value)) return null;
      const level = levels[value];
      if (level === undefined) throw invalid(place(), `the number of a level, 0 to ${levels.length - 1}`, String(value));
      return level;
    },
  };
};

/** Whether a matrix has texts, so that its levels are learned. */
export const hasTexts = (matrix: unknown): matrix is CategoryRows =>
  Array.isArray(matrix) && matrix.some((row) => Array.isArray(row) && row.some((cell) => typeof cell === 'string'));

const expectRow = (row: ArrayLike<unknown> | undefined, width: number, place: string): void => {
  const received = typeof row === 'object' && row !== null && 'length' in row ? row.length : undefined;
  if (received === width) return;
  throw new NablaError({
    code: 'SHAPE_MISMATCH',
    message: `expected rows of ${width} values, as at fit, got ${received === undefined ? shown(row) : received}`,
    place,
    expected: `${width} values a row`,
    received: received === undefined ? shown(row) : `${received} values a row`,
  });
};

/** An empty text is a missing cell, as in files. */
const isMissing = (cell: unknown): boolean => cell === null || cell === '';

/** Learns the levels of each column of texts, in sorted order. */
export const fitEncoding = (
  spec: { readonly kind: string; readonly drop?: 'first' | 'binary' },
  matrix: CategoryRows,
  given?: number,
): FittedEncoding => {
  if (given !== undefined) expectArgument(`${spec.kind}.fit`, 'width', given, isInteger({ min: 1 }));
  const width = given ?? (matrix[0] as readonly unknown[]).length;
  const texts = Array.from({ length: width }, () => new Set<string>());
  for (const [i, row] of matrix.entries()) {
    expectRow(row, width, `matrix[${i}]`);
    for (const [j, cell] of row.entries()) if (typeof cell === 'string' && cell !== '') (texts[j] as Set<string>).add(cell);
  }
  const levels = texts.map((found) => (found.size === 0 ? null : [...found].sort()));
  const code = (own: readonly string[]): Code => (spec.kind === 'oneHot' ? oneHotCode(own, spec.drop) : ordinalCode(own));
  const codes = levels.map((own) => (own === null ? null : code(own)));
  const prepared = codes.reduce((sum, own) => sum + (own?.width ?? 1), 0);

  const transform = (rows: CategoryRows): number[][] =>
    Array.from(rows, (row, i) => {
      expectRow(row, width, `matrix[${i}]`);
      return codes.flatMap((own, j) => {
        const cell = row[j];
        const place = (): string => `matrix[${i}][${j}]`;
        if (own !== null) {
          if (!isMissing(cell) && typeof cell !== 'string')
            throw invalid(
              place(),
              'a text, or null where it is missing',
              shown(cell),
              'Its column holds texts: write numbers among them as text.',
            );
          return own.write(isMissing(cell) ? null : (cell as string), place);
        }
        if (isMissing(cell)) return [Number.NaN];
        if (typeof cell !== 'number' || !Number.isFinite(cell))
          throw invalid(place(), 'a number, or null where it is missing', shown(cell));
        return [cell];
      });
    });
  // Numbers among texts, and numbers that are none, are found before anything is kept.
  transform(matrix);
  return Object.freeze({
    levels,
    names: codes.flatMap((own, j) => own?.names(String(j)) ?? [String(j)]),
    transform,
    inverse: (rows: readonly NumberArray[]) =>
      Array.from(rows, (row, i) => {
        expectRow(row, prepared, `matrix[${i}]`);
        let at = 0;
        return codes.map((own) => {
          const from = at;
          at += own?.width ?? 1;
          const value = row[from] as number;
          if (own !== null) return own.read(row, from, () => `matrix[${i}][${from}]`);
          return Number.isNaN(value) ? null : value;
        });
      }),
  });
};
