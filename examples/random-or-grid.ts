// Which search finds more in 36 trials? A grid, random draws, or random draws that zoom in; and the zoom in pictures.
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';
import { l2 } from 'nabla/regularizers';
import { coarseToFine, grid, logUniform, random, type Sampler, tune } from 'nabla/tuning';
import { holdOut } from 'nabla/validation';

const digits = await Dataset.builtin('digits');
const { train } = digits.split({ ratios: { train: 0.4, test: 0.6 }, stratify: true, seed: 7 });

// The learning rate decides nearly everything, the penalty nearly nothing: a grid spends its trials on both alike.
const search = (sampler: Sampler, seed: number) =>
  tune(train, {
    space: { learningRate: logUniform(1e-4, 1), penalty: logUniform(1e-8, 1e-3) },
    estimator: ({ learningRate, penalty }) =>
      new Trainer({
        prepare: [standardize()],
        model: sequential([dense(32, { activation: 'relu' }), dense(10)]),
        loss: 'crossEntropy',
        optimizer: sgd({ learningRate }),
        regularizers: [l2(penalty)],
        epochs: 8,
        batchSize: 32,
        seed: 7,
      }),
    splitter: holdOut({ validation: 0.3, seed: 7 }),
    objective: 'loss',
    sampler,
    trials: 36,
    refit: false,
    seed,
  });

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const samplers: Readonly<Record<string, Sampler>> = {
  'grid, 6 × 6': grid({ points: 6 }),
  random: random(),
  'coarse to fine': coarseToFine({ rounds: 3 }),
};
for (const [name, sampler] of Object.entries(samplers)) {
  const studies = [];
  for (let seed = 0; seed < 5; seed++) studies.push(await search(sampler, seed));
  const rates = new Set(studies[0]?.trials.map(({ params }) => params.learningRate)).size;
  const best = studies.map((study) => study.best.score);
  console.log(
    `${name.padEnd(16)} ${String(rates).padStart(2)} learning rates tried, best loss ${median(best).toFixed(4)} (median of 5 seeds)`,
  );
  if (name === 'coarse to fine') {
    const path = join(tmpdir(), 'nabla-random-or-grid.html');
    await studies[0]?.saveReport(path);
    console.log(`its zoom in pictures: ${path}`);
  }
}
