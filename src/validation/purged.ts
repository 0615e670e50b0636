import { NablaError } from '../errors/index.js';
import { callNative } from '../native/index.js';
import type { RowsToSplit, Split, Splitter } from './splitter.js';

/** Training rows without those whose windows share a row of the series with a window that is held out. */
export const purge = (place: string, { train, validation }: Split, { first, last }: NonNullable<RowsToSplit['spans']>): Split => {
  const apart = callNative((n) => n.purgedRows(train, validation, Uint32Array.from(first), Uint32Array.from(last)));
  if (apart.length > 0) return { train: apart, validation };
  throw new NablaError({
    code: 'INVALID_DATA',
    message: `each of the ${train.length} training windows shares rows of the series with one that is held out`,
    place,
    expected: 'windows that lie apart',
    received: 'windows that overlap',
    hint: 'Leave windows in the order of time (timeSeriesSplit, or kFold without shuffle), or ask for a shorter length or fewer folds.',
  });
};

/** A splitter that leaves out of training what overlaps the rows it holds out, where rows are windows of a series. */
export const purged = (where: string, splitter: Splitter): Splitter => ({
  *split(input: RowsToSplit): Generator<Split, void, undefined> {
    for (const split of splitter.split(input)) yield input.spans === undefined ? split : purge(`${where}.split`, split, input.spans);
  },
});
