import { type Caller, type ErrorData, NablaError } from '../errors/index.js';
import type { Binding } from './binding.js';
import { loadBinding } from './load.js';

let binding: Binding | undefined;

/** The addon, loaded at the first use and once a process: importing nabla costs no binary, and `npx nabla doctor` works without one. */
export const native = (): Binding => (binding ??= loadBinding());

const isErrorData = (value: unknown): value is ErrorData =>
  typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string' && 'message' in value;

const data = (message: string): ErrorData => {
  if (message.startsWith('{')) {
    try {
      const parsed: unknown = JSON.parse(message);
      if (isErrorData(parsed)) return parsed;
    } catch {
      // Not ours after all: reported below as it is.
    }
  }
  return { code: 'INTERNAL', message, hint: 'This is a bug in nabla: please report it with the program that shows it.' };
};

/** The error for the JSON in which the addon reports one. */
export const nativeError = (json: string, caller?: Caller): NablaError =>
  new NablaError(data(json), caller === undefined ? {} : { caller });

/** What the addon threw, as what a user sees. */
export const translated = (error: unknown, caller?: Caller): unknown => {
  if (error instanceof NablaError || !(error instanceof Error)) return error;
  const result = nativeError(error.message, caller);
  if (result.code === 'INTERNAL') result.cause = error;
  return result;
};

/** Runs a synchronous native call; its error becomes a `NablaError` whose stack starts at the line that called `caller`. */
export const callNative = <T>(run: (binding: Binding) => T, caller?: Caller): T => {
  try {
    return run(native());
  } catch (error) {
    throw translated(error, caller);
  }
};
