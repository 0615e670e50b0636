import { expectOptions, isInteger, optionsOf, planned } from '../errors/index.js';

/** Where trials run. The result is the same wherever (but for `asha` and time limits). */
export interface Executor {
  readonly kind: 'threads' | 'processes' | 'queue';
  readonly parallel?: number | undefined;
}

/** Options of `threads` and `processes`. */
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

/**
 * In child processes, one fold each at a time, so that one that dies takes nothing with it but the fold, which is begun again in another.
 * For a `Trainer`, whose recipe crosses as plain data; each process has a copy of the rows. The result is the same bit for bit.
 */
export const processes = (options: ParallelOptions = {}): Executor => {
  expectOptions('processes', options, parallelOptions, processes);
  return Object.freeze({ kind: 'processes', parallel: options.parallel });
};

/** Options of `queue`. */
export interface QueueOptions {
  /** Address of the Redis server, such as `redis://localhost:6379`. */
  redis: string;
  /** Name of the queue, default `nabla`. */
  name?: string;
}

/** On any number of machines that take trials from one queue on Redis. */
export const queue: (options: QueueOptions) => Executor = planned('tuning/queue');
