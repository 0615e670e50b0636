import { expectOptions, isArrayLike, NablaError, optionsOf } from '../errors/index.js';
import { purged } from './purged.js';
import { expectRows, splitByFold } from './rows-to-split.js';
import type { RowsToSplit, Split, Splitter } from './splitter.js';

/** Options of `predefinedSplit`. */
export interface PredefinedSplitOptions {
  /** The fold of each row, a whole number; rows of −1 are trained on in every split. */
  readonly folds: ArrayLike<number>;
}
const predefinedOptions = optionsOf('validation/predefinedSplit', { folds: isArrayLike });

/**
 * Folds that are given: each number of `folds` is `validation` once, in ascending order. scikit-learn's `PredefinedSplit`.
 * @throws {NablaError} `INVALID_DATA` that names the row whose fold is no whole number from −1
 * @example predefinedSplit({ folds: [0, 0, 1, 1, -1] })
 */
export const predefinedSplit = (options: PredefinedSplitOptions): Splitter => {
  expectOptions('predefinedSplit', options, predefinedOptions, predefinedSplit);
  expectOptions('predefinedSplit', { folds: options.folds ?? 0 }, predefinedOptions, predefinedSplit);
  const given = Array.from(options.folds);
  const fail = (place: string, expected: string, received: string): NablaError =>
    new NablaError({ code: 'INVALID_DATA', message: `expected ${expected}, got ${received}`, place, expected, received });
  const wrong = given.findIndex((fold) => !Number.isInteger(fold) || fold < -1 || fold >= 0xffffffff);
  if (wrong >= 0) throw fail(`predefinedSplit: folds[${wrong}]`, 'a whole number from −1', String(given[wrong]));
  return purged('predefinedSplit', {
    *split(input: RowsToSplit): Generator<Split, void, undefined> {
      expectRows('predefinedSplit', input, 2);
      if (given.length !== input.rows) throw fail('predefinedSplit: folds', `${input.rows} folds, one a row`, `${given.length}`);
      // −1 becomes a number that is no fold.
      const codes = Uint32Array.from(given);
      const folds = [...new Set(given)].filter((fold) => fold >= 0).sort((a, b) => a - b);
      for (const fold of folds) {
        const split = splitByFold(codes, fold);
        if (split.train.length === 0)
          throw fail('predefinedSplit: folds', 'rows to train on beside each fold', `fold ${fold} in every row`);
        yield split;
      }
    },
  });
};
