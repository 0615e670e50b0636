import { expectArgument, expectOptions, isInteger, isListOf, optionsOf } from '../errors/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';

const reshapeOptions = optionsOf('layers/reshape', layerOptions);

/**
 * The same elements of each row in another shape, row-major. The batch axis stays and is not named.
 *
 * Shapes: `[batch, …]` → `[batch, …shape]`, as many elements a row.
 * @throws {NablaError} `SHAPE_MISMATCH` if the numbers of elements differ
 * @example reshape([28, 28, 1]) // [batch, 784] → [batch, 28, 28, 1]
 */
export const reshape = (shape: readonly number[], options: LayerOptions = {}): Layer => {
  expectArgument('reshape', 'shape', shape, isListOf(isInteger({ min: 1 })), reshape);
  expectOptions('reshape', options, reshapeOptions, reshape);
  const sizes = [...shape];
  return layer('reshape', (x) => x.reshape([-1, ...sizes]), options);
};
