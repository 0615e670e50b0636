import { invalidOption, isOneOf } from '../errors/index.js';
import { adam } from './adam.js';
import { adadelta, adagrad, adamax, adamw, lamb, lion, nadam, radam, rmsprop } from './adaptive.js';
import { isOptimizer, type Optimizer, type OptimizerName } from './optimizer.js';
import { lbfgs } from './repeated.js';
import { sgd } from './sgd.js';

/** Optimizers that a name says all of; wrappers need what they wrap. */
export type NamedOptimizer = Exclude<OptimizerName, 'sam' | 'lookahead'>;

/** Where an optimizer is expected: `'adam'`, or `adam({ learningRate: 1e-3 })`. */
export type OptimizerLike = Optimizer | NamedOptimizer;

const makers: Readonly<Record<NamedOptimizer, () => Optimizer>> = {
  sgd,
  adagrad,
  adadelta,
  rmsprop,
  adam,
  adamax,
  nadam,
  radam,
  adamw,
  lion,
  lamb,
  lbfgs,
};

/**
 * The optimizer for a name or a value.
 * @throws {NablaError} `INVALID_OPTION` with the nearest name
 */
export const resolveOptimizer = (like: OptimizerLike): Optimizer => {
  if (typeof like === 'string' && Object.hasOwn(makers, like)) return makers[like]();
  if (isOptimizer(like) === undefined) return like as Optimizer;
  throw invalidOption(
    'optimizer',
    'optimizer',
    `${isOneOf(Object.keys(makers))('')}, or a value such as adam({ learningRate: 1e-3 })`,
    like,
  );
};
