/** Folds through a queue: in memory, and on workers of another process; what comes back is what threads give. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { fitFromQueue, integer, logUniform, median, populationBased, queue, successiveHalving, tune, type WorkQueue } from 'nabla/tuning';
import { holdOut, kFold } from 'nabla/validation';
import { beforeAll, describe, expect, it, vi } from 'vitest';

let iris: Dataset;
let train: Dataset;
beforeAll(async () => {
  iris = await Dataset.builtin('iris');
  ({ train } = iris.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 }));
});

const options = {
  space: { learningRate: logUniform(1e-3, 1e-1), units: integer(4, 16) },
  estimator: ({ learningRate, units }: { learningRate: number; units: number }) =>
    new Trainer({
      prepare: [standardize()],
      model: sequential([dense(units, { activation: 'tanh' }), dense(3)]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate }),
      metrics: ['accuracy'],
      epochs: 8,
    }),
  objective: 'loss',
  splitter: kFold({ k: 3, seed: 7 }),
  trials: 8,
  seed: 3,
  refit: false,
} as const;
const plain = (study: { readonly trials: readonly { readonly seconds: number }[] }) => study.trials.map(({ seconds, ...rest }) => rest);

describe('queue', () => {
  it('gives what threads give; nothing but text crosses; work that was lost is put in again', async () => {
    const seen: string[] = [];
    const references = new Set<string>();
    const jobs: WorkQueue = {
      add: async (work) => {
        seen.push(work);
        if (seen.length % 5 === 0) throw new Error('the worker died');
        return fitFromQueue(work, (reference) => {
          references.add(reference);
          return train;
        });
      },
    };
    const study = await tune(train, { ...options, executor: queue({ jobs, data: 'iris/train', parallel: 3, retries: 4 }) });
    expect(plain(study)).toEqual(plain(await tune(train, options)));
    expect([...references]).toEqual(['iris/train']);
    expect(new Set(seen).size).toBe(24);
    expect(seen.length).toBeGreaterThan(24);
    const work = JSON.parse(seen[0]!) as Record<string, unknown>;
    expect(Object.keys(work)).toEqual(['version', 'data', 'spec', 'train', 'score']);
  });

  /** A queue that counts the epochs that its worker has run. */
  const counting = () => {
    const counted = { epochs: 0, jobs: 0 };
    const add = async (work: string) => {
      const answer = await fitFromQueue(work, () => train);
      counted.epochs += (JSON.parse(answer) as { epochs: number }).epochs;
      counted.jobs++;
      return answer;
    };
    return { counted, jobs: { add } };
  };

  it('hands on what a rung has left, so that no epoch is run twice; or fits it again, to the same bits', async () => {
    const pruner = successiveHalving({ minimum: 2, factor: 2 });
    const here = await tune(train, { ...options, pruner });
    // Rungs of 2, 4 and 8 epochs, three folds each.
    const last = here.trials.map(({ rungs }) => 2 ** (rungs?.length ?? 0));
    const { counted, jobs } = counting();
    expect(plain(await tune(train, { ...options, pruner, executor: queue({ jobs, data: 'iris' }) }))).toEqual(plain(here));
    expect(counted.epochs).toBe(3 * last.reduce((a, b) => a + b));
    const again = counting();
    expect(plain(await tune(train, { ...options, pruner, executor: queue({ jobs: again.jobs, data: 'iris', carry: 0 }) }))).toEqual(
      plain(here),
    );
    expect(again.counted.epochs).toBe(3 * last.map((most) => 2 * most - 2).reduce((a, b) => a + b));
  });

  it('keeps what waits within a bound; what finds no room is fitted again, to the same bits', async () => {
    const pruner = successiveHalving({ minimum: 2, factor: 2 });
    const recipe = ({ learningRate }: { learningRate: number }) => options.estimator({ learningRate, units: 8 });
    const { trials, ...rest } = options;
    const population = {
      ...rest,
      space: { learningRate: logUniform(1e-4, 1) },
      estimator: recipe,
      sampler: populationBased({ size: 4, every: 2 }),
    };
    const runs = [
      (more: object) => tune(train, { ...options, pruner, ...more }),
      (more: object) => tune(train, { ...population, ...more }),
    ] as const;
    for (const run of runs) {
      const whole = plain(await run({}));
      const epochs: number[] = [];
      // A quarter of them: all states, some, none.
      for (const limit of ['1G', '64K', '1K']) {
        vi.stubEnv('NABLA_MEMORY_LIMIT', limit);
        try {
          const { counted, jobs } = counting();
          expect(plain(await run({ executor: queue({ jobs, data: 'iris' }) }))).toEqual(whole);
          if (limit === '1K') expect(plain(await run({}))).toEqual(whole);
          epochs.push(counted.epochs);
        } finally {
          vi.unstubAllEnvs();
        }
      }
      const [all, some, none] = epochs as [number, number, number];
      expect(some).toBeGreaterThan(all);
      expect(none).toBeGreaterThan(some);
    }
  });

  it('serves median, which ends a trial between folds and within one', async () => {
    const pruner = median({ startup: 3 });
    const here = await tune(train, { ...options, trials: 12, pruner });
    const { counted, jobs } = counting();
    const study = await tune(train, { ...options, trials: 12, pruner, executor: queue({ jobs, data: 'iris', parallel: 2 }) });
    expect(plain(study)).toEqual(plain(here));
    const pruned = here.trials.filter(({ state }) => state === 'pruned');
    expect(pruned.length).toBeGreaterThan(0);
    expect(counted.jobs).toBe(here.trials.map(({ curves }) => curves?.length ?? 0).reduce((a, b) => a + b));
    expect(counted.jobs).toBeLessThan(36);

    // One split and very many epochs: what does not end within its fold would run them all.
    const epochs = 4000;
    const long = {
      ...options,
      estimator: ({ learningRate }: { learningRate: number }) =>
        new Trainer({ model: dense(3), loss: 'crossEntropy', optimizer: adam({ learningRate }), epochs, batchSize: 8 }),
      space: { learningRate: logUniform(1e-9, 1e-1) },
      first: [1e-2, 2e-2, 3e-2, 4e-2, 1e-9].map((learningRate) => ({ learningRate })),
      splitter: holdOut({ seed: 7 }),
      trials: 5,
      pruner,
    };
    const worker = counting();
    const there = await tune(train, { ...long, executor: queue({ jobs: worker.jobs, data: 'iris' }) });
    expect(there.trials.map(({ state }) => state)).toEqual(['complete', 'complete', 'complete', 'complete', 'pruned']);
    expect(there.trials[4]?.curves?.[0]?.length).toBe(1);
    expect(worker.counted.epochs).toBeLessThan(4.9 * epochs);
  });

  it('serves populations, whose members go on from each other on any machine', async () => {
    const population = { ...options, space: { learningRate: logUniform(1e-4, 1) }, sampler: populationBased({ size: 4, every: 3 }) };
    const recipe = ({ learningRate }: { learningRate: number }) => options.estimator({ learningRate, units: 8 });
    const { trials, refit, ...rest } = { ...population, estimator: recipe };
    const { counted, jobs } = counting();
    // However large a state is, a population cannot do without it.
    const there = await tune(train, { ...rest, executor: queue({ jobs, data: 'iris', carry: 0 }) });
    const here = await tune(train, rest);
    expect(plain(there)).toEqual(plain(here));
    expect(there.fitted.weights()).toEqual(here.fitted.weights());
    expect(counted.epochs).toBe(4 * 8 * 3);
  });

  it.each(['gives it out again', 'says that it failed'])(
    'feeds workers that share nothing with the search; where one dies with a fold, the queue %s',
    async (after) => {
      const folder = await mkdtemp(join(tmpdir(), 'nabla-queue-'));
      const path = join(folder, 'worker.mjs');
      const index = (name: string) => new URL(`../dist/${name}/index.js`, import.meta.url).href;
      await writeFile(
        path,
        `import { parentPort } from 'node:worker_threads';
       import { Dataset } from '${new URL('../dist/index.js', import.meta.url).href}';
       import { fitFromQueue } from '${index('tuning')}';
       const load = async (reference) => (await Dataset.builtin(reference)).split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 }).train;
       parentPort.on('message', async ({ id, work, last }) => {
         // Its last one it takes and never gives back.
         if (last) return parentPort.postMessage({ id });
         parentPort.postMessage({ id, answer: await fitFromQueue(work, load) });
       });`,
      );
      interface Job {
        readonly work: string;
        readonly resolve: (answer: string) => void;
        readonly reject: (error: Error) => void;
      }
      const jobs: Job[] = [];
      const waiting: number[] = [];
      const idle: Worker[] = [];
      const held: string[] = [];
      const works: string[] = [];
      const give = (): void => {
        while (idle.length > 0 && waiting.length > 0) {
          const [worker, id] = [idle.shift() as Worker, waiting.shift() as number];
          const { work } = jobs[id]!;
          // By the count of what was given out, not by who is fast: the fourth and the tenth are the last of their workers.
          worker.postMessage({ id, work, last: works.length === 3 || works.length === 9 });
          works.push(work);
        }
      };
      const workers = Array.from({ length: 3 }, () => new Worker(path));
      for (const worker of workers) {
        idle.push(worker);
        worker.on('message', async ({ id, answer }: { id: number; answer?: string }) => {
          const { work, resolve, reject } = jobs[id]!;
          if (answer !== undefined) {
            idle.push(worker);
            resolve(answer);
          } else {
            held.push(work);
            await worker.terminate();
            if (after === 'gives it out again') waiting.unshift(id);
            else reject(new Error('the worker died'));
          }
          give();
        });
      }
      const add = (work: string) =>
        new Promise<string>((resolve, reject) => {
          waiting.push(jobs.push({ work, resolve, reject }) - 1);
          give();
        });
      try {
        const study = await tune(train, { ...options, executor: queue({ jobs: { add }, data: 'iris' }) });
        expect(plain(study)).toEqual(plain(await tune(train, options)));
        expect(held.length).toBe(2);
        // Another worker has had it, under the number of its trial; both that die may have held the same.
        const times = (list: readonly string[], work: string): number => list.filter((one) => one === work).length;
        for (const work of held) expect(times(works, work)).toBe(1 + times(held, work));
        expect(jobs.length).toBe(after === 'gives it out again' ? 24 : 26);
      } finally {
        await Promise.all(workers.map((worker) => worker.terminate()));
        await rm(folder, { recursive: true });
      }
    },
  );

  it('brings errors back, and says when a worker has other data', async () => {
    const other = { add: (work: string) => fitFromQueue(work, () => iris) };
    await expect(tune(train, { ...options, executor: queue({ jobs: other, data: 'iris' }) })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('the worker has other data'),
    });
    const dead = { add: () => Promise.reject(new Error('no worker')) };
    await expect(tune(train, { ...options, executor: queue({ jobs: dead, data: 'iris', retries: 1 }) })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('came back from the queue 2 times'),
    });
    await expect(fitFromQueue('{}', () => iris)).rejects.toMatchObject({ code: 'DATA_FORMAT' });
    for (const wrong of [
      undefined,
      {},
      { jobs: {}, data: 'x' },
      { jobs: dead },
      { jobs: dead, data: 'x', retries: -1 },
      { jobs: dead, data: 'x', carry: -1 },
    ])
      expect(() => queue(wrong as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });
});
