import { expectOptions, isBoolean, isInteger, isNumber, NablaError, optionsOf, type Spec } from '../errors/index.js';
import { xavierUniform, zeros } from '../initializers/index.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';

/** Options of `attention`. */
export interface AttentionOptions extends LayerOptions {
  /** Divides the number of channels. */
  heads: number;
  /** A position sees itself and what is before it. Default `false`. */
  causal?: boolean;
  /** Share of the attention weights dropped in training, in [0, 1); default 0. */
  dropout?: number;
}

/** The options as checks, for the layers that hold an attention. */
export const attentionSpec = {
  heads: isInteger({ min: 1 }),
  causal: isBoolean,
  dropout: isNumber({ min: 0, below: 1 }),
  ...layerOptions,
} satisfies Spec;

const attentionOptions = optionsOf('layers/attention', attentionSpec);

/** Attention must be given its heads. */
export const expectHeads = (where: string, options: unknown, spec: Spec, caller: (...args: never[]) => unknown): void => {
  expectOptions(where, options, spec, caller);
  if ((options as AttentionOptions).heads !== undefined) return;
  throw new NablaError(
    {
      code: 'INVALID_OPTION',
      place: where,
      message: 'expected the number of heads.',
      expected: 'heads',
      received: 'none',
      hint: `as in ${where}({ heads: 4 }).`,
    },
    { caller },
  );
};

/** What stands for −∞ before the softmax: finite, so that the check for finite values passes. */
const NEVER = -1e30;

/** The same as the operator, step by step, with dropout of the weights. */
const composed = (qkv: Tensor, { heads, causal = false, dropout = 0 }: AttentionOptions): Tensor => {
  const [batch, time, packed] = qkv.shape as [number, number, number];
  const channels = packed / 3;
  const width = channels / heads;
  const [q, k, v] = [0, 1, 2].map((part) =>
    qkv
      .slice(2, part * channels, (part + 1) * channels)
      .reshape([batch, time, heads, width])
      .transpose([0, 2, 1, 3]),
  ) as [Tensor, Tensor, Tensor];
  const scores = q.matmul(k, { transposeB: true }).multiply(1 / Math.sqrt(width));
  const weights = (causal ? scores.lowerTriangle(NEVER) : scores).softmax();
  const kept = traceOf(qkv).apply('dropout', [weights], { rate: dropout }, attention);
  return kept.matmul(v).transpose([0, 2, 1, 3]).reshape([batch, time, channels]);
};

/**
 * Multi-head self-attention: softmax(Q·Kᵀ/√d)·V over heads of d = c/heads channels, with Q, K, V = x·kernel + bias and a projection of
 * the result. Vaswani et al. 2017, arXiv:1706.03762.
 *
 * Shapes: [batch, time, c] → the same; `kernel` [c, 3·c] (Q, K and V side by side), `bias` [3·c], `outputKernel` [c, c], `outputBias` [c].
 * @throws {NablaError} `SHAPE_MISMATCH` if the heads do not divide the channels
 * @example attention({ heads: 4, causal: true })
 */
export const attention = (options: AttentionOptions): Layer => {
  expectHeads('attention', options, attentionOptions, attention);
  const { heads, causal = false, dropout = 0, name } = options;
  return layer(
    'attention',
    (x, { parameter, path }) => {
      const channels = x.shape.at(-1) ?? 0;
      if (x.rank !== 3 || channels % heads !== 0) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          place: traceOf(x).label,
          layer: path,
          message: x.rank === 3 ? `${heads} heads do not divide the ${channels} channels of x.` : `x ${shapeText(x.shape)} is no sequence.`,
          expected: `[batch, time, c] with c a multiple of ${heads}`,
          received: shapeText(x.shape),
        });
      }
      const qkv = x
        .matmul(parameter('kernel', [channels, 3 * channels], xavierUniform()))
        .add(parameter('bias', [3 * channels], zeros(), { decay: false }));
      const mixed = dropout > 0 ? composed(qkv, options) : traceOf(x).apply('attention', [qkv], { heads, causal }, attention);
      return mixed
        .matmul(parameter('outputKernel', [channels, channels], xavierUniform()))
        .add(parameter('outputBias', [channels], zeros(), { decay: false }));
    },
    name === undefined ? {} : { name },
  );
};
