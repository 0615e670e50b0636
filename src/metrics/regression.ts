import { type Caller, expectArgument, expectOptions, isArrayLike, NablaError, optionsOf, shown } from '../errors/index.js';
import { callNative } from '../native/index.js';
import type { WeightOptions } from './classification.js';
import type { MetricName } from './names.js';

/** One number a row, or several. */
export type Outputs = ArrayLike<number> | readonly ArrayLike<number>[];

const weightOptions = optionsOf('metrics/meanSquaredError', { weights: isArrayLike });

const widthOf = (values: Outputs): number => {
  const first: unknown = values[0];
  return typeof first === 'object' && first !== null ? (first as ArrayLike<number>).length : 1;
};

const flat = (where: string, values: Outputs, width: number): Float64Array => {
  if (typeof values[0] === 'number' || values.length === 0) return Float64Array.from(values as ArrayLike<number>);
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

const score = (kind: MetricName, truth: Outputs, predictions: Outputs, options: WeightOptions, caller: Caller): number => {
  expectOptions(kind, options, weightOptions, caller);
  expectArgument(kind, 'truth', truth, isArrayLike, caller);
  expectArgument(kind, 'predictions', predictions, isArrayLike, caller);
  const { weights } = options;
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
        JSON.stringify({ kind, name: kind }),
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
