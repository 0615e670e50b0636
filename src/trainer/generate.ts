import { setImmediate as turn } from 'node:timers/promises';
import { uniform } from '../initializers/index.js';

export const isSignal = (value: unknown): string | undefined => (value instanceof AbortSignal ? undefined : 'to be an AbortSignal');

/** Options of `fitted.generate`. */
export interface GenerateOptions {
  /** Characters (or words) to write. */
  readonly length: number;
  /** Below 1 the likely become likelier; 0 takes the likeliest each time. Default 1. */
  readonly temperature?: number;
  /** Draws among the so many likeliest only. Default: all. Fan et al. 2018, arXiv:1805.04833. */
  readonly topK?: number;
  /** Default 0: the same text again. */
  readonly seed?: number;
  /** Ends the iteration with its reason. */
  readonly signal?: AbortSignal;
}

/** The index at which the running sum of p^(1/temperature) over the allowed classes passes `u` of its total. */
export const draw = (
  p: Float64Array,
  u: number,
  { temperature = 1, topK = p.length }: Pick<GenerateOptions, 'temperature' | 'topK'>,
): number => {
  const order = Array.from(p.keys()).sort((a, b) => p[b]! - p[a]! || a - b);
  const likeliest = order[0]!;
  if (temperature === 0) return likeliest;
  const allowed = order.slice(0, topK);
  const weights = allowed.map((i) => (p[i]! / p[likeliest]!) ** (1 / temperature));
  let rest = u * weights.reduce((a, b) => a + b, 0);
  for (const [at, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return allowed[at]!;
  }
  return allowed.at(-1)!;
};

/** What generation needs of a session. */
interface Stepped {
  readonly limit: number;
  readonly position: number;
  outputs(code: number): Float64Array;
  reset(): void;
}

/**
 * Writes on, one step a character. Where the model has a longest sequence, it goes on from the last half of what it knows once that is
 * full: two steps a character in the long run.
 */
export const continuation = async function* (
  prompt: Uint32Array,
  names: readonly string[],
  session: Stepped,
  options: GenerateOptions,
): AsyncGenerator<string> {
  const { length, seed = 0, signal } = options;
  signal?.throwIfAborted();
  if (length === 0) return;
  const draws = uniform({ low: 0, high: 1 }).sample([length], { seed });
  const { limit } = session;
  const known = Array.from(prompt);
  let p: Float64Array = new Float64Array();
  const read = (codes: readonly number[]): void => {
    for (const code of codes) p = session.outputs(code);
  };
  read(Number.isFinite(limit) ? known.slice(-limit) : known);
  for (let step = 0; step < length; step++) {
    signal?.throwIfAborted();
    const next = draw(p, draws[step]!, options);
    known.push(next);
    yield names[next]!;
    // The event loop turns between two characters.
    await turn();
    if (step === length - 1) return;
    if (session.position < limit) {
      read([next]);
    } else {
      session.reset();
      read(known.slice(-Math.max(1, limit >> 1)));
    }
  }
};
