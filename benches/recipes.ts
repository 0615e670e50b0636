// The works of this folder as a user writes them. Sizes, batch, optimizer and its rate are the rivals' (benches/rivals).
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { type Augmentation, minMax, standardize } from 'nabla/data';
import {
  activation,
  batchNorm,
  conv2d,
  dense,
  embedding,
  flatten,
  globalAveragePool,
  layerNorm,
  lstm,
  maxPool2d,
  positionalEmbedding,
  reshape,
  residual,
  transformerBlock,
} from 'nabla/layers';
import { adam, adamw, sgd } from 'nabla/optimizers';
import { l2 } from 'nabla/regularizers';

/** W1: MLP 784-128-10 on MNIST. Pixels stay bytes and are scaled as a batch is gathered. */
export const mnistTrainer = ({ batchSize, epochs }: { readonly batchSize: number; readonly epochs: number }) =>
  new Trainer({
    prepare: [minMax()],
    model: sequential([flatten(), dense(128, { activation: 'relu' }), dense(10)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-3 }),
    epochs,
    batchSize,
  });

/** W4: a language model of characters by LSTM. */
export const lstmTrainer = (characters: number, epochs: number) =>
  new Trainer({
    model: sequential([embedding(characters, 64), lstm(128, { returnSequences: true }), dense(characters)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-3 }),
    clip: { globalNorm: 1 },
    epochs,
    batchSize: 32,
  });

/** W5: the same by transformer, 64 characters at once. */
export const transformerTrainer = (characters: number, epochs: number) =>
  new Trainer({
    model: sequential([
      embedding(characters, 128),
      positionalEmbedding(),
      transformerBlock({ heads: 4, causal: true }),
      transformerBlock({ heads: 4, causal: true }),
      layerNorm(),
      dense(characters),
    ]),
    loss: 'crossEntropy',
    optimizer: adamw({ learningRate: 1e-3 }),
    epochs,
    batchSize: 32,
  });

/** `count` windows from the start of tinyshakespeare; without `NABLA_DATA` of random letters, and `source` says so. */
export const characters = async (
  length: number,
  count = 3200,
): Promise<{ readonly data: Dataset; readonly source: 'tinyshakespeare' | 'random' }> => {
  const folder = process.env.NABLA_DATA;
  const places = folder === undefined ? [] : [folder, join(folder, 'text')].map((place) => join(place, 'tinyshakespeare.txt'));
  const found = places.find((path) => existsSync(path));
  const random = (): string => String.fromCharCode(48 + Math.floor(65 * Math.random()));
  const text = found === undefined ? Array.from({ length: count * length + 1 }, random).join('') : readFileSync(found, 'utf8');
  const own = mkdtempSync(join(tmpdir(), 'nabla-benches-'));
  try {
    const path = join(own, 'text.txt');
    writeFileSync(path, text.slice(0, count * length + 1));
    return { data: await Dataset.fromText(path, { length }), source: found === undefined ? 'random' : 'tinyshakespeare' };
  } finally {
    rmSync(own, { recursive: true });
  }
};

/** W1c: MLP 784-512-512-10 on MNIST. */
export const wideTrainer = ({ epochs }: { readonly epochs: number }) =>
  new Trainer({
    prepare: [minMax()],
    model: sequential([flatten(), dense(512, { activation: 'relu' }), dense(512, { activation: 'relu' }), dense(10)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-3 }),
    epochs,
    batchSize: 128,
  });

/** W2: the small CNN on MNIST. */
export const cnnTrainer = ({ epochs }: { readonly epochs: number }) =>
  new Trainer({
    prepare: [minMax()],
    model: sequential([
      reshape([28, 28, 1]),
      conv2d(32, { kernel: 3, activation: 'relu' }),
      conv2d(64, { kernel: 3, activation: 'relu' }),
      maxPool2d({ size: 2 }),
      flatten(),
      dense(128, { activation: 'relu' }),
      dense(10),
    ]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-3 }),
    epochs,
    batchSize: 64,
  });

const block = (filters: number, stride: number) => [
  residual(
    [
      conv2d(filters, { kernel: 3, stride, padding: 1, bias: false }),
      batchNorm(),
      activation('relu'),
      conv2d(filters, { kernel: 3, padding: 1, bias: false }),
      batchNorm(),
    ],
    stride === 1 ? {} : { shortcut: sequential([conv2d(filters, { kernel: 1, stride, bias: false }), batchNorm()]) },
  ),
  activation('relu'),
];

/** W3: a ResNet of three basic blocks on 32×32×3. */
export const resnetTrainer = ({ epochs, augment = [] }: { readonly epochs: number; readonly augment?: readonly Augmentation[] }) =>
  new Trainer({
    augment,
    model: sequential([
      conv2d(16, { kernel: 3, padding: 1, bias: false }),
      batchNorm(),
      activation('relu'),
      ...block(16, 1),
      ...block(32, 2),
      ...block(64, 2),
      globalAveragePool(),
      dense(10),
    ]),
    loss: 'crossEntropy',
    optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }),
    epochs,
    batchSize: 64,
  });

/** 2,560 random images of 32×32×3. */
export const noise = (): Dataset => {
  const rows = 2560;
  let state = 1;
  const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  return Dataset.from({
    features: Float32Array.from({ length: rows * 3072 }, random),
    shape: [rows, 32, 32, 3],
    targets: Uint8Array.from({ length: rows }, () => 10 * random()),
    task: 'classification',
  });
};

/** W6: the tiny fit, MLP 4-16-3 on iris. */
export const irisTrainer = ({ seed = 0 } = {}) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(16, { activation: 'tanh' }), dense(3)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-3 }),
    epochs: 100,
    batchSize: 16,
    seed,
  });

/** W8: one trial on digits, MLP 64-units-10. */
export const digitsTrialTrainer = ({ learningRate, units, penalty }: { learningRate: number; units: number; penalty: number }) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(units, { activation: 'relu' }), dense(10)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate }),
    regularizers: [l2(penalty)],
    metrics: ['accuracy'],
    epochs: 20,
    batchSize: 32,
  });

/** W7: MLP 64-64-10 on digits, standardized inside each fold. */
export const digitsTrainer = (metrics: readonly 'accuracy'[], seed: number) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(64, { activation: 'relu' }), dense(10)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-3 }),
    metrics,
    epochs: 30,
    batchSize: 32,
    seed,
  });

/** The 60,000 training digits from `NABLA_DATA`; without them random bytes of the same shape, and `source` says so. */
export const mnist = async (): Promise<{ readonly data: Dataset; readonly source: 'mnist' | 'random' }> => {
  const folder = process.env.NABLA_DATA;
  const file = (name: string): string | undefined =>
    folder === undefined
      ? undefined
      : [folder, join(folder, 'mnist')].flatMap((place) => [join(place, name), join(place, `${name}.gz`)]).find((path) => existsSync(path));
  const images = file('train-images-idx3-ubyte');
  const labels = file('train-labels-idx1-ubyte');
  if (images !== undefined && labels !== undefined) return { data: await Dataset.fromIdx(images, { labels }), source: 'mnist' };

  const rows = 60_000;
  let state = 1;
  const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24; // the high bits of an LCG
  const features = Uint8Array.from({ length: rows * 784 }, random);
  const targets = Uint8Array.from({ length: rows }, () => (random() * 10) >>> 8);
  return { data: Dataset.from({ features, shape: [rows, 28, 28, 1], targets, task: 'classification' }), source: 'random' };
};
