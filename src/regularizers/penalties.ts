import { planned } from '../errors/index.js';

/** A penalty or constraint on parameters, as plain data. Biases and the scales of norms are left out unless a layer names them. */
export interface Regularizer {
  readonly kind: RegularizerName;
}

export type RegularizerName = 'l1' | 'l2' | 'elasticNet' | 'lq' | 'maxNorm';

/** λ·Σ|w|, by a proximal step after the update, so that zeros are exact. Tibshirani 1996. */
export const l1: (lambda: number) => Regularizer = planned('regularizers/l1');

/** λ/2·Σw²; the gradient is λw. Keras's `l2(λ)` has no ½ and so is twice as strong. */
export const l2: (lambda: number) => Regularizer = planned('regularizers/l2');

/** Options of `elasticNet`. */
export interface ElasticNetOptions {
  /** λ₁ of λ₁·Σ|w|, ≥ 0. */
  l1: number;
  /** λ₂ of λ₂/2·Σw², ≥ 0. */
  l2: number;
}

/** λ₁·Σ|w| + λ₂/2·Σw². Zou & Hastie 2005. */
export const elasticNet: (options: ElasticNetOptions) => Regularizer = planned('regularizers/elasticNet');

/** Options of `lq`. */
export interface LqOptions {
  /** The exponent, above 0: 1 is the lasso's, 2 ridge's, below 1 sparser still. */
  q: number;
}

/** λ/2·Σ|w|^q; with q ≤ 1 by a proximal step, so that zeros are exact. Bishop 2006, equation 3.29. */
export const lq: (lambda: number, options: LqOptions) => Regularizer = planned('regularizers/lq');

/** Options of `maxNorm`. */
export interface MaxNormOptions {
  /** Axes over which a norm is taken; default all but the last, the incoming weights of a unit. */
  axes?: readonly number[];
}

/** Scales each unit's incoming weights back to norm `limit` when they are longer, after each update. Srebro & Shraibman 2005. */
export const maxNorm: (limit: number, options?: MaxNormOptions) => Regularizer = planned('regularizers/maxNorm');
