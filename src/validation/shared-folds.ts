import type { FoldView } from './cross-validate.js';

/** The rows of each fold by report, as digests: whether two reports are of the same folds. */
const digests = new WeakMap<object, readonly number[]>();

/** FNV-1a over the indices. */
const digest = (rows: Uint32Array, from: number): number => rows.reduce((hash, row) => Math.imul(hash ^ row, 0x01000193) >>> 0, from);

/** Notes which rows a report's folds trained on and scored. */
export const rememberFolds = (report: object, views: readonly FoldView[]): void => {
  digests.set(
    report,
    views.map(({ trainRows, heldOut }) => digest(heldOut, digest(trainRows, 0x811c9dc5))),
  );
};

/** Whether two reports are of the same folds; undefined for reports that were not made in this process. */
export const sameFolds = (a: object, b: object): boolean | undefined => {
  const [left, right] = [digests.get(a), digests.get(b)];
  return left === undefined || right === undefined ? undefined : left.join() === right.join();
};
