/** What cross-validation holds: the data once, rows of folds as few numbers, and not the models of folds that are over. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Dataset, type Estimator, sequential, Trainer } from 'nabla';
import { standardize, unitNorm } from 'nabla/data';
import { dense } from 'nabla/layers';
import { crossValidate, kFold, leaveOneOut } from 'nabla/validation';
import { expect, it } from 'vitest';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

it('leaving out each of 2,000 rows holds a part of the folds at a time', async () => {
  const rows = 2000;
  const data = Dataset.from({
    features: Float64Array.from({ length: rows }, (_, i) => i),
    shape: [rows, 1],
    targets: new Float64Array(rows).map((_, i) => i % 7),
  });
  const held = (): number => {
    collect();
    const { arrayBuffers, external } = process.memoryUsage();
    return arrayBuffers + external;
  };
  let fits = 0;
  let most = 0;
  const mean: Estimator = {
    async fit(train) {
      if (++fits % 250 === 0) {
        // Finalizers of views run in a turn of their own.
        await new Promise((resolve) => setImmediate(resolve));
        most = Math.max(most, held());
      }
      return { predict: async () => new Float64Array(1).fill(train.rows), evaluate: async () => ({ loss: train.rows }) };
    },
  };
  const before = held();
  const report = await crossValidate(mean, data, { splitter: leaveOneOut(), predictions: true });
  expect(fits).toBe(rows);
  expect(report.folds.length).toBe(rows);
  expect(report.scores.loss!.mean).toBe(rows - 1);
  // Row numbers of all folds are 2,000² · 4 bytes = 16 MB, here and once more on the native side; of a part of 128 they are 1 MB.
  expect(most - before).toBeLessThan(8e6);
}, 60_000);

it('leave-one-out of the 442 rows of diabetes by a network', async () => {
  const diabetes = await Dataset.builtin('diabetes');
  const trainer = new Trainer({
    prepare: [standardize()],
    prepareTargets: [standardize()],
    model: sequential([dense(1)]),
    loss: 'meanSquaredError',
    metrics: ['r2'],
    epochs: 2,
    batchSize: 64,
  });
  const report = await crossValidate(trainer, diabetes, { splitter: leaveOneOut(), aggregate: 'pooled' });
  expect(report.folds.length).toBe(442);
  expect(new Set(report.outOfFold!.rows).size).toBe(442);
  expect(Number.isFinite(report.scores.r2.mean)).toBe(true);
});

it.runIf(process.platform === 'linux').each([
  ['an affine map', [standardize()]],
  ['rows of norm 1 before it', [unitNorm(), standardize()]],
] as const)(
  'ten folds of 25 MB copy no rows, prepared by %s',
  async (_, prepare) => {
    const [rows, width] = [100_000, 64];
    const features = new Float32Array(rows * width);
    for (let i = 0; i < features.length; i++) features[i] = ((i * 7919) % 1000) / 1000;
    const data = Dataset.from({
      features,
      shape: [rows, width],
      targets: Float64Array.from({ length: rows }, (_, i) => features[i * width]!),
    });
    const trainer = new Trainer({
      prepare,
      model: sequential([dense(1)]),
      loss: 'meanSquaredError',
      epochs: 1,
      batchSize: 4096,
    });
    const run = () => crossValidate(trainer, data, { splitter: kFold({ k: 10 }), threads: 2 });
    const peak = (): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
    collect();
    // The high-water mark starts anew at what is resident now.
    writeFileSync('/proc/self/clear_refs', '5');
    const before = peak();
    const { folds } = await run();
    expect(folds.length).toBe(10);
    // One copy of the rows is 26 MB (51 as doubles), of each fold's 230. What is there: the row numbers of ten folds (4 MB), two workspaces,
    // ten models.
    expect(peak() - before).toBeLessThan(24e6);
  },
  60_000,
);
