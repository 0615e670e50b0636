import { planned } from '../errors/index.js';
import type { Layer, LayerOptions } from './layer.js';

/** Options of `weightNorm`. */
export interface WeightNormOptions extends LayerOptions {
  /** Parameters it applies to, default `['kernel']`. */
  parameters?: readonly string[];
}

/** Writes each unit's weights as g·v/‖v‖ and learns g and v. Salimans & Kingma 2016, arXiv:1602.07868. @example weightNorm(dense(64)) */
export const weightNorm: (layer: Layer, options?: WeightNormOptions) => Layer = planned('layers/weightNorm');
