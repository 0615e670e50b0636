import type { Pruner } from './pruner.js';
import type { Sampler } from './sampler.js';

/**
 * The first trial that comes after trial `number`'s round. A sampler sees the trials of finished rounds only, all of them, so its choices
 * do not depend on how many trials run at once.
 */
export const roundEnd = (sampler: Sampler, number: number, trials: number): number => {
  const { rounds } = sampler;
  if (rounds !== undefined) {
    for (let round = 1; round < rounds; round++) {
      const start = Math.ceil((trials * round) / rounds);
      if (start > number) return start;
    }
    return Number.POSITIVE_INFINITY;
  }
  if (sampler.round === undefined) return Number.POSITIVE_INFINITY;
  return (Math.floor(number / sampler.round) + 1) * sampler.round;
};

/** The first trial of the round of trial `number`. */
export const roundStart = (sampler: Sampler, number: number, trials: number): number => {
  if (sampler.round !== undefined) return Math.floor(number / sampler.round) * sampler.round;
  let start = 0;
  for (let end = roundEnd(sampler, start, trials); end <= number; end = roundEnd(sampler, start, trials)) start = end;
  return start;
};

/** The first trial of the round in which a trial is judged: `median` compares with those before. */
export const judgedFrom = (pruner: Pruner | undefined, number: number): number =>
  pruner?.round === undefined ? 0 : Math.floor(number / pruner.round) * pruner.round;
