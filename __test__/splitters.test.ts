/** Splitters are those of scikit-learn: the rows where nothing is random, else sizes and counts of each part. */
import { readFileSync } from 'node:fs';
import {
  holdOut,
  kFold,
  leaveOneGroupOut,
  leaveOneOut,
  leavePOut,
  predefinedSplit,
  repeatedKFold,
  type Splitter,
  shuffleSplit,
  timeSeriesSplit,
} from 'nabla/validation';
import { expect, it } from 'vitest';

const makers = { holdOut, kFold, leaveOneGroupOut, leaveOneOut, leavePOut, predefinedSplit, repeatedKFold, shuffleSplit, timeSeriesSplit };

interface Case {
  readonly twin: string;
  readonly splitter: keyof typeof makers;
  readonly options: object;
  readonly rows: number;
  readonly labels?: readonly number[];
  readonly groups?: readonly number[];
  /** Nothing is random: the same rows. */
  readonly exact: boolean;
  /** The splits come in the same order; else the same splits in some order (ties between groups are broken otherwise). */
  readonly ordered: boolean;
  /** What is compared of sizes: those of groups alone where their rows differ. */
  readonly only?: 'groups';
  readonly splits: readonly {
    readonly train: number[] | number;
    readonly validation: number[] | number;
    readonly classes: number[];
    readonly trainClasses: number[];
    readonly groups: number;
  }[];
}
const { cases } = JSON.parse(readFileSync(new URL('fixtures/splitters.json', import.meta.url), 'utf8')) as { cases: Case[] };

it.each(cases.map((each) => [`${each.twin}, ${each.rows} rows: ${JSON.stringify(each.options)}`, each] as const))('%s', (_, each) => {
  const { rows, labels, groups, exact, ordered, only } = each;
  const splitter = (makers[each.splitter] as (options: object) => Splitter)(each.options);
  const found = [...splitter.split({ rows, ...(labels && { labels }), ...(groups && { groups }) })];
  if (exact) {
    expect(found.map(({ train, validation }) => ({ train: [...train], validation: [...validation] }))).toEqual(each.splits);
    return;
  }
  const counts = (part: Uint32Array): number[] => {
    const classes = new Array<number>(labels === undefined ? 0 : Math.max(...labels) + 1).fill(0);
    if (labels !== undefined) for (const row of part) classes[labels[row]!]!++;
    return classes;
  };
  const held = (part: Uint32Array): number => (groups === undefined ? 0 : new Set([...part].map((row) => groups[row])).size);
  const sizes = found.map(({ train, validation }) => ({
    train: train.length,
    validation: validation.length,
    classes: counts(validation),
    trainClasses: counts(train),
    groups: held(validation),
  }));
  if (only === 'groups') expect(sizes.map((size) => size.groups)).toEqual(each.splits.map((split) => split.groups));
  else if (ordered) expect(sizes).toEqual(each.splits);
  else {
    // Which of two groups of one size comes first is another's choice: the sizes of folds are not.
    const plain = (splits: readonly { readonly validation: unknown }[]) =>
      splits.map(({ validation }) => validation as number).sort((a, b) => a - b);
    expect(plain(sizes)).toEqual(plain(each.splits));
  }
});

it('has a twin for each splitter', () => {
  expect(new Set(cases.map(({ splitter }) => splitter))).toEqual(new Set(Object.keys(makers)));
});
