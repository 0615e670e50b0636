import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import type { Schema } from '../data/schema.js';
import { invalidOption, isOneOf, NablaError, shown } from '../errors/index.js';
import type { Direction, MetricName } from '../metrics/names.js';
import { directions, metricDirection } from '../metrics/names.js';
import type { Epoch } from '../trainer/epoch.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
import { type FinishedFit, NativeFits } from '../trainer/native-fit.js';
import { metricsOf, specOf, Trainer } from '../trainer/trainer.js';
import type { Bound } from './curves.js';
import type { Fitter, FoldResult, FoldScores, Left } from './fitter.js';
import type { Lanes } from './lanes.js';

/** A fold as two views. */
export interface FoldView {
  readonly train: Dataset;
  readonly validation: Dataset;
}

/** What one fold gave. */
export type FoldOutcome = { readonly score: number; readonly left?: Left | undefined } | { readonly error: unknown };

/** Which way an objective is better; `INVALID_OPTION` for one that the estimator does not compute. */
export const directionOf = (estimator: Estimator, objective: string, given: Direction | undefined): Direction => {
  if (estimator instanceof Trainer) {
    const metrics = metricsOf(estimator);
    const words = isOneOf(['loss', ...metrics.map(({ name }) => name)])(objective);
    if (words !== undefined) throw invalidOption('tune', 'objective', `${words}, which the trainer computes`, objective);
    return given ?? metricDirection(metrics.find(({ name }) => name === objective)?.kind ?? 'loss');
  }
  if (given !== undefined) return given;
  if (objective === 'loss' || Object.hasOwn(directions, objective)) return metricDirection(objective as MetricName | 'loss');
  throw invalidOption('tune', 'direction', "to be 'max' or 'min': it is not known of this objective", undefined);
};

const aborted = (): NablaError => new NablaError({ code: 'ABORTED', message: 'the search was aborted' });

/** What an estimator of one's own promises, or the abort. */
const unlessAborted = async <T>(work: PromiseLike<T>, signal: AbortSignal): Promise<T> => {
  let onAbort = (): void => {};
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => reject(aborted());
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, abort]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

/** How a fold is watched. */
export interface Watch {
  /** Leaves the fit after so many epochs in all, and scores it as it is then. */
  readonly until?: number | undefined;
  /** Whether it will be gone on from. */
  readonly keep?: 'small' | 'always' | undefined;
  /** Goes on from there: the same bits as a fit that was never left. */
  readonly from?: Left | undefined;
  /** Sees the objective after each epoch, as early stopping sees it where there is some; `false` ends the fit. */
  readonly onEpoch?: ((score: number) => boolean) | undefined;
  /** The same as plain data. */
  readonly bound?: Bound | undefined;
}

/** The fits of one trial: those of a trainer run natively, one a lane; any other estimator is fitted fold by fold. */
export class Evaluation {
  readonly #running = new Set<{ stop(): void; abort(): void }>();
  #aborted = false;
  /** Rejects at an abort, which does not wait for an estimator of one's own that does not look at its signal. */
  readonly #abortion: Promise<never>;
  #end: (error: NablaError) => void = () => {};
  readonly #lanes: Lanes;
  readonly #fitter: Fitter;
  readonly #schema: Schema;
  readonly #estimator: Estimator;
  readonly #objective: string;
  readonly #signal: AbortSignal;

  constructor(lanes: Lanes, fitter: Fitter, schema: Schema, estimator: Estimator, objective: string, signal: AbortSignal) {
    this.#lanes = lanes;
    this.#fitter = fitter;
    this.#schema = schema;
    this.#estimator = estimator;
    this.#objective = objective;
    this.#signal = signal;
    this.#abortion = new Promise((_, reject) => {
      this.#end = reject;
    });
    this.#abortion.catch(() => {});
  }

  /** Fits one fold and scores it on the rows it has not seen. */
  fold(view: FoldView, fold: number, watch: Watch = {}): Promise<FoldOutcome> {
    return this.#lanes.run(async (): Promise<FoldOutcome> => {
      if (this.#aborted) return { error: aborted() };
      try {
        const { scores, left } =
          this.#estimator instanceof Trainer ? await this.#native(this.#estimator, fold, watch) : await this.#any(this.#estimator, view);
        const score = scores[this.#objective];
        if (!(this.#objective in scores))
          throw invalidOption('tune', 'objective', `to be one of what evaluate gives: ${Object.keys(scores).join(', ')}`, this.#objective);
        if (typeof score !== 'number')
          throw new NablaError({
            code: 'INVALID_DATA',
            place: this.#objective,
            message: `expected the score of a fold to be a number, got ${shown(score)}`,
            expected: 'a number',
            received: shown(score),
          });
        if (!Number.isFinite(score))
          throw new NablaError({
            code: 'NOT_FINITE',
            place: this.#objective,
            message: `the score of a fold is ${score}`,
            hint: 'It may not be defined on so few rows.',
          });
        return { score, left };
      } catch (error) {
        return { error };
      }
    });
  }

  async #native(trainer: Trainer, fold: number, { until, keep, from, onEpoch, bound }: Watch): Promise<FoldResult> {
    const spec = specOf(trainer, this.#schema);
    const live = onEpoch !== undefined;
    // With early stopping the rows that it holds out are watched; without it nothing is chosen by those that score.
    const watched = live && (JSON.parse(spec) as { earlyStopping: unknown }).earlyStopping === null;
    const onSeen = (epoch: Epoch): void => {
      const seen = (epoch.validation as FoldScores | undefined)?.[this.#objective];
      if (onEpoch !== undefined && seen !== undefined && !onEpoch(seen)) running.stop();
    };
    const running = this.#fitter.start({ spec, fold, live, watched, until, keep, bound }, onSeen, from);
    this.#running.add(running);
    try {
      return await running.result;
    } finally {
      this.#running.delete(running);
    }
  }

  async #any(estimator: Estimator, { train, validation }: FoldView): Promise<FoldResult> {
    const unlessAborted = <T>(work: PromiseLike<T>): Promise<T> => Promise.race([work, this.#abortion]);
    const fitted: FittedEstimator = await unlessAborted(estimator.fit(train, { threads: 1, signal: this.#signal }));
    return { scores: await unlessAborted(fitted.evaluate(validation)) };
  }

  abort(): void {
    this.#aborted = true;
    this.#end(aborted());
    for (const fits of this.#running) fits.abort();
  }
}

/** A part of a refit: a recipe, and the epochs in all after which the next part goes on; the last one has none. */
export interface Part {
  readonly estimator: Estimator;
  readonly until?: number;
}

/**
 * Fits the best once more on all rows and scores it once on the test rows: one recipe, or several of which each goes on from where the one
 * before was left (a population's best has lived through them).
 */
export const refit = async (
  parts: readonly [Part, ...Part[]],
  data: Dataset,
  test: Dataset | undefined,
  watch: { readonly threads: number | undefined; readonly signal: AbortSignal; readonly health?: number | undefined },
): Promise<{ readonly fitted: FittedEstimator; readonly testScores: Readonly<Record<string, number>> | undefined }> => {
  const [{ estimator: only }] = parts;
  if (!(only instanceof Trainer)) {
    if (watch.health !== undefined)
      throw invalidOption('tune', 'health', 'to come with a Trainer: other estimators have no steps to look at', watch.health);
    const threads = watch.threads === undefined ? {} : { threads: watch.threads };
    const fitted = await unlessAborted(only.fit(data, { signal: watch.signal, ...threads }), watch.signal);
    return { fitted, testScores: test === undefined ? undefined : await unlessAborted(fitted.evaluate(test), watch.signal) };
  }
  const fits = new NativeFits();
  const onAbort = (): void => fits.abort();
  watch.signal.addEventListener('abort', onAbort, { once: true });
  try {
    let last: FinishedFit | undefined;
    for (const [index, { estimator, until }] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const job = { train: nativeOf(data), test: isLast && test !== undefined ? nativeOf(test) : undefined, until, resume: last?.paused };
      [last] = await fits.start(
        specOf(estimator as Trainer, schemaOf(data)),
        [job],
        { threads: watch.threads, health: watch.health, events: false },
        () => {},
      );
    }
    if (last === undefined) throw new NablaError({ code: 'INTERNAL', message: 'the refit gave nothing' });
    return last;
  } finally {
    watch.signal.removeEventListener('abort', onAbort);
  }
};
