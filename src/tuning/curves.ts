/** The mean of the folds before, and of this one after an epoch. */
export const pointOnCurve = (
  scores: readonly number[],
  curves: readonly (readonly number[])[],
  fold: number,
  epoch: number,
): number | undefined => {
  const now = curves[fold]?.[epoch];
  if (now === undefined || scores.length < fold) return undefined;
  return scores.slice(0, fold).reduce((sum, score) => sum + score, now) / (fold + 1);
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
