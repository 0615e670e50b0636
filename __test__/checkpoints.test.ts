/** Checkpoints: a fit that was killed goes on to the same bits; what is torn, rotten or of another fit is noticed. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Dataset, type FitOptions, Trainer } from '../src/index.js';
import { dense, sequential } from '../src/layers/index.js';

const root = mkdtempSync(join(tmpdir(), 'nabla-checkpoints-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
let directory = '';
beforeEach(() => {
  directory = join(root, `${count++}`);
});
const files = (): string[] => readdirSync(directory).sort();

const iris = await Dataset.builtin('iris');
const recipe = (epochs: number, units = 5) =>
  new Trainer({
    model: sequential([dense(units, { activation: 'tanh' }), dense(3)]),
    loss: 'crossEntropy',
    epochs,
    batchSize: 16,
    seed: 2,
  });
const fitted = (epochs: number, options: FitOptions = {}, units?: number, data = iris) =>
  recipe(epochs, units).fit(data, { checkpoint: { directory, everySeconds: 0, keep: 3 }, ...options });
const resume = true;

describe('a killed process', () => {
  const program = fileURLToPath(new URL('processes/checkpointed.mjs', import.meta.url));
  const start = (killAfter = Number.POSITIVE_INFINITY, ...rest: string[]): Promise<string> =>
    new Promise((done) => {
      const child = spawn(process.execPath, [program, directory, ...rest], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (data) => {
        text += data;
        if (text.split('\n').length > killAfter) child.kill('SIGKILL');
      });
      child.on('close', () => done(text));
    });

  it('goes on to the same bits, whenever it died', async () => {
    const whole = await start();
    directory = join(root, 'killed');
    expect(await start(1)).not.toContain('history');
    expect(await start(30, 'resume')).not.toContain('history');
    expect(files().length).toBeGreaterThan(0);
    expect(await start(Number.POSITIVE_INFINITY, 'resume')).toBe(whole);
  });
});

describe('the files', () => {
  it('are the latest few, and what another process left half-written goes', async () => {
    await fitted(7);
    expect(files().map((name) => name.slice(0, 12))).toEqual(['epoch-000005', 'epoch-000006', 'epoch-000007']);
    const [, , last] = files() as [string, string, string];
    // A number that no process has.
    writeFileSync(join(directory, `.${last}.4194999-0.partial`), 'torn');
    await fitted(8, { resume });
    expect(files().map((name) => name.slice(0, 12))).toEqual(['epoch-000006', 'epoch-000007', 'epoch-000008']);
  });

  it('are written after so many seconds, and at the end', async () => {
    await fitted(7, { checkpoint: { directory, everySeconds: 1e9 } });
    expect(files().map((name) => name.slice(0, 12))).toEqual(['epoch-000007']);
  });

  it('of a fit that begins anew replace those that are there, once it has one', async () => {
    await fitted(7);
    const before = files();
    await expect(fitted(7, { signal: AbortSignal.abort(new Error('now')) })).rejects.toThrow('now');
    expect(files()).toEqual(before);
    await fitted(2);
    expect(files().map((name) => name.slice(0, 12))).toEqual(['epoch-000001', 'epoch-000002']);
  });
});

describe('to resume', () => {
  const plain = async (run: PromiseLike<{ readonly history: readonly { train: { loss: number } }[] }>) =>
    (await run).history.map(({ train }) => train.loss);

  it('without a checkpoint begins, after the last epoch gives what there is, and with more epochs goes on', async () => {
    const whole = await plain(recipe(9).fit(iris));
    expect(await plain(fitted(4, { resume }))).toEqual(whole.slice(0, 4));
    expect(await plain(fitted(4, { resume }))).toEqual(whole.slice(0, 4));
    const seen: number[] = [];
    expect(await plain(fitted(9, { resume, onEpoch: ({ index }) => seen.push(index) }))).toEqual(whole);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('refuses what another recipe, other rows or another start have left', async () => {
    await fitted(2);
    const refused = { code: 'INVALID_OPTION', place: directory };
    await expect(fitted(2, { resume }, 6)).rejects.toMatchObject(refused);
    await expect(fitted(2, { resume }, 5, iris.take(149))).rejects.toMatchObject(refused);
    await expect(fitted(2, { resume, validation: iris })).rejects.toMatchObject(refused);
    await expect(fitted(2, { resume, from: await recipe(1).fit(iris) })).rejects.toMatchObject(refused);
    await fitted(2, { resume });
  });

  describe('from a file that is not whole', () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    afterEach(() => warned.mockClear());

    it.each([
      ['cut', (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
      ['emptied', () => Buffer.alloc(0)],
      ['a flipped bit', (bytes: Buffer) => bytes.map((byte, at) => (at === bytes.length - 9 ? byte ^ 4 : byte))],
      ['a tail of zeros', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -64), Buffer.alloc(64)])],
    ])('(%s) takes the one before, says so, and comes to the same bits', async (_, spoil) => {
      const whole = await plain(recipe(6).fit(iris));
      await fitted(4);
      const last = join(directory, files().at(-1)!);
      writeFileSync(last, spoil(readFileSync(last)));
      expect(await plain(fitted(6, { resume }))).toEqual(whole);
      expect(warned.mock.calls.map(([text]) => String(text)).join()).toContain(last);
    });

    it('is an error where no file is', async () => {
      await fitted(2);
      for (const name of files()) writeFileSync(join(directory, name), 'spoilt');
      await expect(fitted(3, { resume })).rejects.toMatchObject({ code: 'DATA_FORMAT', place: join(directory, files().at(-1)!) });
      expect(files()).toHaveLength(2);
    });
  });

  it('into a folder that cannot be made is an error with its path', async () => {
    const path = join(root, 'file');
    writeFileSync(path, '');
    const error = { code: 'IO', place: join(path, 'a') };
    await expect(recipe(2).fit(iris, { checkpoint: { directory: join(path, 'a') } })).rejects.toMatchObject(error);
    expect(existsSync(path)).toBe(true);
  });
});
