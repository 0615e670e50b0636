import {
  expectArgument,
  expectOptions,
  invalidOption,
  isBoolean,
  isEither,
  isInteger,
  isListOf,
  isNumber,
  isOneOf,
  isString,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import { callNative, type Scaler as NativeScaler } from '../native/index.js';
import { type CategoryRows, type FittedEncoding, fitEncoding, hasTexts } from './encoding.js';
import { expectFinite, type FeatureArray, isTypedArray, type NumberArray, readFeatures } from './features.js';

/** Rows of numbers, or a flat row-major array whose width is said beside it. */
export type MatrixInput = readonly NumberArray[] | NumberArray;

/** The form in which a prepared matrix comes back: that of what came in, integers in double precision. */
export type PreparedMatrix<T extends MatrixInput> = T extends Float32Array
  ? Float32Array
  : T extends FeatureArray
    ? Float64Array
    : T extends readonly number[]
      ? number[]
      : number[][];

/** What a preparation becomes after it has seen data; computed in double precision, and rounded once where single precision came in. */
export interface FittedPreparation {
  transform<T extends MatrixInput>(matrix: T): PreparedMatrix<T>;
  inverse<T extends MatrixInput>(matrix: T): PreparedMatrix<T>;
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

/** A step that encodes categories. By itself it learns the levels of columns of texts, in sorted order; columns of numbers stay. */
export interface EncodingPreparation extends Preparation {
  fit(matrix: MatrixInput, options?: { readonly width?: number }): FittedPreparation;
  fit(matrix: CategoryRows, options?: { readonly width?: number }): FittedEncoding;
}

/** Columns a step is for, by name. Default: all. */
export interface ColumnOptions {
  readonly columns?: readonly string[];
}

const isNested = (matrix: MatrixInput): matrix is readonly NumberArray[] => Array.isArray(matrix) && typeof matrix[0] !== 'number';

/** Rows of floating-point numbers; those of typed arrays are looked at while they are worked on, by all cores. */
const readMatrix = (matrix: MatrixInput, width: number) => {
  const { values, rows, sampleShape } = readFeatures('matrix', matrix, { sampleShape: [width], unseen: true });
  return { values: values instanceof Uint8Array ? Float64Array.from(values) : values, rows, sampleShape };
};

/** What native code refuses as not finite is named by its place in the matrix. */
const checked = <T>(values: FeatureArray, width: number, run: () => T): T => {
  try {
    return run();
  } catch (error) {
    if (error instanceof NablaError && error.code === 'NOT_FINITE') expectFinite('matrix', values, [width]);
    throw error;
  }
};

class FittedScaler implements FittedPreparation {
  readonly #scaler: NativeScaler;
  readonly #width: number;
  /** Values a prepared row has: encoding and selection change it. */
  readonly #prepared: number;

  constructor(scaler: NativeScaler, width: number) {
    this.#scaler = scaler;
    this.#width = width;
    this.#prepared = (JSON.parse(scaler.info()) as { readonly map: { readonly shift: readonly number[] } }).map.shift.length;
  }

  #run(matrix: MatrixInput, direction: 'transform' | 'inverse'): never {
    const [from, to] = direction === 'transform' ? [this.#width, this.#prepared] : [this.#prepared, this.#width];
    const { values, rows, sampleShape } = readMatrix(matrix, from);
    if (sampleShape.length !== 1 || sampleShape[0] !== from) {
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        message: `expected rows of ${from} values, as at fit, got ${sampleShape.join(' × ')}`,
        place: direction,
        expected: `${from} values a row`,
        received: `${sampleShape.join(' × ')} values a row`,
      });
    }
    // Made here and filled there: memory that is new is touched once, by all cores.
    const result = values instanceof Float32Array ? new Float32Array(rows * to) : new Float64Array(rows * to);
    checked(values, from, () => callNative(() => this.#scaler[direction](values, result, !isTypedArray(matrix))));
    if (isTypedArray(matrix)) return result as never;
    if (!isNested(matrix)) return Array.from(result) as never;
    return matrix.map((_, row) => Array.from(result.subarray(row * to, (row + 1) * to))) as never;
  }

  transform<T extends MatrixInput>(matrix: T): never {
    return this.#run(matrix, 'transform');
  }

  inverse<T extends MatrixInput>(matrix: T): never {
    return this.#run(matrix, 'inverse');
  }
}

const isWidth = isInteger({ min: 1 });

const ownColumns = (kind: string, columns: unknown): NablaError =>
  invalidOption(kind, 'columns', 'to be left out: a matrix alone has no column names', columns);

const preparation = (kind: string, options: object): Preparation => {
  const spec = Object.freeze({ kind, ...options });
  return Object.freeze({
    kind,
    spec,
    fit(matrix: MatrixInput, { width }: { readonly width?: number } = {}) {
      if ('columns' in spec) throw ownColumns(kind, spec.columns);
      if (width !== undefined) expectArgument(`${kind}.fit`, 'width', width, isWidth);
      const { values, sampleShape } = readMatrix(matrix, width ?? 1);
      if (sampleShape.length !== 1) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          message: `expected rows of numbers, got rows of shape [${sampleShape.join(', ')}]`,
          place: `${kind}.fit`,
          expected: '[rows, columns]',
          received: `[rows, ${sampleShape.join(', ')}]`,
        });
      }
      const columns = sampleShape[0] ?? 1;
      const made = (): NativeScaler => callNative((n) => n.Scaler.fit(JSON.stringify([spec]), values, columns));
      // In nested arrays null is a missing cell, which some steps fill; NaN in a typed array is none.
      if (isTypedArray(matrix) && kind === 'impute') expectFinite('matrix', values, sampleShape);
      return new FittedScaler(isTypedArray(matrix) ? checked(values, columns, made) : made(), columns);
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

/** Options of `robust`. */
export interface RobustOptions extends ColumnOptions {
  /** The lower quantile, in [0, 1). Default 0.25. */
  readonly lower?: number;
  /** The upper quantile. Default 0.75. */
  readonly upper?: number;
}
const share = isNumber({ min: 0, max: 1 });
const robustOptions = optionsOf('data/robust', { columns: isColumns, lower: share, upper: share });

/** (x − median)/(upper − lower quantile), column by column: outliers do not move it. scikit-learn's `RobustScaler`. */
export const robust = (options: RobustOptions = {}): Preparation => {
  expectOptions('robust', options, robustOptions, robust);
  const { lower = 0.25, upper = 0.75 } = options;
  if (lower >= upper) throw invalidOption('robust', 'lower', `to be below upper (${upper})`, lower, robust);
  return preparation('robust', options);
};

const columnOptions = optionsOf('data/maxAbs', { columns: isColumns });

/** x/max|x|, column by column: zeros stay zeros. scikit-learn's `MaxAbsScaler`. */
export const maxAbs = (options: ColumnOptions = {}): Preparation => {
  expectOptions('maxAbs', options, columnOptions, maxAbs);
  return preparation('maxAbs', options);
};

/** Options of `unitNorm`. */
export interface UnitNormOptions extends ColumnOptions {
  /** Σ|x|, √Σx² (default) or max|x|. */
  readonly norm?: 1 | 2 | typeof Infinity;
}
const isNorm = (value: unknown): string | undefined =>
  value === 1 || value === 2 || value === Infinity ? undefined : 'to be 1, 2 or Infinity';
const unitNormOptions = optionsOf('data/unitNorm', { columns: isColumns, norm: isNorm });

/** x/‖x‖, row by row; a row of zeros stays. scikit-learn's `Normalizer`. It has no inverse. */
export const unitNorm = (options: UnitNormOptions = {}): Preparation => {
  expectOptions('unitNorm', options, unitNormOptions, unitNorm);
  const { norm = 2, ...rest } = options;
  return preparation('unitNorm', { ...rest, norm: norm === 1 ? 'l1' : norm === 2 ? 'l2' : 'max' });
};

/** Options of `quantile`. */
export interface QuantileOptions extends ColumnOptions {
  /** How many are kept, from 2; at most the training rows. Default 1000. */
  readonly quantiles?: number;
  /** [0, 1] (default), or the standard normal. */
  readonly output?: 'uniform' | 'normal';
}
const quantileOptions = optionsOf('data/quantile', {
  columns: isColumns,
  quantiles: isInteger({ min: 2, max: 10_000_000 }),
  output: isOneOf(['uniform', 'normal']),
});

/** Each value by its quantile among the training rows, uniform or normal. scikit-learn's `QuantileTransformer`. */
export const quantile = (options: QuantileOptions = {}): Preparation => {
  expectOptions('quantile', options, quantileOptions, quantile);
  return preparation('quantile', options);
};

/** Options of `power`. */
export interface PowerOptions extends ColumnOptions {
  /** To mean 0 and deviation 1 afterwards. Default true. */
  readonly standardize?: boolean;
}
const powerOptions = optionsOf('data/power', { columns: isColumns, standardize: isBoolean });

/** Yeo & Johnson's power transform (2000) towards a normal distribution, λ of greatest likelihood. scikit-learn's `PowerTransformer`. */
export const power = (options: PowerOptions = {}): Preparation => {
  expectOptions('power', options, powerOptions, power);
  return preparation('power', options);
};

const encoding = (kind: string, options: OneHotOptions): EncodingPreparation => {
  const alone = preparation(kind, options);
  return Object.freeze({
    ...alone,
    // The overloads of the interface: texts are encoded, numbers are as for every step.
    fit(matrix: MatrixInput & CategoryRows, given: { readonly width?: number } = {}): never {
      if (!hasTexts(matrix)) return alone.fit(matrix, given) as never;
      if ('columns' in options) throw ownColumns(kind, options.columns);
      return fitEncoding({ ...options, kind }, matrix, given.width) as never;
    },
  });
};

/** Options of `oneHot`. */
export interface OneHotOptions extends ColumnOptions {
  /** Leaves out the first level, or the first of two only. Default: all levels have a column. */
  readonly drop?: 'first' | 'binary';
}
const oneHotOptions = optionsOf('data/oneHot', { columns: isColumns, drop: isOneOf(['first', 'binary']) });

/**
 * A category of m levels becomes m columns of 0 and 1, called `column=level`, in its place. A missing or unseen level is all zeros.
 * scikit-learn's `OneHotEncoder`. Default: all columns of categories.
 * @example oneHot().fit([['red', 1], ['blue', 2]]).transform([['red', 3]]); // [[0, 1, 3]]: blue, red, the number
 */
export const oneHot = (options: OneHotOptions = {}): EncodingPreparation => {
  expectOptions('oneHot', options, oneHotOptions, oneHot);
  return encoding('oneHot', options);
};

/**
 * A category becomes the number of its level, from 0, in the order of the levels; a missing one stays missing. scikit-learn's
 * `OrdinalEncoder`. Default: all columns of categories.
 * @example ordinal().fit([['red'], ['blue']]).transform([['red']]); // [[1]]
 */
export const ordinal = (options: ColumnOptions = {}): EncodingPreparation => {
  expectOptions('ordinal', options, columnOptions, ordinal);
  return encoding('ordinal', options);
};

/** Options of `impute`. */
export interface ImputeOptions extends ColumnOptions {
  /** Mean (default) and median are of columns of numbers, the mode of any; `'constant'` takes `value`. */
  readonly strategy?: 'mean' | 'median' | 'mode' | 'constant';
  /** A number (default 0), or the name of a level for columns of categories. */
  readonly value?: number | string;
  /** Appends a column of 0 and 1 for each chosen one: whether the cell was missing. Default false. */
  readonly indicator?: boolean;
}
const imputeOptions = optionsOf('data/impute', {
  columns: isColumns,
  strategy: isOneOf(['mean', 'median', 'mode', 'constant']),
  value: isEither(isNumber(), isString),
  indicator: isBoolean,
});

/** Fills missing cells by what the training rows have. scikit-learn's `SimpleImputer`. */
export const impute = (options: ImputeOptions = {}): Preparation => {
  expectOptions('impute', options, imputeOptions, impute);
  const { strategy = 'mean', value } = options;
  if (value !== undefined && strategy !== 'constant')
    throw invalidOption('impute', 'value', "to be left out, or strategy: 'constant'", value, impute);
  return preparation('impute', options);
};

/** Options of `selectBest`. */
export interface SelectBestOptions {
  /**
   * F of the analysis of variance or of the correlation (default), χ² of values ≥ 0 against classes, or mutual
   * information, which sees what no straight line shows: each column cut into ∛rows parts of equal count
   * (scikit-learn's `mutual_info_classif` estimates it by neighbours, so values differ a little).
   */
  readonly score?: 'f' | 'chiSquared' | 'mutualInformation';
}
const selectBestOptions = optionsOf('data/selectBest', { score: isOneOf(['f', 'chiSquared', 'mutualInformation']) });

/** Keeps the k columns that say most about the target in the training rows, column by column. scikit-learn's `SelectKBest`. */
export const selectBest = (k: number, options: SelectBestOptions = {}): Preparation => {
  expectArgument('selectBest', 'k', k, isWidth, selectBest);
  expectOptions('selectBest', options, selectBestOptions, selectBest);
  return preparation('selectBest', { k, ...options });
};
