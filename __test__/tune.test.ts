import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset, type Estimator, NablaError, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout } from 'nabla/layers';
import { adam, sgd } from 'nabla/optimizers';
import {
  asha,
  choice,
  coarseToFine,
  gaussianProcess,
  grid,
  hyperband,
  integer,
  logInteger,
  logUniform,
  median,
  type Pruner,
  populationBased,
  random,
  type Sampler,
  sobol,
  successiveHalving,
  threads,
  tiers,
  tpe,
  tune,
  uniform,
} from 'nabla/tuning';
import { holdOut, kFold, nestedCrossValidate } from 'nabla/validation';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { native } from '../src/native/index.js';

let iris: Dataset;
let split: { readonly train: Dataset; readonly test: Dataset };
beforeAll(async () => {
  iris = await Dataset.builtin('iris');
  split = iris.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 });
});

const space = { learningRate: logUniform(1e-4, 1e-1), units: integer(4, 32), batchSize: choice([8, 16, 32]) };
const recipe = ({ learningRate, units, batchSize }: { learningRate: number; units: number; batchSize: 8 | 16 | 32 }) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(units, { activation: 'tanh' }), dense(3)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate }),
    metrics: ['accuracy'],
    epochs: 8,
    batchSize,
  });

/** An estimator without fits: its score is a function of the hyperparameters. */
const formula = (score: () => number | Promise<number>): Estimator => ({
  fit: async () => {
    const loss = await score();
    return { predict: async () => [], evaluate: async () => ({ loss }) };
  },
});
const bowl = ({ x, y }: { x: number; y: number }) => formula(() => (x - 0.3) ** 2 + (y + 0.2) ** 2);
const plane = { x: uniform(-1, 1), y: uniform(-1, 1) };

describe('tune', () => {
  it('searches, refits the best, and touches the test rows once', async () => {
    const study = await tune(split.train, {
      space,
      estimator: recipe,
      objective: 'accuracy',
      splitter: kFold({ k: 3, seed: 7 }),
      trials: 12,
      test: split.test,
      seed: 7,
    });
    expect(study.trials.map(({ number }) => number)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(study.trials.every(({ state, values }) => state === 'complete' && values.length === 3)).toBe(true);
    expect(study.best.score).toBe(Math.max(...study.trials.map(({ score }) => score ?? 0)));
    expect(study.best.score).toBeGreaterThan(0.9);
    expect(study.best.score).toBeCloseTo(study.best.values.reduce((a, b) => a + b) / 3, 12);
    expect([8, 16, 32]).toContain(study.best.params.batchSize);
    expect(await study.fitted.evaluate(split.test)).toEqual(study.testScores);
    expect((await recipe(study.best.params).fit(split.train)).weights()).toEqual(study.fitted.weights());
    expect(study.top(3).map(({ score }) => score)).toEqual(
      study.trials
        .map(({ score }) => score as number)
        .sort((a, b) => b - a)
        .slice(0, 3),
    );
    expect(String(study)).toContain('12 trials: 12 complete');
  });

  it.each<[string, Sampler]>([
    ['random', random()],
    ['grid', grid({ points: 2 })],
    ['sobol', sobol()],
    ['coarseToFine', coarseToFine({ rounds: 3 })],
    ['tiers', tiers()],
    ['tpe', tpe({ startup: 4 })],
    ['gaussianProcess', gaussianProcess({ startup: 4, round: 2 })],
  ])('gives the same study for any number of trials at once: %s', async (_, sampler) => {
    const plain = [];
    for (const parallel of [1, 2, 4]) {
      const study = await tune(split.train, {
        space,
        estimator: recipe,
        objective: 'loss',
        splitter: kFold({ k: 2, seed: 7 }),
        sampler,
        trials: 9,
        executor: threads({ parallel }),
        threads: parallel,
        seed: 3,
      });
      plain.push([study.best.number, study.trials.map(({ seconds, ...rest }) => rest), study.fitted.weights()]);
    }
    expect(plain[1]).toEqual(plain[0]);
    expect(plain[2]).toEqual(plain[0]);
  });

  it('chooses within the folds of a nested cross-validation, on rows that score nothing', async () => {
    const seen: number[][] = [];
    const report = await nestedCrossValidate(iris, {
      outer: kFold({ k: 3, seed: 1 }),
      tune: async (train, fold) => {
        const study = await tune(train, { space, estimator: recipe, objective: 'accuracy', splitter: holdOut(), trials: 3, refit: false });
        seen.push([fold, train.rows]);
        return recipe(study.best.params);
      },
    });
    expect(seen).toEqual(report.folds.map(({ index, trainRows }) => [index, trainRows]));
    expect(report.folds.map(({ trainRows, validationRows }) => trainRows + validationRows)).toEqual([150, 150, 150]);
    expect(report.scores.accuracy.values.length).toBe(3);
    expect(report.scores.accuracy.mean).toBeGreaterThan(0.8);
    // An error of the search is the error of all.
    const fails = nestedCrossValidate(iris, { tune: (train) => tune(train, { space: {}, objective: 'loss' } as never) as never });
    await expect(fails).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('compiles nothing anew for what is a run-time input', async () => {
    const trial = (seed: number) =>
      tune(split.train, {
        space: { learningRate: logUniform(1e-4, 1e-1), rate: uniform(0, 0.5), momentum: uniform(0, 0.9) },
        estimator: ({ learningRate, rate, momentum }) =>
          new Trainer({
            model: sequential([dense(13, { activation: 'relu' }), dropout(rate), dense(3)]),
            loss: 'crossEntropy',
            optimizer: sgd({ learningRate, momentum }),
            metrics: ['accuracy'],
            epochs: 2,
          }),
        objective: 'accuracy',
        splitter: kFold({ k: 3 }),
        trials: seed === 1 ? 1 : 20,
        threads: 1,
        seed,
      });
    await trial(1);
    const before = native().compilations();
    await trial(2);
    expect(native().compilations() - before).toBe(0);
  });

  it('beats a random search by going from coarse to fine', async () => {
    const regret = async (sampler: Sampler, seed: number) =>
      (await tune(iris, { space: plane, estimator: bowl, objective: 'loss', splitter: holdOut(), sampler, trials: 60, seed, refit: false }))
        .best.score;
    let [coarse, plain] = [0, 0];
    for (let seed = 0; seed < 20; seed++) {
      coarse += Math.log(await regret(coarseToFine({ rounds: 4 }), seed));
      plain += Math.log(await regret(random(), seed));
    }
    expect(coarse).toBeLessThan(plain - 20);
  });

  it('iterates over trials in their order, whatever order they end in', async () => {
    const run = tune(iris, {
      space: { x: uniform(0, 1) },
      estimator: ({ x }) => formula(() => new Promise((resolve) => setTimeout(resolve, 20 * x, x))),
      objective: 'loss',
      splitter: kFold({ k: 2 }),
      trials: 12,
      threads: 4,
      refit: false,
    });
    const seen: number[] = [];
    for await (const trial of run) seen.push(trial.number);
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect((await run).trials.length).toBe(12);
  });

  it('keeps a trial that fails and goes on', async () => {
    const study = await tune(iris, {
      space: plane,
      estimator: ({ x, y }) => {
        if (x < -0.5) throw new Error('too far left');
        return formula(() => {
          if (y < -0.5) throw new Error('too far down');
          return x < 0 ? Number.NaN : x + y;
        });
      },
      objective: 'loss',
      splitter: kFold({ k: 2 }),
      trials: 40,
      refit: false,
    });
    const messages = new Set(study.trials.map(({ error }) => error));
    expect(messages).toContain('too far left');
    expect(messages).toContain('too far down');
    for (const { state, score, params } of study.trials)
      expect(state === 'complete').toBe(score !== undefined && params.x >= 0 && params.y >= -0.5);
    expect(study.warnings.some((warning) => warning.includes('of 40 trials failed'))).toBe(true);
  });

  it('says so when all trials fail', async () => {
    const diverging = tune(iris, {
      space: { learningRate: uniform(1e30, 2e30) },
      estimator: ({ learningRate }) =>
        new Trainer({ model: sequential([dense(8), dense(3)]), loss: 'crossEntropy', optimizer: sgd({ learningRate }), epochs: 3 }),
      objective: 'loss',
      trials: 3,
    });
    await expect(diverging).rejects.toMatchObject({
      code: 'NOT_FINITE',
      message: expect.stringContaining('none of 3 trials gave a score'),
    });
  });

  it('stops, aborts and limits its time', async () => {
    const slow = () => formula(() => new Promise((resolve) => setTimeout(resolve, 5, 1)));
    const options = { space: plane, estimator: slow, objective: 'loss', splitter: kFold({ k: 2 }), trials: 10_000, refit: false } as const;
    const run = tune(iris, options);
    for await (const trial of run) if (trial.number === 3) run.stop();
    expect((await run).trials.length).toBeGreaterThanOrEqual(4);
    expect((await run).trials.length).toBeLessThan(100);
    for (const wrong of [-1, 1.5, Number.NaN])
      await expect((async () => (await run).top(wrong))()).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    const short = await tune(iris, { ...options, timeoutMs: 60 });
    expect(short.trials.length).toBeGreaterThan(0);
    expect(short.trials.length).toBeLessThan(200);
    const reason = new Error('enough');
    await expect(tune(iris, { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    // An estimator that never ends and looks at no signal, in a trial and in the refit.
    const stuck = new AbortController();
    let sticking = 0;
    const stick = (): Promise<number> => {
      if (++sticking === 20) stuck.abort(reason);
      return new Promise(() => {});
    };
    const hangs = { ...options, signal: stuck.signal };
    const warned = vi.spyOn(process, 'emitWarning');
    await expect(tune(iris, { ...hangs, threads: 20, estimator: () => formula(stick) })).rejects.toBe(reason);
    const later = new AbortController();
    let fits = 0;
    const hangsLater = (): Promise<number> => {
      if (++fits <= 2) return Promise.resolve(1);
      later.abort(reason);
      return new Promise(() => {});
    };
    const refitted = { ...options, trials: 1, refit: true, signal: later.signal };
    await expect(tune(iris, { ...refitted, estimator: () => formula(hangsLater) })).rejects.toBe(reason);
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await expect(tune(split.train, { space, estimator: recipe, objective: 'loss', trials: 1e5, signal: controller.signal })).rejects.toBe(
      reason,
    );
  });

  it('costs under a millisecond a trial', async () => {
    const start = performance.now();
    const study = await tune(iris, { space: plane, estimator: bowl, objective: 'loss', splitter: holdOut(), trials: 10_000, refit: false });
    expect(study.best.score).toBeLessThan(0.01);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('pruners', () => {
  const options = { space, estimator: recipe, objective: 'loss', splitter: kFold({ k: 3, seed: 7 }), refit: false, seed: 3 } as const;
  const plain = (study: { readonly trials: readonly { readonly seconds: number }[] }) => study.trials.map(({ seconds, ...rest }) => rest);

  it.each<[string, Pruner, Sampler]>([
    ['median', median({ startup: 4 }), random()],
    ['successiveHalving', successiveHalving({ factor: 2 }), random()],
    ['hyperband', hyperband({ minimum: 2 }), tpe({ startup: 4 })],
  ])('%s ends what promises nothing, the same for any number at once', async (_, pruner, sampler) => {
    const full = await tune(split.train, { ...options, trials: 20 });
    const studies = [];
    for (const parallel of [1, 2, 4])
      studies.push(
        await tune(split.train, { ...options, pruner, sampler, trials: 20, threads: parallel, executor: threads({ parallel }) }),
      );
    expect(plain(studies[1]!)).toEqual(plain(studies[0]!));
    expect(plain(studies[2]!)).toEqual(plain(studies[0]!));
    const [study] = studies;
    const pruned = study!.trials.filter(({ state }) => state === 'pruned');
    expect(pruned.length).toBeGreaterThan(3);
    expect(study!.trials.length).toBe(20);
    for (const { score } of pruned) expect(score).toBeUndefined();
    // A trial that goes all the way scores as it does without a pruner.
    if (sampler.kind === 'random')
      for (const { number, state, score } of study!.trials) if (state === 'complete') expect(score).toBe(full.trials[number]?.score);
    if (sampler.kind === 'random') expect(study!.best.score).toBeLessThan(1.3 * full.best.score);
  });

  it('goes on from the weights of the rung, to the same bits as a fit that was never left', async () => {
    const halving = { ...options, pruner: successiveHalving({ minimum: 2, factor: 2 }), trials: 4 } as const;
    const study = await tune(split.train, halving);
    const whole = await tune(split.train, { ...options, trials: 4 });
    expect(study.trials.filter(({ state }) => state === 'complete').length).toBe(1);
    for (const { number, state, values } of study.trials) if (state === 'complete') expect(values).toEqual(whole.trials[number]?.values);
    expect(study.trials.map(({ rungs }) => rungs?.length).sort()).toEqual([1, 1, 2, 3]);
  });

  it('halves a group to one trial', async () => {
    const study = await tune(split.train, { ...options, pruner: successiveHalving({ minimum: 2, factor: 2 }), trials: 4 });
    expect(study.trials.map(({ rungs }) => rungs?.length).sort()).toEqual([1, 1, 2, 3]);
    expect(study.trials.filter(({ state }) => state === 'complete').length).toBe(1);
  });

  it('asha waits for nobody and keeps the better ones', async () => {
    const study = await tune(split.train, { ...options, pruner: asha({ factor: 2 }), trials: 16 });
    const counts = study.trials.map(({ rungs }) => rungs?.length ?? 0);
    expect(Math.max(...counts)).toBe(4);
    expect(counts.filter((count) => count === 1).length).toBeGreaterThan(3);
  });

  it('need a Trainer', async () => {
    const run = tune(iris, { space: plane, estimator: bowl, objective: 'loss', pruner: median() });
    await expect(run).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});

describe('tiers', () => {
  const three = {
    space: { depth: integer(1, 9), learningRate: logUniform(1e-4, 1), units: integer(4, 64) },
    estimator: ({ depth, learningRate, units }: { depth: number; learningRate: number; units: number }) =>
      formula(() => (Math.log10(learningRate) + 2) ** 2 + ((units - 40) / 60) ** 2 + ((depth - 2) / 8) ** 2),
    objective: 'loss',
    splitter: holdOut(),
    trials: 30,
    refit: false,
  } as const;

  it('move one after the other, by their names or as given', async () => {
    const { trials, best } = await tune(iris, { ...three, sampler: tiers() });
    const values = (name: 'depth' | 'learningRate' | 'units', from: number) =>
      new Set(trials.slice(from, from + 10).map(({ params }) => params[name])).size;
    expect([values('learningRate', 0), values('units', 0), values('depth', 0)]).toEqual([10, 1, 1]);
    expect([values('learningRate', 10), values('depth', 10)]).toEqual([1, 1]);
    expect(values('units', 10)).toBeGreaterThan(5);
    expect([values('learningRate', 20), values('units', 20)]).toEqual([1, 1]);
    expect(best.score).toBeLessThan(0.1);
    const given = await tune(iris, { ...three, sampler: tiers({ order: [['depth', 'units']] }) });
    expect(new Set(given.trials.slice(0, 15).map(({ params }) => params.learningRate)).size).toBe(1);
    expect(new Set(given.trials.slice(15).map(({ params }) => params.depth)).size).toBe(1);
    expect(() => tune(iris, { ...three, sampler: tiers({ order: [['dpeth']] }) })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }) as Error,
    );
  });
});

describe('populationBased', () => {
  const options = {
    space: { learningRate: logUniform(1e-5, 1), rate: uniform(0, 0.8), units: choice([8, 16]) },
    estimator: ({ learningRate, rate, units }: { learningRate: number; rate: number; units: 8 | 16 }) =>
      new Trainer({
        prepare: [standardize()],
        model: sequential([dense(units, { activation: 'tanh' }), dropout(rate), dense(3)]),
        loss: 'crossEntropy',
        optimizer: sgd({ learningRate, momentum: 0.9 }),
        epochs: 12,
      }),
    objective: 'loss',
    splitter: kFold({ k: 2, seed: 7 }),
    seed: 3,
  } as const;
  const sampler = populationBased({ size: 6, every: 3, replace: 0.34 });

  it("gives the same study for any number of trials at once, and a model that has lived through the best one's course", async () => {
    const studies = [];
    for (const parallel of [1, 2, 4])
      studies.push(await tune(split.train, { ...options, sampler, threads: parallel, executor: threads({ parallel }) }));
    const plain = studies.map((study) => [study.trials.map(({ seconds, ...rest }) => rest), study.fitted.weights()]);
    expect(plain[1]).toEqual(plain[0]);
    expect(plain[2]).toEqual(plain[0]);
    const { trials, best, fitted } = studies[0]!;
    // Four generations of six.
    expect(trials.length).toBe(24);
    expect(trials.slice(0, 6).every(({ parent }) => parent === undefined)).toBe(true);
    expect(trials.slice(6).every(({ number, parent }) => Math.floor(parent! / 6) === Math.floor(number / 6) - 1)).toBe(true);
    const taken = trials.slice(6).filter(({ number, parent }) => parent !== number - 6);
    expect(taken.length).toBe(9);
    for (const { params, parent } of taken) {
      const before = trials[parent!]!.params;
      expect(params.units).toBe(before.units);
      expect(params.learningRate).not.toBe(before.learningRate);
    }
    const line = [best.number];
    for (let parent = best.parent; parent !== undefined; parent = trials[parent]!.parent) line.unshift(parent);
    expect(fitted.history.map(({ learningRate }) => learningRate)).toEqual(
      line.flatMap((number) => Array.from({ length: 3 }, () => trials[number]!.params.learningRate)),
    );
  });

  it('goes on from a storage to the same study, fitting again what memory has lost', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nabla-population-'));
    try {
      const whole = await tune(split.train, { ...options, sampler });
      const storage = join(folder, 'study.jsonl');
      await tune(split.train, { ...options, sampler, storage, trials: 15, refit: false });
      const study = await tune(split.train, { ...options, sampler, storage });
      const plain = (trials: typeof study.trials) => trials.map(({ seconds, ...rest }) => rest);
      expect(plain(study.trials)).toEqual(plain(whole.trials));
      expect(study.fitted.weights()).toEqual(whole.fitted.weights());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('beats a random search that trains for as many epochs', async () => {
    let [population, plain] = [0, 0];
    for (let seed = 0; seed < 5; seed++) {
      population += (await tune(split.train, { ...options, sampler, seed, refit: false })).best.score;
      // 24 trials of 3 epochs are 6 of 12.
      plain += (await tune(split.train, { ...options, sampler: random(), trials: 6, seed, refit: false })).best.score;
    }
    expect(population).toBeLessThan(plain);
  });

  it('refuses what cannot go with it', async () => {
    expect(() => tune(split.train, { ...options, sampler, pruner: median() })).toThrow(NablaError);
    await expect(tune(iris, { space: plane, estimator: bowl, objective: 'loss', sampler })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
  });
});

describe('a study', () => {
  it('tells which hyperparameters matter, and draws itself', async () => {
    const study = await tune(iris, {
      space: { x: uniform(-1, 1), 'a<b': integer(1, 9), kind: choice({ a: { y: uniform(0, 1) }, b: {} }), z: logUniform(1e-3, 1) },
      estimator: ({ x, kind, z }) => {
        if (z > 0.9) throw new Error('z <too> large');
        return formula(() => 2 * x + (kind.kind === 'a' ? 1 : 0));
      },
      objective: 'loss',
      splitter: holdOut(),
      sampler: coarseToFine(),
      trials: 120,
      refit: false,
    });
    const { x, kind, z } = study.importance;
    expect(study.importance['a<b'] + x + kind + z).toBeCloseTo(1, 9);
    expect(x).toBeGreaterThan(0.5);
    expect(x).toBeGreaterThan(kind);
    expect(kind).toBeGreaterThan(z);
    const folder = await mkdtemp(join(tmpdir(), 'nabla-report-'));
    try {
      await study.saveReport(join(folder, 'study.html'));
      const html = await readFile(join(folder, 'study.html'), 'utf8');
      for (const part of ['History', 'Importance', 'Parallel coordinates', 'Slices', 'Zoom']) expect(html).toContain(`<h2>${part}</h2>`);
      expect(html).not.toMatch(/NaN|undefined|a<b|<too>|<script|https?:/);
      const opened = html.match(/<(svg|g|text|div|table|tr|td|th|p|h2|title)\b/g)?.length;
      expect(html.match(/<\/(svg|g|text|div|table|tr|td|th|p|h2|title)>/g)?.length).toBe(opened);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('spaces', () => {
  it('have branches of their own', async () => {
    const study = await tune(iris, {
      space: {
        optimizer: choice({ sgd: { momentum: uniform(0, 1), nested: choice({ a: { depth: integer(1, 3) }, b: {} }) }, adam: {} }),
        x: uniform(0, 1),
      },
      estimator: ({ optimizer, x }) => formula(() => (optimizer.kind === 'sgd' ? optimizer.momentum : 0.5) + x),
      objective: 'loss',
      splitter: kFold({ k: 2 }),
      trials: 60,
      sampler: coarseToFine(),
      refit: false,
    });
    for (const { params } of study.trials) {
      if (params.optimizer.kind === 'adam') expect(params.optimizer).toEqual({ kind: 'adam' });
      else {
        expect(params.optimizer.momentum).toBeGreaterThanOrEqual(0);
        if (params.optimizer.nested.kind === 'a') expect([1, 2, 3]).toContain(params.optimizer.nested.depth);
      }
    }
    expect(study.best.params.optimizer.kind).toBe('sgd');
    expect(new Set(study.trials.map(({ params }) => params.optimizer.kind)).size).toBe(2);
  });

  it('are limited by constraints, begin with given trials, and a grid ends', async () => {
    const study = await tune(iris, {
      space: plane,
      estimator: bowl,
      objective: 'loss',
      splitter: holdOut(),
      trials: 30,
      first: [{ x: 0.3, y: -0.2 }],
      constraint: ({ x, y }) => x > y,
      refit: false,
    });
    expect(study.best.number).toBe(0);
    expect(study.best.params).toEqual({ x: 0.3, y: -0.2 });
    for (const { params } of study.trials) expect(params.x).toBeGreaterThan(params.y);
    const all = await tune(iris, {
      space: { a: integer(1, 3), b: choice(['x', 'y']) },
      estimator: ({ a }) => formula(() => a),
      objective: 'loss',
      splitter: holdOut(),
      sampler: grid(),
      trials: 100,
      refit: false,
    });
    expect(new Set(all.trials.map(({ params }) => `${params.a}${params.b}`)).size).toBe(6);
    expect(all.trials.length).toBe(6);
    // What the constraint refuses is passed over, and trials of one's own take nothing away from the grid.
    const some = await tune(iris, {
      space: { a: integer(1, 3), b: choice(['x', 'y']) },
      estimator: ({ a }) => formula(() => a),
      objective: 'loss',
      splitter: holdOut(),
      sampler: grid(),
      first: [{ a: 2, b: 'x' }],
      constraint: ({ a, b }) => a > 1 || b === 'y',
      refit: false,
    });
    expect(some.trials[0]?.params).toEqual({ a: 2, b: 'x' });
    expect(
      some.trials
        .slice(1)
        .map(({ params }) => `${params.a}${params.b}`)
        .sort(),
    ).toEqual(['1y', '2x', '2y', '3x', '3y']);
    const objects = await tune(iris, {
      space: { a: choice([{ z: 1 }]) },
      estimator: () => formula(() => 1),
      objective: 'loss',
      splitter: holdOut(),
      trials: 1,
      refit: false,
    });
    expect(String(objects)).toContain('{"z":1}');
    const promised = (async () => false) as never;
    await expect(tune(iris, { space: plane, estimator: bowl, objective: 'loss', constraint: promised })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('expected constraint to give true or false'),
    });
    const none = { ...plane, a: integer(1, 3) };
    const impossible = tune(iris, { space: none, estimator: bowl, objective: 'loss', sampler: grid(), constraint: () => false });
    await expect(impossible).rejects.toMatchObject({ code: 'INVALID_OPTION', place: 'tune: constraint' });
  });

  it('warn of a best at the edge, and widen where allowed', async () => {
    const options = {
      space: { rate: logUniform(1e-3, 1e-2), units: logInteger(4, 64) },
      estimator: ({ rate }: { rate: number }) => formula(() => Math.log10(rate) ** 2),
      objective: 'loss',
      splitter: holdOut(),
      trials: 60,
      refit: false,
    } as const;
    const study = await tune(iris, { ...options, sampler: coarseToFine() });
    expect(study.warnings.join()).toMatch(/the best rate, 0\.0\d+, lies at the upper edge of its range 0\.0010 … 0\.0100/);
    const wide = await tune(iris, { ...options, sampler: coarseToFine({ widen: true }) });
    expect(wide.best.params.rate).toBeGreaterThan(0.011);
  });
});

describe('what is wrong is said before any work', () => {
  const code = (run: () => unknown): unknown => {
    try {
      run();
    } catch (error) {
      return error instanceof NablaError ? error.code : error;
    }
    return undefined;
  };

  it('of options', () => {
    const options = { space: plane, estimator: bowl, objective: 'loss' } as const;
    for (const wrong of [
      { trials: 0 },
      { space: { x: 3 } },
      { space: [uniform(0, 1)] },
      { estimator: undefined },
      { estimator: 3 },
      { objective: undefined },
      { sampler: 'random' },
      { sampler: { kind: 'random' } },
      { first: [{ x: 2, y: 0 }] },
      { first: [{ x: 0 }] },
      { first: [{ x: 0, y: 0, z: 0 }] },
      { first: [{ x: 0, y: 0 }], constraint: ({ x, y }: { x: number; y: number }) => x > y },
      { refit: false, test: iris },
      { tirals: 3 },
      { direction: 'up' },
      { pruner: random() },
      { sampler: median() },
      { executor: random() },
      {
        trials: 1,
        first: [
          { x: 0, y: 0 },
          { x: 1, y: 1 },
        ],
      },
    ])
      expect([wrong, code(() => tune(iris, { ...options, ...wrong } as never))]).toEqual([wrong, 'INVALID_OPTION']);
    for (const wrong of [
      () => uniform(2, 1),
      () => logUniform(0, 1),
      () => integer(1, 2.5),
      () => choice([]),
      () => choice({}),
      () => choice({ a: 1 } as never),
    ])
      expect(code(wrong)).toBe('INVALID_OPTION');
    expect(code(() => tune(3 as never, options))).toBe('INVALID_DATA');
  });

  it('of what the estimator gives', async () => {
    const run = (estimator: unknown, more: object = {}) =>
      tune(iris, { space: plane, objective: 'loss', trials: 2, refit: false, estimator, ...more } as never);
    const giving = (scores: object) => async () => ({ predict: async () => [], evaluate: async () => scores });
    for (const [estimator, more, expected] of [
      [() => undefined, {}, { code: 'INVALID_OPTION', message: expect.stringContaining('expected estimator to give a Trainer') }],
      [async () => bowl({ x: 0, y: 0 }), {}, { code: 'INVALID_OPTION' }],
      [() => ({ fit: giving({ loss: undefined }) }), {}, { code: 'INVALID_DATA', message: expect.stringContaining('got undefined') }],
      [() => ({ fit: giving({ loss: '3' }) }), {}, { code: 'INVALID_DATA', message: expect.stringContaining('got "3"') }],
      [
        () => ({ fit: giving({ other: 1 }) }),
        {},
        { code: 'INVALID_OPTION', message: expect.stringContaining('what evaluate gives: other') },
      ],
    ] as const)
      await expect(run(estimator, more)).rejects.toMatchObject(expected);
    // What it does to its hyperparameters changes no trial.
    const study = await tune(iris, {
      space: plane,
      estimator: (params) => {
        (params as { x: number }).x = 7;
        return bowl(params);
      },
      objective: 'loss',
      splitter: holdOut(),
      trials: 2,
      refit: false,
    });
    for (const { params } of study.trials) expect(params.x).toBeLessThan(1);
    await expect(study.saveReport(join(tmpdir(), 'no', 'such', 'folder', 'study.html'))).rejects.toMatchObject({ code: 'IO' });
  });

  it('of recipes of different epochs, where rungs or generations divide them', async () => {
    const varied = {
      space: { epochs: integer(2, 9) },
      estimator: ({ epochs }: { epochs: number }) => new Trainer({ model: dense(3), loss: 'crossEntropy', epochs }),
      objective: 'loss',
      splitter: holdOut(),
      trials: 8,
      refit: false,
    } as const;
    for (const [kind, more] of [
      ['successiveHalving', { pruner: successiveHalving() }],
      ['asha', { pruner: asha() }],
      ['populationBased', { sampler: populationBased({ size: 8, every: 1 }) }],
    ] as const)
      await expect(tune(iris, { ...varied, ...more })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(new RegExp(`recipes of the same epochs, here \\d: ${kind} divides them`)),
      });
    expect((await tune(iris, { ...varied, pruner: median({ startup: 2 }) })).trials.length).toBe(8);
  });

  it('of an objective that the trainer does not compute, and a score whose direction is not known', async () => {
    const objective = 'acuracy' as 'accuracy';
    await expect(tune(iris, { space, estimator: recipe, objective, trials: 2 })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      hint: "did you mean 'accuracy'?",
    });
    const own = () => ({ fit: async () => ({ predict: async () => [], evaluate: async () => ({ profit: 1 }) }) });
    await expect(tune(iris, { space, estimator: own, objective: 'profit', trials: 2 })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect((await tune(iris, { space, estimator: own, objective: 'profit', direction: 'max', trials: 2 })).best.score).toBe(1);
  });
});
