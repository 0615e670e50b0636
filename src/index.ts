/** nabla: neural networks for Node, described in TypeScript; trained, validated and tuned by Rust. */

export * as data from './data/index.js';
export { Dataset } from './data/index.js';
export { type Code, type ErrorData, NablaError } from './errors/index.js';
export {
  GradientHealth,
  type HealthFinding,
  type HealthRecord,
  type HealthVerdict,
  healthThresholds,
  type LayerHealth,
  type ParameterHealth,
  type Statistics,
} from './health/index.js';
export * as initializers from './initializers/index.js';
export * as layers from './layers/index.js';
export { layer, network, sequential } from './layers/index.js';
export * as losses from './losses/index.js';
export * as metrics from './metrics/index.js';
export { norm } from './norm.js';
export * as optimizers from './optimizers/index.js';
export * as regularizers from './regularizers/index.js';
export * as schedules from './schedules/index.js';
export { type StudyOptions, type StudyPicture, study } from './studies/index.js';
export { type ArrayInput, type ArrayValue, compile, Tensor, valueAndGradient } from './trace/index.js';
export { type Basis, bases, polynomial } from './trainer/bases.js';
export {
  checkGradients,
  type EarlyStopping,
  type Epoch,
  type Estimator,
  ensemble,
  type FitOptions,
  Fitted,
  type FittedEstimator,
  type GenerateOptions,
  type GradientHealthOptions,
  gradientHealth,
  type LayerArrays,
  learningRateTest,
  Run,
  type Scores,
  type Session,
  type StepArrays,
  Trainer,
  type TrainerOptions,
} from './trainer/index.js';
export { type PretrainOptions, pretrain } from './trainer/pretrain.js';
export { type FittedRidge, type RidgeOptions, type RidgeScores, ridge } from './trainer/ridge.js';
export * as tuning from './tuning/index.js';
export * as validation from './validation/index.js';
