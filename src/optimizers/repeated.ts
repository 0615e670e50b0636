import { type Check, expectArgument, expectOptions, isBoolean, isInteger, isNumber, optionsOf } from '../errors/index.js';
import { isOptimizer, type Optimizer, optimizer } from './optimizer.js';

/** Options of `lbfgs`. */
export interface LbfgsOptions {
  /** First step length of the line search, above 0; default 1. */
  learningRate?: number;
  /** Pairs of steps and gradient changes that are remembered, default 10. */
  history?: number;
  /** Evaluations within one line search at most, default 25. */
  maxEvaluations?: number;
  /** Nothing moves where no derivative is larger; default 1e-7. */
  tolerance?: number;
}
const lbfgsOptions = optionsOf('optimizers/lbfgs', {
  learningRate: isNumber({ above: 0 }),
  history: isInteger({ min: 1 }),
  maxEvaluations: isInteger({ min: 1 }),
  tolerance: isNumber({ min: 0 }),
});
/**
 * Limited-memory BFGS with a strong-Wolfe line search: θ ← θ − t·H·g, H from the last pairs of steps and gradient changes. One iteration a
 * step, as PyTorch's `LBFGS(line_search_fn: 'strong_wolfe', max_iter: 1, max_eval: 26)`. Nocedal & Wright 2006, Algorithms 7.4 and 3.5.
 * In a trainer it needs `batchSize: 'full'` and takes `l2` (and `lq` with q > 1), `freeze`, `'swa'` and a schedule of the first length, but
 * neither `clip`, `'ema'`, rates of groups nor penalties with a kink. State: 2·`history` + 3 numbers a parameter.
 * @example
 * const step = lbfgs().start(theta);
 * for (let i = 0; i < 50; i++) step.update((theta) => ({ loss: f(theta), gradient: df(theta) }));
 */
export const lbfgs = (options: LbfgsOptions = {}): Optimizer & Readonly<Required<LbfgsOptions>> => {
  expectOptions('lbfgs', options, lbfgsOptions, lbfgs);
  const { learningRate = 1, history = 10, maxEvaluations = 25, tolerance = 1e-7 } = options;
  return optimizer({ kind: 'lbfgs', learningRate, history, maxEvaluations, tolerance });
};

/** Options of `sam`. */
export interface SamOptions {
  /** Radius of the neighbourhood, above 0; default 0.05. */
  rho?: number;
  /** Scales the neighbourhood by |θ|: θ + ρ·θ²g/‖θg‖. Kwon et al. 2021, arXiv:2102.11600. Default `false`. */
  adaptive?: boolean;
}
const samOptions = optionsOf('optimizers/sam', { rho: isNumber({ above: 0 }), adaptive: isBoolean });

/**
 * Takes the gradient at the worst point nearby, θ + ρ·g/‖g‖ (the norm over all parameters), and steps with `base` from θ; two evaluations
 * a step, on the same batch with the same noise. The training loss that is reported is the one at the worst point, which is what falls.
 * Foret et al. 2021, arXiv:2010.01412.
 */
export const sam = (base: Optimizer, options: SamOptions = {}): Optimizer & Readonly<Required<SamOptions>> => {
  expectArgument('sam', 'base', base, isBase('sam'), sam);
  expectOptions('sam', options, samOptions, sam);
  const { rho = 0.05, adaptive = false } = options;
  return optimizer({ kind: 'sam', learningRate: base.learningRate, rho, adaptive, base });
};

/** Options of `lookahead`. */
export interface LookaheadOptions {
  /** Steps of `base` between two corrections, default 6 (PyTorch ports: 5). */
  steps?: number;
  /** Share of the way that the slow weights go, in (0, 1]; default 0.5. */
  alpha?: number;
}
const lookaheadOptions = optionsOf('optimizers/lookahead', { steps: isInteger({ min: 1 }), alpha: isNumber({ above: 0, max: 1 }) });

/**
 * Slow weights φ follow `base` every few steps: φ ← φ + α(θ − φ), θ ← φ. Zhang, Lucas, Hinton & Ba 2019, arXiv:1907.08610, Algorithm 1;
 * the base's moments are kept.
 */
export const lookahead = (base: Optimizer, options: LookaheadOptions = {}): Optimizer & Readonly<Required<LookaheadOptions>> => {
  expectArgument('lookahead', 'base', base, isBase('lookahead'), lookahead);
  expectOptions('lookahead', options, lookaheadOptions, lookahead);
  const { steps = 6, alpha = 0.5 } = options;
  return optimizer({ kind: 'lookahead', learningRate: base.learningRate, steps, alpha, base });
};

/** What can be wrapped: a rule, or the other wrapper around one. */
const isBase =
  (wrapper: string): Check =>
  (value) => {
    const words = isOptimizer(value);
    if (words !== undefined) return words;
    for (let at: unknown = value; typeof at === 'object' && at !== null; at = (at as { base?: unknown }).base) {
      const { kind } = at as Optimizer;
      if (kind === wrapper || kind === 'lbfgs') return `to be a rule that is not ${kind}`;
      if ('lookAhead' in at && at.lookAhead === true) return "to be a rule that looks at theta itself, not nesterov: 'lookAhead'";
    }
    return undefined;
  };
