import { expectEachClass } from '../data/split.js';
import { checkOptions, expectArgument, invalidOption, isInteger, NablaError, shown } from '../errors/index.js';
import { callNative } from '../native/index.js';
import type { RowsToSplit } from './splitter.js';

/** The class or group of a row by name: its own, or what its index stands for. */
const nameOf = (values: ArrayLike<string | number | boolean>, row: number, names: readonly string[] | undefined): string => {
  const value = values[row];
  return (typeof value === 'number' ? names?.[value] : undefined) ?? String(value);
};

/** Each class has a row for each of `parts` folds or parts, or the first that has not is named. */
export const expectLabels = (
  where: string,
  codes: Uint32Array | null,
  { labels, names }: RowsToSplit,
  least: number,
  parts: string,
): void => {
  if (codes === null || labels === undefined) return;
  expectEachClass(`${where}.split: labels`, codes, least, parts, (row) => nameOf(labels, row, names?.labels));
};

/** At least so many groups, or those that are there are named. */
export const expectGroups = (
  where: string,
  codes: Uint32Array | null,
  { groups, names }: RowsToSplit,
  least: number,
  parts: string,
): void => {
  if (codes === null || groups === undefined) return;
  const rows = new Map<number, number>();
  for (let row = 0; row < codes.length && rows.size < least; row++)
    if (!rows.has(codes[row] as number)) rows.set(codes[row] as number, row);
  if (rows.size >= least) return;
  const found = [...rows.values()].map((row) => `"${nameOf(groups, row, names?.groups)}"`).join(', ');
  throw new NablaError({
    code: 'INVALID_DATA',
    message: `${rows.size === 1 ? 'one group' : `${rows.size} groups`} (${found}) cannot fill ${least} ${parts}`,
    place: `${where}.split: groups`,
    expected: `at least ${least} groups`,
    received: `${rows.size}: ${found}`,
    hint: `Ask for fewer ${parts}, or split without groups (groups: false).`,
  });
};

/** Whether all are below the number of rows; a loop, since a callback a row takes ten times as long. */
const areCodes = (values: Uint32Array): boolean => {
  let most = 0;
  for (let i = 0; i < values.length; i++) if ((values[i] as number) > most) most = values[i] as number;
  return most < values.length;
};

/** Codes of labels or groups by first appearance; indices that are codes already stay what they are. */
export const codesOf = (place: string, values: ArrayLike<string | number | boolean>, rows: number): Uint32Array => {
  const isList = Array.isArray(values) || (ArrayBuffer.isView(values) && 'length' in values);
  if (!isList || values.length !== rows) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `expected ${rows} values, one a row, got ${isList ? values.length : shown(values)}`,
      place,
      expected: `${rows} values`,
      received: isList ? `${values.length} values` : shown(values),
    });
  }
  // Small codes are taken as they are: the native side counts them in a table as long as the largest.
  if (values instanceof Uint32Array && areCodes(values)) return values;
  const known = new Map<string | number | boolean, number>();
  const codes = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) {
    const value = values[i] as string | number | boolean;
    let code = known.get(value);
    if (code === undefined) known.set(value, (code = known.size));
    codes[i] = code;
  }
  return codes;
};

const isRows = isInteger({ min: 1 });

/** Checks what a splitter is given. */
export const expectRows = (where: string, input: RowsToSplit, least = 1): void => {
  checkOptions(`${where}.split`, input, ['rows', 'labels', 'groups', 'names', 'spans']);
  expectArgument(`${where}.split`, 'rows', input.rows, isRows);
  if (input.rows < least) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `expected at least ${least} rows, got ${input.rows}`,
      place: `${where}.split`,
      expected: `at least ${least} rows`,
      received: `${input.rows} rows`,
    });
  }
  if (input.spans !== undefined) expectSpans(`${where}.split: spans`, input.rows, input.spans);
};

const expectSpans = (place: string, rows: number, { first, last }: NonNullable<RowsToSplit['spans']>): void => {
  const isRow = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 0xffffffff;
  const right = (row: number): boolean => isRow(first[row]) && isRow(last[row]) && (first[row] as number) <= (last[row] as number);
  let wrong = first?.length === rows && last?.length === rows ? -1 : 0;
  for (let row = 0; wrong < 0 && row < rows; row++) if (!right(row)) wrong = row;
  if (wrong < 0) return;
  throw new NablaError({
    code: 'INVALID_DATA',
    message: `expected the first and last row of ${rows} windows`,
    place: `${place}[${wrong}]`,
    expected: 'first and last with one row number a window, first ≤ last',
    received: `${shown(first?.[wrong])} and ${shown(last?.[wrong])}`,
  });
};

/** The labels that a splitter stratifies by: `'auto'` takes those that are there, `true` demands them. */
export const labelsToStratify = (where: string, stratify: boolean | 'auto', { rows, labels, spans }: RowsToSplit): Uint32Array | null => {
  // Windows of a series stay in their order, which shares of classes would break up.
  if (labels !== undefined && stratify === 'auto' && spans !== undefined) return null;
  if (labels !== undefined && stratify !== false) return codesOf('labels', labels, rows);
  if (stratify === true) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      message: 'expected labels to stratify by, got none: the target is not classes',
      place: `${where}: stratify`,
      expected: 'labels',
      received: 'none',
    });
  }
  return null;
};

/** `balance: 'groups'` needs groups that stay whole, and no shares of classes beside them. */
export const expectBalance = (where: string, balance: 'rows' | 'groups' | undefined, labels: unknown, groups: unknown): void => {
  if (balance !== 'groups' || (groups !== null && labels === null)) return;
  throw invalidOption(where, 'balance', "to be 'rows' where no groups stay whole, or classes are stratified", balance);
};

/** The groups that a splitter keeps whole: those that are there unless `false`; `true` demands them. */
export const groupsToKeep = (where: string, keep: boolean | undefined, { rows, groups }: RowsToSplit): Uint32Array | null => {
  if (groups !== undefined && keep !== false) return codesOf('groups', groups, rows);
  if (keep === true) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      message: 'expected groups to keep together, got none: the data set has no groups',
      place: `${where}: groups`,
      expected: 'groups',
      received: 'none',
    });
  }
  return null;
};

/** A seed for the n-th repetition: consecutive seeds of the user must not share repetitions. Odd multiplier of Weyl's sequence. */
export const repetitionSeed = (seed: number, repetition: number): number =>
  repetition === 0 ? seed : (seed + Math.imul(repetition, 0x9e3779b1) + 0x100000000) % 0x1fffffffffffff;

const rowsOf = (folds: Uint32Array, fold: number): number => {
  let held = 0;
  for (let row = 0; row < folds.length; row++) held += folds[row] === fold ? 1 : 0;
  return held;
};

/** Rows as `validation` where `folds[row]` is `fold`, the rest as `train`; both ascending. `held`: how many the fold has. */
export const splitByFold = (
  folds: Uint32Array,
  fold: number,
  held = rowsOf(folds, fold),
): { train: Uint32Array; validation: Uint32Array } => {
  const train = new Uint32Array(folds.length - held);
  const validation = new Uint32Array(held);
  callNative((n) => n.foldRows(folds, fold, train, validation));
  return { train, validation };
};

/** How many rows each of `k` folds has. */
export const foldSizes = (folds: Uint32Array, k: number): Uint32Array => {
  const sizes = new Uint32Array(k);
  for (let row = 0; row < folds.length; row++) {
    const fold = folds[row] as number;
    sizes[fold] = (sizes[fold] as number) + 1;
  }
  return sizes;
};
