import { planned } from '../errors/index.js';
import type { Layer, LayerOptions } from './layer.js';
import type { Padding } from './planned-convolution.js';

/** Options of the pooling layers. */
export interface PoolOptions extends LayerOptions {
  /** Size of the window, one number or one an axis. */
  size: number | readonly number[];
  /** Default `size`: windows side by side. */
  stride?: number | readonly number[];
  /** Default `'valid'`. Padding is never the largest value, and not counted in an average. */
  padding?: Padding;
}

/** Largest value of each window: [batch, time, c] → [batch, time', c]. */
export const maxPool1d: (options: PoolOptions) => Layer = planned('layers/maxPool1d');

/** Largest value of each window: [batch, height, width, c] → [batch, height', width', c]. @example maxPool2d({ size: 2 }) */
export const maxPool2d: (options: PoolOptions) => Layer = planned('layers/maxPool2d');

/** Mean of each window: [batch, time, c] → [batch, time', c]. */
export const averagePool1d: (options: PoolOptions) => Layer = planned('layers/averagePool1d');

/** Mean of each window: [batch, height, width, c] → [batch, height', width', c]. */
export const averagePool2d: (options: PoolOptions) => Layer = planned('layers/averagePool2d');

/** Mean over all axes between batch and channels: [batch, …, c] → [batch, c]. Lin, Chen & Yan 2014, arXiv:1312.4400. */
export const globalAveragePool: (options?: LayerOptions) => Layer = planned('layers/globalAveragePool');

/** Largest value over all axes between batch and channels: [batch, …, c] → [batch, c]. */
export const globalMaxPool: (options?: LayerOptions) => Layer = planned('layers/globalMaxPool');
