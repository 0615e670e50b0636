import {
  expectArgument,
  expectOptions,
  isBoolean,
  isFunction,
  isInteger,
  isListOf,
  isString,
  NablaError,
  optionsOf,
  type Spec,
  shown,
} from '../errors/index.js';
import type { InitializerLike } from '../initializers/index.js';
import { resolveInitializer } from '../initializers/initializer.js';
import { isRegularizer } from '../regularizers/penalties.js';
import { type ParameterOptions, Tensor, traceOf } from '../trace/index.js';

/** A function from a symbolic tensor to a symbolic tensor, which may own parameters. Calling one value twice shares them. */
export interface Layer {
  (x: Tensor): Tensor;
  /** The user's own name, else the kind: `dense`. Within a model, names are made unique: `dense`, `dense2`, … */
  readonly name: string;
}

/** Options that every layer takes. */
export interface LayerOptions {
  /** First part of its parameters' names (`head/kernel`), and what errors call it. Default: the kind, numbered. */
  name?: string;
}

/**
 * Makes a parameter of the layer that is running, or gives it again: within one layer a name is one parameter.
 * @example const gain = parameter('gain', [x.shape.at(-1)!], ones());
 */
export type ParameterFunction = (
  name: string,
  shape: readonly number[],
  initializer: InitializerLike,
  options?: ParameterOptions,
) => Tensor;

/**
 * Says what an untrained parameter becomes after a training step: `next` gets its value and gives the new one, a running statistic for
 * instance. At inference nothing changes.
 * @example update(mean, (old) => old.multiply(0.9).add(now.multiply(0.1)));
 */
export type UpdateFunction = (parameter: Tensor, next: (old: Tensor) => Tensor) => void;

/** What a layer's function gets beside its input. */
export interface LayerContext {
  parameter: ParameterFunction;
  update: UpdateFunction;
  /** Path of this layer within the model, such as `residual/dense`. */
  path: string;
}

export type LayerFunction = (x: Tensor, context: LayerContext) => Tensor;

/** What `layer` gives: called with a tensor it is a layer, called without one it makes another, with parameters of its own. */
export interface LayerKind extends Layer {
  (x: Tensor): Tensor;
  (options?: LayerOptions): Layer;
}

/** The option that every layer takes, for their option tables. */
export const layerOptions = { name: isString } satisfies Spec;
const ownOptions = optionsOf('layers/layer', layerOptions);
const parameterOptions = optionsOf('layers/parameter', { trainable: isBoolean, decay: isBoolean, regularizer: isRegularizer });
const isShape = isListOf(isInteger({ min: 1 }));

/** What a layer calls itself in errors before it has a place in a model. */
export const called = (kind: string, name: string | undefined): string => (name === undefined ? kind : `${kind} "${name}"`);

/**
 * A layer of one's own. It runs at the speed of the built-in ones, which are written with it.
 *
 * The value is a layer itself, and a kind of layer: `scale(x)` applies it, `scale()` makes a fresh one with parameters of its own.
 * @throws {NablaError} whatever its function throws, with the layer's path
 * @example
 * const scale = layer('scale', (x, { parameter }) => x.multiply(parameter('gain', [x.shape.at(-1)!], ones())));
 * const model = sequential([dense(8), scale(), dense(1)]);
 */
export const layer = (kind: string, run: LayerFunction, options: LayerOptions = {}): LayerKind => {
  expectArgument('layer', 'the name', kind, isString, layer);
  expectArgument('layer', `the function of "${kind}"`, run, isFunction, layer);
  expectOptions(kind, options, ownOptions, layer);
  return layerKind(kind, run, options);
};

const layerKind = (kind: string, run: LayerFunction, { name }: LayerOptions): LayerKind => {
  const call = (x?: Tensor | LayerOptions): Tensor | Layer => {
    if (x === undefined || (typeof x === 'object' && !(x instanceof Tensor) && isPlain(x))) {
      expectOptions(kind, x ?? {}, ownOptions, call);
      return layerKind(kind, run, (x as LayerOptions | undefined) ?? {});
    }
    expectTensor(called(kind, name), x, call);
    const trace = traceOf(x);
    return trace.within(call, { kind, name }, () =>
      expectResult(called(kind, name), run(x, { parameter: parameterOf(x), update: updateOf(x), path: trace.path })),
    );
  };
  return Object.defineProperty(call, 'name', { value: name ?? kind }) as LayerKind;
};

/** The `parameter` of the layer in which `x` is being used. */
export const parameterOf = (x: Tensor): ParameterFunction => {
  const trace = traceOf(x);
  const parameter: ParameterFunction = (name, shape, initializer, options = {}) => {
    expectArgument(trace.label, "the parameter's name", name, isString, parameter);
    expectArgument(trace.label, `the shape of '${name}'`, shape, isShape, parameter);
    expectOptions(`${trace.label}: ${name}`, options, parameterOptions, parameter);
    return trace.parameter(name, shape, resolveInitializer(initializer, `${trace.label}: ${name}`), options, parameter);
  };
  return parameter;
};

const updateOf = (x: Tensor): UpdateFunction => {
  const update: UpdateFunction = (parameter, next) => {
    const trace = traceOf(x);
    expectTensor(trace.label, parameter, update);
    expectArgument(trace.label, 'what gives the new value', next, isFunction, update);
    trace.update(parameter, (old) => expectResult(trace.label, next(old)), update);
  };
  return update;
};

/** Only what was written as `{ … }` are options: data given to a layer by mistake deserve another message. */
const isPlain = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype;

/** A layer is called with a Tensor; data go to `fit` and `predict`. */
export function expectTensor(where: string, x: unknown, caller: (...args: never[]) => unknown): asserts x is Tensor {
  if (x instanceof Tensor) return;
  throw new NablaError(
    {
      code: 'INVALID_OPTION',
      place: where,
      message: `expected a Tensor, got ${shown(x)}.`,
      expected: 'a Tensor',
      received: shown(x),
      hint: 'a layer describes a computation and takes the Tensor of another layer or of network((x) => …); data go to fit and predict.',
    },
    { caller },
  );
}

/** A layer's function gives a Tensor. */
export const expectResult = (where: string, y: unknown): Tensor => {
  if (y instanceof Tensor) return y;
  throw new NablaError({
    code: 'INVALID_OPTION',
    place: where,
    message: `expected its function to return a Tensor, got ${shown(y)}.`,
    expected: 'a Tensor',
    received: shown(y),
    hint: typeof y === 'function' ? 'a layer is returned instead of its result: call it, as in dense(8)(x).' : 'is a return missing?',
  });
};
