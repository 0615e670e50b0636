/** Tables from Parquet, Arrow and streams: as from a CSV file. And what a CSV file says of its lines. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dataset } from 'nabla';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ColumnCells } from '../src/data/columns.js';
import { spill } from '../src/data/spill.js';

const folder = process.env.NABLA_DATA;
const found = folder !== undefined && existsSync(join(folder, 'tabular'));
const real = (name: string): string => join(folder ?? '', 'tabular', name);
/** The package as built: the thread that reads Parquet is a file of it. */
const built = async () => ((await import(new URL('../dist/index.js', import.meta.url).href)) as typeof import('nabla')).Dataset;

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'nabla-tables-'));
});
afterAll(() => rm(scratch, { recursive: true }));
const file = async (text: string | Buffer): Promise<string> => {
  const path = join(scratch, `${Math.random()}.csv`);
  await writeFile(path, text);
  return path;
};
const fails = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );

describe('Parquet', () => {
  const cells = JSON.parse(readFileSync(new URL('fixtures/table.json', import.meta.url), 'utf8')) as Record<
    string,
    (number | string | boolean | null)[]
  >;
  const names = ['number', 'whole', 'level', 'flag', 'nothing'];

  it.each(['none', 'snappy', 'gzip', 'brotli', 'lz4', 'zstd'])(
    'compressed by %s, with nulls: in memory and in a file',
    async (compression) => {
      const Built = await built();
      const path = fileURLToPath(new URL(`fixtures/table-${compression}.parquet`, import.meta.url));
      const levels = ['blue sky', 'grün', 'red'];
      const code = (cell: unknown): number => (cell === null ? Number.NaN : typeof cell === 'string' ? levels.indexOf(cell) : Number(cell));
      for (const inMemory of [true, false]) {
        const data = await Built.fromParquet(path, { inMemory });
        expect(data.columns.map(({ name }) => name)).toEqual(names);
        expect(data.columns[2]).toEqual({ name: 'level', kind: 'category', levels });
        expect([...data.features()]).toEqual(cells.number!.flatMap((_, row) => names.map((name) => code(cells[name]![row]))));
      }
    },
  );

  it.skipIf(!found)('the real table in a file is that in memory', async () => {
    const Built = await built();
    const [there, here] = [
      await Built.fromParquet(real('diamonds.parquet'), { target: 'price', inMemory: false }),
      await Built.fromParquet(real('diamonds.parquet'), { target: 'price' }),
    ];
    expect(there.columns).toEqual(here.columns);
    expect(there.features()).toEqual(here.features());
    expect(there.targets()).toEqual(here.targets());
  });

  it.skipIf(!found)('Snappy, four row groups, dictionaries: the same table as its CSV file', async () => {
    const Built = await built();
    const options = { target: 'price' };
    const [parquet, csv] = await Promise.all([
      Built.fromParquet(real('diamonds.parquet'), options),
      Dataset.fromCsv(real('diamonds.csv'), options),
    ]);
    expect(parquet.columns).toEqual(csv.columns);
    expect(parquet.features()).toEqual(csv.features());
    expect(parquet.targets()).toEqual(csv.targets());
  });

  it.skipIf(!found)('Zstandard, pages of version 2, nulls, 64-bit integers: the same rows as the two CSV files', async () => {
    const Built = await built();
    const all = await Built.fromParquet(real('adult.parquet'), { target: 'income', positiveClass: '>50K', groups: 'split' });
    const csv = await Dataset.fromCsv(real('adult_train.csv'), { target: 'income', positiveClass: '>50K' });
    expect([all.rows, all.classes]).toEqual([48_842, ['<=50K', '>50K']]);
    const workclass = all.describe().columns.find(({ name }) => name === 'workclass');
    expect(workclass?.missing).toBe(1836 + 963);
    const first = all.select(Uint32Array.from({ length: csv.rows }, (_, i) => i));
    expect(first.labels()).toEqual(csv.labels());
    const age = (data: Dataset) => data.features().filter((_, i) => i % data.columns.length === 0);
    expect(age(first)).toEqual(age(csv));
    const fnlwgt = all.columns.findIndex(({ name }) => name === 'fnlwgt');
    expect(first.features()[fnlwgt]).toBe(77_516);
  });

  it.skipIf(!found)('says what it cannot read, and keeps nothing', async () => {
    const Built = await built();
    expect(await fails(Built.fromParquet(real('nothing.parquet')))).toMatch(/^IO .*ENOENT/);
    expect(await fails(Built.fromParquet(real('iris.csv')))).toMatch(/^DATA_FORMAT/);
    const pictures = join(folder ?? '', 'cifar10', 'cifar10-test-jpeg.parquet');
    expect(await fails(Built.fromParquet(pictures))).toMatch(/^INVALID_DATA column "image", row \d+: .*Uint8Array[\s\S]*Drop the column/);
    const labels = await Built.fromParquet(pictures, { drop: ['image', 'path'] });
    expect([labels.rows, labels.columns.length]).toEqual([10_000, 1]);
    expect(await fails(Built.fromParquet(real('adult.parquet'), { drop: ['agee'] }))).toMatch(/^INVALID_OPTION.*no column "agee"/);
    expect(await fails(Built.fromParquet(real('adult.parquet'), { target: 'incme' }))).toMatch(/income/);
    const aborted = AbortSignal.abort(new Error('enough'));
    expect(await fails(Built.fromParquet(real('adult.parquet'), { signal: aborted }))).toMatch(/enough/);
  });
});

describe('Arrow', () => {
  const column = (values: readonly unknown[]) => ({ length: values.length, get: (row: number) => values[row] });
  const table = (columns: Record<string, readonly unknown[]>) => ({
    numRows: Object.values(columns)[0]!.length,
    schema: { fields: Object.keys(columns).map((name) => ({ name })) },
    getChild: (name: string) => (columns[name] === undefined ? null : column(columns[name])),
  });

  it('is read by what it can do', async () => {
    const data = await Dataset.fromArrow(
      table({ age: [1, null, 3], big: [1n, 2n, 3n], town: ['b', 'a', null], yes: [true, false, null], mark: ['x', 'y', 'x'] }),
      { target: 'mark' },
    );
    expect(data.columns).toEqual([
      { name: 'age', kind: 'number' },
      { name: 'big', kind: 'number' },
      { name: 'town', kind: 'category', levels: ['a', 'b'] },
      { name: 'yes', kind: 'number' },
    ]);
    expect([...data.features()]).toEqual([1, 1, 1, 1, Number.NaN, 2, 0, 0, 3, 3, Number.NaN, Number.NaN]);
    expect(data.labels()).toEqual(['x', 'y', 'x']);
  });

  it('refuses what is no table, or no cell', async () => {
    expect(await fails(Dataset.fromArrow({} as never))).toMatch(/^INVALID_DATA.*numRows|table of Arrow/);
    expect(await fails(Dataset.fromArrow(Uint8Array.of(1)))).toMatch(/npm install apache-arrow|no Arrow table/);
    expect(await fails(Dataset.fromArrow(table({ a: [1, 'x'] })))).toMatch(/column "a", row 1/);
    expect(await fails(Dataset.fromArrow(table({ a: [1, Number.POSITIVE_INFINITY] })))).toMatch(/^NOT_FINITE column "a", row 1/);
    expect(await fails(Dataset.fromArrow(table({ a: [2n ** 60n] })))).toMatch(/no exact double/);
    expect(await fails(Dataset.fromArrow(table({ a: [[1]] })))).toMatch(/Array/);
    expect(await fails(Dataset.fromArrow(table({ a: [1] }), { target: 'b' }))).toMatch(/no column "b"/);
  });
});

describe('a stream', () => {
  const left = async (): Promise<string[]> => (await readdir(tmpdir())).filter((name) => name.startsWith('nabla-stream-'));

  it('becomes the data set of its rows, the source waiting for the file', async () => {
    let given = 0;
    async function* rows() {
      for (; given < 20_000; given++) {
        yield {
          x: given / 3,
          town: given % 3 === 0 ? 'a, "b"' : 'c\nd',
          flag: given % 2 === 0,
          hole: given % 5 === 0 ? null : -given,
          y: given % 7,
        };
      }
    }
    const data = await Dataset.stream(rows(), { target: 'y' });
    const direct = Dataset.from({
      features: Array.from({ length: 20_000 }, (_, i) => ({
        x: i / 3,
        town: i % 3 === 0 ? 'a, "b"' : 'c\nd',
        flag: i % 2 === 0,
        hole: i % 5 === 0 ? null : -i,
      })),
      targets: Array.from({ length: 20_000 }, (_, i) => i % 7),
    });
    expect(data.columns).toEqual(direct.columns);
    expect(data.features()).toEqual(direct.features());
    expect(data.targets()).toEqual(direct.targets());
  });

  it('of one column with missing cells keeps its rows', async () => {
    const data = await Dataset.stream([{ a: 1 }, { a: null }, { a: 3 }]);
    expect([...data.features()]).toEqual([1, Number.NaN, 3]);
  });

  it('leaves nothing behind, and says where it failed', async () => {
    const before = await left();
    const source = (last: unknown) => [{ a: 1, b: 'x' }, last] as never;
    expect(await fails(Dataset.stream([]))).toMatch(/at least one row/);
    expect(await fails(Dataset.stream(source({ a: 'x', b: 'x' })))).toMatch(/row 1, column "a": expected a number as before/);
    expect(await fails(Dataset.stream(source({ a: Number.NaN, b: 'x' })))).toMatch(/^NOT_FINITE row 1, column "a"/);
    expect(await fails(Dataset.stream(source({ c: 1 })))).toMatch(/row 1.*"c"/);
    expect(await fails(Dataset.stream(source(7)))).toMatch(/row 1: expected an object/);
    expect(await fails(Dataset.stream(5 as never))).toMatch(/^INVALID_OPTION/);
    const broken = async function* () {
      yield { a: 1 };
      throw new Error('the database is gone');
    };
    expect(await fails(Dataset.stream(broken()))).toMatch(/the database is gone/);
    expect((await left()).length).toBeLessThanOrEqual(before.length);
  });
});

describe('a CSV file', () => {
  it('names the line of a target that is missing and of a number that is infinite', async () => {
    const text = 'a,y\n1,2\n5,6\n3,\n';
    expect(await fails(Dataset.fromCsv(await file(text), { target: 'y' }))).toMatch(/target "y", line 4/);
    expect(await fails(Dataset.fromCsv(await file('a,w\n1,2\n\n5,-1\n'), { weights: 'w' }))).toMatch(/^INVALID_DATA .*weight "w", line 4/);
    expect(await fails(Dataset.fromCsv(await file('a,w\n1,2\n5,\n'), { weights: 'w' }))).toMatch(/^INVALID_DATA .*weight "w", line 3/);
    expect(await fails(Dataset.fromCsv(await file('a,w\n1,0\n5,0\n'), { weights: 'w' }))).toMatch(/^INVALID_DATA .*weights "w": all/);
    expect(await fails(Dataset.fromCsv(await file('a,y\n1,2\n\n\n5\n')))).toMatch(/^DATA_FORMAT .*line 5/);
    expect(await fails(Dataset.fromCsv(await file('a,y\n1,2\ninf,3\n'), { target: 'y' }))).toMatch(/^NOT_FINITE .*line 3, column "a"/);
    expect(await fails(Dataset.fromCsv(await file('a,y\n1,2\n"4\n5",\n'), { target: 'y' }))).toMatch(/target "y", line 3/);
  });

  it('is read in the encoding that its mark or an option says', async () => {
    const column = async (bytes: Buffer, options = {}) => (await Dataset.fromCsv(await file(bytes), options)).columns[0];
    const expected = { name: 'Größe', kind: 'category', levels: ['Müller', 'ß €'] };
    const text = 'Größe\nMüller\nß €\n';
    expect(await column(Buffer.from(`\ufeff${text}`, 'utf16le'))).toEqual(expected);
    expect(await column(Buffer.from(text, 'utf16le'), { encoding: 'utf-16le' })).toEqual(expected);
    expect(await column(Buffer.from(text.replace('€', '\x80'), 'latin1'), { encoding: 'latin1' })).toEqual(expected);
    expect(await column(Buffer.from(`\ufeff${text}`), { encoding: 'utf-8' })).toEqual(expected);
  });

  it('passes over an infinite number in a column that is dropped', async () => {
    const text = 'a,b\n1,inf\n3,4\n';
    expect([...(await Dataset.fromCsv(await file(text), { drop: ['b'] })).features()]).toEqual([1, 3]);
    expect(await fails(Dataset.fromCsv(await file(text)))).toMatch(/^NOT_FINITE .*line 2, column "b"/);
  });

  it('takes a number for missing where it is said to be', async () => {
    const data = await Dataset.fromCsv(await file('a,b\n1,2\n-999,3\n4,-999\n'), { missing: ['-999'] });
    expect([...data.features()]).toEqual([1, 2, Number.NaN, 3, 4, Number.NaN]);
  });

  it('is read while memory stays near what the cells take, and can be stopped', { timeout: 60_000 }, async () => {
    const line = `${Array.from({ length: 20 }, (_, j) => (j * Math.PI).toFixed(12)).join()}\n`;
    const path = await file(`${Array.from({ length: 20 }, (_, j) => `c${j}`).join()}\n${line.repeat(60_000)}`);
    const before = process.memoryUsage().rss;
    const data = await Dataset.fromCsv(path);
    const grown = process.memoryUsage().rss - before;
    expect([data.rows, data.columns.length]).toEqual([60_000, 20]);
    // 10 MB of cells, twice while columns become rows, the parts of a block beside it, and a block of 8 MB; the file has 18 MB.
    expect(grown).toBeLessThan(60e6);
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    expect(await fails(Dataset.fromCsv(path, { signal: stop.signal }))).toMatch(/enough/);
  });
});

describe('what goes through a file of text', () => {
  it('loses no digit and no sign', async () => {
    const numbers = [-0, 0.1 + 0.2, 5e-324, Number.MAX_VALUE, 2 ** 53, -1e21, Math.fround(0.1)];
    const data = await Dataset.stream(numbers.map((x) => ({ x })));
    expect([...data.features()].map((x, i) => Object.is(x, numbers[i]))).toEqual(numbers.map(() => true));
  });

  it('is missing where it would be in memory: NaN of a table without nulls, an empty text', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nabla-spill-'));
    try {
      const path = join(folder, 'rows.csv');
      await spill(
        [
          { x: 1, word: 'a' },
          { x: Number.NaN, word: '' },
        ],
        path,
        { nanIsMissing: true },
      );
      expect(readFileSync(path, 'utf8')).toBe('x,word\n1,a\n,\n');
    } finally {
      await rm(folder, { recursive: true });
    }
    const cells = new ColumnCells('word', 3);
    ['a', '', 'b'].forEach((text, row) => {
      cells.put(row, text);
    });
    expect(cells.finish()).toMatchObject({ levels: ['a', 'b'], cells: Uint32Array.of(0, 0xffffffff, 1) });
  });
});
