import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Dataset, Fitted, NablaError, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { build, inLanes, run } from './program.js';

let folder: string;

beforeAll(() => {
  build();
  folder = mkdtempSync(join(tmpdir(), 'nabla-saving-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a process killed while it saves', () => {
  it('leaves the old model or the new one, thirty times', async () => {
    const kill = async (i: number) => {
      const path = join(folder, `killed-${i}`);
      // From the moment it has begun to save over its first model, at another time each.
      const { signal, stdout, stderr } = await run('saving', [path], { killAfterMs: (i * 7) % 31 });
      expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
      const models = JSON.parse(stdout) as [string, string];
      const loaded = await Fitted.load<'classes'>(path);
      const probe = Dataset.from({ features: Float32Array.from(JSON.parse(readFileSync(`${path}.probe`, 'utf8'))), shape: [8, 64] });
      const found = JSON.stringify([loaded.history.length, ...(await loaded.predict(probe, { probabilities: true })).map((p) => p[0])]);
      // What a crash left behind is cleared by the next save.
      await loaded.save(path);
      return { whole: models.includes(found), files: readdirSync(path).sort() };
    };
    const ends = await inLanes(
      2,
      Array.from({ length: 30 }, (_, i) => () => kill(i)),
    );
    expect(ends).toEqual(ends.map(() => ({ whole: true, files: ['model.json', 'model.safetensors'] })));
  });
});

describe('a save that fails', () => {
  const data = Dataset.from({ features: [[0], [1], [2], [3]], targets: ['a', 'b', 'a', 'b'] });
  const fittedBy = (seed: number) =>
    new Trainer({ model: sequential([dense(2)]), loss: 'crossEntropy', epochs: 1, seed }).fit(data) as PromiseLike<Fitted>;
  const weights = (fitted: Fitted): string => JSON.stringify([...fitted.weights()].map(([name, { values }]) => [name, [...values]]));

  const failure = async (promise: Promise<unknown>): Promise<NablaError> => {
    const error = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(NablaError);
    return error as NablaError;
  };

  it('makes folders that are missing', async () => {
    const path = join(folder, 'not', 'there', 'yet');
    const fitted = await fittedBy(1);
    await fitted.save(path);
    expect(weights(await Fitted.load(path))).toBe(weights(fitted));
  });

  it('names the path when it is a file', async () => {
    const path = join(folder, 'a-file');
    writeFileSync(path, 'not a folder');
    const error = await failure((await fittedBy(1)).save(path));
    expect(error.code).toBe('IO');
    expect(error.place).toContain(path);
    expect(readFileSync(path, 'utf8')).toBe('not a folder');
    expect((await failure(Fitted.load(path))).code).toBe('IO');
    expect((await failure((await fittedBy(1)).save(join(path, 'below')))).code).toBe('IO');
  });

  it('keeps the old model when something stands in the way of the new one', async () => {
    const path = join(folder, 'in-the-way');
    const old = await fittedBy(1);
    await old.save(path);
    // Nothing can be renamed to a folder that is not empty, whoever the user is.
    rmSync(join(path, 'model.json'));
    mkdirSync(join(path, 'model.json', 'x'), { recursive: true });
    expect((await failure(old.save(path))).code).toBe('IO');
    expect(weights(await Fitted.load(path))).toBe(weights(old));
    expect(readdirSync(path).sort()).toEqual(['model.json', 'model.safetensors']);
  });

  it.skipIf(process.platform === 'win32')('keeps the old model in a folder that is read-only', async () => {
    const path = join(folder, 'read-only');
    chmodSync(folder, 0o755);
    const ended = await run('read-only', [path]);
    chmodSync(path, 0o755);
    expect(ended).toEqual({
      code: 0,
      signal: null,
      stdout: `IO at ${join(path, 'model.safetensors')}, the old model is there`,
      stderr: '',
    });
    expect(readdirSync(path).sort()).toEqual(['model.json', 'model.safetensors']);
  });

  it('names the path of a model that is not there', async () => {
    const path = join(folder, 'nowhere');
    const error = await failure(Fitted.load(path));
    expect(error.code).toBe('IO');
    expect(error.message).toContain(path);
  });
});

describe('a torn or rotten model', () => {
  it('is told from a good one, wherever it was cut and whichever weight has changed', async () => {
    const data = Dataset.from({ features: [[0], [1], [2], [3]], targets: [0.1, 1, 2, 3] });
    const trainer = new Trainer({ model: sequential([dense(1)]), loss: 'meanSquaredError', epochs: 1, seed: 1 });
    const path = join(folder, 'damaged');
    await (await trainer.fit(data)).save(path);
    const file = join(path, 'model.safetensors');
    const good = readFileSync(file);
    for (let i = 0; i < 200; i++) {
      writeFileSync(file, good.subarray(0, Math.floor((i * good.length) / 200)));
      await expect(Fitted.load(path), `cut at ${i}/200`).rejects.toMatchObject({ code: 'DATA_FORMAT' });
    }
    const header = 8 + Number(good.readBigUInt64LE(0));
    for (let i = header; i < good.length; i++) {
      const rotten = Buffer.from(good);
      rotten[i] = (rotten[i] as number) ^ 1;
      writeFileSync(file, rotten);
      await expect(Fitted.load(path), `byte ${i}`).rejects.toMatchObject({ code: 'DATA_FORMAT' });
    }
    writeFileSync(file, Buffer.concat([good, Buffer.alloc(1)]));
    await expect(Fitted.load(path), 'one byte more').rejects.toMatchObject({ code: 'DATA_FORMAT' });
  });
});
