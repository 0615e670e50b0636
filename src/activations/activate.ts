import { type Check, isEither, isFunction, isOneOf } from '../errors/index.js';
import { constant, type Initializer } from '../initializers/index.js';
import type { ParameterOptions, Tensor } from '../trace/index.js';
import { type ActivationName, activationNames } from './names.js';

/** A name, or a function of one's own: `(x) => x.sigmoid().multiply(x)`. */
export type Activation = ActivationName | ((x: Tensor) => Tensor);

export const isActivation: Check = isEither(isOneOf(activationNames), isFunction);

/** What makes a layer's parameters. */
type Parameters = (name: string, shape: readonly number[], initializer: Initializer, options?: ParameterOptions) => Tensor;

/**
 * Applies an activation. `'prelu'` owns its slope, one a channel starting at 0.25 (He et al. 2015, arXiv:1502.01852; PyTorch's default is
 * one for all), and so needs the layer's `parameter`.
 */
export const activate = (x: Tensor, activation: Activation | undefined, parameter: Parameters): Tensor => {
  if (activation === undefined || activation === 'identity') return x;
  if (typeof activation === 'function') return activation(x);
  if (activation === 'prelu') return x.prelu(parameter('slope', [x.shape.at(-1)!], constant(0.25), { decay: false }));
  return x[activation]();
};
