import { expectOptions, isInteger, NablaError, optionsOf } from '../errors/index.js';
import { codesOf, expectRows, splitByFold } from './rows-to-split.js';
import type { RowsToSplit, Split, Splitter } from './splitter.js';

const without = (rows: number, validation: Uint32Array): Split => {
  const train = new Uint32Array(rows - validation.length);
  let held = 0;
  for (let row = 0; row < rows; row++) {
    if (row === validation[held]) held++;
    else train[row - held] = row;
  }
  return { train, validation };
};

/** Each row alone is `validation` once: as many fits as rows. */
export const leaveOneOut = (): Splitter => ({
  *split(input: RowsToSplit): Generator<Split, void, undefined> {
    expectRows('leaveOneOut', input, 2);
    for (let row = 0; row < input.rows; row++) yield without(input.rows, Uint32Array.of(row));
  },
});

/** Options of `leavePOut`. */
export interface LeavePOutOptions {
  /** Rows left out at a time. */
  readonly p: number;
}
const leavePOutOptions = optionsOf('validation/leavePOut', { p: isInteger({ min: 1 }) });

/** Each set of p rows is `validation` once, in lexicographic order: n!/(p!(n−p)!) fits. */
export const leavePOut = (options: LeavePOutOptions): Splitter => {
  expectOptions('leavePOut', options, leavePOutOptions, leavePOut);
  expectOptions('leavePOut', { p: options.p ?? 0 }, leavePOutOptions, leavePOut);
  const { p } = options;
  return {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      expectRows('leavePOut', input, p + 1);
      const { rows } = input;
      const chosen = Uint32Array.from({ length: p }, (_, i) => i);
      for (;;) {
        yield without(rows, chosen.slice());
        // The last place that can still move up moves, and those behind it follow.
        let place = p - 1;
        while (place >= 0 && chosen[place] === rows - p + place) place--;
        if (place < 0) return;
        const first = (chosen[place] ?? 0) + 1;
        for (let i = place; i < p; i++) chosen[i] = first + i - place;
      }
    },
  };
};

/** Each group is `validation` once. */
export const leaveOneGroupOut = (): Splitter => ({
  *split(input: RowsToSplit): Generator<Split, void, undefined> {
    expectRows('leaveOneGroupOut', input, 2);
    const codes = input.groups === undefined ? new Uint32Array(0) : codesOf('groups', input.groups, input.rows);
    const distinct = [...new Set(codes)].sort((a, b) => a - b);
    if (distinct.length < 2) {
      throw new NablaError({
        code: 'INVALID_DATA',
        message: `expected at least two groups, got ${distinct.length}`,
        place: 'leaveOneGroupOut.split: groups',
        expected: 'at least two groups',
        received: String(distinct.length),
      });
    }
    for (const group of distinct) yield splitByFold(codes, group);
  },
});
