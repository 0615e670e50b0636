export {
  type ElasticNetOptions,
  elasticNet,
  type LqOptions,
  l1,
  l2,
  lq,
  type MaxNormOptions,
  maxNorm,
  type Regularizer,
  type RegularizerName,
} from './penalties.js';
