/**
 * Greedy pre-training on MNIST with 600 labels: `npm start -- pretraining [FOLDER] [--seeds=5] [--record]`. The same network from random
 * weights, after Boltzmann machines, and after denoising autoencoders; both learn from 10,000 rows without their labels, four times over.
 * FOLDER holds the four MNIST files; `--record` writes the result to benches/results/. Some five seconds of processor time a seed.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Dataset, pretrain, sequential, Trainer } from 'nabla';
import { minMax } from 'nabla/data';
import { dense, flatten } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { record } from './record.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: 'string', default: '5' }, record: { type: 'boolean', default: false } },
});
const [folder = process.env.NABLA_DATA === undefined ? 'mnist' : join(process.env.NABLA_DATA, 'mnist')] = positionals;
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
for (let seed = 1; seed <= Number(options.seeds); seed++) {
  const rows = train.split({ counts: { train: 600, validation: 10_000, test: train.rows - 10_600 }, stratify: true, seed });
  const unlabelled = rows.validation as Dataset;
  const ways = {
    'no pre-training': trainer(seed),
    'Boltzmann machines': pretrain(trainer(seed), { method: 'restrictedBoltzmann', epochs: 4, learningRate: 0.1, unlabelled }),
    'denoising autoencoders': pretrain(trainer(seed), { method: 'denoisingAutoencoder', epochs: 4, unlabelled }),
  };
  for (const [name, estimator] of Object.entries(ways)) {
    const fitted = await estimator.fit(rows.train);
    const { accuracy } = (await fitted.evaluate(test)) as { accuracy: number };
    (scores[name] ??= []).push(accuracy);
    console.log(`seed ${seed}  ${name.padEnd(24)} ${(100 * accuracy).toFixed(2)} %`);
  }
}
const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
for (const [name, values] of Object.entries(scores))
  console.log(`mean    ${name.padEnd(24)} ${(100 * mean(values)).toFixed(2)} % of the 10,000 test digits`);

if (options.record) {
  await record('pretraining', 'MNIST with 600 labels with and without greedy pre-training, accuracy on the 10,000 test digits', {
    settings: {
      labelled: 600,
      unlabelled: 10_000,
      model: '784-200-200-10, sigmoid',
      pretraining: '4 epochs',
      epochs: 40,
      seeds: Number(options.seeds),
    },
    mean: Object.fromEntries(Object.entries(scores).map(([name, values]) => [name, mean(values)])),
    scores,
  });
}
