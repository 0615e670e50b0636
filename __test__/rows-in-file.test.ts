/** Rows that stay in a file: the same bits as rows in memory, little memory, and errors instead of signals. */
import { execFile } from 'node:child_process';
import { mkdtemp, open, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jitter, minMax, robust, standardize } from '../src/data/index.js';
import { Dataset, Trainer } from '../src/index.js';
import { dense, embedding, globalAveragePool, sequential } from '../src/layers/index.js';
import { crossValidate, kFold } from '../src/validation/index.js';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'nabla-in-file-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const fails = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: Error & { code?: string }) => `${error.code} ${error.message}`,
  );

/** A version 1 file of NumPy. */
const npy = (descr: string, shape: readonly number[], values: NodeJS.ArrayBufferView, order = 'False'): Buffer => {
  const header = `${`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')},), }`.padEnd(117)}\n`;
  const start = Buffer.alloc(10);
  start.write('\x93NUMPY\x01\x00', 'latin1');
  start.writeUInt16LE(header.length, 8);
  return Buffer.concat([start, Buffer.from(header), Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
};

const random = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * 40 + (i % 7));

const recipe = (extra: object = {}): Trainer =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(6, { activation: 'tanh' }), dense(3)]),
    loss: 'crossEntropy',
    optimizer: 'adam',
    metrics: ['accuracy'],
    epochs: 3,
    batchSize: 16,
    seed: 3,
    ...extra,
  });

/** Everything about two data sets that are the same, one of them in a file. */
const alike = async (there: Dataset, here: Dataset, trainer = recipe()): Promise<void> => {
  expect(there.columns).toEqual(here.columns);
  expect(there.features()).toEqual(here.features());
  expect(there.describe()).toEqual(here.describe());
  expect(there.select([3, 3, 1]).features()).toEqual(here.select([3, 3, 1]).features());
  const [a, b] = [await trainer.fit(there), await trainer.fit(here)];
  expect(a.history).toMatchObject(b.history.map(({ train }) => ({ train: { loss: train.loss } })));
  expect(await a.predict(there, { probabilities: true })).toEqual(await b.predict(here, { probabilities: true }));
  expect(await a.evaluate(there)).toEqual(await b.evaluate(here));
  const folds = (data: Dataset) => crossValidate(trainer, data, { splitter: kFold({ k: 3, seed: 1 }), threads: 1 });
  expect((await folds(there)).scores).toEqual((await folds(here)).scores);
};

describe('rows that stay in a file are to the bit those in memory', () => {
  const [rows, width] = [90, 5];
  const labels = Array.from({ length: rows }, (_, i) => ['low', 'middle', 'high'][i % 3]!);

  it('of nabla’s own form', async () => {
    const made = Dataset.from({
      features: random(rows * width),
      shape: [rows, width],
      targets: labels,
      weights: Float64Array.from(labels, (_, i) => 1 + (i % 4)),
      groups: labels.map((_, i) => i % 10),
    });
    const path = join(scratch, 'own.data');
    await made.save(path);
    await alike(await Dataset.load(path, { inMemory: false }), made);
    await alike(await Dataset.load(path), made, recipe({ prepare: [minMax({ low: -1, high: 1 }), robust()] }));
    await alike(await Dataset.load(path, { inMemory: false }), made, recipe({ augment: [jitter(0.1)] }));
    expect((await readdir(scratch)).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('of NumPy, in every order of bytes and out of an archive', async () => {
    const values = random(rows * width);
    const swapped = Buffer.from(values.buffer.slice(0)).swap32();
    const path = (name: string) => join(scratch, name);
    await writeFile(path('le.npy'), npy('<f4', [rows, width], values));
    await writeFile(path('be.npy'), npy('>f4', [rows, width], swapped));
    await writeFile(path('i2.npy'), npy('<i2', [rows, width], Int16Array.from(values, Math.round)));
    for (const name of ['le.npy', 'be.npy', 'i2.npy']) {
      const [there, here] = [await Dataset.fromNpz(path(name), { inMemory: false }), await Dataset.fromNpz(path(name))];
      expect(there.features()).toEqual(here.features());
      expect(there.describe()).toEqual(here.describe());
    }
    expect((await Dataset.fromNpz(path('be.npy'), { inMemory: false })).features()).toEqual(Float64Array.from(values));
    const stored = (options = {}) => Dataset.fromNpz(fixture('stored.npz'), { features: 'big', ...options });
    expect((await stored({ inMemory: false })).features()).toEqual((await stored()).features());
    expect((await stored({ inMemory: false })).targets()).toEqual((await stored()).targets());
    await writeFile(path('columns.npy'), npy('<f4', [rows, width], values, 'True'));
    expect(await fails(Dataset.fromNpz(path('columns.npy'), { inMemory: false }))).toMatch(/^INVALID_OPTION.*ascontiguousarray/s);
    expect(await fails(Dataset.fromNpz(fixture('packed.npz'), { inMemory: false }))).toMatch(/^INVALID_OPTION.*compressed/s);
    await writeFile(path('cut.npy'), npy('<f4', [rows, width], values).subarray(0, -1));
    expect(await fails(Dataset.fromNpz(path('cut.npy'), { inMemory: false }))).toMatch(/^DATA_FORMAT/);
  });

  it('of IDX', async () => {
    const pixels = Uint8Array.from({ length: rows * 16 }, (_, i) => (i * 7919) % 256);
    const head = (kind: number, ...shape: number[]) => {
      const bytes = Buffer.alloc(4 + 4 * shape.length);
      bytes.set([0, 0, kind, shape.length]);
      shape.forEach((axis, i) => bytes.writeUInt32BE(axis, 4 + 4 * i));
      return bytes;
    };
    const [images, classes] = [join(scratch, 'images.idx'), join(scratch, 'labels.idx')];
    await writeFile(images, Buffer.concat([head(8, rows, 4, 4), pixels]));
    await writeFile(classes, Buffer.concat([head(8, rows), Buffer.from(labels.map((_, i) => i % 3))]));
    const model = sequential([globalAveragePool(), dense(3)]);
    const [there, here] = [
      await Dataset.fromIdx(images, { labels: classes, inMemory: false }),
      await Dataset.fromIdx(images, { labels: classes }),
    ];
    await alike(there, here, recipe({ model }));
    await truncate(images, 1000);
    expect(await fails(Dataset.fromIdx(images, { inMemory: false }))).toMatch(/^DATA_FORMAT.*longer or shorter/);
  });

  it('of CSV and of a stream, with categories and missing cells', async () => {
    const cells = Array.from({ length: rows }, (_, i) => ({
      a: i % 11 === 3 ? null : Math.cos(i) * 10,
      b: i % 13 === 5 ? null : ['x', 'z', 'y y', '"q"'][i % 4]!,
      c: i % 2 === 0,
      y: labels[i]!,
    }));
    const text = cells.map(({ a, b, c, y }) => `${a ?? ''},${b === null ? '' : `"${b.replaceAll('"', '""')}"`},${c},${y}`);
    const path = join(scratch, 'mixed.csv');
    await writeFile(path, `a,b,c,y\n${text.join('\n')}\n`);
    const here = await Dataset.fromCsv(path, { target: 'y' });
    const trainer = recipe({ prepare: 'auto' });
    const there = await Dataset.fromCsv(path, { target: 'y', inMemory: false });
    await alike(there, here, trainer);
    await alike(await Dataset.stream(cells, { target: 'y', inMemory: false }), here, trainer);
    await there.save(join(scratch, 'mixed.data'));
    await alike(await Dataset.load(join(scratch, 'mixed.data'), { inMemory: false }), here, trainer);
    const numbers = await Dataset.fromCsv(path, { target: 'y', drop: ['b'], inMemory: false });
    expect(await fails(Promise.resolve(recipe().fit(numbers)))).toMatch(/^INVALID_DATA.*column "a", row 3/s);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith(`nabla-rows-${process.pid}-`))).toEqual([]);
  });

  it('as sequences and as windows of a series', async () => {
    const sequences = Dataset.from({ features: [[1, 2, 3], [4], [2, 2]], targets: ['a', 'b', 'a'], ragged: true });
    const path = join(scratch, 'sequences.data');
    await sequences.save(path);
    const loaded = await Dataset.load(path, { inMemory: false });
    const model = sequential([embedding(5, 4), globalAveragePool(), dense(2)]);
    const trainer = recipe({ model, prepare: [], batchSize: 2 });
    expect(await (await trainer.fit(loaded)).predict(loaded, { probabilities: true })).toEqual(
      await (await trainer.fit(sequences)).predict(sequences, { probabilities: true }),
    );
    const series = Dataset.from({ features: Array.from({ length: 30 }, (_, t) => [Math.sin(t), t]) });
    await series.save(path);
    const windows = (data: Dataset) => data.windows({ length: 4, target: 'x0' });
    expect(windows(await Dataset.load(path, { inMemory: false })).features()).toEqual(windows(series).features());
  });
});

describe('a file in use', () => {
  const trainer = recipe({ model: sequential([dense(1)]), loss: 'meanSquaredError', metrics: [], epochs: 50, prepare: [] });

  it('that is cut short ends the fit with an error', async () => {
    const path = join(scratch, 'cut.data');
    await Dataset.from({ features: random(40_000), shape: [4_000, 10], targets: random(4_000) }).save(path);
    const data = await Dataset.load(path, { inMemory: false });
    await truncate(path, 50_000);
    expect(await fails(Promise.resolve(trainer.fit(data)))).toMatch(/^DATA_FORMAT.*cut short/s);
    expect(() => data.describe()).toThrow(/cut short/);
    expect(() => data.features()).toThrow(/cut short/);
    expect(await fails(Dataset.load(path, { inMemory: false }))).toMatch(/^DATA_FORMAT/);
  });

  it('that is written to is refused too', async () => {
    const path = join(scratch, 'changed.npy');
    await writeFile(path, npy('<f4', [1_000, 4], random(4_000)));
    const data = await Dataset.fromNpz(path, { inMemory: false });
    const file = await open(path, 'a');
    await file.write('more');
    await file.close();
    expect(() => data.describe()).toThrow(/was changed/);
  });
});

it('is trained on in memory that does not grow with it', { timeout: 60_000 }, async () => {
  const [small, large] = [join(scratch, 'small.data'), join(scratch, 'large.data')];
  const of = (rows: number) =>
    Dataset.from({ features: new Float32Array(rows * 256).fill(0.5), shape: [rows, 256], targets: random(rows) });
  await of(2_000).save(small);
  await of(64_000).save(large);
  const program = fileURLToPath(new URL('processes/rows-in-file.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, large, small]);
  const [before, most] = JSON.parse(stdout) as [number, number];
  // The file has 62 MiB; targets, orders of rows and views take 20 bytes a row.
  expect(most - before).toBeLessThan(24);
});
