// What `npm start` runs: a network is trained, validated and tested on 1,797 real handwritten digits.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Dataset, Fitted, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout } from 'nabla/layers';
import { confusionMatrix } from 'nabla/metrics';
import { adam } from 'nabla/optimizers';
import { choice, coarseToFine, integer, logUniform, tune } from 'nabla/tuning';
import { crossValidate, kFold } from 'nabla/validation';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const since = (start: number): string => `${((performance.now() - start) / 1000).toFixed(2)} s`;

console.log('1. The data\n');
const digits = await Dataset.builtin('digits');
console.log(`${digits.describe()}\n`);

console.log('2. The automatic hold-out: 60 % to train, 20 % to choose by, 20 % to judge by\n');
const { train, validation, test } = digits.split({ ratios: 'auto', stratify: true, seed: 7 });
console.log(`train ${train.rows}, validation ${validation.rows}, test ${test.rows} rows\n`);

console.log('3. Training, until the validation accuracy has not risen for ten epochs\n');
const trainer = new Trainer({
  prepare: [standardize()],
  model: sequential([dense(64, { activation: 'relu' }), dropout(0.2), dense(10)]),
  loss: 'crossEntropy',
  optimizer: adam({ learningRate: 1e-3 }),
  metrics: ['accuracy', 'f1'],
  epochs: 100,
  batchSize: 32,
  earlyStopping: { monitor: 'accuracy', patience: 10 },
  seed: 7,
});
let start = performance.now();
const fitted = await trainer.fit(train, { validation, progress: true });
const best = fitted.history[fitted.bestEpoch];
console.log(`${fitted.parameters} weights, ${fitted.history.length} epochs in ${since(start)}`);
console.log(`best epoch ${fitted.bestEpoch + 1}, validation accuracy ${percent(best?.validation?.accuracy ?? 0)}\n`);

console.log('4. The test set, touched once\n');
const scores = await fitted.evaluate(test);
console.log(`accuracy ${percent(scores.accuracy)}, F1 ${scores.f1.toFixed(3)}, loss ${scores.loss.toFixed(3)}\n`);
console.log(`${confusionMatrix(test.labels(), await fitted.predict(test))}\n`);

console.log('5. Ten-fold cross-validation, and a refit on all the folds\n');
const rest = digits.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 });
const recipe = new Trainer({
  prepare: [standardize()],
  model: sequential([dense(64, { activation: 'relu' }), dropout(0.2), dense(10)]),
  loss: 'crossEntropy',
  optimizer: adam({ learningRate: 1e-3 }),
  metrics: ['accuracy'],
  epochs: 30,
  batchSize: 32,
  seed: 7,
});
start = performance.now();
const report = await crossValidate(recipe, rest.train, { splitter: kFold({ k: 10, seed: 7 }), test: rest.test, refit: true });
const { mean, standardDeviation, values } = report.scores.accuracy;
console.log(values.map(percent).join('  '));
console.log(`accuracy ${percent(mean)} ± ${percent(standardDeviation)} over ${values.length} folds, in ${since(start)}`);
console.log(`refitted on all folds, on the test set: ${percent(report.testScores.accuracy)}\n`);

console.log('6. Save, load, predict\n');
const folder = await mkdtemp(join(tmpdir(), 'nabla-'));
try {
  const path = join(folder, 'digits.nabla');
  await report.fitted.save(path);
  const model = await Fitted.load(path);
  const pixels = rest.test.features();
  const truth = rest.test.labels();
  const shown = [0, 1, 2, 3, 4].map((row) => pixels.subarray(64 * row, 64 * row + 64));
  for (let line = 0; line < 8; line++) {
    const ink = (image: Float64Array): string =>
      Array.from(image.subarray(8 * line, 8 * line + 8), (dot) => ' .:-=+*#%@'.charAt(Math.round(dot / 1.8)).repeat(2)).join('');
    console.log(shown.map(ink).join('    ').trimEnd());
  }
  console.log(`\npredicted ${shown.map((image) => model.predictSync(image)).join(', ')}; truly ${truth.slice(0, 5).join(', ')}`);
} finally {
  await rm(folder, { recursive: true });
}

console.log('\n7. Tuning: forty trials, at random and then closer and closer to the best, each with five folds; a refit of the best\n');
start = performance.now();
const study = await tune(rest.train, {
  space: { learningRate: logUniform(1e-4, 1e-1), units: integer(16, 128), batchSize: choice([16, 32, 64]) },
  estimator: ({ learningRate, units, batchSize }) =>
    new Trainer({
      prepare: [standardize()],
      model: sequential([dense(units, { activation: 'relu' }), dropout(0.2), dense(10)]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate }),
      metrics: ['accuracy'],
      epochs: 20,
      batchSize,
      seed: 7,
    }),
  splitter: kFold({ k: 5, seed: 7 }),
  objective: 'accuracy',
  sampler: coarseToFine({ rounds: 3 }),
  trials: 40,
  test: rest.test,
  seed: 7,
  progress: process.stderr.isTTY,
});
console.log(`${study}`);
console.log(
  `\n${study.trials.length * 5} fits in ${since(start)}; the best, refitted, on the test set: ${percent(study.testScores.accuracy)}`,
);
const shares = Object.entries(study.importance).map(([name, share]) => `${name} ${percent(share)}`);
console.log(`what the accuracy varied with: ${shares.join(', ')}`);
const pictures = join(tmpdir(), 'nabla-digits-study.html');
await study.saveReport(pictures);
console.log(`the study in pictures: ${pictures}`);
