import { planned } from '../errors/index.js';
import type { Initializer } from './initializer.js';

/** Options of `lsuv`. */
export interface LsuvOptions {
  /** How far from 1 a layer's output variance may stay, default 0.1 as in the paper. */
  tolerance?: number;
  /** Corrections a layer at most, default 10. */
  iterations?: number;
}

/**
 * Layer-sequential unit variance: orthogonal, then each layer in turn is divided by the standard deviation of its output on a batch of
 * the training data, until that is 1. Mishkin & Matas 2016, arXiv:1511.06422, Algorithm 1.
 */
export const lsuv: (options?: LsuvOptions) => Initializer = planned('initializers/lsuv');
