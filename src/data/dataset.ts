import {
  expectArgument,
  expectInteger,
  expectOneOf,
  expectOptions,
  invalidOption,
  isAnything,
  isBoolean,
  isInteger,
  isListOf,
  isString,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import { type Binding, callNative, type NativeArray, type NativeData, type Task as NativeTask, runTask } from '../native/index.js';
import type { ArrowTable } from './arrow.js';
import { type Augmentations, type AugmentedOptions, type ContactSheetOptions, enlarged, sheet } from './augmentation.js';
import { type BuiltinName, builtinSource, builtins } from './builtin.js';
import { Description } from './description.js';
import {
  type Cell,
  type Columns,
  described,
  type Features,
  invalidData,
  isTypedArray,
  type Matrix,
  type NumberArray,
  type ObjectRows,
  readFeatures,
} from './features.js';
import { type ImageOptions, imageOptions, type LabelledImage, readImages } from './images.js';
import { inputOfNpz, type NpzOptions, npzOptions, rowsOfNpz } from './npz.js';
import { readRagged, readStepClasses } from './ragged.js';
import { type InMemoryOptions, type ReadOptions, readChecks, readWatched, watch } from './reading.js';
import { type Column, type NamedTargetSchema, type Schema, type TargetSchema, type Task, targetWidth } from './schema.js';
import type { StreamRow } from './spill.js';
import { type ExactSplit, type Part, type PartsOf, type SplitOptions, splitIndices } from './split.js';
import {
  type ArrowOptions,
  type CsvOptions,
  csvOptions,
  isClass,
  isTask,
  readCsv,
  type TableOptions,
  tableOfArrow,
  tableOfParquet,
  tableOfStream,
  taken,
} from './tables.js';
import { areNamed, readAllTargets, readGroups, readWeights, type Targets, targetSpec } from './targets.js';
import { type LabelledText, readTexts, type TextOptions } from './text.js';

/** What `Dataset.from` takes. */
export interface DatasetInput {
  /** Nested arrays, a flat or typed array with a `shape`, rows as objects, or an object of columns. */
  readonly features: Features;
  /** Shape of flat features, rows first: `[rows, 64]` or `[rows, 28, 28, 1]`. */
  readonly shape?: readonly number[];
  /**
   * Rows are sequences of different lengths, `[[1, 2, 3], [4]]` or with several numbers a step `[[[1, 2], [3, 4]], [[5, 6]]]`. They are
   * padded, and layers get a mask that leaves the padding out.
   */
  readonly ragged?: boolean;
  /** With `ragged`: the longest sequence there will ever be, to which rows are padded. Default: the longest of these. */
  readonly length?: number;
  /**
   * One class name, boolean or number a row, or several numbers a row; with `ragged` also an array of classes a row, one a step. With
   * rows as objects: the name of the column. Several targets have names: `{ digit: labels, parity: 'odd' }`, each an array or the name of
   * a column.
   */
  readonly targets?: Targets | readonly (readonly string[])[] | string | Readonly<Record<string, Targets | string>>;
  /** One weight a row, not negative. */
  readonly weights?: NumberArray;
  /** One group a row: rows of a group are never split apart. */
  readonly groups?: readonly (string | number)[] | NumberArray;
  /** `'classification'` makes classes of numbers (of several targets by name). Default: text and booleans are classes, numbers regression. */
  readonly task?: Task | Readonly<Record<string, Task>>;
  /** The classes and their order. Default: those that occur, sorted. */
  readonly classes?: readonly string[];
  /** The positive one of two classes. Default: the last. */
  readonly positiveClass?: string | number | boolean;
}

/** Options of `Dataset.fromIdx`. */
export interface IdxOptions extends InMemoryOptions {
  /** The file of labels beside the file of samples. */
  readonly labels?: string;
  /** Names of the classes: `classes[i]` for label i. Default: the labels as text, in numerical order. */
  readonly classes?: readonly string[];
}

/** Options of `data.windows`. */
export interface WindowOptions {
  /** Rows a window. */
  readonly length: number;
  /** Rows that are predicted, each a target. Default 1. */
  readonly horizon?: number;
  /** The column to predict: one of the features (which stays one), or the target. Default: the data set's target. */
  readonly target?: string;
  /** Rows from the start of a window to the start of the next. Default 1: every window there is. */
  readonly stride?: number;
  /** Rows between the window and the first that is predicted. Default 0. */
  readonly gap?: number;
}

const fromOptions = optionsOf('Dataset.from', {
  features: isAnything,
  shape: isListOf(isInteger({ min: 1 })),
  ragged: isBoolean,
  length: isInteger({ min: 1 }),
  targets: isAnything,
  weights: isAnything,
  groups: isAnything,
  task: (value) => (areNamed(value) ? Object.values(value).map(isTask).find(Boolean) : isTask(value)),
  classes: isListOf(isString),
  positiveClass: isClass,
});

const windowOptions = optionsOf('windows', {
  length: isInteger({ min: 1, max: 2 ** 31 }),
  horizon: isInteger({ min: 1, max: 2 ** 31 }),
  target: isString,
  stride: isInteger({ min: 1, max: 2 ** 31 }),
  gap: isInteger({ min: 0, max: 2 ** 31 }),
});

const idxOptions = optionsOf('Dataset.fromIdx', { labels: isString, classes: isListOf(isString), inMemory: isBoolean, ...readChecks });
const loadOptions = optionsOf('Dataset.load', { inMemory: isBoolean, ...readChecks });
const saveOptions = optionsOf('save', readChecks);

/** Takes the column `name` out of rows given as objects, or out of an object of columns. */
const takeColumn = (features: unknown, name: string): { features: Features; targets: readonly unknown[] } => {
  const refuse = (known: readonly string[]): never => {
    throw new NablaError({
      code: 'INVALID_OPTION',
      message: `there is no column ${JSON.stringify(name)}`,
      place: 'targets',
      expected: known.length > 0 ? `one of ${known.join(', ')}` : 'an array, or the name of a column of features with names',
      received: JSON.stringify(name),
    });
  };
  if (Array.isArray(features)) {
    const objects = features.every((row) => typeof row === 'object' && row !== null && !Array.isArray(row) && !isTypedArray(row));
    if (!objects || features.length === 0) return refuse([]);
    const rows = features as readonly Readonly<Record<string, Cell>>[];
    if (!(name in (rows[0] ?? {}))) refuse(Object.keys(rows[0] ?? {}));
    return {
      features: rows.map(({ [name]: _, ...rest }) => rest) as ObjectRows,
      targets: rows.map((row) => row[name]),
    };
  }
  if (typeof features === 'object' && features !== null && !isTypedArray(features)) {
    const { [name]: targets, ...rest } = features as Columns;
    if (targets === undefined) return refuse(Object.keys(features));
    return { features: rest, targets: targets as readonly unknown[] };
  }
  return refuse([]);
};

/** Native handle of a data set; for the rooms above, not for users. */
export let nativeOf: (data: Dataset) => NativeData;
/** Schema of a data set; for the rooms above. */
export let schemaOf: (data: Dataset) => Schema;

/** Index of each row's class, where the target is classes; for the rooms above. */
export const labelIndices = (data: Dataset): Uint32Array | undefined =>
  schemaOf(data).target?.kind === 'classes' ? (callNative(() => nativeOf(data).labels()) ?? undefined) : undefined;

/** Names of the groups that `groups()` numbers; for the rooms above. */
export const groupNamesOf = (data: Dataset): readonly string[] | undefined => callNative(() => nativeOf(data).groupNames()) ?? undefined;

/** The rows of the series that each window was made of, where rows are windows; for the rooms above. */
export const spansOf = (data: Dataset): { first: Uint32Array; last: Uint32Array } | undefined => {
  const [first, last] = schemaOf(data).windows ? (callNative(() => nativeOf(data).spans()) ?? []) : [];
  return first === undefined || last === undefined ? undefined : { first, last };
};

/**
 * Immutable rows in native memory: features, and optionally targets, weights and groups. `split`, `select` and `take` give views by
 * index that copy no row.
 */
export class Dataset {
  readonly #native: NativeData;
  readonly #schema: Schema;

  static {
    nativeOf = (data) => data.#native;
    schemaOf = (data) => data.#schema;
  }

  private constructor(native: NativeData, schema: Schema) {
    this.#native = native;
    this.#schema = schema;
  }

  static #wrap(native: NativeData): Dataset {
    return new Dataset(native, JSON.parse(native.schema()) as Schema);
  }

  /**
   * A data set of arrays. Numbers must be finite; `null` is a missing cell.
   * @throws {NablaError} `INVALID_DATA`, `NOT_FINITE` or `SHAPE_MISMATCH` with the place, such as `features[3][2]`.
   * @example Dataset.from({ features: [[0, 0], [0, 1], [1, 0], [1, 1]], targets: ['off', 'on', 'on', 'off'] });
   */
  static from(input: DatasetInput): Dataset {
    expectOptions('Dataset.from', input, fromOptions, Dataset.from);
    const { weights, groups, task, classes, positiveClass, shape, ragged = false, length } = input;
    if (length !== undefined && !ragged)
      throw invalidOption('Dataset.from', 'length', 'to be given with ragged: true', length, Dataset.from);
    let { features, targets } = input as { features: Features; targets?: unknown };
    if (typeof targets === 'string') ({ features, targets } = takeColumn(features, targets));
    if (areNamed(targets)) {
      const named: Record<string, unknown> = { ...targets };
      for (const [name, column] of Object.entries(named))
        if (typeof column === 'string') ({ features, targets: named[name] } = takeColumn(features, column));
      targets = named;
    }
    const rowsHint = Array.isArray(targets) && !Array.isArray(targets[0]) ? targets.length : undefined;
    const sequences = ragged ? readRagged('features', features, length) : undefined;
    const matrix: Matrix = sequences ?? readFeatures('features', features, { shape, rows: rowsHint });

    const buffers: NativeArray[] = [matrix.values];
    const spec: Record<string, unknown> = {
      rows: matrix.rows,
      width: matrix.sampleShape.reduce((a, b) => a * b, 1),
      sampleShape: matrix.sampleShape,
      features: { buffer: 0 },
    };
    if (matrix.columns !== undefined) spec.columns = matrix.columns;
    if (matrix.parts !== undefined) spec.parts = matrix.parts;
    if (sequences !== undefined) spec.lengths = { buffer: buffers.push(sequences.lengths) - 1 };
    const first: unknown = Array.isArray(targets) && Array.isArray(targets[0]) ? targets[0][0] : undefined;
    if (sequences !== undefined && (typeof first === 'string' || (first !== undefined && task === 'classification'))) {
      const { names, labels } = readStepClasses('targets', targets as readonly (readonly unknown[])[], sequences, classes);
      const buffer = buffers.push(labels) - 1;
      spec.targets = { kind: 'sequence', names, width: matrix.sampleShape[0], buffer };
    } else if (targets !== undefined && targets !== null) {
      spec.targets = targetSpec(readAllTargets('targets', targets, matrix.rows, { task, classes, positiveClass }), buffers);
    }
    if (weights !== undefined) spec.weights = { buffer: buffers.push(readWeights('weights', weights, matrix.rows)) - 1 };
    if (groups !== undefined) {
      const { names, codes } = readGroups('groups', groups, matrix.rows);
      spec.groups = { buffer: buffers.push(codes) - 1, names };
    }
    return Dataset.#wrap(callNative((n) => n.Data.create(JSON.stringify(spec), buffers), Dataset.from));
  }

  /**
   * Reads a CSV file with a header line. A column of numbers stays numbers, text becomes categories, an empty cell stays missing.
   * @throws {NablaError} `DATA_FORMAT` with line and column, `IO` with the path.
   */
  static async fromCsv(path: string, options: CsvOptions = {}): Promise<Dataset> {
    expectArgument('Dataset.fromCsv', 'path', path, isString);
    expectOptions('Dataset.fromCsv', options, csvOptions);
    return Dataset.#wrap(await readCsv(path, options));
  }

  /**
   * Reads the IDX format of MNIST, plain or gzip: `path` holds the samples, `labels` their classes. With `inMemory: false` the samples stay
   * in the file, which must be plain.
   * @example const train = await Dataset.fromIdx('train-images-idx3-ubyte.gz', { labels: 'train-labels-idx1-ubyte.gz' });
   */
  static async fromIdx(path: string, options: IdxOptions = {}): Promise<Dataset> {
    expectArgument('Dataset.fromIdx', 'path', path, isString);
    expectOptions('Dataset.fromIdx', options, idxOptions);
    const { labels = null, progress, signal, ...rest } = options;
    const begin = (n: Binding, task: number): NativeTask => n.readIdxFiles(task, path, labels, JSON.stringify(rest));
    return Dataset.#wrap(await readWatched(begin, 'bytes', { progress, signal }));
  }

  /**
   * Reads a file that `data.save` wrote: in one pass, which compares its checksum.
   * @throws {NablaError} `IO` with the path, `DATA_FORMAT` for another file or one that was cut or changed
   * @example const rows = await Dataset.load('rows.data', { inMemory: false });
   */
  static async load(path: string, options: InMemoryOptions = {}): Promise<Dataset> {
    expectArgument('Dataset.load', 'path', path, isString);
    expectOptions('Dataset.load', options, loadOptions);
    const { inMemory = true, progress, signal } = options;
    return Dataset.#wrap(await readWatched((n, task) => n.loadData(task, path, inMemory), 'bytes', { progress, signal }));
  }

  /** A small real data set that comes with the package: origins and licences are in `datasets/README.md`. */
  static async builtin(name: BuiltinName): Promise<Dataset> {
    expectOneOf('Dataset.builtin: name', name, builtins);
    const { path, options } = builtinSource(name);
    return Dataset.#wrap(await runTask((n, task) => n.readCsvFile(task, path, JSON.stringify(options)), taken));
  }

  /**
   * Reads a Parquet file: numbers, booleans and texts, which become categories; nulls are missing. Compressed by Snappy, Zstandard, gzip,
   * Brotli or LZ4. Reads on a thread of its own, only the columns that are kept. With `inMemory: false` one row group after the other goes
   * through two temporary files; texts are trimmed then, and an empty one is missing, as in a CSV file.
   * @throws {NablaError} `IO` with the path, `DATA_FORMAT` for a damaged file, `INVALID_DATA` for a column of something else (drop it)
   * @example const adult = await Dataset.fromParquet('adult.parquet', { target: 'income', drop: ['split'] });
   */
  static async fromParquet(path: string, options: TableOptions = {}): Promise<Dataset> {
    expectArgument('Dataset.fromParquet', 'path', path, isString);
    return Dataset.#wrap(await tableOfParquet(path, options));
  }

  /**
   * Reads arrays of NumPy: a `.npz` archive, or a `.npy` file of features alone. Arrays are found by name: features `features`, `x`, `X` or
   * `data`, targets `targets`, `labels`, `y` or `Y` where there is one. Words and booleans are classes; numbers are with `task`. With
   * `inMemory: false` the features stay in the file: an array in row order (C), of an archive one that is not compressed (`numpy.savez`).
   * @throws {NablaError} `IO`, `DATA_FORMAT` for a damaged file, `INVALID_OPTION` with the names there are
   * @example const data = await Dataset.fromNpz('mnist.npz', { features: 'x_train', targets: 'y_train', task: 'classification' });
   */
  static async fromNpz(path: string, options: NpzOptions = {}): Promise<Dataset> {
    expectArgument('Dataset.fromNpz', 'path', path, isString);
    expectOptions('Dataset.fromNpz', options, npzOptions);
    if (options.inMemory === false) return Dataset.#wrap(await rowsOfNpz(path, options));
    return Dataset.from(await inputOfNpz(path, options));
  }

  /**
   * Reads JPEG and PNG images: a folder with one folder a class, a tar archive of such a folder (plain or gzip), or bytes with labels.
   * Rows are `[height, width, channels]`, in the order of their names, kept as bytes (0…255) and turned into numbers while they are gathered
   * into a batch: `prepare: [minMax()]` or `[standardize()]` scales them. Folders that all files of an archive share are not classes; of
   * folders within a class only the first counts. Files of other kinds are passed over, images of other formats refused.
   * @throws {NablaError} `IO` and `DATA_FORMAT` with the file (not an image, cut, over 2²⁶ pixels), `INVALID_DATA` for no images, one
   * outside of a class folder, or one with other channels than the first
   * @example const flowers = await Dataset.fromImages('flowers', { size: [64, 64], channels: 3 });
   */
  static async fromImages(source: string | readonly LabelledImage[], options: ImageOptions): Promise<Dataset> {
    if (!Array.isArray(source)) expectArgument('Dataset.fromImages', 'the source', source, isString);
    expectOptions('Dataset.fromImages', options, imageOptions);
    if (options.size === undefined) throw invalidOption('Dataset.fromImages', 'size', 'to be [height, width]', undefined);
    return Dataset.#wrap(await readImages(source, options));
  }

  /**
   * Reads a text (UTF-8) as windows for a language model: a row is `length` characters as indices, its targets the characters that
   * follow each of them. `classes` are the characters. Texts with labels become rows of different lengths, for a classifier: layers get a
   * mask, and `fitted.predict` takes texts. Words and a tokenizer of one's own work alike.
   * @throws {NablaError} `IO` with the path, `INVALID_DATA` for a text shorter than one window or a character outside `vocabulary`
   * @example
   * const text = await Dataset.fromText('shakespeare.txt', { length: 50 });
   * const model = sequential([embedding(text.classes.length, 64), lstm(128, { returnSequences: true }), dense(text.classes.length)]);
   * @example
   * const letters = await Dataset.fromText([{ text: 'Dear all, …', label: 'letter' }, …], { unit: 'word' });
   * const model = sequential([embedding(letters.vocabulary.length, 32), gru(32), dense(letters.classes.length)]);
   */
  static async fromText(source: string | readonly LabelledText[], options: TextOptions = {}): Promise<Dataset> {
    const { spec, buffers } = await readTexts(source, options);
    return Dataset.#wrap(callNative((n) => n.Data.create(JSON.stringify(spec), buffers), Dataset.fromText));
  }

  /**
   * Reads a table of `apache-arrow` (any object with `numRows`, `schema.fields` and `getChild`), or the bytes of one, which needs that
   * package installed. Numbers, booleans and texts, dictionaries too; nulls are missing.
   * @throws {NablaError} `INVALID_DATA` for a column of something else (drop it), `DATA_FORMAT` for bytes that are no table
   * @example const data = await Dataset.fromArrow(tableFromIPC(bytes), { target: 'income' });
   */
  static async fromArrow(table: ArrowTable | Uint8Array, options: ArrowOptions = {}): Promise<Dataset> {
    return Dataset.#wrap(await tableOfArrow(table, options));
  }

  /**
   * Reads rows as they come. They are spilled once to a file of nabla's own, the source waiting while it is written, and become an ordinary
   * data set: JavaScript holds one chunk, native memory the numbers. Text is trimmed, and empty text is missing, as in a CSV file.
   * @throws {NablaError} `INVALID_DATA` or `NOT_FINITE` with row and column, `IO` when the file cannot be written; whatever the source throws
   * @example const data = await Dataset.stream(database.query('select * from houses').iterate(), { target: 'price' });
   */
  static async stream(rows: AsyncIterable<StreamRow> | Iterable<StreamRow>, options: TableOptions = {}): Promise<Dataset> {
    const iterable = typeof rows === 'object' && rows !== null && (Symbol.asyncIterator in rows || Symbol.iterator in rows);
    if (!iterable) throw invalidOption('Dataset.stream', 'the source', 'to be an iterable of rows', rows);
    return Dataset.#wrap(await tableOfStream(rows, options));
  }

  /** Number of rows. */
  get rows(): number {
    return this.#schema.rows;
  }

  /** Shape of one row, such as `[64]` or `[28, 28, 1]`. */
  get sampleShape(): readonly number[] {
    return this.#schema.sampleShape;
  }

  /** Names of the classes (of a text: its characters), in the order of their indices; empty when the target is numbers. */
  get classes(): readonly string[] {
    const { target } = this.#schema;
    return target === null || target.kind === 'numbers' || target.kind === 'several' ? [] : target.names;
  }

  /** Of texts: the characters, words or tokens, in the order of their indices; empty for other data. */
  get vocabulary(): readonly string[] {
    return this.#schema.text?.vocabulary ?? [];
  }

  /** Columns of the features, with their kinds. */
  get columns(): readonly Column[] {
    return this.#schema.columns;
  }

  /** Statistics of the columns and counts of the classes: an object that prints as a table. */
  describe(): Description {
    return new Description(callNative(() => this.#native.describe(), this.describe));
  }

  /** A copy of the features, row-major, as doubles; missing cells are NaN. */
  features(): Float64Array {
    return callNative(() => this.#native.features());
  }

  /** Names of the targets, where there are several. */
  get targetNames(): readonly string[] {
    const { target } = this.#schema;
    return target?.kind === 'several' ? target.targets.map(({ name }) => name) : [];
  }

  /** A copy of the targets as numbers, row by row: of classes their indices. Of several, the one of that name. Empty without a target. */
  targets(name?: string): Float64Array {
    if (name !== undefined) return this.#named(name).values;
    const labels = labelIndices(this);
    if (labels !== undefined) return Float64Array.from(labels);
    return callNative(() => this.#native.targets()) ?? new Float64Array(0);
  }

  /**
   * The class name of each row; of several targets, of the one of that name.
   * @throws {NablaError} `INVALID_DATA` where the target is not classes
   */
  labels(target?: string): string[] {
    if (target !== undefined) {
      const { schema, values } = this.#named(target);
      if (schema.kind !== 'classes') throw invalidData('labels', 'a target of classes', 'numbers');
      return Array.from(values, (label) => schema.names[label] as string);
    }
    const labels = labelIndices(this);
    if (labels === undefined) throw invalidData('labels', 'a target of classes', this.#schema.target === null ? 'no target' : 'numbers');
    const names = this.classes;
    return Array.from(labels, (label) => names[label] ?? String(label));
  }

  /** One of several targets, its numbers row by row. */
  #named(name: string): { readonly schema: TargetSchema; readonly values: Float64Array } {
    const { target, rows } = this.#schema;
    const targets = target?.kind === 'several' ? target.targets : [];
    const at = targets.findIndex((one) => one.name === name);
    if (at < 0) throw invalidData('targets', `the name of one of the targets (${this.targetNames.join(', ')})`, described(name));
    const from = targets.slice(0, at).reduce((sum, one) => sum + targetWidth(one.target), 0);
    const { target: schema } = targets[at] as NamedTargetSchema;
    const [own, width] = [targetWidth(schema), targetWidth(target as TargetSchema)];
    const all = callNative(() => this.#native.targets()) as Float64Array;
    return { schema, values: Float64Array.from({ length: rows * own }, (_, i) => all[Math.floor(i / own) * width + from + (i % own)]!) };
  }

  /** Weight of each row, when there are weights. */
  weights(): Float64Array | undefined {
    return this.#schema.weights ? (callNative(() => this.#native.weights()) ?? undefined) : undefined;
  }

  /** Index of each row's group, when there are groups. */
  groups(): Uint32Array | undefined {
    return this.#schema.groups ? (callNative(() => this.#native.groups()) ?? undefined) : undefined;
  }

  /**
   * The rows at `indices`, in that order; an index may occur more than once. Copies no row.
   * @throws {NablaError} `INVALID_DATA` for an index that is not a row.
   */
  select(indices: NumberArray): Dataset {
    if (!(Array.isArray(indices) || isTypedArray(indices))) throw invalidData('indices', 'an array of row indices', described(indices));
    if (indices.length === 0) throw invalidData('indices', 'at least one row', 'none');
    const rows = this.#schema.rows;
    for (let i = 0; i < indices.length; i++) {
      const index: unknown = indices[i];
      if (!Number.isInteger(index) || (index as number) < 0 || (index as number) >= rows) {
        throw invalidData(`indices[${i}]`, `an integer in [0, ${rows})`, described(index));
      }
    }
    const list = indices instanceof Uint32Array ? indices : Uint32Array.from(indices);
    return new Dataset(
      callNative(() => this.#native.select(list), this.select),
      { ...this.#schema, rows: list.length },
    );
  }

  /** The first `count` rows. */
  take(count: number): Dataset {
    expectInteger('take: count', count, { min: 1, max: this.#schema.rows });
    return this.select(Uint32Array.from({ length: count }, (_, i) => i));
  }

  /**
   * Splits the rows into training, validation and test parts: views that copy nothing. No row is in two parts.
   * @example const { train, validation, test } = data.split({ ratios: 'auto', stratify: true, seed: 7 });
   */
  split<const O extends SplitOptions = Record<never, never>>(options?: O & ExactSplit<O>): { [P in PartsOf<O>]: Dataset } {
    const chosen: SplitOptions = options ?? {};
    const indices = splitIndices(chosen, {
      rows: this.#schema.rows,
      labels: labelIndices(this) ?? null,
      classes: this.#schema.target?.kind === 'classes' ? this.#schema.target.names : [],
      groups: this.groups() ?? null,
      spans: this.#schema.windows ? ((callNative(() => this.#native.spans()) as [Uint32Array, Uint32Array] | null) ?? null) : null,
    });
    const result: Partial<Record<Part, Dataset>> = {};
    for (const [part, rows] of Object.entries(indices)) result[part as Part] = this.select(rows);
    return result as { [P in PartsOf<O>]: Dataset };
  }

  /**
   * Samples of a series whose rows are in the order of time: `length` consecutive rows, [length, columns], and as targets the `horizon`
   * rows that follow after `gap`. Samples remember their rows: `split`, the splitters and the inner hold-out of early stopping keep them
   * in order and leave out of training what shares a row with what is held out.
   *
   * With groups (several series in one data set) no window crosses from one to the next, nor a place where rows were left out by `select`.
   * Costs a copy of `length` rows a window.
   * @throws {NablaError} `INVALID_OPTION` for a column that is not there; `INVALID_DATA` for too few rows, rows out of order, categories,
   * or a target that is missing
   * @example const windows = sunspots.windows({ length: 36, horizon: 1, target: 'sunspots' });
   */
  windows(options: WindowOptions): Dataset {
    expectOptions('windows', options, windowOptions, this.windows);
    expectOptions('windows', { length: options.length ?? 0 }, windowOptions, this.windows);
    return Dataset.#wrap(callNative(() => this.#native.windows(JSON.stringify(options)), this.windows));
  }

  /**
   * Enlarges the set for good: its rows, then `copies` changed copies of each. Each copy is in its row's group (without groups each row is
   * one), so splitters that keep groups keep copies beside their original; still, split first and enlarge the training part alone.
   * Copy k is what a fit with this seed would see in its epoch k.
   * @throws {NablaError} `INVALID_OPTION` for steps that do not suit the samples, or that mix classes
   * @example const more = train.augmented([flip(), crop({ padding: 4 })], { copies: 3 });
   */
  augmented(recipe: Augmentations, options: AugmentedOptions = {}): Dataset {
    return Dataset.#wrap(enlarged(this.#native, recipe, options));
  }

  /**
   * A PNG that shows what a recipe does: each of the first rows, and its variants in the first epochs of a fit with this seed.
   * @throws {NablaError} `INVALID_OPTION` for samples that are no images
   * @example writeFileSync('sheet.png', images.contactSheet([flip(), rotate(15)]));
   */
  contactSheet(recipe: Augmentations, options: ContactSheetOptions = {}): Uint8Array {
    return sheet(this.#native, recipe, options);
  }

  /**
   * Writes the rows, in the order of this view, with targets, weights, groups and columns to one file, whole or not at all. It is a
   * safetensors file (`features`, `target`, `weights`, `groups`, …), which NumPy reads as well. `Dataset.load` reads it; with
   * `inMemory: false` it need not fit in memory: so a CSV or Parquet file is turned once into one that is read by position.
   * @throws {NablaError} `IO` with path and cause
   * @example await (await Dataset.fromCsv('large.csv', { target: 'price', inMemory: false })).save('large.data');
   */
  async save(path: string, options: ReadOptions = {}): Promise<void> {
    expectArgument('save', 'path', path, isString);
    expectOptions('save', options, saveOptions);
    await watch(
      (_, task) => this.#native.save(task, path),
      (task) => task.takeDone(),
      'bytes',
      options,
    );
  }

  get [Symbol.toStringTag](): string {
    return 'Dataset';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const { rows, sampleShape, target } = this.#schema;
    const kind =
      target === null
        ? 'no target'
        : target.kind === 'classes'
          ? `${target.names.length} classes`
          : target.kind === 'several'
            ? `targets ${this.targetNames.join(', ')}`
            : `${target.width} number${target.width > 1 ? 's' : ''}`;
    return `Dataset { ${rows} rows × [${sampleShape.join(', ')}], ${kind} }`;
  }
}
