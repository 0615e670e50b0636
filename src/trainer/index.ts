export type { BatchedOptions, BatchedRow, Batcher, BatcherOptions } from './batcher.js';
export { type EnsembleMembers, type EnsembleOptions, ensemble, type FittedEnsemble } from './ensemble.js';
export type { Epoch, Scores } from './epoch.js';
export type { Estimator, EstimatorFitOptions, FittedEstimator } from './estimator.js';
export {
  type CheckGradientsOptions,
  checkGradients,
  type GradientCheck,
  type LearningRateTest,
  type LearningRateTestOptions,
  learningRateTest,
} from './examine.js';
export { Fitted, type NotTaken, type PredictInput, type PredictOptions, type SampleOptions } from './fitted.js';
export type { GenerateOptions } from './generate.js';
export { type GradientHealthOptions, gradientHealth, type LayerArrays, type StepArrays } from './gradient-health.js';
export type { NamedKinds, NamedLosses, NamedMetrics, PredictionKindOf, ScoreName } from './outputs.js';
export type {
  Prediction,
  PredictionKind,
  Predictions,
  Probabilities,
  RowProbabilities,
  Sampled,
  SampledValues,
  StepPredictions,
} from './predictions.js';
export { Run } from './run.js';
export type { Session } from './session.js';
export {
  type Clip,
  type EarlyStopping,
  type FitOptions,
  type GradientNoise,
  type ParameterGroup,
  Trainer,
  type TrainerOptions,
} from './trainer.js';
