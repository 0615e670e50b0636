import {
  expectArgument,
  expectOptions,
  invalidOption,
  isFunction,
  isInteger,
  isListOf,
  isOneOf,
  isString,
  NablaError,
  optionsOf,
  shown,
} from '../errors/index.js';
import { type CompiledFunction, callNative } from '../native/index.js';
import { type ArrayInput, type ArrayValue, cut, type Read, readArray } from './arrays.js';
import { shapeText, Tensor } from './tensor.js';
import { Trace } from './trace.js';

/**
 * What a traced function gets when it does not say: a Tensor, or named ones to take apart. TypeScript cannot infer the names from
 * `({ pixels, age }) => …`, and `Tensor | undefined` (an index signature under `noUncheckedIndexedAccess`) would make every use an error,
 * so they are `any`; types of the parameters are exact.
 */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Inputs = Tensor & { readonly [name: string]: any };

/** Tensors by name. */
type NamedResult = Readonly<Record<string, Tensor>>;

/** A function of Tensors: of several, or of one object of them by name. */
export type TracedFunction<R> = (...inputs: Inputs[]) => R;

/** What comes back: an array, or an object of them. */
type Result<R> = R extends Tensor ? ArrayValue : { readonly [K in keyof R]: ArrayValue };

/** A compiled function: of one array for each argument, or of one object of them. */
export interface Compiled<R> {
  (...inputs: ArrayInput[]): Result<R>;
  (inputs: Readonly<Record<string, ArrayInput>>): Result<R>;
}

/** Options of `compile` and `valueAndGradient`. */
export interface CompileOptions {
  /** Default: `'f32'` where all arguments are `Float32Array`s, else `'f64'`. */
  readonly precision?: 'f32' | 'f64';
}

/** Options of `valueAndGradient`. */
export interface GradientOptions extends CompileOptions {
  /** Which arguments, by index or by name; default all. */
  readonly of?: readonly (number | string)[];
}

const compileOptions = optionsOf('compile', { precision: isOneOf(['f32', 'f64']) });
const isIndex = isInteger({ min: 0 });
const gradientOptions = optionsOf('valueAndGradient', {
  precision: isOneOf(['f32', 'f64']),
  of: isListOf((value) => (isIndex(value) === undefined || isString(value) === undefined ? undefined : 'an index or a name')),
});

/** How many shapes of one function are kept, each with its memory. */
const KEPT = 32;

interface Program {
  readonly native: CompiledFunction;
  /** Output names in the order in which they come back, with their shapes. */
  readonly outputs: readonly (readonly [name: string, shape: readonly number[]])[];
}

/** The arguments of one call by name; `0`, `1`, … where they have none. */
interface Call {
  readonly named: boolean;
  readonly arrays: readonly (readonly [name: string, array: Read])[];
}

const isNamed = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' &&
  value !== null &&
  Object.getPrototypeOf(value) === Object.prototype &&
  !('values' in value && 'shape' in value);

const readCall = (where: string, inputs: readonly unknown[]): Call => {
  const [first] = inputs;
  const named = inputs.length === 1 && isNamed(first);
  const entries = named ? Object.entries(first) : inputs.map((input, i) => [String(i), input] as const);
  if (entries.length === 0) throw invalidOption(where, 'the arguments', 'to be at least one array', inputs);
  return { named, arrays: entries.map(([name, input]) => [name, readArray(named ? name : `argument ${name}`, input)]) };
};

const expectResult = (where: string, value: unknown): Readonly<Record<string, Tensor>> => {
  if (value instanceof Tensor) return { '': value };
  const named = isNamed(value) && Object.keys(value).length > 0 && Object.values(value).every((one) => one instanceof Tensor);
  if (named) return value as NamedResult;
  throw new NablaError({
    code: 'INVALID_OPTION',
    place: where,
    message: `expected the function to return a Tensor or an object of Tensors, got ${shown(value)}.`,
    expected: 'a Tensor or an object of Tensors',
    received: shown(value),
    hint:
      value instanceof Promise
        ? 'an asynchronous function cannot be traced.'
        : 'it is called once with Tensors, to be traced; is a return missing, or a number made of a Tensor?',
  });
};

/** Traces and compiles for the shapes of a call. */
const build = (
  run: TracedFunction<unknown>,
  call: Call,
  single: boolean,
  finish: (trace: Trace, inputs: readonly Tensor[], value: unknown) => NamedResult,
): Program => {
  const trace = new Trace({ weights: false });
  const inputs = call.arrays.map(([name, { shape }]) => trace.input(name, shape));
  const value: unknown = call.named
    ? run(Object.fromEntries(call.arrays.map(([name], i) => [name, inputs[i]])) as Inputs)
    : run(...(inputs as Inputs[]));
  const results = Object.entries(finish(trace, inputs, value)).sort(([a], [b]) => (a < b ? -1 : 1));
  const outputs = results.map(([name, tensor]) => [name, tensor.shape] as const);
  // An output can have the name of an input.
  const graph = trace.finish(Object.fromEntries(results.map(([name, tensor]) => [`out:${name}`, tensor])));
  const names = call.arrays.map(([name]) => name);
  return { native: callNative((n) => new n.CompiledFunction(graph, names, single), build), outputs };
};

/** A function of calls that compiles once for each shape. */
const cached = (make: (call: Call, single: boolean) => Program, precision: 'f32' | 'f64' | undefined) => {
  const known = new Map<string, Program>();
  return (call: Call): Map<string, ArrayValue> => {
    const single = precision === undefined ? call.arrays.every(([, { single }]) => single) : precision === 'f32';
    const key = JSON.stringify([single, call.named, call.arrays.map(([name, { shape }]) => [name, shape])]);
    let compiled = known.get(key);
    if (compiled === undefined) {
      compiled = make(call, single);
      const [oldest] = known.keys();
      if (known.size === KEPT && oldest !== undefined) known.delete(oldest);
      known.set(key, compiled);
    }
    const { native, outputs } = compiled;
    const all = callNative(() => native.run(call.arrays.map(([, { values }]) => values)));
    const parts = cut(
      all,
      outputs.map(([, shape]) => shape),
      single,
    );
    return new Map(outputs.map(([name], i) => [name, parts[i] as ArrayValue]));
  };
};

/**
 * Any traced function on real arrays: compiled once for each combination of shapes, run on the calling thread. Shapes are fixed, so no axis
 * is the batch. Dropout and other noise of training does nothing here.
 *
 * Arguments are numbers, typed arrays (one axis), nested arrays or `{ values, shape }`, each its own or all in one object by name; the
 * result is `{ values, shape }`, an object of them where the function returns one.
 * @throws {NablaError} `SHAPE_MISMATCH` with the line in the function, `INVALID_OPTION` for what cannot be traced (weights, a promise)
 * @example
 * const f = compile((x: Tensor, y: Tensor) => x.matmul(y).tanh());
 * f([[1, 2]], [[0.5], [-0.25]]); // { values: Float64Array [0], shape: [1, 1] }
 */
export const compile = <R extends Tensor | NamedResult>(run: TracedFunction<R>, options: CompileOptions = {}): Compiled<R> => {
  expectArgument('compile', 'the function', run, isFunction, compile);
  expectOptions('compile', options, compileOptions, compile);
  let one = true;
  const invoke = cached(
    (call, single) =>
      build(run, call, single, (_, __, value) => {
        one = value instanceof Tensor;
        return expectResult('compile', value);
      }),
    options.precision,
  );
  return (...inputs: unknown[]) => {
    const found = invoke(readCall('compile', inputs));
    return (one ? found.get('') : Object.fromEntries(found)) as Result<R>;
  };
};

/** What a function and its derivatives are at one point: `gradients[i]` of argument i, or by name. */
export interface ValueAndGradient<G> {
  readonly value: number;
  readonly gradients: G;
}

/** A compiled function with its gradient. */
export interface CompiledGradient {
  (...inputs: ArrayInput[]): ValueAndGradient<readonly ArrayValue[]>;
  <N extends string>(inputs: Readonly<Record<N, ArrayInput>>): ValueAndGradient<{ readonly [K in N]: ArrayValue }>;
}

const VALUE = ' value';

/**
 * A traced function of one number: its value, and ∂value/∂x for the arguments (all, or those of `of`), by reverse-mode differentiation.
 * @throws {NablaError} `SHAPE_MISMATCH` where the function gives more than one number
 * @example
 * const f = valueAndGradient(({ w, x }: { w: Tensor; x: Tensor }) => x.matmul(w).square().sum(), { of: ['w'] });
 * const { value, gradients } = f({ w: [[1], [2]], x: [[3, 4]] }); // 121, gradients.w.values [66, 88]
 */
export const valueAndGradient = (run: TracedFunction<Tensor>, options: GradientOptions = {}): CompiledGradient => {
  expectArgument('valueAndGradient', 'the function', run, isFunction, valueAndGradient);
  expectOptions('valueAndGradient', options, gradientOptions, valueAndGradient);
  const wanted = (call: Call): readonly string[] => {
    const names = call.arrays.map(([name]) => name);
    const of = options.of?.map(String) ?? names;
    const unknown = of.find((name) => !names.includes(name));
    if (unknown !== undefined)
      throw invalidOption('valueAndGradient', 'of', `to name arguments, ${names.map((name) => `'${name}'`).join(', ')}`, unknown);
    return of;
  };
  const invoke = cached(
    (call, single) =>
      build(run, call, single, (trace, inputs, result) => {
        const value = expectResult('valueAndGradient', result)[''];
        if (value === undefined || value.shape.some((size) => size !== 1)) {
          const received = value === undefined ? 'an object of Tensors' : shapeText(value.shape);
          throw new NablaError({
            code: 'SHAPE_MISMATCH',
            place: 'valueAndGradient',
            message: `a gradient is of one number, the function gives ${received}.`,
            expected: '[]',
            received,
            hint: 'end with .sum() or .mean().',
          });
        }
        const of = wanted(call);
        const tensors = of.map((name) => inputs[call.arrays.findIndex(([own]) => own === name)] as Tensor);
        const gradients = trace.gradients(value, tensors, valueAndGradient);
        return { [VALUE]: value, ...Object.fromEntries(of.map((name, i) => [name, gradients[i] as Tensor])) };
      }),
    options.precision,
  );
  return (...inputs: unknown[]) => {
    const call = readCall('valueAndGradient', inputs);
    const of = wanted(call);
    const found = invoke(call);
    const value = (found.get(VALUE) as ArrayValue).values[0] as number;
    const gradients = of.map((name) => found.get(name) as ArrayValue);
    return { value, gradients: call.named ? Object.fromEntries(of.map((name, i) => [name, gradients[i]])) : gradients } as never;
  };
};
