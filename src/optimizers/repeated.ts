import { planned } from '../errors/index.js';
import type { Optimizer } from './optimizer.js';

/** Options of `lbfgs`. */
export interface LbfgsOptions {
  /** First step length of the line search, default 1. */
  learningRate?: number;
  /** Pairs of steps and gradient changes that are remembered, default 10. */
  history?: number;
  /** Evaluations within one line search at most, default 25. */
  maxEvaluations?: number;
  /** Stops when the largest gradient is below; default 1e-7. */
  tolerance?: number;
}

/** Limited-memory BFGS with a strong-Wolfe line search, for full batches. Nocedal & Wright 2006, Algorithms 7.4 and 3.5. */
export const lbfgs: (options?: LbfgsOptions) => Optimizer = planned('optimizers/lbfgs');

/** Options of `sam`. */
export interface SamOptions {
  /** Radius of the neighbourhood, default 0.05. */
  rho?: number;
  /** Scales the neighbourhood by |θ|. Kwon et al. 2021, arXiv:2102.11600. Default `false`. */
  adaptive?: boolean;
}

/** Takes the gradient at the worst point nearby, θ + ρ·g/‖g‖, and steps with `base` from θ. Foret et al. 2021, arXiv:2010.01412. */
export const sam: (base: Optimizer, options?: SamOptions) => Optimizer = planned('optimizers/sam');

/** Options of `lookahead`. */
export interface LookaheadOptions {
  /** Steps of `base` between two corrections, default 6 (PyTorch ports: 5). */
  steps?: number;
  /** Share of the way that the slow weights go, in (0, 1]; default 0.5. */
  alpha?: number;
}

/** Slow weights follow `base` every few steps. Zhang, Lucas, Hinton & Ba 2019, arXiv:1907.08610, Algorithm 1. */
export const lookahead: (base: Optimizer, options?: LookaheadOptions) => Optimizer = planned('optimizers/lookahead');
