import type { Activation } from '../activations/index.js';
import { planned } from '../errors/index.js';
import type { InitializerLike } from '../initializers/index.js';
import type { Regularizer } from '../regularizers/index.js';
import type { Layer, LayerOptions } from './layer.js';

/** `'valid'`: none, the output shrinks. `'same'`: zeros so that the output has ⌈size/stride⌉. A number: that many zeros on each side. */
export type Padding = 'valid' | 'same' | number;

/** One number for all spatial axes, or one each. */
type PerAxis = number | readonly number[];

interface KernelOptions extends LayerOptions {
  /** Size of the window. */
  kernel: PerAxis;
  /** Default 1. */
  stride?: PerAxis;
  /** Default `'valid'`, as in Keras and PyTorch. */
  padding?: Padding;
  /** Default 1. */
  dilation?: PerAxis;
  activation?: Activation;
  /** Default `true`. */
  bias?: boolean;
  /** Default by activation, as in `dense`. */
  kernelInitializer?: InitializerLike;
  /** Default zeros. */
  biasInitializer?: InitializerLike;
  regularizer?: Regularizer;
}

/** Options of `conv1d`, `conv2d` and `conv3d`. */
export interface ConvolutionOptions extends KernelOptions {
  /** Channels fall into that many groups that do not see each other, default 1. */
  groups?: number;
}

/** Options of `depthwiseConv2d`. */
export interface DepthwiseConvolutionOptions extends KernelOptions {
  /** Outputs a channel, default 1. */
  multiplier?: number;
}

/** Options of `convTranspose2d`. */
export type ConvolutionTransposeOptions = KernelOptions;

/** Cross-correlation over time: [batch, time, in] → [batch, time', filters]; kernel [k, in/groups, filters]. */
export const conv1d: (filters: number, options: ConvolutionOptions) => Layer = planned('layers/conv1d');

/**
 * y[i, j, f] = Σ x[i·s + a·d, j·s + b·d, c]·W[a, b, c, f] + bias[f], a cross-correlation as everywhere in this field.
 *
 * Shapes: [batch, height, width, in] → [batch, height', width', filters]; kernel [kh, kw, in/groups, filters];
 * height' = ⌊(height + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1.
 * @example conv2d(32, { kernel: 3, padding: 'same', activation: 'relu' })
 */
export const conv2d: (filters: number, options: ConvolutionOptions) => Layer = planned('layers/conv2d');

/** The same over three axes: [batch, depth, height, width, in] → [batch, depth', height', width', filters]. */
export const conv3d: (filters: number, options: ConvolutionOptions) => Layer = planned('layers/conv3d');

/** One kernel a channel: [batch, height, width, in] → [batch, height', width', in·multiplier]. Chollet 2017, arXiv:1610.02357. */
export const depthwiseConv2d: (options: DepthwiseConvolutionOptions) => Layer = planned('layers/depthwiseConv2d');

/** The adjoint of `conv2d`: [batch, height, width, in] → [batch, (height − 1)·stride + kernel, …, filters] when padding is `'valid'`. */
export const convTranspose2d: (filters: number, options: ConvolutionTransposeOptions) => Layer = planned('layers/convTranspose2d');
