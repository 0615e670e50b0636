import { expectOptions, invalidOption, NablaError, optionsOf } from '../errors/index.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { called, type Layer, type LayerOptions, layer, layerOptions } from './layer.js';
import { isPadding, isPerAxis, maskOfWindows, type Padding, type PerAxis, paddingOf, perAxis, spatialSizes } from './window.js';

/** Options of the pooling layers. */
export interface PoolOptions extends LayerOptions {
  /** Size of the window, one number or one an axis. */
  size: PerAxis;
  /** Default `size`: windows side by side. */
  stride?: PerAxis;
  /** Default `'valid'`. Padding is never the largest value, and not counted in an average (as PyTorch's `count_include_pad=False`). */
  padding?: Padding;
}

const poolOptions = (axes: number) => ({ size: isPerAxis(axes), stride: isPerAxis(axes), padding: isPadding, ...layerOptions });
const optionsFor = {
  maxPool1d: optionsOf('layers/maxPool1d', poolOptions(1)),
  maxPool2d: optionsOf('layers/maxPool2d', poolOptions(2)),
  averagePool1d: optionsOf('layers/averagePool1d', poolOptions(1)),
  averagePool2d: optionsOf('layers/averagePool2d', poolOptions(2)),
};
const globalOptions = {
  globalAveragePool: optionsOf('layers/globalAveragePool', layerOptions),
  globalMaxPool: optionsOf('layers/globalMaxPool', layerOptions),
};

const pooling = (kind: keyof typeof optionsFor, operator: 'maxPool' | 'averagePool', axes: number) => {
  const make = (options: PoolOptions): Layer => {
    expectOptions(kind, options, optionsFor[kind], make);
    if (options.size === undefined) {
      throw invalidOption(called(kind, options.name), 'size', 'to be the size of the window', undefined, make);
    }
    const window = perAxis(options.size, axes);
    const stride = perAxis(options.stride ?? options.size, axes);
    const { padding = 'valid', name } = options;
    const run = (x: Tensor): Tensor => {
      const sizes = spatialSizes(x, axes, make);
      const attributes = { window, stride, padding: paddingOf(padding, sizes, window, stride) };
      const shrinks = axes === 1 && padding === 'valid' && x.mask !== undefined;
      if (!shrinks) return traceOf(x).apply(operator, [x], attributes, make);
      return maskOfWindows(x, traceOf(x).apply(operator, [x.withMask(undefined)], attributes, make), window[0]!, stride[0]!, padding);
    };
    return layer(kind, run, name === undefined ? {} : { name });
  };
  return Object.defineProperty(make, 'name', { value: kind });
};

const overAll = (kind: keyof typeof globalOptions, reduce: 'mean' | 'max') => {
  const make = (options: LayerOptions = {}): Layer => {
    expectOptions(kind, options, globalOptions[kind], make);
    const run = (x: Tensor): Tensor => {
      if (x.rank < 3) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          place: traceOf(x).label,
          layer: traceOf(x).path,
          message: `x ${shapeText(x.shape)} has no axes between batch and channels.`,
          expected: '[batch, …, channels]',
          received: shapeText(x.shape),
        });
      }
      const axes = Array.from({ length: x.rank - 2 }, (_, axis) => axis + 1);
      return x[reduce](axes);
    };
    return layer(kind, run, options);
  };
  return Object.defineProperty(make, 'name', { value: kind });
};

/** Largest value of each window: [batch, time, c] → [batch, time', c], time' = ⌊(time + 2·padding − size)/stride⌋ + 1. */
export const maxPool1d: (options: PoolOptions) => Layer = pooling('maxPool1d', 'maxPool', 1);

/**
 * Largest value of each window: [batch, height, width, c] → [batch, height', width', c]. Its gradient goes to the first largest.
 * @example maxPool2d({ size: 2 })
 */
export const maxPool2d: (options: PoolOptions) => Layer = pooling('maxPool2d', 'maxPool', 2);

/** Mean of each window: [batch, time, c] → [batch, time', c]. */
export const averagePool1d: (options: PoolOptions) => Layer = pooling('averagePool1d', 'averagePool', 1);

/** Mean of each window: [batch, height, width, c] → [batch, height', width', c]. */
export const averagePool2d: (options: PoolOptions) => Layer = pooling('averagePool2d', 'averagePool', 2);

/** Mean over all axes between batch and channels (of the steps that count, where a sequence has a mask): [batch, …, c] → [batch, c]. Lin, Chen & Yan 2014, arXiv:1312.4400. */
export const globalAveragePool: (options?: LayerOptions) => Layer = overAll('globalAveragePool', 'mean');

/** Largest value over all axes between batch and channels: [batch, …, c] → [batch, c]. */
export const globalMaxPool: (options?: LayerOptions) => Layer = overAll('globalMaxPool', 'max');
