import { expectOptions, invalidOption, isInteger, isNumber, isString, optionsOf } from '../errors/index.js';
import type { QueueOptions } from './queue.js';

/** Where trials run. The result is the same wherever (but for `asha` and time limits). */
export interface Executor {
  readonly kind: 'threads' | 'processes' | 'queue';
  readonly parallel?: number | undefined;
  /** Megabytes that a child process may take. */
  readonly memory?: number | undefined;
  readonly queue?: QueueOptions;
}

/** Options of `threads`. */
export interface ParallelOptions {
  /** Trials at once, default as many as cores. */
  parallel?: number;
}

const parallelOptions = optionsOf('tuning/threads', { parallel: isInteger({ min: 1, max: 1024 }) });

/** In this process, one fit a core over one copy of the data: the default. */
export const threads = (options: ParallelOptions = {}): Executor => {
  expectOptions('threads', options, parallelOptions, threads);
  return Object.freeze({ kind: 'threads', parallel: options.parallel });
};

/** Options of `processes`. */
export interface ProcessesOptions extends ParallelOptions {
  /**
   * Megabytes that a child may take, its copy of the rows with it. One that takes more is ended, and its trial has failed with
   * `OUT_OF_MEMORY`. Looked at twenty times a second. Default: as many as there are.
   */
  memory?: number;
}

const processesOptions = optionsOf('tuning/processes', {
  parallel: isInteger({ min: 1, max: 1024 }),
  memory: isNumber({ above: 0 }),
});

/**
 * In child processes, one fold each at a time, so that one that dies takes nothing with it but the fold, which is begun again in another.
 * For a `Trainer`, whose recipe crosses as plain data; each process has a copy of the rows. The result is the same bit for bit.
 */
export const processes = (options: ProcessesOptions = {}): Executor => {
  expectOptions('processes', options, processesOptions, processes);
  return Object.freeze({ kind: 'processes', parallel: options.parallel, memory: options.memory });
};

const queueOptions = optionsOf('tuning/queue', {
  jobs: (value) =>
    typeof value === 'object' && value !== null && 'add' in value && typeof value.add === 'function'
      ? undefined
      : 'to be a queue: an object with add(work)',
  data: isString,
  parallel: isInteger({ min: 1, max: 100_000 }),
  retries: isInteger({ min: 0, max: 1000 }),
  carry: isNumber({ min: 0, max: 1 << 20 }),
});

/**
 * On any number of machines that take folds from one queue. A fold crosses as one string of JSON: the recipe, a reference of the data (a path, an
 * address, whatever the workers understand) with its fingerprint, and the rows; its scores come back the same way. `fitFromQueue` is what a
 * worker does with it. What a rung or a generation has left crosses too (`carry`), so that the next part goes on on any machine. For a
 * `Trainer`. The result is the same bit for bit; what `median` compares with crosses too, so a worker ends a fit within a fold.
 *
 * Work whose worker dies is done by another: by the queue where it gives such work out again (BullMQ: after its lock has run out, by
 * default 30 s, and `maxStalledCount` times), else from here, `retries` times. Run with BullMQ 6.7 on Redis 7.0.15 and two workers killed
 * by kill −9 while they held a fold: the other worker got both folds, and the study was that of `threads()`
 * (`__test__/by-hand/bullmq.mjs`).
 * @example
 * // BullMQ on Redis: the searching side, and each worker.
 * const folds = new Queue('nabla', { connection }), events = new QueueEvents('nabla', { connection });
 * const jobs = { add: async (work) => (await folds.add('fold', work, { removeOnComplete: true })).waitUntilFinished(events) };
 * await tune(train, { …, executor: queue({ jobs, data: 's3://bucket/train.csv' }) });
 *
 * new Worker('nabla', (job) => fitFromQueue(job.data, load), { connection });
 */
export const queue = (options: QueueOptions): Executor => {
  expectOptions('queue', options, queueOptions, queue);
  for (const name of ['jobs', 'data'] as const)
    if (options[name] === undefined) throw invalidOption('queue', name, 'to be given', undefined, queue);
  return Object.freeze({ kind: 'queue', parallel: options.parallel, queue: Object.freeze({ ...options }) });
};
