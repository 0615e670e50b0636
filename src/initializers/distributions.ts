import { expectOptions, isNumber, NablaError, optionsOf } from '../errors/index.js';
import { type Initializer, initializer } from './initializer.js';

/** Options of `normal` and `truncatedNormal`. */
export interface NormalOptions {
  /** Default 0. */
  mean?: number;
  /** Standard deviation, default 0.05 as in Keras. */
  deviation?: number;
}

/** Options of `uniform`. */
export interface UniformOptions {
  /** Default −0.05, as in Keras. */
  low?: number;
  /** Default 0.05; not included. */
  high?: number;
}

const normalOptions = optionsOf('initializers/normal', { mean: isNumber(), deviation: isNumber({ min: 0 }) });
const uniformOptions = optionsOf('initializers/uniform', { low: isNumber(), high: isNumber() });

/** N(mean, deviation²). */
export const normal = (options: NormalOptions = {}): Initializer => {
  expectOptions('normal', options, normalOptions, normal);
  const { mean = 0, deviation = 0.05 } = options;
  return initializer('normal', { mean, deviation });
};

/** N(mean, deviation²), drawn again outside mean ± 2·deviation, as in Keras and TensorFlow. */
export const truncatedNormal = (options: NormalOptions = {}): Initializer => {
  expectOptions('truncatedNormal', options, normalOptions, truncatedNormal);
  const { mean = 0, deviation = 0.05 } = options;
  return initializer('truncatedNormal', { mean, deviation });
};

/** U[low, high). */
export const uniform = (options: UniformOptions = {}): Initializer => {
  expectOptions('uniform', options, uniformOptions, uniform);
  const { low = -0.05, high = 0.05 } = options;
  if (low > high) {
    throw new NablaError(
      {
        code: 'INVALID_OPTION',
        place: 'uniform',
        message: `expected low ≤ high, got ${low} and ${high}.`,
        expected: 'low ≤ high',
        received: `${low}, ${high}`,
      },
      { caller: uniform },
    );
  }
  return initializer('uniform', { low, high });
};
