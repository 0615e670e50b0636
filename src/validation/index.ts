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
  type BiasVarianceOptions,
  biasVariance,
  type CurvePoint,
  checkEstimator,
  compareModels,
  diagnose,
  type Estimate,
  learningCurve,
  type NestedOptions,
  nestedCrossValidate,
  type Verdict,
  validationCurve,
} from './experiments.js';
export { type HoldOutOptions, holdOut, type ShuffleSplitOptions, shuffleSplit } from './hold-out.js';
export { type KFoldOptions, kFold, type RepeatedKFoldOptions, repeatedKFold } from './k-fold.js';
export { type LeavePOutOptions, leaveOneGroupOut, leaveOneOut, leavePOut } from './leave-out.js';
export type { RowsToSplit, Split, Splitter } from './splitter.js';
export { type TimeSeriesSplitOptions, timeSeriesSplit } from './time-series-split.js';
