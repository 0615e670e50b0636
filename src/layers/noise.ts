import { expectArgument, expectOptions, isNumber, optionsOf } from '../errors/index.js';
import { traceOf } from '../trace/index.js';
import { called, type Layer, type LayerOptions, layer, layerOptions } from './layer.js';
import { expectSameShape } from './merge.js';
import { chain, expectLayers, type Step } from './sequential.js';

/**
 * Noise of training only. Masks are keyed by seed, layer path, step and element; the rate is an input of the compiled program, so a
 * search over rates compiles nothing.
 */

const noiseOptions = {
  spatialDropout: optionsOf('layers/spatialDropout', layerOptions),
  alphaDropout: optionsOf('layers/alphaDropout', layerOptions),
  gaussianNoise: optionsOf('layers/gaussianNoise', layerOptions),
};

const isRate = isNumber({ min: 0, below: 1 });

const noise = (kind: keyof typeof noiseOptions, form: 'channel' | 'alpha' | 'gaussian', [amount, check]: [string, typeof isRate]) => {
  const make = (rate: number, options: LayerOptions = {}): Layer => {
    expectOptions(kind, options, noiseOptions[kind], make);
    expectArgument(called(kind, options.name), amount, rate, check, make);
    return layer(kind, (x) => traceOf(x).apply('dropout', [x], { rate, kind: form }, make), options);
  };
  return Object.defineProperty(make, 'name', { value: kind });
};

/**
 * Drops whole channels of [batch, …, c]: one draw for each row and channel, the rest divided by 1 − rate.
 * Tompson et al. 2015, arXiv:1411.4280. Of [batch, c] it is dropout.
 * @example sequential([conv2d(32, { kernel: 3, activation: 'relu' }), spatialDropout(0.2), flatten(), dense(10)])
 */
export const spatialDropout: (rate: number, options?: LayerOptions) => Layer = noise('spatialDropout', 'channel', ['rate', isRate]);

/**
 * Sets elements to SELU's limit α′ = −λα with probability `rate`, then a·x + b, a = ((1 − rate)·(1 + rate·α′²))^−½ and b = −a·rate·α′, so
 * that mean 0 and variance 1 stay. Klambauer et al. 2017, arXiv:1706.02515, section "New dropout technique".
 * @example sequential([dense(64, { activation: 'selu' }), alphaDropout(0.05), dense(10)])
 */
export const alphaDropout: (rate: number, options?: LayerOptions) => Layer = noise('alphaDropout', 'alpha', ['rate', isRate]);

/** Adds N(0, deviation²) in training. @example sequential([gaussianNoise(0.1), dense(64), dense(1)]) */
export const gaussianNoise: (deviation: number, options?: LayerOptions) => Layer = noise('gaussianNoise', 'gaussian', [
  'deviation',
  isNumber({ min: 0 }),
]);

const depthOptions = optionsOf('layers/stochasticDepth', { rate: isRate, ...layerOptions });

/**
 * x + f(x), where f is left out for whole rows with probability `rate` in training and divided by 1 − rate where it stays (so inference
 * is x + f(x), as in torchvision; the paper scales f by its survival then). Huang et al. 2016, arXiv:1603.09382.
 * @throws {NablaError} `SHAPE_MISMATCH` if f changes the shape
 * @example stochasticDepth([dense(64, { activation: 'relu' }), dense(64)], { rate: 0.1 })
 */
export const stochasticDepth = (layers: Step | readonly Step[], options: LayerOptions & { rate: number }): Layer => {
  const steps = expectLayers('stochasticDepth', typeof layers === 'function' ? [layers] : layers, stochasticDepth);
  expectOptions('stochasticDepth', options, depthOptions, stochasticDepth);
  const { rate, name } = options;
  expectArgument(called('stochasticDepth', name), 'rate', rate, isRate, stochasticDepth);
  return layer(
    'stochasticDepth',
    (x) => {
      const y = chain(steps, x, traceOf(x).label);
      expectSameShape(x, y, 'let the last layer give the width of the input.');
      return x.add(traceOf(x).apply('dropout', [y], { rate, kind: 'row' }, stochasticDepth));
    },
    name === undefined ? {} : { name },
  );
};
