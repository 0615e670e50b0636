/** Several inputs and outputs: named columns and arrays in, named predictions out, each with a loss, a target and metrics. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Dataset, Fitted, network, sequential, Trainer } from '../src/index.js';
import { ones } from '../src/initializers/index.js';
import { conv2d, dense, embedding, flatten, layer, residual } from '../src/layers/index.js';
import { adam } from '../src/optimizers/index.js';
import { choice, tune } from '../src/tuning/index.js';
import { crossValidate, kFold } from '../src/validation/index.js';

let pixels: number[][];
let ages: number[];
let digits: string[];
let rows: Dataset;

beforeAll(async () => {
  const all = (await Dataset.builtin('digits')).take(400);
  const values = all.features();
  pixels = Array.from({ length: 400 }, (_, i) => Array.from(values.subarray(i * 64, i * 64 + 64), (v) => v / 16));
  ages = Array.from({ length: 400 }, (_, i) => (i % 7) / 7);
  digits = all.labels();
  rows = Dataset.from({
    features: pixels.map((pixels, i) => ({ pixels, age: ages[i]! })),
    targets: { digit: digits, parity: digits.map((digit) => (Number(digit) % 2 === 0 ? 'even' : 'odd')) },
  });
});

const twoOutputs = (epochs = 5) =>
  new Trainer({
    model: network(({ pixels, age }) => {
      const h = dense(64, { activation: 'relu' })(pixels.concat(age));
      return { digit: dense(10)(h), parity: dense(1)(h) };
    }),
    loss: { digit: 'crossEntropy', parity: 'binaryCrossEntropy' },
    lossWeights: { parity: 0.3 },
    metrics: { digit: ['accuracy'], parity: ['accuracy', ['f1', { as: 'f' }]] },
    epochs,
  });

describe('own layers, losses, several inputs and outputs', () => {
  it('runs as the interface has it', async () => {
    const scale = layer('scale', (x, { parameter }) => x.multiply(parameter('gain', [x.shape.at(-1)!], ones())));
    const block = (width: number) => residual([dense(width, { activation: 'relu' }), scale(), dense(width)]);
    const deep = new Trainer({
      model: network((x) => dense(1, { name: 'head' })(block(64)(block(64)(dense(64)(x))))),
      loss: (prediction, target) => prediction.subtract(target).square().mean(-1), // one value a row
      epochs: 5,
    });
    const two = new Trainer({
      model: network(({ pixels, age }) => {
        const h = dense(64, { activation: 'relu' })(pixels.concat(age));
        return { digit: dense(10)(h), parity: dense(1)(h) };
      }),
      loss: { digit: 'crossEntropy', parity: 'binaryCrossEntropy' },
      lossWeights: { parity: 0.3 },
      epochs: 5,
    });
    const numbers = Dataset.from({ features: pixels, targets: digits.map(Number) });
    const { history } = await deep.fit(numbers);
    expect(history[4]!.train.loss).toBeLessThan(history[0]!.train.loss);
    const fitted = await two.fit(rows);
    expect(fitted.history[4]!.train.loss).toBeLessThan(0.8 * fitted.history[0]!.train.loss);
  });

  it('scores, predicts and saves each output under its name', async () => {
    const { train, test } = rows.split({ ratios: { train: 0.8, test: 0.2 }, seed: 1 });
    const fitted = await twoOutputs(12).fit(train, { validation: test });
    const last = fitted.history.at(-1)!;
    expect(Object.keys(last.train)).toEqual(['loss', 'digit.accuracy', 'parity.accuracy', 'parity.f']);
    const scores = await fitted.evaluate(test);
    expect(scores['digit.accuracy']).toBeGreaterThan(0.8);
    expect(scores).toEqual(last.validation);

    const predicted = await fitted.predict(test);
    const right = (names: readonly string[], truth: readonly string[]) =>
      names.filter((name, i) => name === truth[i]).length / names.length;
    expect(right(predicted.digit, test.labels('digit'))).toBeCloseTo(scores['digit.accuracy'], 12);
    expect(right(predicted.parity as string[], test.labels('parity'))).toBeCloseTo(scores['parity.accuracy'], 12);

    const { digit, parity } = await fitted.predict(test, { probabilities: true });
    expect([digit[0]!.length, parity[0]!.length]).toEqual([10, 2]);
    expect(digit[0]!.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    // Rows as they were given, in another order of their columns, and as one flat row.
    const one = fitted.predictSync([...pixels[3]!, ages[3]!]);
    expect(await fitted.predict([{ age: ages[3]!, pixels: pixels[3]! }])).toEqual({ digit: [one.digit], parity: [one.parity] });

    const folder = await mkdtemp(join(tmpdir(), 'nabla-outputs-'));
    try {
      await fitted.save(folder);
      const same = await Fitted.load<{ digit: 'classes'; parity: 'classes' }>(folder);
      expect(await same.predict(test)).toEqual(predicted);
      expect(await same.evaluate(test)).toEqual(scores);
      expect(await same.predict({ pixels: [pixels[3]!], age: [ages[3]!] })).toEqual({ digit: [one.digit], parity: [one.parity] });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('adds up what single models would do', async () => {
    // Two branches that share nothing, full batches: each trains as it would alone.
    const branches = new Trainer({
      model: network(({ pixels }) => ({ digit: dense(10, { name: 'a' })(pixels), parity: dense(1, { name: 'b' })(pixels) })),
      loss: { digit: 'crossEntropy', parity: 'binaryCrossEntropy' },
      batchSize: 'full',
      epochs: 3,
      precision: 'f64',
    });
    const both = await branches.fit(rows);
    const alone = await new Trainer({
      model: dense(10, { name: 'a' }),
      loss: 'crossEntropy',
      batchSize: 'full',
      epochs: 3,
      precision: 'f64',
    }).fit(Dataset.from({ features: pixels, targets: digits }));
    const [a, b] = [both, alone].map((fitted) => fitted.weights().get('a/kernel')!.values);
    expect(Math.max(...a!.map((value, i) => Math.abs(value - b![i]!)))).toBeLessThan(1e-12);
  });

  it('takes numbers beside classes, and the columns of numbers by name', async () => {
    const mixed = Dataset.from({
      features: {
        image: pixels.map((row) => Array.from({ length: 8 }, (_, i) => Array.from({ length: 8 }, (_, j) => [row[8 * i + j]!]))),
        age: ages,
      },
      targets: { digit: digits.map(Number), sum: pixels.map((row) => row.reduce((a, b) => a + b) / 64), age: 'age' },
      task: { digit: 'classification' },
    });
    expect([mixed.sampleShape, mixed.targetNames]).toEqual([[64], ['digit', 'sum', 'age']]);
    expect(mixed.describe().toString()).toContain('target sum');
    const trainer = new Trainer({
      model: network(({ image }) => {
        expect(image.shape).toEqual([-1, 8, 8, 1]);
        const h = flatten()(conv2d(4, { kernel: 3, activation: 'relu' })(image));
        return { sum: dense(1)(h), digit: dense(10)(h) };
      }),
      loss: { digit: 'crossEntropy', sum: 'meanSquaredError' },
      metrics: { sum: ['r2'], digit: ['accuracy'] },
      epochs: 12,
    });
    const fitted = await trainer.fit(mixed);
    const predicted = await fitted.predict(mixed);
    expect([predicted.sum.length, predicted.digit.length]).toEqual([400, 400]);
    const mean = predicted.sum.reduce((a, b) => a + b) / 400;
    expect(mean).toBeCloseTo(mixed.targets('sum').reduce((a, b) => a + b) / 400, 1);

    const table = Dataset.from({
      features: { a: ages, b: ages.map((age) => age * age) },
      targets: { up: ages.map((age) => 2 * age), down: ages.map((age) => -age) },
    });
    const regression = await new Trainer({
      prepare: 'auto',
      model: network(({ a, b }) => ({ down: dense(1)(b), up: dense(1)(a.concat(b)) })),
      loss: { up: 'meanSquaredError', down: 'meanSquaredError' },
      metrics: { up: ['r2'] },
      optimizer: adam({ learningRate: 0.05 }),
      epochs: 30,
      earlyStopping: { monitor: 'up.r2' },
    }).fit(table);
    expect((await regression.evaluate(table))['up.r2']).toBeGreaterThan(0.9);
  });

  it('is validated and tuned like any other', async () => {
    const report = await crossValidate(twoOutputs(3), rows, { splitter: kFold({ k: 3, seed: 1 }), refit: true });
    expect(report.scores['digit.accuracy'].values).toHaveLength(3);
    const study = await tune(rows, {
      space: { epochs: choice([1, 4]) },
      estimator: ({ epochs }) => twoOutputs(epochs),
      splitter: kFold({ k: 2, seed: 1 }),
      objective: 'digit.accuracy',
      trials: 2,
    });
    expect(study.best.params.epochs).toBe(4);
  });

  it('has categories and missing cells as inputs by name', async () => {
    const table = Dataset.from({ features: { size: [1, null, 3, 4], kind: ['a', 'b', 'c', 'a'] }, targets: [1, 2, 3, 4] });
    const fitted = await new Trainer({
      prepare: 'auto',
      model: network(({ kind, size }) => {
        expect([kind.shape, size.shape]).toEqual([
          [-1, 3],
          [-1, 1],
        ]);
        return dense(1)(kind.concat(size));
      }),
      loss: 'meanSquaredError',
      epochs: 1,
    }).fit(table);
    expect(await fitted.predict([{ kind: 'c', size: null }])).toHaveLength(1);
  });

  it('shares a table between both ends of a network', async () => {
    const text = Dataset.from({ features: [[0], [1], [2], [0]], targets: ['b', 'c', 'a', 'b'] });
    const table = embedding(3, 8);
    const tied = await new Trainer({
      model: network((x) => table.project(table(x).reshape([-1, 8]))),
      loss: 'crossEntropy',
      epochs: 1,
    }).fit(text);
    expect([...tied.weights().keys()]).toEqual(['embedding/table']);
    expect(tied.parameters).toBe(24);
  });
});

describe('what is wrong with names', () => {
  const model = network(({ pixels }) => ({ digit: dense(10)(pixels), parity: dense(1)(pixels) }));
  const loss = { digit: 'crossEntropy', parity: 'binaryCrossEntropy' } as const;
  // What the types refuse is tried.
  const made = (options: object, data?: Dataset) => () =>
    new Trainer({ model, loss, ...(options as { epochs?: number }) }).fit(data ?? rows);

  it.each<[string, () => unknown, RegExp]>([
    [
      'an input',
      made({ model: network(({ pixel }) => ({ digit: dense(10)(pixel), parity: dense(1)(pixel) })) }),
      /no column 'pixel'[\s\S]*did you mean 'pixels'/,
    ],
    ['a loss', made({ loss: { ...loss, odd: 'huber' } }), /loss of an output 'odd', which the model does not have/],
    ['no loss', made({ loss: { digit: 'crossEntropy' } }), /output 'parity' of the model has no loss/],
    ['a weight', made({ lossWeights: { party: 1 } }), /no loss of an output 'party'[\s\S]*did you mean 'parity'/],
    ['a negative weight', made({ lossWeights: { parity: -1 } }), /expected parity ≥ 0/],
    ['metrics of no output', made({ metrics: { digits: ['accuracy'] } }), /no output 'digits'[\s\S]*did you mean 'digit'/],
    ['metrics without outputs', made({ metrics: ['accuracy'] }), /metrics by output/],
    ['a metric', made({ metrics: { digit: ['acuracy'] } }), /did you mean 'accuracy'/],
    ['a monitor', made({ metrics: { digit: ['accuracy'] }, earlyStopping: { monitor: 'accuracy' } }), /digit\.accuracy/],
    [
      'one loss for all',
      made({ loss: 'crossEntropy' }, Dataset.from({ features: [{ pixels: [1, 2] }], targets: ['a'], classes: ['a', 'b'] })),
      /outputs by name \(digit, parity\), but there is one loss/,
    ],
    ['losses of one output', made({ model: dense(10) }), /gives one output without a name/],
    ['one loss of targets by name', made({ model: dense(10), loss: 'crossEntropy' }), /several targets \(digit, parity\)/],
    ['weights of one loss', made({ model: dense(10), loss: 'crossEntropy', lossWeights: { a: 1 } }), /lossWeights/],
    [
      'a target',
      () => made({}, Dataset.from({ features: [{ pixels: [1, 2] }], targets: { digits: ['a'], parity: ['b'] } }))(),
      /no target 'digit'[\s\S]*did you mean 'digits'/,
    ],
    ['one target', made({}, Dataset.from({ features: [{ pixels: [1, 2] }], targets: ['a'] })), /no target 'digit'/],
    [
      'a width',
      made({ model: network(({ pixels }) => ({ digit: dense(9)(pixels), parity: dense(1)(pixels) })) }),
      /output digit[\s\S]*one output for each of the 10 classes/,
    ],
  ])('refuses %s', (_, run, message) => {
    expect(run).toThrow(message);
  });

  it('refuses rows that do not fit', async () => {
    const fitted = await new Trainer({ model, loss, epochs: 1 }).fit(rows);
    await expect(fitted.predict([{ pixels: pixels[0]! }])).rejects.toThrow(/the column "age" is missing/);
    await expect(fitted.predict([{ pixels: [1, 2], age: 1 }])).rejects.toThrow(
      /features.pixels: the model was fitted on arrays \[64\], these are \[2\]/,
    );
    await expect(fitted.predict([{ pixels: 1, age: 1 }])).rejects.toThrow(/expected an array \[64\] a row/);
    await expect(fitted.evaluate(Dataset.from({ features: [{ pixels: pixels[0]!, age: 1 }], targets: ['1'] }))).rejects.toThrow(
      /targets digit, parity/,
    );
    expect(() => Dataset.from({ features: [{ pixels: [1, 2] }, { pixels: [1] }] })).toThrow(/expected 2 values as in the first row/);
    expect(() => Dataset.from({ features: [{ pixels: [1, 2] }, { pixels: [1, Number.NaN] }] })).toThrow(
      expect.objectContaining({ code: 'NOT_FINITE' }) as Error,
    );
    expect(() => Dataset.from({ features: [[1]], targets: { 'a.b': [1] } })).toThrow(/without a dot/);
    expect(() => Dataset.from({ features: [[1]], targets: {} })).toThrow(/at least one target/);
    expect(() => rows.labels('digits')).toThrow(/digit, parity/);
  });

  it('is one error where binary targets are no probabilities', async () => {
    const data = Dataset.from({ features: [[1], [2]], targets: { a: [0, 2] } });
    const trainer = new Trainer({ model: network((x) => ({ a: dense(1)(x) })), loss: { a: 'binaryCrossEntropy' } });
    await expect(trainer.fit(data)).rejects.toThrow(/targets\.a: binaryCrossEntropy needs targets from 0 to 1; row 1 has 2/);
    expect(sequential([dense(1)]).name).toBe('sequential');
  });
});
