export { type AdamOptions, adam } from './adam.js';
export {
  type AdadeltaOptions,
  type AdagradOptions,
  type AdamaxOptions,
  type AdamwOptions,
  adadelta,
  adagrad,
  adamax,
  adamw,
  type LambOptions,
  type LionOptions,
  lamb,
  lion,
  type NadamOptions,
  nadam,
  type RmspropOptions,
  radam,
  rmsprop,
} from './adaptive.js';
export type { Evaluate, Optimizer, OptimizerName, OptimizerRun, Values } from './optimizer.js';
export { type LbfgsOptions, type LookaheadOptions, lbfgs, lookahead, type SamOptions, sam } from './repeated.js';
export type { NamedOptimizer, OptimizerLike } from './resolve.js';
export { type SgdOptions, sgd } from './sgd.js';
