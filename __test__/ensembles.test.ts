/** Several models as one: seeds, rows, weights, and the snapshots of one fit. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Dataset, ensemble, type Fitted, NablaError, sequential, Trainer, type TrainerOptions } from '../src/index.js';
import { dense } from '../src/layers/index.js';
import { adam, sgd } from '../src/optimizers/index.js';
import { cosineRestarts } from '../src/schedules/index.js';

let train: Dataset;
let test: Dataset;
beforeAll(async () => {
  ({ train, test } = (await Dataset.builtin('iris')).split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 1 }));
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

describe('ensembles', () => {
  it.each(['average', 'vote'] as const)('by %s', async (combine) => {
    const seeds = [1, 2, 3].map((seed) => trainer({ seed }));
    const fitted = await ensemble(seeds, { combine, weights: [1, 1, 2] }).fit(train, { threads: 2 });
    expect(fitted.members).toHaveLength(3);
    expect((await fitted.evaluate(test)).accuracy).toBeGreaterThan(0.85);
    const rows = await fitted.probabilities(test);
    for (const row of rows) expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 6);
  });

  it('of copies: seeds of their own, or rows too', async () => {
    const seeds = await ensemble({ of: trainer({ epochs: 5 }), count: 2 }).fit(train);
    const [first, second] = seeds.members;
    expect(first!.weights()).toEqual((await trainer({ epochs: 5 }).fit(train)).weights());
    expect(second!.weights()).not.toEqual(first!.weights());
    const bagged = await ensemble({ of: trainer(), count: 3, sampling: 'bootstrap' }).fit(train);
    expect(bagged.members[0]!.weights()).not.toEqual((await trainer().fit(train)).weights());
    expect((await bagged.evaluate(test)).accuracy).toBeGreaterThan(0.85);
  });

  it('refuses what cannot be combined', async () => {
    expect(() => ensemble([])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
    expect(() => ensemble([trainer()], { weights: [1, 2] })).toThrow(/one a member/);
    expect(() => ensemble({ of: trainer(), count: 0 })).toThrow(/count/);
    expect(() => ensemble({ of: { fit: () => Promise.reject(new Error('never')) }, count: 2 })).toThrow(/bootstrap/);
  });

  it('weighs members, of classes and of numbers', async () => {
    const pair = [trainer({ epochs: 2 }), trainer({ epochs: 2, seed: 9 })];
    const fitted = await ensemble(pair, { weights: [1, 3] }).fit(train);
    const [a, b] = (await Promise.all(fitted.members.map((m) => m.predict(test, { probabilities: true })))) as Float64Array[][];
    const found = await fitted.probabilities(test);
    found.forEach((row, i) => void row.forEach((p, j) => void expect(p).toBeCloseTo((a![i]![j]! + 3 * b![i]![j]!) / 4, 12)));
    // A member that weighs more than all others has every vote.
    const votes = await ensemble(pair, { combine: 'vote', weights: [1, 3] }).fit(train);
    expect(await votes.predict(test)).toEqual(await (votes.members[1] as Fitted).predict(test));
    const rows = Array.from({ length: 40 }, (_, i) => [Math.sin(i), Math.cos(i)]);
    const numbers = Dataset.from({ features: rows, targets: rows.map(([x, y]) => [x! + y!, x! * y!]) });
    const recipe = { model: sequential([dense(4, { activation: 'tanh' }), dense(2)]), loss: 'meanSquaredError', epochs: 3 } as const;
    const two = await ensemble([new Trainer(recipe), new Trainer({ ...recipe, seed: 1 })], { weights: [1, 3] }).fit(numbers);
    const [c, d] = (await Promise.all(two.members.map((m) => m.predict(numbers)))) as unknown as Float64Array[];
    const mean = (await two.predict(numbers)) as Float64Array;
    expect(mean).toHaveLength(80);
    mean.forEach((value, i) => void expect(value).toBeCloseTo((c![i]! + 3 * d![i]!) / 4, 12));
    expect((await two.evaluate(numbers)).meanSquaredError).toBeGreaterThan(0);
  });

  it('an error of one member ends the others', async () => {
    const started: number[] = [];
    const member = (i: number) => ({
      fit: (data: Dataset, options?: { signal?: AbortSignal }) => {
        started.push(i);
        return i === 0 ? Promise.reject(new Error('mine')) : trainer({ epochs: 1e6 }).fit(data, { ...options });
      },
    });
    await expect(ensemble([0, 1, 2, 3].map(member) as never).fit(train, { threads: 2 })).rejects.toThrow('mine');
    expect(started).toEqual([0, 1]);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(ensemble([trainer()]).fit(train, { signal })).rejects.toThrow('enough');
  });
});

describe('snapshots', () => {
  it('are the weights of one fit at each minimum of its rate', async () => {
    const recipe = { epochs: 6, optimizer: sgd({ learningRate: 0.2, momentum: 0.9 }) };
    const fitted = await ensemble({ of: trainer(recipe), snapshots: 3 }).fit(train, { validation: test });
    // 120 rows in batches of 16 are 8 steps an epoch, 16 a cycle.
    const whole = await trainer({ ...recipe, schedule: cosineRestarts({ period: 16, by: 'step' }) }).fit(train, { validation: test });
    expect(fitted.members.map(({ history }) => history.length)).toEqual([2, 4, 6]);
    expect(fitted.members[2]!.weights()).toEqual(whole.weights());
    const last = fitted.members[2]!.history;
    const rates = last.map(({ learningRate }) => learningRate);
    for (const end of [1, 3, 5]) expect(rates[end]).toBeCloseTo((0.2 / 2) * (1 + Math.cos((Math.PI * 15) / 16)), 12);
    expect(rates[2]).toBeGreaterThan(10 * rates[1]!);
    expect(last.map(({ validation }) => validation!.loss)).toEqual(whole.history.map(({ validation }) => validation!.loss));
    const [first, second] = fitted.members;
    expect(first!.weights()).not.toEqual(second!.weights());
    const rows = (await Promise.all(fitted.members.map((m) => m.predict(test, { probabilities: true })))) as Float64Array[][];
    const mean = await fitted.probabilities(test);
    expect(mean[0]![0]).toBeCloseTo((rows[0]![0]![0]! + rows[1]![0]![0]! + rows[2]![0]![0]!) / 3, 12);
    expect((await fitted.evaluate(test)).accuracy).toBeGreaterThan(0.8);
  });

  it('count rows of weight 0 as absent', async () => {
    const features = Array.from({ length: 40 }, (_, i) => [Math.sin(i)]);
    const weights = features.map((_, i) => (i < 20 ? 0 : 1));
    const data = Dataset.from({ features, targets: features.map(([x]) => x! * 2), weights });
    const one = new Trainer({
      model: sequential([dense(1)]),
      loss: 'meanSquaredError',
      epochs: 4,
      batchSize: 10,
      optimizer: sgd({ learningRate: 1 }),
    });
    const { members } = await ensemble({ of: one, snapshots: 2 }).fit(data);
    // Two steps an epoch, four a cycle.
    const end = 0.5 * (1 + Math.cos((Math.PI * 3) / 4));
    expect(members[1]!.history.map(({ learningRate }) => learningRate)[1]).toBeCloseTo(end, 12);
    expect(members[1]!.history.at(-1)!.learningRate).toBeCloseTo(end, 12);
  });

  it('refuse what the cycles decide', async () => {
    const of =
      (options: Parameters<typeof trainer>[0], snapshots = 3) =>
      () =>
        ensemble({ of: trainer(options), snapshots });
    expect(of({}, 4)).toThrow(/divide the trainer's 30 epochs/);
    expect(of({}, 0)).toThrow(/snapshots/);
    expect(of({ schedule: cosineRestarts({ period: 3 }) })).toThrow(/schedule of the trainer/);
    expect(of({ earlyStopping: {} })).toThrow(/earlyStopping of the trainer/);
    expect(of({ averaging: 'ema' })).toThrow(/averaging of the trainer/);
    expect(() => ensemble({ of: { fit: () => 1 }, snapshots: 2 } as never)).toThrow(NablaError);
    expect(() => ensemble({ snapshots: 2 } as never)).toThrow(/Trainer/);
    expect(() => ensemble({ of: trainer(), snapshots: 3 }, { weights: [1, 2] })).toThrow(/3 numbers/);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(of({})().fit(train, { signal })).rejects.toThrow('enough');
    const other = (await Dataset.builtin('digits')).take(10);
    await expect(of({})().fit(train, { validation: other })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
  });
});
