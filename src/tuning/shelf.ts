import { callNative } from '../native/index.js';
import type { FoldOutcome } from './evaluation.js';
import type { Left } from './fitter.js';

/** Where the fold was left, if that was kept. */
export const leftOf = (outcome: FoldOutcome | undefined): Left | undefined =>
  outcome !== undefined && 'left' in outcome ? outcome.left : undefined;

/**
 * Where fits were left that may be gone on from: so many bytes at most. What finds no room is not kept, and fitted again when it is wanted,
 * to the same bits.
 */
export class Shelf {
  readonly #room: number;
  readonly #sizes = new Map<Left, number>();
  #taken = 0;

  constructor(room: number) {
    this.#room = room;
  }

  /** A quarter of the memory that is free now, or of what `NABLA_MEMORY_LIMIT` says. */
  static ofFreeMemory(): Shelf {
    return new Shelf((callNative((n) => n.freeMemory()) ?? Number.POSITIVE_INFINITY) / 4);
  }

  /** The same outcomes, without what found no room. */
  keep(outcomes: readonly FoldOutcome[]): FoldOutcome[] {
    return outcomes.map((outcome) => {
      const left = leftOf(outcome);
      if (left === undefined || !('score' in outcome)) return outcome;
      const bytes = left instanceof Uint8Array ? left.byteLength : left.bytes();
      if (this.#taken + bytes > this.#room) return { score: outcome.score };
      this.#sizes.set(left, bytes);
      this.#taken += bytes;
      return outcome;
    });
  }

  /** Nobody goes on from these any more. */
  drop(outcomes: readonly FoldOutcome[]): void {
    for (const outcome of outcomes) {
      const left = leftOf(outcome);
      if (left === undefined) continue;
      this.#taken -= this.#sizes.get(left) ?? 0;
      this.#sizes.delete(left);
    }
  }
}
