// An MLP on MNIST: 98.0 % of the 10,000 test digits within ten epochs.
// npm start -- mnist FOLDER, or NABLA_DATA=FOLDER: the folder with the four IDX files, plain or gzip.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { minMax } from 'nabla/data';
import { dense, dropout, flatten } from 'nabla/layers';
import { adam } from 'nabla/optimizers';

const folder = process.argv[2] ?? process.env.NABLA_DATA;
if (folder === undefined) {
  console.error('Give the folder of the four IDX files of MNIST: npm start -- mnist FOLDER, or set NABLA_DATA.');
  process.exit(1);
}

const file = (name: string): string => {
  const found = [folder, join(folder, 'mnist')]
    .flatMap((place) => [join(place, name), join(place, `${name}.gz`)])
    .find((path) => existsSync(path));
  if (found === undefined) {
    console.error(`There is no ${name} or ${name}.gz in ${folder}.`);
    process.exit(1);
  }
  return found;
};

const read = (part: string): Promise<Dataset> =>
  Dataset.fromIdx(file(`${part}-images-idx3-ubyte`), { labels: file(`${part}-labels-idx1-ubyte`) });

const [all, test] = await Promise.all([read('train'), read('t10k')]);
// The test digits judge once, at the end; a twelfth of the training digits shows how it goes.
const { train, validation } = all.split({ ratios: { train: 11 / 12, validation: 1 / 12 }, stratify: true, seed: 7 });

const trainer = new Trainer({
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
});

const start = performance.now();
const run = trainer.fit(train, { validation });
for await (const { index, train: seen, validation: held, seconds } of run) {
  console.log(
    `epoch ${index + 1}: loss ${seen.loss.toFixed(4)}, validation accuracy ${(100 * (held?.accuracy ?? 0)).toFixed(2)} %, ${seconds.toFixed(2)} s`,
  );
}
const fitted = await run;
const { accuracy } = await fitted.evaluate(test);
console.log(`test accuracy ${(100 * accuracy).toFixed(2)} % after ${((performance.now() - start) / 1000).toFixed(1)} s`);
