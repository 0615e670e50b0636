import { join } from 'node:path';
import { expectOptions, isBoolean, isEither, isListOf, isOneOf, isString, optionsOf } from '../errors/index.js';
import { type NativeData, type Task as NativeTask, runTask } from '../native/index.js';
import { type ArrowTable, readArrow } from './arrow.js';
import type { NativeColumn } from './columns.js';
import { readParquet, spillParquet } from './parquet.js';
import { type InMemoryOptions, readChecks, readWatched } from './reading.js';
import type { Task } from './schema.js';
import { inScratch, type StreamRow, spilled } from './spill.js';

/** Options of `Dataset.fromCsv`; types of columns are inferred. */
export interface CsvOptions extends InMemoryOptions {
  /** The column to predict, or several: numbers side by side, or by name where some are classes. */
  readonly target?: string | readonly string[];
  /** `'classification'` makes classes of a numeric target. */
  readonly task?: Task;
  /** Columns to leave out. */
  readonly drop?: readonly string[];
  /** The column of groups. */
  readonly groups?: string;
  /** The column of weights. */
  readonly weights?: string;
  /** Texts that mean "missing". Default: NA, NaN, nan, null, ?; an empty cell always. */
  readonly missing?: readonly string[];
  /** Kinds of columns that inference would get wrong. */
  readonly kinds?: Readonly<Record<string, 'number' | 'boolean' | 'category' | 'text'>>;
  /** The positive one of two classes. Default: the last. */
  readonly positiveClass?: string | number | boolean;
  /** Between cells. Default `,`. */
  readonly delimiter?: string;
  /** Whether the first line names the columns. Default true. */
  readonly header?: boolean;
  /**
   * What the bytes are. Default: UTF-8, or what a byte-order mark says. `'latin1'` is read as `'windows-1252'`, which has its letters and the
   * signs of Windows (€ “ ” …) besides.
   */
  readonly encoding?: 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252' | 'latin1';
  /**
   * `false` writes the features once to a temporary file (in the folder that `TMPDIR` names; gone with the data set) and reads them from
   * there by position while batches are gathered: memory holds targets, weights and groups. The bits are the same. `data.save` keeps such
   * a file. Default true.
   */
  readonly inMemory?: boolean;
}

/** Options of `Dataset.fromParquet` and `stream`: those of `fromCsv` that are not about text. */
export type TableOptions = Omit<CsvOptions, 'delimiter' | 'header' | 'encoding'>;

/** Options of `Dataset.fromArrow`, whose table is in memory already. */
export type ArrowOptions = Omit<TableOptions, 'inMemory'>;

export const isClass = (value: unknown): string | undefined =>
  ['string', 'number', 'boolean'].includes(typeof value) ? undefined : 'to be the name of a class';

export const isTask = isOneOf(['classification', 'regression']);

const isKinds = (value: unknown): string | undefined =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((kind) => ['number', 'boolean', 'category', 'text'].includes(kind as string))
    ? undefined
    : "to be an object of columns, each 'number', 'boolean', 'category' or 'text'";

export const csvOptions = optionsOf('Dataset.fromCsv', {
  target: isEither(isString, isListOf(isString)),
  task: isTask,
  drop: isListOf(isString),
  groups: isString,
  weights: isString,
  missing: isListOf((value) => (typeof value === 'string' ? undefined : 'to be a string')),
  kinds: isKinds,
  positiveClass: isClass,
  delimiter: (value) => (typeof value === 'string' && value.length === 1 ? undefined : 'to be one character'),
  header: isBoolean,
  encoding: isOneOf(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'latin1']),
  inMemory: isBoolean,
  ...readChecks,
});
const { delimiter: _delimiter, header: _header, encoding: _encoding, ...tableChecks } = csvOptions;

const parquetOptions = optionsOf('Dataset.fromParquet', tableChecks);
const { inMemory: _inMemory, ...arrowChecks } = tableChecks;
const arrowOptions = optionsOf('Dataset.fromArrow', arrowChecks);
const streamOptions = optionsOf('Dataset.stream', tableChecks);

export const taken = (task: NativeTask): NativeData => task.takeData();

/** Columns that another reader has read, by the rules of a CSV file. */
const dataOfColumns = (columns: readonly NativeColumn[], options: CsvOptions): Promise<NativeData> => {
  const specs = columns.map(({ name, kind, levels }, buffer) => ({ name, kind, buffer, ...(levels === undefined ? {} : { levels }) }));
  const buffers = columns.map(({ cells }) => cells);
  return runTask((n, task) => n.columnsToData(task, JSON.stringify(specs), buffers, JSON.stringify(options)), taken);
};

/** Reads a CSV file on nabla's threads. */
export const readCsv = (path: string, { progress, signal, ...options }: CsvOptions): Promise<NativeData> =>
  readWatched((n, task) => n.readCsvFile(task, path, JSON.stringify(options)), 'bytes', { progress, signal });

/** The columns of a Parquet file that are kept. */
export const tableOfParquet = async (path: string, options: TableOptions): Promise<NativeData> => {
  expectOptions('Dataset.fromParquet', options, parquetOptions);
  const { drop = [], kinds = {}, missing = [], progress = false, signal, ...rest } = options;
  if (options.inMemory === false) {
    return inScratch(async (folder) => {
      const file = join(folder, 'rows.csv');
      const found = await spillParquet({ path, drop, kinds, missing, spill: file }, progress, signal);
      return readCsv(file, { ...rest, progress, ...(signal === undefined ? {} : { signal }), missing, kinds: { ...found, ...kinds } });
    });
  }
  const columns = await readParquet({ path, drop, kinds, missing }, progress, signal);
  return dataOfColumns(columns, { ...rest, kinds });
};

/** The columns of an Arrow table that are kept. */
export const tableOfArrow = async (table: ArrowTable | Uint8Array, options: ArrowOptions): Promise<NativeData> => {
  expectOptions('Dataset.fromArrow', options, arrowOptions);
  const { drop = [], kinds = {}, missing = [], progress = false, signal, ...rest } = options;
  signal?.throwIfAborted();
  return dataOfColumns(await readArrow(table, { drop, kinds, missing, progress, signal }), { ...rest, kinds });
};

/** Rows as they come, by a file of our own. */
export const tableOfStream = (rows: AsyncIterable<StreamRow> | Iterable<StreamRow>, options: TableOptions): Promise<NativeData> => {
  expectOptions('Dataset.stream', options, streamOptions);
  const { kinds, missing = [], ...rest } = options;
  return spilled(rows, options, (path, found) => readCsv(path, { ...rest, missing, kinds: { ...found, ...kinds } }));
};
