// Sunspots, month by month from 1749 to 1983: the next month from the three years before it. Splits in time, and the windows on
// either side of a split share no month. npm start -- sunspots FOLDER, or NABLA_DATA=FOLDER: the folder with sunspots.csv.
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, flatten } from 'nabla/layers';
import { rootMeanSquaredError } from 'nabla/metrics';
import { adamw } from 'nabla/optimizers';
import { cosine } from 'nabla/schedules';
import { crossValidate, timeSeriesSplit } from 'nabla/validation';
import { fileOf } from './real-data.js';

const months = await Dataset.fromCsv(fileOf(join('tabular', 'sunspots.csv')), { drop: ['month'] });
const windows = months.windows({ length: 36, horizon: 1, target: 'sunspots' });
// The last fifth of the months judges; windows that reach into it are in neither part.
const { train, test } = windows.split({ ratios: { train: 0.8, test: 0.2 } });
console.log(`${months.rows} months, ${windows.rows} windows: ${train.rows} to learn from, ${test.rows} to judge by`);

const trainer = new Trainer({
  prepare: [standardize()],
  prepareTargets: [standardize()],
  model: sequential([flatten(), dense(64, { activation: 'relu' }), dense(1)]),
  loss: 'meanSquaredError',
  optimizer: adamw({ learningRate: 1e-3, weightDecay: 0.3 }),
  schedule: cosine(),
  metrics: ['rootMeanSquaredError'],
  epochs: 60,
  batchSize: 64,
  seed: 7,
});

/** The forecast to beat: next month as this month. */
const persistence = (data: Dataset): number => {
  const features = data.features();
  const last = Float64Array.from({ length: data.rows }, (_, row) => features[36 * row + 35] ?? Number.NaN);
  return rootMeanSquaredError(data.targets(), last);
};

const splitter = timeSeriesSplit({ k: 5 });
const report = await crossValidate(trainer, train, { splitter, test });
const rows = { rows: train.rows };
const naive = [...splitter.split(rows)].map(({ validation }) => persistence(train.select(validation)));
const shown = (values: readonly number[]): string => values.map((value) => value.toFixed(1)).join('  ');
console.log('\nRMSE on five stretches of time, each after what was learned from');
console.log(`the network     ${shown(report.scores.rootMeanSquaredError.values)}`);
console.log(`as this month   ${shown(naive)}`);
const better = naive.filter((error, i) => (report.scores.rootMeanSquaredError.values[i] ?? Number.NaN) < error).length;
console.log(
  `better on ${better} of ${naive.length}: before the first stretch lie three cycles of the sun, too few for what the network has to learn`,
);
console.log(
  `\nthe last fifth: the network ${report.testScores.rootMeanSquaredError.toFixed(2)}, as this month ${persistence(test).toFixed(2)}`,
);
