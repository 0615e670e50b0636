import { short } from '../text/number.js';
import type { PointTrial } from './search-plan.js';
import type { Dimension, FlatSpace } from './space.js';

/** The share of a range that counts as its edge. */
const edge = 0.02;

/** What the one who reads the best should know: it lies at an edge, trials have failed. */
export const warningsOf = (space: FlatSpace, trials: readonly PointTrial[], best: PointTrial): string[] => {
  const warnings: string[] = [];
  space.dimensions.forEach((dimension: Dimension, at) => {
    const value = best.point[at];
    const { kind, name, low = 0, high = 0 } = dimension;
    if (value === null || value === undefined || kind === 'choice' || low === high) return;
    const share = space.share(at, value);
    // A whole number is at the edge when it is the last; one of few is so by chance.
    const whole = kind.endsWith('nteger');
    if (whole && high - low < 4) return;
    const lower = whole ? value <= low : share < edge;
    const upper = whole ? value >= high : share > 1 - edge;
    if (!lower && !upper) return;
    warnings.push(
      `the best ${name}, ${short(value)}, lies at the ${lower ? 'lower' : 'upper'} edge of its range ${short(low)} … ${short(high)}: the optimum may lie beyond`,
    );
  });
  const failed = trials.filter(({ trial }) => trial.state === 'failed');
  if (failed.length > 0) warnings.push(`${failed.length} of ${trials.length} trials failed; the first: ${failed[0]?.trial.error}`);
  return warnings;
};
