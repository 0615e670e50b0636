import { expectArgument, isNumber } from '../errors/index.js';
import { type Initializer, initializer } from './initializer.js';

/** All zeros: the default of biases. A hidden layer whose kernel is zero learns nothing that differs between its units. */
export const zeros = (): Initializer => initializer('zeros');

/** All ones: the default of the scales of norms. */
export const ones = (): Initializer => initializer('ones');

/** One value everywhere. @example dense(8, { biasInitializer: constant(0.1) }) */
export const constant = (value: number): Initializer => {
  expectArgument('constant', 'value', value, isNumber(), constant);
  return initializer('constant', { value });
};
