import type { Code } from './codes.js';
import { startAtCaller } from './stack.js';

/** An error as data: what the native side sends, and what a message is made of. */
export interface ErrorData {
  code: Code;
  /** One sentence without the place. */
  message: string;
  /** The layer, the column and line, the parameter, the path. */
  place?: string | undefined;
  /** What would have been right. */
  expected?: string | undefined;
  /** What came. */
  received?: string | undefined;
  /** What to do about it. */
  hint?: string | undefined;
  /** The path of the layer, such as `residual/dense`. */
  layer?: string | undefined;
  /** The training step, counted from 1. */
  step?: number | undefined;
  /** What else is known: of a fit that stopped being finite and was looked at, `{ health }`. */
  details?: unknown;
}

// biome-ignore lint/suspicious/noExplicitAny: any function at all may be the one that the user called
export type Caller = (...args: any[]) => unknown;

export interface ErrorOptions {
  cause?: unknown;
  /** The public function that failed: the stack starts at the line that called it. */
  caller?: Caller;
}

const sentence = ({ message, place, hint }: ErrorData): string =>
  `${place === undefined || message.startsWith(place) ? '' : `${place}: `}${message}${hint === undefined ? '' : `\n  Hint: ${hint}`}`;

/**
 * Every error that a user can cause: a stable `code`, where it happened, what was expected, what came, and what to do.
 *
 * Printed as `NablaError [SHAPE_MISMATCH] dense "head": x [32, 10] · kernel [12, 4] don't fit, inner sizes 10 and 12 differ.`,
 * with the hint on a line of its own. The stack starts at the user's line, not inside nabla.
 *
 * @example try { await trainer.fit(data); } catch (error) { if (error instanceof NablaError && error.code === 'NOT_FINITE') … }
 */
export class NablaError extends Error {
  declare readonly code: Code;
  declare readonly place?: string;
  declare readonly expected?: string;
  declare readonly received?: string;
  declare readonly hint?: string;
  declare readonly layer?: string;
  declare readonly step?: number;
  /** What else is known: of a fit with `health` that ended with `NOT_FINITE`, `{ health }`, a `GradientHealth` of the steps before. */
  declare readonly details?: unknown;
  readonly #data: ErrorData;

  constructor(data: ErrorData, options: ErrorOptions = {}) {
    super(sentence(data), 'cause' in options ? { cause: options.cause } : undefined);
    this.#data = data;
    this.code = data.code;
    if (data.place !== undefined) this.place = data.place;
    if (data.expected !== undefined) this.expected = data.expected;
    if (data.received !== undefined) this.received = data.received;
    if (data.hint !== undefined) this.hint = data.hint;
    if (data.layer !== undefined) this.layer = data.layer;
    if (data.step !== undefined) this.step = data.step;
    if (data.details !== undefined) this.details = data.details;
    startAtCaller(this, options.caller ?? NablaError);
  }

  /** The error for the JSON in which the native side reports one; `more` adds what only this side knows (the layer). */
  static fromNative(json: string, more: Partial<ErrorData> = {}, options: ErrorOptions = {}): NablaError {
    return new NablaError({ ...(JSON.parse(json) as ErrorData), ...more }, options);
  }

  /** The same error, with more known about it: a room further up names the layer that the native side cannot see. */
  with(more: Partial<ErrorData>, options: ErrorOptions = {}): NablaError {
    return new NablaError({ ...this.#data, ...more }, { ...(this.cause === undefined ? {} : { cause: this.cause }), ...options });
  }

  override toString(): string {
    return `${this.name} [${this.code}] ${this.message}`;
  }
}

// On the prototype, so that it is no property of every error that is printed.
Object.defineProperty(NablaError.prototype, 'name', { value: 'NablaError', configurable: true, writable: true });
