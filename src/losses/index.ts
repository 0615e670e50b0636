export { type FocalOptions, focal, hinge, klDivergence } from './classification.js';
export { binaryCrossEntropy, type CrossEntropyOptions, crossEntropy } from './cross-entropy.js';
export { type CtcOptions, contrastive, ctc, type MarginOptions, triplet } from './embedding.js';
export type { LogitsOptions, Loss, LossFunction, LossLike, LossName, OutputActivation, TargetKind } from './loss.js';
export { type HuberOptions, huber, logCosh, meanAbsoluteError, meanSquaredError, type PoissonOptions, poisson } from './regression.js';
