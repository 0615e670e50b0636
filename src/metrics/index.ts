export type { Label } from './class-indices.js';
export {
  type AverageOptions,
  accuracy,
  type BalancedAccuracyOptions,
  balancedAccuracy,
  type CohenKappaOptions,
  cohenKappa,
  type FBetaOptions,
  f1,
  fBeta,
  matthews,
  precision,
  recall,
  type WeightOptions,
} from './classification.js';
export {
  type ClassificationReport,
  type ClassificationReportOptions,
  classificationReport,
  type ReportRow,
} from './classification-report.js';
export { type ConfusionMatrix, confusionMatrix } from './confusion-matrix.js';
export type { Average, Direction, MetricName } from './names.js';
export {
  explainedVariance,
  maxError,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  medianAbsoluteError,
  type Outputs,
  type PinballOptions,
  pinball,
  r2,
  rootMeanSquaredError,
} from './regression.js';
export {
  averagePrecision,
  brier,
  calibrationError,
  logLoss,
  type Marks,
  type RocAucOptions,
  rocAuc,
  type ScoreOptions,
  type Scores,
  topKAccuracy,
} from './scores.js';
export type { MetricKey, MetricOptions, MetricSpec, Metrics, MetricValues } from './spec.js';
