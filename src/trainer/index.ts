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
export { Fitted, type PredictInput, type Prediction, type PredictionKind, type Predictions, type PredictOptions } from './fitted.js';
export { Run } from './run.js';
export {
  type Clip,
  type EarlyStopping,
  type FitOptions,
  type NamedLosses,
  type ParameterGroup,
  type PredictionKindOf,
  Trainer,
  type TrainerOptions,
} from './trainer.js';
