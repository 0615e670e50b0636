/** Until when a fold is worth going on with, as plain data: it crosses to where the fold is fitted. */
export interface Bound {
  readonly objective: string;
  /** 1 where less is better, −1 where more is. */
  readonly sign: number;
  /** The scores of the folds before. */
  readonly scores: readonly number[];
  /** For each epoch the median of the others; null where nothing is judged. */
  readonly medians: readonly (number | null)[];
}

/** The mean of folds that are over and of one that is not. */
const meanWith = (scores: readonly number[], now: number): number => scores.reduce((sum, score) => sum + score, now) / (scores.length + 1);

/** Whether the best of a fold so far, with the folds before, is worse than the median of the others. */
export const isBeyond = ({ sign, scores, medians }: Bound, curve: readonly number[]): boolean => {
  const median = medians[curve.length - 1] ?? null;
  return median !== null && Math.min(...curve.map((now) => sign * meanWith(scores, now))) > median;
};

/** The mean of the folds before, and of this one after an epoch. */
export const pointOnCurve = (
  scores: readonly number[],
  curves: readonly (readonly number[])[],
  fold: number,
  epoch: number,
): number | undefined => {
  const now = curves[fold]?.[epoch];
  if (now === undefined || scores.length < fold) return undefined;
  return meanWith(scores.slice(0, fold), now);
};

/** The median. */
export const middle = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] as number) + (sorted[Math.floor(half)] as number)) / 2;
};

/** The mean of the folds that have got so far, epoch by epoch. */
export const meanCurve = (curves: readonly (readonly number[])[]): number[] =>
  Array.from({ length: Math.max(0, ...curves.map(({ length }) => length)) }, (_, epoch) => {
    const there = curves.flatMap((curve) => curve[epoch] ?? []);
    return there.reduce((sum, score) => sum + score, 0) / there.length;
  });
