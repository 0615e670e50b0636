import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { NablaError } from '../errors/index.js';
import { readingLine } from '../report/progress.js';
import { described, invalidData } from './features.js';
import type { Watched } from './reading.js';

/** A row of a stream. */
export type StreamRow = Readonly<Record<string, number | bigint | string | boolean | null | undefined>>;

/** Characters that are written at once. */
const CHUNK = 1 << 16;

const quoted = (text: string): string => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** A folder for temporary files, gone when `work` is done, whatever happens. */
export const inScratch = async <T>(work: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'nabla-stream-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** Kinds of columns as their cells were. */
export type SpilledKinds = Record<string, 'number' | 'boolean' | 'category'>;

/**
 * Writes rows to a file of comma-separated values. The stream is asked for a row only when the file has taken the one before: memory is one
 * chunk, however many rows come.
 */
export const spill = async (
  rows: AsyncIterable<StreamRow> | Iterable<StreamRow>,
  path: string,
  {
    signal,
    line,
    nanIsMissing = false,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly line?: { read(count: number, total: number | null): void } | undefined;
    /** NaN is how tables without nulls say missing. */
    readonly nanIsMissing?: boolean;
  },
): Promise<SpilledKinds> => {
  const file = createWriteStream(path);
  try {
    const kinds = await write(rows, file, signal, line, nanIsMissing);
    file.end();
    await finished(file);
    return kinds;
  } catch (error) {
    if (!file.errored) throw error;
    throw new NablaError({ code: 'IO', message: `the rows could not be written to ${path}: ${file.errored.message}`, place: path });
  } finally {
    file.destroy();
  }
};

/** Writes rows to a file of our own, and gives what `read` makes of it. */
export const spilled = <T>(
  rows: AsyncIterable<StreamRow> | Iterable<StreamRow>,
  { progress = false, signal }: Watched,
  read: (path: string, kinds: SpilledKinds) => Promise<T>,
): Promise<T> =>
  inScratch(async (folder) => {
    const path = join(folder, 'rows.csv');
    const line = progress ? readingLine('rows') : undefined;
    const kinds = await spill(rows, path, { signal, line }).finally(() => line?.done());
    return read(path, kinds);
  });

const write = async (
  rows: AsyncIterable<StreamRow> | Iterable<StreamRow>,
  file: WriteStream,
  signal: AbortSignal | undefined,
  line: { read(count: number, total: number | null): void } | undefined,
  nanIsMissing: boolean,
): Promise<SpilledKinds> => {
  let names: string[] | undefined;
  const kinds = new Map<string, 'number' | 'boolean' | 'category'>();
  let text = '';
  let count = 0;
  const flush = async (): Promise<void> => {
    const full = !file.write(text);
    text = '';
    if (full) await once(file, 'drain');
  };
  for await (const row of rows) {
    signal?.throwIfAborted();
    const place = `row ${count}`;
    if (typeof row !== 'object' || row === null || Array.isArray(row)) throw invalidData(place, 'an object of cells', described(row));
    if (names === undefined) {
      names = Object.keys(row);
      if (names.length === 0) throw invalidData(place, 'at least one column', 'none');
      text += `${names.map(quoted).join()}\n`;
    }
    const stranger = Object.keys(row).find((name) => !names?.includes(name));
    if (stranger !== undefined)
      throw invalidData(place, `the columns of the first row (${names.join(', ')})`, `the column ${JSON.stringify(stranger)}`);
    const cells = names.map((name) => {
      const cell = row[name];
      if (cell === null || cell === undefined || (nanIsMissing && Number.isNaN(cell))) return '';
      const kind = typeof cell === 'string' ? 'category' : typeof cell === 'boolean' ? 'boolean' : 'number';
      const before = kinds.get(name) ?? kind;
      if (!['string', 'boolean', 'number', 'bigint'].includes(typeof cell) || before !== kind)
        throw invalidData(
          `${place}, column ${JSON.stringify(name)}`,
          kinds.has(name) ? `a ${before} as before` : 'a number, text or boolean',
          described(cell),
        );
      if (typeof cell === 'bigint' && !Number.isSafeInteger(Number(cell)))
        throw invalidData(
          `${place}, column ${JSON.stringify(name)}`,
          'a whole number up to 2⁵³',
          String(cell),
          'Leave the column out, or give it as text.',
        );
      kinds.set(name, kind);
      if (kind === 'number' && !Number.isFinite(Number(cell)))
        throw new NablaError({
          code: 'NOT_FINITE',
          message: `the cell is ${cell}`,
          place: `${place}, column ${JSON.stringify(name)}`,
          expected: 'a finite number, or null where it is missing',
          received: String(cell),
        });
      return Object.is(cell, -0) ? '-0' : quoted(String(cell));
    });
    // A row of one missing cell is no blank line.
    text += `${cells.length === 1 && cells[0] === '' ? '""' : cells.join()}\n`;
    count++;
    if (text.length < CHUNK) continue;
    await flush();
    line?.read(count, null);
  }
  if (names === undefined) throw invalidData('Dataset.stream', 'at least one row', 'none');
  await flush();
  return Object.fromEntries(kinds);
};
