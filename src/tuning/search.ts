import { schemaOf } from '../data/dataset.js';
import type { Schema } from '../data/schema.js';
import { invalidOption, NablaError } from '../errors/index.js';
import type { Direction } from '../metrics/names.js';
import { callNative } from '../native/index.js';
import type { Estimator } from '../trainer/estimator.js';
import { epochsOf, Trainer } from '../trainer/trainer.js';
import { summarize } from '../validation/cross-validate.js';
import { isBeyond, middle, pointOnCurve } from './curves.js';
import { directionOf, Evaluation, type FoldOutcome, type Part } from './evaluation.js';
import { fingerprintsOf } from './fingerprints.js';
import type { Fitter } from './fitter.js';
import { Journal } from './journal.js';
import { Lanes } from './lanes.js';
import { newOwner, retire } from './owner.js';
import { Generations, generationsOf } from './population.js';
import type { Pruner } from './pruner.js';
import { judgedFrom, roundEnd, roundStart } from './rounds.js';
import { type Group, groupOf, promoted } from './rungs.js';
import { fitterOf, type PointTrial, type SearchPlan } from './search-plan.js';
import { leftOf, Shelf } from './shelf.js';
import { isAllowed, type Point } from './space.js';
import type { Trial } from './trial.js';

/** Points asked for at once where rounds do not limit them. */
const chunk = 256;
/** Draws that a constraint may refuse for one trial. */
const attempts = 1000;

/** As many combinations as a grid has at most. */
const largestGrid = 2 ** 20;

const unsatisfied = (where = `in ${attempts} draws`): NablaError =>
  new NablaError({
    code: 'INVALID_OPTION',
    place: 'tune: constraint',
    message: `no hyperparameters that satisfy the constraint were found ${where}`,
    hint: 'Narrow the ranges to where it holds.',
  });

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Where a round of coarse-to-fine looks in one dimension. */
export type Zoomed = { readonly low: number; readonly high: number } | { readonly weights: readonly number[] };

/** What a trial comes to. */
type Verdict = Pick<Trial, 'state' | 'values' | 'score' | 'standardDeviation' | 'error' | 'curves' | 'rungs' | 'parent'>;

/** The trials of a study: draws, fits, scores. Trials begin in the order of their numbers; what each gives depends on its number alone. */
export class Search {
  plan: SearchPlan;
  /** Finished trials by number. */
  readonly done = new Map<number, PointTrial>();
  direction: Direction = 'min';
  readonly #lanes: Lanes;
  readonly #fitter: Fitter;
  readonly #schema: Schema;
  readonly #evaluations = new Set<Evaluation>();
  readonly #running = new Map<number, Promise<void>>();
  /** Those of them that wait on a rung for the others of their group. */
  readonly #waiting = new Set<number>();
  readonly #listeners: (() => void)[] = [];
  /** What trials have reached on their rungs, by number. */
  readonly #rungs = new Map<number, number[]>();
  #journal: Journal | undefined;
  #generations: Generations | undefined;
  #grid: readonly Point[] | undefined;
  /** Epochs of the recipe, for a pruner. */
  #epochs = 0;
  /** What divides the epochs among rungs or generations. */
  #shared: string | undefined;
  /** No further trial begins. */
  #over = false;
  /** The lowest trial that is not over. */
  #low = 0;
  /** The lowest that nobody has begun, without a journal. */
  #next = 0;
  readonly #onTrial: (trial: Trial) => void;
  readonly #aborter = new AbortController();
  readonly #shelf = Shelf.ofFreeMemory();
  #points: readonly Point[] = [];
  #pointsFrom = 0;
  #pointsRound = 0;
  #emitted = 0;
  #stopped = false;
  #fatal: { readonly error: unknown } | undefined;
  #firstError: unknown;

  constructor(plan: SearchPlan, onTrial: (trial: Trial) => void) {
    this.plan = plan;
    this.#schema = schemaOf(plan.data);
    this.#fitter = fitterOf(plan);
    this.#lanes = new Lanes(plan.lanes);
    this.#onTrial = onTrial;
  }

  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** The error of the first trial that failed, for when all have. */
  get firstError(): unknown {
    return this.#firstError ?? this.trials()[0]?.trial.error;
  }

  stop(): void {
    this.#stopped = true;
    this.#changed();
  }

  abort(): void {
    this.#stopped = true;
    this.#aborter.abort();
    this.#changed();
    for (const evaluation of this.#evaluations) evaluation.abort();
  }

  /** Runs until all trials are done, or time or `stop` ends it. */
  async run(): Promise<void> {
    try {
      await this.#run();
    } finally {
      this.#fitter.close();
    }
  }

  async #run(): Promise<void> {
    const { storage, timeoutMs, pruner, sampler, data, space, views, objective } = this.plan;
    const end = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    const isPopulation = sampler.kind === 'populationBased';
    if (sampler.kind === 'grid') this.#lay();
    if (storage === undefined && pruner === undefined && !isPopulation) return this.#loop(end);
    const probe = this.#probe();
    this.direction = directionOf(probe, objective, this.plan.direction);
    if (isPopulation) {
      if (!(probe instanceof Trainer))
        throw invalidOption('tune', 'sampler', "to be another one: only a Trainer's fits can go on from each other", sampler.kind);
      this.#epochs = epochsOf(probe);
      this.#shared = sampler.kind;
      this.#begin(this.#epochs);
    }
    if (pruner !== undefined) {
      if (!(probe instanceof Trainer))
        throw invalidOption('tune', 'pruner', 'to be left out: only a Trainer tells its scores while it is fitted', pruner.kind);
      this.#epochs = epochsOf(probe);
      if (pruner.kind !== 'median') this.#shared = pruner.kind;
    }
    if (storage === undefined) return this.#loop(end);
    const owner = newOwner();
    try {
      this.#journal = new Journal(storage, owner, space);
      await this.#journal.open(this.direction, fingerprintsOf(data, space, views, objective, probe));
      await this.#loop(end);
      await this.#journal.settle();
    } finally {
      retire(owner);
    }
  }

  /** The points of a grid that the constraint allows; there are no trials beyond them. */
  #lay(): void {
    const { trials, constraint, first } = this.plan;
    const wanted = Math.max(trials - first.length, 0);
    const points = this.#suggest(0, constraint === undefined ? wanted : largestGrid).filter((point) => this.#allowed(point));
    if (points.length === 0 && wanted > 0) throw unsatisfied('in the whole grid');
    this.#grid = points.slice(0, wanted);
    this.plan = { ...this.plan, trials: Math.min(trials, first.length + points.length) };
  }

  /** Generations of a recipe with so many epochs; there are no trials beyond them. */
  #begin(epochs: number): void {
    const { sampler, trials, views, space, estimator } = this.plan;
    const { size = 1, every = 1 } = sampler;
    this.plan = { ...this.plan, trials: Math.min(trials, size * generationsOf(epochs, every)) };
    this.#generations = new Generations({
      size,
      every,
      epochs,
      views,
      shelf: this.#shelf,
      parentOf: (number) => {
        const [member] = JSON.parse(callNative((n) => n.populationMembers(this.request(number, 1)))) as { parent: number | null }[];
        return member?.parent ?? undefined;
      },
      evaluationOf: (number) => this.#evaluation(estimator(space.params((this.done.get(number) as PointTrial).point) as never)),
    });
  }

  /** The recipes that a trial's weights have lived through, each with the epochs in all after which the next went on. */
  course(number: number): readonly [Part, ...Part[]] {
    const { estimator, space } = this.plan;
    const line = this.#generations?.lineage(number) ?? [number];
    const parts = line.map((one): Part => {
      const made = estimator(space.params((this.done.get(one) as PointTrial).point) as never);
      return this.#generations === undefined ? { estimator: made } : { estimator: made, until: this.#generations.until(one) };
    });
    return parts as [Part, ...Part[]];
  }

  #evaluation(estimator: Estimator): Evaluation {
    const evaluation = new Evaluation(this.#lanes, this.#fitter, this.#schema, estimator, this.plan.objective, this.signal);
    this.#evaluations.add(evaluation);
    return evaluation;
  }

  async #loop(end: number): Promise<void> {
    const { trials, pruner, parallel } = this.plan;
    const going = (): boolean => !this.#stopped && this.#fatal === undefined && performance.now() < end;
    while (going()) {
      // Trials that wait on a rung for the others of their group take no place.
      while (this.#running.size - this.#waiting.size >= parallel) await this.#change();
      await this.#lanes.drained();
      this.#absorb();
      const number = this.#free();
      const start = Math.max(this.#visible(number ?? 0), judgedFrom(pruner, number ?? 0));
      // A sampler that learns chooses when the rounds before are over.
      if (number === undefined || this.#low < start) {
        if (this.#low >= trials) break;
        // Another process may work on the rest.
        if (this.#running.size > this.#waiting.size || this.#journal === undefined) await this.#change();
        else await this.#poll();
        continue;
      }
      if (!going()) break;
      const point = this.#pointOf(number);
      if (point === undefined) break;
      if (this.#journal !== undefined && !(await this.#journal.claim(number, point))) continue;
      // With a journal, one that another process leaves behind becomes free again.
      if (this.#journal === undefined) this.#next = number + 1;
      const running: Promise<void> = this.#try(number, point)
        .catch((error: unknown) => {
          this.#fatal ??= { error };
        })
        .finally(() => {
          this.#running.delete(number);
          this.#changed();
        });
      this.#running.set(number, running);
    }
    this.#over = true;
    this.#changed();
    await Promise.all(this.#running.values());
    if (this.#fatal !== undefined) throw this.#fatal.error;
    this.#absorb();
  }

  /** Resolves when a trial is over, or begins or ends to wait. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#listeners.push(resolve));
  }

  #changed(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** What other processes have done since. */
  async #poll(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await this.#journal?.refresh();
  }

  /** Trials that other processes, or runs before, have finished. */
  #absorb(): void {
    for (let number = this.#low; number < (this.#journal?.count ?? 0); number++) {
      const finished = this.done.has(number) ? undefined : this.#journal?.finished(number);
      if (finished !== undefined) this.#finish(finished);
    }
  }

  /** The first trial on which nobody works. */
  #free(): number | undefined {
    for (let number = Math.max(this.#low, this.#next); number < this.plan.trials; number++) {
      if (this.done.has(number) || this.#running.has(number) || this.#journal?.held(number)) continue;
      return number;
    }
    return undefined;
  }

  /** An estimator of hyperparameters that depend on the space alone. */
  #probe(): Estimator {
    let failure: unknown;
    for (let attempt = 0; attempt < 100; attempt++) {
      const asked = { space: this.plan.space.dimensions, sampler: { kind: 'random' }, seed: 0, from: attempt, count: 1, trials: 1 };
      const [point] = JSON.parse(callNative((n) => n.suggest(JSON.stringify(asked)))) as [Point];
      try {
        if (this.#allowed(point)) return this.plan.estimator(this.plan.space.params(point) as never);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure ?? unsatisfied();
  }

  /** The scores on those test rows (their fingerprint), if they were computed before for that trial. */
  storedTestScores(number: number, rows: string): Readonly<Record<string, number>> | undefined {
    return this.#journal?.testScores(number, rows);
  }

  async keepTestScores(number: number, rows: string, scores: Readonly<Record<string, number>>): Promise<void> {
    await this.#journal?.keepTestScores(number, rows, scores);
    await this.#journal?.settle();
  }

  /** What the native side is asked, as JSON. */
  request(from: number, count: number, attempt = 0): string {
    const { space, sampler, seed, trials } = this.plan;
    const sign = this.direction === 'max' ? -1 : 1;
    const before = this.#visible(from);
    const past = [];
    for (const [number, { point, trial }] of this.done) {
      if (number < before) past.push({ number, values: point, score: trial.score === undefined ? null : sign * trial.score });
    }
    return JSON.stringify({ space: space.dimensions, sampler, seed, from, count, attempt, trials, past });
  }

  /** The group that is halved together, for a pruner that waits for all of it. */
  #group(number: number): Group | undefined {
    const { pruner, trials } = this.plan;
    return pruner?.kind === 'successiveHalving' || pruner?.kind === 'hyperband' ? groupOf(pruner, number, trials, this.#epochs) : undefined;
  }

  /** The sampler sees the trials before this one: those of finished rounds, none of its own group. */
  #visible(number: number): number {
    const { sampler, trials } = this.plan;
    return Math.min(roundStart(sampler, number, trials), this.#group(number)?.start ?? number);
  }

  /** The regions that coarse-to-fine has looked at, one a round. */
  regions(): readonly (readonly Zoomed[])[] {
    if (this.plan.sampler.kind !== 'coarseToFine') return [];
    return JSON.parse(callNative((n) => n.searchRegions(this.request(this.plan.trials, 0)))) as Zoomed[][];
  }

  #suggest(from: number, count: number, attempt = 0): readonly Point[] {
    return JSON.parse(callNative((n) => n.suggest(this.request(from, count, attempt)))) as Point[];
  }

  #allowed(point: Point): boolean {
    const { constraint, space } = this.plan;
    return constraint === undefined || isAllowed(constraint, space.params(point));
  }

  #pointOf(number: number): Point | undefined {
    const { first, sampler, trials } = this.plan;
    if (number < first.length) return first[number];
    if (this.#grid !== undefined) return this.#grid[number - first.length];
    const start = this.#visible(number);
    if (start !== this.#pointsRound || number - this.#pointsFrom >= this.#points.length || number < this.#pointsFrom) {
      const group = this.#group(number);
      const end = Math.min(
        roundEnd(sampler, number, trials),
        group === undefined ? trials : group.start + group.size,
        number + chunk,
        trials,
      );
      this.#points = this.#suggest(number, end - number);
      this.#pointsFrom = number;
      this.#pointsRound = start;
    }
    let point = this.#points[number - this.#pointsFrom];
    for (let attempt = 1; point !== undefined && !this.#allowed(point); attempt++) {
      if (attempt > attempts) throw unsatisfied();
      [point] = this.#suggest(number, 1, attempt);
    }
    return point;
  }

  async #try(number: number, point: Point): Promise<void> {
    const { space, estimator: make, objective, pruner } = this.plan;
    const started = performance.now();
    const finish = async (rest: Verdict): Promise<void> => {
      const trial = { number, params: space.params(point), ...rest, seconds: (performance.now() - started) / 1000 } as unknown as Trial;
      await this.#journal?.finish(trial);
      this.#finish({ point, trial });
    };
    let estimator: Estimator;
    try {
      // An object of its own: what the recipe does to it changes no trial.
      estimator = make(space.params(point) as never);
    } catch (error) {
      return finish(this.#failed(error, []));
    }
    try {
      if (typeof (estimator as Partial<Estimator> | undefined)?.fit !== 'function')
        throw invalidOption('tune', 'estimator', 'to give a Trainer, or anything with fit', estimator);
      this.direction = directionOf(estimator, objective, this.plan.direction);
      // Rungs and generations are shares of the epochs, which are then the same for all.
      if (this.#shared !== undefined && estimator instanceof Trainer && epochsOf(estimator) !== this.#epochs)
        throw invalidOption(
          'tune',
          'estimator',
          `to give recipes of the same epochs, here ${this.#epochs}: ${this.#shared} divides them`,
          epochsOf(estimator),
        );
      if (this.plan.executor.kind !== 'threads' && !(estimator instanceof Trainer))
        throw invalidOption('tune', 'estimator', 'to give a Trainer: only its recipe can cross to another process', estimator);
    } catch (error) {
      this.#fatal ??= { error };
      return;
    }
    const evaluation = this.#evaluation(estimator);
    let verdict: Verdict | undefined;
    if (this.#generations !== undefined) {
      const [parent] = this.#generations.lineage(number).slice(-2, -1);
      verdict = { ...this.#judge(await this.#generations.folds(number, evaluation)), ...(parent === undefined ? {} : { parent }) };
    } else if (pruner === undefined) verdict = this.#judge(await this.#folds(evaluation));
    else if (pruner.kind === 'median') verdict = await this.#againstMedian(evaluation, number, pruner);
    else verdict = await this.#upTheRungs(evaluation, number, pruner);
    this.#evaluations.delete(evaluation);
    if (verdict !== undefined && !this.signal.aborted) await finish(verdict);
  }

  #failed(error: unknown, values: readonly number[]): Verdict {
    this.#firstError ??= error;
    return { state: 'failed', values, error: messageOf(error) };
  }

  /** All folds, side by side. */
  #folds(evaluation: Evaluation, until?: number, keep?: 'small', before: readonly FoldOutcome[] = []): Promise<FoldOutcome[]> {
    return Promise.all(this.plan.views.map((view, fold) => evaluation.fold(view, fold, { until, keep, from: leftOf(before[fold]) })));
  }

  /** Mean and spread; or the first fold's error, whichever came first. */
  #judge(outcomes: readonly FoldOutcome[]): Verdict {
    const values = outcomes.flatMap((outcome) => ('score' in outcome ? [outcome.score] : []));
    for (const outcome of outcomes) if ('error' in outcome) return this.#failed(outcome.error, values);
    const { mean, standardDeviation } = summarize(values);
    return { state: 'complete', score: mean, standardDeviation, values };
  }

  /** Folds one after the other; ended where it is worse than the median of the trials before its round. */
  async #againstMedian(evaluation: Evaluation, number: number, { startup = 5, warmup = 0, round = 4 }: Pruner): Promise<Verdict> {
    const sign = this.direction === 'max' ? -1 : 1;
    const before = Math.floor(number / round) * round;
    const others = this.trials().filter(({ trial }) => trial.number < before && trial.curves !== undefined && trial.state !== 'failed');
    /** Of those that have got so far, after each epoch of a fold. */
    const mediansOf = (fold: number): (number | null)[] => {
      const longest = Math.max(0, ...others.map(({ trial }) => trial.curves?.[fold]?.length ?? 0));
      return Array.from({ length: number < startup ? 0 : longest }, (_, epoch) => {
        const seen = others.flatMap(({ trial }) => {
          const value = pointOnCurve(trial.values, trial.curves ?? [], fold, epoch) ?? Number.NaN;
          return Number.isNaN(value) ? [] : [sign * value];
        });
        const median = seen.length < startup || (fold === 0 && epoch < warmup) ? Number.NaN : middle(seen);
        return Number.isFinite(median) ? median : null;
      });
    };
    const outcomes: FoldOutcome[] = [];
    const curves: number[][] = [];
    const scores: number[] = [];
    let pruned = false;
    for (const [fold, view] of this.plan.views.entries()) {
      const curve: number[] = [];
      curves.push(curve);
      const bound = { objective: this.plan.objective, sign, scores: [...scores], medians: mediansOf(fold) };
      const outcome = await evaluation.fold(view, fold, {
        bound,
        onEpoch: (score) => {
          // What comes after the decision depends on timing.
          if (pruned) return false;
          curve.push(score);
          pruned = isBeyond(bound, curve);
          return !pruned;
        },
      });
      if (pruned) return { state: 'pruned', values: scores, curves };
      outcomes.push(outcome);
      if ('error' in outcome) break;
      scores.push(outcome.score);
    }
    return { ...this.#judge(outcomes), curves };
  }

  /** All folds for a few epochs; the best of the group go on from there, for more. `undefined` where the search ended while it waited. */
  async #upTheRungs(evaluation: Evaluation, number: number, pruner: Pruner): Promise<Verdict | undefined> {
    const { start, size, rungs } = groupOf(pruner, number, this.plan.trials, this.#epochs);
    const reached: number[] = [];
    this.#rungs.set(number, reached);
    let outcomes: readonly FoldOutcome[] = [];
    try {
      for (const [rung, epochs] of rungs.entries()) {
        const next = await this.#folds(evaluation, epochs, rung < rungs.length - 1 ? 'small' : undefined, outcomes);
        this.#shelf.drop(outcomes);
        outcomes = this.#shelf.keep(next);
        const verdict = this.#judge(outcomes);
        if (this.signal.aborted) return undefined;
        if (verdict.score === undefined) return { ...verdict, rungs: [...reached] };
        reached.push(verdict.score);
        if (rung === rungs.length - 1) return { ...verdict, rungs: [...reached] };
        await this.#journal?.reach(number, epochs, verdict.score);
        this.#changed();
        const goes = await this.#goesOn(number, rung, start, size, pruner, verdict.score);
        if (goes === undefined) return undefined;
        if (!goes) return { state: 'pruned', values: verdict.values, rungs: [...reached] };
      }
      return undefined;
    } finally {
      this.#shelf.drop(outcomes);
    }
  }

  /** Whether a trial is among the best of its rung, once all of its group are there or out (`asha`: among those that are). */
  async #goesOn(number: number, rung: number, start: number, size: number, pruner: Pruner, mine: number): Promise<boolean | undefined> {
    const sign = this.direction === 'max' ? -1 : 1;
    const at = (other: number): number | 'out' | undefined => {
      const reached = this.#rungs.get(other)?.[rung] ?? this.#journal?.reached(other)[rung] ?? this.done.get(other)?.trial.rungs?.[rung];
      return reached ?? (this.done.has(other) ? 'out' : undefined);
    };
    this.#waiting.add(number);
    this.#changed();
    try {
      for (;;) {
        const group = Array.from({ length: size }, (_, index) => ({ other: start + index, value: at(start + index) }));
        if (pruner.kind === 'asha' || group.every(({ value }) => value !== undefined)) {
          const values = group.filter(({ value }) => typeof value === 'number') as { other: number; value: number }[];
          const better = values.filter(({ other, value }) => sign * (value - mine) < 0 || (value === mine && other < number)).length;
          return better < promoted(values.length, pruner.factor ?? 3);
        }
        if (this.signal.aborted || this.#over || this.#fatal !== undefined) return undefined;
        if (this.#journal === undefined) await this.#change();
        else {
          await this.#poll();
          this.#absorb();
        }
      }
    } finally {
      this.#waiting.delete(number);
      this.#changed();
    }
  }

  #finish(finished: PointTrial): void {
    this.done.set(finished.trial.number, finished);
    // In the order of their numbers, so that a loop sees the same on every machine.
    while (this.done.has(this.#low)) this.#low++;
    for (let next = this.done.get(this.#emitted); next !== undefined; next = this.done.get(++this.#emitted)) this.#onTrial(next.trial);
  }

  /** Share of the score's variance that each hyperparameter explains, a choice with what is in its branches. */
  importance(): Readonly<Record<string, number>> {
    const { space, seed } = this.plan;
    const past = this.trials().map(({ point, trial }) => ({ number: trial.number, values: point, score: trial.score ?? null }));
    const asked = JSON.stringify({ space: space.dimensions, seed, past });
    const shares = callNative((n) => n.importance(asked));
    const names = space.dimensions.filter(({ under }) => under === undefined).map(({ name }) => name);
    return Object.fromEntries(names.map((name, at) => [name, shares[at] ?? 0]));
  }

  /** Finished trials in their order. */
  trials(): PointTrial[] {
    return [...this.done.values()].sort((a, b) => a.trial.number - b.trial.number);
  }

  /** The best of them; the first of equals. */
  best(): PointTrial | undefined {
    const sign = this.direction === 'max' ? -1 : 1;
    let best: PointTrial | undefined;
    for (const one of this.trials()) {
      if (one.trial.score === undefined) continue;
      if (best === undefined || sign * one.trial.score < sign * (best.trial.score as number)) best = one;
    }
    return best;
  }
}
