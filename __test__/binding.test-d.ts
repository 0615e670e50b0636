import type * as addon from '../src/native/generated/binding.js';
import type { Operators as Registry } from '../src/native/generated/operators.js';
import type { Binding } from '../src/native/index.js';
import type { Operators } from '../src/trace/operators.js';

/** What the addon exports is what `src/native/binding.ts`, which the rest of the package sees, says of it. */
export const agrees = (exports: typeof addon): Binding => exports;

/** Operators that the tracer names otherwise than the registry does, by name or by attributes: none. */
type Drift = { [K in keyof Operators]: K extends keyof Registry ? (Operators[K] extends Registry[K] ? never : K) : K }[keyof Operators];
export const none: Drift extends never ? true : Drift = true;
