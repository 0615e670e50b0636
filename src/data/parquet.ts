import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { NablaError } from '../errors/index.js';
import { readingLine } from '../report/progress.js';
import type { ColumnKind, NativeColumn } from './columns.js';
import type { SpilledKinds } from './spill.js';

/** What the thread is asked for. */
export interface ParquetWork {
  readonly path: string;
  readonly drop: readonly string[];
  readonly kinds: Readonly<Record<string, ColumnKind>>;
  readonly missing: readonly string[];
  /** Where rows are written as comma-separated values, instead of being sent. */
  readonly spill?: string;
}

/** What the thread tells. */
export type FromWorker =
  | { readonly columns: readonly NativeColumn[] }
  | { readonly kinds: SpilledKinds }
  | { readonly done: number; readonly total: number }
  | { readonly error: ConstructorParameters<typeof NablaError>[0] };

/**
 * The columns of a Parquet file, read on a thread of its own: by position, only the columns that are kept, with memory for their cells and
 * one column of one row group. hyparquet decodes (Snappy, Zstandard, gzip, Brotli, LZ4; dictionaries; both versions of pages): 0.3 MB of
 * JavaScript for what is read once, instead of a decoder in the binary of each platform, to which the crate `parquet` 60.1.0 with the same codecs
 * would add 2.8 MB (a program that reads rows with it is 3.14 MB, without 0.31; LTO, stripped, x86-64).
 */
export const readParquet = async (
  work: ParquetWork,
  progress: boolean,
  signal: AbortSignal | undefined,
): Promise<readonly NativeColumn[]> => {
  const told = await runWorker(work, progress, signal);
  return 'columns' in told ? told.columns : [];
};

/** The same rows, one row group after the other, as a file of comma-separated values. */
export const spillParquet = async (
  work: ParquetWork & { readonly spill: string },
  progress: boolean,
  signal: AbortSignal | undefined,
): Promise<SpilledKinds> => {
  const told = await runWorker(work, progress, signal);
  return 'kinds' in told ? told.kinds : {};
};

const runWorker = (work: ParquetWork, progress: boolean, signal: AbortSignal | undefined): Promise<FromWorker> => {
  signal?.throwIfAborted();
  const line = progress ? readingLine('cells') : undefined;
  const worker = new Worker(fileURLToPath(new URL('../data/parquet-worker.js', import.meta.url)), { workerData: work });
  return new Promise<FromWorker>((resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    worker.on('message', (told: FromWorker) => {
      if ('columns' in told || 'kinds' in told) resolve(told);
      else if ('error' in told) reject(new NablaError(told.error));
      else line?.read(told.done, told.total);
    });
    worker.on('error', reject);
    worker.on('exit', () => reject(new NablaError({ code: 'INTERNAL', message: 'the thread that reads ended early', place: work.path })));
  }).finally(() => {
    line?.done();
    void worker.terminate();
  });
};
