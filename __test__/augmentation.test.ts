/** Augmentation in a recipe: seeded, the same bits on any number of threads, targets mixed, never on rows that are scored. */
import { Dataset, NablaError, sequential, Trainer } from 'nabla';
import {
  type Augmentation,
  brightness,
  contrast,
  crop,
  cutmix,
  cutout,
  elastic,
  flip,
  jitter,
  minMax,
  mixup,
  noise,
  rotate,
  scale,
  shear,
  standardize,
  translate,
} from 'nabla/data';
import { conv2d, dense, flatten, globalAveragePool } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';
import { describe, expect, it } from 'vitest';

/** Images of bytes: bright on the left, or on the right. */
const images = (rows: number, side = 8): Dataset =>
  Dataset.from({
    features: Uint8Array.from({ length: rows * side * side * 3 }, (_, i) => {
      const [row, x] = [Math.floor(i / (side * side * 3)), Math.floor(i / 3) % side];
      return ((i * 37) % 61) + (x < side / 2 === (row % 2 === 0) ? 150 : 0);
    }),
    shape: [rows, side, side, 3],
    targets: Array.from({ length: rows }, (_, i) => (i % 2 === 0 ? 'left' : 'right')),
  });

const recipe = (augment: readonly Augmentation[], more: object = {}) =>
  new Trainer({
    prepare: [minMax()],
    model: sequential([conv2d(4, { kernel: 3, activation: 'relu' }), flatten(), dense(2)]),
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    epochs: 3,
    batchSize: 8,
    seed: 5,
    augment,
    ...more,
  });

const everything = [
  flip({ vertical: true }),
  crop({ padding: 1 }),
  rotate(10),
  translate(0.1),
  scale(0.9, 1.1),
  shear(5),
  elastic({ strength: 4, smoothness: 2 }),
  brightness(0.1),
  contrast(0.2),
  noise(0.02),
  cutout(2),
  cutmix(),
];

describe('in a trainer', () => {
  const data = images(50);

  it('is the same on one thread and on three, and another with another seed', async () => {
    // Large enough that a step is shared.
    const large = images(40, 24);
    const weightsOf = async (threads: number, seed: number) => {
      const fitted = await recipe(everything, { seed, epochs: 2, batchSize: 20 }).fit(large, { threads });
      return [...fitted.weights().values()].map(({ values }) => [...values]);
    };
    const one = await weightsOf(1, 5);
    expect(await weightsOf(3, 5)).toEqual(one);
    expect(await weightsOf(1, 6)).not.toEqual(one);
  });

  it('changes training rows each epoch and never those that are scored', async () => {
    const still = { optimizer: sgd({ learningRate: 1e-30 }) };
    for (const step of everything) {
      const { history } = await recipe([step], still).fit(data, { validation: data });
      const { history: plain } = await recipe([], still).fit(data, { validation: data });
      expect(history.map((e) => e.validation)).toEqual(plain.map((e) => e.validation));
      expect(new Set(history.map((e) => e.train.loss)).size).toBe(3);
    }
  });

  it('learns what it must learn from augmented rows', async () => {
    const fitted = await recipe([crop({ padding: 1 }), brightness(0.1), mixup()], { epochs: 30 }).fit(data);
    expect((await fitted.evaluate(data)).accuracy).toBe(1);
  });

  it('a flip makes left and right the same', async () => {
    const fitted = await recipe([flip()], { epochs: 20 }).fit(data);
    expect(fitted.history.at(-1)!.train.loss).toBeGreaterThan(0.5);
  });

  it('takes one step for jitter and mixup of tables, and mixes numbers', async () => {
    const table = Dataset.from({
      features: Array.from({ length: 200 }, (_, i) => [i / 100, Math.sin(i)]),
      targets: Array.from({ length: 200 }, (_, i) => 3 * (i / 100) - 1),
    });
    const linear = new Trainer({
      prepare: [standardize()],
      model: dense(1),
      loss: 'meanSquaredError',
      metrics: ['r2'],
      epochs: 60,
      optimizer: sgd({ learningRate: 0.05 }),
      augment: [mixup({ alpha: 1 })],
    });
    // Of a linear law every mixture is on it.
    const fitted = await linear.fit(table);
    expect((await fitted.evaluate(table)).r2).toBeGreaterThan(0.9999);
    const jittered = await new Trainer({
      prepare: [standardize()],
      model: dense(1),
      loss: 'meanSquaredError',
      metrics: ['r2'],
      epochs: 60,
      optimizer: sgd({ learningRate: 0.05 }),
      augment: [jitter(0.5)],
    }).fit(table);
    // Noise of ½ deviation in the features shrinks the slope by 1/(1 + ¼): r2 = 1 − 0.2² = 0.96.
    expect((await jittered.evaluate(table)).r2).toBeCloseTo(0.96, 1);
    expect((await jittered.evaluate(table)).r2).toBeLessThan(0.98);
  });

  it('the loss of a mixed row is that of both classes, by their shares', async () => {
    // Logits that do not depend on the row: log p = (0, −1)·bias; with a rate of 0 the loss is linear in the share.
    const model = sequential([globalAveragePool(), dense(2)]);
    const losses = async (augment: readonly Augmentation[]) =>
      (await recipe(augment, { model, epochs: 1, optimizer: sgd({ learningRate: 1e-30 }) }).fit(data)).history[0]!.train;
    const [plain, cut] = [await losses([]), await losses([cutmix()])];
    expect(cut.loss).not.toBe(plain.loss);
    // A balanced set and features that hardly tell classes apart: half of all targets stay half of all targets.
    expect(Math.abs(cut.loss - plain.loss)).toBeLessThan(0.05);
  });

  it('refuses what the samples cannot go through, before any work', () => {
    const table = Dataset.from({ features: [[1], [2], [3]], targets: ['a', 'b', 'a'] });
    expect(() => new Trainer({ model: dense(2), loss: 'crossEntropy', augment: [mixup(), flip()] })).toThrow(NablaError);
    expect(() => new Trainer({ model: dense(2), loss: 'crossEntropy', augment: ['flip' as unknown as Augmentation] })).toThrow(NablaError);
    const begin = async () => new Trainer({ model: dense(2), loss: 'crossEntropy', augment: [flip()] }).fit(table);
    return expect(begin()).rejects.toMatchObject({ code: 'INVALID_OPTION', place: 'augment: flip' });
  });
});

describe('a data set', () => {
  it('is enlarged for good', () => {
    const data = images(6);
    const more = data.augmented([flip(), rotate(20)], { copies: 2, seed: 9 });
    expect([more.rows, more.sampleShape, more.classes]).toEqual([18, [8, 8, 3], ['left', 'right']]);
    expect(more.features().subarray(0, data.features().length)).toEqual(data.features());
    expect(more.groups()).toEqual(Uint32Array.from({ length: 18 }, (_, i) => i % 6));
    expect(data.augmented(flip()).rows).toBe(12);
    expect(() => data.augmented(mixup())).toThrow(/two classes/);
    expect(() => data.augmented([])).toThrow(NablaError);
  });

  it('shows what a recipe does', async () => {
    const png = images(3).contactSheet([flip(), cutout(3)], { rows: 2, variants: 4 });
    const read = await Dataset.fromImages([{ bytes: png, label: 'sheet' }], { size: [2 * 58 + 2, 5 * 58 + 2] });
    expect(read.sampleShape).toEqual([118, 292, 3]);
    // The first picture is the original: its first pixel, seven times as large.
    expect(Array.from(read.features().subarray((2 * 292 + 2) * 3, (2 * 292 + 2) * 3 + 3))).toEqual(
      Array.from(images(1).features().subarray(0, 3)),
    );
  });
});

it('names what is wrong with a step', () => {
  for (const wrong of [
    () => flip({ horizontal: false }),
    () => crop({ padding: -1 }),
    () => crop({ size: [1] as unknown as [number, number] }),
    () => rotate(0),
    () => rotate(Number.NaN),
    () => translate(2),
    () => scale(2, 1),
    () => shear(90),
    () => elastic({ smoothness: 0 }),
    () => brightness(-1),
    () => contrast(1.5),
    () => noise(0),
    () => cutout(0),
    () => mixup({ alpha: 0 }),
    () => cutmix({ beta: 1 } as object),
    () => jitter('a little' as unknown as number),
  ])
    expect(wrong).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
});
