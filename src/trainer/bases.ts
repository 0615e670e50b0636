import { expectOptions, invalidOption, isInteger, isNumber, optionsOf } from '../errors/index.js';

/** A basis function φ of the inputs, for `ridge`: fitted on the training rows, then the same for all. */
export interface Basis {
  readonly kind: string;
  /** From rows of `width` features to a function of one row, and how many values it gives. */
  fit(features: Float64Array, width: number): { readonly size: number; expand(row: Float64Array, out: Float64Array): void };
}

const polynomialOptions = optionsOf('bases/polynomial', { degree: isInteger({ min: 1, max: 100 }) });
const placedOptions = optionsOf('bases/gaussian', { count: isInteger({ min: 1, max: 100_000 }), width: isNumber({ above: 0 }) });
const fourierOptions = optionsOf('bases/fourier', { harmonics: isInteger({ min: 1, max: 100_000 }), period: isNumber({ above: 0 }) });

/** Exponents of all monomials of d inputs with a total degree from 1 to `degree`: by degree, then as scikit-learn orders them. */
const monomials = (d: number, degree: number): number[][] => {
  const all: number[][] = [];
  const grow = (chosen: number[], from: number, left: number): void => {
    if (left === 0) all.push(chosen);
    else for (let j = from; j < d; j++) grow([...chosen, j], j, left - 1);
  };
  for (let total = 1; total <= degree; total++) {
    grow([], 0, total);
    if (all.length > 100_000) throw invalidOption('polynomial', 'degree', `to give at most 100 000 products of ${d} inputs`, degree);
  }
  return all;
};

/** Polynomials of the inputs up to a total degree, with their products: x, y, x², xy, y², … scikit-learn's `PolynomialFeatures`. */
export const polynomial = (options: { readonly degree: number }): Basis => {
  expectOptions('polynomial', options, polynomialOptions, polynomial);
  if (options.degree === undefined) throw invalidOption('polynomial', 'degree', 'to be a whole number', undefined, polynomial);
  return {
    kind: 'polynomial',
    fit(_, width) {
      const products = monomials(width, options.degree);
      const expand = (row: Float64Array, out: Float64Array): void => {
        products.forEach((factors, k) => {
          let product = 1;
          for (const j of factors) product *= row[j] as number;
          out[k] = product;
        });
      };
      return { size: products.length, expand };
    },
  };
};

/** `count` places a feature, evenly from the least to the greatest of the training rows; the width is their distance by default. */
const placed =
  (kind: 'gaussian' | 'sigmoid', of: (z: number) => number) =>
  (options: { readonly count?: number; readonly width?: number } = {}): Basis => {
    expectOptions(kind, options, placedOptions);
    const { count = 10 } = options;
    return {
      kind,
      fit(features, width) {
        const ranges = Array.from({ length: width }, (_, j) => {
          let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
          for (let i = j; i < features.length; i += width) {
            low = Math.min(low, features[i] as number);
            high = Math.max(high, features[i] as number);
          }
          const step = count > 1 && high > low ? (high - low) / (count - 1) : 1;
          return { low: count > 1 ? low : (low + high) / 2, step, size: options.width ?? step };
        });
        const expand = (row: Float64Array, out: Float64Array): void => {
          ranges.forEach(({ low, step, size }, j) => {
            for (let k = 0; k < count; k++) out[j * count + k] = of(((row[j] as number) - low - k * step) / size);
          });
        };
        return { size: width * count, expand };
      },
    };
  };

/** Sines and cosines of each input: sin(2πkx/period), cos(2πkx/period) for k from 1 to `harmonics`. */
const fourier = (options: { readonly harmonics?: number; readonly period?: number } = {}): Basis => {
  expectOptions('fourier', options, fourierOptions, fourier);
  const { harmonics = 3, period = 1 } = options;
  return {
    kind: 'fourier',
    fit(_, width) {
      const expand = (row: Float64Array, out: Float64Array): void => {
        for (let j = 0; j < width; j++) {
          for (let k = 0; k < harmonics; k++) {
            const angle = (2 * Math.PI * (k + 1) * (row[j] as number)) / period;
            out[2 * (j * harmonics + k)] = Math.sin(angle);
            out[2 * (j * harmonics + k) + 1] = Math.cos(angle);
          }
        }
      };
      return { size: 2 * width * harmonics, expand };
    },
  };
};

/** Basis functions for `ridge`. */
export const bases = {
  polynomial,
  /** exp(−(x − c)²/2s²) about `count` places c of each input. */
  gaussian: placed('gaussian', (z) => Math.exp((-z * z) / 2)),
  /** 1/(1 + exp(−(x − c)/s)) about `count` places c of each input. */
  sigmoid: placed('sigmoid', (z) => 1 / (1 + Math.exp(-z))),
  fourier,
} as const;
