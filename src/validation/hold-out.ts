import { expectOptions, invalidOption, isBoolean, isEither, isInteger, isNumber, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';
import { purged } from './purged.js';
import { expectRows, groupsToKeep, labelsToStratify, repetitionSeed } from './rows-to-split.js';
import type { RowsToSplit, Split, Splitter } from './splitter.js';

/** Options of `holdOut`. */
export interface HoldOutOptions {
  /** A share of the rows in (0, 1), or a number of rows from 1. Default 0.2. */
  readonly validation?: number;
  /** Rows to train on, a share in (0, 1) or a number from 1; rows beyond belong to no part. Default: all that are not held out. */
  readonly train?: number;
  /** Keeps the class shares within one row. `'auto'` (default): where the target is classes. */
  readonly stratify?: boolean | 'auto';
  /** Keeps rows of one group together. Default: where groups are given. */
  readonly groups?: boolean;
  /** Default 0. */
  readonly seed?: number;
}

const isValidation = isEither(isNumber({ above: 0, below: 1 }), isInteger({ min: 1 }));
const options = {
  validation: isValidation,
  train: isValidation,
  stratify: isEither(isBoolean, isOneOf(['auto'])),
  groups: isBoolean,
  seed: isInteger({ min: 0 }),
};
const holdOutOptions = optionsOf('validation/holdOut', options);

const hold = (
  where: string,
  shuffle: boolean,
  { validation = 0.2, train: share, stratify = 'auto', groups, seed = 0 }: HoldOutOptions,
  input: RowsToSplit,
): Split => {
  expectRows(where, input, 2);
  const { rows } = input;
  if (validation >= rows) throw invalidOption(where, 'validation', `to be below the ${rows} rows there are`, validation);
  const labels = labelsToStratify(where, stratify, input);
  const codes = groupsToKeep(where, groups, input);
  const held = validation < 1 ? Math.round(validation * rows) : validation;
  const kept = share === undefined ? rows - held : share < 1 ? Math.round(share * rows) : share;
  if (share !== undefined && held + kept > rows)
    throw invalidOption(where, 'train', `to fit beside the ${held} rows for validation: at most ${rows - held} rows`, share);
  const size =
    share === undefined && validation < 1
      ? { ratios: { train: 1 - validation, validation } }
      : { counts: { train: kept, validation: held } };
  const spec = JSON.stringify({ rows, stratify: labels !== null, shuffle, seed, ...size });
  const [train, apart] = callNative((n) => n.holdOutIndices(spec, labels, codes));
  if (train === undefined || apart === undefined || train.length === 0 || apart.length === 0) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `${rows} rows are too few to hold out ${validation}`,
      place: `${where}.split`,
      expected: 'at least one row on each side',
      received: `${rows} rows`,
    });
  }
  return { train, validation: apart };
};

/**
 * One split by chance (of windows of a series: the last ones are held out): a share (or number) of the rows for validation, the rest for training. With groups the sizes are as near as whole
 * groups allow; the share is one of rows, where scikit-learn's `GroupShuffleSplit` counts groups.
 */
export const holdOut = (options: HoldOutOptions = {}): Splitter => {
  expectOptions('holdOut', options, holdOutOptions, holdOut);
  return purged('holdOut', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      yield hold('holdOut', input.spans === undefined, options, input);
    },
  });
};

/** Options of `shuffleSplit`. */
export interface ShuffleSplitOptions extends HoldOutOptions {
  /** How many splits. Default 10. */
  readonly splits?: number;
}
const shuffleSplitOptions = optionsOf('validation/shuffleSplit', { ...options, splits: isInteger({ min: 1 }) });

/** Independent hold-outs: a row may be in `validation` of several splits, or of none. The first is `holdOut` with the same seed. */
export const shuffleSplit = (options: ShuffleSplitOptions = {}): Splitter => {
  expectOptions('shuffleSplit', options, shuffleSplitOptions, shuffleSplit);
  const { splits = 10, seed = 0, ...rest } = options;
  return purged('shuffleSplit', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      for (let split = 0; split < splits; split++) yield hold('shuffleSplit', true, { ...rest, seed: repetitionSeed(seed, split) }, input);
    },
  });
};
