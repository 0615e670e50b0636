import type { Activation } from '../activations/index.js';
import { planned } from '../errors/index.js';
import type { InitializerLike } from '../initializers/index.js';
import type { Regularizer } from '../regularizers/index.js';
import type { Layer, LayerOptions } from './layer.js';

/** Options of `simpleRnn`, `gru` and `lstm`. */
export interface RecurrentOptions extends LayerOptions {
  /** Gives [batch, time, units] instead of the last step's [batch, units]. Default `false`. */
  returnSequences?: boolean;
  /** Runs from the last step to the first. Default `false`. */
  reverse?: boolean;
  /** Default `'tanh'`. */
  activation?: Activation;
  /** Of the gates, default `'sigmoid'`. */
  gateActivation?: Activation;
  /** Share of the input dropped, one mask for all steps; default 0. */
  dropout?: number;
  /** The same for the state. Gal & Ghahramani 2016, arXiv:1512.05287. Default 0. */
  recurrentDropout?: number;
  /** Default Xavier. */
  kernelInitializer?: InitializerLike;
  /** Default orthogonal. */
  recurrentInitializer?: InitializerLike;
  /** Default zeros; 1 for the forget gate of an LSTM (Jozefowicz et al. 2015). */
  biasInitializer?: InitializerLike;
  regularizer?: Regularizer;
}

/** A layer that `bidirectional` can run both ways. */
export interface RecurrentLayer extends Layer {
  readonly recurrent: true;
}

/** h ← activation(x·W + h·U + b). Elman 1990. [batch, time, in] → [batch, units]. */
export const simpleRnn: (units: number, options?: RecurrentOptions) => RecurrentLayer = planned('layers/simpleRnn');

/** Gated recurrent unit, reset after the product as in cuDNN and PyTorch. Cho et al. 2014, arXiv:1406.1078. [batch, time, in] → [batch, units]. */
export const gru: (units: number, options?: RecurrentOptions) => RecurrentLayer = planned('layers/gru');

/** Long short-term memory with a forget gate. Hochreiter & Schmidhuber 1997, Gers et al. 2000. [batch, time, in] → [batch, units]. */
export const lstm: (units: number, options?: RecurrentOptions) => RecurrentLayer = planned('layers/lstm');

/** Options of `bidirectional`. */
export interface BidirectionalOptions extends LayerOptions {
  /** How the two directions meet, default `'concat'`. */
  merge?: 'concat' | 'add' | 'multiply' | 'average';
}

/** Runs a recurrent layer forwards and, with parameters of its own, backwards. Schuster & Paliwal 1997. @example bidirectional(lstm(4)) */
export const bidirectional: (layer: RecurrentLayer, options?: BidirectionalOptions) => Layer = planned('layers/bidirectional');

/** Options of `embedding`. */
export interface EmbeddingOptions extends LayerOptions {
  /** Default uniform ±0.05, as in Keras. */
  initializer?: InitializerLike;
  /** An index that means padding: its row stays 0, and layers that follow skip it. */
  padding?: number;
}

/** A row of `width` learned numbers a level: indices [batch, …] → [batch, …, width]. */
export const embedding: (levels: number, width: number, options?: EmbeddingOptions) => Layer = planned('layers/embedding');

/** Options of `positionalEmbedding`. */
export interface PositionalEmbeddingOptions extends LayerOptions {
  /** `'learned'`, or the fixed sines of Vaswani et al. 2017 (default). */
  kind?: 'sines' | 'learned';
  /** Longest sequence, needed by `'learned'`. */
  length?: number;
}

/** Adds to each position what tells it from the others: [batch, time, c] → the same. Vaswani et al. 2017, arXiv:1706.03762, section 3.5. */
export const positionalEmbedding: (options?: PositionalEmbeddingOptions) => Layer = planned('layers/positionalEmbedding');

/** Options of `attention`. */
export interface AttentionOptions extends LayerOptions {
  /** Divides the number of channels. */
  heads: number;
  /** A position sees itself and what is before it. Default `false`. */
  causal?: boolean;
  /** Share of the attention weights dropped, default 0. */
  dropout?: number;
}

/** softmax(Q·Kᵀ/√d)·V over heads, with input and output projections. Vaswani et al. 2017, arXiv:1706.03762. [batch, time, c] → the same. */
export const attention: (options: AttentionOptions) => Layer = planned('layers/attention');

/** Options of `transformerBlock`. */
export interface TransformerBlockOptions extends AttentionOptions {
  /** Width of the inner layer as a multiple of the channels, default 4. */
  expansion?: number;
  /** Norms before each part (default; Xiong et al. 2020, arXiv:2002.04745) or after it, as in the first paper. */
  norm?: 'pre' | 'post';
  /** Of the inner layer, default `'gelu'`. */
  activation?: Activation;
}

/** Attention, then two dense layers a position, each with norm and a shortcut. Vaswani et al. 2017. [batch, time, c] → the same. */
export const transformerBlock: (options: TransformerBlockOptions) => Layer = planned('layers/transformerBlock');
