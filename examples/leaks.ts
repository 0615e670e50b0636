// Scores that are too good, and what they are without the leak. Four ways to fool oneself, each measured: npm start -- leaks
import { Dataset, ridge, sequential, Trainer } from 'nabla';
import { selectBest, standardize } from 'nabla/data';
import { normal } from 'nabla/initializers';
import { dense } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';
import { crossValidate, kFold, leaks } from 'nabla/validation';

const splitter = kFold({ k: 5, seed: 7 });
const shown = (value: number): string => value.toFixed(3);

// 1. Columns chosen by all rows. Sixty rows, two thousand columns of noise, labels by the toss of a coin: nothing can be learned.
const [rows, width, kept] = [60, 2000, 20];
const noise = normal({ deviation: 1 }).sample([rows, width], { seed: 3, precision: 'f64' });
const features = Array.from({ length: rows }, (_, i) => Array.from(noise.subarray(i * width, (i + 1) * width)));
const labels = features.map((_, i) => (i % 2 === 0 ? 'heads' : 'tails'));
const recipe = { loss: 'crossEntropy', optimizer: sgd({ learningRate: 0.1 }), metrics: ['accuracy'], epochs: 30, seed: 7 } as const;

const difference = (j: number): number => features.reduce((sum, row, i) => sum + (i % 2 === 0 ? 1 : -1) * (row[j] ?? 0), 0);
const best = Array.from({ length: width }, (_, j) => j).sort((a, b) => Math.abs(difference(b)) - Math.abs(difference(a)));
const chosen = best.slice(0, kept);
const byHand = Dataset.from({ features: features.map((row) => chosen.map((j) => row[j] ?? 0)), targets: labels });
const leaking = await crossValidate(new Trainer({ ...recipe, model: sequential([dense(2)]) }), byHand, { splitter });
const honest = await crossValidate(
  new Trainer({ ...recipe, prepare: [selectBest(kept)], model: sequential([dense(2)]) }),
  Dataset.from({ features, targets: labels }),
  { splitter },
);
console.log('1. The twenty best of two thousand columns of noise; a coin is right half the time');
console.log(`   chosen by all rows, before the folds:        accuracy ${shown(leaking.scores.accuracy.mean)}`);
console.log(`   chosen inside each fold (selectBest):        accuracy ${shown(honest.scores.accuracy.mean)}\n`);

// 2. A scaler fitted on all rows. Few rows with long tails: the rows that score have their part in the scale.
const tails = Array.from({ length: 24 }, (_, i) => Array.from({ length: 8 }, (_, j) => Math.exp(2 * (noise[i * width + j] ?? 0))));
const sums = tails.map((row) => Math.log(row.reduce((sum, v) => sum + v, 0)));
const line = new Trainer({ model: sequential([dense(1)]), loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.05 }), epochs: 40 });
const scaled = standardize().fit(tails).transform(tails) as number[][];
const scaledByHand = await crossValidate(line, Dataset.from({ features: scaled, targets: sums }), { splitter });
const scaledInside = await crossValidate(
  new Trainer({
    model: sequential([dense(1)]),
    loss: 'meanSquaredError',
    optimizer: sgd({ learningRate: 0.05 }),
    epochs: 40,
    prepare: [standardize()],
  }),
  Dataset.from({ features: tails, targets: sums }),
  { splitter },
);
console.log('2. Columns with long tails, 24 rows');
console.log(`   a scaler fitted on all rows, by hand:        mean squared error ${shown(scaledByHand.scores.loss.mean)}`);
console.log(`   fitted inside each fold (prepare):           mean squared error ${shown(scaledInside.scores.loss.mean)}\n`);

// 3. A column made from the target: what was paid out, rounded, beside what is to be predicted.
const diabetes = await Dataset.builtin('diabetes');
const names = diabetes.columns.map(({ name }) => name);
const targets = Array.from(diabetes.targets());
const plain = diabetes.features();
const table = targets.map((_, i) => Array.from(plain.subarray(i * names.length, (i + 1) * names.length)));
const claims = Dataset.from({
  features: targets.map((y, i) => ({
    ...Object.fromEntries(names.map((name, j) => [name, table[i]?.[j] ?? 0])),
    claim: Math.round(y / 5),
  })),
  targets,
});
const [planted, without] = [await crossValidate(ridge(), claims, { splitter }), await crossValidate(ridge(), diabetes, { splitter })];
console.log('3. A column that was made from the target');
console.log(`   with the column "claim":                     R² ${shown(planted.scores.r2.mean)}`);
console.log(`   without it:                                  R² ${shown(without.scores.r2.mean)}`);
console.log(`   leaks() says: ${await leaks(claims)}\n`);

// 4. The same rows on both sides.
const { train, test } = diabetes.split({ ratios: { train: 0.8, test: 0.2 }, seed: 7 });
const again = diabetes.select([...Array(50).keys()].concat([...Array(diabetes.rows).keys()]));
const parts = again.split({ ratios: { train: 0.8, test: 0.2 }, seed: 7 });
console.log('4. Rows that are there twice, then split by chance');
console.log(`   leaks() says: ${await leaks(parts.train, { test: parts.test })}`);
console.log(`   of the set as it is: ${await leaks(train, { test })}`);
