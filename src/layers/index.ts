export type { Inputs } from '../trace/index.js';
export { activation } from './activation.js';
export { type AttentionLayer, type AttentionOptions, attention } from './attention.js';
export { type BatchNormOptions, batchNorm } from './batch-norm.js';
export { type BidirectionalOptions, bidirectional } from './bidirectional.js';
export {
  type Convolution1dOptions,
  type ConvolutionOptions,
  type ConvolutionTransposeOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose2d,
  type DepthwiseConvolutionOptions,
  depthwiseConv2d,
} from './convolution.js';
export { type DenseOptions, dense } from './dense.js';
export { dropout } from './dropout.js';
export {
  type EmbeddingLayer,
  type EmbeddingOptions,
  embedding,
  type PositionalEmbeddingOptions,
  positionalEmbedding,
} from './embedding.js';
export { flatten } from './flatten.js';
export {
  type Layer,
  type LayerContext,
  type LayerFunction,
  type LayerKind,
  type LayerOptions,
  layer,
  type ParameterFunction,
  type UpdateFunction,
} from './layer.js';
export { add, type ConcatOptions, concat, type MergeLayer } from './merge.js';
export { type Model, type NamedTensors, type Network, network } from './network.js';
export { alphaDropout, gaussianNoise, spatialDropout, stochasticDepth } from './noise.js';
export { type GroupNormOptions, groupNorm, instanceNorm, layerNorm, type NormOptions, rmsNorm } from './norm.js';
export {
  averagePool1d,
  averagePool2d,
  globalAveragePool,
  globalMaxPool,
  maxPool1d,
  maxPool2d,
  type PoolOptions,
} from './pooling.js';
export { gru, lstm, type RecurrentLayer, type RecurrentOptions, type RecurrentResult, simpleRnn } from './recurrent.js';
export { reshape } from './reshape.js';
export { type ResidualOptions, residual } from './residual.js';
export { type Scanned, type ScanOptions, type ScanState, type ScanStep, scan } from './scan.js';
export { type Step, sequential } from './sequential.js';
export { type TransformerBlockOptions, transformerBlock } from './transformer-block.js';
export { type WeightNormOptions, weightNorm } from './weight-norm.js';
export type { Padding, TimePadding } from './window.js';
