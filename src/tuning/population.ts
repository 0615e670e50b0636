import type { Evaluation, FoldOutcome, FoldView } from './evaluation.js';
import type { Left } from './fitter.js';

/** What generations are made of. */
export interface GenerationsPlan {
  /** Members of a generation, and epochs of each. */
  readonly size: number;
  readonly every: number;
  /** Epochs of the recipe. */
  readonly epochs: number;
  readonly views: readonly FoldView[];
  /** The trial whose weights one goes on from. */
  readonly parentOf: (number: number) => number | undefined;
  /** The fits of a trial that was over before. */
  readonly evaluationOf: (number: number) => Evaluation;
}

type States = readonly (Left | undefined)[];

/** How many generations a recipe has. */
export const generationsOf = (epochs: number, every: number): number => Math.ceil(epochs / every);

/**
 * The fits of a population's generations: each member goes on from where its parent was left, fold by fold, so that weights and the
 * optimizer's state are copied natively (as bytes where it runs elsewhere). What is not there any more, after a crash or in another process, is fitted again from the beginning
 * of its line, to the same bits.
 */
export class Generations {
  readonly #plan: GenerationsPlan;
  readonly #states = new Map<number, Promise<States>>();

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
    const outcomes = this.#fit(number, evaluation);
    this.#states.set(
      number,
      outcomes.then((all) => all.map((outcome) => ('left' in outcome ? outcome.left : undefined))),
    );
    const generation = Math.floor(number / this.#plan.size);
    for (const other of this.#states.keys()) if (Math.floor(other / this.#plan.size) < generation - 1) this.#states.delete(other);
    return outcomes;
  }

  async #fit(number: number, evaluation: Evaluation): Promise<FoldOutcome[]> {
    const parent = this.#plan.parentOf(number);
    const before = parent === undefined ? [] : await this.#left(parent);
    const until = this.until(number);
    const keep = until < this.#plan.epochs ? 'always' : undefined;
    return Promise.all(this.#plan.views.map((view, fold) => evaluation.fold(view, fold, { until, keep, from: before[fold] })));
  }

  #left(number: number): Promise<States> {
    if (!this.#states.has(number)) void this.folds(number, this.#plan.evaluationOf(number));
    return this.#states.get(number) as Promise<States>;
  }
}
