export type { Label } from './class-indices.js';
export {
  type AverageOptions,
  accuracy,
  type BalancedAccuracyOptions,
  balancedAccuracy,
  type FBetaOptions,
  f1,
  fBeta,
  precision,
  recall,
  type WeightOptions,
} from './classification.js';
export { type ConfusionMatrix, confusionMatrix } from './confusion-matrix.js';
export type { Average, Direction, MetricName } from './names.js';
export {
  averagePrecision,
  brier,
  calibrationError,
  cohenKappa,
  explainedVariance,
  logLoss,
  matthews,
  maxError,
  meanAbsolutePercentageError,
  medianAbsoluteError,
  pinball,
  rocAuc,
  type ScoreOptions,
  type Scores,
  topKAccuracy,
} from './planned.js';
export { meanAbsoluteError, meanSquaredError, type Outputs, r2, rootMeanSquaredError } from './regression.js';
export type { MetricKey, MetricOptions, MetricSpec, Metrics, MetricValues } from './spec.js';
