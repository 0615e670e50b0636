import { type Activation, activate, defaultInitializer, isActivation } from '../activations/index.js';
import { type Caller, expectArgument, expectOptions, invalidOption, isBoolean, isInteger, optionsOf } from '../errors/index.js';
import { type InitializerLike, zeros } from '../initializers/index.js';
import { isInitializer } from '../initializers/initializer.js';
import type { Regularizer } from '../regularizers/index.js';
import { isRegularizer } from '../regularizers/penalties.js';
import { type Tensor, traceOf } from '../trace/index.js';
import { called, type Layer, type LayerOptions, layer, layerOptions, type ParameterFunction } from './layer.js';
import {
  isPadding,
  isPerAxis,
  isTimePadding,
  maskOfWindows,
  type Padding,
  type PerAxis,
  paddingOf,
  perAxis,
  spatialSizes,
  type TimePadding,
} from './window.js';

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
  /** A penalty on this kernel alone, beside the trainer's. */
  regularizer?: Regularizer;
}

/** Options of `conv1d`, `conv2d` and `conv3d`. */
export interface ConvolutionOptions extends KernelOptions {
  /** Channels fall into that many groups that do not see each other, default 1. */
  groups?: number;
}

/** Options of `conv1d`. */
export interface Convolution1dOptions extends Omit<ConvolutionOptions, 'padding'> {
  /**
   * Default `'valid'`. `'causal'` looks at a step and those before it, which a session can go through one by one (van den Oord et al. 2016,
   * arXiv:1609.03499).
   */
  padding?: TimePadding;
}

/** Options of `depthwiseConv2d`. */
export interface DepthwiseConvolutionOptions extends KernelOptions {
  /** Outputs a channel, default 1. */
  multiplier?: number;
}

/** Options of `convTranspose2d`. */
export type ConvolutionTransposeOptions = KernelOptions;

const kernelOptions = (axes: number) => ({
  kernel: isPerAxis(axes),
  stride: isPerAxis(axes),
  padding: isPadding,
  dilation: isPerAxis(axes),
  activation: isActivation,
  bias: isBoolean,
  kernelInitializer: isInitializer,
  biasInitializer: isInitializer,
  regularizer: isRegularizer,
  ...layerOptions,
});
const isCount = isInteger({ min: 1, max: 2 ** 20 });
const optionsFor = {
  conv1d: optionsOf('layers/conv1d', { ...kernelOptions(1), padding: isTimePadding, groups: isCount }),
  conv2d: optionsOf('layers/conv2d', { ...kernelOptions(2), groups: isCount }),
  conv3d: optionsOf('layers/conv3d', { ...kernelOptions(3), groups: isCount }),
};
const depthwiseOptions = optionsOf('layers/depthwiseConv2d', { ...kernelOptions(2), multiplier: isCount });
const transposeOptions = optionsOf('layers/convTranspose2d', kernelOptions(2));

const expectKernel = (kind: string, options: Pick<KernelOptions, 'kernel' | 'name'>, caller: Caller): void => {
  if (options.kernel === undefined) {
    throw invalidOption(called(kind, options.name), 'kernel', 'to be the size of the window', undefined, caller);
  }
};

const penalized = ({ regularizer }: Pick<KernelOptions, 'regularizer'>) => (regularizer === undefined ? {} : { regularizer });

/** Bias and activation, as in `dense`. */
const finished = (y: Tensor, channels: number, options: Omit<KernelOptions, 'padding'>, parameter: ParameterFunction): Tensor => {
  const { activation, bias = true } = options;
  const sum = bias ? y.add(parameter('bias', [channels], options.biasInitializer ?? zeros(), { decay: false })) : y;
  return activate(sum, activation, parameter);
};

/** The window of a layer over `axes` axes, each option with one number an axis. */
const windowOf = (options: Pick<KernelOptions, 'kernel' | 'stride' | 'dilation'>, axes: number) => {
  const kernel = perAxis(options.kernel, axes);
  const stride = perAxis(options.stride ?? 1, axes);
  const dilation = perAxis(options.dilation ?? 1, axes);
  return { kernel, stride, dilation, reach: kernel.map((size, axis) => dilation[axis]! * (size - 1) + 1) };
};

const convolve = (
  x: Tensor,
  axes: number,
  filters: number,
  groups: number,
  options: Omit<KernelOptions, 'padding'> & { readonly padding?: TimePadding },
  parameter: ParameterFunction,
  caller: Caller,
): Tensor => {
  const sizes = spatialSizes(x, axes, caller);
  const { kernel, stride, dilation, reach } = windowOf(options, axes);
  const channels = x.shape.at(-1)!;
  if (channels % groups !== 0 || filters % groups !== 0) {
    const words = `to divide ${channels} channels and ${filters} filters`;
    throw invalidOption(traceOf(x).label, 'groups', words, groups, caller);
  }
  const initializer = options.kernelInitializer ?? defaultInitializer(options.activation);
  const weights = parameter('kernel', [...kernel, channels / groups, filters], initializer, penalized(options));
  const padding = paddingOf(options.padding ?? 'valid', sizes, reach, stride);
  // Padding of a masked sequence is 0, as what lies around it.
  const masked = axes === 1 ? x.mask : undefined;
  const own = masked === undefined ? x : x.withMask(undefined).multiply(masked.steps.reshape([-1, sizes[0]!, 1]));
  const y = traceOf(x).apply('conv', [own, weights], { stride, padding, dilation, groups, size: [] }, caller);
  const z = masked === undefined ? y : maskOfWindows(x, y, reach[0]!, stride[0]!, options.padding ?? 'valid');
  return finished(z, filters, options, parameter);
};

const convolution = (kind: keyof typeof optionsFor, axes: number) => {
  const make = (filters: number, options: Convolution1dOptions): Layer => {
    expectArgument(kind, 'filters', filters, isCount, make);
    expectOptions(kind, options, optionsFor[kind], make);
    expectKernel(kind, options, make);
    const { groups = 1, name } = options;
    const run = (x: Tensor, { parameter }: { parameter: ParameterFunction }) =>
      convolve(x, axes, filters, groups, options, parameter, make);
    return layer(kind, run, name === undefined ? {} : { name });
  };
  return Object.defineProperty(make, 'name', { value: kind });
};

/**
 * Cross-correlation over time: [batch, time, in] → [batch, time', filters]; kernel [k, in/groups, filters]. Where the sequence has a mask,
 * padding is 0 and the mask shrinks with the stride.
 * @throws {NablaError} `SHAPE_MISMATCH`, `INVALID_OPTION`
 */
export const conv1d: (filters: number, options: Convolution1dOptions) => Layer = convolution('conv1d', 1);

/**
 * y[i, j, f] = Σ x[i·s + a·d, j·s + b·d, c]·W[a, b, c, f] + bias[f], a cross-correlation as everywhere in this field.
 *
 * Shapes: [batch, height, width, in] → [batch, height', width', filters]; kernel [kh, kw, in/groups, filters];
 * height' = ⌊(height + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1. Cost: 2·height'·width'·kh·kw·in/groups·filters operations a row.
 * @throws {NablaError} `SHAPE_MISMATCH` if x is not an image or smaller than the window, `INVALID_OPTION`
 * @example conv2d(32, { kernel: 3, padding: 'same', activation: 'relu' })
 */
export const conv2d: (filters: number, options: ConvolutionOptions) => Layer = convolution('conv2d', 2);

/** The same over three axes: [batch, depth, height, width, in] → [batch, depth', height', width', filters]. */
export const conv3d: (filters: number, options: ConvolutionOptions) => Layer = convolution('conv3d', 3);

/**
 * One kernel a channel: [batch, height, width, in] → [batch, height', width', in·multiplier]; kernel [kh, kw, 1, in·multiplier].
 * Chollet 2017, arXiv:1610.02357.
 */
export const depthwiseConv2d = (options: DepthwiseConvolutionOptions): Layer => {
  expectOptions('depthwiseConv2d', options, depthwiseOptions, depthwiseConv2d);
  expectKernel('depthwiseConv2d', options, depthwiseConv2d);
  const { multiplier = 1, name } = options;
  return layer(
    'depthwiseConv2d',
    (x, { parameter }) => {
      const channels = x.shape.at(-1)!;
      return convolve(x, 2, channels * multiplier, channels, options, parameter, depthwiseConv2d);
    },
    name === undefined ? {} : { name },
  );
};

/**
 * The adjoint of `conv2d`: [batch, height, width, in] → [batch, height', width', filters]; kernel [kh, kw, filters, in], as in Keras.
 * height' = (height − 1)·stride + dilation·(kernel − 1) + 1 − 2·padding, and height·stride with `'same'`.
 * Zeiler et al. 2010, Deconvolutional Networks.
 * @example convTranspose2d(16, { kernel: 2, stride: 2 }) // twice as high and wide
 */
export const convTranspose2d = (filters: number, options: ConvolutionTransposeOptions): Layer => {
  expectArgument('convTranspose2d', 'filters', filters, isCount, convTranspose2d);
  expectOptions('convTranspose2d', options, transposeOptions, convTranspose2d);
  expectKernel('convTranspose2d', options, convTranspose2d);
  const { padding: rule = 'valid', name } = options;
  return layer(
    'convTranspose2d',
    (x, { parameter }) => {
      const sizes = spatialSizes(x, 2, convTranspose2d);
      const { kernel, stride, dilation, reach } = windowOf(options, 2);
      const cut = typeof rule === 'number' ? 2 * rule : 0;
      const size = sizes.map((n, axis) => (rule === 'same' ? n * stride[axis]! : (n - 1) * stride[axis]! + reach[axis]! - cut));
      if (size.some((n) => n < 1)) {
        throw invalidOption(traceOf(x).label, 'padding', 'to leave something of the output', rule, convTranspose2d);
      }
      const initializer = options.kernelInitializer ?? defaultInitializer(options.activation);
      const weights = parameter('kernel', [...kernel, filters, x.shape.at(-1)!], initializer, penalized(options));
      const padding = paddingOf(rule, size, reach, stride);
      const attributes = { stride, padding, dilation, groups: 1, size };
      return finished(traceOf(x).apply('convInput', [x, weights], attributes, convTranspose2d), filters, options, parameter);
    },
    name === undefined ? {} : { name },
  );
};
