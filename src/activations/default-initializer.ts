import { heNormal, type Initializer, lecunNormal, xavierUniform } from '../initializers/index.js';
import type { Activation } from './activate.js';

const reluFamily: readonly unknown[] = ['relu', 'leakyRelu', 'prelu', 'elu', 'gelu', 'silu', 'mish'];

/**
 * How a kernel starts when its layer does not say: He for the ReLU family (half of the units are off, so twice the variance), LeCun for
 * SELU (whose fixed point assumes it), else Xavier.
 */
export const defaultInitializer = (activation: Activation | undefined): Initializer => {
  if (reluFamily.includes(activation)) return heNormal();
  return activation === 'selu' ? lecunNormal() : xavierUniform();
};
