import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { NablaError } from '../errors/index.js';
import { described, invalidData } from './features.js';

/** A row of a stream. */
export type StreamRow = Readonly<Record<string, number | bigint | string | boolean | null | undefined>>;

/** Characters that are written at once. */
const CHUNK = 1 << 16;

const quoted = (text: string): string => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/**
 * Writes rows to a file of comma-separated values in a folder of its own, and gives what `read` makes of it. The stream is asked for a row
 * only when the file has taken the one before: memory is one chunk, however many rows come. The folder is gone afterwards, whatever happens.
 */
export const spilled = async <T>(
  rows: AsyncIterable<StreamRow> | Iterable<StreamRow>,
  signal: AbortSignal | undefined,
  read: (path: string, kinds: Record<string, 'number' | 'boolean' | 'category'>) => Promise<T>,
): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'nabla-stream-'));
  try {
    const path = join(folder, 'rows.csv');
    const file = createWriteStream(path);
    try {
      const kinds = await write(rows, file, signal);
      file.end();
      await finished(file);
      return await read(path, kinds);
    } catch (error) {
      if (!file.errored) throw error;
      throw new NablaError({
        code: 'IO',
        message: `the stream could not be written to ${folder}: ${file.errored.message}`,
        place: 'Dataset.stream',
      });
    } finally {
      file.destroy();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const write = async (
  rows: AsyncIterable<StreamRow> | Iterable<StreamRow>,
  file: WriteStream,
  signal: AbortSignal | undefined,
): Promise<Record<string, 'number' | 'boolean' | 'category'>> => {
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
      if (cell === null || cell === undefined) return '';
      const kind = typeof cell === 'string' ? 'category' : typeof cell === 'boolean' ? 'boolean' : 'number';
      const before = kinds.get(name) ?? kind;
      if (!['string', 'boolean', 'number', 'bigint'].includes(typeof cell) || before !== kind)
        throw invalidData(
          `${place}, column ${JSON.stringify(name)}`,
          kinds.has(name) ? `a ${before} as before` : 'a number, text or boolean',
          described(cell),
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
      return quoted(String(cell));
    });
    // A row of one missing cell is no blank line.
    text += `${cells.length === 1 && cells[0] === '' ? '""' : cells.join()}\n`;
    count++;
    if (text.length >= CHUNK) await flush();
  }
  if (names === undefined) throw invalidData('Dataset.stream', 'at least one row', 'none');
  await flush();
  return Object.fromEntries(kinds);
};
