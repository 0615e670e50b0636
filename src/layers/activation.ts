import { type Activation, activate, isActivation } from '../activations/index.js';
import { expectArgument, expectOptions, optionsOf } from '../errors/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';

const activationOptions = optionsOf('layers/activation', layerOptions);

/**
 * An activation as a layer of its own, by name or as a function.
 * @example sequential([dense(64), activation('gelu'), dense(10)])
 */
export const activation = (of: Activation, options: LayerOptions = {}): Layer => {
  expectArgument('activation', 'the activation', of, isActivation, activation);
  expectOptions('activation', options, activationOptions, activation);
  return layer('activation', (x, { parameter }) => activate(x, of, parameter), options);
};
