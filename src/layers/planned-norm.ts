import { planned } from '../errors/index.js';
import type { Layer, LayerOptions } from './layer.js';

/** Options of the norms. */
export interface NormOptions extends LayerOptions {
  /** Added to the variance, default 1e-5 (PyTorch; Keras: 1e-3). */
  epsilon?: number;
  /** Learns a scale γ, started at 1; default `true`. */
  scale?: boolean;
  /** Learns a shift β, started at 0; default `true`. */
  shift?: boolean;
}

/** Options of `batchNorm`. */
export interface BatchNormOptions extends NormOptions {
  /** Share of the old running statistics that is kept a step, default 0.9 (Keras: 0.99; PyTorch's `momentum` is 1 − ours). */
  momentum?: number;
}

/** Options of `groupNorm`. */
export interface GroupNormOptions extends NormOptions {
  /** Number of groups of channels; divides their number. */
  groups: number;
}

/** Options of `weightNorm`. */
export interface WeightNormOptions extends LayerOptions {
  /** Parameters it applies to, default `['kernel']`. */
  parameters?: readonly string[];
}

/**
 * γ·(x − μ)/√(σ² + ε) + β, μ and σ² a channel over the batch in training, running means at inference. Ioffe & Szegedy 2015,
 * arXiv:1502.03167, Algorithms 1 and 2. Shapes: [batch, …, c] → the same.
 */
export const batchNorm: (options?: BatchNormOptions) => Layer = planned('layers/batchNorm');

/** The same over the last axis of each row, alike in training and at inference. Ba, Kiros & Hinton 2016, arXiv:1607.06450. */
export const layerNorm: (options?: NormOptions) => Layer = planned('layers/layerNorm');

/** Over groups of channels and all positions of each row. Wu & He 2018, arXiv:1803.08494. */
export const groupNorm: (options: GroupNormOptions) => Layer = planned('layers/groupNorm');

/** Over the positions of each row and channel. Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022. */
export const instanceNorm: (options?: NormOptions) => Layer = planned('layers/instanceNorm');

/** γ·x/√(mean x² + ε) over the last axis: no mean, no shift. Zhang & Sennrich 2019, arXiv:1910.07467. */
export const rmsNorm: (options?: Omit<NormOptions, 'shift'>) => Layer = planned('layers/rmsNorm');

/** Writes each unit's weights as g·v/‖v‖ and learns g and v. Salimans & Kingma 2016, arXiv:1602.07868. @example weightNorm(dense(64)) */
export const weightNorm: (layer: Layer, options?: WeightNormOptions) => Layer = planned('layers/weightNorm');
