import { expectOptions, invalidOption, isInteger, isNumber, optionsOf } from '../errors/index.js';

/** A basis function φ of the inputs, for `ridge`: fitted on the training rows, then the same for all. `bases` makes those that nabla knows. */
export interface Basis {
  readonly kind: string;
  /** A basis that nabla knows, as plain data: fitted and computed on its own threads. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /**
   * A basis of one's own: from rows of `width` features to a function of one row, and how many values it gives. It runs on the JavaScript
   * thread.
   */
  fit?(features: Float64Array, width: number): { readonly size: number; expand(row: Float64Array, out: Float64Array): void };
}

const count = isInteger({ min: 1, max: 100_000 });
const positive = isNumber({ above: 0 });
const polynomialOptions = optionsOf('bases/polynomial', { degree: isInteger({ min: 1, max: 100 }) });
const placedOptions = optionsOf('bases/gaussian', { count, width: positive });
const fourierOptions = optionsOf('bases/fourier', { harmonics: count, period: positive });
const splineOptions = optionsOf('bases/spline', { knots: isInteger({ min: 2, max: 10_000 }), degree: isInteger({ min: 0, max: 10 }) });
const kernelOptions = optionsOf('bases/kernel', { gamma: positive, count: isInteger({ min: 1, max: 4000 }) });

const known = (kind: string, options: object): Basis => Object.freeze({ kind, spec: Object.freeze({ kind, ...options }) });

/** Polynomials of the inputs up to a total degree, with their products: x, y, x², xy, y², … scikit-learn's `PolynomialFeatures`. */
export const polynomial = (options: { readonly degree: number }): Basis => {
  expectOptions('polynomial', options, polynomialOptions, polynomial);
  if (options.degree === undefined) throw invalidOption('polynomial', 'degree', 'to be a whole number', undefined, polynomial);
  return known('polynomial', { degree: options.degree });
};

/** `count` places an input, evenly from the least to the greatest of the training rows; the width is their distance by default. */
const placed =
  (kind: 'gaussian' | 'sigmoid') =>
  (options: { readonly count?: number; readonly width?: number } = {}): Basis => {
    expectOptions(kind, options, placedOptions);
    return known(kind, { count: 10, ...options });
  };

/** Sines and cosines of each input: sin(2πkx/period), cos(2πkx/period) for k from 1 to `harmonics` (default 3); `period` is 1 by default. */
const fourier = (options: { readonly harmonics?: number; readonly period?: number } = {}): Basis => {
  expectOptions('fourier', options, fourierOptions, fourier);
  return known('fourier', { harmonics: 3, period: 1, ...options });
};

/**
 * B-splines of each input: pieces of polynomials of a `degree` (default 3) between `knots` (default 5) even places from its least to its
 * greatest value, smooth where they meet, constant beyond; knots + degree − 2 functions an input, since the intercept says the last.
 * scikit-learn's `SplineTransformer(include_bias=False)`.
 */
const spline = (options: { readonly knots?: number; readonly degree?: number } = {}): Basis => {
  expectOptions('spline', options, splineOptions, spline);
  return known('spline', { knots: 5, degree: 3, ...options });
};

/**
 * The Gaussian kernel exp(−γ‖x − z‖²) about `count` (default 500) training rows z, whitened so that ridge's penalty is that of kernel ridge
 * regression: the same as it where all rows are taken, Nyström's approximation where not (Williams & Seeger 2001). `gamma` is 1/inputs by
 * default; standardize the inputs first. Costs count² numbers.
 */
const kernel = (options: { readonly gamma?: number; readonly count?: number } = {}): Basis => {
  expectOptions('kernel', options, kernelOptions, kernel);
  return known('kernel', { count: 500, ...options });
};

/** Basis functions for `ridge`. */
export const bases = {
  polynomial,
  /** exp(−(x − c)²/2s²) about `count` (default 10) places c of each input. */
  gaussian: placed('gaussian'),
  /** 1/(1 + exp(−(x − c)/s)) about `count` (default 10) places c of each input. */
  sigmoid: placed('sigmoid'),
  fourier,
  spline,
  kernel,
} as const;
