import { writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { expectArgument, isInteger, NablaError } from '../errors/index.js';
import type { Direction } from '../metrics/names.js';
import { short } from '../text/number.js';
import { table } from '../text/table.js';
import { reportOf } from './report.js';
import type { Search } from './search.js';
import { shownValue } from './shown-value.js';
import type { Trial } from './trial.js';
import { warningsOf } from './warnings.js';

/** What was computed after the search. */
export interface Refit {
  readonly fitted: unknown;
  readonly testScores: unknown;
}

/** A finished search. */
export class StudyResult {
  readonly objective: string;
  readonly direction: Direction;
  readonly best: Trial & { readonly score: number };
  readonly trials: readonly Trial[];
  readonly fitted: unknown;
  readonly testScores: unknown;
  readonly warnings: readonly string[];
  readonly #search: Search;
  #importance: Readonly<Record<string, number>> | undefined;

  constructor(search: Search, { fitted, testScores }: Refit) {
    const trials = search.trials();
    this.#search = search;
    const best = search.best();
    if (best === undefined) throw new Error('a study without a best trial');
    this.objective = search.plan.objective;
    this.direction = search.direction;
    this.best = best.trial as Trial & { readonly score: number };
    this.trials = trials.map(({ trial }) => trial);
    this.fitted = fitted;
    this.testScores = testScores;
    this.warnings = warningsOf(search.plan.space, trials, best);
  }

  /** The best trials, best first. */
  top(count = 5): readonly Trial[] {
    expectArgument('study.top', 'count', count, isInteger({ min: 0 }), this.top);
    const sign = this.direction === 'max' ? -1 : 1;
    const complete = this.trials.filter(({ score }) => score !== undefined);
    return complete.sort((a, b) => sign * ((a.score as number) - (b.score as number)) || a.number - b.number).slice(0, count);
  }

  /** Computed when it is asked for; a hyperparameter's branches count with it. */
  get importance(): Readonly<Record<string, number>> {
    this.#importance ??= this.#search.importance();
    return this.#importance;
  }

  /** Writes the study as one HTML file with its pictures; it needs nothing else, not even a network. */
  async saveReport(path: string): Promise<void> {
    try {
      await writeFile(path, reportOf(this, this.#search));
    } catch (cause) {
      const message = `the report cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new NablaError({ code: 'IO', place: path, message }, { cause });
    }
  }

  /** The five best as a table, and what to be warned of. */
  toString(): string {
    const top = this.top(5);
    const names = Object.keys(this.best.params);
    const row = ({ number, score, standardDeviation, params }: Trial): string[] => [
      String(number),
      `${short(score as number)}${Number.isFinite(standardDeviation) ? ` ± ${short(standardDeviation as number)}` : ''}`,
      ...names.map((name) => shownValue((params as Readonly<Record<string, unknown>>)[name])),
    ];
    const count = (state: Trial['state']): number => this.trials.filter((trial) => trial.state === state).length;
    const lines = [
      `${this.trials.length} trials: ${count('complete')} complete, ${count('pruned')} pruned, ${count('failed')} failed`,
      table([['trial', this.objective, ...names], ...top.map(row)]),
      ...this.warnings.map((warning) => `Warning: ${warning}`),
    ];
    return lines.join('\n');
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
