import type { Caller } from './nabla-error.js';

/** Where nabla's own files lie: `src/` in a checkout, `dist/` when installed. */
const home = new URL('..', import.meta.url);
const homes = [home.href, home.protocol === 'file:' ? decodeURIComponent(home.pathname) : home.href];

/** Nabla's own, or the engine's between two of ours (`at Array.reduce (<anonymous>)`). */
const isOwn = (frame: string): boolean =>
  frame.includes('(<anonymous>)') ||
  frame.includes('(node:') ||
  (homes.some((folder) => frame.includes(folder)) && !frame.includes('.test.'));

/**
 * Gives `error` a stack that starts at the user's own line: frames up to and including `caller` are cut, then nabla's own frames at the
 * top (a layer calls operators, so the function that fails is rarely the one that was called). Where everything is one bundled file
 * nothing can be told apart, and the whole stack stays.
 */
export const startAtCaller = (error: Error, caller: Caller | (abstract new (...args: never[]) => unknown)): void => {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = limit + 64; // nested layers are deep, and what is cut here would count against the limit
  Error.captureStackTrace(error, caller as Caller);
  Error.stackTraceLimit = limit;
  const head = String(error);
  const stack = error.stack ?? '';
  const from = stack.indexOf('\n    at ');
  if (from < 0) return;
  const frames = stack.slice(from + 1).split('\n');
  const first = frames.findIndex((frame) => !isOwn(frame));
  const kept = frames.slice(Math.max(first, 0)).slice(0, limit);
  // Not enumerable, as V8 makes it: it would be printed twice otherwise.
  Object.defineProperty(error, 'stack', { value: [head, ...kept].join('\n'), writable: true, configurable: true, enumerable: false });
};

/** Where a public function that goes on in the background was called: kept for an error that comes later. */
export const callSite = (caller: Caller | (abstract new (...args: never[]) => unknown)): { readonly stack?: string } => {
  const site: { stack?: string } = {};
  Error.captureStackTrace(site, caller as Caller);
  return site;
};

/** Gives an error from the background, whose own stack shows nothing of the user's, the frames of the call that began the work. */
export const continueFrom = (error: Error, site: { readonly stack?: string }): void => {
  const own = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  if (!own.every(isOwn)) return;
  const frames = (site.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  const first = frames.findIndex((frame) => !isOwn(frame));
  if (first < 0) return;
  const stack = [String(error), ...frames.slice(first)].join('\n');
  Object.defineProperty(error, 'stack', { value: stack, writable: true, configurable: true, enumerable: false });
};
