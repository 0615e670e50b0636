import { expectOptions, invalidOption, isBoolean, isEither, isNumber, isOneOf, optionsOf } from '../errors/index.js';
import { type Optimizer, optimizer } from './optimizer.js';

/** Options of `sgd`. */
export interface SgdOptions {
  /** η, ≥ 0; default 0.01. */
  learningRate?: number;
  /** μ in [0, 1), default 0: plain gradient descent. */
  momentum?: number;
  /** Share of the gradient that is kept out of the velocity, in [0, 1]; default 0. */
  dampening?: number;
  /**
   * Looks ahead along the velocity; needs momentum and no dampening. Default `false`. `true` is the rewritten form (Sutskever et al. 2013;
   * PyTorch, Keras), whose weights are the points ahead; `'lookAhead'` is Nesterov's own: the gradient is taken at θ − ημv, and the weights
   * are those behind. With one rate both take the same gradients.
   */
  nesterov?: boolean | 'lookAhead';
  /**
   * v ← μv + η·g, θ ← θ − v (Keras, TensorFlow), so that past steps keep their rate; default `false`: the rate is outside, as in PyTorch.
   * They differ where the rate changes.
   */
  rateInVelocity?: boolean;
  /** λ of an L2 penalty λ/2·‖θ‖² added to the gradient, ≥ 0; default 0. */
  weightDecay?: number;
}

const sgdOptions = optionsOf('optimizers/sgd', {
  learningRate: isNumber({ min: 0 }),
  momentum: isNumber({ min: 0, below: 1 }),
  dampening: isNumber({ min: 0, max: 1 }),
  nesterov: isEither(isBoolean, isOneOf(['lookAhead'])),
  rateInVelocity: isBoolean,
  weightDecay: isNumber({ min: 0 }),
});

/**
 * Gradient descent: v ← μv + (1−dampening)·g, θ ← θ − η·v; with `nesterov` θ ← θ − η·(g + μv). Batch, mini-batch or stochastic by the
 * trainer's `batchSize`. Polyak 1964, Nesterov 1983, in PyTorch's form by default: the rate is outside the velocity, Nesterov's step rewritten.
 * @example sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })
 */
export const sgd = (
  options: SgdOptions = {},
): Optimizer & Readonly<Required<Omit<SgdOptions, 'nesterov'>>> & { readonly nesterov: boolean; readonly lookAhead: boolean } => {
  expectOptions('sgd', options, sgdOptions, sgd);
  const { learningRate = 0.01, momentum = 0, dampening = 0, nesterov = false, rateInVelocity = false, weightDecay = 0 } = options;
  if (nesterov !== false && (momentum === 0 || dampening !== 0))
    throw invalidOption('sgd', 'nesterov', 'to go with momentum > 0 and dampening 0', nesterov, sgd);
  const forms = { nesterov: nesterov !== false, lookAhead: nesterov === 'lookAhead', rateInVelocity };
  return optimizer({ kind: 'sgd', learningRate, momentum, dampening, ...forms, weightDecay });
};
