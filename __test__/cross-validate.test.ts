import { Dataset, type Estimator, type FittedEstimator, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { crossValidate, kFold, leaveOneOut, type RowsToSplit } from 'nabla/validation';
import { beforeAll, describe, expect, expectTypeOf, it, vi } from 'vitest';

let iris: Dataset;
let digits: Dataset;
beforeAll(async () => {
  [iris, digits] = await Promise.all([Dataset.builtin('iris'), Dataset.builtin('digits')]);
});

const trainer = (epochs = 10) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(16, { activation: 'tanh' }), dense(3)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 1e-2 }),
    metrics: ['accuracy', 'f1'],
    epochs,
    batchSize: 16,
    seed: 3,
  });

describe('crossValidate', () => {
  it('scores ten folds of the digits at 96 %, refits, and touches the test rows once', async () => {
    const { train, test } = digits.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 });
    const recipe = new Trainer({
      prepare: [standardize()],
      model: sequential([dense(32, { activation: 'relu' }), dense(10)]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate: 3e-3 }),
      metrics: ['accuracy'],
      epochs: 15,
    });
    const report = await crossValidate(recipe, train, { test, refit: true });
    const { mean, standardDeviation, values } = report.scores.accuracy;
    expect(values.length).toBe(10);
    expect(mean).toBeGreaterThan(0.94);
    expect(standardDeviation).toBeGreaterThan(0);
    expect(standardDeviation).toBeLessThan(0.05);
    expect(report.testScores.accuracy).toBeGreaterThan(0.93);
    expect(await report.fitted.evaluate(test)).toEqual(report.testScores);
    expect(report.folds.reduce((rows, { validationRows }) => rows + validationRows, 0)).toBe(train.rows);
  });

  it('is fitting each fold by hand', async () => {
    const splitter = kFold({ k: 3, seed: 5 });
    const recipe = trainer();
    const report = await crossValidate(recipe, iris, { splitter, keepModels: true });
    const labels = iris.labels();
    let index = 0;
    for (const { train, validation } of splitter.split({ rows: iris.rows, labels })) {
      const fitted = await recipe.fit(iris.select(train));
      const scores = await fitted.evaluate(iris.select(validation));
      expect(report.folds[index]?.scores).toEqual(scores);
      expect(report.scores.accuracy.values[index]).toBe(scores.accuracy);
      expect(report.folds[index]?.fitted?.weights()).toEqual(fitted.weights());
      index++;
    }
    expect(index).toBe(3);
  });

  it('gives the same bits for any number of threads', async () => {
    const reports = [];
    for (const threads of [1, 2, 3, 8]) reports.push(await crossValidate(trainer(), iris, { threads, refit: true, keepModels: true }));
    const plain = reports.map(({ scores, folds, fitted }) => ({
      scores,
      weights: [...folds.map((fold) => fold.fitted?.weights()), fitted.weights()],
    }));
    for (const other of plain.slice(1)) expect(other).toEqual(plain[0]);
  });

  it('computes mean and sample standard deviation', async () => {
    const { scores } = await crossValidate(trainer(3), iris, { splitter: kFold({ k: 4 }) });
    for (const { mean, standardDeviation, values } of [scores.loss, scores.accuracy, scores.f1]) {
      const m = values.reduce((a, b) => a + b, 0) / 4;
      expect(mean).toBeCloseTo(m, 12);
      expect(standardDeviation).toBeCloseTo(Math.sqrt(values.reduce((sum, v) => sum + (v - m) ** 2, 0) / 3), 12);
    }
  });

  it('fits preparation inside the folds: an outlier in the held-out row moves nothing', async () => {
    const features = Array.from({ length: 12 }, (_, i) => [i === 0 ? 1e6 : i]);
    const data = Dataset.from({ features, targets: features.map((_, i) => (i % 2 === 0 ? 'even' : 'odd')) });
    const recipe = new Trainer({
      prepare: [standardize()],
      model: sequential([dense(2)]),
      loss: 'crossEntropy',
      metrics: ['accuracy'],
      epochs: 1,
    });
    const { folds } = await crossValidate(recipe, data, { splitter: leaveOneOut(), keepModels: true });
    const without = Dataset.from({ features: features.slice(1), targets: data.labels().slice(1) });
    expect(folds[0]?.fitted?.weights()).toEqual((await recipe.fit(without)).weights());
  });

  it('takes a splitter of one’s own, and refuses one that leaks', async () => {
    const own = {
      *split({ rows }: RowsToSplit) {
        yield { train: Array.from({ length: rows - 30 }, (_, i) => i + 30), validation: Array.from({ length: 30 }, (_, i) => i) };
      },
    };
    expect((await crossValidate(trainer(2), iris, { splitter: own })).folds.length).toBe(1);
    const leaking = {
      *split() {
        yield { train: [0, 1, 2, 50, 100], validation: [2, 3] };
      },
    };
    await expect(crossValidate(trainer(2), iris, { splitter: leaking })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/row 2/),
    });
    await expect(crossValidate(trainer(2), iris, { splitter: { *split() {} } })).rejects.toMatchObject({ code: 'INVALID_DATA' });
    const outside = {
      *split() {
        yield { train: [0, 1], validation: [150] };
      },
    };
    await expect(crossValidate(trainer(2), iris, { splitter: outside })).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });

  it('takes any estimator', async () => {
    /** Predicts the most frequent class. */
    const majority: Estimator<FittedEstimator<{ accuracy: number }>> = {
      async fit(data) {
        const labels = data.labels();
        const count = (name: string): number => labels.filter((label) => label === name).length;
        const best = [...data.classes].sort((a, b) => count(b) - count(a))[0];
        return {
          predict: async () => best,
          evaluate: async (test) => ({ accuracy: test.labels().filter((label) => label === best).length / test.rows }),
        };
      },
    };
    const report = await crossValidate(majority, iris, { refit: true });
    expect(report.scores.accuracy.mean).toBeCloseTo(1 / 3, 9);
    expect(await report.fitted.predict(iris)).toBe('setosa');
  });

  it('shows each fit that is over, also those that stop early', async () => {
    const written: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    try {
      await crossValidate(trainer(3), iris, { splitter: kFold({ k: 3 }), refit: true, progress: true });
      const early = new Trainer({
        model: sequential([dense(3)]),
        loss: 'crossEntropy',
        epochs: 200,
        earlyStopping: { patience: 1, minDelta: 10 },
      });
      await crossValidate(early, iris, { splitter: kFold({ k: 2 }), progress: true });
    } finally {
      write.mockRestore();
    }
    const lines = written
      .join('')
      .split(/[\r\n]/)
      .map((line) => line.match(/(fit|fold) \d\/\d/)?.[0])
      .filter((line) => line !== undefined);
    expect(lines).toEqual(['fit 1/4', 'fit 2/4', 'fit 3/4', 'fit 4/4', 'fold 1/2', 'fold 2/2']);
  });

  it('rejects with the reason of its signal', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 30);
    await expect(crossValidate(trainer(1_000_000), iris, { signal: controller.signal })).rejects.toBe(reason);
    await expect(crossValidate(trainer(), iris, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('types the scores by the metrics of the trainer', async () => {
    const report = await crossValidate(trainer(1), iris, { splitter: kFold({ k: 2 }) });
    expectTypeOf(report.scores.f1.mean).toEqualTypeOf<number>();
    expectTypeOf(report.scores.loss.values).toEqualTypeOf<readonly number[]>();
    // @ts-expect-error r2 is not among the metrics
    expect(report.scores.r2).toBeUndefined();
    // @ts-expect-error there was no refit
    expect(report.fitted).toBeUndefined();
  });
});
