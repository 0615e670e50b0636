import type { Average, MetricName } from './names.js';

type NoOptions = object;

interface ThresholdOptions {
  /** A single probability means the second class above it, default ½. */
  threshold?: number;
}

interface AverageOptions extends ThresholdOptions {
  /** Default `'binary'` for two classes, `'macro'` beyond. */
  average?: Average;
  /** What 0/0 is, in [0, 1]; default 0, as in scikit-learn. */
  zeroDivision?: number;
}

/** The options of each metric in a recipe. */
export interface MetricOptions {
  accuracy: ThresholdOptions;
  balancedAccuracy: ThresholdOptions & {
    /** Chance becomes 0: (value − chance)/(1 − chance). Default `false`. */
    adjusted?: boolean;
  };
  precision: AverageOptions;
  recall: AverageOptions;
  f1: AverageOptions;
  fBeta: AverageOptions & {
    /** How many times as important recall is as precision, above 0; default 1. */
    beta?: number;
  };
  rocAuc: {
    /** Of several classes or marks, default `'macro'`; `'micro'` with one class against the rest only. */
    average?: 'macro' | 'weighted' | 'micro';
    /** Each class against the rest (default), or each pair of classes. */
    multiClass?: 'ovr' | 'ovo';
  };
  averagePrecision: { average?: Exclude<Average, 'binary'> };
  logLoss: NoOptions;
  brier: NoOptions;
  topKAccuracy: {
    /** How many guesses count, default 2 as in scikit-learn. */
    k?: number;
  } & ThresholdOptions;
  matthews: ThresholdOptions;
  cohenKappa: ThresholdOptions & {
    /** How far apart two classes are counts, default not. */
    weighting?: 'linear' | 'quadratic';
  };
  calibrationError: {
    /** Equal parts of [0, 1], default 15. */
    bins?: number;
  };
  meanSquaredError: NoOptions;
  rootMeanSquaredError: NoOptions;
  meanAbsoluteError: NoOptions;
  medianAbsoluteError: NoOptions;
  meanAbsolutePercentageError: NoOptions;
  r2: NoOptions;
  explainedVariance: NoOptions;
  maxError: NoOptions;
  pinball: {
    /** In (0, 1), default ½: half the absolute error. */
    quantile?: number;
  };
}

interface Named {
  /** What results call it, default the metric's name. */
  readonly as?: string;
}

/** `object & Named` would let anything pass. */
type OptionsAndName<O> = keyof O extends never ? Named : Readonly<O> & Named;

/** A metric in a recipe: its name, or name and options; `as` is what results call it. */
export type MetricSpec =
  | MetricName
  | { readonly [N in MetricName]: readonly [name: N, options: OptionsAndName<MetricOptions[N]>] }[MetricName];

export type Metrics = readonly MetricSpec[];

type KeyOf<S> = S extends MetricName
  ? S
  : S extends readonly [infer N extends MetricName, infer O]
    ? O extends { readonly as: infer A extends string }
      ? A
      : N
    : never;

/**
 * What results call the metrics of a recipe: `MetricKey<['accuracy', ['fBeta', { beta: 2, as: 'f2' }]]>` is `'accuracy' | 'f2'`.
 * Take the list as `const M extends Metrics`, and the names are inferred without `as const`.
 */
export type MetricKey<M extends Metrics> = KeyOf<M[number]>;

/** One number for each metric of a recipe. */
export type MetricValues<M extends Metrics> = { readonly [K in MetricKey<M>]: number };
