import { totalmem } from 'node:os';
import type { Binding, Task } from './binding.js';
import { native, translated } from './call.js';

/** A task that JavaScript waits for. */
interface Waiting {
  readonly onEvent: ((event: string) => void) | undefined;
  readonly over: () => void;
}

/**
 * The tasks of this environment. The addon's way to JavaScript does not keep the process alive (a worker or a script could never end
 * with it), so a timer does while a task is waited for.
 */
class Tasks {
  readonly #waiting = new Map<number, Waiting>();
  readonly #alive = setInterval(() => {}, 0x7fff_ffff).unref();
  #last = 0;

  constructor(binding: Binding) {
    binding.connect((task, event) => {
      const waiting = this.#waiting.get(task);
      if (event === '') this.#end(task, waiting);
      else waiting?.onEvent?.(event);
    }, totalmem());
  }

  #end(task: number, waiting: Waiting | undefined): void {
    this.#waiting.delete(task);
    if (this.#waiting.size === 0) this.#alive.unref();
    waiting?.over();
  }

  /** Starts a task; the promise resolves when it is over. */
  start(
    begin: (task: number) => Task,
    onEvent: ((event: string) => void) | undefined,
  ): { readonly task: Task; readonly over: Promise<void> } {
    this.#last = (this.#last + 1) >>> 0;
    const number = this.#last;
    const over = new Promise<void>((resolve) => {
      this.#waiting.set(number, { onEvent, over: resolve });
    });
    try {
      const task = begin(number);
      this.#alive.ref();
      return { task, over };
    } catch (error) {
      this.#end(number, undefined);
      throw error;
    }
  }
}

// Kept on the addon's own exports: two copies of this file (the sources and a build of them) share one connection.
const key = Symbol.for('nabla.tasks');
const tasksOf = (binding: Binding & { [key]?: Tasks }): Tasks => (binding[key] ??= new Tasks(binding));

/** A running task, and its answer. */
export interface RunningTask<T> {
  stop(): void;
  abort(): void;
  readonly answer: Promise<T>;
}

/**
 * Starts native work on nabla's own threads. What is wrong with the arguments is thrown; what happens later rejects the answer.
 * @example const { answer } = startTask((n, task) => n.loadModel(task, path), (task) => task.takeModel());
 */
export const startTask = <T>(
  begin: (binding: Binding, task: number) => Task,
  take: (task: Task) => T,
  onEvent?: (event: string) => void,
): RunningTask<T> => {
  const binding = native();
  try {
    const { task, over } = tasksOf(binding).start((number) => begin(binding, number), onEvent);
    const answer = over.then(() => {
      try {
        return take(task);
      } catch (error) {
        throw translated(error);
      }
    });
    return { stop: () => task.stop(), abort: () => task.abort(), answer };
  } catch (error) {
    throw translated(error);
  }
};

/** Starts native work and waits for its answer. */
export const runTask = async <T>(begin: (binding: Binding, task: number) => Task, take: (task: Task) => T): Promise<T> =>
  startTask(begin, take).answer;
