/** Models with several outputs in validation: pooled scores, ensembles, bias and variance and diagnosis of one of them. */
import { Dataset, ensemble, network, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { accuracy, r2 } from 'nabla/metrics';
import { adam } from 'nabla/optimizers';
import { biasVariance, crossValidate, diagnose, kFold } from 'nabla/validation';
import { beforeAll, describe, expect, it } from 'vitest';

let iris: Dataset;
beforeAll(async () => {
  const plain = await Dataset.builtin('iris');
  const values = plain.features();
  const rows = Array.from({ length: plain.rows }, (_, i) => Array.from(values.subarray(4 * i, 4 * i + 3)));
  const width = Array.from({ length: plain.rows }, (_, i) => values[4 * i + 3]!);
  iris = Dataset.from({ features: rows, targets: { width, kind: plain.labels() } });
});
const trainer = (seed = 0, epochs = 30) =>
  new Trainer({
    model: network((x) => {
      const h = dense(8, { activation: 'tanh' })(x);
      return { kind: dense(3)(h), width: dense(1)(h) };
    }),
    loss: { kind: 'crossEntropy', width: 'meanSquaredError' },
    metrics: { kind: ['accuracy', 'rocAuc'], width: ['r2'] },
    optimizer: adam({ learningRate: 1e-2 }),
    epochs,
    batchSize: 16,
    seed,
  });

it('pooled scores are those of each output over all held-out rows', async () => {
  const report = await crossValidate(trainer(), iris, { splitter: kFold({ k: 5 }), aggregate: 'pooled' });
  const { rows, values, width, outputs } = report.outOfFold!;
  expect(width).toBe(4);
  const [kind, number] = ['kind', 'width'].map((name) => outputs!.find((output) => output.name === name)!);
  expect([kind!.width, number!.width]).toEqual([3, 1]);
  const classes = iris.targetNames && ['setosa', 'versicolor', 'virginica'];
  const labels = iris.labels('kind');
  const found = Array.from(rows, (_, i) => {
    const own = Array.from(values.subarray(i * width + kind!.from, i * width + kind!.from + 3));
    return classes[own.indexOf(Math.max(...own))]!;
  });
  const score = report.scores as unknown as Record<string, { mean: number; values: readonly number[] }>;
  expect(score['kind.accuracy']!.mean).toBeCloseTo(
    accuracy(
      Array.from(rows, (row) => labels[row]!),
      found,
    ),
    12,
  );
  const truth = iris.targets('width');
  expect(score['width.r2']!.mean).toBeCloseTo(
    r2(
      Array.from(rows, (row) => truth[row]!),
      Array.from(rows, (_, i) => values[i * width + number!.from]!),
    ),
    12,
  );
  expect(score['kind.accuracy']!.mean).toBeGreaterThan(0.9);
  expect(score['width.r2']!.values).toHaveLength(5);
});

it('an ensemble averages or votes output by output', async () => {
  type Named = { kind: string[]; width: Float64Array };
  const members = [1, 2, 3].map((seed) => trainer(seed, 5));
  const fitted = await ensemble<Named, { kind: Float64Array[]; width: Float64Array }>(members).fit(iris);
  const each = (await Promise.all(fitted.members.map((member) => member.predict(iris, { probabilities: true })))) as unknown as {
    kind: Float64Array[];
    width: Float64Array;
  }[];
  const { kind, width } = await fitted.probabilities(iris);
  for (const row of [0, 70, 149]) {
    expect(width[row]).toBeCloseTo(
      each.reduce((sum, one) => sum + one.width[row]! / 3, 0),
      12,
    );
    kind[row]!.forEach((p, k) =>
      expect(p).toBeCloseTo(
        each.reduce((sum, one) => sum + one.kind[row]![k]! / 3, 0),
        12,
      ),
    );
  }
  const predicted = await fitted.predict(iris);
  expect(predicted.kind.length).toBe(150);
  const scores = await fitted.evaluate(iris);
  expect(scores['kind.accuracy']).toBe(accuracy(iris.labels('kind'), predicted.kind));
  expect(Object.keys(scores).sort()).toEqual(['kind.accuracy', 'width.meanSquaredError']);
  await expect(ensemble(members, { combine: 'vote' }).fit(iris)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
});

describe('one output is judged by its name', () => {
  it('by bias and variance', async () => {
    const { train, test } = iris.split({ ratios: { train: 0.7, test: 0.3 } });
    const options = { train, test, trainingSets: 6 };
    const kind = await biasVariance(trainer(0, 5), { ...options, output: 'kind' });
    expect(kind.loss).toBe('zero-one');
    expect(kind.biasSquared.value + kind.variance.value).toBeCloseTo(kind.expectedError.value, 12);
    const width = await biasVariance(trainer(0, 5), { ...options, output: 'width' });
    expect(width.loss).toBe('squared');
    expect(width.biasSquared.value + width.variance.value).toBeCloseTo(width.expectedError.value, 10);
    await expect(biasVariance(trainer(), options)).rejects.toThrow(/output to name the output that is judged, one of width, kind/);
    await expect(biasVariance(trainer(), { ...options, output: 'kinds' })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('by a diagnosis', async () => {
    const { train, validation } = iris.split({ ratios: { train: 0.7, validation: 0.3 } });
    const short = await diagnose(trainer(0, 1), { train, validation, output: 'kind' });
    expect(short.verdict).toBe('high-bias');
    const fine = await diagnose(trainer(0, 60), { train, validation, output: 'kind' });
    expect(['good-fit', 'noise-limited']).toContain(fine.verdict);
    const width = await diagnose(trainer(0, 1), { train, validation, output: 'width' });
    expect(width.evidence.trivialError).toBeGreaterThan(0.3);
    await expect(diagnose(trainer(), { train, validation })).rejects.toThrow(/one of width, kind/);
    const plain = await Dataset.builtin('iris');
    await expect(diagnose(trainer(), { train: plain, validation: plain, output: 'kind' })).rejects.toThrow(/there is one target/);
  });
});
