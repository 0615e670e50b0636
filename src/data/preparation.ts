import {
  expectArgument,
  expectOptions,
  invalidOption,
  isBoolean,
  isInteger,
  isListOf,
  isNumber,
  isString,
  NablaError,
  optionsOf,
  planned,
} from '../errors/index.js';
import { callNative, type Scaler as NativeScaler } from '../native/index.js';
import { type FeatureArray, isTypedArray, type NumberArray, readFeatures } from './features.js';

/** Rows of numbers, or a flat row-major array whose width is said beside it. */
export type MatrixInput = readonly NumberArray[] | NumberArray;

/** What a preparation becomes after it has seen data; the matrix comes back in the form it came in. */
export interface FittedPreparation {
  transform<T extends MatrixInput>(matrix: T): T extends FeatureArray ? Float64Array : T extends readonly number[] ? number[] : number[][];
  inverse<T extends MatrixInput>(matrix: T): T extends FeatureArray ? Float64Array : T extends readonly number[] ? number[] : number[][];
}

/** A step that is fitted on training rows only, saved with the model, and usable alone. */
export interface Preparation {
  readonly kind: string;
  /** The step as plain data, as it goes into a fit. */
  readonly spec: Readonly<Record<string, unknown>>;
  /**
   * Fits on a matrix: nested arrays, or a flat array with its `width`.
   * @throws {NablaError} `NOT_FINITE` and `INVALID_DATA` with the place
   */
  fit(matrix: MatrixInput, options?: { readonly width?: number }): FittedPreparation;
}

/** Columns a step is for, by name. Default: all. */
export interface ColumnOptions {
  readonly columns?: readonly string[];
}

const isNested = (matrix: MatrixInput): matrix is readonly NumberArray[] => Array.isArray(matrix) && typeof matrix[0] !== 'number';

class FittedScaler implements FittedPreparation {
  readonly #scaler: NativeScaler;
  readonly #width: number;

  constructor(scaler: NativeScaler, width: number) {
    this.#scaler = scaler;
    this.#width = width;
  }

  #run(matrix: MatrixInput, direction: 'transform' | 'inverse'): never {
    const { values, sampleShape } = readFeatures('matrix', matrix, { sampleShape: [this.#width] });
    const width = sampleShape[0] ?? 0;
    if (sampleShape.length !== 1 || width !== this.#width) {
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        message: `expected rows of ${this.#width} values, as at fit, got ${sampleShape.join(' × ')}`,
        place: direction,
        expected: `${this.#width} values a row`,
        received: `${sampleShape.join(' × ')} values a row`,
      });
    }
    const doubles = values instanceof Float64Array ? values : Float64Array.from(values);
    const result = callNative(() => this.#scaler[direction](doubles));
    if (isTypedArray(matrix)) return result as never;
    if (!isNested(matrix)) return Array.from(result) as never;
    return matrix.map((_, row) => Array.from(result.subarray(row * width, (row + 1) * width))) as never;
  }

  transform<T extends MatrixInput>(matrix: T): never {
    return this.#run(matrix, 'transform');
  }

  inverse<T extends MatrixInput>(matrix: T): never {
    return this.#run(matrix, 'inverse');
  }
}

const isWidth = isInteger({ min: 1 });

const preparation = (kind: string, options: object): Preparation => {
  const spec = Object.freeze({ kind, ...options });
  return Object.freeze({
    kind,
    spec,
    fit(matrix: MatrixInput, { width }: { readonly width?: number } = {}) {
      if ('columns' in spec) throw invalidOption(kind, 'columns', 'to be left out: a matrix alone has no column names', spec.columns);
      if (width !== undefined) expectArgument(`${kind}.fit`, 'width', width, isWidth);
      const { values, sampleShape } = readFeatures('matrix', matrix, { sampleShape: width === undefined ? [1] : [width] });
      if (sampleShape.length !== 1) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          message: `expected rows of numbers, got rows of shape [${sampleShape.join(', ')}]`,
          place: `${kind}.fit`,
          expected: '[rows, columns]',
          received: `[rows, ${sampleShape.join(', ')}]`,
        });
      }
      const doubles = values instanceof Float64Array ? values : Float64Array.from(values);
      const columns = sampleShape[0] ?? 1;
      return new FittedScaler(
        callNative((n) => n.Scaler.fit(JSON.stringify([spec]), doubles, columns)),
        columns,
      );
    },
  });
};

const isColumns = isListOf(isString);

/** Options of `standardize`. */
export interface StandardizeOptions extends ColumnOptions {
  /** Subtracts the mean. Default true. */
  readonly mean?: boolean;
  /** Divides by the standard deviation. Default true. */
  readonly deviation?: boolean;
}
const standardizeOptions = optionsOf('data/standardize', { columns: isColumns, mean: isBoolean, deviation: isBoolean });

/**
 * z = (x − μ)/σ, column by column; σ over n, not n − 1, as scikit-learn's `StandardScaler`. A constant column is only shifted.
 * @example const scaler = standardize().fit([[1, 10], [3, 30]]); scaler.transform([[2, 20]]); // [[0, 0]]
 */
export const standardize = (options: StandardizeOptions = {}): Preparation => {
  expectOptions('standardize', options, standardizeOptions, standardize);
  return preparation('standardize', options);
};

/** Options of `minMax`. */
export interface MinMaxOptions extends ColumnOptions {
  /** Where the smallest value goes. Default 0. */
  readonly low?: number;
  /** Where the largest value goes. Default 1. */
  readonly high?: number;
  /** Cuts later values that lie outside. Default false. */
  readonly clip?: boolean;
}
const minMaxOptions = optionsOf('data/minMax', { columns: isColumns, low: isNumber(), high: isNumber(), clip: isBoolean });

/** y = low + (x − min)/(max − min)·(high − low), column by column. A constant column goes to `low`. */
export const minMax = (options: MinMaxOptions = {}): Preparation => {
  expectOptions('minMax', options, minMaxOptions, minMax);
  const { low = 0, high = 1 } = options;
  if (low >= high) throw invalidOption('minMax', 'low', `to be below high (${high})`, low, minMax);
  return preparation('minMax', options);
};

/** (x − median)/(upper − lower quantile): outliers do not move it. */
export const robust =
  planned<(options?: ColumnOptions & { readonly lower?: number; readonly upper?: number }) => Preparation>('data/robust');

/** x/max|x|: zeros stay zeros. */
export const maxAbs = planned<(options?: ColumnOptions) => Preparation>('data/maxAbs');

/** x/‖x‖, row by row. */
export const unitNorm = planned<(options?: ColumnOptions & { readonly norm?: 1 | 2 | typeof Infinity }) => Preparation>('data/unitNorm');

/** Each value by its quantile, uniform or normal. */
export const quantile =
  planned<(options?: ColumnOptions & { readonly quantiles?: number; readonly output?: 'uniform' | 'normal' }) => Preparation>(
    'data/quantile',
  );

/** Yeo–Johnson's power transform towards a normal distribution. */
export const power = planned<(options?: ColumnOptions & { readonly standardize?: boolean }) => Preparation>('data/power');

/** A category of m levels becomes m columns of 0 and 1. */
export const oneHot = planned<(options?: ColumnOptions & { readonly drop?: 'first' | 'binary' }) => Preparation>('data/oneHot');

/** A category becomes the number of its level. */
export const ordinal = planned<(options?: ColumnOptions) => Preparation>('data/ordinal');

/** Fills missing cells. */
export const impute =
  planned<
    (
      options?: ColumnOptions & {
        readonly strategy?: 'mean' | 'median' | 'mode' | 'constant';
        readonly value?: number | string;
        readonly indicator?: boolean;
      },
    ) => Preparation
  >('data/impute');

/** Keeps the k columns that say most about the target. */
export const selectBest =
  planned<(k: number, options?: { readonly score?: 'f' | 'chiSquared' | 'mutualInformation' }) => Preparation>('data/selectBest');
