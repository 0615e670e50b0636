import { NablaError } from '../errors/index.js';
import type { NativeArray } from '../native/index.js';
import { described, expectFinite, invalidData, isTypedArray, type NumberArray } from './features.js';
import type { Task } from './schema.js';

/** Targets: class names, booleans or numbers, one a row, or several numbers a row. */
export type Targets = readonly string[] | readonly boolean[] | NumberArray | readonly NumberArray[];

/** How targets are read. */
export interface TargetOptions {
  /** `'classification'` makes classes of numbers. Default: text and booleans are classes, numbers regression. */
  readonly task?: Task | undefined;
  /** The classes and their order. Default: those that occur, sorted. */
  readonly classes?: readonly string[] | undefined;
  /** The class that counts as positive when there are two. Default: the last. */
  readonly positiveClass?: string | number | boolean | undefined;
}

/** Targets as they go to the native side. */
export type ReadTargets =
  | ReadTarget
  | { readonly kind: 'several'; readonly targets: readonly { readonly name: string; readonly target: ReadTarget }[] };

/** One target as it goes to the native side. */
export type ReadTarget =
  | { readonly kind: 'classes'; readonly names: readonly string[]; readonly labels: Uint32Array }
  | { readonly kind: 'numbers'; readonly width: number; readonly values: Float64Array };

const label = (value: unknown): string => (typeof value === 'string' ? value : String(value));

const classOrder = (place: string, values: ArrayLike<unknown>, { classes, positiveClass }: TargetOptions): string[] => {
  let names: string[];
  if (classes !== undefined) {
    names = [...classes];
    if (new Set(names).size !== names.length) throw invalidData(place, 'classes that differ', names.join(', '));
  } else {
    const distinct = new Set<unknown>();
    for (let i = 0; i < values.length; i++) distinct.add(values[i]);
    const numeric = [...distinct].every((value) => typeof value === 'number');
    names = numeric ? [...(distinct as Set<number>)].sort((a, b) => a - b).map(label) : [...distinct].map(label).sort();
    if ([...distinct].every((value) => typeof value === 'boolean')) names = ['false', 'true'];
  }
  if (positiveClass !== undefined) {
    const positive = label(positiveClass);
    if (!names.includes(positive) || names.length !== 2) {
      throw new NablaError({
        code: 'INVALID_OPTION',
        message: `expected positiveClass to be one of two classes, got ${JSON.stringify(positiveClass)} among ${names.slice(0, 20).join(', ')}`,
        place: 'positiveClass',
        expected: names.slice(0, 20).join(', '),
        received: positive,
      });
    }
    names = [...names.filter((name) => name !== positive), positive];
  }
  return names;
};

const readClasses = (place: string, values: ArrayLike<unknown>, options: TargetOptions): ReadTarget => {
  const names = classOrder(place, values, options);
  const codes = new Map(names.map((name, code) => [name, code]));
  const labels = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const code = codes.get(label(values[i]));
    if (code === undefined)
      throw invalidData(`${place}[${i}]`, `one of the classes ${names.slice(0, 20).join(', ')}`, described(values[i]));
    labels[i] = code;
  }
  return { kind: 'classes', names, labels };
};

const readNumbers = (place: string, input: ArrayLike<unknown>, rows: number): ReadTarget => {
  const [first] = Array.from({ length: 1 }, () => input[0]);
  if (Array.isArray(first) || isTypedArray(first)) {
    const width = first.length;
    if (width === 0) throw invalidData(`${place}[0]`, 'at least one number', 'none');
    const values = new Float64Array(input.length * width);
    for (let i = 0; i < input.length; i++) {
      const row = input[i];
      if (!(Array.isArray(row) || isTypedArray(row))) throw invalidData(`${place}[${i}]`, `an array of ${width} numbers`, described(row));
      if (row.length !== width) throw invalidData(`${place}[${i}]`, `${width} numbers as in the first row`, String(row.length));
      for (let j = 0; j < width; j++) {
        const value: unknown = row[j];
        if (typeof value !== 'number') throw invalidData(`${place}[${i}][${j}]`, 'a number', described(value));
        values[i * width + j] = value;
      }
    }
    expectFinite(place, values, [width]);
    return { kind: 'numbers', width, values };
  }
  const values = new Float64Array(input.length);
  for (let i = 0; i < input.length; i++) {
    const value = input[i];
    if (typeof value !== 'number') throw invalidData(`${place}[${i}]`, 'a number', described(value));
    values[i] = value;
  }
  // A flat array of several targets a row is as long as rows × width.
  const width = isTypedArray(input) && rows > 0 && values.length % rows === 0 && values.length > rows ? values.length / rows : 1;
  expectFinite(place, values, width === 1 ? [] : [width]);
  return { kind: 'numbers', width, values };
};

/**
 * Reads targets for `rows` rows. Text and booleans are classes; numbers are regression unless `task: 'classification'`.
 * @throws {NablaError} `INVALID_DATA` or `NOT_FINITE` with the place, such as `targets[7]`.
 */
export const readTargets = (place: string, input: unknown, rows: number, options: TargetOptions = {}): ReadTarget => {
  if (!(Array.isArray(input) || isTypedArray(input))) throw invalidData(place, 'an array of classes or numbers', described(input));
  const values = input as ArrayLike<unknown>;
  if (values.length === 0) throw invalidData(place, `${rows} values, one a row`, 'none');
  const kind = typeof values[0];
  let read: ReadTarget;
  if (kind === 'string' || kind === 'boolean') {
    if (options.task === 'regression') throw invalidData(`${place}[0]`, "a number, for task: 'regression'", described(values[0]));
    for (let i = 0; i < values.length; i++) {
      if (typeof values[i] !== kind) throw invalidData(`${place}[${i}]`, `a ${kind} as the first one`, described(values[i]));
    }
    read = readClasses(place, values, options);
  } else if (kind === 'number' && (options.task === 'classification' || options.classes !== undefined)) {
    for (let i = 0; i < values.length; i++) {
      if (typeof values[i] !== 'number' || !Number.isFinite(values[i]))
        throw invalidData(`${place}[${i}]`, 'a finite number', described(values[i]));
    }
    read = readClasses(place, values, options);
  } else {
    read = readNumbers(place, values, rows);
  }
  const count = read.kind === 'classes' ? read.labels.length : read.values.length / read.width;
  if (count !== rows) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `there are ${rows} rows of features but ${count} of ${place}`,
      place,
      expected: `${rows} values`,
      received: `${count} values`,
    });
  }
  return read;
};

/** Options of several targets: one task for all, or by name. */
export interface SeveralTargetOptions extends Omit<TargetOptions, 'task'> {
  readonly task?: Task | Readonly<Record<string, Task>> | undefined;
}

/** Whether targets are given by name: `{ digit: […], parity: […] }`. */
export const areNamed = (input: unknown): input is Readonly<Record<string, unknown>> =>
  typeof input === 'object' && input !== null && !Array.isArray(input) && !ArrayBuffer.isView(input);

/** Reads one target, or several by name, each of classes or numbers. */
export const readAllTargets = (place: string, input: unknown, rows: number, options: SeveralTargetOptions): ReadTargets => {
  const { task, classes, positiveClass } = options;
  const plain = typeof task === 'string' ? task : undefined;
  if (!areNamed(input)) {
    if (typeof task === 'object') throw invalidData('task', 'one task for one target', 'tasks by name');
    return readTargets(place, input, rows, { task: plain, classes, positiveClass });
  }
  const names = Object.keys(input);
  if (names.length === 0) throw invalidData(place, 'at least one target by name', 'none');
  if (classes !== undefined || positiveClass !== undefined)
    throw invalidData(place, 'one target where classes or positiveClass are given', `${names.length} targets by name`);
  const unknown = typeof task === 'object' ? Object.keys(task).find((name) => !names.includes(name)) : undefined;
  if (unknown !== undefined) throw invalidData('task', `names of targets (${names.join(', ')})`, JSON.stringify(unknown));
  return {
    kind: 'several',
    targets: names.map((name) => {
      if (name.includes('.')) throw invalidData(place, 'names of targets without a dot', JSON.stringify(name));
      const own = typeof task === 'object' ? task[name] : plain;
      return { name, target: readTargets(`${place}.${name}`, input[name], rows, { task: own }) };
    }),
  };
};

/** Targets as the native side takes them; their numbers go to `buffers`. */
export const targetSpec = (read: ReadTargets, buffers: NativeArray[]): Record<string, unknown> => {
  if (read.kind === 'several')
    return { kind: 'several', targets: read.targets.map(({ name, target }) => ({ name, target: targetSpec(target, buffers) })) };
  if (read.kind === 'classes') return { kind: 'classes', names: read.names, buffer: buffers.push(read.labels) - 1 };
  return { kind: 'numbers', width: read.width, buffer: buffers.push(read.values) - 1 };
};

/** Codes of groups (any strings or numbers), in order of their first appearance. */
export const readGroups = (
  place: string,
  input: unknown,
  rows: number,
): { readonly names: readonly string[]; readonly codes: Uint32Array } => {
  if (!(Array.isArray(input) || isTypedArray(input)))
    throw invalidData(place, 'an array of strings or numbers, one a row', described(input));
  const values = input as ArrayLike<unknown>;
  if (values.length !== rows) throw invalidData(place, `${rows} values, one a row`, `${values.length} values`);
  const known = new Map<string, number>();
  const codes = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) {
    const value = values[i];
    if (typeof value !== 'string' && !(typeof value === 'number' && Number.isFinite(value))) {
      throw invalidData(`${place}[${i}]`, 'a string or a finite number', described(value));
    }
    const name = String(value);
    let code = known.get(name);
    if (code === undefined) known.set(name, (code = known.size));
    codes[i] = code;
  }
  return { names: [...known.keys()], codes };
};

/** Weights of rows: finite, not negative, one a row, not all zero. */
export const readWeights = (place: string, input: unknown, rows: number): Float64Array => {
  if (!(Array.isArray(input) || isTypedArray(input))) throw invalidData(place, 'an array of numbers, one a row', described(input));
  const values = input as ArrayLike<unknown>;
  if (values.length !== rows) throw invalidData(place, `${rows} values, one a row`, `${values.length} values`);
  const weights = new Float64Array(rows);
  let sum = 0;
  for (let i = 0; i < rows; i++) {
    const value = values[i];
    if (typeof value !== 'number' || !(value >= 0)) throw invalidData(`${place}[${i}]`, 'a number that is not negative', described(value));
    weights[i] = value;
    sum += value;
  }
  expectFinite(place, weights, []);
  if (sum === 0) throw invalidData(place, 'at least one weight above zero', 'zeros only');
  return weights;
};
