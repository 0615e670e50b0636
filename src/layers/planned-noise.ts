import { planned } from '../errors/index.js';
import type { Layer, LayerOptions } from './layer.js';
import type { Step } from './sequential.js';

/** Drops whole channels: one draw for each row and channel of [batch, …, c]. Tompson et al. 2015, arXiv:1411.4280. */
export const spatialDropout: (rate: number, options?: LayerOptions) => Layer = planned('layers/spatialDropout');

/** Sets elements to SELU's −λα and rescales, so that mean and variance stay. Klambauer et al. 2017, arXiv:1706.02515. */
export const alphaDropout: (rate: number, options?: LayerOptions) => Layer = planned('layers/alphaDropout');

/** Adds N(0, deviation²) in training. */
export const gaussianNoise: (deviation: number, options?: LayerOptions) => Layer = planned('layers/gaussianNoise');

/** x + f(x), where f is left out for whole rows with probability `rate` in training. Huang et al. 2016, arXiv:1603.09382. */
export const stochasticDepth: (layers: Step | readonly Step[], options: LayerOptions & { rate: number }) => Layer =
  planned('layers/stochasticDepth');
