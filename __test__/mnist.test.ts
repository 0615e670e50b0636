import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { minMax } from 'nabla/data';
import { dense, dropout, flatten } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { expect, it } from 'vitest';

const folders = process.env.NABLA_DATA === undefined ? [] : [process.env.NABLA_DATA, join(process.env.NABLA_DATA, 'mnist')];
const path = (name: string): string | undefined =>
  folders.flatMap((folder) => [join(folder, name), join(folder, `${name}.gz`)]).find((file) => existsSync(file));
const files = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'].map(path);
const found = files.every((file) => file !== undefined);
if (!found) console.warn('MNIST is skipped: set NABLA_DATA to the folder of its four IDX files (plain or gzip).');

it.skipIf(!found)(
  'an MLP reaches 98.0 % on the 10,000 test digits of MNIST within ten epochs',
  async () => {
    const [images, labels, testImages, testLabels] = files as [string, string, string, string];
    const [train, test] = await Promise.all([Dataset.fromIdx(images, { labels }), Dataset.fromIdx(testImages, { labels: testLabels })]);
    expect([train.rows, test.rows, train.sampleShape]).toEqual([60_000, 10_000, [28, 28, 1]]);
    expect(train.labels().slice(0, 10).join('')).toBe('5041921314');
    const fitted = await new Trainer({
      prepare: [minMax()],
      model: sequential([
        flatten(),
        dense(256, { activation: 'relu' }),
        dropout(0.2),
        dense(128, { activation: 'relu' }),
        dropout(0.2),
        dense(10),
      ]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate: 1e-3 }),
      metrics: ['accuracy'],
      epochs: 10,
      batchSize: 128,
      seed: 7,
    }).fit(train);
    expect((await fitted.evaluate(test)).accuracy).toBeGreaterThanOrEqual(0.98);
  },
  600_000,
);
