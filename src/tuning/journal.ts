import { basename } from 'node:path';
import { NablaError } from '../errors/index.js';
import type { Direction } from '../metrics/names.js';
import { runTask } from '../native/index.js';
import { meanCurve } from './curves.js';
import { lives } from './owner.js';
import { choiceText } from './shown-value.js';
import type { FlatSpace, Point } from './space.js';
import type { Trial } from './trial.js';

/** The operations of Optuna's journal, by their codes there. */
const op = { createStudy: 0, studyAttribute: 2, createTrial: 4, parameter: 5, state: 6, intermediate: 7, attribute: 8 } as const;
const states = ['running', 'complete', 'pruned', 'failed', 'waiting'] as const;

/** How long what was written may wait for the disk. */
const syncEveryMs = 1000;

/** What a study's results depend on, as hashes; `STUDY_CHANGED` names those that differ. */
export type Fingerprints = Readonly<Record<'data' | 'space' | 'splitter' | 'recipe' | 'objective', string>>;

/** A trial as the journal knows it. */
interface Stored {
  state: (typeof states)[number];
  score: number | undefined;
  readonly parameters: Record<string, number>;
  readonly attributes: Record<string, unknown>;
  /** By epochs: what it has reached on its rungs. */
  readonly intermediate: Record<string, number>;
}

interface Line {
  readonly op_code: number;
  readonly [field: string]: unknown;
}

interface Tail {
  readonly text: string;
  readonly end: number;
  readonly appended: boolean;
}

/** How a hyperparameter is written for Optuna. */
const distribution = (space: FlatSpace, at: number): string => {
  const { kind, low, high, count = 0 } = space.dimensions[at] as (typeof space.dimensions)[number];
  if (kind === 'choice') {
    const choices = Array.from({ length: count }, (_, index) => {
      const value = space.shown(at, index);
      const plain = value === null || ['boolean', 'number', 'string'].includes(typeof value);
      return plain ? value : typeof value === 'object' ? choiceText(value) : String(value);
    });
    return JSON.stringify({ name: 'CategoricalDistribution', attributes: { choices } });
  }
  const log = kind.startsWith('log');
  return kind.endsWith('nteger')
    ? JSON.stringify({ name: 'IntDistribution', attributes: { log, step: 1, low, high } })
    : JSON.stringify({ name: 'FloatDistribution', attributes: { step: null, low, high, log } });
};

/**
 * A study in a file of JSON lines, in the form of Optuna's `JournalFileBackend`, so that its dashboard shows it. Several processes may
 * work on one file. A line that a crash has torn is skipped; any other that cannot be read is an error that names it.
 */
export class Journal {
  readonly #path: string;
  readonly #owner: string;
  readonly #space: FlatSpace;
  readonly #trials: Stored[] = [];
  readonly #attributes: Record<string, unknown> = {};
  #exists = false;
  #at = 0;
  #lines = 0;
  #synced = Number.NEGATIVE_INFINITY;
  /** Steps go one after the other: each begins where the last has read to. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string, owner: string, space: FlatSpace) {
    this.#path = path;
    this.#owner = owner;
    this.#space = space;
  }

  #error(message: string, line: number): NablaError {
    return new NablaError({
      code: 'DATA_FORMAT',
      place: `${this.#path}:${line}`,
      message,
      hint: 'Only the last line may be torn by a crash. Remove the damaged line, or go on from a copy of the file.',
    });
  }

  #apply(text: string): void {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      this.#lines++;
      let parsed: Line;
      try {
        parsed = JSON.parse(line) as Line;
      } catch {
        throw this.#error(`the line is not JSON: ${line.slice(0, 60)}`, this.#lines);
      }
      if (typeof parsed !== 'object' || parsed === null || typeof parsed.op_code !== 'number')
        throw this.#error('the line is no operation of a study', this.#lines);
      this.#applyLine(parsed);
    }
  }

  #applyLine(line: Line): void {
    switch (line.op_code) {
      case op.createStudy:
        this.#exists = true;
        return;
      case op.studyAttribute:
        Object.assign(this.#attributes, line.user_attr);
        return;
      case op.createTrial: {
        const state = states[(line.state as number | undefined) ?? 0] ?? 'running';
        this.#trials.push({ state, score: undefined, parameters: {}, attributes: {}, intermediate: {} });
        return;
      }
      case op.parameter:
      case op.attribute:
      case op.intermediate:
      case op.state: {
        const trial = this.#trials[line.trial_id as number];
        if (trial === undefined) throw this.#error(`there is no trial ${String(line.trial_id)}`, this.#lines);
        if (line.op_code === op.parameter) trial.parameters[line.param_name as string] = line.param_value_internal as number;
        else if (line.op_code === op.attribute) Object.assign(trial.attributes, line.user_attr);
        else if (line.op_code === op.intermediate) trial.intermediate[line.step as number] = line.intermediate_value as number;
        else {
          trial.state = states[line.state as number] ?? 'running';
          trial.score = (line.values as number[] | null)?.[0];
        }
        return;
      }
      default: // What Optuna's dashboard writes beside it.
    }
  }

  /**
   * One step after the other. Appends what `make` gives, if nobody else has appended since; it is asked when the steps before are over, so
   * that it sees what they have read. Nothing to append is a step that reads.
   */
  #step(make: () => readonly object[] | undefined, sync: boolean): Promise<boolean> {
    const step = this.#last.then(async () => {
      const lines = make();
      const text = lines === undefined ? null : lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      const answer = await runTask(
        (n, task) => n.journalStep(task, this.#path, this.#at, text, sync),
        (task) => task.takeText(),
      );
      const tail = JSON.parse(answer) as Tail;
      this.#at = tail.end;
      this.#apply(tail.appended ? (text as string) : tail.text);
      return tail.appended;
    });
    this.#last = step.catch(() => {});
    return step;
  }

  /** Reads what has come since. */
  async refresh(): Promise<void> {
    await this.#step(() => undefined, false);
  }

  /**
   * Appends, after what has come since. A killed process loses nothing of it; of what a power failure may take, the last second, those
   * trials run again: waiting for the disk costs 5 to 20 ms a trial.
   */
  async #append(lines: readonly object[]): Promise<void> {
    const sync = performance.now() - this.#synced >= syncEveryMs;
    if (sync) this.#synced = performance.now();
    while (!(await this.#step(() => lines, sync)));
  }

  /** All of it is on the disk when this resolves. */
  async settle(): Promise<void> {
    await this.#step(() => [], true);
  }

  /** Begins the study, or checks that it is the same one. */
  async open(direction: Direction, fingerprints: Fingerprints): Promise<void> {
    await this.refresh();
    const worker_id = this.#owner;
    // A crash may have come between the two lines.
    while (!this.#exists || (this.#attributes.nabla === undefined && this.#trials.length === 0)) {
      const create = { op_code: op.createStudy, worker_id, study_name: basename(this.#path), directions: [direction === 'max' ? 2 : 1] };
      const mark = { op_code: op.studyAttribute, worker_id, study_id: 0, user_attr: { nabla: fingerprints } };
      if (await this.#step(() => (this.#exists ? [mark] : [create, mark]), true)) return;
    }
    const known = this.#attributes.nabla as Partial<Fingerprints> | undefined;
    const changed = (Object.keys(fingerprints) as (keyof Fingerprints)[]).filter((name) => known?.[name] !== fingerprints[name]);
    if (changed.length === 0) return;
    throw new NablaError({
      code: 'STUDY_CHANGED',
      place: this.#path,
      message:
        known === undefined
          ? 'the file holds a study that nabla has not begun'
          : `the study was begun with other ${changed.join(', other ')}: its trials cannot be compared with new ones`,
      expected: JSON.stringify(known ?? null),
      received: JSON.stringify(fingerprints),
      hint: 'Give the search a storage of its own, or what the study was begun with.',
    });
  }

  /** Whether a living search works on that trial. */
  held(number: number): boolean {
    const trial = this.#trials[number];
    return trial !== undefined && trial.state === 'running' && lives(String(trial.attributes['nabla:owner'] ?? ''));
  }

  /** How many trials there are, finished or not. */
  get count(): number {
    return this.#trials.length;
  }

  /** That trial, if it is over. */
  finished(number: number): { readonly point: Point; readonly trial: Trial } | undefined {
    const stored = this.#trials[number];
    if (stored === undefined || stored.state === 'running' || stored.state === 'waiting') return undefined;
    const { state, score, parameters, attributes } = stored;
    const point = this.#space.dimensions.map(({ name }) => parameters[name] ?? null);
    const { values = [], standardDeviation, seconds = 0, error, curves, rungs, parent } = (attributes.nabla ?? {}) as Partial<Trial>;
    const trial = {
      number,
      params: this.#space.params(point),
      state,
      ...(state === 'complete' && score !== undefined ? { score, standardDeviation: standardDeviation ?? Number.NaN } : {}),
      values,
      ...(error === undefined ? {} : { error }),
      // A score that was no number is null in JSON.
      ...(curves === undefined ? {} : { curves: curves.map((curve) => curve.map((score: number | null) => score ?? Number.NaN)) }),
      ...(rungs === undefined ? {} : { rungs }),
      ...(parent === undefined ? {} : { parent }),
      seconds,
    };
    return { point, trial: trial as unknown as Trial };
  }

  /** Takes that trial for this search: false if somebody else was quicker. */
  claim(number: number, point: Point): Promise<boolean> {
    const worker_id = this.#owner;
    return this.#step(() => {
      if (number > this.#trials.length || this.held(number) || this.finished(number) !== undefined) return undefined;
      const lines: object[] = [];
      if (number === this.#trials.length)
        lines.push({ op_code: op.createTrial, worker_id, study_id: 0, datetime_start: new Date().toISOString() });
      lines.push({ op_code: op.attribute, worker_id, trial_id: number, user_attr: { 'nabla:owner': worker_id } });
      point.forEach((param_value_internal, at) => {
        if (param_value_internal === null) return;
        const param_name = this.#space.dimensions[at]?.name;
        const how = distribution(this.#space, at);
        lines.push({ op_code: op.parameter, worker_id, trial_id: number, param_name, param_value_internal, distribution: how });
      });
      return lines;
    }, false);
  }

  /** Writes down what a trial has reached after so many epochs, for the others of its group. */
  async reach(trial_id: number, step: number, intermediate_value: number): Promise<void> {
    await this.#append([{ op_code: op.intermediate, worker_id: this.#owner, trial_id, step, intermediate_value }]);
  }

  /** What that trial has reached on its rungs, the lowest first. */
  reached(number: number): readonly number[] {
    return Object.values(this.#trials[number]?.intermediate ?? {});
  }

  /** Writes down what a trial gave; the file has it when this resolves, and the disk within a second. */
  async finish(trial: Trial): Promise<void> {
    const { number: trial_id, score, values, standardDeviation, error, seconds, curves, rungs, parent } = trial;
    const worker_id = this.#owner;
    // Of a trial that was watched, Optuna sees the mean of its folds after each epoch.
    const watched = meanCurve(curves ?? []).flatMap((intermediate_value, step) =>
      Number.isFinite(intermediate_value) ? [{ op_code: op.intermediate, worker_id, trial_id, step, intermediate_value }] : [],
    );
    await this.#append([
      ...watched,
      {
        op_code: op.attribute,
        worker_id,
        trial_id,
        user_attr: { nabla: { values, standardDeviation, error, seconds, curves, rungs, parent } },
      },
      {
        op_code: op.state,
        worker_id,
        trial_id,
        state: states.indexOf(trial.state),
        values: score === undefined ? null : [score],
        datetime_complete: new Date().toISOString(),
      },
    ]);
  }

  /** The scores on those test rows (their fingerprint), if those hyperparameters were refitted and scored before. */
  testScores(number: number, rows: string): Readonly<Record<string, number>> | undefined {
    const known = this.#attributes['nabla:test'] as { number: number; rows?: string; scores: Record<string, number | null> } | undefined;
    if (known?.number !== number || known.rows !== rows) return undefined;
    return Object.fromEntries(Object.entries(known.scores).map(([name, value]) => [name, value ?? Number.NaN]));
  }

  async keepTestScores(number: number, rows: string, scores: Readonly<Record<string, number>>): Promise<void> {
    await this.#append([
      { op_code: op.studyAttribute, worker_id: this.#owner, study_id: 0, user_attr: { 'nabla:test': { number, rows, scores } } },
    ]);
  }
}
