import { Dataset, schemaOf } from '../data/dataset.js';
import { readFeatures } from '../data/features.js';
import { expectOptions, invalidOption, isBoolean, isEither, isNumber, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { meanAbsoluteError, meanSquaredError, r2 } from '../metrics/regression.js';
import { runTask } from '../native/index.js';
import type { Basis } from './bases.js';
import type { EstimatorFitOptions, FittedEstimator } from './estimator.js';
import type { PredictInput } from './fitted.js';
import { Run } from './run.js';
import { expectDataset } from './trainer.js';

/** Options of `ridge`. */
export interface RidgeOptions {
  /** λ ≥ 0 of the penalty λ‖w‖²; 0 is ordinary least squares. `'auto'`: that of the least leave-one-out error. Default 1. */
  readonly lambda?: number | 'auto';
  /** Functions of the inputs in their place. Default: the inputs themselves. */
  readonly basis?: Basis;
  /** A constant term, which is not penalized. Default true. */
  readonly intercept?: boolean;
}

/** The scores of a fitted ridge: the loss is the mean squared error. */
export type RidgeScores = {
  readonly loss: number;
  readonly r2: number;
  readonly meanAbsoluteError: number;
};

/** What `ridge` gives. */
export interface FittedRidge extends FittedEstimator<RidgeScores> {
  /** One a basis function. */
  readonly coefficients: Float64Array;
  readonly intercept: number;
  /** Of the intercept, where there is one, then of the coefficients; NaN without rows to judge by. */
  readonly standardErrors: Float64Array;
  /** Independent columns, the intercept among them. */
  readonly rank: number;
  readonly lambda: number;
  /** Mean squared error of each row by a fit without it, in closed form. */
  readonly leaveOneOut: number;
  predict(input: PredictInput): Promise<Float64Array>;
}

const ridgeOptions = optionsOf('ridge', {
  lambda: isEither(isNumber({ min: 0 }), isOneOf(['auto'])),
  basis: (value) =>
    typeof value === 'object' && value !== null && 'fit' in value ? undefined : 'to be a basis such as bases.polynomial({ degree: 3 })',
  intercept: isBoolean,
});

/** What the native side gives. */
interface Solution {
  readonly coefficients: readonly number[];
  readonly intercept: number;
  readonly standardErrors: readonly (number | null)[];
  readonly rank: number;
  readonly leaveOneOut: number | null;
  readonly lambda: number;
}

type Expansion = ReturnType<Basis['fit']>;

const identity: Basis = { kind: 'identity', fit: (_, width) => ({ size: width, expand: (row, out) => out.set(row) }) };

const expanded = (features: Float64Array, width: number, { size, expand }: Expansion): Float64Array => {
  const rows = features.length / width;
  const out = new Float64Array(rows * size);
  for (let i = 0; i < rows; i++) expand(features.subarray(i * width, (i + 1) * width), out.subarray(i * size, (i + 1) * size));
  return out;
};

const fitted = (solution: Solution, expansion: Expansion, width: number): FittedRidge => {
  const coefficients = Float64Array.from(solution.coefficients);
  const { intercept, rank, lambda } = solution;
  const featuresOf = (input: PredictInput): Float64Array => {
    if (input instanceof Dataset) {
      const { width: given } = schemaOf(input);
      if (given === width) return input.features();
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        message: `ridge was fitted on ${width} features, this data set has ${given}`,
        place: 'predict',
        expected: `${width} features`,
        received: `${given} features`,
      });
    }
    const { values, sampleShape } = readFeatures('features', input, { sampleShape: [width] });
    if (sampleShape.length === 1 && sampleShape[0] === width) return Float64Array.from(values);
    throw new NablaError({
      code: 'SHAPE_MISMATCH',
      message: `ridge was fitted on ${width} features, got rows of ${sampleShape.join(' × ')}`,
      place: 'predict',
      expected: `${width} features`,
      received: sampleShape.join(' × '),
    });
  };
  const predict = async (input: PredictInput): Promise<Float64Array> => {
    const features = featuresOf(input);
    const row = new Float64Array(expansion.size);
    return Float64Array.from({ length: features.length / width }, (_, i) => {
      expansion.expand(features.subarray(i * width, (i + 1) * width), row);
      return row.reduce((sum, value, k) => sum + value * (coefficients[k] as number), intercept);
    });
  };
  return {
    coefficients,
    intercept,
    standardErrors: Float64Array.from(solution.standardErrors, (value) => value ?? Number.NaN),
    rank,
    lambda,
    leaveOneOut: solution.leaveOneOut ?? Number.NaN,
    predict,
    async evaluate(data) {
      expectDataset('evaluate', data);
      const found = await predict(data);
      const truth = data.targets();
      const weights = data.weights();
      const options = weights === undefined ? {} : { weights };
      return {
        loss: meanSquaredError(truth, found, options),
        r2: r2(truth, found, options),
        meanAbsoluteError: meanAbsoluteError(truth, found, options),
      };
    },
  };
};

const expectRegression = (data: Dataset): number => {
  expectDataset('ridge', data);
  const { target, columns, width } = schemaOf(data);
  const category = columns.find(({ kind }) => kind === 'category');
  if (target?.kind === 'numbers' && target.width === 1 && category === undefined) return width;
  const received =
    category === undefined ? (target === null ? 'no target' : target.kind) : `categories in ${JSON.stringify(category.name)}`;
  throw new NablaError({
    code: 'INVALID_DATA',
    message: 'ridge needs features of numbers and one number a row as the target',
    place: category?.name ?? 'targets',
    expected: 'numbers',
    received,
  });
};

/**
 * w = (λI + ΦᵀΦ)⁻¹Φᵀt in closed form, in double precision: by a QR factorization with pivoting of [Φ; √λ·I], never by an inverse. Φ are
 * functions of the inputs, such as `bases.polynomial({ degree: 3 })`. The intercept is not penalized. Hoerl & Kennard 1970.
 *
 * An estimator: cross-validation, curves, bias and variance and tuning take it as they take a `Trainer`. Cost: 2·rows·functions² operations.
 * @example
 * const fit = await ridge({ lambda: 1e-3, basis: bases.polynomial({ degree: 9 }) }).fit(data);
 * fit.coefficients; fit.intercept; fit.standardErrors; fit.rank;
 */
export const ridge = (options: RidgeOptions = {}): { fit(data: Dataset, options?: EstimatorFitOptions): Run<FittedRidge, never> } => {
  expectOptions('ridge', options, ridgeOptions, ridge);
  const { lambda = 1, basis = identity, intercept = true } = options;
  return Object.freeze({
    fit(data: Dataset, { signal }: EstimatorFitOptions = {}): Run<FittedRidge, never> {
      const width = expectRegression(data);
      const start = async (): Promise<FittedRidge> => {
        const features = data.features();
        const expansion = basis.fit(features, width);
        if (!Number.isSafeInteger(expansion.size) || expansion.size < 1)
          throw invalidOption('ridge', 'basis', 'to give at least one function', expansion.size);
        const phi = expanded(features, width, expansion);
        const settings = JSON.stringify({ width: expansion.size, lambda: lambda === 'auto' ? null : lambda, intercept });
        const text = await runTask(
          (n, task) => n.leastSquares(task, phi, data.targets(), data.weights() ?? null, settings),
          (task) => task.takeText(),
        );
        return fitted(JSON.parse(text) as Solution, expansion, width);
      };
      return new Run<FittedRidge, never>({ start, history: () => [], stop: () => {}, abort: () => {} }, { signal });
    },
  });
};
