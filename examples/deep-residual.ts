// A residual network of 110 layers on CIFAR-10 (JPEG): the loss falls, and the gradient still reaches the first block.
//   npm start -- deep-residual [FOLDER] [--epochs=5] [--rows=5000] [--blocks=18] [--record]
// FOLDER (or NABLA_DATA) holds cifar10/ with the archive of training images. `--record` writes the result to benches/results/.
import { parseArgs } from 'node:util';

import { Dataset, type Fitted, gradientHealth, sequential, Trainer, type TrainerOptions } from 'nabla';
import { crop, flip, minMax } from 'nabla/data';
import { activation, batchNorm, conv2d, dense, globalAveragePool, type Layer, residual } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';
import { warmup } from 'nabla/schedules';
import { fileOf } from './real-data.js';
import { record } from './record.js';

const { values: options } = parseArgs({
  allowPositionals: true,
  options: {
    epochs: { type: 'string', default: '5' },
    rows: { type: 'string', default: '5000' },
    blocks: { type: 'string', default: '18' },
    record: { type: 'boolean', default: false },
  },
});
const blocks = Number(options.blocks);

const all = await Dataset.fromImages(fileOf('cifar10/cifar10-train-jpeg.tar.gz'), { size: [32, 32], channels: 3 });
// The archive is in the order of the classes: a part of it must be of all.
const share = Number(options.rows) / all.rows;
const { train, test: others } = all.split({ ratios: { train: share, test: 1 - share }, stratify: true, seed: 7 });

// He et al. 2015: three stages of blocks of two convolutions, and with the first and the last layer 6·18 + 2 = 110.
const conv = (filters: number, stride = 1) => conv2d(filters, { kernel: 3, stride, padding: 'same', bias: false });
const block = (filters: number, stride: number, widens: boolean): Layer =>
  residual(
    [conv(filters, stride), batchNorm(), activation('relu'), conv(filters), batchNorm()],
    widens ? { shortcut: conv2d(filters, { kernel: 1, stride, bias: false }) } : {},
  );
const stage = (filters: number, stride: number): Layer[] =>
  Array.from({ length: blocks }, (_, i) => [block(filters, i === 0 ? stride : 1, i === 0 && stride > 1), activation('relu')]).flat();
const recipe = {
  prepare: [minMax()],
  model: sequential([
    conv(8),
    batchNorm(),
    activation('relu'),
    ...stage(8, 1),
    ...stage(16, 2),
    ...stage(32, 2),
    globalAveragePool(),
    dense(10),
  ]),
  loss: 'crossEntropy',
  seed: 7,
} as const satisfies Partial<TrainerOptions>;

/** Norms of the gradient of the first and of the last block's kernels, in one step on some rows; from a model, or from the first weights. */
const gradients = async (from?: Fitted): Promise<{ first: number; last: number }> => {
  const batch = train.select(Uint32Array.from({ length: 128 }, (_, i) => Math.floor((i * train.rows) / 128)));
  const step = new Trainer({ ...recipe, epochs: 1, batchSize: 'full' });
  const { records } = await gradientHealth(step, batch, { steps: 1, ...(from === undefined ? {} : { from }) });
  const norms = (records[0]?.layers ?? [])
    .filter(({ layer }) => layer.startsWith('residual'))
    .flatMap(({ parameters }) => parameters.filter(({ kernel }) => kernel).map(({ gradient }) => gradient.norm));
  return { first: norms[0]!, last: norms.at(-1)! };
};
const said = ({ first, last }: { first: number; last: number }): string =>
  `gradient norm of the first block ${first.toExponential(2)}, of the last ${last.toExponential(2)}: a factor of ${(first / last).toFixed(2)}`;

const start = performance.now();
const first = await gradients();
console.log(`${6 * blocks + 2} layers; ${said(first)}`);

const trainer = new Trainer({
  ...recipe,
  augment: [flip(), crop({ padding: 4 })],
  optimizer: sgd({ learningRate: 0.02, momentum: 0.9, weightDecay: 1e-4 }), // the paper warms 110 layers up at 0.01
  schedule: warmup({ steps: 80 }),
  metrics: ['accuracy'],
  epochs: Number(options.epochs),
  batchSize: 64,
});
const validation = others.take(1000);
const fitted = await trainer.fit(train, { validation, progress: true });
const last = await gradients(fitted as Fitted);
const minutes = (performance.now() - start) / 60_000;
const losses = fitted.history.map((epoch) => epoch.train.loss);
console.log(
  `${fitted.parameters} weights; loss ${losses.map((loss) => loss.toFixed(3)).join(' → ')} in ${minutes.toFixed(1)} minutes; ${said(last)}`,
);

if (options.record) {
  await record('deep-residual', `a residual network of ${6 * blocks + 2} layers with batch norm on CIFAR-10 (JPEG)`, {
    settings: { rows: train.rows, epochs: Number(options.epochs), batchSize: 64, layers: 6 * blocks + 2, weights: fitted.parameters },
    gradientNorms: { before: first, after: last },
    minutes,
    epochs: fitted.history.map(({ train: seen, validation: held }) => ({ train: seen, validation: held })),
  });
}
