import { type Caller, NablaError } from './nabla-error.js';

/** What is declared and documented but not built yet: functions as `layers/conv2d`, options as `layers/dense: regularizer`. */
const names = new Set<string>();

export const register = (name: string): void => {
  names.add(name);
};

/** Everything declared only, in order of the alphabet. A test compares it with its own list, so nothing is forgotten or left behind. */
export const plannedNames = (): readonly string[] => [...names].sort();

/**
 * The one way to say that something is not there yet.
 * @throws {NablaError} `NOT_IMPLEMENTED`, always
 */
export function notImplemented(name: string, caller: Caller = notImplemented): never {
  throw new NablaError(
    { code: 'NOT_IMPLEMENTED', place: name, message: 'declared, but not built in this version of nabla.', received: name },
    { caller },
  );
}

// biome-ignore lint/suspicious/noExplicitAny: a function of any type can be planned
type AnyFunction = (...args: any[]) => any;

/** A function with its final type that throws `NOT_IMPLEMENTED` when called; `name` is its path, such as `layers/conv2d`. */
export const planned = <F extends AnyFunction>(name: string): F => {
  register(name);
  const short = name.slice(name.indexOf('/') + 1);
  const stub = (): never => notImplemented(name, stub);
  return Object.defineProperty(stub, 'name', { value: short }) as unknown as F;
};
