import type { NablaError } from '../errors/index.js';
import { GradientHealth } from '../health/index.js';
import { type HealthRecord, recordFrom } from '../health/record.js';
import {
  type Binding,
  type FitResult,
  type NativeData,
  type NativeModel,
  nativeError,
  type PausedFit,
  type RunningTask,
  startTask,
} from '../native/index.js';
import type { Checkpoint } from './checkpoint.js';
import { type Epoch, epochFrom, type Scores, scoresFrom } from './epoch.js';
import { type FitSummary, Fitted, weightNames } from './fitted.js';
import type { PredictionKind } from './predictions.js';

/** The data sets of one fit. */
export interface Job {
  readonly train: NativeData;
  /** Scored after each epoch; early stopping watches it. */
  readonly validation?: NativeData | undefined;
  /** Scored once, at the end. */
  readonly score?: NativeData | undefined;
  /** Scored once, at the end. */
  readonly test?: NativeData | undefined;
  /** Whose weights it starts from, */
  readonly from?: NativeModel | undefined;
  /** and which of them. */
  readonly take?: readonly string[] | undefined;
  /** Whether its fitted preparation is kept. */
  readonly keep?: boolean | undefined;
  /** The fit that it goes on from, */
  readonly resume?: PausedFit | undefined;
  /** and the epochs, in all, after which it is left. */
  readonly until?: number | undefined;
  /** Where its state is saved. */
  readonly checkpoint?: Checkpoint | undefined;
}

/** An event as it crosses from the native side. */
interface NativeEvent {
  readonly job: number;
  readonly epoch?: Epoch;
  readonly warning?: string;
}

/** Said once a process each, however many fits say it. */
const said = new Set<string>();
const warn = (text: string): void => {
  if (said.has(text)) return;
  said.add(text);
  process.emitWarning(text, { type: 'NablaWarning' });
};

/** What the native side says of a finished fit. */
interface NativeSummary extends FitSummary {
  readonly scores?: Scores | null;
  readonly testScores?: Scores | null;
}

/** One finished fit. */
export interface FinishedFit {
  readonly fitted: Fitted<string, PredictionKind>;
  readonly scores: Scores | undefined;
  readonly testScores: Scores | undefined;
  /** With `until`: where it was left. */
  readonly paused: PausedFit | undefined;
}

/** An error with what gradient health saw before, where it looked. */
const withHealth = (error: NablaError): NablaError => {
  if (typeof error.details !== 'string') return error;
  const records = (JSON.parse(error.details) as HealthRecord[]).map(recordFrom);
  const layer = /^layer "(.*)"$/.exec(error.place ?? '')?.[1] ?? error.place ?? '';
  const health = new GradientHealth(records, { message: error.message, place: layer });
  const [found] = health.findings;
  const said = found === undefined ? 'nothing stood out before' : `${found.verdict} in ${found.layer} (step ${found.step}): ${found.text}`;
  const hint = [`Gradient health: ${said}.`, ...(found === undefined ? [error.hint ?? ''] : health.suggestions.slice(0, 2))].join(' ');
  return error.with({ details: { health }, hint });
};

const finished = (result: FitResult, { from }: Job): FinishedFit => {
  const error = result.error();
  if (error !== null) throw withHealth(nativeError(error));
  const model = result.model();
  if (model === null) throw nativeError('a fit ended with neither a model nor an error');
  const { scores, testScores, ...rest } = JSON.parse(result.summary()) as NativeSummary;
  rest.history.forEach(epochFrom);
  return {
    fitted: new Fitted(model, from === undefined ? rest : { ...rest, offered: weightNames(from) }),
    scores: scores ? scoresFrom(scores) : undefined,
    testScores: testScores ? scoresFrom(testScores) : undefined,
    paused: result.paused() ?? undefined,
  };
};

/** Fits side by side in native threads: one job takes all threads, many take one each. */
export class NativeFits {
  #task: RunningTask<FitResult[]> | undefined;
  #stopped = false;
  #aborted = false;

  async start(
    spec: string,
    jobs: readonly Job[],
    options: { readonly threads?: number | undefined; readonly events: boolean; readonly health?: number | undefined },
    onEpoch: (job: number, epoch: Epoch) => void,
  ): Promise<FinishedFit[]> {
    const begin = (n: Binding, task: number) => {
      const native = jobs.map(({ train, validation, score, test, from, take, keep, resume, until, checkpoint: c }) => {
        const job = new n.FitJob(train, validation, score, test, from, take && [...take], keep);
        if (resume !== undefined || until !== undefined) job.part(resume, until);
        if (c !== undefined) job.checkpoint(c.directory, c.everySeconds, c.keep, c.resume);
        return job;
      });
      return n.startFits(task, spec, native, JSON.stringify(options));
    };
    const onEvent = (json: string): void => {
      const event = JSON.parse(json) as NativeEvent;
      if (event.warning !== undefined) warn(event.warning);
      if (event.epoch !== undefined) onEpoch(event.job, epochFrom(event.epoch));
    };
    this.#task = startTask(begin, (task) => task.takeFits(), onEvent);
    if (this.#stopped) this.#task.stop();
    if (this.#aborted) this.#task.abort();
    try {
      return (await this.#task.answer).map((result, i) => finished(result, jobs[i] as Job));
    } finally {
      this.#task = undefined;
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#task?.stop();
  }

  abort(): void {
    this.#aborted = true;
    this.#task?.abort();
  }
}
