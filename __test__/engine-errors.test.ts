/** What the engine refuses before it works, and what it says of a step that went wrong. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Dataset, NablaError, network, type Tensor, Trainer } from '../src/index.js';
import { concat, conv2d, dense, flatten, layer, maxPool2d, reshape, residual } from '../src/layers/index.js';

const data = Dataset.from({ features: Array.from({ length: 8 }, (_, i) => [i, 1, 2, 3]), targets: Array.from({ length: 8 }, (_, i) => i) });
const trainer = (model: unknown, more = {}) =>
  new Trainer({ model: model as ReturnType<typeof dense>, loss: 'meanSquaredError', epochs: 1, batchSize: 'full', ...more });
const failure = async (model: unknown, more = {}): Promise<NablaError> => {
  try {
    await trainer(model, more).fit(data);
  } catch (error) {
    expect(error).toBeInstanceOf(NablaError);
    return error as NablaError;
  }
  throw new Error('it was accepted');
};

describe('sizes', () => {
  it.each<[string, () => unknown]>([
    ['a weight', () => network((x) => dense(1)(dense(2 ** 31)(dense(2 ** 6)(x))))],
    ['a weight of more elements than can be counted', () => network((x) => dense(1)(dense(2 ** 35)(x)))],
    ['two that multiply', () => network((x) => dense(1)(dense(2 ** 20)(dense(2 ** 20)(x))))],
    [
      'a value of a batch',
      () =>
        network((x) =>
          dense(1)(
            x
              .reshape([-1, 4, 1])
              .pad([
                [0, 0],
                [0, 2 ** 20],
                [0, 2 ** 18],
              ])
              .max([1, 2], { keepDims: true })
              .reshape([-1, 1]),
          ),
        ),
    ],
    [
      'an overflow',
      () =>
        network((x) =>
          dense(1)(
            x.pad([
              [0, 0],
              [0, 2 ** 52],
            ]),
          ),
        ),
    ],
  ])('that do not fit in memory are refused before anything is allocated: %s', async (_, model) => {
    const before = process.memoryUsage().rss;
    const error = await failure(model());
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', hint: expect.stringMatching(/\w/) as string });
    expect(error.place).toMatch(/dense|pad/);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });
});

it('sizes that are too large say what is asked and what is there', async () => {
  const error = await failure(network((x) => dense(1)(dense(2 ** 33, { name: 'wide' })(x))));
  expect(error).toMatchObject({
    code: 'OUT_OF_MEMORY',
    place: 'dense "wide"',
    received: expect.stringMatching(/^137438953472 bytes/) as string,
  });
  expect(error.message).toMatch(/the weights "wide\/kernel" of shape \[4, 8589934592\] need 128\.0 GiB, .* are there/);
});

it('data, copies, preparations and predictions that do not fit are refused before they are allocated', async () => {
  const path = fileURLToPath(new URL('processes/memory.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path], { env: { ...process.env, NABLA_MEMORY_LIMIT: '48M' } });
  expect(JSON.parse(stdout)).toEqual({
    data: 'OUT_OF_MEMORY',
    copies: 'OUT_OF_MEMORY augmented',
    parameters: 'OUT_OF_MEMORY dense "wide"',
    fit: 'OUT_OF_MEMORY dense/kernel',
    batch: 'OUT_OF_MEMORY wide',
    // 3,000 rows of 3,000 levels would be 72 MB: they are encoded while they are gathered.
    oneHot: 'no error',
    predict: 'OUT_OF_MEMORY predict',
    series: 'OUT_OF_MEMORY windows',
    fits: 'no error',
  });
  const wrong = promisify(execFile)(process.execPath, [path], { env: { ...process.env, NABLA_MEMORY_LIMIT: 'much' } });
  await expect(wrong).rejects.toMatchObject({ stderr: expect.stringMatching(/INVALID_OPTION.*NABLA_MEMORY_LIMIT/s) as string });
});

describe('gradients', () => {
  it('a parameter that no gradient reaches is named', async () => {
    const model = network((x) => {
      dense(3, { name: 'lost' })(x);
      return dense(1, { name: 'head' })(x);
    });
    expect(await failure(model)).toMatchObject({
      code: 'NO_GRADIENT',
      place: 'lost/kernel',
      hint: expect.stringMatching(/freeze/) as string,
    });
  });

  it('one behind a comparison too', async () => {
    const model = network((x) => dense(1, { name: 'cut' })(x).greater(0).add(dense(1)(x)));
    expect(await failure(model)).toMatchObject({ code: 'NO_GRADIENT', place: 'cut/kernel' });
  });
});

describe('a step that is not finite', () => {
  it.each<[string, (x: Tensor) => Tensor, string]>([
    ['log', (x) => x.square().negate().subtract(1).log(), 'log'],
    ['divide', (x) => x.divide(x.multiply(0)), 'divide'],
    ['exp', (x) => x.square().add(1000).exp(), 'exp'],
    ['sqrt', (x) => x.square().negate().subtract(1).sqrt(), 'sqrt'],
  ])('names layer and operator: %s', async (_, run, operator) => {
    const model = network((x) => layer('broken', run)(dense(1)(x)));
    const error = await failure(model);
    expect(error).toMatchObject({ code: 'NOT_FINITE', place: expect.stringContaining('broken') as string });
    expect(error.message).toMatch(new RegExp(`step 0 \\(epoch 0\\): first in operator "${operator}", row \\d`));
  });
});

describe('shapes that do not fit', () => {
  const own = (run: (x: Tensor) => Tensor) => network((x) => dense(1)(layer('mine', run)(x)));
  it.each<[string, unknown, readonly string[]]>([
    ['add', own((x) => x.add(x.slice(1, 0, 3))), ['mine', '[batch, 4]', '[batch, 3]']],
    ['matmul', own((x) => x.matmul(x.slice(1, 0, 3).sum(0).reshape([3, 1]))), ['mine', '[batch, 4]', '[3, 1]']],
    ['concat', own((x) => x.concat(x.reshape([-1, 2, 2]))), ['mine', '[batch, 4]', '[batch, 2, 2]']],
    ['reshape', own((x) => x.reshape([-1, 3])), ['mine', '[batch, 4]', '[batch, 3]']],
    ['slice', own((x) => x.slice(1, 2, 9)), ['mine', '[batch, 4]', 'from 2 to 9']],
    ['sum', own((x) => x.sum(3)), ['mine', '[batch, 4]', '3']],
    ['transpose', own((x) => x.transpose([0, 0])), ['mine', '[batch, 4]', '[0, 0]']],
    ['gather', own((x) => x.gather(x)), ['mine', '[batch, 4]']],
    ['where', own((x) => x.where(x.slice(1, 0, 3), 0)), ['mine', '[batch, 4]', '[batch, 3]']],
    ['takeAlong', own((x) => x.takeAlong(x.sum(0, { keepDims: true }))), ['mine', '[batch, 4]', '[1, 4]']],
    ['residual', residual([dense(3)]), ['residual', '[batch, 4]', '[batch, 3]']],
    ['the layer concat', network((x) => dense(1)(concat()(x, x.reshape([-1, 2, 2])))), ['concat', '[batch, 4]', '[batch, 2, 2]']],
    ['conv2d', network((x) => dense(1)(conv2d(2, { kernel: 3 })(x))), ['conv2d', '[batch, 4]']],
    [
      'a window larger than the image',
      network((x) => dense(1)(flatten()(conv2d(2, { kernel: 3 })(reshape([2, 2, 1])(x))))),
      ['conv2d', '2'],
    ],
    ['maxPool2d', network((x) => dense(1)(maxPool2d({ size: 2 })(x))), ['maxPool2d', '[batch, 4]']],
    ['the layer reshape', network((x) => dense(1)(reshape([5])(x))), ['reshape', '[batch, 4]', '[batch, 5]']],
    ['the output', dense(2), ['dense', '[batch, 2]', '[batch, 1]']],
  ])('are named with layer and shapes: %s', async (_, model, words) => {
    const error = await failure(model);
    expect(error.code).toMatch(/SHAPE_MISMATCH|INVALID_OPTION/);
    for (const word of words) expect(`${error.place} ${error.message} ${error.expected} ${error.received}`).toContain(word);
  });
});
