/**
 * Greedy pre-training on MNIST with 600 labels: `npm start -- pretraining FOLDER [SEEDS]`. The same network from random weights, after
 * Boltzmann machines, and after denoising autoencoders; both learn from 10,000 rows without their labels. FOLDER holds the four MNIST files.
 */
import { join } from 'node:path';
import { Dataset, pretrain, sequential, Trainer } from 'nabla';
import { minMax } from 'nabla/data';
import { dense, flatten } from 'nabla/layers';
import { adam } from 'nabla/optimizers';

const [folder = process.env.NABLA_DATA === undefined ? 'mnist' : join(process.env.NABLA_DATA, 'mnist'), seeds = '5'] =
  process.argv.slice(2);
const read = (name: string) =>
  Dataset.fromIdx(join(folder, `${name}-images-idx3-ubyte.gz`), { labels: join(folder, `${name}-labels-idx1-ubyte.gz`) });
const [train, test] = [await read('train'), await read('t10k')];

const trainer = (seed: number) =>
  new Trainer({
    prepare: [minMax()],
    model: sequential([flatten(), dense(200, { activation: 'sigmoid' }), dense(200, { activation: 'sigmoid' }), dense(10)]),
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    optimizer: adam({ learningRate: 2e-3 }),
    epochs: 40,
    batchSize: 32,
    seed,
  });

const scores: Record<string, number[]> = {};
for (let seed = 1; seed <= Number(seeds); seed++) {
  const rows = train.split({ counts: { train: 600, validation: 10_000, test: train.rows - 10_600 }, stratify: true, seed });
  const unlabelled = rows.validation as Dataset;
  const ways = {
    'no pre-training': trainer(seed),
    'Boltzmann machines': pretrain(trainer(seed), { method: 'restrictedBoltzmann', epochs: 8, learningRate: 0.1, unlabelled }),
    'denoising autoencoders': pretrain(trainer(seed), { method: 'denoisingAutoencoder', epochs: 8, unlabelled }),
  };
  for (const [name, estimator] of Object.entries(ways)) {
    const fitted = await estimator.fit(rows.train);
    const { accuracy } = (await fitted.evaluate(test)) as { accuracy: number };
    (scores[name] ??= []).push(accuracy);
    console.log(`seed ${seed}  ${name.padEnd(24)} ${(100 * accuracy).toFixed(2)} %`);
  }
}
for (const [name, values] of Object.entries(scores)) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  console.log(`mean    ${name.padEnd(24)} ${(100 * mean).toFixed(2)} % of the 10,000 test digits`);
}
