import type { Pruner } from './pruner.js';

/** The trials that are halved together, and for how many epochs each rung fits. */
export interface Group {
  /** Its first trial. */
  readonly start: number;
  readonly size: number;
  /** Epochs of each rung, the last one all of them. */
  readonly rungs: readonly number[];
}

const ladder = (minimum: number, factor: number, epochs: number): number[] => {
  const rungs: number[] = [];
  for (let rung = minimum; rung < epochs; rung *= factor) rungs.push(rung);
  return [...rungs, epochs];
};

/**
 * The group of a trial. Successive halving has groups of factor^(rungs − 1), so that one trial is left on the last rung; Hyperband has one
 * group for each first rung, from the lowest to the highest, and begins again: of n = ⌈rungs/(s + 1)·factorˢ⌉ for s + 1 rungs.
 */
export const groupOf = (pruner: Pruner, number: number, trials: number, epochs: number): Group => {
  const { kind, minimum = 1, factor = 3 } = pruner;
  const rungs = ladder(minimum, factor, epochs);
  const last = rungs.length - 1;
  if (kind === 'asha') return { start: 0, size: trials, rungs };
  let start = 0;
  for (let bracket = last; ; bracket = bracket === 0 || kind === 'successiveHalving' ? last : bracket - 1) {
    const size = kind === 'successiveHalving' ? factor ** last : Math.ceil((rungs.length / (bracket + 1)) * factor ** bracket);
    if (number < start + size) return { start, size: Math.min(size, trials - start), rungs: rungs.slice(last - bracket) };
    start += size;
  }
};

/** How many of a rung go on. */
export const promoted = (count: number, factor: number): number => Math.max(1, Math.floor(count / factor));
