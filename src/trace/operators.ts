/**
 * The operators of the graph and their attributes, as the native registry declares them. The batch axis is −1 in a shape, and axes
 * count from 0, from the end when negative.
 */
export interface Operators {
  add: NoAttributes;
  subtract: NoAttributes;
  multiply: NoAttributes;
  divide: NoAttributes;
  maximum: NoAttributes;
  minimum: NoAttributes;
  greater: NoAttributes;
  less: NoAttributes;
  equal: NoAttributes;
  negate: NoAttributes;
  abs: NoAttributes;
  sign: NoAttributes;
  exp: NoAttributes;
  expm1: NoAttributes;
  log: NoAttributes;
  log1p: NoAttributes;
  sqrt: NoAttributes;
  square: NoAttributes;
  reciprocal: NoAttributes;
  relu: NoAttributes;
  tanh: NoAttributes;
  sigmoid: NoAttributes;
  gelu: NoAttributes;
  erf: NoAttributes;
  softplus: NoAttributes;
  softmax: NoAttributes;
  logSoftmax: NoAttributes;
  sum: ReductionAttributes;
  mean: ReductionAttributes;
  max: ReductionAttributes;
  matmul: { transposeA: boolean; transposeB: boolean };
  reshape: { shape: readonly number[] };
  dropout: { rate: number; kind: 'element' | 'channel' | 'row' | 'alpha' | 'gaussian' };
  conv: ConvolutionAttributes;
  convInput: ConvolutionAttributes;
  maxPool: PoolAttributes;
  averagePool: PoolAttributes;
  normalize: { from: number; groups: number; centre: boolean; epsilon: number };
  batchNorm: { epsilon: number };
  columnMoments: NoAttributes;
  count: { axes: readonly number[] | null };
  softmaxCrossEntropy: NoAttributes;
  embeddingLoss: { kind: 'triplet' | 'contrastive'; margin: number };
  ctc: { blank: number };
  broadcast: { shape: readonly number[] };
  transpose: { axes: readonly number[] | null };
  slice: { axis: number; from: number; to: number };
  pad: { axis: number; before: number; after: number; value: number };
  concat: { axis: number };
  gather: NoAttributes;
  where: NoAttributes;
  argMax: { axis: number; least: boolean };
  take: { axis: number; indices: readonly number[] };
  takeAlong: { axis: number };
  lowerTriangle: { value: number };
  steps: { reverse: boolean; back: boolean };
  lstm: { reverse: boolean };
  gru: { reverse: boolean };
  simpleRnn: { activation: 'tanh' | 'relu'; reverse: boolean };
  attention: { heads: number; causal: boolean; dropout: number; masked: boolean };
  scanMark: { scan: number; role: 'input' | 'state' | 'next' | 'output' | 'all' | 'final'; index: number; reverse: boolean };
}

export type OperatorName = keyof Operators;

type NoAttributes = Record<string, never>;

interface ReductionAttributes {
  /** All axes when null. */
  axes: readonly number[] | null;
  keepDims: boolean;
}

interface ConvolutionAttributes {
  stride: readonly number[];
  /** Before and after each axis. */
  padding: readonly number[];
  dilation: readonly number[];
  groups: number;
  /** Spatial sizes of the result of `convInput`; empty for `conv`. */
  size: readonly number[];
}

interface PoolAttributes {
  window: readonly number[];
  stride: readonly number[];
  /** Before and after each axis. */
  padding: readonly number[];
}
