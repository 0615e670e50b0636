/** Steps by themselves, in recipes and in folds; their numbers against scikit-learn are tested in crates/data. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset, Fitted, sequential, Trainer } from 'nabla';
import { impute, maxAbs, oneHot, ordinal, type Preparation, power, quantile, robust, selectBest, standardize, unitNorm } from 'nabla/data';
import { dense } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { crossValidate, kFold } from 'nabla/validation';
import { describe, expect, it } from 'vitest';

/** Numbers with holes, categories with holes, and a class that both decide. */
const rows = Array.from({ length: 90 }, (_, i) => ({
  size: i % 7 === 0 ? null : (i % 10) / 2 + 1e6,
  colour: i % 11 === 0 ? null : (['red', 'green', 'blue'][i % 3] as string),
  flag: i % 2 === 0 ? 'no' : 'yes',
}));
const data = Dataset.from({ features: rows, targets: rows.map(({ flag }, i) => (flag === 'yes' || i % 3 === 0 ? 'in' : 'out')) });

const trainer = (prepare: readonly Preparation[] | 'auto', epochs = 30) =>
  new Trainer({
    prepare,
    model: sequential([dense(8, { activation: 'tanh' }), dense(2)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 2e-2 }),
    metrics: ['accuracy'],
    epochs,
    batchSize: 8,
  });

describe('a step by itself', () => {
  const matrix = [
    [1, -2],
    [2, 0],
    [3, 4],
    [10, 4],
  ];
  it.each([
    ['robust', robust(), true],
    ['maxAbs', maxAbs(), true],
    ['power', power(), true],
    ['quantile', quantile(), true],
    ['unitNorm', unitNorm({ norm: 1 }), false],
  ] as const)('%s transforms and comes back', (_, step, back) => {
    const scaler = step.fit(matrix);
    const prepared = scaler.transform(matrix);
    expect(prepared.length).toBe(4);
    if (back) for (const [i, row] of scaler.inverse(prepared).entries()) row.forEach((v, j) => expect(v).toBeCloseTo(matrix[i]![j]!, 9));
    else expect(() => scaler.inverse(prepared)).toThrow(/no inverse/);
  });

  it('keeps single precision, computed in double and rounded once, and gives integers as doubles', () => {
    const single = Float32Array.from(matrix.flat());
    const scaler = standardize().fit(single, { width: 2 });
    const prepared: Float32Array = scaler.transform(single);
    const doubles: Float64Array = scaler.transform(Float64Array.from(single));
    expect(prepared).toEqual(Float32Array.from(doubles));
    expect(scaler.inverse(prepared)).toBeInstanceOf(Float32Array);
    expect(scaler.transform(Uint8Array.of(1, 2))).toBeInstanceOf(Float64Array);
  });

  it('names what is not finite in a typed array by its place, and lets a missing cell of nested arrays pass', () => {
    const scaler = standardize().fit(matrix);
    const holed = Float32Array.of(1, 2, 3, Number.NaN);
    for (const run of [() => scaler.transform(holed), () => scaler.inverse(holed), () => impute().fit(holed, { width: 2 })])
      expect(run).toThrow(expect.objectContaining({ code: 'NOT_FINITE', place: 'matrix[1][1]' }));
    expect(() => standardize().fit(Float64Array.of(1, Infinity))).toThrow(expect.objectContaining({ place: 'matrix[1][0]' }));
    expect(scaler.transform([[1, null] as unknown as number[]])[0]?.[1]).toBeNaN();
  });

  it('says what is wrong', () => {
    expect(() => robust({ lower: 0.8 })).toThrow(/below upper/);
    expect(() => impute({ value: 3 })).toThrow(/constant/);
    expect(() => selectBest(0)).toThrow(/≥ 1/);
    expect(() => selectBest(2).fit(matrix)).toThrow(/target|columns/);
  });
});

describe('in a recipe', () => {
  it("'auto' fills, scales and encodes: 1 + 3 + 2 columns", async () => {
    const fitted = await trainer('auto').fit(data);
    expect(fitted.weights().get('dense/kernel')!.shape).toEqual([6, 8]);
    expect((await fitted.evaluate(data)).accuracy).toBeGreaterThan(0.9);
  });

  it('is saved with the model, and one row predicts as many do', async () => {
    const fitted = await trainer('auto', 5).fit(data);
    const folder = await mkdtemp(join(tmpdir(), 'nabla-'));
    try {
      await fitted.save(folder);
      const again = await Fitted.load(folder);
      const expected = await fitted.predict(data, { probabilities: true });
      expect(await again.predict(data, { probabilities: true })).toEqual(expected);
      const features = data.features();
      const one = again.predictSync(features.slice(3, 6), { probabilities: true });
      one.forEach((p, k) => expect(p).toBeCloseTo(expected[1]![k]!, 5));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each<[string, readonly Preparation[], number]>([
    ['modes and numbers of levels', [impute({ strategy: 'mode' }), ordinal(), standardize()], 3],
    ['indicators', [impute({ indicator: true }), standardize(), oneHot({ drop: 'first' })], 1 + 2 + 1 + 1],
    ['names', [impute({ columns: ['size'], strategy: 'median' }), oneHot({ columns: ['colour'] }), ordinal({ columns: ['flag'] })], 5],
    ['selection', [impute(), oneHot(), selectBest(3)], 3],
    ['power', [impute(), power({ columns: ['size'] }), oneHot()], 6],
  ])('%s', async (_, prepare, width) => {
    const fitted = await trainer(prepare, 2).fit(data);
    expect(fitted.weights().get('dense/kernel')!.shape).toEqual([width, 8]);
    for (const row of await fitted.predict(data, { probabilities: true })) for (const p of row) expect(Number.isFinite(p)).toBe(true);
  });

  it('names what is missing, unknown, or still a category', async () => {
    await expect((async () => trainer([oneHot()]).fit(data))()).rejects.toMatchObject({
      code: 'INVALID_DATA',
      place: expect.stringMatching(/size/),
    });
    expect(() => trainer([impute()]).fit(data)).toThrow(/holds categories/);
    expect(() => trainer([oneHot({ columns: ['color'] })]).fit(data)).toThrow(/colour/);
    expect(() => trainer([oneHot({ columns: ['size'] })]).fit(data)).toThrow(/categories/);
  });
});

describe('in folds', () => {
  it('is fitted on the training rows alone', async () => {
    const splitter = kFold({ k: 3, stratify: false });
    const report = await crossValidate(trainer('auto', 3), data, { splitter, keepModels: true });
    let index = 0;
    for (const { train } of splitter.split({ rows: data.rows })) {
      const alone = await trainer('auto', 3).fit(data.select(train));
      expect(report.folds[index++]!.fitted!.weights()).toEqual(alone.weights());
    }
  });

  /** 40 rows, 2000 random columns, random classes: nothing can be learned. Selection on all rows "learns" it. */
  it('a selection made on all rows would leak: measured', async () => {
    let state = 7;
    const uniform = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 0x100000000;
    const width = 2000;
    const noise = Array.from({ length: 40 }, () => Array.from({ length: width }, () => uniform()));
    const labels = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 'a' : 'b'));
    const whole = Dataset.from({ features: noise, targets: labels });
    const recipe = (prepare: readonly Preparation[]) => trainer([...prepare, standardize()], 20);
    const splitter = kFold({ k: 5, seed: 1 });
    const honest = await crossValidate(recipe([selectBest(10)]), whole, { splitter });
    // The leak: columns chosen with the help of the rows that score.
    const score = (j: number): number => {
      const mean = (c: string): number => noise.reduce((sum, row, i) => sum + (labels[i] === c ? row[j]! : 0), 0) / 20;
      return Math.abs(mean('a') - mean('b'));
    };
    const chosen = Array.from({ length: width }, (_, j) => j)
      .sort((a, b) => score(b) - score(a))
      .slice(0, 10);
    const leaky = Dataset.from({ features: noise.map((row) => chosen.map((j) => row[j]!)), targets: labels });
    const leaked = await crossValidate(recipe([]), leaky, { splitter });
    expect(honest.scores.accuracy.mean).toBeLessThan(0.7);
    expect(leaked.scores.accuracy.mean).toBeGreaterThan(0.85);
  });
});
