import type { Evaluation, FoldOutcome, FoldView } from './evaluation.js';
import { leftOf, type Shelf } from './shelf.js';

/** What generations are made of. */
export interface GenerationsPlan {
  /** Members of a generation, and epochs of each. */
  readonly size: number;
  readonly every: number;
  /** Epochs of the recipe. */
  readonly epochs: number;
  readonly views: readonly FoldView[];
  /** Keeps the states of the last two generations, as far as there is room. */
  readonly shelf: Shelf;
  /** The trial whose weights one goes on from. */
  readonly parentOf: (number: number) => number | undefined;
  /** The fits of a trial that was over before. */
  readonly evaluationOf: (number: number) => Evaluation;
}

/** How many generations a recipe has. */
export const generationsOf = (epochs: number, every: number): number => Math.ceil(epochs / every);

/**
 * The fits of a population's generations: each member goes on from where its parent was left, fold by fold, so that weights and the
 * optimizer's state are copied natively (as bytes where it runs elsewhere). What is not there any more, after a crash, in another process or
 * for want of room, is fitted again from the beginning of its line, to the same bits.
 */
export class Generations {
  readonly #plan: GenerationsPlan;
  readonly #outcomes = new Map<number, Promise<FoldOutcome[]>>();

  constructor(plan: GenerationsPlan) {
    this.#plan = plan;
  }

  /** The epochs, in all, that a trial has when its generation ends. */
  until(number: number): number {
    const { size, every, epochs } = this.#plan;
    return Math.min((Math.floor(number / size) + 1) * every, epochs);
  }

  /** A trial and those whose weights it went on from, the first one first. */
  lineage(number: number): readonly number[] {
    const parent = this.#plan.parentOf(number);
    return parent === undefined ? [number] : [...this.lineage(parent), number];
  }

  /** All folds of a trial, for its generation. */
  folds(number: number, evaluation: Evaluation): Promise<FoldOutcome[]> {
    const { shelf, size } = this.#plan;
    const outcomes = this.#fit(number, evaluation).then((all) => shelf.keep(all));
    this.#outcomes.set(number, outcomes);
    const generation = Math.floor(number / size);
    for (const [other, old] of this.#outcomes) {
      if (Math.floor(other / size) >= generation - 1) continue;
      this.#outcomes.delete(other);
      void old.then((all) => shelf.drop(all));
    }
    return outcomes;
  }

  async #fit(number: number, evaluation: Evaluation): Promise<FoldOutcome[]> {
    const parent = this.#plan.parentOf(number);
    const before = parent === undefined ? [] : await this.#left(parent);
    const until = this.until(number);
    const keep = until < this.#plan.epochs ? 'always' : undefined;
    return Promise.all(this.#plan.views.map((view, fold) => evaluation.fold(view, fold, { until, keep, from: leftOf(before[fold]) })));
  }

  /** A trial that is over, with where it was left. */
  async #left(number: number): Promise<FoldOutcome[]> {
    const kept = await (this.#outcomes.get(number) ?? this.folds(number, this.#plan.evaluationOf(number)));
    const isThere = (outcome: FoldOutcome): boolean => 'error' in outcome || leftOf(outcome) !== undefined;
    return kept.every(isThere) ? kept : this.#fit(number, this.#plan.evaluationOf(number));
  }
}
