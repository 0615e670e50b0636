import fc from 'fast-check';
import { Dataset, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import {
  crossValidate,
  holdOut,
  kFold,
  leaveOneGroupOut,
  leaveOneOut,
  leavePOut,
  predefinedSplit,
  type RowsToSplit,
  repeatedKFold,
  type Split,
  type Splitter,
  shuffleSplit,
  timeSeriesSplit,
} from 'nabla/validation';
import { describe, expect, it } from 'vitest';

/** Rows with or without labels and groups; at least seven rows, so that every splitter below has enough. */
const rowsToSplit: fc.Arbitrary<RowsToSplit & { readonly groups: readonly number[] }> = fc
  .tuple(fc.integer({ min: 7, max: 200 }), fc.integer({ min: 2, max: 5 }), fc.boolean(), fc.nat())
  .map(([rows, classes, labelled, salt]) => ({
    rows,
    // Each class has the five rows that five stratified folds need, the rest come by chance.
    ...(labelled && rows >= 5 * classes
      ? { labels: Array.from({ length: rows }, (_, i) => `c${(i < 5 * classes ? i : (i * 7919 + salt) >>> 3) % classes}`) }
      : {}),
    groups: Array.from({ length: rows }, (_, i) => i % 3),
  }));

const seeds = fc.nat(2 ** 31);

const splitters: { readonly name: string; readonly make: (seed: number) => Splitter; readonly covers: boolean }[] = [
  { name: 'kFold', make: (seed) => kFold({ k: 5, groups: false, seed }), covers: true },
  { name: 'kFold in order', make: (seed) => kFold({ k: 3, shuffle: false, stratify: false, groups: false, seed }), covers: true },
  { name: "kFold 'auto'", make: (seed) => kFold({ k: 'auto', stratify: false, groups: false, seed }), covers: true },
  { name: 'repeatedKFold', make: (seed) => repeatedKFold({ k: 3, repeats: 2, groups: false, seed }), covers: false },
  { name: 'holdOut', make: (seed) => holdOut({ validation: 0.25, stratify: false, groups: false, seed }), covers: false },
  { name: 'holdOut of rows', make: (seed) => holdOut({ validation: 2, stratify: false, groups: false, seed }), covers: false },
  { name: 'shuffleSplit', make: (seed) => shuffleSplit({ splits: 3, stratify: false, groups: false, seed }), covers: false },
  { name: 'kFold of groups', make: (seed) => kFold({ k: 3, stratify: false, seed }), covers: true },
  { name: 'kFold of groups, stratified', make: (seed) => kFold({ k: 3, seed }), covers: true },
  { name: 'holdOut of groups', make: (seed) => holdOut({ validation: 0.3, stratify: false, seed }), covers: false },
  {
    name: 'holdOut with train',
    make: (seed) => holdOut({ validation: 0.25, train: 0.4, stratify: false, groups: false, seed }),
    covers: false,
  },
  { name: 'leavePOut of groups', make: () => leavePOut({ p: 2, groups: true }), covers: false },
  { name: 'kFold of groups by count', make: (seed) => kFold({ k: 3, balance: 'groups', seed }), covers: true },
  { name: 'repeatedKFold of groups', make: (seed) => repeatedKFold({ k: 3, repeats: 2, stratify: false, seed }), covers: false },
  { name: 'holdOut of groups by count', make: (seed) => holdOut({ validation: 1, balance: 'groups', seed }), covers: false },
  { name: 'holdOut in order', make: (seed) => holdOut({ validation: 0.25, shuffle: false, groups: false, seed }), covers: false },
  { name: 'shuffleSplit, stratified', make: (seed) => shuffleSplit({ splits: 2, validation: 0.5, groups: false, seed }), covers: false },
  {
    name: 'shuffleSplit of groups by count',
    make: (seed) => shuffleSplit({ splits: 3, validation: 0.4, balance: 'groups', seed }),
    covers: false,
  },
  {
    name: 'predefinedSplit',
    make: (seed) => ({
      split: (rows) => predefinedSplit({ folds: Array.from({ length: rows.rows }, (_, i) => (i + seed) % 4) }).split(rows),
    }),
    covers: true,
  },
  {
    name: 'predefinedSplit with rows that always train',
    make: () => ({
      split: (rows) => predefinedSplit({ folds: Array.from({ length: rows.rows }, (_, i) => (i % 3) - 1) }).split(rows),
    }),
    covers: false,
  },
  // All pairs of two hundred rows take minutes: of the first seven.
  { name: 'leavePOut of rows', make: () => ({ split: () => leavePOut({ p: 2 }).split({ rows: 7 }) }), covers: false },
  { name: 'leaveOneOut', make: () => leaveOneOut(), covers: true },
  { name: 'leaveOneGroupOut', make: () => leaveOneGroupOut(), covers: true },
  { name: 'timeSeriesSplit', make: () => timeSeriesSplit({ k: 3 }), covers: false },
  { name: 'timeSeriesSplit of single rows', make: () => timeSeriesSplit({ k: 3, validation: 1, gap: 1 }), covers: false },
];

const all = (splitter: Splitter, rows: RowsToSplit): Split[] => [...splitter.split(rows)];
const sorted = (indices: Iterable<number>): number[] => [...indices].sort((a, b) => a - b);

describe.each(splitters)('$name', ({ make, covers }) => {
  it('keeps train and validation apart, within the rows, both not empty', () =>
    fc.assert(
      fc.property(rowsToSplit, seeds, (rows, seed) => {
        const splits = all(make(seed), rows);
        expect(splits.length).toBeGreaterThan(0);
        for (const { train, validation } of splits) {
          expect(train).toBeInstanceOf(Uint32Array);
          const seen = new Set([...train, ...validation]);
          expect(seen.size).toBe(train.length + validation.length);
          expect(Math.max(...seen)).toBeLessThan(rows.rows);
          expect(train.length).toBeGreaterThan(0);
          expect(validation.length).toBeGreaterThan(0);
        }
      }),
    ));

  it('gives the same for the same seed', () =>
    fc.assert(
      fc.property(rowsToSplit, seeds, (rows, seed) => {
        expect(all(make(seed), rows)).toEqual(all(make(seed), rows));
      }),
      { numRuns: 20 },
    ));

  if (covers)
    it('holds each row out exactly once', () =>
      fc.assert(
        fc.property(rowsToSplit, seeds, (rows, seed) => {
          const held = all(make(seed), rows).flatMap(({ validation }) => [...validation]);
          expect(sorted(held)).toEqual(Array.from({ length: rows.rows }, (_, i) => i));
        }),
      ));
});

describe('kFold', () => {
  it('makes the first rows mod k folds one row larger', () =>
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 12, max: 100 }), seeds, (k, rows, seed) => {
        const sizes = all(kFold({ k, seed }), { rows }).map(({ validation }) => validation.length);
        expect(sizes).toEqual(Array.from({ length: k }, (_, i) => Math.floor(rows / k) + (i < rows % k ? 1 : 0)));
      }),
    ));

  it('keeps class counts and sizes within one, when stratified', () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 120 }), fc.integer({ min: 2, max: 7 }), seeds, (more, k, seed) => {
        const labels = [...more, ...['a', 'b', 'c'].flatMap((name) => Array<string>(7).fill(name))];
        const folds = all(kFold({ k, seed }), { rows: labels.length, labels });
        for (const name of ['a', 'b', 'c']) {
          const counts = folds.map(({ validation }) => validation.reduce((n, row) => n + Number(labels[row] === name), 0));
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
        const sizes = folds.map(({ validation }) => validation.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    ));

  it('takes contiguous blocks when it does not shuffle', () => {
    expect(all(kFold({ k: 2, shuffle: false }), { rows: 5 })).toEqual([
      { train: Uint32Array.of(3, 4), validation: Uint32Array.of(0, 1, 2) },
      { train: Uint32Array.of(0, 1, 2), validation: Uint32Array.of(3, 4) },
    ]);
  });

  it('has another order for another seed', () => {
    expect(all(kFold({ seed: 1 }), { rows: 100 })).not.toEqual(all(kFold({ seed: 2 }), { rows: 100 }));
  });

  it('is the first repetition of repeatedKFold', () => {
    const repeated = all(repeatedKFold({ k: 4, repeats: 3, seed: 5 }), { rows: 22 });
    expect(repeated.length).toBe(12);
    expect(repeated.slice(0, 4)).toEqual(all(kFold({ k: 4, seed: 5 }), { rows: 22 }));
    expect(repeated.slice(4, 8)).not.toEqual(repeated.slice(0, 4));
  });
});

describe('groups', () => {
  const whole = [
    kFold({ k: 3, balance: 'groups' }),
    holdOut({ validation: 1, balance: 'groups' }),
    shuffleSplit({ splits: 2, validation: 0.4, balance: 'groups' }),
    kFold({ k: 3, stratify: false }),
    kFold({ k: 3 }),
    repeatedKFold({ k: 2, repeats: 2, stratify: false }),
    holdOut({ validation: 0.3, stratify: false }),
    shuffleSplit({ splits: 2, validation: 0.3, stratify: false }),
    leaveOneGroupOut(),
    leavePOut({ p: 2, groups: true }),
  ];
  it.each(whole.map((splitter, i) => [i, splitter] as const))('stay on one side: %i', (_, splitter) =>
    fc.assert(
      fc.property(rowsToSplit, (rows) => {
        for (const { train, validation } of splitter.split(rows)) {
          const left = new Set([...train].map((row) => rows.groups[row]));
          for (const row of validation) expect(left.has(rows.groups[row]!)).toBe(false);
        }
      }),
    ),
  );

  /** Sizes of scikit-learn 1.9's `GroupKFold(3)` on these groups, in its order of folds. */
  it('fill folds as GroupKFold does', () => {
    const groups = [9, 7, 5, 4, 4, 3, 2].flatMap((size, group) => Array<number>(size).fill(group));
    const sizes = all(kFold({ k: 3, shuffle: false, stratify: false }), { rows: groups.length, groups }).map(
      ({ validation }) => validation.length,
    );
    expect(sorted(sizes)).toEqual([11, 11, 12]);
  });

  it('that are stratified too keep class shares where groups allow it', () => {
    // Twelve groups of ten rows, half of them all 'a', half all 'b'.
    const rows = 120;
    const groups = Array.from({ length: rows }, (_, row) => Math.floor(row / 10));
    const labels = groups.map((group) => (group % 2 === 0 ? 'a' : 'b'));
    for (const { validation } of kFold({ k: 3 }).split({ rows, labels, groups })) {
      expect(validation.filter((row) => labels[row] === 'a').length).toBe(20);
      expect(validation.length).toBe(40);
    }
  });

  it('differ from one repetition to the next', () => {
    // Groups of sizes that all differ: the heaviest first would make the same folds each time.
    const groups = Array.from({ length: 12 }, (_, group) => Array<number>(group + 1).fill(group)).flat();
    const rows = groups.length;
    const splits = all(repeatedKFold({ k: 3, repeats: 4 }), { rows, groups });
    expect(new Set(splits.map(({ validation }) => validation.join())).size).toBe(12);
    for (const { validation } of splits) expect(new Set([...validation].map((row) => groups[row])).size).toBe(4);
  });

  it('by count are refused where there are none, or classes are stratified', () => {
    const labels = Array.from({ length: 30 }, (_, i) => i % 2);
    const groups = Array.from({ length: 30 }, (_, i) => i % 6);
    for (const [options, more] of [
      [{ balance: 'groups' }, {}],
      [
        { balance: 'groups', stratify: true },
        { labels, groups },
      ],
      [{ balance: 'groups', groups: false }, { groups }],
    ] as const) {
      for (const splitter of [kFold({ k: 3, ...options }), holdOut(options), shuffleSplit(options)])
        expect(() => all(splitter, { rows: 30, ...more })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
    }
  });

  it('are demanded, or missing groups are an error', () => {
    for (const splitter of [kFold({ groups: true }), repeatedKFold({ groups: true }), holdOut({ groups: true })]) {
      expect(() => all(splitter, { rows: 30 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
    }
    expect(() => all(kFold({ k: 5 }), { rows: 30, groups: Array.from({ length: 30 }, (_, i) => i % 4) })).toThrow(/4 groups/);
    expect(() => all(leavePOut({ p: 3, groups: true }), { rows: 30, groups: Array.from({ length: 30 }, (_, i) => i % 3) })).toThrow(
      /3 groups \("0", "1", "2"\) cannot fill 4 parts/,
    );
  });
});

describe('what cannot be split is named', () => {
  const labels = [...Array<string>(20).fill('common'), 'rare', 'rare'];
  it('a class of fewer rows than folds or parts', () => {
    for (const splitter of [kFold({ k: 3 }), kFold({ k: 3, stratify: true }), repeatedKFold({ k: 3, repeats: 1 })])
      expect(() => all(splitter, { rows: 22, labels })).toThrow(/class "rare" has 2 rows, too few to be in each of 3 folds/);
    for (const splitter of [holdOut(), shuffleSplit()])
      expect(() => all(splitter, { rows: 21, labels: labels.slice(0, 21) })).toThrow(/class "rare" has one row, too few .* 2 parts/);
    expect(all(kFold({ k: 3, stratify: false }), { rows: 22, labels }).length).toBe(3);
  });

  it('by the names of a data set', async () => {
    const data = Dataset.from({ features: labels.map((_, i) => [i]), targets: labels, groups: labels.map((_, i) => `site ${i % 2}`) });
    const trainer = new Trainer({ model: sequential([dense(2)]), loss: 'crossEntropy', epochs: 1 });
    await expect(crossValidate(trainer, data, { splitter: kFold({ k: 4, groups: false }) })).rejects.toThrow(/class "rare" has 2 rows/);
    await expect(crossValidate(trainer, data, { splitter: kFold({ k: 3, stratify: false }) })).rejects.toThrow(
      /2 groups \("site 0", "site 1"\) cannot fill 3 folds/,
    );
    await expect(crossValidate(trainer, data, { splitter: kFold({ k: 23, groups: false, stratify: false }) })).rejects.toThrow(/22 rows/);
    expect(() => data.split({ stratify: true, groups: false })).toThrow(/class "rare" has 2 rows, too few to be in each of 3 parts/);
  });

  it('folds that are no numbers', () => {
    expect(() => predefinedSplit({ folds: [0, 1, 0.5] })).toThrow(/folds\[2\]/);
    expect(() => all(predefinedSplit({ folds: [0, 1] }), { rows: 3 })).toThrow(/3 folds, one a row/);
    expect(() => all(predefinedSplit({ folds: [0, 0] }), { rows: 2 })).toThrow(/fold 0 in every row/);
    expect(() => predefinedSplit({} as never)).toThrow(/folds/);
  });
});

describe('leavePOut', () => {
  it('leaves each set of p rows out once', () => {
    const sets = all(leavePOut({ p: 2 }), { rows: 4 }).map(({ validation }) => [...validation]);
    expect(sets).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
      [2, 3],
    ]);
    expect([...leavePOut({ p: 3 }).split({ rows: 8 })].length).toBe(56);
    expect(all(leavePOut({ p: 1 }), { rows: 5 })).toEqual(all(leaveOneOut(), { rows: 5 }));
  });
});

describe('timeSeriesSplit', () => {
  it('trains on the past, after a gap, in a window', () => {
    const plain = (options: Parameters<typeof timeSeriesSplit>[0]) =>
      all(timeSeriesSplit(options), { rows: 12 }).map(({ train, validation }) => [[...train], [...validation]]);
    expect(plain({ k: 3 })).toEqual([
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
      [
        [0, 1, 2, 3, 4, 5],
        [6, 7, 8],
      ],
      [
        [0, 1, 2, 3, 4, 5, 6, 7, 8],
        [9, 10, 11],
      ],
    ]);
    expect(plain({ k: 3, sliding: true, gap: 1 })).toEqual([
      [
        [0, 1],
        [3, 4, 5],
      ],
      [
        [3, 4],
        [6, 7, 8],
      ],
      [
        [6, 7],
        [9, 10, 11],
      ],
    ]);
    expect(plain({ k: 2, window: 3 })).toEqual([
      [
        [1, 2, 3],
        [4, 5, 6, 7],
      ],
      [
        [5, 6, 7],
        [8, 9, 10, 11],
      ],
    ]);
  });
});

describe('data.split', () => {
  it('keeps the order when it does not shuffle, and counts groups', () => {
    const { train, test } = data(20).split({ ratios: { train: 0.75, test: 0.25 }, shuffle: false });
    expect([ids(train), ids(test)]).toEqual([Array.from({ length: 15 }, (_, i) => i), [15, 16, 17, 18, 19]]);
    const groups = Array.from({ length: 12 }, (_, group) => Array<number>(group + 1).fill(group)).flat();
    const grouped = Dataset.from({ features: groups.map((_, i) => [i]), targets: groups, groups });
    const parts = grouped.split({ counts: { validation: 3, test: 2 }, balance: 'groups' });
    expect(Object.values(parts).map((part) => new Set(part.groups()).size)).toEqual([7, 3, 2]);
    expect(() => grouped.split({ counts: { test: 13 }, balance: 'groups' })).toThrow(/at most the 12 groups/);
    expect(() => data(20).split({ balance: 'groups' })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });

  const data = (rows: number, classes = 3) =>
    Dataset.from({
      features: Array.from({ length: rows }, (_, i) => [i]),
      targets: Array.from({ length: rows }, (_, i) => `c${i % classes}`),
    });
  const ids = (part: Dataset): number[] => Array.from(part.features());

  it.each([
    [10, 'full', [6, 2, 2]],
    [1797, 'full', [1079, 359, 359]],
    [100, 'light', [70, 10, 20]],
    [60_000, 'full', [40_000, 10_000, 10_000]],
  ] as const)("'auto' of %i rows, tuning %s: %j", (rows, tuning, sizes) => {
    const { train, validation, test } = data(rows).split({ tuning });
    expect([train.rows, validation.rows, test.rows]).toEqual(sizes);
  });

  it('makes exact sizes without an index twice', () =>
    fc.assert(
      fc.property(fc.integer({ min: 9, max: 200 }), fc.boolean(), seeds, (rows, stratify, seed) => {
        const { train, validation, test } = data(rows).split({ ratios: { train: 0.6, validation: 0.2, test: 0.2 }, stratify, seed });
        expect(validation.rows).toBe(Math.round(0.2 * rows));
        expect(test.rows).toBe(Math.round(0.2 * rows));
        expect(new Set([...ids(train), ...ids(validation), ...ids(test)]).size).toBe(train.rows + validation.rows + test.rows);
      }),
    ));

  it('keeps class shares within one row when stratified', () =>
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 200 }), seeds, (rows, seed) => {
        const whole = data(rows);
        const parts = Object.values(whole.split({ ratios: 'auto', stratify: true, seed }));
        for (const name of whole.classes) {
          const share = whole.labels().filter((label) => label === name).length / rows;
          for (const part of parts)
            expect(Math.abs(part.labels().filter((label) => label === name).length - share * part.rows)).toBeLessThanOrEqual(1);
        }
      }),
    ));

  it('counts, and leaves out parts that are not asked for', () => {
    const parts = data(50).split({ counts: { test: 20 } });
    expect(Object.keys(parts)).toEqual(['train', 'test']);
    expect([parts.train.rows, parts.test.rows]).toEqual([30, 20]);
    // @ts-expect-error there is no such part
    expect(parts.validation).toBeUndefined();
    expect(Object.keys(data(50).split({ tuning: 'none' }))).toEqual(['train', 'test']);
  });

  it('keeps groups together', () => {
    const rows = 90;
    const groups = Array.from({ length: rows }, (_, i) => `g${i % 15}`);
    const grouped = Dataset.from({
      features: Array.from({ length: rows }, (_, i) => [i]),
      targets: Array.from({ length: rows }, (_, i) => i),
      groups,
    });
    const { train, validation, test } = grouped.split({ ratios: 'auto', seed: 3 });
    const names = [train, validation, test].map((part) => new Set(ids(part).map((i) => groups[i])));
    const [a, b, c] = names as [Set<string>, Set<string>, Set<string>];
    for (const name of a) expect(b.has(name) || c.has(name)).toBe(false);
    for (const name of b) expect(c.has(name)).toBe(false);
  });
});
