import {
  type Caller,
  expectArgument,
  expectOptions,
  isArrayLike,
  isNumber,
  NablaError,
  optionsOf,
  type Spec,
  shown,
} from '../errors/index.js';
import { callNative } from '../native/index.js';
import type { WeightOptions } from './classification.js';
import type { MetricName } from './names.js';

/** One number a row, or several. */
export type Outputs = ArrayLike<number> | readonly ArrayLike<number>[];

/** Options of `pinball`. */
export interface PinballOptions extends WeightOptions {
  /** In (0, 1), default ½: half the absolute error. */
  quantile?: number;
}

const weightOptions = optionsOf('metrics/meanSquaredError', { weights: isArrayLike });
const pinballOptions = optionsOf('metrics/pinball', { weights: isArrayLike, quantile: isNumber({ above: 0, below: 1 }) });

/** Numbers of a row: 1 for a plain list. */
export const widthOf = (values: Outputs): number => {
  const first: unknown = values[0];
  return typeof first === 'object' && first !== null ? (first as ArrayLike<number>).length : 1;
};

/** Row-major. @throws {NablaError} `SHAPE_MISMATCH` for rows of two lengths */
export const flat = (where: string, values: Outputs, width: number): Float64Array => {
  // The constructor copies a typed array at once; `from` goes through its iterator, twenty times slower.
  if (ArrayBuffer.isView(values) || typeof values[0] === 'number' || values.length === 0)
    return new Float64Array(values as ArrayLike<number>);
  const out = new Float64Array(values.length * width);
  for (let row = 0; row < values.length; row++) {
    const outputs = values[row] as ArrayLike<number> | undefined;
    if (outputs?.length !== width) {
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        place: where,
        message: `row ${row} has ${outputs?.length === undefined ? shown(outputs) : `${outputs.length} outputs`}, the first row has ${width}.`,
        expected: `${width} outputs`,
        received: shown(outputs),
      });
    }
    out.set(outputs, row * width);
  }
  return out;
};

const score = (
  kind: MetricName,
  truth: Outputs,
  predictions: Outputs,
  options: PinballOptions,
  caller: Caller,
  known: Spec = weightOptions,
): number => {
  expectOptions(kind, options, known, caller);
  expectArgument(kind, 'truth', truth, isArrayLike, caller);
  expectArgument(kind, 'predictions', predictions, isArrayLike, caller);
  const { weights, ...rest } = options;
  const width = widthOf(truth);
  if (truth.length !== predictions.length || widthOf(predictions) !== width || truth.length === 0) {
    const [expected, received] = [truth, predictions].map((x) => `[${x.length}, ${widthOf(x)}]`) as [string, string];
    const message = truth.length === 0 ? 'there are no rows.' : `truth ${expected} · predictions ${received} don't fit.`;
    throw new NablaError(
      { code: truth.length === 0 ? 'INVALID_DATA' : 'SHAPE_MISMATCH', place: kind, message, expected, received },
      { caller },
    );
  }
  return callNative(
    (binding) =>
      binding.metric(
        JSON.stringify({ kind, name: kind, ...rest }),
        flat(kind, truth, width),
        flat(kind, predictions, width),
        width,
        0,
        weights === undefined ? null : Float64Array.from(weights),
      ),
    caller,
  );
};

/** Σ w·(ŷ − y)² / Σ w, mean over several outputs. scikit-learn's `mean_squared_error`. */
export const meanSquaredError = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('meanSquaredError', truth, predictions, options, meanSquaredError);

/** The root of the mean squared error, in the target's own units; of several outputs the mean of the roots, as in scikit-learn. */
export const rootMeanSquaredError = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('rootMeanSquaredError', truth, predictions, options, rootMeanSquaredError);

/** Σ w·|ŷ − y| / Σ w, mean over several outputs. scikit-learn's `mean_absolute_error`. */
export const meanAbsoluteError = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('meanAbsoluteError', truth, predictions, options, meanAbsoluteError);

/** 1 − Σ w·(y − ŷ)² / Σ w·(y − ȳ)²: the share of the variance that is explained; mean over several outputs. scikit-learn's `r2_score`. */
export const r2 = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('r2', truth, predictions, options, r2);

/** Median of |ŷ − y|, which outliers don't move; mean over several outputs. scikit-learn's `median_absolute_error`. */
export const medianAbsoluteError = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('medianAbsoluteError', truth, predictions, options, medianAbsoluteError);

/** Mean of |ŷ − y|/max(|y|, ε). scikit-learn's `mean_absolute_percentage_error`: a share, not per cent. */
export const meanAbsolutePercentageError = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('meanAbsolutePercentageError', truth, predictions, options, meanAbsolutePercentageError);

/** 1 − Var(y − ŷ)/Var(y): r2 without the bias. scikit-learn's `explained_variance_score`. */
export const explainedVariance = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('explainedVariance', truth, predictions, options, explainedVariance);

/** Largest |ŷ − y|, mean over several outputs; rows of weight 0 do not count. scikit-learn's `max_error`. */
export const maxError = (truth: Outputs, predictions: Outputs, options: WeightOptions = {}): number =>
  score('maxError', truth, predictions, options, maxError);

/** Mean of max(q·e, (q − 1)·e), e = y − ŷ, for the quantile q (default ½). Koenker & Bassett 1978; scikit-learn's `mean_pinball_loss`. */
export const pinball = (truth: Outputs, predictions: Outputs, options: PinballOptions = {}): number =>
  score('pinball', truth, predictions, options, pinball, pinballOptions);
