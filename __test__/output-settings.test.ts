/** Several outputs: preparation of their targets and weights of their classes, by name. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { robust, standardize } from '../src/data/index.js';
import { checkGradients, Dataset, Fitted, network, Trainer } from '../src/index.js';
import { dense } from '../src/layers/index.js';
import { sgd } from '../src/optimizers/index.js';

const count = 40;
const features = Array.from({ length: count }, (_, i) => [Math.sin(i), Math.cos(3 * i), (i % 5) / 5]);
const price = features.map(([a, b, c]) => 1000 + 50 * a! - 20 * b! * c!);
const kind = features.map(([a], i) => (a! > 0.5 ? 'rare' : i % 2 === 0 ? 'even' : 'odd'));
const mean = price.reduce((a, b) => a + b) / count;
const deviation = Math.sqrt(price.reduce((a, b) => a + (b - mean) ** 2, 0) / count);
const heads = network((x) => {
  const h = dense(8, { activation: 'tanh' })(x);
  return { kind: dense(3, { name: 'kinds' })(h), price: dense(1, { name: 'prices' })(h) };
});
const recipe = {
  model: heads,
  loss: { kind: 'crossEntropy', price: 'meanSquaredError' },
  optimizer: sgd({ learningRate: 0.1 }),
  epochs: 4,
  batchSize: 8,
  precision: 'f64',
  seed: 3,
} as const;

describe('prepareTargets by output', () => {
  const data = Dataset.from({ features, targets: { kind, price } });

  it('is the same as standardizing by hand, and predictions, metrics and saved models are in own units', async () => {
    const metrics = { kind: ['accuracy'], price: ['rootMeanSquaredError'] } as const;
    const prepared = await new Trainer({ ...recipe, metrics, prepareTargets: { price: [standardize()] } }).fit(data, { validation: data });
    const byHand = Dataset.from({ features, targets: { kind, price: price.map((p) => (p - mean) / deviation) } });
    const plain = await new Trainer({ ...recipe, metrics }).fit(byHand, { validation: byHand });
    const [own, other] = [await prepared.predict(data), await plain.predict(byHand)];
    expect(own.kind).toEqual(other.kind);
    const prices = own.price as ArrayLike<number>;
    Array.from(other.price as ArrayLike<number>, (p, i) => expect(prices[i]).toBeCloseTo(p * deviation + mean, 8));
    expect(prepared.history.at(-1)!.train.loss).toBeCloseTo(plain.history.at(-1)!.train.loss, 10);
    const rmse = Math.sqrt(price.reduce((sum, p, i) => sum + (p - prices[i]!) ** 2, 0) / count);
    const scores = await prepared.evaluate(data);
    expect(scores['price.rootMeanSquaredError']).toBeCloseTo(rmse, 8);
    expect(prepared.history.at(-1)!.validation).toEqual(scores);
    expect((prepared.predictSync(features[2]!) as unknown as { price: number }).price).toBeCloseTo(prices[2]!, 8);
    const folder = await mkdtemp(join(tmpdir(), 'nabla-outputs-'));
    await prepared.save(join(folder, 'model'));
    expect(await (await Fitted.load(join(folder, 'model'))).predict(data)).toEqual(own);
    await rm(folder, { recursive: true });
  });

  it('takes columns of numbers by name', async () => {
    const model = network((x) => ({ price: dense(1)(x), other: dense(1)(x) }));
    const both = { price, other: price.map((p) => p / 7) };
    const loss = { price: 'meanSquaredError', other: 'meanSquaredError' } as const;
    const fitBoth = (prepareTargets: object) =>
      new Trainer({ ...recipe, model, loss, prepareTargets: prepareTargets as never, epochs: 60 }).fit(
        Dataset.from({ features, targets: both }),
      );
    const fitted = await fitBoth({ price: [robust()], other: [standardize()] });
    const predicted = (await fitted.predict(features)) as unknown as Record<string, ArrayLike<number>>;
    for (let i = 0; i < count; i++) {
      expect(Math.abs(predicted.price![i]! - price[i]!)).toBeLessThan(20);
      expect(Math.abs(predicted.other![i]! - price[i]! / 7)).toBeLessThan(3);
    }
  });

  it('has the gradients of finite differences', async () => {
    const trainer = new Trainer({ ...recipe, prepareTargets: { price: [standardize()] }, classWeights: { kind: { rare: 3 } } });
    const weighted = Dataset.from({ features, targets: { kind, price }, weights: features.map((_, i) => 1 + (i % 3)) });
    expect((await checkGradients(trainer, weighted)).maxRelativeError).toBeLessThan(1e-6);
  });
});

describe('classWeights by output', () => {
  const weights = features.map((_, i) => 1 + (i % 3));
  it.each(['balanced', { rare: 5, odd: 0.5 }] as const)('are those of a model with that output alone: %j', async (classWeights) => {
    const head = dense(3, { name: 'kinds' });
    const one = { ...recipe, loss: 'crossEntropy', metrics: [] } as const;
    const alone = await new Trainer({ ...one, model: head, classWeights }).fit(Dataset.from({ features, targets: kind, weights }));
    const model = network((x) => ({ kind: dense(3, { name: 'kinds' })(x) }));
    const named = await new Trainer({ ...recipe, model, loss: { kind: 'crossEntropy' }, classWeights: { kind: classWeights } }).fit(
      Dataset.from({ features, targets: { kind }, weights }),
    );
    const [expected, found] = [alone.weights().get('kinds/kernel')!, named.weights().get('kinds/kernel')!];
    Array.from(expected.values, (w, i) => expect(found.values[i]).toBeCloseTo(w, 10));
    const without = await new Trainer({ ...recipe, model, loss: { kind: 'crossEntropy' } }).fit(
      Dataset.from({ features, targets: { kind }, weights }),
    );
    expect(Math.abs(without.weights().get('kinds/kernel')!.values[0]! - found.values[0]!)).toBeGreaterThan(1e-4);
    // Scores are without them.
    const scores = await named.evaluate(Dataset.from({ features, targets: { kind }, weights }));
    expect(scores.loss).toBeCloseTo((await alone.evaluate(Dataset.from({ features, targets: kind, weights }))).loss, 10);
  });
});

it.each<[object, RegExp]>([
  [{ prepareTargets: [standardize()] }, /prepareTargets by output/],
  [{ prepareTargets: { prize: [standardize()] } }, /no output 'prize'[\s\S]*did you mean 'price'/],
  [{ prepareTargets: { price: standardize() } }, /prepareTargets/],
  [{ prepareTargets: { kind: [standardize()] } }, /output kind[\s\S]*numbers/],
  [{ classWeights: 'balanced' }, /classWeights by output/],
  [{ classWeights: { kind: 'balanced', cost: 'balanced' } }, /no output 'cost'/],
  [{ classWeights: { kind: { rare: -1 } } }, /classWeights/],
  [{ classWeights: { price: 'balanced' } }, /output price[\s\S]*classes/],
])('refuses %j', (options, message) => {
  const data = Dataset.from({ features, targets: { kind, price } });
  expect(() => new Trainer({ ...recipe, ...options } as never).fit(data)).toThrow(message);
});

it('names a class that is none', async () => {
  const data = Dataset.from({ features, targets: { kind, price } });
  const run = new Trainer({ ...recipe, classWeights: { kind: { rar: 2 } } }).fit(data);
  await expect(run).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    place: 'classWeights.kind',
    hint: expect.stringMatching(/rare/) as string,
  });
});
