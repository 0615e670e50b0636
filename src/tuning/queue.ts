import { type Dataset, nativeOf } from '../data/dataset.js';
import { type ErrorData, expectArgument, expectOptions, isFunction, isInteger, isString, NablaError, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';
import { type Epoch, epochFrom } from '../trainer/epoch.js';
import { NativeFits } from '../trainer/native-fit.js';
import { expectDataset } from '../trainer/trainer.js';
import { type Bound, isBeyond } from './curves.js';
import type { FoldView } from './evaluation.js';
import type { Fitter, FoldFit, FoldResult, FoldScores, Left } from './fitter.js';

/** A queue: what is put in here is taken out by some worker, and what that one answers comes back. */
export interface WorkQueue {
  /** Resolves with the worker's answer, rejects if there is none, as when the worker died: then the work is put in again. */
  add(work: string): PromiseLike<string>;
}

/** Options of `queue`. */
export interface QueueOptions {
  /** Where folds are put in, such as a BullMQ queue on Redis with its events. */
  jobs: WorkQueue;
  /** What the workers know the data by: they load the same rows in the same order from it, which a fingerprint checks. */
  data: string;
  /** Trials at once, default as many as cores here. */
  parallel?: number;
  /** How often work is put in again that came back without an answer. Default 2. */
  retries?: number;
  /**
   * Megabytes that the state of a fit which was left on a rung may take to be sent along with its next part; that of a larger one stays
   * behind, and its next rung is fitted from the beginning, to the same bits. Default 16.
   */
  carry?: number;
}

/** A fold as it crosses. */
interface Work {
  readonly version: 1;
  readonly data: { readonly reference: string; readonly fingerprint: string };
  /** The recipe. */
  readonly spec: string;
  /** Rows as 32-bit numbers in base64, those to learn from and those to score on. */
  readonly train: string;
  readonly score: string;
  readonly until?: number | undefined;
  /** Whether the scores of each epoch are wanted, and those of the rows that score among them. */
  readonly live?: true | undefined;
  readonly watched?: true | undefined;
  /** Where they end it. */
  readonly bound?: Bound | undefined;
  /** Bytes that its state may have to come back, */
  readonly keep?: number | undefined;
  /** and the state that it goes on from, in base64. */
  readonly from?: string | undefined;
}

/** With the epochs that were run, how many or, with `live`, what they gave. */
type Answer =
  | { readonly scores: FoldScores; readonly epochs: number; readonly live?: readonly Epoch[]; readonly left?: string | undefined }
  | { readonly error: ErrorData };

const packed = (rows: Uint32Array): string => Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength).toString('base64');

const unpacked = (text: string): Uint32Array => {
  const bytes = Buffer.from(text, 'base64');
  return Uint32Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readUInt32LE(4 * at));
};

/** The rows of each view within the data of the study. */
export const rowsOfViews = (
  data: Dataset,
  views: readonly FoldView[],
): { readonly train: Uint32Array; readonly validation: Uint32Array }[] => {
  // Views know rows of the source; here they are rows of what crosses.
  const at = new Map(Array.from(nativeOf(data).sourceRows(), (row, index) => [row, index]));
  const rowsOf = (view: Dataset): Uint32Array =>
    nativeOf(view)
      .sourceRows()
      .map((row) => at.get(row) as number);
  return views.map(({ train, validation }) => ({ train: rowsOf(train), validation: rowsOf(validation) }));
};

/** Folds go through a queue. */
export const onQueue = (
  { jobs, data: reference, retries = 2, carry = 16 }: QueueOptions,
  data: Dataset,
  views: readonly FoldView[],
): Fitter => {
  const fingerprint = nativeOf(data).fingerprint();
  const folds = rowsOfViews(data, views).map(({ train, validation }) => ({ train: packed(train), score: packed(validation) }));
  const kept = { small: Math.floor(carry * 2 ** 20), always: Number.MAX_SAFE_INTEGER };
  const answered = async (fit: FoldFit, onEpoch: (epoch: Epoch) => void, left: Left | undefined): Promise<FoldResult> => {
    const { spec, fold, until, keep } = fit;
    const { train, score } = folds[fold] as { train: string; score: string };
    const work = JSON.stringify({
      version: 1,
      data: { reference, fingerprint },
      spec,
      train,
      score,
      until,
      live: fit.live || undefined,
      watched: fit.watched || undefined,
      bound: fit.bound,
      keep: keep && kept[keep],
      from: left && Buffer.from(left as Uint8Array).toString('base64'),
    } satisfies Work);
    let last: unknown;
    for (let life = 0; life <= retries; life++) {
      let text: string;
      try {
        text = await jobs.add(work);
      } catch (error) {
        last = error;
        continue;
      }
      const answer = JSON.parse(text) as Answer;
      if ('error' in answer) throw new NablaError(answer.error);
      // All epochs of a fit come at once: the one that watches ends where the worker has ended the fit.
      for (const epoch of answer.live ?? []) onEpoch(epochFrom(epoch));
      return {
        left: answer.left === undefined ? undefined : Buffer.from(answer.left, 'base64'),
        scores: Object.fromEntries(Object.entries(answer.scores).map(([name, value]) => [name, value ?? Number.NaN])),
      };
    }
    const message = `a fold came back from the queue ${retries + 1} times without an answer; the last: ${String(last)}`;
    throw new NablaError({ code: 'IO', place: 'queue', message }, { cause: last });
  };
  return {
    start(fit, onEpoch, from) {
      let end: (error: NablaError) => void = () => {};
      const aborted = new Promise<never>((_, reject) => {
        end = reject;
      });
      const abort = (): void => end(new NablaError({ code: 'ABORTED', place: 'queue', message: 'the search was aborted' }));
      // A fit that is out ends by its bound.
      return { result: Promise.race([answered(fit, onEpoch, from), aborted]), stop() {}, abort };
    },
    close() {},
  };
};

/** Options of `fitFromQueue`. */
export interface QueueWorkOptions {
  /** Threads of the fit, default 1: a worker has many at once. */
  threads?: number;
}

const queueWorkOptions = optionsOf('tuning/fitFromQueue', { threads: isInteger({ min: 1, max: 1024 }) });

/**
 * What a worker does with what it takes from the queue of `queue()`: loads the data by their reference, fits, and gives the answer to send back. What
 * goes wrong in the fit is part of the answer; only work that is not of this kind rejects.
 * @param load the rows of a reference, the same in the same order as where the search runs; called for each fold, so let it remember
 * @throws {NablaError} `DATA_FORMAT` for work that `queue()` has not made
 */
export const fitFromQueue = (
  work: string,
  load: (reference: string) => Dataset | PromiseLike<Dataset>,
  options: QueueWorkOptions = {},
): Promise<string> => {
  expectArgument('fitFromQueue', 'work', work, isString);
  expectArgument('fitFromQueue', 'load', load, isFunction);
  expectOptions('fitFromQueue', options, queueWorkOptions, fitFromQueue);
  return answerTo(work, load, options.threads ?? 1);
};

const answerTo = async (work: string, load: (reference: string) => Dataset | PromiseLike<Dataset>, threads: number): Promise<string> => {
  let parsed: Work;
  try {
    parsed = JSON.parse(work) as Work;
    if (parsed?.version !== 1 || typeof parsed.spec !== 'string') throw new Error('not a fold');
  } catch (cause) {
    const message = `this is no fold of a study: ${work.slice(0, 60)}`;
    throw new NablaError(
      { code: 'DATA_FORMAT', place: 'fitFromQueue', message, hint: 'Both sides need the same version of nabla.' },
      { cause },
    );
  }
  const { data: wanted, spec, train, score, until, from, bound } = parsed;
  try {
    const data = await load(wanted.reference);
    expectDataset('fitFromQueue: load', data);
    const native = nativeOf(data);
    if (native.fingerprint() !== wanted.fingerprint)
      throw new NablaError({
        code: 'INVALID_DATA',
        place: wanted.reference,
        message: 'the worker has other data than the study: its scores could not be compared',
        expected: wanted.fingerprint,
        received: native.fingerprint(),
      });
    const resume = from === undefined ? undefined : callNative((n) => n.PausedFit.fromBytes(Buffer.from(from, 'base64')));
    const held = native.select(unpacked(score));
    const job = { train: native.select(unpacked(train)), score: held, until, resume, ...(parsed.watched ? { validation: held } : {}) };
    const epochs: Epoch[] = [];
    const curve: number[] = [];
    const fits = new NativeFits();
    const onEpoch = (epoch: Epoch): void => {
      epochs.push(epoch);
      const seen = bound && (epoch.validation as FoldScores | undefined)?.[bound.objective];
      if (bound === undefined || seen === undefined) return;
      curve.push(seen);
      if (isBeyond(bound, curve)) fits.stop();
    };
    const [fit] = await fits.start(spec, [job], { threads, events: true }, (_, epoch) => onEpoch(epoch));
    const left = parsed.keep === undefined ? undefined : fit?.paused?.toBytes();
    const small = left !== undefined && left.length <= (parsed.keep as number);
    return JSON.stringify({
      scores: { ...fit?.scores },
      epochs: epochs.length,
      ...(parsed.live ? { live: epochs } : {}),
      left: small ? Buffer.from(left).toString('base64') : undefined,
    } satisfies Answer);
  } catch (error) {
    const { code, place, hint } = error instanceof NablaError ? error : { code: 'IO' as const, place: undefined, hint: undefined };
    const message = error instanceof Error ? error.message : String(error);
    return JSON.stringify({ error: { code, place, hint, message } });
  }
};
