/** What validation says of a recipe: pooled and nested cross-validation, comparison, curves, bias and variance, diagnosis. */
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout } from 'nabla/layers';
import { accuracy, r2, rocAuc } from 'nabla/metrics';
import { adam } from 'nabla/optimizers';
import {
  biasVariance,
  compareModels,
  crossValidate,
  diagnose,
  kFold,
  learningCurve,
  leaveOneOut,
  nestedCrossValidate,
  repeatedKFold,
  validationCurve,
} from 'nabla/validation';
import { beforeAll, describe, expect, it } from 'vitest';

let iris: Dataset;
let digits: Dataset;
let diabetes: Dataset;
beforeAll(async () => {
  [iris, digits, diabetes] = await Promise.all([Dataset.builtin('iris'), Dataset.builtin('digits'), Dataset.builtin('diabetes')]);
});

const classifier = (units: number, epochs = 10, classes = 3) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(units, { activation: 'tanh' }), dense(classes)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-2 }),
    metrics: ['accuracy', 'rocAuc'],
    epochs,
    batchSize: 16,
  });
const regressor = (epochs = 5) =>
  new Trainer({
    prepare: [standardize()],
    prepareTargets: [standardize()],
    model: sequential([dense(4, { activation: 'tanh' }), dense(1)]),
    loss: 'meanSquaredError',
    metrics: ['r2'],
    epochs,
  });

describe('out-of-fold predictions', () => {
  it('are of each row once, and pooled scores are theirs', async () => {
    const report = await crossValidate(classifier(8), iris, { splitter: kFold({ k: 5 }), aggregate: 'pooled' });
    const { rows, folds, width, values } = report.outOfFold!;
    expect([...rows].sort((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, i) => i));
    expect(new Set(folds).size).toBe(5);
    const labels = iris.labels();
    const scores = Array.from(rows, (_, i) => Array.from(values.subarray(i * width, (i + 1) * width)));
    const truth = Array.from(rows, (row) => labels[row]!);
    const found = scores.map((row) => iris.classes[row.indexOf(Math.max(...row))]!);
    expect(report.scores.accuracy.mean).toBe(accuracy(truth, found));
    expect(report.scores.rocAuc.mean).toBeCloseTo(rocAuc(truth, scores, { classes: iris.classes }), 12);
    const loss = rows.reduce((sum, row, i) => sum - Math.log(values[i * width + iris.classes.indexOf(labels[row]!)]!), 0) / rows.length;
    expect(report.scores.loss.mean).toBeCloseTo(loss, 5);
    expect(report.scores.accuracy.values.length).toBe(5);
  });

  it('score leave-one-out, where R² of one row does not exist', async () => {
    const few = diabetes.take(40);
    const report = await crossValidate(regressor(), few, { splitter: leaveOneOut(), aggregate: 'pooled' });
    expect(report.scores.r2.values.every(Number.isNaN)).toBe(true);
    const targets = few.targets();
    expect(report.scores.r2.mean).toBeCloseTo(
      r2(
        Array.from(report.outOfFold!.rows, (row) => targets[row]!),
        report.outOfFold!.values,
      ),
      12,
    );
  });
});

describe('compareModels', () => {
  it('is the corrected resampled t-test', async () => {
    const splitter = repeatedKFold({ k: 5, repeats: 2, seed: 1 });
    const [a, b] = [await crossValidate(classifier(8), iris, { splitter }), await crossValidate(classifier(1, 3), iris, { splitter })];
    const result = compareModels(a, b);
    const d = a.scores.accuracy.values.map((v, i) => v - b.scores.accuracy.values[i]!);
    const mean = d.reduce((x, y) => x + y, 0) / 10;
    const variance = d.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 9;
    expect(result.metric).toBe('accuracy');
    expect(result.difference).toBeCloseTo(mean, 14);
    expect(result.t).toBeCloseTo(mean / Math.sqrt((1 / 10 + 30 / 120) * variance), 10);
    expect(result.degreesOfFreedom).toBe(9);
    expect(result.pValue).toBeGreaterThan(0);
    expect(result.pValue).toBeLessThan(0.05);
    expect(result.interval[0]).toBeGreaterThan(0);
    expect(compareModels(a, a)).toMatchObject({ difference: 0, t: 0, pValue: 1 });
    expect(compareModels(b, a, { metric: 'loss' }).difference).toBeGreaterThan(0);
  });

  it('refuses reports of other folds', async () => {
    const [a, b] = [1, 2].map((seed) => crossValidate(classifier(2, 1), iris, { splitter: kFold({ k: 5, seed }) }));
    const [left, right] = [await a!, await b!];
    expect(() => compareModels(left, right)).toThrow(/different folds/);
    expect(() => compareModels(left, { scores: {}, folds: [] } as never)).toThrow(/scores of both/);
  });
});

it('nested cross-validation chooses inside each fold', async () => {
  const seen: number[] = [];
  const report = await nestedCrossValidate(iris, {
    outer: kFold({ k: 3 }),
    tune: async (train, fold) => {
      seen.push(train.rows);
      expect(fold).toBe(seen.length - 1);
      const candidates = [classifier(1, 1), classifier(8)];
      const scores = [];
      for (const candidate of candidates)
        scores.push((await crossValidate(candidate, train, { splitter: kFold({ k: 3 }) })).scores.accuracy.mean);
      return candidates[scores.indexOf(Math.max(...scores))]!;
    },
  });
  expect(seen).toEqual([100, 100, 100]);
  expect(report.scores.accuracy.values.length).toBe(3);
  expect(report.scores.accuracy.mean).toBeGreaterThan(0.85);
});

describe('curves', () => {
  it('of learning: more rows, a smaller gap', async () => {
    const curve = await learningCurve(classifier(16, 20, 10), digits.take(900), { sizes: [0.1, 0.4, 1], splitter: kFold({ k: 3 }) });
    expect(curve.points.map(({ at }) => at)).toEqual([60, 240, 600]);
    const validation = curve.points.map((point) => point.validation.accuracy.mean);
    expect(validation[2]).toBeGreaterThan(validation[0]!);
    for (const { train, validation } of curve.points) expect(train.accuracy.mean).toBeGreaterThanOrEqual(validation.accuracy.mean);
    expect(String(curve).split('\n').length).toBe(4);
    expect(curve.toSvg()).toMatch(/^<svg.*polygon.*<\/svg>\n$/s);
    await expect(learningCurve(classifier(2), iris, { sizes: [0.5, 0.2] })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('of learning at the full size are the folds of crossValidate', async () => {
    const splitter = kFold({ k: 3, seed: 4 });
    const { points } = await learningCurve(classifier(4), iris, { sizes: [1], splitter });
    const again = await learningCurve(classifier(4), iris, { sizes: [1], splitter, threads: 1 });
    expect(points).toEqual(again.points);
    expect(points[0]!.validation.accuracy.mean).toBeGreaterThan(0.8);
  });

  it('of a hyperparameter are cross-validations of each value', async () => {
    const splitter = kFold({ k: 3, seed: 2 });
    const curve = await validationCurve((units: number) => classifier(units), iris, { values: [1, 8], splitter, name: 'units' });
    for (const { at, validation } of curve.points) {
      expect(validation).toEqual((await crossValidate(classifier(at), iris, { splitter })).scores);
    }
    const named = await validationCurve((kind: 'small' | 'large') => classifier(kind === 'small' ? 1 : 8), iris, {
      values: ['small', 'large'],
      splitter,
    });
    expect(named.toSvg('loss')).toContain('large');
  });
});

/** y = sin(2x) + noise of deviation 0.3, x in [−2, 2]. */
const wave = (rows: number, seed: number): Dataset => {
  let state = seed * 2654435761 + 12345;
  const uniform = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const z = Math.imul(state ^ (state >>> 13), 0x297a2d39) >>> 0;
    return ((z ^ (z >>> 16)) >>> 0) / 0x100000000;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const x = Array.from({ length: rows }, () => 4 * uniform() - 2);
  return Dataset.from({ features: x.map((v) => [v]), targets: x.map((v) => Math.sin(2 * v) + 0.3 * normal()) });
};
const small = new Trainer({
  model: sequential([dense(6, { activation: 'tanh' }), dense(1)]),
  loss: 'meanSquaredError',
  optimizer: adam({ learningRate: 3e-2 }),
  epochs: 30,
  batchSize: 10,
});

describe('biasVariance', () => {
  it('on fresh draws with known noise sums to the expected error within two standard errors, in at least 85 % of 40 seeds', async () => {
    let within = 0;
    for (let seed = 0; seed < 40; seed++) {
      const parts = await biasVariance(small, {
        train: wave(30 * 12, seed + 1),
        test: wave(150, 1000 + seed),
        trainingSets: 12,
        sampling: 'disjoint',
        truth: ([x]) => Math.sin(2 * x!),
        seed,
      });
      const { biasSquared, variance, noise, expectedError } = parts;
      const sum = biasSquared.value + variance.value + noise.value;
      within += Number(Math.abs(sum - expectedError.value) <= 2 * expectedError.standardError);
      if (seed === 0) {
        expect(parts).toMatchObject({ loss: 'squared', noiseFrom: 'truth', trainingSets: 12, trainingRows: 30 });
        expect(String(parts)).toMatch(/bias².*variance.*noise/s);
        expect(Math.abs(noise.value - 0.09)).toBeLessThan(4 * noise.standardError);
      }
    }
    expect(within).toBeGreaterThanOrEqual(34);
  }, 120_000);

  it('measures noise by repeated rows, else gives a bound', async () => {
    const x = Array.from({ length: 60 }, (_, i) => (i % 10) / 10);
    const repeated = Dataset.from({ features: x.map((v) => [v]), targets: x.map((v, i) => v + (i % 2 === 0 ? 0.5 : -0.5)) });
    const options = { train: repeated, trainingSets: 5 };
    const measured = await biasVariance(small, { ...options, test: repeated });
    expect(measured.noiseFrom).toBe('repeated rows');
    expect(measured.noise.value).toBeGreaterThan(0);
    const bound = await biasVariance(small, { ...options, test: repeated.take(10) });
    expect(bound.noiseFrom).toBe('bound');
    expect(bound.noise.value).toBeNaN();
    expect(bound.noiseBound).toBe(bound.biasSquared.value);
  });

  it('of classes adds up after Domingos', async () => {
    const { train, test } = iris.split({ ratios: { train: 0.6, test: 0.4 }, stratify: true });
    const parts = await biasVariance(classifier(2, 3), { train, test, trainingSets: 9 });
    expect(parts.loss).toBe('zero-one');
    expect(parts.biasSquared.value + parts.variance.value).toBeCloseTo(parts.expectedError.value, 12);
    await expect(
      biasVariance(small, { train: wave(20, 1), test: wave(10, 2), trainingSets: 30, sampling: 'disjoint' }),
    ).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
  });
});

describe('diagnose', () => {
  const network = (units: number, epochs: number, { learningRate = 1e-2, drop = 0 } = {}) =>
    new Trainer({
      prepare: [standardize()],
      model: sequential([dense(units, { activation: 'relu' }), ...(drop > 0 ? [dropout(drop)] : []), dense(10)]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate }),
      metrics: ['accuracy'],
      epochs,
    });
  const parts = () => digits.split({ ratios: { train: 0.6, validation: 0.4 }, stratify: true, seed: 3 });

  it('too small a network: high bias, a bigger one', async () => {
    const { verdict, suggestions } = await diagnose(network(1, 30), parts());
    expect(verdict).toBe('high-bias');
    expect(suggestions.join('\n')).toMatch(/bigger network/);
    expect(suggestions.join('\n')).not.toMatch(/[Mm]ore data/);
  });

  it('too short a training: high bias, longer first', async () => {
    const { verdict, suggestions, evidence } = await diagnose(network(32, 6, { learningRate: 1e-4 }), parts());
    expect(verdict).toBe('high-bias');
    expect(suggestions[0]).toMatch(/Train longer/);
    expect(evidence.lateFall).toBeGreaterThan(0.1);
    expect(suggestions.join('\n')).not.toMatch(/[Mm]ore data/);
  });

  it('too few rows: high variance, more data first', async () => {
    const { train, validation } = parts();
    const { verdict, suggestions } = await diagnose(network(32, 60), { train: train.take(60), validation, baselineError: 0.01 });
    expect(verdict).toBe('high-variance');
    expect(suggestions[0]).toMatch(/More data/);
  });

  it('too large a network: high variance, regularization or a smaller one', async () => {
    const { train, validation } = diabetes.split({ ratios: { train: 0.6, validation: 0.4 }, seed: 3 });
    const large = new Trainer({
      prepare: [standardize()],
      prepareTargets: [standardize()],
      model: sequential([dense(256, { activation: 'relu' }), dense(1)]),
      loss: 'meanSquaredError',
      optimizer: adam({ learningRate: 1e-2 }),
      epochs: 150,
    });
    const { verdict, suggestions, evidence } = await diagnose(large, { train, validation });
    expect(verdict).toBe('high-variance');
    expect(suggestions.join('\n')).toMatch(/Regularization.*smaller network/s);
    expect(evidence.parameters).toBeGreaterThan(evidence.trainingRows);
  });

  it('noisy labels: noise is the limit', async () => {
    const classes = digits.classes;
    const noisy = Dataset.from({
      features: digits.features(),
      shape: [digits.rows, 64],
      targets: digits.labels().map((label, i) => ((Math.imul(i, 2654435761) >>> 0) % 10 < 3 ? classes[(i * 7) % 10]! : label)),
    });
    const { train, validation } = noisy.split({ ratios: { train: 0.8, validation: 0.2 }, stratify: true, seed: 3 });
    const result = await diagnose(network(64, 6, { learningRate: 3e-3, drop: 0.5 }), { train, validation });
    expect(result.verdict).toBe('noise-limited');
    expect(result.suggestions[0]).toMatch(/labels/);
    expect(result.baselineFrom).toBe('neighbours');
  });

  it('a fine fit: nothing stands out', async () => {
    const result = await diagnose(network(64, 25), parts());
    expect(result.verdict).toBe('good-fit');
    expect(String(result)).toMatch(/^good-fit.*trainError.*1\. /s);
  });
});
