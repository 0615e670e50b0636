import { expectArgument, isArrayLike, NablaError, shown } from '../errors/index.js';

/** The name of a class. */
export type Label = string | number | boolean;

/** Two lists of labels as indices into their sorted classes, as `numpy.unique` sorts them. */
export interface ClassIndices {
  readonly classes: readonly Label[];
  readonly truth: Uint32Array;
  readonly predicted: Uint32Array;
}

const fail = (
  place: string,
  message: string,
  expected: string,
  received: string,
  code: 'INVALID_DATA' | 'SHAPE_MISMATCH' = 'INVALID_DATA',
): never => {
  throw new NablaError({ code, place, message, expected, received });
};

const ascending = (a: Label, b: Label): number => (a < b ? -1 : a > b ? 1 : 0);

/** The classes in both lists. 0/1 and booleans are always two classes, also where only one of them occurs. */
const classesOf = (where: string, lists: readonly ArrayLike<Label>[]): Label[] => {
  const seen = new Set<Label>();
  for (const list of lists) for (let i = 0; i < list.length; i++) seen.add(list[i]!);
  const types = new Set([...seen].map((label) => typeof label));
  if (types.size > 1)
    fail(where, `labels and predictions mix ${[...types].join(' and ')}.`, 'labels of one type', [...types].join(' and '));
  for (const label of seen) {
    const ok = typeof label === 'string' || typeof label === 'boolean' || Number.isFinite(label);
    if (!ok)
      fail(where, `expected labels to be strings, numbers or booleans, got ${shown(label)}.`, 'strings, numbers or booleans', shown(label));
  }
  if (types.has('boolean')) return [false, true];
  const binary = [...seen].every((label) => label === 0 || label === 1);
  return binary ? [0, 1] : [...seen].sort(ascending);
};

/** @throws {NablaError} `SHAPE_MISMATCH` for lists of two lengths, `INVALID_DATA` for empty or mixed ones */
export const classIndices = (where: string, labels: ArrayLike<Label>, predictions: ArrayLike<Label>): ClassIndices => {
  expectArgument(where, 'labels', labels, isArrayLike);
  expectArgument(where, 'predictions', predictions, isArrayLike);
  const [m, n] = [labels.length, predictions.length];
  if (m !== n) fail(where, `${m} labels and ${n} predictions don't fit.`, `${m} predictions`, `${n} predictions`, 'SHAPE_MISMATCH');
  if (m === 0) fail(where, 'there are no labels.', 'at least one label', 'none');
  const classes = classesOf(where, [labels, predictions]);
  const index = new Map(classes.map((label, i) => [label, i]));
  const indices = (list: ArrayLike<Label>): Uint32Array => Uint32Array.from({ length: m }, (_, i) => index.get(list[i]!)!);
  return { classes, truth: indices(labels), predicted: indices(predictions) };
};
