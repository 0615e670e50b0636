import { NablaError } from '../errors/index.js';
import { type Binding, type NativeData, startTask, type Task } from '../native/index.js';
import { readingLine } from '../report/progress.js';

/** What a long read is watched and ended by. */
export interface Watched {
  readonly progress?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads on nabla's threads: with a line in the terminal where asked for, and ended by the signal with the signal's reason. */
export const readWatched = async (
  begin: (n: Binding, task: number) => Task,
  what: 'bytes' | 'images',
  { progress = false, signal }: Watched,
): Promise<NativeData> => {
  signal?.throwIfAborted();
  const line = progress ? readingLine(what) : undefined;
  const running = startTask(
    begin,
    (task) => task.takeData(),
    (event) => {
      const { done, total } = JSON.parse(event) as { readonly done: number; readonly total: number | null };
      line?.read(done, total);
    },
  );
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
