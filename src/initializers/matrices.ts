import { expectOptions, isNumber, optionsOf } from '../errors/index.js';
import { type Initializer, initializer } from './initializer.js';

/** Options of `orthogonal` and `identity`. */
export interface MatrixOptions {
  /** Multiplies the matrix, default 1. */
  gain?: number;
}

/** Options of `sparse`. */
export interface SparseOptions {
  /** Share of each unit's incoming weights that are 0, rounded up; default 0.9. */
  sparsity?: number;
  /** Standard deviation of the others, default 0.01. */
  deviation?: number;
}

const matrixOptions = optionsOf('initializers/orthogonal', { gain: isNumber() });
const sparseOptions = optionsOf('initializers/sparse', { sparsity: isNumber({ min: 0, max: 1 }), deviation: isNumber({ min: 0 }) });

/** gain·Q, Q uniform over the orthogonal matrices [spatial·in, out]. Saxe, McClelland & Ganguli 2014, arXiv:1312.6120. Needs two axes. */
export const orthogonal = (options: MatrixOptions = {}): Initializer => {
  expectOptions('orthogonal', options, matrixOptions, orthogonal);
  return initializer('orthogonal', { gain: options.gain ?? 1 });
};

/** gain on the diagonal, 0 elsewhere; of a convolution at its centre (PyTorch's `dirac_`). Le, Jaitly & Hinton 2015, arXiv:1504.00941. */
export const identity = (options: MatrixOptions = {}): Initializer => {
  expectOptions('identity', options, matrixOptions, identity);
  return initializer('identity', { gain: options.gain ?? 1 });
};

/** N(0, deviation²) with a share of each unit's incoming weights at 0. Martens 2010, section 5. (PyTorch's `sparse_` silences outgoing ones.) */
export const sparse = (options: SparseOptions = {}): Initializer => {
  expectOptions('sparse', options, sparseOptions, sparse);
  return initializer('sparse', { sparsity: options.sparsity ?? 0.9, deviation: options.deviation ?? 0.01 });
};
