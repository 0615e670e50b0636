// A convolutional network on CIFAR-10 (JPEG), as it is and with augmentation (flip and crop).
//   npm start -- cifar10 [FOLDER] [--augment] [--epochs=12] [--rows=50000] [--batch=128] [--record]
//   npm start -- cifar10 [FOLDER] --compare --rows=5000 --epochs=30 --batch=64 --seeds=2
// FOLDER (or NABLA_DATA) holds cifar10/ with the two archives of JPEG images. `--record` writes the result to benches/results/. `--compare`
// fits the same recipe without and with augmentation, for several seeds: where few pictures can be learnt by heart, the gain shows.
import { parseArgs } from 'node:util';

import { Dataset, sequential, Trainer } from 'nabla';
import { crop, flip, minMax } from 'nabla/data';
import { activation, batchNorm, conv2d, dense, flatten, maxPool2d } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';
import { cosine } from 'nabla/schedules';
import { fileOf } from './real-data.js';
import { record } from './record.js';

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    augment: { type: 'boolean', default: false },
    epochs: { type: 'string', default: '12' },
    rows: { type: 'string', default: '50000' },
    batch: { type: 'string', default: '128' },
    compare: { type: 'boolean', default: false },
    seeds: { type: 'string', default: '2' },
    record: { type: 'boolean', default: false },
  },
});

const read = (part: string): Promise<Dataset> =>
  Dataset.fromImages(fileOf(`cifar10/cifar10-${part}-jpeg.tar.gz`), { size: [32, 32], channels: 3 });
const [all, test] = await Promise.all([read('train'), read('test')]);
// The archives are in the order of the classes: a part of them must be of all.
const wanted = Number(options.rows);
const train =
  wanted < all.rows ? all.split({ ratios: { train: wanted / all.rows, test: 1 - wanted / all.rows }, stratify: true, seed: 7 }).train : all;

const conv = (filters: number) =>
  sequential([conv2d(filters, { kernel: 3, padding: 'same', bias: false }), batchNorm(), activation('relu')]);
const trainer = (augment: boolean, seed: number) =>
  new Trainer({
    prepare: [minMax()],
    augment: augment ? [flip(), crop({ padding: 4 })] : [],
    model: sequential([
      conv(32),
      maxPool2d({ size: 2 }),
      conv(64),
      maxPool2d({ size: 2 }),
      conv(128),
      maxPool2d({ size: 2 }),
      flatten(),
      dense(10),
    ]),
    loss: 'crossEntropy',
    optimizer: sgd({ learningRate: 0.02, momentum: 0.9, nesterov: true, weightDecay: 5e-4 }),
    schedule: cosine({ end: 0, by: 'step' }),
    metrics: ['accuracy'],
    epochs: Number(options.epochs),
    batchSize: Number(options.batch),
    seed,
  });
const settings = { rows: train.rows, epochs: Number(options.epochs), batchSize: Number(options.batch) };
const percent = (share: number): string => (100 * share).toFixed(2);

const learn = async (augment: boolean, seed: number) => {
  const start = performance.now();
  const fitted = await trainer(augment, seed).fit(train, { progress: true });
  const minutes = (performance.now() - start) / 60_000;
  const { accuracy } = await fitted.evaluate(test);
  const how = augment ? 'with flip and crop' : 'without augmentation';
  console.log(`${how}: ${percent(accuracy)} % of the 10,000 test images, ${minutes.toFixed(1)} minutes`);
  return { fitted, how, accuracy, minutes, trained: fitted.history.at(-1)?.train.accuracy };
};

if (options.compare) {
  const pairs = [];
  for (let seed = 1; seed <= Number(options.seeds); seed++) {
    const [plain, augmented] = [await learn(false, seed), await learn(true, seed)];
    const gain = augmented.accuracy - plain.accuracy;
    console.log(`seed ${seed}: ${percent(gain)} points gained`);
    const brief = ({ accuracy, trained, minutes }: typeof plain) => ({ accuracy, trained, minutes });
    pairs.push({ seed, gain, without: brief(plain), with: brief(augmented) });
  }
  if (options.record)
    await record('augmentation', 'what flip and crop gain on CIFAR-10 (JPEG), accuracy on the 10,000 test images', { settings, pairs });
} else {
  const { fitted, how, accuracy, minutes } = await learn(options.augment, 7);
  if (options.record)
    await record(
      `cifar10${options.augment ? '-augmented' : ''}`,
      `a convolutional network on CIFAR-10 (JPEG) ${how}, accuracy on the 10,000 test images`,
      {
        settings: { ...settings, weights: fitted.parameters, augment: options.augment },
        accuracy,
        minutes,
        epochs: fitted.history.map(({ train: seen }) => seen),
      },
    );
}
