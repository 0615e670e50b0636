import { setImmediate } from 'node:timers/promises';
import { NablaError } from '../errors/index.js';
import { readingLine } from '../report/progress.js';
import { ColumnCells, type ColumnKind, type NativeColumn } from './columns.js';
import { described } from './features.js';
import type { Watched } from './reading.js';

/** Cells from one breath of the event loop to the next. */
const TOGETHER = 1 << 16;

/** What is needed of a column of an Arrow table. */
export interface ArrowColumn {
  readonly length: number;
  get(row: number): unknown;
}

/** What is needed of a table of `apache-arrow`, of whichever version, or of anything like it. */
export interface ArrowTable {
  readonly numRows: number;
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  getChild(name: string): ArrowColumn | null;
}

const isTable = (value: unknown): value is ArrowTable =>
  typeof value === 'object' &&
  value !== null &&
  'numRows' in value &&
  'schema' in value &&
  'getChild' in value &&
  typeof value.getChild === 'function';

/** The table of the bytes of an IPC file or stream, by the `apache-arrow` that the user has installed. */
const tableOf = async (bytes: Uint8Array): Promise<ArrowTable> => {
  const name = 'apache-arrow';
  let arrow: { tableFromIPC(bytes: Uint8Array): ArrowTable };
  try {
    arrow = (await import(name)) as typeof arrow;
  } catch {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: 'bytes of Arrow are read by the package apache-arrow, which is not installed',
      place: 'Dataset.fromArrow',
      expected: 'a table, or apache-arrow beside nabla',
      received: 'bytes',
      hint: 'npm install apache-arrow',
    });
  }
  try {
    return arrow.tableFromIPC(bytes);
  } catch (error) {
    throw new NablaError({
      code: 'DATA_FORMAT',
      message: `the bytes are no Arrow table: ${(error as Error).message}`,
      place: 'Dataset.fromArrow',
    });
  }
};

/** The columns of a table that are kept. */
export const readArrow = async (
  source: unknown,
  {
    drop = [],
    kinds = {},
    missing = [],
    progress = false,
    signal,
  }: {
    readonly drop?: readonly string[];
    readonly kinds?: Readonly<Record<string, ColumnKind>>;
    readonly missing?: readonly string[];
  } & Watched,
): Promise<readonly NativeColumn[]> => {
  const table = source instanceof Uint8Array ? await tableOf(source) : source;
  if (!isTable(table)) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `expected a table of Arrow or its bytes, got ${described(source)}`,
      place: 'Dataset.fromArrow',
      expected: 'an object with numRows, schema and getChild, or a Uint8Array',
      received: described(source),
    });
  }
  const names = table.schema.fields.map(({ name }) => name);
  const unknown = [...drop, ...Object.keys(kinds)].find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      message: `there is no column ${JSON.stringify(unknown)}`,
      place: 'Dataset.fromArrow',
      expected: `one of ${names.join(', ')}`,
      received: JSON.stringify(unknown),
    });
  }
  const kept = names.filter((name) => !drop.includes(name));
  const line = progress ? readingLine('cells') : undefined;
  const columns: NativeColumn[] = [];
  try {
    for (const name of kept) {
      const column = table.getChild(name);
      const cells = new ColumnCells(name, table.numRows, { kind: kinds[name], missing });
      for (let row = 0; row < table.numRows; row++) {
        cells.put(row, column?.get(row));
        if ((row + 1) % TOGETHER !== 0) continue;
        // The loop that serves others goes on meanwhile.
        await setImmediate();
        signal?.throwIfAborted();
        line?.read(columns.length * table.numRows + row + 1, kept.length * table.numRows);
      }
      columns.push(cells.finish());
      line?.read(columns.length * table.numRows, kept.length * table.numRows);
    }
  } finally {
    line?.done();
  }
  return columns;
};
