/** The training toolbox through the public interface: what the options do, and what is wrong with them. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { minMax, standardize } from '../src/data/index.js';
import {
  checkGradients,
  Dataset,
  type EarlyStopping,
  learningRateTest,
  norm,
  ridge,
  sequential,
  Trainer,
  type TrainerOptions,
} from '../src/index.js';
import { lsuv, zeros } from '../src/initializers/index.js';
import { activation, batchNorm, dense, reshape } from '../src/layers/index.js';
import { contrastive, ctc, triplet } from '../src/losses/index.js';
import {
  adadelta,
  adagrad,
  adam,
  adamax,
  adamw,
  lamb,
  lbfgs,
  lion,
  lookahead,
  nadam,
  radam,
  rmsprop,
  sam,
  sgd,
} from '../src/optimizers/index.js';
import { elasticNet, l1, l2, lq, maxNorm } from '../src/regularizers/index.js';
import * as schedules from '../src/schedules/index.js';

let iris: Dataset;
let train: Dataset;
let test: Dataset;
beforeAll(async () => {
  iris = await Dataset.builtin('iris');
  ({ train, test } = iris.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 1 }));
});

const trainer = (options: Partial<TrainerOptions<['accuracy'], 'crossEntropy'>> = {}) =>
  new Trainer({
    prepare: 'auto',
    model: sequential([dense(8, { activation: 'tanh' }), dense(3)]),
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    epochs: 30,
    batchSize: 16,
    optimizer: adam({ learningRate: 0.02 }),
    seed: 3,
    ...options,
  });

describe('optimizers', () => {
  it.each([
    adagrad({ learningRate: 0.2 }),
    adadelta({ learningRate: 10 }),
    rmsprop({ learningRate: 0.01, centered: true, momentum: 0.5 }),
    adamax({ learningRate: 0.05 }),
    nadam({ learningRate: 0.02 }),
    radam({ learningRate: 0.02 }),
    adamw({ learningRate: 0.02 }),
    lion({ learningRate: 0.01 }),
    lamb({ learningRate: 0.05 }),
    sam(adam({ learningRate: 0.02 })),
    lookahead(sam(sgd({ learningRate: 0.2, momentum: 0.9 }), { rho: 0.01, adaptive: true })),
  ])('$kind learns', async (optimizer) => {
    const fitted = await trainer({ optimizer }).fit(train);
    expect((await fitted.evaluate(test)).accuracy).toBeGreaterThan(0.85);
  });

  it('sam looks twice by itself', () => {
    const theta = Float64Array.of(3, 4);
    const evaluate = (x: Float32Array | Float64Array) => ({ loss: 0, gradient: Float64Array.from(x) });
    sam(sgd({ learningRate: 0.1 }), { rho: 0.5 })
      .start(theta)
      .update(evaluate);
    // The gradient of ½‖θ‖² at θ + 0.5·θ/5.
    expect([...theta]).toEqual([expect.closeTo(3 - 0.1 * 3.3, 12), expect.closeTo(4 - 0.1 * 4.4, 12)]);
    expect(() => sam(sgd()).start(theta).update(theta)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });

  it('nesterov looks ahead by itself', () => {
    const [theta, rewritten] = [Float64Array.of(3, 4), Float64Array.of(3, 4)];
    const options = { learningRate: 0.1, momentum: 0.5 };
    const step = sgd({ ...options, nesterov: 'lookAhead' }).start(theta);
    const other = sgd({ ...options, nesterov: true }).start(rewritten);
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      // The gradient of ½‖θ‖², at the point where the rewritten form stands.
      step.update((x) => {
        seen.push(x[0]! - rewritten[0]!);
        return { loss: 0, gradient: Float64Array.from(x) };
      });
      other.update(rewritten.slice());
    }
    expect(Math.max(...seen.map(Math.abs))).toBeLessThan(1e-15);
    expect(theta[0]).not.toBe(rewritten[0]);
    expect(() => step.update(theta)).toThrow(/takes a function/);
    expect(() => sam(sgd({ momentum: 0.5, nesterov: 'lookAhead' }))).toThrow(/lookAhead/);
  });

  it('lookahead corrects by itself', () => {
    const theta = Float64Array.of(1);
    const step = lookahead(sgd({ learningRate: 0.5 }), { steps: 2, alpha: 0.5 }).start(theta);
    step.update(Float64Array.of(1));
    step.update(Float64Array.of(1));
    expect(theta[0]).toBe(0.5);
  });

  it('lbfgs takes full batches', async () => {
    const full = await trainer({ optimizer: lbfgs(), batchSize: 'full', epochs: 40 }).fit(train);
    expect(full.history.at(-1)?.train.loss).toBeLessThan(0.05);
    expect(() => trainer({ optimizer: lbfgs() }).fit(train)).toThrow(/batchSize/);
    const small = await trainer({ optimizer: lbfgs(), batchSize: 'full', epochs: 40, regularizers: [l2(0.1)] }).fit(train);
    const size = (fitted: typeof full) => norm(fitted.weights().get('dense/kernel')!.values, 2);
    expect(size(small)).toBeLessThan(0.5 * size(full));
  });

  it('lbfgs searches by itself', () => {
    for (const theta of [Float64Array.of(-1.2, 1), Float32Array.of(-1.2, 1)]) {
      const step = lbfgs().start(theta);
      let looks = 0;
      const evaluate = (x: Float32Array | Float64Array) => {
        looks += 1;
        const [a, b] = [x[0]!, x[1]!];
        const gradient = x.slice();
        gradient.set([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)]);
        return { loss: (1 - a) ** 2 + 100 * (b - a * a) ** 2, gradient };
      };
      for (let i = 0; i < 50; i++) step.update(evaluate);
      expect(theta[0]).toBeCloseTo(1, 2);
      expect(looks).toBeLessThan(120);
    }
    const theta = Float64Array.of(1, 2);
    const step = lbfgs().start(theta);
    expect(() => step.update(theta)).toThrow(/takes a function/);
    expect(() => step.update(() => ({ loss: Number.NaN, gradient: theta.slice() }))).toThrow(
      expect.objectContaining({ code: 'NOT_FINITE' }) as Error,
    );
    expect(() => step.update(() => ({ loss: 1, gradient: new Float64Array(3) }))).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH' }) as Error,
    );
    let looks = 0;
    const breaks = () => {
      if (looks++ > 0) throw new Error('mine');
      return { loss: 1, gradient: Float64Array.of(1, 1) };
    };
    expect(() => step.update(breaks)).toThrow('mine');
    expect([...theta]).toEqual([1, 2]);
    const inside = () => {
      step.update(() => ({ loss: 1, gradient: theta }));
      return { loss: 1, gradient: theta };
    };
    expect(() => step.update(inside)).toThrow(/going on/);
  });

  it('wrappers are wrapped once', () => {
    expect(() => sam(sam(sgd()))).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
    expect(() => lookahead(lookahead(sgd()))).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });
});

describe('schedules', () => {
  const rates = async (schedule: schedules.ScheduleLike, epochs = 4) => {
    const { history } = await trainer({ schedule, epochs, batchSize: 'full', optimizer: sgd({ learningRate: 1 }) }).fit(train);
    return history.map(({ learningRate }) => learningRate);
  };

  it('of every kind', async () => {
    expect(await rates(schedules.constant({ factor: 0.5 }))).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect(await rates(schedules.step({ every: 2, factor: 0.5 }))).toEqual([1, 1, 0.5, 0.5]);
    expect(await rates(schedules.multiStep({ milestones: [1, 3], factor: 0.5 }))).toEqual([1, 0.5, 0.5, 0.25]);
    expect(await rates(schedules.exponential({ factor: 0.5 }))).toEqual([1, 0.5, 0.25, 0.125]);
    expect(await rates(schedules.inverseTime({ decay: 1 }))).toEqual([1, 1 / 2, 1 / 3, 1 / 4]);
    expect(await rates(schedules.polynomial())).toEqual([1, 0.75, 0.5, 0.25]);
    expect(await rates(schedules.cosine({ length: 2 }))).toEqual([1, expect.closeTo(0.5, 12), 0, 0]);
    expect(await rates(schedules.cosineRestarts({ period: 2 }))).toEqual([1, expect.closeTo(0.5, 12), 1, expect.closeTo(0.5, 12)]);
    expect(await rates(schedules.warmup({ steps: 2, start: 0.5 }))).toEqual([0.5, 0.75, 1, 1]);
    expect(Math.max(...(await rates(schedules.oneCycle({ peak: 3, rise: 0.5 }))))).toBe(3);
    expect(await rates(schedules.reduceOnPlateau({ patience: 0, factor: 0.5, minDelta: 100 }))).toEqual([1, 1, 0.5, 0.25]);
  });

  it('of the user’s own, alone and after a warm-up', async () => {
    expect(await rates((step) => 1 / (1 + step))).toEqual([1, 1 / 2, 1 / 3, 1 / 4]);
    expect(await rates(schedules.warmup({ steps: 2, next: (step) => 0.25 + step }))).toEqual([0, 0.5, 0.25, 1.25]);
    expect(() => trainer({ schedule: () => Number.NaN }).fit(train)).toThrow(/rate of step 0/);
    expect(() => trainer({ schedule: 'cosine' as never })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });
});

describe('the training step', () => {
  it('clips', async () => {
    const clips = [{ value: 0.01 }, { norm: 0.1 }, { globalNorm: 0.1 }, { adaptive: 0.05 }] as const;
    for (const clip of clips) expect((await trainer({ clip }).fit(train)).history).toHaveLength(30);
    expect(() => trainer({ clip: {} as never })).toThrow(/one of value, norm, globalNorm, adaptive/);
    expect(() => trainer({ clip: { norm: -1 } })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });

  it('adds noise to gradients', async () => {
    const noisy = (gradientNoise: { variance: number; decay?: number }, threads: number) =>
      trainer({ gradientNoise, epochs: 3 }).fit(train, { threads });
    const weights = async (...from: Parameters<typeof noisy>) => (await noisy(...from)).weights().get('dense/kernel');
    const found = await weights({ variance: 0.01 }, 1);
    expect(await weights({ variance: 0.01, decay: 0.55 }, 2)).toEqual(found);
    expect(await weights({ variance: 0.01, decay: 0 }, 1)).not.toEqual(found);
    expect((await trainer({ epochs: 3 }).fit(train)).weights().get('dense/kernel')).not.toEqual(found);
    expect(() => trainer({ gradientNoise: { variance: 0 } })).toThrow(/variance above 0/);
    expect(() => trainer({ gradientNoise: {} as never })).toThrow(/variance above 0/);
    expect(() => trainer({ gradientNoise: { variance: 1, decay: -1 } })).toThrow(/decay ≥ 0/);
    await expect(trainer({ gradientNoise: { variance: 1 }, optimizer: lbfgs(), batchSize: 'full' }).fit(train)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      place: 'gradientNoise',
    });
  });

  it('regularizes all layers or one, with zeros that are exact', async () => {
    const sparse = await trainer({ regularizers: [l1(0.04)], optimizer: sgd({ learningRate: 0.1 }), epochs: 60 }).fit(train);
    const shares = sparse.sparsity();
    expect(shares.get('dense/kernel')).toBeGreaterThan(0.2);
    const model = sequential([dense(8, { activation: 'tanh', regularizer: lq(0.02, { q: 0.5 }) }), dense(3)]);
    const first = await trainer({ model, optimizer: sgd({ learningRate: 0.1 }), epochs: 60 }).fit(train);
    expect(first.sparsity().get('dense/kernel')).toBeGreaterThan(0.2);
    expect(first.sparsity().get('dense2/kernel')).toBe(0);
    const short = await trainer({ regularizers: [elasticNet({ l1: 1e-4, l2: 1e-3 }), l2(1e-4), maxNorm(0.3)] }).fit(train);
    const { shape, values } = short.weights().get('dense2/kernel') as { shape: readonly number[]; values: Float64Array };
    const columns = shape[1] as number;
    for (let j = 0; j < columns; j++) {
      const length = Math.hypot(...values.filter((_, i) => i % columns === j));
      expect(length).toBeLessThan(0.3 + 1e-6);
    }
  });

  it('limits norms over axes of one’s own', async () => {
    const limited = (axes: number[]) => trainer({ regularizers: [maxNorm(0.3, { axes })], epochs: 5 }).fit(train);
    const { shape, values } = (await limited([-1])).weights().get('dense/kernel') as { shape: readonly number[]; values: Float64Array };
    const columns = shape[1] as number;
    for (let i = 0; i < values.length; i += columns) expect(norm(values.slice(i, i + columns), 2)).toBeLessThan(0.3 + 1e-6);
    const whole = (await limited([0, 1])).weights().get('dense/kernel')!.values;
    expect(norm(whole, 2)).toBeLessThan(0.3 + 1e-6);
    await expect(limited([2])).rejects.toMatchObject({ code: 'INVALID_OPTION', place: 'regularizers.axes' });
    expect(() => maxNorm(1, { axes: [] })).toThrow(/at least one axis/);
  });

  it('freezes, and has rates of a group’s own', async () => {
    const start = await trainer({ optimizer: sgd({ learningRate: 0 }), epochs: 1 }).fit(train);
    const fitted = await trainer({
      groups: [
        { match: 'dense', freeze: true },
        { match: '*', learningRate: 0.01 },
      ],
    }).fit(train);
    expect(fitted.weights().get('dense/kernel')).toEqual(start.weights().get('dense/kernel'));
    expect(fitted.weights().get('dense2/kernel')).not.toEqual(start.weights().get('dense2/kernel'));
    await expect(trainer({ groups: [{ match: 'conv*', freeze: true }] }).fit(train)).rejects.toThrow(/conv\*/);
    expect(() => trainer({ groups: [{ freeze: true } as never] })).toThrow(/match/);
  });

  it('weighs classes and averages weights', async () => {
    const plain = await trainer().fit(train);
    for (const options of [
      { classWeights: 'balanced' },
      { classWeights: { setosa: 5 } },
      { averaging: 'swa' },
      { averaging: 'ema' },
      { averaging: { kind: 'swa', start: 0.5 } },
      { averaging: { kind: 'ema', decay: 0.9 } },
    ] as const) {
      const fitted = await trainer(options).fit(train);
      expect((await fitted.evaluate(test)).accuracy).toBeGreaterThan(0.85);
      // Iris is balanced, but not to the last row after the split by classes: 40 each.
      if (options !== undefined && !('classWeights' in options && options.classWeights === 'balanced'))
        expect(fitted.weights().get('dense/kernel')).not.toEqual(plain.weights().get('dense/kernel'));
    }
    expect(() => trainer({ averaging: { kind: 'ema', start: 0.5 } as never })).toThrow(/start/);
    expect(() => trainer({ averaging: { kind: 'swa', start: 1 } })).toThrow(/in \[0, 1\)/);
    await expect(trainer({ classWeights: { rose: 2 } }).fit(train)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      place: 'classWeights',
    });
  });
});

it('averaged weights have running statistics of their own', async () => {
  const model = sequential([dense(6), batchNorm({ momentum: 0.9 }), activation('tanh'), dense(3)]);
  const options = { model, precision: 'f64', optimizer: sgd({ learningRate: 0.1 }), batchSize: 24, shuffle: false } as const;
  const averaged = await trainer({ ...options, averaging: { kind: 'swa', start: 0.5 }, epochs: 8 }).fit(train);
  // The mean over batches of what the averaged first layer gives, by hand.
  const weights = averaged.weights();
  const kernel = weights.get('dense/kernel')!.values;
  const bias = weights.get('dense/bias')!.values;
  const matrix = Array.from({ length: train.rows }, (_, i) => Array.from(train.features().slice(4 * i, 4 * i + 4)));
  const rows = standardize().fit(matrix).transform(matrix) as number[][];
  const mean = new Float64Array(6);
  for (let from = 0; from < rows.length; from += 24) {
    const batch = rows.slice(from, from + 24);
    for (let j = 0; j < 6; j++)
      mean[j]! += batch.reduce((sum, row) => sum + row.reduce((z, x, i) => z + x * kernel[i * 6 + j]!, bias[j]!), 0) / batch.length / 5;
  }
  expect(train.rows).toBe(120);
  const found = weights.get('batchNorm/mean')!.values;
  for (let j = 0; j < 6; j++) expect(found[j]).toBeCloseTo(mean[j]!, 9);
  expect((await averaged.evaluate(test)).accuracy).toBeGreaterThan(0.8);
});

it('starts with layers of unit variance', async () => {
  const kernelInitializer = lsuv({ tolerance: 0.01 });
  const model = sequential([
    dense(32, { activation: 'relu', kernelInitializer }),
    dense(32, { activation: 'relu', kernelInitializer }),
    dense(3),
  ]);
  const still = { model, optimizer: sgd({ learningRate: 0 }), epochs: 1 };
  const started = await trainer(still).fit(train);
  expect(started.scaled.map(({ parameter }) => parameter)).toEqual(['dense/kernel', 'dense2/kernel']);
  for (const { before, after, factor, corrections } of started.scaled) {
    expect(Math.abs(after - 1)).toBeLessThan(0.01);
    expect(Math.abs(before - 1)).toBeGreaterThan(0.01);
    expect(factor).toBeCloseTo(1 / Math.sqrt(before), 1);
    expect(corrections).toBeGreaterThan(0);
  }
  const again = await trainer(still).fit(train, { threads: 1, from: started });
  expect(again.scaled).toEqual([]);
  const dead = sequential([dense(8, { kernelInitializer: zeros() }), dense(4, { kernelInitializer }), dense(3)]);
  await expect(trainer({ ...still, model: dead }).fit(train)).rejects.toMatchObject({ code: 'INVALID_DATA', place: 'dense2/kernel' });
  expect(() => lsuv({ tolerance: 0 })).toThrow(/tolerance/);
});

it('keeps the old preparation, or fits it anew', async () => {
  const old = await trainer().fit(train);
  const few = train.take(20);
  const still = trainer({ optimizer: sgd({ learningRate: 0 }), epochs: 1 });
  const [kept, refitted] = [await still.fit(few, { from: old, preparation: 'keep' }), await still.fit(few, { from: old })];
  const probabilities = async (fitted: typeof old) => (await fitted.predict(test, { probabilities: true }))[0]!;
  expect(await probabilities(kept)).toEqual(await probabilities(old));
  expect(await probabilities(refitted)).not.toEqual(await probabilities(old));
  const other = trainer({ prepare: [minMax()], epochs: 1 });
  await expect(other.fit(few, { from: old, preparation: 'keep' })).rejects.toMatchObject({ code: 'INVALID_OPTION', place: 'preparation' });
  expect(() => still.fit(few, { preparation: 'keep' })).toThrow(/from/);
});

it('learns embeddings of classes, and labels of sequences', async () => {
  for (const loss of [triplet({ margin: 1 }), contrastive({ margin: 2 })]) {
    const model = sequential([dense(16, { activation: 'tanh' }), dense(2)]);
    const fitted = await new Trainer({ prepare: 'auto', model, loss, epochs: 40, batchSize: 30, seed: 1 }).fit(train);
    expect(fitted.history.at(-1)!.train.loss).toBeLessThan(0.75 * fitted.history[0]!.train.loss);
    // What it predicts are embeddings, in which neighbours are of one class.
    const [seen, asked] = (await Promise.all([train, test].map((rows) => fitted.predict(rows)))) as unknown as Float64Array[];
    expect(asked).toHaveLength(2 * test.rows);
    expect([...(fitted.predictSync(test.features().slice(0, 4)) as Float64Array)]).toEqual([...asked!.slice(0, 2)]);
    const [names, truth] = [train.labels(), test.labels()];
    const far = (i: number, j: number) => Math.hypot(asked![2 * i]! - seen![2 * j]!, asked![2 * i + 1]! - seen![2 * j + 1]!);
    const nearest = truth.map((_, i) => names.map((_, j) => far(i, j)).reduce((best, d, j, all) => (d < all[best]! ? j : best), 0));
    expect(nearest.filter((j, i) => names[j] === truth[i]).length / test.rows).toBeGreaterThan(0.85);
    expect(fitted.classes).toEqual([]);
    await expect(fitted.predict(test, { probabilities: true as never })).rejects.toThrow(/predicts numbers/);
    expect((await fitted.evaluate(test)).loss).toBeGreaterThanOrEqual(0);
    expect(() => new Trainer({ model, loss, metrics: ['accuracy'] })).toThrow(/no metric compares them/);
  }
  expect(() => new Trainer({ model: dense(3), loss: 'ctc', metrics: ['meanSquaredError'] })).toThrow(/no metric compares them/);
  const named = { model: () => ({}) as never, loss: { a: 'triplet', b: 'meanSquaredError' } } as const;
  expect(() => new Trainer({ ...named, metrics: { a: ['accuracy'] } })).toThrow(/no metric compares them/);
  // Which of two signals stands at each of eight steps; runs of one signal are one label.
  const rows = Array.from({ length: 64 }, (_, i) => Array.from({ length: 8 }, (_, t) => ((i >> (t >> 1)) >> 1) & 1));
  const labels = rows.map((row) => {
    const runs = row.filter((v, t) => t === 0 || v !== row[t - 1]).map((v) => v + 1);
    return [...runs, ...new Array<number>(8).fill(0)].slice(0, 4);
  });
  const data = Dataset.from({ features: rows, targets: labels });
  const model = sequential([dense(24, { activation: 'tanh' }), reshape([8, 3]), dense(3)]);
  const fitted = await new Trainer({ model, loss: ctc(), epochs: 60, batchSize: 16, optimizer: adam({ learningRate: 0.02 }) }).fit(data);
  expect(fitted.history.at(-1)!.train.loss).toBeLessThan(0.2 * fitted.history[0]!.train.loss);
  const long = Dataset.from({ features: rows, targets: rows.map(() => new Array<number>(12).fill(1)) });
  await expect(new Trainer({ model, loss: ctc(), epochs: 1 }).fit(long)).rejects.toMatchObject({ code: 'NOT_FINITE' });
  expect(() => new Trainer({ model, loss: ctc() }).fit(train)).toThrow(/label indices/);
});

it('goes on from another model', async () => {
  const old = await trainer().fit(train);
  const still = trainer({ optimizer: sgd({ learningRate: 0 }), epochs: 1 });
  const whole = await still.fit(train, { from: old });
  expect(whole.taken).toEqual(['dense/bias', 'dense/kernel', 'dense2/bias', 'dense2/kernel']);
  expect(whole.weights()).toEqual(old.weights());
  const part = await still.fit(train, { from: old, take: ['dense2'] });
  expect(part.taken).toEqual(['dense2/bias', 'dense2/kernel']);
  expect(part.weights().get('dense/kernel')).not.toEqual(old.weights().get('dense/kernel'));
  expect([old.notTaken, whole.notTaken]).toEqual([[], []]);
  expect(part.notTaken).toEqual(['dense/kernel', 'dense/bias'].map((name) => ({ name, why: 'unnamed' })));
  const head = trainer({ epochs: 1, model: sequential([dense(8, { activation: 'tanh' }), dense(3, { name: 'head' })]) });
  expect((await head.fit(train, { from: old })).notTaken).toEqual([
    ...['head/kernel', 'head/bias'].map((name) => ({ name, why: 'new' })),
    ...['dense2/kernel', 'dense2/bias'].map((name) => ({ name, why: 'unused' })),
  ]);
  await expect(still.fit(train, { from: old, take: ['conv'] })).rejects.toMatchObject({ code: 'INVALID_OPTION', place: 'take' });
  expect(() => still.fit(train, { take: ['dense'] })).toThrow(/from/);
  expect(() => still.fit(train, { from: old, take: [] })).toThrow(/at least one layer/);
});

it('checks gradients', async () => {
  const found = await checkGradients(trainer(), train.take(8));
  expect(found.maxRelativeError).toBeLessThan(1e-6);
  expect(found.checked).toBe(4 * 8 + 8 + 8 * 3 + 3);
  expect(found.parameters.map(({ name }) => name)).toContain(found.worstParameter);
});

it('is ridge regression under half the squared error and l2(λ/n)', async () => {
  const rows = Array.from({ length: 30 }, (_, i) => [Math.sin(i), Math.cos(2 * i), ((i * 7) % 11) / 11]);
  const targets = rows.map(([a, b, c], i) => 2 * a! - b! + 0.5 * c! + 0.3 * Math.sin(5 * i));
  const data = Dataset.from({ features: rows, targets });
  const lambda = 1.7;
  const closed = await ridge({ lambda }).fit(data);
  const descent = await new Trainer({
    model: sequential([dense(1)]),
    loss: (prediction, target) => prediction.subtract(target).square().mean(-1).multiply(0.5),
    regularizers: [l2(lambda / 30)],
    optimizer: sgd({ learningRate: 0.2, momentum: 0.9 }),
    batchSize: 'full',
    epochs: 1500,
    precision: 'f64',
  }).fit(data);
  const { values } = descent.weights().get('dense/kernel')!;
  values.forEach((w, j) => void expect(w).toBeCloseTo(closed.coefficients[j]!, 9));
  expect(descent.weights().get('dense/bias')!.values[0]).toBeCloseTo(closed.intercept, 9);
});

it('tests a range of rates', async () => {
  const { rates, losses, suggestion, toSvg } = await learningRateTest(trainer(), train, { from: 1e-5, to: 100, steps: 80 });
  expect(rates.length).toBe(losses.length);
  expect(rates[1]).toBeGreaterThan(rates[0] as number);
  expect(suggestion).toBeGreaterThan(1e-5);
  expect(suggestion).toBeLessThan(10);
  expect(toSvg()).toMatch(/^<svg.*<\/svg>\s*$/s);
  expect(toSvg()).not.toMatch(/NaN/);
  await expect(learningRateTest(trainer(), train, { from: 1, to: 0.1 })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
});

describe('norms', () => {
  it('are those of NumPy', () => {
    const { cases } = JSON.parse(readFileSync(new URL('fixtures/norms.json', import.meta.url), 'utf8')) as {
      cases: { name: string; values: number[]; p: number | string; norm: number }[];
    };
    expect(cases.length).toBe(56);
    for (const { name, values, p, norm: expected } of cases) {
      const order = p === 'inf' ? Infinity : (p as number);
      for (const array of [values, Float64Array.from(values), ...(name === 'single' ? [Float32Array.from(values)] : [])]) {
        const found = norm(array, order);
        if (expected === 0) expect(found).toBe(0);
        else expect(Math.abs(found / expected - 1), `${name}, p = ${p}`).toBeLessThan(1e-13);
      }
    }
  });
});

describe('an optimizer by itself on many parameters', () => {
  it('has the bits of few, whatever threads share it', () => {
    const count = (1 << 17) + 333;
    const gradient = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
    for (const make of [() => adam(), () => lamb(), () => sgd({ momentum: 0.9 })]) {
      const theta = Float32Array.from({ length: count }, (_, i) => Math.cos(i));
      const step = make().start(theta);
      for (let t = 0; t < 3; t++) step.update(gradient);
      if (make().kind !== 'lamb') {
        const part = Float32Array.from({ length: 1000 }, (_, i) => Math.cos(i));
        const few = make().start(part);
        for (let t = 0; t < 3; t++) few.update(gradient.slice(0, 1000));
        expect(theta.slice(0, 1000)).toEqual(part);
      }
      const kept = theta.slice();
      const broken = gradient.slice();
      broken[count - 1] = Number.NaN;
      expect(() => step.update(broken)).toThrow(expect.objectContaining({ code: 'NOT_FINITE' }) as Error);
      expect(theta).toEqual(kept);
    }
  });
});

describe('early stopping', () => {
  it('does not judge the first epochs, and goes the way it is told', async () => {
    const stopped = async (earlyStopping: EarlyStopping<'accuracy'>) => {
      const recipe = { model: sequential([dense(4, { activation: 'tanh' }), dense(3)]), loss: 'crossEntropy', epochs: 12 } as const;
      return new Trainer({ ...recipe, metrics: ['accuracy'], earlyStopping }).fit(train, { validation: test });
    };
    const upwards = { monitor: 'loss', direction: 'max', patience: 2 } as const;
    // The loss falls: by that direction the first epoch that is judged is the best.
    expect(await stopped(upwards)).toMatchObject({ bestEpoch: 0, history: { length: 3 } });
    expect(await stopped({ ...upwards, warmUp: 5 })).toMatchObject({ bestEpoch: 5, history: { length: 8 } });
    expect((await stopped({ ...upwards, warmUp: 20 })).history).toHaveLength(12);
    expect(() => new Trainer({ model: dense(3), loss: 'crossEntropy', earlyStopping: { warmUp: -1 } })).toThrow(/warmUp/);
    expect(() => new Trainer({ model: dense(3), loss: 'crossEntropy', earlyStopping: { direction: 'up' as never } })).toThrow(/direction/);
  });
});
