import { expectArgument, expectOptions, isFunction, isInteger, isListOf, isNumber, isOneOf, isString, optionsOf } from '../errors/index.js';

/**
 * How the learning rate goes, as plain data that is evaluated natively; steps and epochs are counted from 0, and the optimizer's own
 * `learningRate` η₀ is what a schedule multiplies.
 */
export interface Schedule {
  readonly kind: ScheduleName;
}

export type ScheduleName =
  | 'constant'
  | 'step'
  | 'multiStep'
  | 'exponential'
  | 'inverseTime'
  | 'polynomial'
  | 'cosine'
  | 'cosineRestarts'
  | 'warmup'
  | 'oneCycle'
  | 'reduceOnPlateau';

/** The learning rate itself of each step. */
export type RateFunction = (step: number) => number;

/** Where a schedule is expected: a value, or the rate of each step, called ahead of the fit. */
export type ScheduleLike = Schedule | RateFunction;

/** What a schedule counts: epochs (the rate is constant within one) or steps. */
export interface CountOptions {
  /** Default `'epoch'`. */
  by?: 'epoch' | 'step';
}

const isBy = isOneOf(['epoch', 'step']);
const isFactor = isNumber({ above: 0 });
const isShare = isNumber({ min: 0, max: 1 });
const isCount = isInteger({ min: 1 });

const schedule = <D extends { kind: ScheduleName }>(data: D): Schedule & Readonly<D> => Object.freeze(data);

const constantOptions = optionsOf('schedules/constant', { factor: isNumber({ min: 0 }) });

/** factor·η₀ throughout; `factor` is 1 by default. */
export const constant = (options: { factor?: number } = {}): Schedule => {
  expectOptions('constant', options, constantOptions, constant);
  const { factor = 1 } = options;
  return schedule({ kind: 'constant', factor });
};

/** Options of `step`. */
export interface StepOptions extends CountOptions {
  /** Epochs (or steps) between two drops. */
  every: number;
  /** What the rate is multiplied by, default 0.1. */
  factor?: number;
}
const stepOptions = optionsOf('schedules/step', { every: isCount, factor: isFactor, by: isBy });

/** η₀·factor^⌊epoch/every⌋. PyTorch's `StepLR`. */
export const step = (options: StepOptions): Schedule => {
  expectOptions('step', options, stepOptions, step);
  const { every, factor = 0.1, by = 'epoch' } = options;
  expectArgument('step', 'every', every, isCount, step);
  return schedule({ kind: 'step', every, factor, by });
};

/** Options of `multiStep`. */
export interface MultiStepOptions extends CountOptions {
  /** Epochs (or steps) at which the rate drops, ascending. */
  milestones: readonly number[];
  /** Default 0.1. */
  factor?: number;
}
const isMilestones = (value: unknown): string | undefined => {
  const words = isListOf(isInteger({ min: 0 }))(value);
  if (words !== undefined) return words;
  const list = value as readonly number[];
  return list.length > 0 && list.every((at, i) => i === 0 || at > (list[i - 1] as number)) ? undefined : 'to ascend, at least one';
};
const multiStepOptions = optionsOf('schedules/multiStep', { milestones: isMilestones, factor: isFactor, by: isBy });

/** η₀·factor^(milestones passed). PyTorch's `MultiStepLR`. */
export const multiStep = (options: MultiStepOptions): Schedule => {
  expectOptions('multiStep', options, multiStepOptions, multiStep);
  const { milestones, factor = 0.1, by = 'epoch' } = options;
  expectArgument('multiStep', 'milestones', milestones, isMilestones, multiStep);
  return schedule({ kind: 'multiStep', milestones: [...milestones], factor, by });
};

/** Options of `exponential`. */
export interface ExponentialOptions extends CountOptions {
  /** What the rate is multiplied by an epoch (or step), in (0, 1]. */
  factor: number;
}
const isFall = isNumber({ above: 0, max: 1 });
const exponentialOptions = optionsOf('schedules/exponential', { factor: isFall, by: isBy });

/** η₀·factorᵉᵖᵒᶜʰ. PyTorch's `ExponentialLR`. */
export const exponential = (options: ExponentialOptions): Schedule => {
  expectOptions('exponential', options, exponentialOptions, exponential);
  const { factor, by = 'epoch' } = options;
  expectArgument('exponential', 'factor', factor, isFall, exponential);
  return schedule({ kind: 'exponential', factor, by });
};

/** Options of `inverseTime`. */
export interface InverseTimeOptions extends CountOptions {
  /** k of η₀/(1 + k·epoch), ≥ 0. */
  decay: number;
}
const isDecay = isNumber({ min: 0 });
const inverseTimeOptions = optionsOf('schedules/inverseTime', { decay: isDecay, by: isBy });

/** η₀/(1 + k·epoch). Robbins & Monro 1951 ask for a rate that falls so. */
export const inverseTime = (options: InverseTimeOptions): Schedule => {
  expectOptions('inverseTime', options, inverseTimeOptions, inverseTime);
  const { decay, by = 'epoch' } = options;
  expectArgument('inverseTime', 'decay', decay, isDecay, inverseTime);
  return schedule({ kind: 'inverseTime', decay, by });
};

/** Options of `polynomial`. */
export interface PolynomialOptions extends CountOptions {
  /** Last rate as a share of η₀, default 0. */
  end?: number;
  /** Default 1: a line. */
  power?: number;
  /** Epochs (or steps) until then; default all of the fit. */
  length?: number;
}
const polynomialOptions = optionsOf('schedules/polynomial', { end: isShare, power: isFactor, length: isFactor, by: isBy });

/** From η₀ to end·η₀ along (1 − t/length)^power. PyTorch's `PolynomialLR`. */
export const polynomial = (options: PolynomialOptions = {}): Schedule => {
  expectOptions('polynomial', options, polynomialOptions, polynomial);
  const { end = 0, power = 1, length, by = 'epoch' } = options;
  return schedule({ kind: 'polynomial', end, power, ...(length === undefined ? {} : { length }), by });
};

/** Options of `cosine`. */
export interface CosineOptions extends CountOptions {
  /** Last rate as a share of η₀, default 0. */
  end?: number;
  /** Epochs (or steps) until then; default all of the fit. */
  length?: number;
}
const cosineOptions = optionsOf('schedules/cosine', { end: isShare, length: isFactor, by: isBy });

/**
 * Half a cosine from η₀ to end·η₀, which it then keeps. Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts;
 * PyTorch's `CosineAnnealingLR`.
 */
export const cosine = (options: CosineOptions = {}): Schedule => {
  expectOptions('cosine', options, cosineOptions, cosine);
  const { end = 0, length, by = 'epoch' } = options;
  return schedule({ kind: 'cosine', end, ...(length === undefined ? {} : { length }), by });
};

/** Options of `cosineRestarts`. */
export interface CosineRestartsOptions extends CountOptions {
  /** Epochs (or steps) of the first period. */
  period: number;
  /** Each period is this many times as long as the one before, ≥ 1; default 1. */
  growth?: number;
  /** Last rate of a period as a share of η₀, default 0. */
  end?: number;
}
const cosineRestartsOptions = optionsOf('schedules/cosineRestarts', {
  period: isCount,
  growth: isNumber({ min: 1 }),
  end: isShare,
  by: isBy,
});

/** A cosine that starts over. Loshchilov & Hutter 2017, arXiv:1608.03983 (SGDR); PyTorch's `CosineAnnealingWarmRestarts`. */
export const cosineRestarts = (options: CosineRestartsOptions): Schedule => {
  expectOptions('cosineRestarts', options, cosineRestartsOptions, cosineRestarts);
  const { period, growth = 1, end = 0, by = 'epoch' } = options;
  expectArgument('cosineRestarts', 'period', period, isCount, cosineRestarts);
  return schedule({ kind: 'cosineRestarts', period, growth, end, by });
};

/** Options of `warmup`. */
export interface WarmupOptions {
  /** Steps over which the rate rises. */
  steps: number;
  /** First rate as a share of η₀, default 0. */
  start?: number;
  /** What follows, its step counted from the end of the warm-up; default constant. */
  next?: ScheduleLike;
}

/** A schedule's value, or a function of the step. */
export const isSchedule = (value: unknown): string | undefined =>
  isFunction(value) === undefined || (typeof value === 'object' && value !== null && 'kind' in value && isString(value.kind) === undefined)
    ? undefined
    : 'to be a schedule such as cosine(), or a function of the step';
const warmupOptions = optionsOf('schedules/warmup', { steps: isCount, start: isShare, next: isSchedule });

/** A line from start·η₀ to η₀, then another schedule. Goyal et al. 2017, arXiv:1706.02677. */
export const warmup = (options: WarmupOptions): Schedule & { readonly next?: ScheduleLike } => {
  expectOptions('warmup', options, warmupOptions, warmup);
  const { steps, start = 0, next } = options;
  expectArgument('warmup', 'steps', steps, isCount, warmup);
  return schedule({ kind: 'warmup', steps, start, ...(next === undefined ? {} : { next }) });
};

/** Options of `oneCycle`. */
export interface OneCycleOptions {
  /** Highest rate as a multiple of η₀, ≥ 1; default 10. */
  peak?: number;
  /** Share of the steps that rise, in (0, 1); default 0.3. */
  rise?: number;
  /** Last rate as a share of η₀, default 1e-3. */
  end?: number;
}
const oneCycleOptions = optionsOf('schedules/oneCycle', {
  peak: isNumber({ min: 1 }),
  rise: isNumber({ above: 0, below: 1 }),
  end: isShare,
});

/** From η₀ up to a high rate and down below the first, by cosines over all steps. Smith & Topin 2018, arXiv:1708.07120; PyTorch's `OneCycleLR`. */
export const oneCycle = (options: OneCycleOptions = {}): Schedule => {
  expectOptions('oneCycle', options, oneCycleOptions, oneCycle);
  const { peak = 10, rise = 0.3, end = 1e-3 } = options;
  return schedule({ kind: 'oneCycle', peak, rise, end });
};

/** Options of `reduceOnPlateau`. */
export interface ReduceOnPlateauOptions {
  /** Metric of the validation rows (of the training rows where there are none); default the first, else the loss. */
  monitor?: string;
  /** In (0, 1), default 0.1. */
  factor?: number;
  /** Epochs without improvement that are let pass; the next one lowers the rate. Default 10. */
  patience?: number;
  /** What counts as an improvement, default 0. */
  minDelta?: number;
  /** The rate does not fall below, default 0. */
  minimum?: number;
}
const reduceOnPlateauOptions = optionsOf('schedules/reduceOnPlateau', {
  monitor: isString,
  factor: isNumber({ above: 0, below: 1 }),
  patience: isInteger({ min: 0 }),
  minDelta: isNumber({ min: 0 }),
  minimum: isNumber({ min: 0 }),
});

/** Multiplies the rate when the score stands still. PyTorch's `ReduceLROnPlateau` with an absolute threshold. */
export const reduceOnPlateau = (options: ReduceOnPlateauOptions = {}): Schedule & { readonly monitor?: string } => {
  expectOptions('reduceOnPlateau', options, reduceOnPlateauOptions, reduceOnPlateau);
  const { monitor, factor = 0.1, patience = 10, minDelta = 0, minimum = 0 } = options;
  return schedule({ kind: 'reduceOnPlateau', ...(monitor === undefined ? {} : { monitor }), factor, patience, minDelta, minimum });
};
