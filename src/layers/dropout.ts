import { expectArgument, expectOptions, isNumber, optionsOf } from '../errors/index.js';
import { traceOf } from '../trace/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';

const dropoutOptions = optionsOf('layers/dropout', layerOptions);

/**
 * Inverted dropout: in training each element is 0 with probability `rate`, else divided by 1 − rate; at inference nothing happens.
 * Srivastava et al. 2014, JMLR 15. The mask is keyed by seed, layer path, step and element.
 *
 * @param rate share of elements dropped, in [0, 1)
 * @example sequential([dense(64, { activation: 'relu' }), dropout(0.2), dense(10)])
 */
export const dropout = (rate: number, options: LayerOptions = {}): Layer => {
  expectOptions('dropout', options, dropoutOptions, dropout);
  const where = options.name === undefined ? 'dropout' : `dropout "${options.name}"`;
  expectArgument(where, 'rate', rate, isNumber({ min: 0, below: 1 }), dropout);
  return layer('dropout', (x) => traceOf(x).apply('dropout', [x], { rate, kind: 'element' }, dropout), options);
};
