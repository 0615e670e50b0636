/** Greedy pre-training as an estimator: what it learns layer by layer, how it hands it on, and what it refuses. */
import { beforeAll, describe, expect, it } from 'vitest';
import { minMax, standardize } from '../src/data/index.js';
import { Dataset, NablaError, pretrain, sequential, Trainer } from '../src/index.js';
import { activation, dense, dropout } from '../src/layers/index.js';
import { adam, sgd } from '../src/optimizers/index.js';
import { crossValidate, kFold } from '../src/validation/index.js';

let train: Dataset;
let test: Dataset;
let few: Dataset;
beforeAll(async () => {
  const digits = await Dataset.builtin('digits');
  const split = digits.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 1 });
  [train, test] = [split.train, split.test!];
  few = train.take(100);
  train = train.take(500);
});

const recipe = (activationName: 'sigmoid' | 'relu' = 'sigmoid') => ({
  prepare: [minMax()],
  model: sequential([dense(48, { activation: activationName }), dense(32, { activation: activationName }), dense(10)]),
  loss: 'crossEntropy' as const,
  metrics: ['accuracy'] as const,
  optimizer: adam({ learningRate: 0.01 }),
  epochs: 30,
  batchSize: 16,
  seed: 3,
});

describe.each(['restrictedBoltzmann', 'denoisingAutoencoder'] as const)('%s', (method) => {
  it('hands its layers on, and fine-tunes them', async () => {
    const still = new Trainer({ ...recipe(), optimizer: sgd({ learningRate: 0 }), epochs: 1 });
    const handed = await pretrain(still, { method, epochs: 3, unlabelled: train }).fit(few, { threads: 1 });
    expect(handed.taken).toEqual(['dense/bias', 'dense/kernel', 'dense2/bias', 'dense2/kernel']);
    const start = await still.fit(few);
    expect(handed.weights().get('dense2/kernel')).not.toEqual(start.weights().get('dense2/kernel'));
    expect(handed.weights().get('dense3/kernel')).toEqual(start.weights().get('dense3/kernel'));
    const tuned = await pretrain(new Trainer(recipe()), { method, epochs: 10, unlabelled: train }).fit(few, { threads: 1 });
    expect((await tuned.evaluate(test)).accuracy).toBeGreaterThan(0.7);
    expect(tuned.history).toHaveLength(30);
  });

  it('is the same for any number of threads, and takes rows without targets', async () => {
    const rows = train.take(64);
    const bare = Dataset.from({ features: rows.features(), shape: [64, 64] });
    const fitted = (threads: number, unlabelled: Dataset) =>
      pretrain(new Trainer({ ...recipe(), epochs: 1 }), { method, epochs: 1, unlabelled }).fit(few, { threads });
    const [one, two] = [await fitted(1, rows), await fitted(2, bare)];
    expect(two.weights()).toEqual(one.weights());
  });
});

it('a Boltzmann machine gives its rows back better than it began', async () => {
  // The bias of what is seen moves towards how often each pixel is on; a machine that learnt nothing would leave the kernel small.
  const still = new Trainer({ ...recipe(), optimizer: sgd({ learningRate: 0 }), epochs: 1 });
  const handed = await pretrain(still, { method: 'restrictedBoltzmann', epochs: 10, unlabelled: train }).fit(few, { threads: 1 });
  const { values } = handed.weights().get('dense/kernel')!;
  expect(Math.sqrt(values.reduce((sum, w) => sum + w * w, 0) / values.length)).toBeGreaterThan(0.1);
});

it('sees standardized numbers by Gaussian units', async () => {
  const still = new Trainer({ ...recipe(), prepare: [standardize()], optimizer: sgd({ learningRate: 0 }), epochs: 1 });
  const options = { method: 'restrictedBoltzmann', visible: 'gaussian', unlabelled: train } as const;
  const handed = await pretrain(still, { ...options, epochs: 20, learningRate: 0.005 }).fit(few, { threads: 1 });
  const weights = handed.weights();
  const [kernel, bias] = ['dense/kernel', 'dense/bias'].map((name) => weights.get(name)!.values) as [Float64Array, Float64Array];
  // One half step of Gibbs sampling, by its mean: the hidden units tell of the row what its mean does not.
  const rows = standardize()
    .fit(Array.from({ length: train.rows }, (_, i) => [...train.features().slice(64 * i, 64 * i + 64)]))
    .transform(Array.from({ length: 50 }, (_, i) => [...test.features().slice(64 * i, 64 * i + 64)])) as number[][];
  let [left, whole] = [0, 0];
  for (const row of rows) {
    const hidden = Array.from(bias, (b, j) => 1 / (1 + Math.exp(-row.reduce((z, v, i) => z + v * kernel[i * 48 + j]!, b))));
    row.forEach((v, i) => {
      // The bias of what is seen stays near 0, the mean of the rows less what the hidden units add.
      const back = hidden.reduce((z, h, j) => z + (h - 0.5) * kernel[i * 48 + j]!, 0);
      left += (v - back) ** 2;
      whole += v ** 2;
    });
  }
  expect(left / whole).toBeLessThan(0.8);
  const tuned = await pretrain(new Trainer({ ...recipe(), prepare: [standardize()] }), { ...options, epochs: 5 }).fit(few, { threads: 1 });
  expect((await tuned.evaluate(test)).accuracy).toBeGreaterThan(0.7);
});

it('is an estimator like any other', async () => {
  const estimator = pretrain(new Trainer({ ...recipe('relu'), epochs: 5 }), { method: 'denoisingAutoencoder', epochs: 2 });
  const report = await crossValidate(estimator as never, few, { splitter: kFold({ k: 3 }) });
  expect((report as { scores: Record<string, { values: readonly number[] }> }).scores.accuracy!.values).toHaveLength(3);
});

it('runs what lies between its layers, and stops', async () => {
  const model = sequential([dense(16), activation('relu'), dropout(0.1), dense(8, { activation: 'tanh' }), dense(10)]);
  const estimator = pretrain(new Trainer({ ...recipe(), model, epochs: 2 }), { method: 'denoisingAutoencoder', epochs: 1, corruption: 0 });
  expect((await estimator.fit(few)).taken).toHaveLength(4);
  await expect(estimator.fit(few, { signal: AbortSignal.abort(new Error('mine')) })).rejects.toThrow('mine');
});

it('refuses what it cannot train', async () => {
  const refused = (trainer: Trainer<readonly ['accuracy'], 'crossEntropy'>, options: object, words: RegExp) =>
    expect(() => pretrain(trainer, options as never)).toThrow(words);
  refused(new Trainer(recipe()), {}, /method/);
  refused(new Trainer(recipe()), { method: 'restrictedBoltzmann', epochs: 0 }, /epochs/);
  refused(new Trainer({ ...recipe(), model: sequential([dense(10)]) }), { method: 'denoisingAutoencoder' }, /before the last/);
  refused(new Trainer(recipe('relu')), { method: 'restrictedBoltzmann' }, /sigmoid/);
  refused(new Trainer(recipe()), { method: 'denoisingAutoencoder', corruption: 1 }, /corruption/);
  refused(new Trainer(recipe()), { method: 'denoisingAutoencoder', visible: 'gaussian' }, /visible to be left out/);
  refused(new Trainer(recipe()), { method: 'restrictedBoltzmann', visible: 'grey' }, /visible/);
  const standardized = pretrain(new Trainer({ ...recipe(), prepare: [standardize()] }), { method: 'restrictedBoltzmann' });
  await expect(standardized.fit(few)).rejects.toThrow(/from 0 to 1/);
  expect(() => pretrain(new Trainer(recipe()), { method: 'denoisingAutoencoder' }).fit(few, { take: ['dense'] })).toThrow(NablaError);
});
