import { expectOptions, isBoolean, isInteger, isNumber, NablaError, optionsOf, type Spec } from '../errors/index.js';
import { xavierUniform, zeros } from '../initializers/index.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { called, expectTensor, type Layer, type LayerOptions, layer, layerOptions, type ParameterFunction, parameterOf } from './layer.js';

/** Options of `attention`. */
export interface AttentionOptions extends LayerOptions {
  /** Divides the number of channels. */
  heads: number;
  /** A position sees itself and what is before it. Default `false`. */
  causal?: boolean;
  /** Share of the attention weights dropped in training, in [0, 1); default 0. */
  dropout?: number;
}

/** Attention, also from one sequence to another. */
export interface AttentionLayer extends Layer {
  /**
   * Queries from `x`, keys and values from `context`: [batch, time, c], [batch, other, k] → [batch, time, c]; a mask of `context` hides
   * keys. Its parameters are `kernel` [c, c], `contextKernel` [k, 2·c] (keys beside values) and their biases.
   * @example const y = attention({ heads: 4 }).over(decoded, encoded);
   */
  over(x: Tensor, context: Tensor): Tensor;
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

/** From one sequence to another: the same as the operator, in simpler ones. */
const composed = (
  parts: readonly [query: Tensor, key: Tensor, value: Tensor],
  keys: Tensor['mask'],
  { heads, causal = false, dropout = 0 }: AttentionOptions,
): Tensor => {
  const [batch, time, channels] = parts[0].shape as [number, number, number];
  const width = channels / heads;
  const [q, k, v] = parts.map((part) => part.reshape([batch, part.shape[1]!, heads, width]).transpose([0, 2, 1, 3])) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const scores = q.matmul(k, { transposeB: true }).multiply(1 / Math.sqrt(width));
  const seen = causal ? scores.lowerTriangle(NEVER) : scores;
  const hidden = keys?.steps.subtract(1).multiply(-NEVER).reshape([-1, 1, 1, k.shape[2]!]);
  const weights = (hidden === undefined ? seen : seen.add(hidden)).softmax();
  const kept = dropout === 0 ? weights : traceOf(q).apply('dropout', [weights], { rate: dropout, kind: 'element' }, attention);
  return kept.matmul(v).transpose([0, 2, 1, 3]).reshape([batch, time, channels]);
};

const expectSequence = (x: Tensor, heads: number, what: string): void => {
  const channels = x.shape.at(-1) ?? 0;
  if (x.rank === 3 && channels % heads === 0) return;
  throw new NablaError({
    code: 'SHAPE_MISMATCH',
    place: traceOf(x).label,
    layer: traceOf(x).path,
    message:
      x.rank === 3 ? `${heads} heads do not divide the ${channels} channels of ${what}.` : `${what} ${shapeText(x.shape)} is no sequence.`,
    expected: `[batch, time, c] with c a multiple of ${heads}`,
    received: shapeText(x.shape),
  });
};

/**
 * Multi-head self-attention: softmax(Q·Kᵀ/√d)·V over heads of d = c/heads channels, with Q, K, V = x·kernel + bias and a projection of
 * the result. Vaswani et al. 2017, arXiv:1706.03762.
 *
 * Shapes: [batch, time, c] → the same; `kernel` [c, 3·c] (Q, K and V side by side), `bias` [3·c], `outputKernel` [c, c], `outputBias` [c].
 * Where the sequence has a mask (its own, or one given by `x.withMask(mask)`), masked steps are not seen; a position that sees none
 * gives 0 before the projection.
 * @throws {NablaError} `SHAPE_MISMATCH` if the heads do not divide the channels
 * @example attention({ heads: 4, causal: true })
 */
export const attention = (options: AttentionOptions): AttentionLayer => {
  expectHeads('attention', options, attentionOptions, attention);
  const { heads, causal = false, dropout = 0, name } = options;
  const projected = (mixed: Tensor, x: Tensor, parameter: ParameterFunction): Tensor => {
    const channels = x.shape[2]!;
    return mixed
      .matmul(parameter('outputKernel', [channels, channels], xavierUniform()))
      .add(parameter('outputBias', [channels], zeros(), { decay: false }))
      .withMask(x.mask);
  };
  const value = layer(
    'attention',
    (x, { parameter }) => {
      expectSequence(x, heads, 'x');
      const channels = x.shape[2]!;
      const qkv = x
        .withMask(undefined)
        .matmul(parameter('kernel', [channels, 3 * channels], xavierUniform()))
        .add(parameter('bias', [3 * channels], zeros(), { decay: false }));
      const keys = x.mask === undefined ? [] : [x.mask.steps];
      const attributes = { heads, causal, dropout, masked: keys.length > 0 };
      return projected(traceOf(x).apply('attention', [qkv, ...keys], attributes, attention), x, parameter);
    },
    name === undefined ? {} : { name },
  );
  const over = (x: Tensor, context: Tensor): Tensor => {
    const where = called('attention', name);
    expectTensor(where, x, over);
    expectTensor(`${where}: the context`, context, over);
    return traceOf(x).within(value, { kind: 'attention', name }, () => {
      const parameter = parameterOf(x);
      expectSequence(x, heads, 'x');
      expectSequence(context, 1, 'the context');
      const [channels, other] = [x.shape[2]!, context.shape[2]!];
      const query = x
        .withMask(undefined)
        .matmul(parameter('kernel', [channels, channels], xavierUniform()))
        .add(parameter('bias', [channels], zeros(), { decay: false }));
      const pairs = context
        .withMask(undefined)
        .matmul(parameter('contextKernel', [other, 2 * channels], xavierUniform()))
        .add(parameter('contextBias', [2 * channels], zeros(), { decay: false }));
      const mixed = composed([query, pairs.slice(2, 0, channels), pairs.slice(2, channels)], context.mask, options);
      return projected(mixed, x, parameter);
    });
  };
  return Object.assign(value, { over });
};
