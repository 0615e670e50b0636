/** Folders, archives and bytes of JPEG and PNG images as data sets, and predictions from image bytes. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Dataset, Fitted, NablaError, sequential, Trainer } from 'nabla';
import { minMax } from 'nabla/data';
import { dense, flatten } from 'nabla/layers';
import { afterAll, describe, expect, it } from 'vitest';

interface Case {
  readonly name: string;
  readonly size: [number, number];
  readonly bytes: string;
  readonly rgb: string;
  readonly grey: string;
  readonly small: string;
  readonly large: string;
  readonly cover: string;
}
const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, 'fixtures/pictures.json'), 'utf8')) as { cases: Case[] };
const decoded = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));
const picture = (name: string): Uint8Array => decoded(cases.find((c) => c.name === name)!.bytes);

const folder = mkdtempSync(join(tmpdir(), 'nabla-images-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes files under a new folder. */
const tree = (name: string, files: Record<string, Uint8Array | string>): string => {
  const root = join(folder, name);
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
  return root;
};

const distance = (got: ArrayLike<number>, expected: ArrayLike<number>): { largest: number; mean: number } => {
  expect(got.length).toBe(expected.length);
  let [largest, sum] = [0, 0];
  for (let i = 0; i < got.length; i++) {
    const d = Math.abs(got[i]! - expected[i]!);
    largest = Math.max(largest, d);
    sum += d;
  }
  return { largest, mean: sum / got.length };
};

describe('decoding against Pillow', () => {
  const read = async (c: Case, options: Parameters<typeof Dataset.fromImages>[1]) =>
    (await Dataset.fromImages([{ bytes: decoded(c.bytes), label: 'a' }], options)).features();

  it.each(cases)('$name', async (c) => {
    // JPEG decoders differ in the rounding of their transforms and in how they spread chroma; PNG is exact.
    const jpeg = c.name.startsWith('JPEG');
    const colour = distance(await read(c, { size: c.size, channels: 3 }), decoded(c.rgb));
    expect(colour.largest).toBeLessThanOrEqual(jpeg ? 4 : 0);
    const grey = distance(await read(c, { size: c.size, channels: 1 }), decoded(c.grey));
    expect(grey.largest).toBeLessThanOrEqual(jpeg ? 4 : 0);
    for (const [size, fit, expected] of [
      [[5, 7], 'fill', c.small],
      [[20, 31], 'fill', c.large],
      [[8, 8], 'cover', c.cover],
    ] as const) {
      // Pillow rounds after either axis and has weights of 22 bits.
      expect(distance(await read(c, { size, channels: 3, fit }), decoded(expected)).largest).toBeLessThanOrEqual(jpeg ? 5 : 1);
    }
  });
});

describe('Dataset.fromImages', () => {
  const files = {
    'dog/b.PNG': picture('PNG, colour'),
    'cat/2.jpeg': picture('JPEG, 4:2:0'),
    'cat/10.jpg': picture('JPEG, 4:4:4'),
    'cat/.hidden.jpg': 'nothing',
    'cat/notes.txt': 'nothing',
    'dog/more/a.png': picture('PNG, colour'),
  };
  const size = [12, 17] as const;

  it('takes the class from the folder, in the order of the names', async () => {
    const data = await Dataset.fromImages(tree('plain', files), { size });
    expect(data.labels()).toEqual(['cat', 'cat', 'dog', 'dog']);
    expect([data.rows, data.sampleShape, data.classes]).toEqual([4, [12, 17, 3], ['cat', 'dog']]);
    const png = decoded(cases.find((c) => c.name === 'PNG, colour')!.rgb);
    expect(Array.from(data.features().subarray(3 * png.length))).toEqual(Array.from(png));
  });

  it('reads an archive of the folder as the folder itself', async () => {
    const root = tree('archived', files);
    const expected = await Dataset.fromImages(root, { size });
    for (const [name, flags] of [
      ['a.tar', '-cf'],
      ['a.tar.gz', '-czf'],
    ] as const) {
      // Out of order, and within a folder that names no class.
      execFileSync('tar', [flags, join(folder, name), '-C', folder, 'archived/dog', 'archived/cat']);
      const data = await Dataset.fromImages(join(folder, name), { size });
      expect(data.labels()).toEqual(expected.labels());
      expect(data.features()).toEqual(expected.features());
    }
    const bytes = readFileSync(join(folder, 'a.tar.gz'));
    writeFileSync(join(folder, 'cut.tar.gz'), bytes.subarray(0, bytes.length / 2));
    await expect(Dataset.fromImages(join(folder, 'cut.tar.gz'), { size })).rejects.toMatchObject({ code: 'DATA_FORMAT' });
    await expect(Dataset.fromImages(join(folder, 'plain/cat/notes.txt'), { size })).rejects.toMatchObject({ code: 'DATA_FORMAT' });
  });

  it('is the same on one thread and many, and tells of its progress', async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`c${i % 3}/${i}.jpg`, picture('JPEG, 4:2:0')]));
    const said: string[] = [];
    const write = process.stderr.write;
    process.stderr.write = ((text: string) => said.push(text) > 0) as typeof write;
    try {
      const data = await Dataset.fromImages(tree('many', many), { size: [6, 6], progress: true });
      expect(data.rows).toBe(40);
    } finally {
      process.stderr.write = write;
    }
    expect(said.join('')).toContain('reading images 40/40');
  });

  it('is ended by a signal', async () => {
    const reason = new Error('enough');
    await expect(Dataset.fromImages(join(folder, 'plain'), { size, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  const jpeg = picture('JPEG, 4:2:0');
  it.each([
    ['a cut JPEG', { 'a/1.jpg': jpeg, 'a/2.jpg': jpeg.subarray(0, jpeg.length - 40) }, 'DATA_FORMAT', 'a/2.jpg', 'ends too early'],
    ['no image', { 'a/1.jpg': 'GIF89a …' }, 'DATA_FORMAT', 'a/1.jpg', 'not a JPEG or PNG'],
    ['another format', { 'a/1.jpg': jpeg, 'a/2.webp': 'RIFF' }, 'DATA_FORMAT', 'a/2.webp', 'webp'],
    ['other channels', { 'a/1.jpg': jpeg, 'a/2.png': picture('PNG, grey') }, 'INVALID_DATA', 'a/2.png', '1 channels'],
    ['no class', { '1.jpg': jpeg }, 'INVALID_DATA', '1.jpg', 'no class folder'],
    ['nothing', { 'a/1.txt': 'x' }, 'INVALID_DATA', '', 'no pictures'],
  ])('names the file: %s', async (name, wrong, code, place, message) => {
    const root = tree(`wrong ${name}`, wrong as Record<string, Uint8Array>);
    const error = await Dataset.fromImages(root, { size: [8, 8] }).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(NablaError);
    expect((error as NablaError).code).toBe(code);
    expect((error as NablaError).place).toContain(place);
    expect((error as NablaError).message).toContain(message);
  });

  it('refuses wrong arguments before it reads', async () => {
    const bytes = picture('PNG, noise');
    for (const [source, options] of [
      [folder, {}],
      [folder, { size: [0, 8] }],
      [folder, { size: [8, 8], channels: 2 }],
      [folder, { size: [8, 8], fit: 'crop' }],
      [[], { size: [8, 8] }],
      [[{ bytes }], { size: [8, 8] }],
      [7, { size: [8, 8] }],
      [join(folder, 'nowhere'), { size: [8, 8] }],
    ] as const) {
      await expect(Dataset.fromImages(source as string, options as { size: [8, 8] })).rejects.toBeInstanceOf(NablaError);
    }
  });
});

it('a model of images predicts image bytes, brought to its size as the training images were', async () => {
  const labelled = [
    { bytes: picture('JPEG, 4:2:0'), label: 'smooth' },
    { bytes: picture('PNG, noise'), label: 'noise' },
    { bytes: picture('PNG, palette'), label: 'smooth' },
  ];
  const data = await Dataset.fromImages(labelled, { size: [10, 10], channels: 3, fit: 'contain' });
  const fitted = await new Trainer({ prepare: [minMax()], model: sequential([flatten(), dense(2)]), loss: 'crossEntropy', epochs: 60 }).fit(
    data,
  );
  const images = labelled.map(({ bytes }) => bytes);
  const expected = await fitted.predict(data, { probabilities: true });
  expect(await fitted.predict(images, { probabilities: true })).toEqual(expected);
  expect(await fitted.predict(images[1]!)).toEqual(['noise']);
  // What the training images went through is saved with the model.
  const path = join(folder, 'model.nabla');
  await fitted.save(path);
  expect(await (await Fitted.load(path)).predict(images, { probabilities: true })).toEqual(expected);
  await expect(fitted.predict(images[0]!.subarray(0, 200))).rejects.toMatchObject({ code: 'DATA_FORMAT', place: 'images[0]' });
});

const cifar = join(process.env.NABLA_DATA ?? 'nowhere', 'cifar10');
it.skipIf(!existsSync(cifar))(
  'decodes the 10,000 test images of CIFAR-10 (JPEG) as libjpeg-turbo does, but for a few grey levels',
  async () => {
    const data = await Dataset.fromImages(join(cifar, 'cifar10-test-jpeg.tar.gz'), { size: [32, 32] });
    const classes = readFileSync(join(cifar, 'batches.meta.txt'), 'utf8').trim().split(/\s+/);
    expect([data.rows, data.sampleShape, data.classes]).toEqual([10_000, [32, 32, 3], classes]);
    const records = readFileSync(join(cifar, 'test_batch.bin'));
    const index = readFileSync(join(cifar, 'subset_index.csv'), 'utf8').trim().split('\n').slice(1);
    const rows = index.map((line) => {
      const [, , label, path] = line.split(',');
      return Number(label) * 1000 + Number(path!.match(/(\d+)\.jpg/)![1]);
    });
    const features = data.select(rows).features();
    let [largest, sum] = [0, 0];
    for (let i = 0; i < rows.length; i++)
      for (let at = 0; at < 1024; at++)
        for (let c = 0; c < 3; c++) {
          const d = Math.abs(features[(i * 1024 + at) * 3 + c]! - records[i * 3073 + 1 + c * 1024 + at]!);
          largest = Math.max(largest, d);
          sum += d;
        }
    const mean = sum / (rows.length * 3072);
    console.log(`CIFAR-10 (JPEG): largest difference ${largest}, mean ${mean.toFixed(4)} grey levels`);
    expect(largest).toBeLessThanOrEqual(6);
    expect(mean).toBeLessThan(0.5);
  },
  60_000,
);
