import { open } from 'node:fs/promises';
import { isBoolean, NablaError } from '../errors/index.js';
import { type Binding, type NativeData, startTask, type Task } from '../native/index.js';
import { readingLine } from '../report/progress.js';

/** What a long read is watched and ended by. */
export interface Watched {
  readonly progress?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of readers that may take long. */
export interface ReadOptions {
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
  /** Ends the reading, which rejects with the signal's reason; nothing half-read is kept. */
  readonly signal?: AbortSignal;
}

/** Options of readers whose rows may stay in a file. */
export interface InMemoryOptions extends ReadOptions {
  /**
   * `false` leaves the features in the file, to be read by position while batches are gathered: for data larger than memory. Everything
   * is done with such rows that is done with others, to the same bits; targets, weights and groups are held in memory, and what is made
   * of the rows (`windows`, `augmented`, `features()`). Preparation other than `standardize`, `minMax`, `maxAbs` and `robust` needs
   * memory for its training rows while it is fitted; prepared rows lie in a temporary file. The file must stay as it is: one that is cut or changed while in use is an error (`DATA_FORMAT`). Default true.
   */
  readonly inMemory?: boolean;
}

export const isSignal = (value: unknown): string | undefined => (value instanceof AbortSignal ? undefined : 'to be an AbortSignal');
export const readChecks = { progress: isBoolean, signal: isSignal };

/** Reads on nabla's threads: with a line in the terminal where asked for, and ended by the signal with the signal's reason. */
export const readWatched = (begin: (n: Binding, task: number) => Task, what: 'bytes' | 'images', watched: Watched): Promise<NativeData> =>
  watch(begin, (task) => task.takeData(), what, watched);

/** The same of any task that tells how far it is. */
export const watch = async <T>(
  begin: (n: Binding, task: number) => Task,
  take: (task: Task) => T,
  what: 'bytes' | 'images',
  { progress = false, signal }: Watched,
): Promise<T> => {
  signal?.throwIfAborted();
  const line = progress ? readingLine(what) : undefined;
  const running = startTask(begin, take, (event) => {
    const { done, total } = JSON.parse(event) as { readonly done: number; readonly total: number | null };
    line?.read(done, total);
  });
  const abort = (): void => running.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await running.answer;
  } catch (error) {
    if (error instanceof NablaError && error.code === 'ABORTED') signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    line?.done();
  }
};

/** Bytes of a file that are read at once. */
const PIECE = 8 << 20;

/** A whole file, watched as other reads are. */
export const readWhole = async (path: string, { progress = false, signal }: Watched): Promise<Buffer> => {
  signal?.throwIfAborted();
  const line = progress ? readingLine('bytes') : undefined;
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const bytes = Buffer.allocUnsafe(size);
      let done = 0;
      while (done < size) {
        const { bytesRead } = await file.read(bytes, done, Math.min(PIECE, size - done), done);
        if (bytesRead === 0) break;
        done += bytesRead;
        line?.read(done, size);
        signal?.throwIfAborted();
      }
      return bytes.subarray(0, done);
    } finally {
      await file.close();
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof RangeError)
      throw new NablaError({ code: 'OUT_OF_MEMORY', message: 'the file does not fit in memory', place: path, hint: 'inMemory: false' });
    throw new NablaError({ code: 'IO', message: `the file cannot be read: ${(error as Error).message}`, place: path });
  } finally {
    line?.done();
  }
};
