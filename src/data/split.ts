import { expectOptions, invalidOption, isBoolean, isEither, isInteger, isNumber, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { callNative } from '../native/index.js';

/** The parts of a hold-out, in order. */
export const parts = ['train', 'validation', 'test'] as const;
export type Part = (typeof parts)[number];

/** How many hyperparameters the validation rows must judge: the fewer, the fewer rows. */
export type TuningEffort = 'none' | 'light' | 'full';

/** Shares of the rows with a sum of at most 1, or `'auto'`. `train` left out takes what remains. */
export type Ratios = 'auto' | { readonly [part in Part]?: number };

/** Numbers of rows. A part left out is not made; `train` left out takes what remains. */
export type Counts = { readonly [part in Part]?: number };

/** Options of a hold-out. */
export interface SplitOptions {
  /**
   * Shares, or `'auto'` (the default): validation = test = min(round(0.2·n), 10 000), the rest is for training:
   * 60/20/20 up to tens of thousands of rows.
   */
  readonly ratios?: Ratios;
  /** Rows of each part, instead of shares. */
  readonly counts?: Counts;
  /** With `'auto'`: `'none'`, `'light'` and `'full'` (default) scale the validation part by 0, ½ and 1. */
  readonly tuning?: TuningEffort;
  /** Keeps the class shares in each part within one row. Default false. */
  readonly stratify?: boolean;
  /** Keeps rows of one group in one part. Default: whether the data set has groups. */
  readonly groups?: boolean;
  /**
   * What sizes count where groups stay whole: `'rows'` (default), as near as whole groups allow, or `'groups'`, taken by chance however
   * many rows they have, as scikit-learn's `GroupShuffleSplit`.
   */
  readonly balance?: 'rows' | 'groups';
  /** Rows by chance (default), or the first for training and the last for the test. Windows of a series always stay in order. */
  readonly shuffle?: boolean;
  /** Default 0. */
  readonly seed?: number;
}

/** The options themselves, with `never` for a name that is none: a typing mistake is then an error of the compiler's. */
export type ExactSplit<O> = {
  readonly [K in keyof O]: K extends keyof SplitOptions
    ? O[K] extends object
      ? { readonly [P in keyof O[K]]: P extends Part ? O[K][P] : never }
      : O[K]
    : never;
};

type Named<T> = { [P in Part as P extends keyof T ? P : never]: unknown };

/** The parts that options ask for. */
export type PartsOf<O> = O extends { readonly counts: infer C extends Counts }
  ? keyof Named<C> | 'train'
  : O extends { readonly ratios: infer R extends Exclude<Ratios, 'auto'> }
    ? keyof Named<R> | 'train'
    : O extends { readonly tuning: 'none' }
      ? 'train' | 'test'
      : Part;

/** Everything about the rows that a split needs to know. */
export interface SplitRows {
  readonly rows: number;
  readonly labels: Uint32Array | null;
  /** Names of the classes that labels number. */
  readonly classes: readonly string[];
  readonly groups: Uint32Array | null;
  /** First and last row of each window, where rows are windows of a series. */
  readonly spans: readonly [first: Uint32Array, last: Uint32Array] | null;
}

const isPartsOf =
  (where: string, check: (value: unknown) => string | undefined) =>
  (value: unknown): string | undefined => {
    if (typeof value !== 'object' || value === null) return 'to be an object with train, validation, test';
    expectOptions(where, value, { train: check, validation: check, test: check });
    return undefined;
  };

const splitOptions = optionsOf('split', {
  ratios: isEither(isOneOf(['auto']), isPartsOf('split: ratios', isNumber({ min: 0, max: 1 }))),
  counts: isPartsOf('split: counts', isInteger({ min: 0 })),
  tuning: isOneOf(['none', 'light', 'full']),
  stratify: isBoolean,
  groups: isBoolean,
  balance: isOneOf(['rows', 'groups']),
  shuffle: isBoolean,
  seed: isInteger({ min: 0 }),
});

/** A class of fewer rows than there are parts (or folds) to have one in, named. */
export const expectEachClass = (
  place: string,
  labels: Uint32Array,
  least: number,
  parts: string,
  nameOf: (row: number) => string,
): void => {
  let most = 0;
  for (let row = 0; row < labels.length; row++) if ((labels[row] as number) > most) most = labels[row] as number;
  // Class indices are small; anything else is counted in a table that grows.
  const counts = most <= labels.length ? new Uint32Array(most + 1) : ([] as number[]);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] as number;
    counts[label] = (counts[label] ?? 0) + 1;
  }
  const isRare = counts.some((count) => count > 0 && count < least);
  if (!isRare) return;
  const rare = labels.findIndex((label) => (counts[label] as number) < least);
  const count = counts[labels[rare] as number] as number;
  throw new NablaError({
    code: 'INVALID_DATA',
    message: `class "${nameOf(rare)}" has ${count === 1 ? 'one row' : `${count} rows`}, too few to be in each of ${least} ${parts}`,
    place,
    expected: `at least ${least} rows of each class`,
    received: `${count} of "${nameOf(rare)}"`,
    hint: `Use stratify: false, fewer ${parts}, or merge rare classes.`,
  });
};

const sum = (values: object): number => Object.values(values).reduce((a: number, b: number | undefined) => a + (b ?? 0), 0);

/** Indices of each part; a part that was not asked for is missing. */
export const splitIndices = (
  options: SplitOptions,
  { rows, labels, classes, groups, spans }: SplitRows,
): Partial<Record<Part, Uint32Array>> => {
  expectOptions('split', options, splitOptions);
  const { ratios, counts, tuning = 'full', stratify = false, balance = 'rows', shuffle = spans === null, seed = 0 } = options;
  if (ratios !== undefined && counts !== undefined)
    throw invalidOption('split', 'ratios or counts', 'to be given, not both', { ratios, counts });
  if (stratify && labels === null) throw invalidOption('split', 'stratify', 'to be false: the target is not classes', stratify);
  if (options.groups === true && groups === null) throw invalidOption('split', 'groups', 'to be false: the data set has no groups', true);

  const useGroups = (options.groups ?? true) && groups !== null;
  if (balance === 'groups' && (!useGroups || stratify))
    throw invalidOption('split', 'balance', "to be 'rows' where no groups stay whole, or classes are stratified", balance);
  if (shuffle && spans !== null) throw invalidOption('split', 'shuffle', 'to be false: windows of a series stay in order', shuffle);
  const units = balance === 'groups' ? new Set(groups).size : rows;

  const spec: Record<string, unknown> = { rows, stratify, seed, shuffle, balance };
  let asked: readonly Part[];
  if (counts !== undefined) {
    if (sum(counts) > units) throw invalidOption('split', 'counts', `to sum to at most the ${units} ${balance} there are`, sum(counts));
    const { validation = 0, test = 0 } = counts;
    spec.counts = { train: counts.train ?? units - validation - test, validation, test };
    asked = parts.filter((part) => part === 'train' || counts[part] !== undefined);
  } else if (ratios !== undefined && ratios !== 'auto') {
    // Shares written as decimals (0.7 + 0.2 + 0.1) miss 1 by a few ulp.
    if (sum(ratios) > 1 + 1e-9) throw invalidOption('split', 'ratios', 'to sum to at most 1', sum(ratios));
    spec.ratios = ratios;
    asked = parts.filter((part) => part === 'train' || ratios[part] !== undefined);
  } else {
    spec.ratios = 'auto';
    spec.tuning = tuning;
    asked = tuning === 'none' ? ['train', 'test'] : parts;
  }
  if (stratify && labels !== null) {
    const sizes = counts ?? (ratios === 'auto' ? undefined : ratios);
    const wanted = asked.filter((part) => part === 'train' || sizes === undefined || (sizes[part] ?? 0) > 0);
    expectEachClass('split: stratify', labels, wanted.length, 'parts', (row) => classes[labels[row] as number] ?? String(labels[row]));
  }
  const indices = callNative((n) => n.holdOutIndices(JSON.stringify(spec), stratify ? labels : null, useGroups ? groups : null));
  if (spans !== null) {
    // What comes later judges: it stays whole, and windows before it that share its rows go.
    const keep = (part: number, held: Uint32Array): void => {
      indices[part] = callNative((n) => n.purgedRows(indices[part] as Uint32Array, held, ...spans));
    };
    const [, validation, test] = indices as [Uint32Array, Uint32Array, Uint32Array];
    keep(0, validation);
    keep(0, test);
    keep(1, test);
  }
  const result: Partial<Record<Part, Uint32Array>> = {};
  for (const part of asked) {
    const rowsOfPart = indices[parts.indexOf(part)];
    if (rowsOfPart === undefined || rowsOfPart.length === 0) {
      throw new NablaError({
        code: 'INVALID_DATA',
        message: `${rows} rows are too few for this split: the ${part} part would be empty`,
        place: part,
        expected: 'at least one row in each part',
        received: `${rows} rows`,
        hint: 'Leave the part out, or use crossValidate, which needs no part of its own.',
      });
    }
    result[part] = rowsOfPart;
  }
  return result;
};
