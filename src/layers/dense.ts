import { type Activation, activate, defaultInitializer, isActivation } from '../activations/index.js';
import { expectArgument, expectOptions, isBoolean, isInteger, NablaError, optionsOf } from '../errors/index.js';
import { type InitializerLike, zeros } from '../initializers/index.js';
import { isInitializer } from '../initializers/initializer.js';
import type { Regularizer } from '../regularizers/index.js';
import { isRegularizer } from '../regularizers/penalties.js';
import { shapeText, traceOf } from '../trace/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';

export interface DenseOptions extends LayerOptions {
  /** Applied to the output; default none. */
  activation?: Activation;
  /** Adds a bias; default `true`. */
  bias?: boolean;
  /** Default by activation: He for the ReLU family, LeCun for SELU, else Xavier. */
  kernelInitializer?: InitializerLike;
  /** Default zeros. */
  biasInitializer?: InitializerLike;
  /** A penalty on this kernel alone, beside the trainer's. */
  regularizer?: Regularizer;
}

const denseOptions = optionsOf('layers/dense', {
  activation: isActivation,
  bias: isBoolean,
  kernelInitializer: isInitializer,
  biasInitializer: isInitializer,
  regularizer: isRegularizer,
  ...layerOptions,
});

/** What a dense layer was made with, for recipes that train it by itself. */
export interface DenseParts {
  readonly units: number;
  readonly activation: Activation | undefined;
  readonly bias: boolean;
  readonly initializer: InitializerLike;
  readonly name: string | undefined;
}
const parts = new WeakMap<object, DenseParts>();

/** Of a layer made by `dense`. */
export const partsOf = (layer: object): DenseParts | undefined => parts.get(layer);

/**
 * Fully connected layer, `y = activation(x·W + b)`.
 *
 * Shapes: `[batch, …, in]` → `[batch, …, units]`; `kernel: [in, units]`, `bias: [units]`. Cost: 2·in·units operations a row.
 * @throws {NablaError} `SHAPE_MISMATCH` if `x` has fewer than two axes (`flatten()` and `reshape([…])` help), `INVALID_OPTION`
 * @example const logits = dense(10)(dense(128, { activation: 'relu' })(x));
 */
export const dense = (units: number, options: DenseOptions = {}): Layer => {
  expectArgument('dense', 'units', units, isInteger({ min: 1 }), dense);
  expectOptions('dense', options, denseOptions, dense);
  const { activation, bias = true, name, regularizer } = options;
  const made = layer(
    'dense',
    (x, { parameter, path }) => {
      if (x.rank < 2) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          place: traceOf(x).label,
          layer: path,
          message: `x ${shapeText(x.shape)} has no axis of features.`,
          expected: '[batch, …, in]',
          received: shapeText(x.shape),
          hint: 'give it one with reshape, as in x.reshape([-1, 1]).',
        });
      }
      const initializer = options.kernelInitializer ?? defaultInitializer(activation);
      const kernel = parameter('kernel', [x.shape.at(-1)!, units], initializer, regularizer === undefined ? {} : { regularizer });
      const y = x.matmul(kernel);
      return activate(
        bias ? y.add(parameter('bias', [units], options.biasInitializer ?? zeros(), { decay: false })) : y,
        activation,
        parameter,
      );
    },
    name === undefined ? {} : { name },
  );
  parts.set(made, { units, activation, bias, initializer: options.kernelInitializer ?? defaultInitializer(activation), name });
  return made;
};
