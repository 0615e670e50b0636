import { expectOptions, optionsOf } from '../errors/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';

const flattenOptions = optionsOf('layers/flatten', layerOptions);

/** Each row as one vector: `[batch, a, b, …]` → `[batch, a·b·…]`. @example sequential([flatten(), dense(10)]) // images in */
export const flatten = (options: LayerOptions = {}): Layer => {
  expectOptions('flatten', options, flattenOptions, flatten);
  return layer('flatten', (x) => x.reshape([-1, x.shape.slice(1).reduce((product, size) => product * size, 1)]), options);
};
