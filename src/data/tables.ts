import { expectOptions, isBoolean, isEither, isListOf, isOneOf, isString, optionsOf } from '../errors/index.js';
import { type NativeData, type Task as NativeTask, runTask } from '../native/index.js';
import { type ArrowTable, readArrow } from './arrow.js';
import type { NativeColumn } from './columns.js';
import { readParquet } from './parquet.js';
import { readWatched } from './reading.js';
import type { Task } from './schema.js';
import { type StreamRow, spilled } from './spill.js';

/** Options of `Dataset.fromCsv`; types of columns are inferred. */
export interface CsvOptions {
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
  /** Says on standard error how far it is. Default false. */
  readonly progress?: boolean;
  /** Ends the reading; nothing half-read is kept. */
  readonly signal?: AbortSignal;
}

/** Options of `Dataset.fromParquet`, `fromArrow` and `stream`: those of `fromCsv` that are not about text. */
export type TableOptions = Omit<CsvOptions, 'delimiter' | 'header' | 'encoding'>;

export const isClass = (value: unknown): string | undefined =>
  ['string', 'number', 'boolean'].includes(typeof value) ? undefined : 'to be the name of a class';

export const isTask = isOneOf(['classification', 'regression']);

const isKinds = (value: unknown): string | undefined =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((kind) => ['number', 'boolean', 'category', 'text'].includes(kind as string))
    ? undefined
    : "to be an object of columns, each 'number', 'boolean', 'category' or 'text'";

const isSignal = (value: unknown): string | undefined => (value instanceof AbortSignal ? undefined : 'to be an AbortSignal');

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
  progress: isBoolean,
  signal: isSignal,
});
const { delimiter: _delimiter, header: _header, encoding: _encoding, ...tableChecks } = csvOptions;

const parquetOptions = optionsOf('Dataset.fromParquet', tableChecks);
const arrowOptions = optionsOf('Dataset.fromArrow', tableChecks);
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
  const columns = await readParquet({ path, drop, kinds, missing }, progress, signal);
  return dataOfColumns(columns, { ...rest, kinds });
};

/** The columns of an Arrow table that are kept. */
export const tableOfArrow = async (table: ArrowTable | Uint8Array, options: TableOptions): Promise<NativeData> => {
  expectOptions('Dataset.fromArrow', options, arrowOptions);
  const { drop = [], kinds = {}, missing = [], progress: _, signal, ...rest } = options;
  signal?.throwIfAborted();
  return dataOfColumns(await readArrow(table, { drop, kinds, missing }), { ...rest, kinds });
};

/** Rows as they come, by a file of our own. */
export const tableOfStream = (rows: AsyncIterable<StreamRow> | Iterable<StreamRow>, options: TableOptions): Promise<NativeData> => {
  expectOptions('Dataset.stream', options, streamOptions);
  const { kinds, missing = [], ...rest } = options;
  return spilled(rows, options.signal, (path, found) => readCsv(path, { ...rest, missing, kinds: { ...found, ...kinds } }));
};
