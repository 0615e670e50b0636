import { type Check, expectArgument, expectOptions, invalidOption, isInteger, isListOf, isOneOf, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';

/** Options of `sample`. */
export interface SampleOptions {
  /** Default 0. The same seed gives the same values on every machine. */
  seed?: number;
}

/** Double precision where it is asked for. */
export interface PreciseSampleOptions extends SampleOptions {
  precision: 'f64';
}

/**
 * How a parameter starts: plain data, drawn natively. In a model its values depend on the seed and the parameter's path only, so
 * adding a layer changes no other layer's start.
 */
export interface Initializer {
  readonly kind: InitializerName;
  /**
   * Values of the given shape, row-major.
   * @example heNormal().sample([784, 128], { seed: 1 }); // Float32Array of 100352
   */
  sample(shape: readonly number[], options: PreciseSampleOptions): Float64Array;
  sample(shape: readonly number[], options?: SampleOptions & { precision?: 'f32' }): Float32Array;
}

/** Initializers that need no argument can be named. */
export const initializerNames = [
  'zeros',
  'ones',
  'normal',
  'uniform',
  'truncatedNormal',
  'xavierUniform',
  'xavierNormal',
  'heUniform',
  'heNormal',
  'lecunUniform',
  'lecunNormal',
  'orthogonal',
  'identity',
  'sparse',
  'lsuv',
] as const;

/** `constant` needs its value, so it has no bare name. */
export type NamedInitializer = (typeof initializerNames)[number];
export type InitializerName = NamedInitializer | 'constant';

/** Where an initializer is expected: `'heNormal'` or `heNormal()`. */
export type InitializerLike = Initializer | NamedInitializer;

const sampleOptions = optionsOf('initializers/sample', {
  seed: isInteger({ min: 0 }),
  precision: isOneOf(['f32', 'f64']),
});

const isShape = isListOf(isInteger({ min: 1 }));

/** An initializer value: its data are what is enumerable, so it compares, copies and travels as JSON. */
export const initializer = (kind: InitializerName, fields: Readonly<Record<string, number | string>> = {}): Initializer => {
  const data = { kind, ...fields };
  const sample = (shape: readonly number[], options: SampleOptions & { precision?: 'f32' | 'f64' } = {}): Float32Array | Float64Array => {
    expectArgument(`${kind}.sample`, 'shape', shape, isShape, sample);
    expectOptions(`${kind}.sample`, options, sampleOptions, sample);
    const values = callNative((binding) => binding.sampleInitializer(JSON.stringify(data), [...shape], options.seed ?? 0), sample);
    return options.precision === 'f64' ? values : Float32Array.from(values);
  };
  return Object.freeze(Object.defineProperty(data, 'sample', { value: sample })) as unknown as Initializer;
};

/** A name or a value where an initializer is expected. */
export const isInitializer: Check = (value) => {
  if (typeof value === 'object' && value !== null && 'kind' in value && 'sample' in value) return undefined;
  const words = isOneOf(initializerNames)(value);
  return words === undefined ? undefined : `${words}, or an initializer such as heNormal()`;
};

/** The value for a name or a value. */
export const resolveInitializer = (like: InitializerLike, where = 'initializer'): Initializer => {
  const words = isInitializer(like);
  if (words !== undefined) throw invalidOption(where, 'the initializer', words, like);
  return typeof like === 'string' ? initializer(like) : like;
};
