import { expectOptions, isBoolean, isInteger, NablaError, optionsOf } from '../errors/index.js';
import { purged } from './purged.js';
import { expectRows } from './rows-to-split.js';
import type { RowsToSplit, Split, Splitter } from './splitter.js';

/** Options of `timeSeriesSplit`. */
export interface TimeSeriesSplitOptions {
  /** Number of splits. Default 5. */
  readonly k?: number;
  /** Rows left out between training and validation, so that overlapping windows do not leak. Default 0. */
  readonly gap?: number;
  /** Rows of each validation part. Default ⌊rows/(k + 1)⌋. */
  readonly validation?: number;
  /** Most rows to train on: the latest ones. Default: all that came before, or the first split's with `sliding`. */
  readonly window?: number;
  /** A window of constant length that slides, rather than one that grows. Default false. */
  readonly sliding?: boolean;
}
const timeSeriesSplitOptions = optionsOf('validation/timeSeriesSplit', {
  k: isInteger({ min: 1 }),
  gap: isInteger({ min: 0 }),
  validation: isInteger({ min: 1 }),
  window: isInteger({ min: 1 }),
  sliding: isBoolean,
});

const range = (from: number, to: number): Uint32Array => Uint32Array.from({ length: to - from }, (_, i) => from + i);

/**
 * Trains on the past and validates on what follows, k times: the last k blocks of rows are the validation parts, as in
 * scikit-learn's `TimeSeriesSplit`. Rows are in the order of time; nothing is shuffled.
 */
export const timeSeriesSplit = (options: TimeSeriesSplitOptions = {}): Splitter => {
  expectOptions('timeSeriesSplit', options, timeSeriesSplitOptions, timeSeriesSplit);
  const { k = 5, gap = 0, sliding = false } = options;
  return purged('timeSeriesSplit', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      expectRows('timeSeriesSplit', input, k + 1);
      const { rows } = input;
      const size = options.validation ?? Math.floor(rows / (k + 1));
      const first = rows - k * size - gap;
      if (first < 1) {
        throw new NablaError({
          code: 'INVALID_DATA',
          message: `${rows} rows leave nothing to train on before ${k} blocks of ${size} and a gap of ${gap}`,
          place: 'timeSeriesSplit.split',
          expected: `more than ${k * size + gap} rows`,
          received: `${rows} rows`,
        });
      }
      const window = options.window ?? (sliding ? first : Number.POSITIVE_INFINITY);
      for (let start = rows - k * size; start < rows; start += size) {
        const end = start - gap;
        yield { train: range(Math.max(0, end - window), end), validation: range(start, start + size) };
      }
    },
  });
};
