import { setImmediate as turn } from 'node:timers/promises';
import { uniform } from '../initializers/index.js';

/** Options of `fitted.generate`. */
export interface GenerateOptions {
  /** Characters to write. */
  readonly length: number;
  /** Below 1 the likely become likelier; 0 takes the likeliest each time. Default 1. */
  readonly temperature?: number;
  /** Draws among the so many likeliest only. Default: all. Fan et al. 2018, arXiv:1805.04833. */
  readonly topK?: number;
  /** Default 0: the same text again. */
  readonly seed?: number;
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

/** Writes on: `predict` gives the probabilities of the class after each position of a window. */
export const continuation = async function* (
  prompt: Uint32Array,
  names: readonly string[],
  width: number,
  predict: (window: Float32Array) => Float64Array,
  options: GenerateOptions,
): AsyncGenerator<string> {
  const { length, seed = 0 } = options;
  if (length === 0) return;
  const draws = uniform({ low: 0, high: 1 }).sample([length], { seed });
  let known = Array.from(prompt);
  for (let step = 0; step < length; step++) {
    known = known.slice(-width);
    // What comes after the known characters is not looked at by a model that looks back only.
    const window = new Float32Array(width);
    window.set(known);
    const all = predict(window);
    const classes = all.length / width;
    const next = draw(all.subarray((known.length - 1) * classes, known.length * classes), draws[step]!, options);
    known.push(next);
    yield names[next]!;
    // The event loop turns between two characters.
    await turn();
  }
};
