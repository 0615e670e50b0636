/** What a model predicts: classes by name, or numbers. */
export type PredictionKind = 'classes' | 'numbers';

/** What `predict` gives: class names, or numbers (several a row lie row by row). */
export type Predictions<Kind> = Kind extends 'classes'
  ? string[]
  : Kind extends 'numbers'
    ? Float64Array
    : { readonly [K in keyof Kind]: Predictions<Kind[K]> };

/** What `{ steps: true }` gives of a model that predicts a class for each step: the names of a row, one a step. */
export type StepPredictions<Kind> = Kind extends 'classes' ? string[][] : never;

/** What `predictSync` gives for one row: a class name, or the number (an array of them when the target is several). */
export type Prediction<Kind> = Kind extends 'classes'
  ? string
  : Kind extends 'numbers'
    ? number | Float64Array
    : { readonly [K in keyof Kind]: Prediction<Kind[K]> };

/** What `{ probabilities: true }` gives: one array of probabilities a row; numbers where an output of several is numbers. */
export type Probabilities<Kind> = Kind extends PredictionKind
  ? Float64Array[]
  : { readonly [K in keyof Kind]: Kind[K] extends 'numbers' ? Float64Array : Float64Array[] };

/** The same for one row. */
export type RowProbabilities<Kind> = Kind extends PredictionKind
  ? Float64Array
  : { readonly [K in keyof Kind]: Kind[K] extends 'numbers' ? number | Float64Array : Float64Array };

/** The mean of samples and their standard deviation (over n − 1), each as `Probabilities` has it, numbers as numbers. */
export interface Sampled<Kind> {
  readonly mean: SampledValues<Kind>;
  readonly standardDeviation: SampledValues<Kind>;
}

/** Probabilities of each class a row, or the numbers. */
export type SampledValues<Kind> = Kind extends 'classes'
  ? Float64Array[]
  : Kind extends 'numbers'
    ? Float64Array
    : { readonly [K in keyof Kind]: SampledValues<Kind[K]> };
