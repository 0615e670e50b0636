import { biasVariance } from './bias-variance.js';
import { earlyStopping } from './early-stopping.js';
import { initialization } from './initialization.js';
import { optimizers } from './optimizers.js';
import { penalties } from './penalties.js';
import { ridge } from './ridge.js';
import { scaling } from './scaling.js';
import { search } from './search.js';

export type { CapacityPanel, CapacityPoint } from './bias-variance.js';
export type { DepthPanel } from './initialization.js';
export type { Race, RacePath } from './optimizers.js';
export type { ScalingPanel, ScalingRow } from './scaling.js';
export type { SearchPanel, SearchTrial } from './search.js';
export type { StudyOptions, StudyPicture } from './study.js';

/**
 * Classic experiments as short programs that draw their picture: `await writeFile('race.svg', (await study.optimizers()).toSvg())`.
 * `npm start -- studies` runs them all.
 */
export const study = {
  /** Activation statistics by depth, for several initializers. */
  initialization,
  /** Optimizers on two-dimensional surfaces, and descent by batches of several sizes. */
  optimizers,
  /** What scaling does to the shape of the loss. */
  scaling,
  /** λ against fit. */
  ridge,
  /** Contours and sparsity of Lq penalties. */
  penalties,
  /** The U of early stopping. */
  earlyStopping,
  /** Bias and variance against capacity. */
  biasVariance,
  /** Random against grid search, and the zoom of coarse-to-fine. */
  search,
} as const;
