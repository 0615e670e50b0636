/** Arrays of NumPy, written by fixtures/scripts/npz.py. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dataset } from 'nabla';
import { describe, expect, it } from 'vitest';

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const eighths = Array.from({ length: 24 }, (_, i) => i / 8);

describe('fromNpz', () => {
  it('reads a packed archive: words are classes', async () => {
    const data = await Dataset.fromNpz(fixture('packed.npz'));
    expect([data.rows, data.classes]).toEqual([6, ['ant', 'bee', 'cät']]);
    expect(Array.from(data.features())).toEqual(eighths);
    expect(data.labels()).toEqual(['ant', 'bee', 'ant', 'bee', 'cät', 'ant']);
  });

  it('reads images, numbers as classes, and booleans', async () => {
    const images = await Dataset.fromNpz(fixture('packed.npz'), { features: 'image', targets: 'label', task: 'classification' });
    expect([images.rows, images.classes.length]).toEqual([6, 3]);
    expect(Array.from(images.features())).toEqual(Array.from({ length: 96 }, (_, i) => i));
    const flags = await Dataset.fromNpz(fixture('packed.npz'), { targets: 'flag' });
    expect(flags.classes.length).toBe(2);
  });

  it('reads a stored archive, columns first, big-endian, and several targets a row', async () => {
    const data = await Dataset.fromNpz(fixture('stored.npz'));
    expect(Array.from(data.features())).toEqual(eighths);
    expect(Array.from(data.targets())).toEqual([0, 1, 2, 3, 4, 5].flatMap((i) => [i, i + 0.25]));
    const big = await Dataset.fromNpz(fixture('stored.npz'), { features: 'big', targets: 'words' });
    expect(Array.from(big.features())).toEqual(eighths);
    expect(big.classes).toEqual(['no', 'yes']);
  });

  it('reads one array alone', async () => {
    const data = await Dataset.fromNpz(fixture('alone.npy'));
    expect(Array.from(data.features())).toEqual(eighths.filter((_, i) => i % 4 < 3));
  });

  it('names what is wrong', async () => {
    await expect(Dataset.fromNpz(fixture('packed.npz'), { features: 'z' })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      expected: expect.stringMatching(/'x', 'y'/),
    });
    await expect(Dataset.fromNpz(fixture('nothing.npz'))).rejects.toMatchObject({ code: 'IO' });
    await expect(Dataset.fromNpz(fixture('packed.npz'), { features: 'y' })).rejects.toMatchObject({ code: 'DATA_FORMAT' });
  });

  it('a damaged file is a coded error, wherever it is cut or changed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nabla-'));
    try {
      for (const name of ['packed.npz', 'stored.npz', 'alone.npy']) {
        const bytes = await readFile(fixture(name));
        for (let i = 0; i < 60; i++) {
          const path = join(folder, name);
          const at = Math.floor((i / 60) * bytes.length);
          const changed = Buffer.from(bytes);
          changed[at] = (changed[at]! + 1 + i) & 255;
          for (const damaged of [bytes.subarray(0, at), changed]) {
            await writeFile(path, damaged);
            const outcome = await Dataset.fromNpz(path).catch((error: unknown) => error);
            if (!(outcome instanceof Dataset))
              expect(outcome).toMatchObject({ name: expect.stringMatching(/NablaError/), code: expect.any(String) });
          }
        }
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
