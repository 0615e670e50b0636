import { expectArgument, invalidOption, isInteger, isNumber, NablaError } from '../errors/index.js';

/** One hyperparameter: where it lies and how it is drawn. `T` is what the estimator's function gets. */
export interface Parameter<T = unknown> {
  readonly kind: 'uniform' | 'logUniform' | 'integer' | 'logInteger' | 'choice';
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly T[];
}

/** A number in a range. */
export interface RangeParameter extends Parameter<number> {
  readonly kind: 'uniform' | 'logUniform' | 'integer' | 'logInteger';
  readonly low: number;
  readonly high: number;
}

/** One of a few values. */
export interface ChoiceParameter<T> extends Parameter<T> {
  readonly kind: 'choice';
  readonly values: readonly T[];
}

/** Hyperparameters by name. */
export type Space = Readonly<Record<string, Parameter>>;

/** What the estimator's function gets: `{ units: number; batchSize: 16 | 32 | 64 }`. */
export type Params<S extends Space> = { readonly [K in keyof S]: S[K] extends Parameter<infer T> ? T : never };

const range = (
  kind: RangeParameter['kind'],
  low: number,
  high: number,
  caller: (low: number, high: number) => RangeParameter,
): RangeParameter => {
  const logarithmic = kind.startsWith('log');
  const check = kind.endsWith('nteger') ? isInteger(logarithmic ? { min: 1 } : {}) : isNumber(logarithmic ? { above: 0 } : {});
  expectArgument(kind, 'low', low, check, caller);
  expectArgument(kind, 'high', high, check, caller);
  if (low > high) {
    const received = `${low}, ${high}`;
    throw new NablaError(
      { code: 'INVALID_OPTION', place: kind, message: `expected low ≤ high, got ${low} and ${high}.`, expected: 'low ≤ high', received },
      { caller },
    );
  }
  return Object.freeze({ kind, low, high });
};

/** Any number from `low` to `high`, each as likely. @example uniform(0, 0.5) // a dropout rate */
export const uniform = (low: number, high: number): RangeParameter => range('uniform', low, high, uniform);

/** A number whose logarithm is uniform: each factor of ten is as likely. For rates and penalties. @example logUniform(1e-4, 1e-1) */
export const logUniform = (low: number, high: number): RangeParameter => range('logUniform', low, high, logUniform);

/** A whole number from `low` to `high`, both included. @example integer(16, 256) // units of a layer */
export const integer = (low: number, high: number): RangeParameter => range('integer', low, high, integer);

/** A whole number whose logarithm is about uniform, `low` ≥ 1. @example logInteger(8, 1024) */
export const logInteger = (low: number, high: number): RangeParameter => range('logInteger', low, high, logInteger);

/** One of `values`, each as likely. Their types are kept to the last literal. @example choice([16, 32, 64]) // 16 | 32 | 64 */
export const choice = <const T>(values: readonly T[]): ChoiceParameter<T> => {
  if (!Array.isArray(values) || values.length === 0)
    throw invalidOption('choice', 'values', 'to be an array of at least one', values, choice);
  return Object.freeze({ kind: 'choice', values: Object.freeze([...values]) });
};
