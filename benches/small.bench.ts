// Small things that a program does often. The works that rivals are compared on are in works.ts.
import { Dataset } from 'nabla';
import { bench, describe } from 'vitest';
import { irisTrainer, mnistTrainer } from './recipes.js';

const iris = await Dataset.builtin('iris');
const digits = await Dataset.builtin('digits');

describe('predictSync, one row', async () => {
  const small = await irisTrainer().fit(iris);
  const blank = Dataset.from({
    features: Uint8Array.from({ length: 20 * 784 }, (_, index) => index % 251),
    shape: [20, 28, 28],
    targets: Array.from({ length: 20 }, (_, row) => `class ${row % 10}`),
  });
  const large = await mnistTrainer({ batchSize: 20, epochs: 1 }).fit(blank);
  const flower = new Float32Array([5.1, 3.5, 1.4, 0.2]);
  const image = new Float32Array(784).fill(0.5);
  bench('MLP 4-16-3', () => void small.predictSync(flower));
  bench('MLP 784-128-10', () => void large.predictSync(image));
});

describe('fit of MLP 4-16-3 on iris, 100 epochs', () => {
  bench('new Trainer to result', async () => void (await irisTrainer().fit(iris)));
});

describe('split of 1,797 rows', () => {
  bench('shuffled', () => void digits.split({ ratios: 'auto', seed: 7 }));
  bench('stratified', () => void digits.split({ ratios: 'auto', stratify: true, seed: 7 }));
});
