import { isBoolean, isNumber, optionsOf } from '../errors/index.js';
import { type Optimizer, ruled } from './optimizer.js';

/** Options of `adam` and its relatives. */
export interface AdamOptions {
  /** η, ≥ 0; default 0.001. */
  learningRate?: number;
  /** β₁ in [0, 1), default 0.9: how long the mean of gradients remembers. */
  beta1?: number;
  /** β₂ in [0, 1), default 0.999 (some notes print 0.9999): the same for their squares. */
  beta2?: number;
  /** ε > 0, default 1e-8, outside the root as in the paper. */
  epsilon?: number;
  /** Divides by the largest second moment so far. Reddi, Kale & Kumar 2018, arXiv:1904.09237. Default `false`. */
  amsgrad?: boolean;
  /** √(v̂ + ε) in place of √v̂ + ε; default `false`, as in the paper, PyTorch and Keras. */
  epsilonInRoot?: boolean;
}

export const isRate = isNumber({ min: 0 });
export const isShare = isNumber({ min: 0, below: 1 });
export const isEpsilon = isNumber({ above: 0 });

/** What Adam and its relatives share, */
export const areMoments = { learningRate: isRate, beta1: isShare, beta2: isShare, epsilon: isEpsilon };
/** with Adam's defaults. */
export const moments = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

const adamOptions = optionsOf('optimizers/adam', { ...areMoments, amsgrad: isBoolean, epsilonInRoot: isBoolean });

/**
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − η·m̂/(√v̂ + ε) with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ), t from 1.
 * Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1 and its defaults. State: two numbers a parameter (three with `amsgrad`).
 * @example adam({ learningRate: 1e-3 })
 */
export const adam = (options: AdamOptions = {}): Optimizer & Readonly<Required<AdamOptions>> =>
  ruled('adam', options, adamOptions, { ...moments, amsgrad: false, epsilonInRoot: false }, adam);
