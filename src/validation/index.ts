export { type BiasVariance, type BiasVarianceOptions, biasVariance, type Estimate } from './bias-variance.js';
export { type CheckedLaw, checkEstimator, type EstimatorCheck } from './check-estimator.js';
export { type Comparison, compareModels } from './compare-models.js';
export {
  type CrossValidateOptions,
  type CrossValidation,
  type CrossValidationReport,
  crossValidate,
  type Fold,
  type FoldScores,
  type ScoresOf,
} from './cross-validate.js';
export {
  type Curve,
  type CurvePoint,
  type LearningCurveOptions,
  learningCurve,
  type ValidationCurveOptions,
  validationCurve,
} from './curves.js';
export { type DiagnoseOptions, type Diagnosis, diagnose, type Evidence, type Verdict } from './diagnose.js';
export { type HoldOutOptions, holdOut, type ShuffleSplitOptions, shuffleSplit } from './hold-out.js';
export { type KFoldOptions, kFold, type RepeatedKFoldOptions, repeatedKFold } from './k-fold.js';
export { type ColumnScore, type Leaks, type LeaksOptions, leaks } from './leaks.js';
export { type LeavePOutOptions, leaveOneGroupOut, leaveOneOut, leavePOut } from './leave-out.js';
export { type NestedOptions, nestedCrossValidate } from './nested-cross-validate.js';
export type { OutOfFold } from './out-of-fold.js';
export { type PredefinedSplitOptions, predefinedSplit } from './predefined-split.js';
export type { RowsToSplit, Split, Splitter } from './splitter.js';
export { type TimeSeriesSplitOptions, timeSeriesSplit } from './time-series-split.js';
