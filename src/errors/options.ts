import { type Caller, NablaError } from './nabla-error.js';
import { nearest } from './nearest.js';
import { notImplemented, register } from './not-implemented.js';
import { oneOf, shown } from './shown.js';

/** What a value must be: `undefined` when it is, else the words that come after "expected". */
export type Check = (value: unknown) => string | undefined;

/** Bounds of a number; `above` and `below` are open ends, `min` and `max` closed ones. */
export interface Bounds {
  min?: number;
  max?: number;
  above?: number;
  below?: number;
}

const interval = ({ min, max, above, below }: Bounds): string => {
  const from = above !== undefined ? `(${above}` : min !== undefined ? `[${min}` : '(−∞';
  const to = below !== undefined ? `${below})` : max !== undefined ? `${max}]` : '∞)';
  if (from === '(−∞' && to === '∞)') return '';
  if (to === '∞)') return above !== undefined ? `above ${above}` : `≥ ${min}`;
  if (from === '(−∞') return below !== undefined ? `below ${below}` : `≤ ${max}`;
  return `in ${from}, ${to}`;
};

const within = (value: number, { min, max, above, below }: Bounds): boolean =>
  (min === undefined || value >= min) &&
  (max === undefined || value <= max) &&
  (above === undefined || value > above) &&
  (below === undefined || value < below);

/** A finite number within bounds. */
export const isNumber = (bounds: Bounds = {}): Check => {
  const words = interval(bounds) || 'to be a finite number';
  return (value) => (typeof value === 'number' && Number.isFinite(value) && within(value, bounds) ? undefined : words);
};

/** A whole number within bounds. */
export const isInteger = (bounds: Bounds = {}): Check => {
  const words = `to be a whole number ${interval(bounds)}`.trimEnd();
  return (value) => (Number.isSafeInteger(value) && within(value as number, bounds) ? undefined : words);
};

export const isBoolean: Check = (value) => (typeof value === 'boolean' ? undefined : 'to be true or false');

export const isString: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'to be a string');

export const isFunction: Check = (value) => (typeof value === 'function' ? undefined : 'to be a function');

/** One of a few names; the error names the nearest. */
export const isOneOf =
  (names: readonly string[]): Check =>
  (value) => {
    if (typeof value === 'string' && names.includes(value)) return undefined;
    return `to be ${oneOf(names)}`;
  };

/** Either of several checks. */
export const isEither =
  (...checks: readonly Check[]): Check =>
  (value) => {
    const words = checks.map((check) => check(value));
    return words.includes(undefined) ? undefined : words.join(', or ');
  };

/** A list each of whose items passes. */
export const isListOf =
  (check: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return 'to be an array';
    // Array.from, because map skips the holes of new Array(5).
    const words = Array.from(value, check).find((text) => text !== undefined);
    return words === undefined ? undefined : `every item ${words}`;
  };

/** Numbers, words, … by index: an array, a typed array, anything with a length. A string is none. */
export const isArrayLike: Check = (value) => {
  const ok =
    typeof value === 'object' && value !== null && 'length' in value && Number.isSafeInteger(value.length) && (value.length as number) >= 0;
  return ok ? undefined : 'to be an array or a typed array';
};

/** Anything: checked elsewhere, or by its type alone. */
export const isAnything: Check = () => undefined;

/** The options of a function and what each must be. An option that is declared but not built yet is `planned`. */
export type Spec = Readonly<Record<string, Check | 'planned'>>;

/** Written as `{ … }`: of a RegExp, a Map or a class, inherited members (`/r/.test`) would be read as options. */
const plain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

/** `INVALID_OPTION`: expected `name` …, got …; for a wrong name among names, the nearest. */
export const invalidOption = (where: string, name: string, words: string, value: unknown, caller?: Caller): NablaError => {
  const names = [...words.matchAll(/'([^']+)'/g)].map((match) => match[1]!);
  const meant = typeof value === 'string' && !names.includes(value) ? nearest(value, names) : undefined;
  return new NablaError(
    {
      code: 'INVALID_OPTION',
      place: where,
      message: `expected ${name} ${words}, got ${shown(value)}.`,
      expected: words,
      received: shown(value),
      hint: meant === undefined ? undefined : `did you mean '${meant}'?`,
    },
    caller === undefined ? {} : { caller },
  );
};

/**
 * Options are exact: an unknown name or a value outside its range is refused before any work starts, with the nearest name or the
 * range. `undefined` counts as not given.
 *
 * @param where what the user called, such as `dense` or `dense "head"`
 * @throws {NablaError} `INVALID_OPTION`; `NOT_IMPLEMENTED` for an option that is declared only
 */
export const expectOptions = (where: string, options: unknown, spec: Spec, caller?: Caller): void => {
  const names = Object.keys(spec);
  if (!plain(options)) throw invalidOption(where, 'the options', `to be an object with ${oneOf(names)}`, options, caller);
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(spec, name)) {
      const meant = nearest(name, names);
      throw new NablaError(
        {
          code: 'INVALID_OPTION',
          place: where,
          message: `there is no option '${name}'.`,
          expected: names.join(', '),
          received: name,
          hint:
            meant !== undefined
              ? `did you mean '${meant}'?`
              : names.length === 0
                ? 'it takes no options.'
                : `its options are ${names.join(', ')}.`,
        },
        caller === undefined ? {} : { caller },
      );
    }
    if (value === undefined) continue;
    const check = spec[name]!;
    if (check === 'planned') notImplemented(`${where}: ${name}`, caller);
    const words = (check as Check)(value);
    if (words !== undefined) throw invalidOption(where, name, words, value, caller);
  }
};

/** Writes the options of `path` (such as `layers/dense`) down once: planned ones are listed with what is not built yet. */
export const optionsOf = <S extends Spec>(path: string, spec: S): S => {
  for (const [name, check] of Object.entries(spec)) if (check === 'planned') register(`${path}: ${name}`);
  return spec;
};

/** One argument that is not an option: `dense: expected units to be a whole number ≥ 1, got 0 (number).` */
export const expectArgument = (where: string, name: string, value: unknown, check: Check, caller?: Caller): void => {
  const words = check(value);
  if (words !== undefined) throw invalidOption(where, name, words, value, caller);
};

/** Only known names, whatever their values. */
export const checkOptions = (where: string, options: unknown, allowed: readonly string[]): void =>
  expectOptions(where, options, Object.fromEntries(allowed.map((name) => [name, isAnything])));

/** A whole number within bounds, or `INVALID_OPTION`; `place` is what the message names, such as `kFold: k`. */
export const expectInteger = (place: string, value: unknown, bounds: Bounds = {}): number => {
  expectPlaced(place, value, isInteger(bounds));
  return value as number;
};

/** A finite number within bounds, or `INVALID_OPTION`. */
export const expectNumber = (place: string, value: unknown, bounds: Bounds = {}): number => {
  expectPlaced(place, value, isNumber(bounds));
  return value as number;
};

/** One of `names`, or `INVALID_OPTION` with the nearest. */
export const expectOneOf = <const N extends string>(place: string, value: unknown, names: readonly N[]): N => {
  expectPlaced(place, value, isOneOf(names));
  return value as N;
};

const expectPlaced = (place: string, value: unknown, check: Check): void => {
  const cut = place.lastIndexOf(': ');
  expectArgument(cut < 0 ? place : place.slice(0, cut), cut < 0 ? place : place.slice(cut + 2), value, check);
};
