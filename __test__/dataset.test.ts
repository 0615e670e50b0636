import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import fc from 'fast-check';
import { Dataset } from 'nabla';
import { minMax, standardize } from 'nabla/data';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'nabla-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe('Dataset.from', () => {
  const forms = {
    'nested arrays': Dataset.from({
      features: [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      targets: ['b', 'a', 'b'],
    }),
    'rows that are typed arrays': Dataset.from({
      features: [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(5, 6)],
      targets: ['b', 'a', 'b'],
    }),
    'a typed array with a shape': Dataset.from({ features: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2], targets: ['b', 'a', 'b'] }),
    'a typed array whose rows the targets count': Dataset.from({ features: Float64Array.of(1, 2, 3, 4, 5, 6), targets: ['b', 'a', 'b'] }),
    bytes: Dataset.from({ features: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2], targets: ['b', 'a', 'b'] }),
    integers: Dataset.from({ features: Int16Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2], targets: ['b', 'a', 'b'] }),
    'rows as objects': Dataset.from({
      features: [
        { x: 1, y: 2 },
        { x: 3, y: 4 },
        { x: 5, y: 6 },
      ],
      targets: ['b', 'a', 'b'],
    }),
    'a column of the rows as target': Dataset.from({
      features: [
        { x: 1, y: 2, c: 'b' },
        { x: 3, y: 4, c: 'a' },
        { x: 5, y: 6, c: 'b' },
      ],
      targets: 'c',
    }),
    'an object of columns': Dataset.from({ features: { x: [1, 3, 5], y: Float32Array.of(2, 4, 6), c: ['b', 'a', 'b'] }, targets: 'c' }),
  };

  it.each(Object.entries(forms))('takes %s', (_, data) => {
    expect(data.rows).toBe(3);
    expect(data.sampleShape).toEqual([2]);
    expect(data.columns.length).toBe(2);
    expect(data.features()).toEqual(Float64Array.of(1, 2, 3, 4, 5, 6));
    expect(data.classes).toEqual(['a', 'b']);
    expect(data.labels()).toEqual(['b', 'a', 'b']);
    expect(data.targets()).toEqual(Float64Array.of(1, 0, 1));
  });

  it('makes classes of text, booleans, and of numbers on request', () => {
    const features = [[0], [1], [2]];
    expect(Dataset.from({ features, targets: [true, false, true] }).classes).toEqual(['false', 'true']);
    expect(Dataset.from({ features, targets: [10, 9, 10], task: 'classification' }).classes).toEqual(['9', '10']);
    expect(Dataset.from({ features, targets: [10, 9, 10] }).classes).toEqual([]);
    expect(Dataset.from({ features, targets: ['y', 'n', 'y'], positiveClass: 'n' }).classes).toEqual(['y', 'n']);
    expect(Dataset.from({ features, targets: ['y', 'n', 'y'], classes: ['y', 'n', 'maybe'] }).classes).toEqual(['y', 'n', 'maybe']);
  });

  it('keeps several targets a row, weights, groups and images', () => {
    const data = Dataset.from({
      features: [
        [
          [[1], [2]],
          [[3], [4]],
        ],
        [
          [[5], [6]],
          [[7], [8]],
        ],
      ],
      targets: [
        [1, 2],
        [3, 4],
      ],
      weights: [1, 0.5],
      groups: ['p', 'q'],
    });
    expect(data.sampleShape).toEqual([2, 2, 1]);
    expect(data.targets()).toEqual(Float64Array.of(1, 2, 3, 4));
    expect(data.weights()).toEqual(Float64Array.of(1, 0.5));
    expect(data.groups()).toEqual(Uint32Array.of(0, 1));
  });

  it('keeps missing cells and categories', () => {
    const data = Dataset.from({
      features: [
        { cut: 'good', size: 1 },
        { cut: null, size: null },
        { cut: 'fair', size: 3 },
      ],
    });
    expect(data.columns).toEqual([
      { name: 'cut', kind: 'category', levels: ['fair', 'good'] },
      { name: 'size', kind: 'number' },
    ]);
    expect(Array.from(data.features())).toEqual([1, 1, Number.NaN, Number.NaN, 0, 3]);
    const { columns } = data.describe();
    expect(columns.map(({ missing }) => missing)).toEqual([1, 1]);
  });

  it('does not see later changes of the array it was made of', () => {
    const features = Float32Array.of(1, 2);
    const data = Dataset.from({ features, shape: [2, 1] });
    features[0] = 9;
    expect(Array.from(data.features())).toEqual([1, 2]);
    data.features()[0] = 9;
    expect(Array.from(data.features())).toEqual([1, 2]);
  });
});

describe('views', () => {
  const data = Dataset.from({ features: Array.from({ length: 20 }, (_, i) => [i, -i]), targets: Array.from({ length: 20 }, (_, i) => i) });

  it('selects rows in any order, more than once, and views of views', () =>
    fc.assert(
      fc.property(fc.array(fc.nat(19), { minLength: 1 }), fc.array(fc.nat(1e6), { minLength: 1 }), (first, then) => {
        const view = data.select(first);
        expect(Array.from(view.targets())).toEqual(first);
        const second = then.map((i) => i % first.length);
        expect(Array.from(view.select(second).targets())).toEqual(second.map((i) => first[i]));
        expect(view.select(second).rows).toBe(second.length);
      }),
    ));

  it('takes the first rows', () => {
    expect(Array.from(data.take(3).targets())).toEqual([0, 1, 2]);
  });
});

describe('built-in data', () => {
  it.each([
    ['digits', 1797, 64, 10],
    ['iris', 150, 4, 3],
    ['diabetes', 442, 10, 0],
  ] as const)('%s', async (name, rows, width, classes) => {
    const data = await Dataset.builtin(name);
    expect([data.rows, data.columns.length, data.classes.length]).toEqual([rows, width, classes]);
    expect(String(data.describe())).toContain(`${rows} rows`);
  });
});

describe('files', () => {
  it('reads CSV: kinds, missing cells, quotes', async () => {
    const path = file('cars.csv', 'name,size,cut,price\n"a, b",1.5,good,10\nc,,fair,20\nd,3,good,30\n');
    const data = await Dataset.fromCsv(path, { target: 'price', drop: ['name'] });
    expect(data.columns).toEqual([
      { name: 'size', kind: 'number' },
      { name: 'cut', kind: 'category', levels: ['fair', 'good'] },
    ]);
    expect(Array.from(data.targets())).toEqual([10, 20, 30]);
    expect(Array.from(data.features())).toEqual([1.5, 1, Number.NaN, 0, 3, 1]);
  });

  it('says line and column of what is wrong in a CSV', async () => {
    await expect(Dataset.fromCsv(file('short.csv', 'a,b\n1,2\n3\n'))).rejects.toMatchObject({
      code: 'DATA_FORMAT',
      place: expect.stringMatching(/line 3/),
    });
    await expect(Dataset.fromCsv(join(folder, 'missing.csv'))).rejects.toMatchObject({ code: 'IO' });
    await expect(Dataset.fromCsv(file('ok.csv', 'a,b\n1,2\n'), { target: 'c' })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  const header = (type: number, ...sizes: number[]): Buffer => {
    const bytes = Buffer.alloc(4 + 4 * sizes.length);
    bytes.set([0, 0, type, sizes.length]);
    sizes.forEach((size, i) => bytes.writeUInt32BE(size, 4 + 4 * i));
    return bytes;
  };

  it('reads IDX, plain and gzip', async () => {
    const images = Buffer.concat([header(8, 2, 2, 3), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])]);
    const labels = Buffer.concat([header(8, 2), Buffer.from([7, 3])]);
    for (const pack of [(bytes: Buffer) => bytes, (bytes: Buffer) => gzipSync(bytes)]) {
      const data = await Dataset.fromIdx(file('images', pack(images)), { labels: file('labels', pack(labels)) });
      expect(data.sampleShape).toEqual([2, 3, 1]);
      expect(Array.from(data.features())).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      expect(data.labels()).toEqual(['7', '3']);
    }
    await expect(Dataset.fromIdx(file('cut', images.subarray(0, 20)))).rejects.toMatchObject({ code: 'DATA_FORMAT' });
  });
});

describe('preparation alone', () => {
  // Differences of subnormal numbers are refused: 1 over their spread is no double.
  const cell = fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => (Math.abs(value) < 1e-100 ? 0 : value));
  const matrix = fc.tuple(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 1, max: 5 })).chain(([rows, width]) =>
    fc.array(fc.array(cell, { minLength: width, maxLength: width }), {
      minLength: rows,
      maxLength: rows,
    }),
  );
  const column = (rows: readonly (readonly number[])[], j: number): number[] => rows.map((row) => row[j] as number);

  it('standardize: mean 0, deviation 1 (or 0), and back', () =>
    fc.assert(
      fc.property(matrix, (rows) => {
        const scaler = standardize().fit(rows);
        const z = scaler.transform(rows);
        for (let j = 0; j < (rows[0] as number[]).length; j++) {
          const values = column(z, j);
          const mean = values.reduce((a, b) => a + b, 0) / values.length;
          const deviation = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
          const spread = Math.max(...column(rows, j)) - Math.min(...column(rows, j));
          const size = Math.max(...column(rows, j).map(Math.abs));
          // Where a column spreads over a few ulps of its size only, its deviation has no digits.
          if (spread > 1e-6 * size) {
            expect(Math.abs(mean)).toBeLessThan(1e-6);
            expect(Math.abs(deviation - 1)).toBeLessThan(1e-6);
          }
        }
        const back = scaler.inverse(z);
        rows.forEach((row, i) =>
          row.forEach((value, j) =>
            expect(Math.abs(value - (back[i]?.[j] ?? 0))).toBeLessThanOrEqual(1e-9 * Math.max(1, ...column(rows, j).map(Math.abs))),
          ),
        );
      }),
    ));

  it('minMax: within its range, and touching both ends', () =>
    fc.assert(
      fc.property(matrix, (rows) => {
        const y = minMax({ low: -1, high: 1 }).fit(rows).transform(rows);
        for (let j = 0; j < (rows[0] as number[]).length; j++) {
          const values = column(y, j);
          const raw = column(rows, j);
          const range = Math.max(...raw) - Math.min(...raw) || 1;
          // One unit in the last place of a value, seen through the factor.
          const rounding = 1e-12 + (8 * Number.EPSILON * Math.max(...raw.map(Math.abs))) / range;
          expect(Math.abs(Math.min(...values) + 1)).toBeLessThan(rounding);
          if (new Set(raw).size > 1) expect(Math.abs(Math.max(...values) - 1)).toBeLessThan(rounding);
        }
      }),
    ));

  it('takes flat arrays with their width, and gives back what it got', () => {
    const scaler = minMax().fit(Float32Array.of(0, 10, 10, 30), { width: 2 });
    expect(scaler.transform(Float32Array.of(5, 20))).toEqual(Float32Array.of(0.5, 0.5));
    expect(scaler.transform(Float64Array.of(5, 20))).toEqual(Float64Array.of(0.5, 0.5));
    expect(scaler.transform([5, 20])).toEqual([0.5, 0.5]);
    expect(scaler.transform([[5, 20]])).toEqual([[0.5, 0.5]]);
    expect(scaler.inverse([[0.5, 0.5]])).toEqual([[5, 20]]);
  });
});
