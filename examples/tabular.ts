// Who earns more than 50,000 dollars a year? 48,842 Americans of the census of 1994: numbers, categories, missing cells, and three of four
// people in one class. npm start -- tabular FOLDER, or NABLA_DATA=FOLDER: the folder with adult_train.csv and adult_test.csv.
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { dense, dropout } from 'nabla/layers';
import { classificationReport } from 'nabla/metrics';
import { adam } from 'nabla/optimizers';
import { fileOf } from './real-data.js';

// `fnlwgt` says how many people a row stands for and `education_num` repeats `education`: neither is known of a person.
const options = { target: 'income', positiveClass: '>50K', drop: ['fnlwgt', 'education_num'] } as const;
const all = await Dataset.fromCsv(fileOf(join('tabular', 'adult_train.csv')), options);
const test = await Dataset.fromCsv(fileOf(join('tabular', 'adult_test.csv')), options);
console.log(`${all.describe()}\n`);

// The test file judges once, at the end; a tenth of the other says when to stop.
const { train, validation } = all.split({ ratios: { train: 0.9, validation: 0.1 }, stratify: true, seed: 7 });

const trainer = new Trainer({
  prepare: 'auto', // gaps filled, categories one-hot, numbers standardized: fitted on the training rows only
  model: sequential([dense(64, { activation: 'relu' }), dropout(0.2), dense(32, { activation: 'relu' }), dropout(0.2), dense(2)]),
  loss: 'crossEntropy',
  optimizer: adam({ learningRate: 1e-3 }),
  metrics: ['rocAuc', 'accuracy', 'balancedAccuracy', 'averagePrecision'],
  epochs: 40,
  batchSize: 256,
  earlyStopping: { monitor: 'loss', patience: 5 },
  seed: 7,
});
const fitted = await trainer.fit(train, { validation, progress: process.stderr.isTTY });
const { rocAuc: auc, accuracy, balancedAccuracy, averagePrecision } = await fitted.evaluate(test);
console.log(`best of ${fitted.history.length} epochs: ${fitted.bestEpoch + 1}`);
console.log(`test: AUC ${auc.toFixed(4)}, average precision ${averagePrecision.toFixed(3)}`);
console.log(`accuracy ${accuracy.toFixed(3)}, of both classes alike ${balancedAccuracy.toFixed(3)}\n`);
console.log(`${classificationReport(test.labels(), await fitted.predict(test))}\n`);
