import { expectOptions, isInteger, isNumber, optionsOf } from '../errors/index.js';
import { type Initializer, initializer } from './initializer.js';

/** Options of `lsuv`. */
export interface LsuvOptions {
  /** How far from 1 a layer's output variance may stay, default 0.1 as in the paper. */
  tolerance?: number;
  /** Corrections a layer at most, default 10. */
  iterations?: number;
}
const lsuvOptions = optionsOf('initializers/lsuv', { tolerance: isNumber({ above: 0 }), iterations: isInteger({ min: 1 }) });

/**
 * Layer-sequential unit variance: orthogonal, then each layer in turn is divided by the standard deviation of its output (before bias and
 * activation) on up to 256 training rows, until the variance is 1. Mishkin & Matas 2016, arXiv:1511.06422, Algorithm 1. For kernels of dense
 * layers and convolutions; a fit starts with it, and `fitted.scaled` reports what was done. By itself (`sample`) it is orthogonal.
 * @example dense(64, { activation: 'relu', kernelInitializer: lsuv() })
 */
export const lsuv = (options: LsuvOptions = {}): Initializer => {
  expectOptions('lsuv', options, lsuvOptions, lsuv);
  const { tolerance = 0.1, iterations = 10 } = options;
  return initializer('lsuv', { tolerance, iterations });
};
