// A small convolutional network on MNIST: 99.2 % of the 10,000 test digits.
//   npm start -- mnist-cnn [FOLDER] [--epochs=8] [--rows=60000] [--record]
// FOLDER (or NABLA_DATA) holds mnist/ with the four IDX files, gzip. `--record` writes the result to benches/results/.
import { parseArgs } from 'node:util';

import { Dataset, sequential, Trainer } from 'nabla';
import { minMax } from 'nabla/data';
import { activation, batchNorm, conv2d, dense, dropout, flatten, maxPool2d } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { cosine } from 'nabla/schedules';
import { fileOf } from './real-data.js';
import { record } from './record.js';

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    epochs: { type: 'string', default: '8' },
    rows: { type: 'string', default: '60000' },
    record: { type: 'boolean', default: false },
  },
});

const read = (part: string): Promise<Dataset> =>
  Dataset.fromIdx(fileOf(`mnist/${part}-images-idx3-ubyte.gz`), { labels: fileOf(`mnist/${part}-labels-idx1-ubyte.gz`) });
const [all, test] = await Promise.all([read('train'), read('t10k')]);
const train = all.take(Number(options.rows));

const conv = (filters: number) =>
  sequential([conv2d(filters, { kernel: 3, padding: 'same', bias: false }), batchNorm(), activation('relu')]);
const trainer = new Trainer({
  prepare: [minMax()],
  model: sequential([conv(16), maxPool2d({ size: 2 }), conv(32), maxPool2d({ size: 2 }), conv(64), flatten(), dropout(0.4), dense(10)]),
  loss: 'crossEntropy',
  optimizer: adam({ learningRate: 2e-3 }),
  schedule: cosine({ end: 0.01, by: 'step' }),
  metrics: ['accuracy'],
  epochs: Number(options.epochs),
  batchSize: 128,
  seed: 7,
});

const start = performance.now();
const fitted = await trainer.fit(train, { progress: true });
const minutes = (performance.now() - start) / 60_000;
// The test digits judge once, at the end.
const { accuracy } = await fitted.evaluate(test);
console.log(`${fitted.parameters} weights, ${(100 * accuracy).toFixed(2)} % of the test digits, ${minutes.toFixed(1)} minutes`);

if (options.record) {
  await record('mnist-cnn', 'a small convolutional network on MNIST, accuracy on the 10,000 test digits', {
    settings: { rows: train.rows, epochs: Number(options.epochs), batchSize: 128, weights: fitted.parameters },
    accuracy,
    minutes,
    epochs: fitted.history.map(({ train: seen }) => seen),
  });
}
