import { focal, hinge, klDivergence } from './classification.js';
import { binaryCrossEntropy, crossEntropy } from './cross-entropy.js';
import { contrastive, ctc, triplet } from './embedding.js';
import { isLoss, type Loss, type LossLike, type LossName, loss, unknownLoss } from './loss.js';
import { huber, logCosh, meanAbsoluteError, meanSquaredError, poisson } from './regression.js';

const makers: Readonly<Record<LossName, () => Loss>> = {
  crossEntropy,
  binaryCrossEntropy,
  meanSquaredError,
  meanAbsoluteError,
  huber,
  logCosh,
  hinge,
  focal,
  klDivergence,
  poisson,
  triplet,
  contrastive,
  ctc,
};

/**
 * The loss for a name, a value or a user's own function (whose predictions are the model's output as it is).
 * @throws {NablaError} `INVALID_OPTION` with the nearest name
 */
export const resolveLoss = (like: LossLike): Loss => {
  if (isLoss(like)) return like;
  if (typeof like === 'function') return loss('custom', { targets: 'any', output: 'identity' }, like);
  if (typeof like === 'string' && Object.hasOwn(makers, like)) return makers[like]();
  throw unknownLoss(like);
};
