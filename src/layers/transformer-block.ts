import { type Activation, isActivation } from '../activations/index.js';
import { isNumber, isOneOf, optionsOf } from '../errors/index.js';
import { type AttentionOptions, attention, attentionSpec, expectHeads } from './attention.js';
import { dense } from './dense.js';
import { type Layer, layer } from './layer.js';
import { layerNorm } from './norm.js';

/** Options of `transformerBlock`. */
export interface TransformerBlockOptions extends AttentionOptions {
  /** Width of the inner layer as a multiple of the channels, default 4. */
  expansion?: number;
  /** Norms before each part (default; Xiong et al. 2020, arXiv:2002.04745) or after it, as in the first paper. */
  norm?: 'pre' | 'post';
  /** Of the inner layer, default `'gelu'`. */
  activation?: Activation;
}

const blockOptions = optionsOf('layers/transformerBlock', {
  ...attentionSpec,
  expansion: isNumber({ above: 0 }),
  norm: isOneOf(['pre', 'post']),
  activation: isActivation,
});

/**
 * Attention, then two dense layers a position, each with norm and a shortcut. Vaswani et al. 2017, arXiv:1706.03762.
 * `'pre'`: x ← x + f(norm(x)); `'post'`: x ← norm(x + f(x)). A stack of pre-norm blocks wants one more norm at its end.
 *
 * Shapes: [batch, time, c] → the same. Its parameters are those of `attention`, `dense` (c → expansion·c), `dense2` (back) and the norms.
 * @example transformerBlock({ heads: 4, causal: true })
 */
export const transformerBlock = (options: TransformerBlockOptions): Layer => {
  expectHeads('transformerBlock', options, blockOptions, transformerBlock);
  const { heads, causal = false, dropout = 0, expansion = 4, norm: order = 'pre', activation = 'gelu', name } = options;
  return layer(
    'transformerBlock',
    (x) => {
      const channels = x.shape.at(-1)!;
      const mix = attention({ heads, causal, dropout });
      const feed = (h: typeof x) => dense(channels)(dense(Math.max(1, Math.round(expansion * channels)), { activation })(h));
      if (order === 'pre') {
        const y = x.add(mix(layerNorm()(x)));
        return y.add(feed(layerNorm()(y)));
      }
      const y = layerNorm()(x.add(mix(x)));
      return layerNorm()(y.add(feed(y)));
    },
    name === undefined ? {} : { name },
  );
};
