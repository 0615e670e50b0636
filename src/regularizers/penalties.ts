import { expectArgument, expectOptions, isInteger, isListOf, isNumber, optionsOf } from '../errors/index.js';

/**
 * A penalty or constraint on parameters, as plain data. In a trainer it acts on all weights but biases and the scales of norms; as a
 * layer's `regularizer` on that layer's kernel. Losses that are reported do not include penalties.
 */
export interface Regularizer {
  readonly kind: RegularizerName;
}

export type RegularizerName = 'l1' | 'l2' | 'elasticNet' | 'lq' | 'maxNorm';

const isLambda = isNumber({ min: 0 });
const isPositive = isNumber({ above: 0 });

const regularizer = <D extends { kind: RegularizerName }>(data: D): Regularizer & Readonly<D> => Object.freeze(data);

/**
 * λ·Σ|w|, by a proximal step after the update, w ← sign(w)·max(|w| − ηλ, 0), so that zeros are exact. Tibshirani 1996; Parikh & Boyd 2014,
 * "Proximal Algorithms", section 6.5.2.
 */
export const l1 = (lambda: number): Regularizer & { readonly lambda: number } => {
  expectArgument('l1', 'lambda', lambda, isLambda, l1);
  return regularizer({ kind: 'l1', lambda });
};

/** λ/2·Σw²; the gradient is λw. Keras's `l2(λ)` has no ½ and so is twice as strong. */
export const l2 = (lambda: number): Regularizer & { readonly lambda: number } => {
  expectArgument('l2', 'lambda', lambda, isLambda, l2);
  return regularizer({ kind: 'l2', lambda });
};

/** Options of `elasticNet`. */
export interface ElasticNetOptions {
  /** λ₁ of λ₁·Σ|w|, ≥ 0. */
  l1: number;
  /** λ₂ of λ₂/2·Σw², ≥ 0. */
  l2: number;
}
const elasticNetOptions = optionsOf('regularizers/elasticNet', { l1: isLambda, l2: isLambda });

/** λ₁·Σ|w| + λ₂/2·Σw². Zou & Hastie 2005. */
export const elasticNet = (options: ElasticNetOptions): Regularizer & Readonly<ElasticNetOptions> => {
  expectOptions('elasticNet', options, elasticNetOptions, elasticNet);
  for (const name of ['l1', 'l2'] as const) expectArgument('elasticNet', name, options[name], isLambda, elasticNet);
  return regularizer({ kind: 'elasticNet', l1: options.l1, l2: options.l2 });
};

/** Options of `lq`. */
export interface LqOptions {
  /** The exponent, above 0: 1 is the lasso's, 2 ridge's, below 1 sparser still. */
  q: number;
}
const lqOptions = optionsOf('regularizers/lq', { q: isPositive });

/** λ/2·Σ|w|^q; with q ≤ 1 by a proximal step, so that zeros are exact. Bishop 2006, equation 3.29; Marjanovic & Solo 2012. */
export const lq = (lambda: number, options: LqOptions): Regularizer & Readonly<LqOptions> & { readonly lambda: number } => {
  expectArgument('lq', 'lambda', lambda, isLambda, lq);
  expectOptions('lq', options, lqOptions, lq);
  expectArgument('lq', 'q', options.q, isPositive, lq);
  return regularizer({ kind: 'lq', lambda, q: options.q });
};

/** Options of `maxNorm`. */
export interface MaxNormOptions {
  /** Axes over which a norm is taken, negative ones from the end; default all but the last, the incoming weights of a unit. */
  axes?: readonly number[];
}
const isAxes = (value: unknown): string | undefined =>
  (Array.isArray(value) && value.length === 0 ? 'to name at least one axis' : undefined) ?? isListOf(isInteger())(value);
const maxNormOptions = optionsOf('regularizers/maxNorm', { axes: isAxes });

/** Scales each unit's incoming weights back to norm `limit` when they are longer, after each update; `axes` takes the norm over others. Srebro & Shraibman 2005. */
export const maxNorm = (limit: number, options: MaxNormOptions = {}): Regularizer & MaxNormOptions & { readonly limit: number } => {
  expectArgument('maxNorm', 'limit', limit, isPositive, maxNorm);
  expectOptions('maxNorm', options, maxNormOptions, maxNorm);
  return regularizer(options.axes === undefined ? { kind: 'maxNorm', limit } : { kind: 'maxNorm', limit, axes: [...options.axes] });
};

/** What `l2(1e-3)` and its kin give. */
export const isRegularizer = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'kind' in value && ['l1', 'l2', 'elasticNet', 'lq', 'maxNorm'].includes(String(value.kind))
    ? undefined
    : 'to be a regularizer such as l2(1e-3)';
