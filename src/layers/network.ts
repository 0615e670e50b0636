import { expectArgument, expectOptions, isFunction, NablaError, optionsOf, shown } from '../errors/index.js';
import { type Inputs, Tensor, traceOf } from '../trace/index.js';
import { called, type Layer, type LayerOptions, layerOptions } from './layer.js';

/** Several tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** A function of named inputs, or with named outputs, or both; with one of each it is a `Layer`. */
export interface Network<I = Tensor, O = Tensor> {
  (inputs: I): O;
  readonly name: string;
}

/** What a trainer takes as its model. */
// biome-ignore lint/suspicious/noExplicitAny: names of inputs and outputs are the user's
export type Model = Layer | Network<any, Tensor | NamedTensors>;

/** What a network with undeclared inputs may be called with. */
type Outside<I> = Inputs extends I ? Tensor | NamedTensors : I;

const networkOptions = optionsOf('layers/network', layerOptions);

/**
 * A model as a function: layers are called where they are needed, so branches, several inputs and several outputs are ordinary code.
 *
 * @example network((x) => dense(1)(residual([dense(64, { activation: 'relu' }), dense(64)])(dense(64)(x))))
 * @example
 * network(({ pixels, age }) => {
 *   const h = dense(64, { activation: 'relu' })(pixels.concat(age));
 *   return { digit: dense(10)(h), parity: dense(1)(h) };
 * });
 */
export const network = <I extends Tensor | NamedTensors = Inputs, O extends Tensor | NamedTensors = Tensor>(
  run: (inputs: I) => O,
  options: LayerOptions = {},
): Network<Outside<I>, O> => {
  expectArgument('network', 'the function', run, isFunction, network);
  expectOptions('network', options, networkOptions, network);
  const { name } = options;
  const where = called('network', name);
  const call = (inputs: I): O => {
    const first = inputs instanceof Tensor ? inputs : Object.values(inputs ?? {})[0];
    if (!(first instanceof Tensor)) {
      throw new NablaError(
        {
          code: 'INVALID_OPTION',
          place: where,
          message: `expected a Tensor or an object of Tensors, got ${shown(inputs)}.`,
          expected: 'a Tensor or an object of Tensors',
          received: shown(inputs),
          hint: 'a network describes a computation; data go to fit and predict.',
        },
        { caller: call },
      );
    }
    return traceOf(first).within(call, { kind: 'network', name, transparent: true }, () => expectOutputs(where, run(inputs)));
  };
  return Object.defineProperty(call, 'name', { value: name ?? 'network' }) as Network<Outside<I>, O>;
};

const expectOutputs = <O>(where: string, outputs: O): O => {
  const isNamed = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && Object.keys(value).length > 0 && Object.values(value).every((x) => x instanceof Tensor);
  if (outputs instanceof Tensor || isNamed(outputs)) return outputs;
  throw new NablaError({
    code: 'INVALID_OPTION',
    place: where,
    message: `expected its function to return a Tensor or an object of Tensors, got ${shown(outputs)}.`,
    expected: 'a Tensor or an object of Tensors',
    received: shown(outputs),
    hint: typeof outputs === 'function' ? 'a layer is returned instead of its result: call it, as in dense(8)(x).' : 'is a return missing?',
  });
};
