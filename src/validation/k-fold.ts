import { expectOptions, isBoolean, isEither, isInteger, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';
import { purged } from './purged.js';
import {
  expectBalance,
  expectGroups,
  expectLabels,
  expectRows,
  foldSizes,
  groupsToKeep,
  labelsToStratify,
  repetitionSeed,
  splitByFold,
} from './rows-to-split.js';
import type { RowsToSplit, Split, Splitter } from './splitter.js';

/** Options of `kFold`. */
export interface KFoldOptions {
  /** Number of folds, or `'auto'`: 20 under 200 rows, 10 to 10 000, 5 to 100 000, then 3. Default 10. */
  readonly k?: number | 'auto';
  /** Rows go to folds by chance rather than in their order. Default true; false for windows of a series. */
  readonly shuffle?: boolean;
  /** Keeps the class shares in each fold within one row. `'auto'` (default): where the target is classes. */
  readonly stratify?: boolean | 'auto';
  /** Keeps rows of one group in one fold. Default: where groups are given. */
  readonly groups?: boolean;
  /**
   * What folds are even in where groups stay whole: `'rows'` (default): the heaviest group first, to the lightest fold; `'groups'`: as
   * many groups each, by chance when shuffled.
   */
  readonly balance?: 'rows' | 'groups';
  /** Default 0. */
  readonly seed?: number;
}

const isStratify = isEither(isBoolean, isOneOf(['auto']));
const options = {
  k: isEither(isInteger({ min: 2 }), isOneOf(['auto'])),
  shuffle: isBoolean,
  stratify: isStratify,
  groups: isBoolean,
  balance: isOneOf(['rows', 'groups']),
  seed: isInteger({ min: 0 }),
};
const kFoldOptions = optionsOf('validation/kFold', options);

const automatic = (rows: number): number => (rows < 200 ? 20 : rows <= 10_000 ? 10 : rows <= 100_000 ? 5 : 3);

/** Fold of each row. */
export const foldsOf = (
  where: string,
  { k = 10, shuffle, stratify = 'auto', groups, balance, seed = 0 }: KFoldOptions,
  input: RowsToSplit,
): { k: number; folds: Uint32Array } => {
  const count = k === 'auto' ? Math.min(automatic(input.rows), input.rows) : k;
  expectRows(where, input, 2);
  if (count > input.rows) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      message: `expected k in [2, ${input.rows}], got ${count}: there are only ${input.rows} rows`,
      place: where,
      expected: `k in [2, ${input.rows}]`,
      received: String(count),
    });
  }
  const codes = groupsToKeep(where, groups, input);
  const labels = labelsToStratify(where, stratify === 'auto' && balance === 'groups' ? false : stratify, input);
  expectBalance(where, balance, labels, codes);
  expectLabels(where, labels, input, count, 'folds');
  expectGroups(where, codes, input, count, 'folds');
  const spec = JSON.stringify({ rows: input.rows, k: count, shuffle: shuffle ?? input.spans === undefined, balance, seed });
  return { k: count, folds: callNative((n) => n.kFoldIndices(spec, labels, codes)) };
};

/**
 * k folds: each row is in `validation` exactly once, and the first `rows mod k` folds hold one row more (stratified: sizes and class
 * counts differ by at most one, allocated as scikit-learn's `StratifiedKFold` does). Indices ascend.
 *
 * Windows of a series (`data.windows`) go to folds as contiguous blocks, and training windows that share rows with a held-out one are left
 * out (López de Prado 2018, ch. 7).
 *
 * With groups each group is in one fold, the heaviest first, to the lightest fold (scikit-learn's `GroupKFold`); stratified as well, those
 * whose classes are most uneven first, to the fold that evens the shares of classes most (`StratifiedGroupKFold`). `balance: 'groups'` gives
 * each fold as many groups, by chance (`GroupKFold(shuffle=True)`).
 *
 * @throws {NablaError} `INVALID_DATA` that names the class with fewer rows than folds, or the groups that are too few
 * @example for (const { train, validation } of kFold({ k: 5, seed: 7 }).split({ rows: 100 })) …
 */
export const kFold = (options: KFoldOptions = {}): Splitter => {
  expectOptions('kFold', options, kFoldOptions, kFold);
  return purged('kFold', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      const { k, folds } = foldsOf('kFold', options, input);
      const sizes = foldSizes(folds, k);
      for (let fold = 0; fold < k; fold++) yield splitByFold(folds, fold, sizes[fold]);
    },
  });
};

/** Options of `repeatedKFold`. */
export interface RepeatedKFoldOptions extends Omit<KFoldOptions, 'shuffle' | 'balance'> {
  /** How often, each time with another shuffle. Default 10. */
  readonly repeats?: number;
  /**
   * As for `kFold`, but `'groups'` by default where nothing is stratified: the heaviest group first would make much the same folds each
   * time.
   */
  readonly balance?: 'rows' | 'groups';
}

const { shuffle: _, ...repeatedOptions } = options;
const repeatedKFoldOptions = optionsOf('validation/repeatedKFold', { ...repeatedOptions, repeats: isInteger({ min: 1 }) });

/** `kFold`, `repeats` times with another shuffle each; the first repetition is `kFold` with the same seed and `balance`. */
export const repeatedKFold = (options: RepeatedKFoldOptions = {}): Splitter => {
  expectOptions('repeatedKFold', options, repeatedKFoldOptions, repeatedKFold);
  const { repeats = 10, seed = 0, ...rest } = options;
  return purged('repeatedKFold', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      const { stratify = 'auto', groups = true } = rest;
      const stratified = stratify === true || (stratify === 'auto' && input.labels !== undefined && input.spans === undefined);
      const balance = groups && input.groups !== undefined && !stratified ? ('groups' as const) : undefined;
      const chosen = balance === undefined ? rest : { balance, ...rest };
      for (let repeat = 0; repeat < repeats; repeat++) {
        const { k, folds } = foldsOf('repeatedKFold', { ...chosen, shuffle: true, seed: repetitionSeed(seed, repeat) }, input);
        const sizes = foldSizes(folds, k);
        for (let fold = 0; fold < k; fold++) yield splitByFold(folds, fold, sizes[fold]);
      }
    },
  });
};
