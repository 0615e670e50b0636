import {
  type Caller,
  expectOptions,
  invalidOption,
  isAnything,
  isArrayLike,
  isBoolean,
  isNumber,
  isOneOf,
  optionsOf,
} from '../errors/index.js';
import { callNative } from '../native/index.js';
import { classIndices, type Label } from './class-indices.js';
import { type Average, averages, type MetricName } from './names.js';

/** Options that every metric takes. */
export interface WeightOptions {
  /** A weight ≥ 0 for each row; default 1. */
  weights?: ArrayLike<number>;
}

/** Options of the metrics that average over classes. */
export interface AverageOptions<L extends Label = Label> extends WeightOptions {
  /** Default `'binary'` for two classes, `'macro'` beyond. */
  average?: Average;
  /** The class that `'binary'` is about; default the second in order: 1, `true`, the last of two words. */
  positive?: L;
  /** What 0/0 is, in [0, 1]; default 0, as in scikit-learn. */
  zeroDivision?: number;
}

/** Options of `fBeta`. */
export interface FBetaOptions<L extends Label = Label> extends AverageOptions<L> {
  /** How many times as important recall is as precision, above 0; default 1. */
  beta?: number;
}

/** Options of `balancedAccuracy`. */
export interface BalancedAccuracyOptions extends WeightOptions {
  /** Chance becomes 0: (value − chance)/(1 − chance). Default `false`. */
  adjusted?: boolean;
}

/** Options of `cohenKappa`. */
export interface CohenKappaOptions extends WeightOptions {
  /** How far apart two classes are, in their order: |i − j| or (i − j)². Default: any two classes as far. */
  weighting?: 'linear' | 'quadratic';
}

const weightOptions = optionsOf('metrics/accuracy', { weights: isArrayLike });
const balancedOptions = optionsOf('metrics/balancedAccuracy', { weights: isArrayLike, adjusted: isBoolean });
const kappaOptions = optionsOf('metrics/cohenKappa', { weights: isArrayLike, weighting: isOneOf(['linear', 'quadratic']) });
const averageOptions = optionsOf('metrics/f1', {
  weights: isArrayLike,
  average: isOneOf(averages),
  positive: isAnything,
  zeroDivision: isNumber({ min: 0, max: 1 }),
});
const fBetaOptions = optionsOf('metrics/fBeta', { ...averageOptions, beta: isNumber({ above: 0 }) });

/** Predicted classes as the native side takes predictions: a column of 0 and 1 for two classes, else one column a class. */
const asScores = (predicted: Uint32Array, classes: number): Float64Array => {
  if (classes <= 2) return Float64Array.from(predicted);
  const scores = new Float64Array(predicted.length * classes);
  predicted.forEach((k, row) => {
    scores[row * classes + k] = 1;
  });
  return scores;
};

type AllOptions = WeightOptions & {
  average?: Average;
  positive?: Label;
  zeroDivision?: number;
  beta?: number;
  adjusted?: boolean;
  weighting?: string;
};

const score = (kind: MetricName, labels: ArrayLike<Label>, predictions: ArrayLike<Label>, options: AllOptions, caller: Caller): number => {
  const { weights, positive, ...rest } = options;
  const { classes, truth, predicted } = classIndices(kind, labels, predictions);
  const spec: Record<string, unknown> = { kind, name: kind, ...rest };
  if (positive !== undefined) {
    const index = classes.indexOf(positive);
    if (index < 0) throw invalidOption(kind, 'positive', `to be one of the classes ${classes.join(', ')}`, positive, caller);
    spec.positive = index;
  }
  const count = Math.max(classes.length, 2);
  return callNative(
    (binding) =>
      binding.metric(
        JSON.stringify(spec),
        Float64Array.from(truth),
        asScores(predicted, count),
        count === 2 ? 1 : count,
        count,
        weights === undefined ? null : Float64Array.from(weights),
      ),
    caller,
  );
};

/** Share of rows whose class is right: Σ w·[ŷ = y] / Σ w. scikit-learn's `accuracy_score`. @example accuracy(['a', 'b'], ['a', 'a']) // 0.5 */
export const accuracy = <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options: WeightOptions = {}): number => {
  expectOptions('accuracy', options, weightOptions, accuracy);
  return score('accuracy', labels, predictions, options, accuracy);
};

/** Mean of the recalls of the classes that have rows: each class counts the same, however rare. scikit-learn's `balanced_accuracy_score`. */
export const balancedAccuracy = <L extends Label>(
  labels: ArrayLike<L>,
  predictions: ArrayLike<L>,
  options: BalancedAccuracyOptions = {},
): number => {
  expectOptions('balancedAccuracy', options, balancedOptions, balancedAccuracy);
  return score('balancedAccuracy', labels, predictions, options, balancedAccuracy);
};

/** Of the rows given a class, the share that has it: tp/(tp + fp). scikit-learn's `precision_score`. */
export const precision = <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options: AverageOptions<L> = {}): number => {
  expectOptions('precision', options, averageOptions, precision);
  return score('precision', labels, predictions, options, precision);
};

/** Of the rows that have a class, the share given it: tp/(tp + fn). scikit-learn's `recall_score`. */
export const recall = <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options: AverageOptions<L> = {}): number => {
  expectOptions('recall', options, averageOptions, recall);
  return score('recall', labels, predictions, options, recall);
};

/** Harmonic mean of precision and recall: 2·tp/(2·tp + fp + fn). scikit-learn's `f1_score`. */
export const f1 = <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options: AverageOptions<L> = {}): number => {
  expectOptions('f1', options, averageOptions, f1);
  return score('f1', labels, predictions, options, f1);
};

/**
 * (1+β²)·tp/((1+β²)·tp + β²·fn + fp): recall counts β times as much as precision. van Rijsbergen 1979; scikit-learn's `fbeta_score`.
 * @example fBeta(labels, predictions, { beta: 2, average: 'macro' })
 */
export const fBeta = <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options: FBetaOptions<L> = {}): number => {
  expectOptions('fBeta', options, fBetaOptions, fBeta);
  return score('fBeta', labels, predictions, options, fBeta);
};

/**
 * Correlation of truth and prediction, in [−1, 1]; 0 where either is one class only. Matthews 1975, of several classes Gorodkin 2004;
 * scikit-learn's `matthews_corrcoef`.
 */
export const matthews = <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options: WeightOptions = {}): number => {
  expectOptions('matthews', options, weightOptions, matthews);
  return score('matthews', labels, predictions, options, matthews);
};

/** Agreement beyond chance, (pₒ − pₑ)/(1 − pₑ). Cohen 1960, 1968; scikit-learn's `cohen_kappa_score`. NaN where both are one class. */
export const cohenKappa = <L extends Label>(labels: ArrayLike<L>, predictions: ArrayLike<L>, options: CohenKappaOptions = {}): number => {
  expectOptions('cohenKappa', options, kappaOptions, cohenKappa);
  return score('cohenKappa', labels, predictions, options, cohenKappa);
};
