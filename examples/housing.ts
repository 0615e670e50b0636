// The price of a house in California, 20,640 districts of the census of 1990: five-fold cross-validation, and the weights of a network
// beside a straight line. npm start -- housing FOLDER, or NABLA_DATA=FOLDER: the folder with california_housing.csv.
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { impute, oneHot, power, standardize } from 'nabla/data';
import { dense } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { cosine } from 'nabla/schedules';
import { compareModels, crossValidate, kFold } from 'nabla/validation';
import { fileOf } from './real-data.js';

const houses = await Dataset.fromCsv(fileOf(join('tabular', 'california_housing.csv')), { target: 'median_house_value' });
console.log(`${houses.describe()}\n`);

const recipe = (model: ReturnType<typeof sequential>) =>
  new Trainer({
    // Counts of rooms and people have long tails; 207 cells are missing; how far a district is from the ocean is words.
    prepare: [
      impute(),
      power({ columns: ['total_rooms', 'total_bedrooms', 'population', 'households', 'median_income'] }),
      oneHot(),
      standardize(),
    ],
    prepareTargets: [standardize()], // predictions and errors come back in dollars
    model,
    loss: 'meanSquaredError',
    optimizer: adam({ learningRate: 1e-2 }),
    schedule: cosine(),
    metrics: ['rootMeanSquaredError', 'r2'],
    epochs: 25,
    batchSize: 256,
    seed: 7,
  });

const splitter = kFold({ k: 5, seed: 7 });
const line = await crossValidate(recipe(sequential([dense(1)])), houses, { splitter, progress: process.stderr.isTTY });
const network = await crossValidate(
  recipe(sequential([dense(48, { activation: 'relu' }), dense(48, { activation: 'relu' }), dense(1)])),
  houses,
  { splitter, progress: process.stderr.isTTY },
);
for (const [name, { scores }] of Object.entries({ 'a straight line': line, 'a network': network })) {
  const { mean, standardDeviation } = scores.rootMeanSquaredError;
  console.log(`${name}: RMSE ${mean.toFixed(0)} ± ${standardDeviation.toFixed(0)} dollars, R² ${scores.r2.mean.toFixed(3)}`);
}
const { difference, interval } = compareModels(network, line);
console.log(
  `the network's error less the line's: ${difference.toFixed(0)} dollars, 95 % interval ${interval.map((edge) => edge.toFixed(0)).join(' to ')}`,
);
