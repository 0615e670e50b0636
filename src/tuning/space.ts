import { expectArgument, invalidOption, isInteger, isNumber, NablaError } from '../errors/index.js';

/** One hyperparameter: where it lies and how it is drawn. `T` is what the estimator's function gets. */
export interface Parameter<T = unknown> {
  readonly kind: 'uniform' | 'logUniform' | 'integer' | 'logInteger' | 'choice';
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly T[];
  readonly branches?: Branches;
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

/** Spaces by name, of which one is chosen. */
export interface Branches {
  readonly [name: string]: Space;
}

/** `{ kind: 'sgd'; momentum: number } | { kind: 'adam' }` */
export type BranchParams<B extends Branches> = {
  readonly [K in keyof B & string]: {
    readonly [P in keyof B[K] | 'kind']: P extends 'kind' ? K : P extends keyof B[K] ? Value<B[K][P]> : never;
  };
}[keyof B & string];

/** One of a few branches, each with hyperparameters of its own. */
export interface BranchParameter<B extends Branches> extends Parameter<BranchParams<B>> {
  readonly kind: 'choice';
  readonly values: readonly BranchParams<B>[];
  readonly branches: B;
}

type Value<P> = P extends { readonly branches: infer B extends Branches } ? BranchParams<B> : P extends Parameter<infer T> ? T : never;

/** What the estimator's function gets: `{ units: number; batchSize: 16 | 32 | 64 }`. */
export type Params<S extends Space> = { readonly [K in keyof S]: Value<S[K]> };

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
export function choice<const T>(values: readonly T[]): ChoiceParameter<T>;
/**
 * One of several branches with hyperparameters of their own; `kind` tells which.
 * @example choice({ sgd: { momentum: uniform(0, 1) }, adam: {} }) // { kind: 'sgd', momentum: number } | { kind: 'adam' }
 */
export function choice<const B extends Branches>(branches: B): BranchParameter<B>;
export function choice(given: readonly unknown[] | Branches): ChoiceParameter<unknown> | BranchParameter<Branches> {
  if (Array.isArray(given)) {
    if (given.length === 0) throw invalidOption('choice', 'values', 'to be an array of at least one', given, choice);
    return Object.freeze({ kind: 'choice', values: Object.freeze([...given]) });
  }
  const words = 'to be an array of values or an object of branches, at least one';
  if (typeof given !== 'object' || given === null || Object.getPrototypeOf(given) !== Object.prototype || Object.keys(given).length === 0)
    throw invalidOption('choice', 'values', words, given, choice);
  for (const [name, space] of Object.entries(given)) {
    expectSpace(`choice: ${name}`, space, choice);
    if ('kind' in space)
      throw invalidOption(`choice: ${name}`, 'a hyperparameter', "not to be called 'kind', which names the branch", 'kind', choice);
  }
  const branches: Branches = Object.freeze({ ...(given as Branches) });
  return Object.freeze({
    kind: 'choice',
    values: Object.freeze(Object.keys(branches).map((kind) => ({ kind }))),
    branches,
  }) as BranchParameter<Branches>;
}

const isParameter = (value: unknown): value is Parameter => {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  if (value.kind === 'choice') return 'values' in value && Array.isArray(value.values);
  return (
    ['uniform', 'logUniform', 'integer', 'logInteger'].includes(value.kind as string) &&
    'low' in value &&
    'high' in value &&
    typeof value.low === 'number' &&
    typeof value.high === 'number'
  );
};

/** An object of hyperparameters, or `INVALID_OPTION`. */
export function expectSpace(where: string, value: unknown, caller?: (...args: never[]) => unknown): asserts value is Space {
  const more = caller as ((...args: unknown[]) => unknown) | undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isParameter(value))
    throw invalidOption(where, 'space', 'to be an object of hyperparameters such as { learningRate: logUniform(1e-4, 1e-1) }', value, more);
  for (const [name, parameter] of Object.entries(value)) {
    if (!isParameter(parameter))
      throw invalidOption(where, `space.${name}`, 'to be uniform, logUniform, integer, logInteger or choice', parameter, more);
  }
}

/** What a constraint says; it must be true or false, so that a promise is not taken for yes. */
export const isAllowed = (constraint: (params: never) => unknown, params: unknown): boolean => {
  const allowed = constraint(params as never);
  if (typeof allowed !== 'boolean') throw invalidOption('tune', 'constraint', 'to give true or false', allowed);
  return allowed;
};

/** One coordinate of a search as the native side knows it. */
export interface Dimension {
  /** `optimizer.sgd.momentum` */
  readonly name: string;
  readonly kind: Parameter['kind'];
  readonly low?: number;
  readonly high?: number;
  readonly count?: number;
  /** A choice before it, and the index of the branch in which it exists. */
  readonly under?: readonly [number, number];
}

/** One value a dimension, an index for a choice; `null` while its branch is not chosen. */
export type Point = readonly (number | null)[];

/** A space in one row: a branch's hyperparameters come after the choice. */
export class FlatSpace {
  readonly dimensions: readonly Dimension[];
  readonly parameters: readonly Parameter[];
  readonly #space: Space;
  /** Index of the dimension of each parameter, by its path. */
  readonly #at = new Map<string, number>();

  constructor(space: Space) {
    this.#space = space;
    const dimensions: Dimension[] = [];
    const parameters: Parameter[] = [];
    const walk = (inner: Space, prefix: string, under: readonly [number, number] | undefined): void => {
      for (const [key, parameter] of Object.entries(inner)) {
        const name = prefix + key;
        const at = dimensions.length;
        const { kind, low, high, values, branches } = parameter;
        dimensions.push({
          name,
          kind,
          ...(kind === 'choice' ? { count: values?.length ?? 0 } : { low: low as number, high: high as number }),
          ...(under === undefined ? {} : { under }),
        });
        parameters.push(parameter);
        this.#at.set(name, at);
        Object.entries(branches ?? {}).forEach(([branch, more], index) => walk(more, `${name}.${branch}.`, [at, index]));
      }
    };
    walk(space, '', undefined);
    this.dimensions = dimensions;
    this.parameters = parameters;
  }

  /** What the estimator's function gets. */
  params(point: Point): Readonly<Record<string, unknown>> {
    const read = (inner: Space, prefix: string): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(inner).map(([key, { kind, values, branches }]) => {
          const name = prefix + key;
          const value = point[this.#at.get(name) as number] as number;
          if (kind !== 'choice') return [key, value];
          if (branches === undefined) return [key, values?.[value]];
          const branch = Object.keys(branches)[value] as string;
          return [key, { kind: branch, ...read(branches[branch] as Space, `${name}.${branch}.`) }];
        }),
      );
    return read(this.#space, '');
  }

  /** The point of given hyperparameters: complete, known, within their ranges. */
  point(params: unknown, where: string): Point {
    const point: (number | null)[] = this.dimensions.map(() => null);
    const write = (inner: Space, prefix: string, given: unknown): void => {
      if (typeof given !== 'object' || given === null)
        throw invalidOption(where, prefix || 'it', 'to be an object of hyperparameters', given);
      const named = given as Readonly<Record<string, unknown>>;
      const unknown = Object.keys(named).find((key) => !(key in inner) && !(key === 'kind' && prefix !== ''));
      if (unknown !== undefined)
        throw invalidOption(where, 'a hyperparameter', `to be one of ${Object.keys(inner).join(', ')}`, prefix + unknown);
      for (const [key, parameter] of Object.entries(inner)) {
        const name = prefix + key;
        const { kind, low = 0, high = 0, values = [], branches } = parameter;
        const value = named[key];
        const at = this.#at.get(name) as number;
        if (kind !== 'choice') {
          const bounds = { min: low, max: high };
          expectArgument(where, name, value, kind.endsWith('nteger') ? isInteger(bounds) : isNumber(bounds));
          point[at] = value as number;
          continue;
        }
        const names = branches === undefined ? [] : Object.keys(branches);
        const branch = branches === undefined ? undefined : (value as { kind?: string } | undefined)?.kind;
        const index = branches === undefined ? values.findIndex((v) => Object.is(v, value)) : names.indexOf(branch as string);
        if (index < 0) {
          const options = branches === undefined ? JSON.stringify(values) : names.map((n) => `{ kind: '${n}' }`).join(', ');
          throw invalidOption(where, name, `to be one of ${options}`, value);
        }
        point[at] = index;
        if (branches !== undefined) write(branches[branch as string] as Space, `${name}.${branch}.`, value);
      }
    };
    write(this.#space, '', params);
    return point;
  }

  /** The hyperparameter of the space to which a dimension belongs. */
  top(at: number): string {
    let index = at;
    for (let under = this.dimensions[index]?.under; under !== undefined; under = this.dimensions[index]?.under) [index] = under;
    return this.dimensions[index]?.name ?? '';
  }

  /** The value of one dimension as it is shown. */
  shown(at: number, value: number): unknown {
    const { branches, values, kind } = this.parameters[at] as Parameter;
    if (kind !== 'choice') return value;
    return branches === undefined ? values?.[value] : Object.keys(branches)[value];
  }

  /** Where a value lies in its range, from 0 to 1. */
  share(at: number, value: number): number {
    const { kind, low = 0, high = 0, count = 1 } = this.dimensions[at] as Dimension;
    if (kind === 'choice') return (value + 0.5) / count;
    if (low === high) return 0.5;
    return kind.startsWith('log') ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  }
}
