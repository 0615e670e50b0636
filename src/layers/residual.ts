import { expectOptions, isFunction, optionsOf } from '../errors/index.js';
import { traceOf } from '../trace/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';
import { expectSameShape } from './merge.js';
import { chain, expectLayers, type Step } from './sequential.js';

/** Options of `residual`. */
export interface ResidualOptions extends LayerOptions {
  /** What the input goes through where the branch changes its shape, such as `dense(64)`; default the identity. */
  shortcut?: Step;
}

const residualOptions = optionsOf('layers/residual', { shortcut: isFunction, ...layerOptions });

/**
 * `y = shortcut(x) + f(x)`, f the layers one after the other. He, Zhang, Ren & Sun 2015, arXiv:1512.03385, equations 1 and 2.
 *
 * The parameters inside are named after it: `residual/dense/kernel`.
 * @throws {NablaError} `SHAPE_MISMATCH` if the branch changes the shape and no `shortcut` does the same
 * @example residual([dense(64, { activation: 'relu' }), dense(64)])
 */
export const residual = (layers: Step | readonly Step[], options: ResidualOptions = {}): Layer => {
  const steps = expectLayers('residual', typeof layers === 'function' ? [layers] : layers, residual);
  expectOptions('residual', options, residualOptions, residual);
  const { shortcut, name } = options;
  return layer(
    'residual',
    (x) => {
      const { label } = traceOf(x);
      const y = chain(steps, x, label);
      const straight = shortcut === undefined ? x : shortcut(x);
      expectSameShape(straight, y, 'let the last layer give the width of the input, or change the input with shortcut: dense(width).');
      return straight.add(y);
    },
    name === undefined ? {} : { name },
  );
};
