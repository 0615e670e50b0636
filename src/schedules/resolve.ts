import { invalidOption } from '../errors/index.js';
import { isSchedule, type RateFunction, type ScheduleLike } from './schedule.js';

/** What the native side reads of a schedule, and whether it depends on the number of steps. */
export interface ResolvedSchedule {
  /** Holds a function of the step, which is called for each. */
  readonly counted: boolean;
  /** The plain data for a fit of so many steps. */
  data(steps: number): Readonly<Record<string, unknown>>;
}

/** A user's function, called ahead: its numbers travel instead of it. */
const ratesOf = (rate: RateFunction, steps: number): Readonly<Record<string, unknown>> => {
  const rates = Array.from({ length: steps }, (_, step) => {
    const value: unknown = rate(step);
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
    throw invalidOption('Trainer: schedule', `the rate of step ${step}`, 'to be a finite number ≥ 0', value);
  });
  return { kind: 'rates', rates };
};

/** Direction of a score by its name, and the one that is watched unless named. */
export interface Scores {
  readonly names: readonly string[];
  readonly direction: (name: string) => 'max' | 'min';
}

/**
 * Makes a schedule plain data: functions become numbers, and a plateau learns which way its score is better.
 * @throws {NablaError} `INVALID_OPTION`
 */
export const resolveSchedule = (like: ScheduleLike, scores: Scores): ResolvedSchedule => {
  if (typeof like === 'function') return { counted: true, data: (steps) => ratesOf(like, Math.max(steps, 1)) };
  const words = isSchedule(like);
  if (words !== undefined) throw invalidOption('Trainer', 'schedule', words, like);
  const { kind, next, monitor, ...rest } = like as { kind: string; next?: ScheduleLike; monitor?: string; steps?: number };
  if (kind === 'warmup' && next !== undefined) {
    const after = resolveSchedule(next, scores);
    const rise = rest.steps ?? 0;
    return { counted: after.counted, data: (steps) => ({ kind, ...rest, next: after.data(steps - rise) }) };
  }
  if (kind === 'reduceOnPlateau') {
    const watched = monitor ?? scores.names[0] ?? 'loss';
    const maximize = scores.direction(watched) === 'max';
    return { counted: false, data: () => ({ kind, ...rest, monitor: watched, maximize }) };
  }
  return { counted: false, data: () => ({ kind, ...rest }) };
};
