import { Dataset, schemaOf } from '../data/dataset.js';
import { readFeatures } from '../data/features.js';
import { expectOptions, invalidOption, isBoolean, isEither, isNumber, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { meanAbsoluteError, meanSquaredError, r2 } from '../metrics/regression.js';
import { type LinearModel, runTask } from '../native/index.js';
import type { Basis } from './bases.js';
import { type EstimatorFitOptions, type FittedEstimator, sideBySide } from './estimator.js';
import type { PredictInput } from './fitted.js';
import { Run } from './run.js';
import { expectDataset } from './trainer.js';

/** Options of `ridge`. */
export interface RidgeOptions {
  /** λ ≥ 0 of the penalty λ‖w‖²; 0 is ordinary least squares. `'auto'`: that of the least leave-one-out error. Default 1. */
  readonly lambda?: number | 'auto';
  /**
   * The share ρ of the penalty that is of the first power, in [0, 1]: λ(ρ‖w‖₁ + ½(1 − ρ)‖w‖²) beside ½‖t − Φw‖², by coordinate descent. 1 is
   * the lasso. Coefficients become exactly 0. scikit-learn's `ElasticNet` has α = λ/rows. Default 0, which is ridge in closed form.
   */
  readonly l1Ratio?: number;
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
  /** Of the intercept, where there is one, then of the coefficients; NaN without rows to judge by, and with `l1Ratio`. */
  readonly standardErrors: Float64Array;
  /** Independent columns, the intercept among them; with `l1Ratio` those that are not 0. */
  readonly rank: number;
  readonly lambda: number;
  /** Mean squared error of each row by a fit without it, in closed form; NaN with `l1Ratio`. */
  readonly leaveOneOut: number;
  predict(input: PredictInput): Promise<Float64Array>;
}

const ridgeOptions = optionsOf('ridge', {
  lambda: isEither(isNumber({ min: 0 }), isOneOf(['auto'])),
  l1Ratio: isNumber({ min: 0, max: 1 }),
  basis: (value) =>
    typeof value === 'object' && value !== null && ('spec' in value || 'fit' in value)
      ? undefined
      : 'to be a basis such as bases.polynomial({ degree: 3 })',
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

type Expansion = ReturnType<NonNullable<Basis['fit']>>;

const identity: Basis = { kind: 'identity', spec: { kind: 'identity' } };

/** A user's own basis of many rows. */
const expanded = (features: Float64Array, width: number, { size, expand }: Expansion): Float64Array => {
  const rows = features.length / width;
  const out = new Float64Array(rows * size);
  for (let i = 0; i < rows; i++) expand(features.subarray(i * width, (i + 1) * width), out.subarray(i * size, (i + 1) * size));
  return out;
};

/** The predictions of a fitted model; `own` is a user's own basis. */
const fitted = (model: LinearModel, own: Expansion | undefined, width: number): FittedRidge => {
  const solution = JSON.parse(model.info()) as Solution;
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
    const phi = own === undefined ? features : expanded(features, width, own);
    return runTask(
      (_, task) => model.predict(task, phi),
      (task) => task.takeNumbers(),
    );
  };
  return {
    coefficients: Float64Array.from(solution.coefficients),
    intercept: solution.intercept,
    standardErrors: Float64Array.from(solution.standardErrors, (value) => value ?? Number.NaN),
    rank: solution.rank,
    lambda: solution.lambda,
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
 * Least squares: w = (λI + ΦᵀΦ)⁻¹Φᵀt in closed form, in double precision: by a QR factorization with pivoting of [Φ; √λ·I], never by an inverse. Φ are
 * functions of the inputs, such as `bases.polynomial({ degree: 3 })`. The intercept is not penalized. Hoerl & Kennard 1970.
 * `lambda: 0` is ordinary least squares; with `l1Ratio` it is the elastic net or the lasso, by coordinate descent (Friedman et al. 2010).
 *
 * An estimator: cross-validation, curves, bias and variance and tuning take it as they take a `Trainer`. Cost: 2·rows·functions² operations.
 * @example
 * const fit = await ridge({ lambda: 1e-3, basis: bases.polynomial({ degree: 9 }) }).fit(data);
 * fit.coefficients; fit.intercept; fit.standardErrors; fit.rank;
 */
export const ridge = (options: RidgeOptions = {}): { fit(data: Dataset, options?: EstimatorFitOptions): Run<FittedRidge, never> } => {
  expectOptions('ridge', options, ridgeOptions, ridge);
  const { lambda = 1, l1Ratio = 0, basis = identity, intercept = true } = options;
  if (lambda === 'auto' && l1Ratio > 0)
    throw invalidOption(
      'ridge',
      'lambda',
      'to be a number: with l1Ratio leaving one out has no closed form; use validationCurve',
      lambda,
      ridge,
    );
  const estimator = Object.freeze({
    fit(data: Dataset, { signal }: EstimatorFitOptions = {}): Run<FittedRidge, never> {
      const width = expectRegression(data);
      const start = async (): Promise<FittedRidge> => {
        const features = data.features();
        const own = basis.spec === undefined ? basis.fit?.(features, width) : undefined;
        if (own !== undefined && (!Number.isSafeInteger(own.size) || own.size < 1))
          throw invalidOption('ridge', 'basis', 'to give at least one function', own.size);
        const settings = JSON.stringify({
          width: own?.size ?? width,
          lambda: lambda === 'auto' ? null : lambda,
          l1Ratio,
          intercept,
          basis: own === undefined ? basis.spec : identity.spec,
        });
        const inputs = own === undefined ? features : expanded(features, width, own);
        const model = await runTask(
          (n, task) => n.leastSquares(task, inputs, data.targets(), data.weights() ?? null, settings),
          (task) => task.takeLinear(),
        );
        return fitted(model, own, width);
      };
      return new Run<FittedRidge, never>({ start, history: () => [], stop: () => {}, abort: () => {} }, { signal });
    },
  });
  sideBySide.add(estimator);
  return estimator;
};
