import { expectOptions, isBoolean, isInteger, optionsOf } from '../errors/index.js';
import { purged } from './purged.js';
import { expectGroups, expectRows, groupsToKeep, splitByFold } from './rows-to-split.js';
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
export const leaveOneOut = (): Splitter =>
  purged('leaveOneOut', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      expectRows('leaveOneOut', input, 2);
      for (let row = 0; row < input.rows; row++) yield without(input.rows, Uint32Array.of(row));
    },
  });

/** Options of `leavePOut`. */
export interface LeavePOutOptions {
  /** Rows (or groups) left out at a time. */
  readonly p: number;
  /** Leaves out whole groups, as scikit-learn's `LeavePGroupsOut`. Default false. */
  readonly groups?: boolean;
}
const leavePOutOptions = optionsOf('validation/leavePOut', { p: isInteger({ min: 1 }), groups: isBoolean });

/** Each set of p of n numbers, in lexicographic order. */
function* combinations(n: number, p: number): Generator<Uint32Array, void, undefined> {
  const chosen = Uint32Array.from({ length: p }, (_, i) => i);
  for (;;) {
    yield chosen.slice();
    // The last place that can still move up moves, and those behind it follow.
    let place = p - 1;
    while (place >= 0 && chosen[place] === n - p + place) place--;
    if (place < 0) return;
    const first = (chosen[place] ?? 0) + 1;
    for (let i = place; i < p; i++) chosen[i] = first + i - place;
  }
}

/** Codes of the groups, and the distinct ones ascending; at least `least` of them. */
const groupsOf = (where: string, input: RowsToSplit, least: number): { codes: Uint32Array; distinct: number[] } => {
  const codes = groupsToKeep(where, true, input) as Uint32Array;
  expectGroups(where, codes, input, least, 'parts');
  return { codes, distinct: [...new Set(codes)].sort((a, b) => a - b) };
};

/** Each set of p rows (or groups) is `validation` once, in lexicographic order: n!/(p!(n−p)!) fits. */
export const leavePOut = (options: LeavePOutOptions): Splitter => {
  expectOptions('leavePOut', options, leavePOutOptions, leavePOut);
  expectOptions('leavePOut', { p: options.p ?? 0 }, leavePOutOptions, leavePOut);
  const { p, groups = false } = options;
  return purged('leavePOut', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      expectRows('leavePOut', input, groups ? 2 : p + 1);
      if (!groups) {
        for (const chosen of combinations(input.rows, p)) yield without(input.rows, chosen);
        return;
      }
      const { codes, distinct } = groupsOf('leavePOut', input, p + 1);
      for (const chosen of combinations(distinct.length, p)) {
        const out = new Set(Array.from(chosen, (i) => distinct[i]));
        yield splitByFold(
          codes.map((code) => (out.has(code) ? 1 : 0)),
          1,
        );
      }
    },
  });
};

/** Each group is `validation` once. */
export const leaveOneGroupOut = (): Splitter =>
  purged('leaveOneGroupOut', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      expectRows('leaveOneGroupOut', input, 2);
      const { codes, distinct } = groupsOf('leaveOneGroupOut', input, 2);
      for (const group of distinct) yield splitByFold(codes, group);
    },
  });
