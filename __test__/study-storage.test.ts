/** A study in a file: it goes on after a stop, a crash at any byte and a killed process; several processes share it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dataset, type Estimator, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { choice, integer, logUniform, random, tune, uniform } from 'nabla/tuning';
import { holdOut, kFold } from 'nabla/validation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let folder: string;
let iris: Dataset;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nabla-study-'));
  iris = await Dataset.builtin('iris');
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

let fits = 0;
const bowl = ({ x, y }: { x: number; y: number }): Estimator => ({
  fit: async () => {
    fits++;
    if (y < -0.9) throw new Error('too far down');
    return { predict: async () => [], evaluate: async () => ({ loss: (x - 0.3) ** 2 + y * y }) };
  },
});
const options = {
  space: {
    x: uniform(-1, 1),
    y: uniform(-1, 1),
    kind: choice({ a: { depth: integer(1, 3) }, b: {} }),
    size: choice([16, 'x', { deep: 1 }]),
  },
  estimator: bowl,
  objective: 'loss',
  splitter: kFold({ k: 2, seed: 1 }),
  refit: false,
  seed: 4,
} as const;
const plain = (study: { readonly trials: readonly { readonly seconds: number }[] }) => study.trials.map(({ seconds, ...rest }) => rest);

describe('a stored study', () => {
  it('goes on where it stopped, to the same result', async () => {
    const whole = await tune(iris, { ...options, trials: 24 });
    await tune(iris, { ...options, trials: 10, storage: at('resume') });
    fits = 0;
    const resumed = await tune(iris, { ...options, trials: 24, storage: at('resume') });
    expect(fits).toBe(14 * 2);
    expect(plain(resumed)).toEqual(plain(whole));
    fits = 0;
    const again = await tune(iris, { ...options, trials: 24, storage: at('resume') });
    expect(fits).toBe(0);
    expect(plain(again)).toEqual(plain(whole));
    const seen: number[] = [];
    for await (const { number } of tune(iris, { ...options, trials: 24, storage: at('resume') })) seen.push(number);
    expect(seen).toEqual(whole.trials.map(({ number }) => number));
  });

  it('survives a crash at every byte', { timeout: 120_000 }, async () => {
    // Small, so that no byte is left out: two trials of one range, the first of which fails.
    const small = {
      space: { x: uniform(-1, 1) },
      estimator: ({ x }: { x: number }) => bowl({ x, y: x === 0.5 ? -1 : 0 }),
      objective: 'loss',
      splitter: holdOut(),
      first: [{ x: 0.5 }],
      trials: 2,
      threads: 1,
      refit: false,
    } as const;
    const whole = await tune(iris, { ...small, storage: at('whole') });
    expect(whole.trials.map(({ state }) => state)).toEqual(['failed', 'complete']);
    const bytes = await readFile(at('whole'));
    // Each of these searches waits for the disk three times: where there is a file system in memory, that is quicker.
    const quick = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'nabla-cuts-'));
    expect(bytes.length).toBeLessThan(2500);
    const cutAt = async (cut: number): Promise<void> => {
      const path = join(quick, String(cut));
      await writeFile(path, bytes.subarray(0, cut));
      const study = await tune(iris, { ...small, storage: path });
      expect(plain(study), `cut at byte ${cut} of ${bytes.length}`).toEqual(plain(whole));
      for (const line of (await readFile(path, 'utf8')).trimEnd().split('\n')) JSON.parse(line);
    };
    for (let from = 0; from <= bytes.length; from += 256)
      await Promise.all(Array.from({ length: Math.min(256, bytes.length + 1 - from) }, (_, i) => cutAt(from + i)));
    await rm(quick, { recursive: true });
  });

  it('says which line is damaged', async () => {
    await tune(iris, { ...options, trials: 6, storage: at('six') });
    const lines = (await readFile(at('six'), 'utf8')).split('\n');
    lines[3] = '{"op_code":';
    await writeFile(at('damaged'), lines.join('\n'));
    const run = tune(iris, { ...options, trials: 6, storage: at('damaged') });
    await expect(run).rejects.toMatchObject({ code: 'DATA_FORMAT', place: `${at('damaged')}:4` });
  });

  it('refuses other data, another space, splitter, recipe or objective, and keeps the seed of the trials', async () => {
    const trainer = (units: number, loss: 'crossEntropy' | 'focal' = 'crossEntropy') => ({
      space: { learningRate: logUniform(1e-3, 1e-1) },
      estimator: ({ learningRate }: { learningRate: number }) =>
        new Trainer({
          model: sequential([dense(units), dense(3)]),
          loss,
          optimizer: adam({ learningRate }),
          metrics: ['accuracy'],
          epochs: 2,
        }),
      objective: 'accuracy' as const,
      splitter: kFold({ k: 2 }),
      trials: 2,
      storage: at('fingerprints'),
      refit: false,
    });
    await tune(iris, trainer(4));
    await tune(iris, { ...trainer(4), sampler: random(), trials: 3 });
    const half = iris.select(Uint32Array.from({ length: 120 }, (_, i) => i + 15));
    for (const [changed, run] of [
      ['data', () => tune(half, trainer(4))],
      ['recipe', () => tune(iris, trainer(5))],
      ['splitter', () => tune(iris, { ...trainer(4), splitter: kFold({ k: 3 }) })],
      ['space', () => tune(iris, { ...trainer(4), space: { learningRate: logUniform(1e-3, 1) } })],
      ['objective', () => tune(iris, { ...trainer(4), objective: 'loss' as never })],
    ] as const)
      await expect(run(), changed).rejects.toMatchObject({ code: 'STUDY_CHANGED', message: expect.stringContaining(`other ${changed}`) });
  });

  it('tells choices apart that JSON has no form for', async () => {
    const run = (values: readonly unknown[]) =>
      tune(iris, {
        space: { value: choice(values) },
        estimator: () => new Trainer({ model: dense(3), loss: 'crossEntropy', epochs: 1 }),
        objective: 'loss',
        splitter: kFold({ k: 2 }),
        trials: 1,
        storage: at('choices'),
        refit: false,
      });
    await run([1n, () => 1, undefined]);
    expect((await run([1n, () => 1, undefined])).trials.length).toBe(1);
    await expect(run([2n, () => 1, undefined])).rejects.toMatchObject({ code: 'STUDY_CHANGED' });
    await expect(run([1n, () => 2, undefined])).rejects.toMatchObject({ code: 'STUDY_CHANGED' });
  });

  it('keeps the test score rather than computing it again', async () => {
    const { train, test } = iris.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 });
    const run = (rows = test) =>
      tune(train, {
        space: { learningRate: logUniform(1e-3, 1e-1) },
        estimator: ({ learningRate }) =>
          new Trainer({ model: dense(3), loss: 'crossEntropy', optimizer: adam({ learningRate }), metrics: ['accuracy'], epochs: 3 }),
        objective: 'accuracy',
        splitter: kFold({ k: 2 }),
        trials: 3,
        storage: at('test'),
        test: rows,
      });
    const first = await run();
    const second = await run();
    expect(second.testScores).toEqual(first.testScores);
    expect(second.fitted.weights()).toEqual(first.fitted.weights());
    expect((await readFile(at('test'), 'utf8')).match(/nabla:test/g)?.length).toBe(1);
    // Other test rows have scores of their own.
    const other = test.select(Uint32Array.from([0, 1, 2, 3, 4, 5, 6]));
    const third = await run(other);
    expect(third.testScores).toEqual(await third.fitted.evaluate(other));
    expect(third.testScores).not.toEqual(first.testScores);
  });
});

describe('processes on one file', () => {
  const program = fileURLToPath(new URL('processes/study.mjs', import.meta.url));
  const start = (storage: string, trials: number, pause: number): { readonly child: ChildProcess; readonly output: Promise<string> } => {
    const child = spawn(process.execPath, [program, storage, String(trials), String(pause)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = new Promise<string>((resolve) => {
      let text = '';
      child.stdout?.on('data', (data) => (text += data));
      child.on('close', () => resolve(text));
    });
    return { child, output };
  };
  const until = async (condition: () => Promise<boolean>): Promise<void> => {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const finished = async (storage: string): Promise<number> =>
    existsSync(storage) ? ((await readFile(storage, 'utf8')).match(/"op_code":6/g)?.length ?? 0) : 0;

  it('go on after a kill −9, each trial counted once', async () => {
    const whole = JSON.parse(await start(at('kill-whole'), 18, 1).output);
    for (const after of [1, 7]) {
      const storage = at(`kill-${after}`);
      const { child, output } = start(storage, 18, 40);
      await until(async () => (await finished(storage)) >= after);
      child.kill('SIGKILL');
      expect(await output).toBe('');
      expect(await finished(storage)).toBeLessThan(18);
      expect(JSON.parse(await start(storage, 18, 1).output)).toEqual(whole);
      expect(await finished(storage)).toBe(18);
    }
  });

  it('ten share a study, four of them are killed, to the same result', async () => {
    const whole = JSON.parse(await start(at('share-whole'), 60, 1).output);
    const storage = at('share');
    const all = Array.from({ length: 10 }, () => start(storage, 60, 60));
    await until(async () => (await finished(storage)) >= 10);
    all[0]?.child.kill('SIGKILL');
    for (const { child } of all.slice(1, 4)) child.kill('SIGKILL');
    for (const { output } of all.slice(4)) expect(JSON.parse(await output)).toEqual(whole);
    expect(await finished(storage)).toBe(60);
  });
});

it('processes() give what threads() give, though some are killed', async () => {
  const program = fileURLToPath(new URL('processes/executor.mjs', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const part of child.stdout) text += part;
  const { killed, ...rest } = JSON.parse(text);
  expect(rest).toEqual({
    same: true,
    pruned: true,
    carried: true,
    counted: true,
    afterCrash: true,
    populated: true,
    failed: 'OUT_OF_MEMORY: true',
    refused: 'INVALID_OPTION',
    alive: 0,
  });
  expect(killed).toBeGreaterThan(0);
});
