/** Windows of a series, and how splitters keep apart what overlaps. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Dataset, ridge, sequential, Trainer } from 'nabla';
import { dense, flatten } from 'nabla/layers';
import {
  crossValidate,
  holdOut,
  kFold,
  leaveOneOut,
  leavePOut,
  type RowsToSplit,
  type Splitter,
  shuffleSplit,
  timeSeriesSplit,
} from 'nabla/validation';
import { describe, expect, it } from 'vitest';

const code = (value: string) => expect.objectContaining({ code: value }) as Error;
/** Month t is t. */
const months = (rows: number) => Dataset.from({ features: { month: Array.from({ length: rows }, (_, t) => t) } });

describe('windows', () => {
  it('hold consecutive rows, and what follows as the target', () => {
    const windows = months(10).windows({ length: 3, horizon: 2, target: 'month', stride: 2, gap: 1 });
    expect([windows.rows, windows.sampleShape]).toEqual([3, [3, 1]]);
    expect([...windows.features()]).toEqual([0, 1, 2, 2, 3, 4, 4, 5, 6]);
    expect([...windows.targets()]).toEqual([4, 5, 6, 7, 8, 9]);
  });

  it('predict the target of the series by default, and its classes', () => {
    const series = Dataset.from({ features: [[1], [2], [3], [4]], targets: ['up', 'up', 'down', 'up'], weights: [1, 2, 3, 4] });
    const windows = series.windows({ length: 2 });
    expect(windows.labels()).toEqual(['down', 'up']);
    expect([...(windows.weights() ?? [])]).toEqual([3, 4]);
  });

  it('stay within their group and within what select left together', () => {
    const two = Dataset.from({ features: [[0], [1], [2], [10], [11], [12]], groups: ['a', 'a', 'a', 'b', 'b', 'b'] });
    const windows = two.windows({ length: 2, target: 'x0' });
    expect([...windows.targets()]).toEqual([2, 12]);
    expect([...(windows.groups() ?? [])]).toEqual([0, 1]);
    const holed = months(7).select([0, 1, 2, 4, 5, 6]).windows({ length: 2, target: 'month' });
    expect([...holed.targets()]).toEqual([2, 6]);
  });

  it('cannot be cut from what is no series', () => {
    const cut = (series: Dataset, options: object) => () => series.windows({ length: 2, target: 'month', ...options });
    expect(cut(months(2), {})).toThrow(/no 3 rows follow/);
    expect(cut(months(9).select([4, 2, 3]), {})).toThrow(/order of time/);
    expect(cut(months(9), { target: 'mouth' })).toThrow(/Did you mean "month"/);
    expect(cut(months(9), { target: undefined })).toThrow(code('INVALID_OPTION'));
    expect(cut(months(9), { length: 0 })).toThrow(code('INVALID_OPTION'));
    expect(cut(months(9), { lenght: 2 })).toThrow(/length/);
    expect(cut(months(9).windows({ length: 2, target: 'month' }), {})).toThrow(/rows of columns/);
    const words = Dataset.from({ features: { month: ['a', 'b', 'c'], value: [1, 2, 3] } });
    expect(cut(words, { target: 'value' })).toThrow(/category/);
    const holes = Dataset.from({ features: { month: [1, 2, 3, null, 5] } });
    expect(cut(holes, {})).toThrow(/row 3/);
  });
});

/** The rows of the series that samples were made of. */
const spansOf = (length: number, count: number, stride: number) => ({
  first: Uint32Array.from({ length: count }, (_, i) => i * stride),
  last: Uint32Array.from({ length: count }, (_, i) => i * stride + length - 1),
});

const splitters: readonly (readonly [string, Splitter])[] = [
  ['kFold', kFold({ k: 4 })],
  ['kFold shuffled', kFold({ k: 4, shuffle: true })],
  ['holdOut', holdOut({ validation: 0.2 })],
  ['shuffleSplit', shuffleSplit({ splits: 2, validation: 2 })],
  ['leaveOneOut', leaveOneOut()],
  ['leavePOut', leavePOut({ p: 1 })],
  ['timeSeriesSplit', timeSeriesSplit({ k: 3 })],
  ['timeSeriesSplit sliding', timeSeriesSplit({ k: 3, sliding: true })],
];

describe.each(splitters)('%s of windows', (_, splitter) => {
  it('leaves out exactly what shares a row with what is held out', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 40, max: 60 }),
        (length, stride, rows) => {
          const spans = spansOf(length, rows, stride);
          const input: RowsToSplit = { rows, spans };
          // With windows of single rows nothing overlaps: what the splitter would give without purging, in the same order.
          const apart: RowsToSplit = { rows, spans: spansOf(1, rows, 1) };
          let wanted: { train: Uint32Array; validation: Uint32Array }[];
          try {
            wanted = [...splitter.split(apart)];
            let at = 0;
            for (const { train, validation } of splitter.split(input)) {
              const full = wanted[at++]!;
              expect(validation).toEqual(full.validation);
              const held = new Set([...validation].flatMap((row) => Array.from({ length }, (_, i) => spans.first[row]! + i)));
              const free = (row: number) => Array.from({ length }, (_, i) => spans.first[row]! + i).every((each) => !held.has(each));
              expect([...train]).toEqual([...full.train].filter(free));
            }
          } catch (error) {
            // Shuffled windows may all overlap: then it is said.
            expect(String(error)).toMatch(/shares rows of the series/);
          }
        },
      ),
      { numRuns: 40 },
    ));
});

describe('a data set of windows', () => {
  const windows = months(200).windows({ length: 10, target: 'month' });
  const rowsOf = (data: Dataset): Set<number> => {
    const [features, targets] = [data.features(), data.targets()];
    return new Set([...features, ...targets]);
  };
  const apart = (a: Dataset, b: Dataset): boolean => [...rowsOf(a)].every((row) => !rowsOf(b).has(row));

  it('is split in time, the parts without a row in common', () => {
    const { train, validation, test } = windows.split({ ratios: 'auto' });
    expect(apart(train, validation) && apart(train, test) && apart(validation, test)).toBe(true);
    expect(Math.max(...rowsOf(train))).toBeLessThan(Math.min(...rowsOf(validation)));
    expect(Math.max(...rowsOf(validation))).toBeLessThan(Math.min(...rowsOf(test)));
    expect(test.rows).toBe(38);
  });

  it('is cross-validated without overlaps, and a splitter that leaves some is refused', async () => {
    const flat = Dataset.from({ features: windows.features(), shape: [windows.rows, 10], targets: windows.targets() });
    expect(flat.rows).toBe(windows.rows);
    const report = await crossValidate(ridge(), windows, { splitter: kFold({ k: 5 }) });
    expect(report.folds.map(({ trainRows }) => trainRows)).toEqual([142, 132, 132, 132, 142]);
    const leaky: Splitter = {
      *split({ rows }) {
        yield {
          train: Uint32Array.from({ length: rows - 20 }, (_, i) => i),
          validation: Uint32Array.from({ length: 20 }, (_, i) => rows - 20 + i),
        };
      },
    };
    await expect(crossValidate(ridge(), windows, { splitter: leaky })).rejects.toThrow(/share rows of the series/);
    // The same splitter on rows that overlap with nothing is fine.
    await crossValidate(ridge(), flat, { splitter: leaky });
  });

  it('is stopped early by its last rows', async () => {
    const trainer = new Trainer({
      model: sequential([flatten(), dense(1)]),
      loss: 'meanSquaredError',
      epochs: 2,
      earlyStopping: { validationFraction: 0.2 },
    });
    const fitted = await trainer.fit(windows);
    // Values grow with time, so the last rows have the greater errors by far; rows at random would have those of training.
    const { train, validation } = fitted.history[0]!;
    expect(validation!.loss).toBeGreaterThan(1.5 * train.loss);
  });
});

it('real months: 2,784 windows of 2,820 sunspots', async () => {
  const path = `${process.env.NABLA_DATA}/tabular/sunspots.csv`;
  if (process.env.NABLA_DATA === undefined) return;
  const series = await Dataset.fromCsv(path, { drop: ['month'] });
  const windows = series.windows({ length: 36, target: 'sunspots' });
  expect(windows.rows).toBe(2784);
  const last = readFileSync(path, 'utf8').trim().split('\n').at(-1)!.split(',')[1];
  expect(windows.targets().at(-1)).toBe(Number(last));
});
