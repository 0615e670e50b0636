import { expectOptions, isNumber, isOneOf, optionsOf } from '../errors/index.js';
import { type Initializer, initializer } from './initializer.js';

/** Options of the Xavier initializers. */
export interface GainOptions {
  /** Multiplies the deviation, default 1; 5/3 is PyTorch's advice for tanh. */
  gain?: number;
}

/** Options of the He initializers. */
export interface HeOptions {
  /** Slope of a leaky ReLU below 0, default 0 (ReLU). */
  negativeSlope?: number;
  /** `'fanIn'` (default) keeps the variance of activations, `'fanOut'` that of gradients. */
  mode?: 'fanIn' | 'fanOut';
}

const gainOptions = optionsOf('initializers/xavier', { gain: isNumber({ min: 0 }) });
const heOptions = optionsOf('initializers/he', { negativeSlope: isNumber(), mode: isOneOf(['fanIn', 'fanOut']) });

/** U(±gain·√(6/(fanIn + fanOut))). Glorot & Bengio 2010, equation 16; for tanh, sigmoid and linear layers. */
export const xavierUniform = (options: GainOptions = {}): Initializer => {
  expectOptions('xavierUniform', options, gainOptions, xavierUniform);
  return initializer('xavierUniform', { gain: options.gain ?? 1 });
};

/** N(0, gain²·2/(fanIn + fanOut)). Glorot & Bengio 2010, equation 12. A plain normal as in PyTorch; Keras truncates its namesake. */
export const xavierNormal = (options: GainOptions = {}): Initializer => {
  expectOptions('xavierNormal', options, gainOptions, xavierNormal);
  return initializer('xavierNormal', { gain: options.gain ?? 1 });
};

/** U(±√(6/((1 + a²)·fan))), a = `negativeSlope`. He et al. 2015, arXiv:1502.01852, equations 10 and 15; for the ReLU family. */
export const heUniform = (options: HeOptions = {}): Initializer => {
  expectOptions('heUniform', options, heOptions, heUniform);
  return initializer('heUniform', { negativeSlope: options.negativeSlope ?? 0, mode: options.mode ?? 'fanIn' });
};

/**
 * N(0, 2/((1 + a²)·fan)), a = `negativeSlope`. He et al. 2015, arXiv:1502.01852, equations 10 and 15; for the ReLU family. A plain
 * normal as in the paper and PyTorch; Keras truncates its namesake.
 * @example heNormal().sample([784, 128], { seed: 1 }) // Float32Array
 */
export const heNormal = (options: HeOptions = {}): Initializer => {
  expectOptions('heNormal', options, heOptions, heNormal);
  return initializer('heNormal', { negativeSlope: options.negativeSlope ?? 0, mode: options.mode ?? 'fanIn' });
};

/** U(±√(3/fanIn)). LeCun, Bottou, Orr & Müller 1998, equation 16; for SELU. */
export const lecunUniform = (): Initializer => initializer('lecunUniform');

/** N(0, 1/fanIn), the one-sided √(1/m). LeCun, Bottou, Orr & Müller 1998, equation 16; for SELU. */
export const lecunNormal = (): Initializer => initializer('lecunNormal');
