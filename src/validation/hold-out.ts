import { expectOptions, invalidOption, isBoolean, isEither, isInteger, isNumber, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';
import { purged } from './purged.js';
import { expectBalance, expectLabels, expectRows, groupsToKeep, labelsToStratify, repetitionSeed } from './rows-to-split.js';
import type { RowsToSplit, Split, Splitter } from './splitter.js';

/** Options of `shuffleSplit` and `holdOut`. */
interface ShareOptions {
  /**
   * A share of the rows in (0, 1), rounded up as scikit-learn does, or a number of rows from 1. Default 0.2, or what `train` leaves where
   * that is given.
   */
  readonly validation?: number;
  /**
   * Rows to train on, a share in (0, 1), rounded down, or a number from 1; rows beyond belong to no part. Default: all that are not held
   * out.
   */
  readonly train?: number;
  /** Keeps the class shares within one row. `'auto'` (default): where the target is classes. */
  readonly stratify?: boolean | 'auto';
  /** Keeps rows of one group together. Default: where groups are given. */
  readonly groups?: boolean;
  /**
   * What sizes count where groups stay whole: `'rows'` (default), as near as whole groups allow, or `'groups'`, taken by chance however
   * many rows they have, as scikit-learn's `GroupShuffleSplit`.
   */
  readonly balance?: 'rows' | 'groups';
  /** Default 0. */
  readonly seed?: number;
}

/** Options of `holdOut`. */
export interface HoldOutOptions extends ShareOptions {
  /** Rows by chance, or the first to train on and the next for validation. Default true; windows of a series always stay in order. */
  readonly shuffle?: boolean;
}

const isSize = isEither(isNumber({ above: 0, below: 1 }), isInteger({ min: 1 }));
const options = {
  validation: isSize,
  train: isSize,
  stratify: isEither(isBoolean, isOneOf(['auto'])),
  groups: isBoolean,
  balance: isOneOf(['rows', 'groups']),
  seed: isInteger({ min: 0 }),
};
const holdOutOptions = optionsOf('validation/holdOut', { ...options, shuffle: isBoolean });

const hold = (
  where: string,
  { validation, train: share, stratify = 'auto', groups, balance = 'rows', shuffle = true, seed = 0 }: HoldOutOptions,
  input: RowsToSplit,
): Split => {
  expectRows(where, input, 2);
  const { rows } = input;
  const codes = groupsToKeep(where, groups, input);
  const labels = labelsToStratify(where, stratify === 'auto' && (!shuffle || balance === 'groups') ? false : stratify, input);
  expectBalance(where, balance, labels, codes);
  const units = balance === 'groups' ? new Set(codes).size : rows;
  if (validation !== undefined && validation >= units)
    throw invalidOption(where, 'validation', `to be below the ${units} ${balance} there are`, validation);
  // As scikit-learn rounds: what is held out up, what is trained on down.
  const size = (value: number, round: (value: number) => number): number => (value < 1 ? round(value * units) : value);
  const wanted = validation === undefined && share === undefined ? 0.2 : validation;
  const held = wanted === undefined ? units - size(share as number, Math.floor) : size(wanted, Math.ceil);
  const kept = share === undefined ? units - held : size(share, Math.floor);
  if (share !== undefined && (kept >= units || held + kept > units))
    throw invalidOption(where, 'train', `to leave room for validation: at most ${units - Math.max(held, 1)} ${balance}`, share);
  if (held >= 1 && kept >= 1) {
    expectLabels(where, codes === null ? labels : null, input, 2, 'parts');
    const spec = JSON.stringify({
      rows,
      stratify: labels !== null,
      shuffle,
      balance,
      seed,
      counts: { train: kept, validation: held },
    });
    const [train, apart] = callNative((n) => n.holdOutIndices(spec, labels, codes));
    if (train !== undefined && apart !== undefined && train.length > 0 && apart.length > 0) return { train, validation: apart };
  }
  throw new NablaError({
    code: 'INVALID_DATA',
    message: `${units} ${balance} are too few to hold out ${wanted ?? `all but ${share}`}`,
    place: `${where}.split`,
    expected: 'at least one row on each side',
    received: `${units} ${balance}`,
  });
};

/**
 * One split by chance: a share (or number) of the rows for validation, the rest for training; scikit-learn's `train_test_split`. Of windows
 * of a series the last are held out. With groups the sizes are as near as whole groups allow, or count groups.
 * @example for (const { train, validation } of holdOut({ validation: 0.25 }).split({ rows: 100 })) …
 */
export const holdOut = (options: HoldOutOptions = {}): Splitter => {
  expectOptions('holdOut', options, holdOutOptions, holdOut);
  return purged('holdOut', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      const { shuffle = input.spans === undefined, ...rest } = options;
      yield hold('holdOut', { ...rest, shuffle }, input);
    },
  });
};

/** Options of `shuffleSplit`. */
export interface ShuffleSplitOptions extends ShareOptions {
  /** How many splits. Default 10. */
  readonly splits?: number;
}
const shuffleSplitOptions = optionsOf('validation/shuffleSplit', { ...options, splits: isInteger({ min: 1 }) });

/**
 * Independent hold-outs: a row may be in `validation` of several splits, or of none. scikit-learn's `ShuffleSplit`,
 * `StratifiedShuffleSplit` and, with `balance: 'groups'`, `GroupShuffleSplit`. The first is `holdOut` with the same seed.
 */
export const shuffleSplit = (options: ShuffleSplitOptions = {}): Splitter => {
  expectOptions('shuffleSplit', options, shuffleSplitOptions, shuffleSplit);
  const { splits = 10, seed = 0, ...rest } = options;
  return purged('shuffleSplit', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      for (let split = 0; split < splits; split++) yield hold('shuffleSplit', { ...rest, seed: repetitionSeed(seed, split) }, input);
    },
  });
};
