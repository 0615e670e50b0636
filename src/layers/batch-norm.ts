import { expectOptions, isNumber, NablaError, optionsOf } from '../errors/index.js';
import { ones, zeros } from '../initializers/index.js';
import { shapeText, traceOf } from '../trace/index.js';
import { type Layer, layer } from './layer.js';
import { type NormOptions, normOptions, scaleOf, shiftOf } from './norm.js';

/** Options of `batchNorm`. */
export interface BatchNormOptions extends NormOptions {
  /** Share of the old running statistics that is kept a step, default 0.9 (Keras: 0.99; PyTorch's `momentum` is 1 − ours). */
  momentum?: number;
}

const batchNormOptions = optionsOf('layers/batchNorm', { ...normOptions, momentum: isNumber({ min: 0, max: 1 }) });

/**
 * γ·(x − μ)/√(σ² + ε) + β, μ and σ² (biased) a channel over the batch in training, running means at inference. Ioffe & Szegedy 2015,
 * arXiv:1502.03167, Algorithms 1 and 2.
 *
 * Shapes: [batch, …, c] → the same; `scale`, `shift` and the untrained `mean` and `variance`: [c]. After each training step
 * mean ← m·mean + (1 − m)·μ and variance ← m·variance + (1 − m)·σ²·n/(n − 1), n elements a channel (unbiased, as in the paper and PyTorch;
 * Keras keeps the biased one). They start at 0 and 1.
 * @throws {NablaError} `SHAPE_MISMATCH` if x has fewer than two axes, `INVALID_OPTION`
 * @example sequential([conv2d(16, { kernel: 3, bias: false }), batchNorm(), activation('relu')])
 */
export const batchNorm = (options: BatchNormOptions = {}): Layer => {
  expectOptions('batchNorm', options, batchNormOptions, batchNorm);
  const { epsilon = 1e-5, momentum = 0.9, name } = options;
  return layer(
    'batchNorm',
    (x, { parameter, update }) => {
      const trace = traceOf(x);
      const channels = x.shape.at(-1);
      if (x.rank < 2 || channels === undefined || channels < 1) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          place: trace.label,
          layer: trace.path,
          message: `x ${shapeText(x.shape)} has no channels to normalize.`,
          expected: '[batch, …, channels]',
          received: shapeText(x.shape),
        });
      }
      const scale = scaleOf(x, options, parameter);
      const shift = shiftOf(x, options, parameter);
      const mean = parameter('mean', [channels], zeros(), { trainable: false, decay: false });
      const variance = parameter('variance', [channels], ones(), { trainable: false, decay: false });
      const [first, second] = [trace.constant([1, 0], [2, 1]), trace.constant([0, 1], [2, 1])];
      const running = mean.multiply(first).add(variance.multiply(second));
      const moments = trace.apply('columnMoments', [x], {}, batchNorm);
      const axes = Array.from({ length: x.rank - 1 }, (_, axis) => axis);
      const count = trace.apply('count', [x], { axes }, batchNorm);
      const unbiased = count.divide(count.subtract(1).maximum(1));
      const mixed = (old: typeof x, now: typeof x) => old.multiply(momentum).add(now.multiply(1 - momentum));
      update(mean, (old) => mixed(old, moments.multiply(first).sum(0)));
      update(variance, (old) => mixed(old, moments.multiply(second).sum(0).multiply(unbiased)));
      return trace.apply('batchNorm', [x, scale, shift, running], { epsilon }, batchNorm);
    },
    name === undefined ? {} : { name },
  );
};
