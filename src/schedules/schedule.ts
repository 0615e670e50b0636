import { planned } from '../errors/index.js';

/** How the learning rate goes with the step, as plain data that is evaluated natively; steps are counted from 0. */
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

/** Where a schedule is expected: a value, or the rate of each step, called ahead for an epoch. */
export type ScheduleLike = Schedule | ((step: number) => number);

/** η₀ throughout. Schedules multiply the optimizer's own `learningRate`; `factor` is 1 by default. */
export const constant: (options?: { factor?: number }) => Schedule = planned('schedules/constant');

/** Options of `step`. */
export interface StepOptions {
  /** Epochs between two drops. */
  every: number;
  /** What the rate is multiplied by, default 0.1. */
  factor?: number;
}

/** η₀·factor^⌊epoch/every⌋. PyTorch's `StepLR`. */
export const step: (options: StepOptions) => Schedule = planned('schedules/step');

/** Options of `multiStep`. */
export interface MultiStepOptions {
  /** Epochs at which the rate drops, ascending. */
  milestones: readonly number[];
  /** Default 0.1. */
  factor?: number;
}

/** η₀·factor^(milestones passed). PyTorch's `MultiStepLR`. */
export const multiStep: (options: MultiStepOptions) => Schedule = planned('schedules/multiStep');

/** Options of `exponential`. */
export interface ExponentialOptions {
  /** What the rate is multiplied by an epoch, in (0, 1]. */
  factor: number;
}

/** η₀·factorᵉᵖᵒᶜʰ. PyTorch's `ExponentialLR`. */
export const exponential: (options: ExponentialOptions) => Schedule = planned('schedules/exponential');

/** Options of `inverseTime`. */
export interface InverseTimeOptions {
  /** k of η₀/(1 + k·epoch). */
  decay: number;
}

/** η₀/(1 + k·epoch). Robbins & Monro 1951 ask for a rate that falls so. */
export const inverseTime: (options: InverseTimeOptions) => Schedule = planned('schedules/inverseTime');

/** Options of `polynomial`. */
export interface PolynomialOptions {
  /** Last rate as a share of η₀, default 0. */
  end?: number;
  /** Default 1: a line. */
  power?: number;
  /** Epochs until then; default all of the fit. */
  epochs?: number;
}

/** From η₀ to end·η₀ along (1 − t)^power, t the share of the epochs. */
export const polynomial: (options?: PolynomialOptions) => Schedule = planned('schedules/polynomial');

/** Options of `cosine`. */
export interface CosineOptions {
  /** Last rate as a share of η₀, default 0. */
  end?: number;
  /** Epochs until then; default all of the fit. */
  epochs?: number;
}

/** Half a cosine from η₀ to end·η₀. Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts. */
export const cosine: (options?: CosineOptions) => Schedule = planned('schedules/cosine');

/** Options of `cosineRestarts`. */
export interface CosineRestartsOptions {
  /** Epochs of the first period. */
  period: number;
  /** Each period is this many times as long as the one before, default 1. */
  growth?: number;
  /** Last rate of a period as a share of η₀, default 0. */
  end?: number;
}

/** A cosine that starts over. Loshchilov & Hutter 2017, arXiv:1608.03983 (SGDR). */
export const cosineRestarts: (options: CosineRestartsOptions) => Schedule = planned('schedules/cosineRestarts');

/** Options of `warmup`. */
export interface WarmupOptions {
  /** Steps over which the rate rises. */
  steps: number;
  /** First rate as a share of η₀, default 0. */
  start?: number;
  /** What follows, its step counted from the end of the warm-up; default constant. */
  then?: ScheduleLike;
}

/** A line from start·η₀ to η₀, then another schedule. Goyal et al. 2017, arXiv:1706.02677. */
export const warmup: (options: WarmupOptions) => Schedule = planned('schedules/warmup');

/** Options of `oneCycle`. */
export interface OneCycleOptions {
  /** Highest rate as a multiple of η₀, default 10. */
  peak?: number;
  /** Share of the steps that rise, default 0.3. */
  rise?: number;
  /** Last rate as a share of η₀, default 1e-3. */
  end?: number;
}

/** Up to a high rate and down below the first, by cosines. Smith & Topin 2018, arXiv:1708.07120. */
export const oneCycle: (options?: OneCycleOptions) => Schedule = planned('schedules/oneCycle');

/** Options of `reduceOnPlateau`. */
export interface ReduceOnPlateauOptions {
  /** Metric of the validation set, default the first, else the loss. */
  monitor?: string;
  /** Default 0.1. */
  factor?: number;
  /** Epochs without improvement before a drop, default 10. */
  patience?: number;
  /** What counts as one, default 0. */
  minDelta?: number;
  /** The rate does not fall below, default 0. */
  minimum?: number;
}

/** Multiplies the rate when the score stands still. */
export const reduceOnPlateau: (options?: ReduceOnPlateauOptions) => Schedule = planned('schedules/reduceOnPlateau');
