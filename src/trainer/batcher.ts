import type { NumberArray } from '../data/features.js';
import { expectOptions, invalidOption, isBoolean, isInteger, isNumber, NablaError, optionsOf } from '../errors/index.js';
import { isSignal } from './generate.js';
import type { Prediction, RowProbabilities, StepPredictions } from './predictions.js';

/** How single requests are joined. */
export interface BatcherOptions {
  /** Requests in one native call, at most. Default 64. */
  readonly maxBatch?: number;
  /** Milliseconds that a request waits for others. Default 2; 0 joins what comes in one turn of the event loop. */
  readonly maxWaitMs?: number;
  /** Requests without an answer, at most; one more is refused. Default 1000. */
  readonly maxQueue?: number;
}

/** Options of one request. */
export interface BatchedOptions {
  /** Leaves the queue, or the answer, when it fires. */
  readonly signal?: AbortSignal;
  /** Probabilities instead of a class name. */
  readonly probabilities?: boolean;
  /** As for `predict`: of a model that predicts a class for each step. */
  readonly steps?: boolean;
}

export const batcherOptions = optionsOf('batcher', {
  maxBatch: isInteger({ min: 1, max: 65_536 }),
  maxWaitMs: isNumber({ min: 0 }),
  maxQueue: isInteger({ min: 1 }),
});
const requestOptions = optionsOf('batcher.predict', { signal: isSignal, probabilities: isBoolean, steps: isBoolean });

interface Waiting {
  readonly row: unknown;
  readonly kind: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** One row of what a prediction of many gives. */
const ofRow = (predicted: unknown, row: number, rows: number): unknown => {
  if (predicted instanceof Float64Array) {
    const width = predicted.length / rows;
    return width === 1 ? predicted[row] : predicted.slice(row * width, (row + 1) * width);
  }
  if (Array.isArray(predicted)) return predicted[row];
  return Object.fromEntries(Object.entries(predicted as object).map(([name, value]) => [name, ofRow(value, row, rows)]));
};

/** What a request asks for. */
interface Asked {
  readonly probabilities: boolean;
  readonly steps: boolean;
}

/** What a batcher asks of a model. */
export interface BatchModel {
  /** Says what the model cannot give, before a request waits. */
  check(asked: Asked): void;
  /** The predictions of many rows. */
  predict(rows: readonly unknown[], asked: Asked): Promise<unknown>;
}

/** The row of one request: a sample as `predict` takes an array of them. */
export type BatchedRow = NumberArray | readonly unknown[] | Readonly<Record<string, unknown>> | string | Uint8Array;

/**
 * Joins single requests of a server into native calls of up to `maxBatch` rows, off the event loop. Each request has the bits that it has
 * alone; a row that cannot be read rejects its own request only.
 */
export class Batcher<Kind> {
  readonly #model: BatchModel;
  readonly #options: Required<BatcherOptions>;
  #queue: Waiting[] = [];
  #unanswered = 0;
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;

  /** @internal Made by `fitted.batcher`. */
  constructor(model: BatchModel, { maxBatch = 64, maxWaitMs = 2, maxQueue = 1000 }: BatcherOptions) {
    this.#model = model;
    this.#options = { maxBatch, maxWaitMs, maxQueue };
  }

  /** Requests without an answer. */
  get pending(): number {
    return this.#unanswered;
  }

  /**
   * Rejects with the signal's reason where it fires first.
   * @throws {NablaError} `OVERLOADED` when the queue is full; what `predict` says of the row
   */
  predict(row: BatchedRow, options: BatchedOptions & { readonly probabilities: true }): Promise<RowProbabilities<Kind>>;
  predict(row: BatchedRow, options: BatchedOptions & { readonly steps: true }): Promise<StepPredictions<Kind>[number]>;
  predict(row: BatchedRow, options?: BatchedOptions): Promise<Prediction<Kind>>;
  async predict(row: BatchedRow, options: BatchedOptions = {}): Promise<unknown> {
    expectOptions('batcher.predict', options, requestOptions, this.predict);
    const { signal, probabilities = false, steps = false } = options;
    if (typeof row !== 'string' && (typeof row !== 'object' || row === null))
      throw invalidOption('batcher.predict', 'the row', 'to be one sample: an array, an object of columns, a text or an image', row);
    this.#model.check({ probabilities, steps });
    signal?.throwIfAborted();
    const { maxBatch, maxQueue } = this.#options;
    if (this.#unanswered >= maxQueue) {
      throw new NablaError(
        {
          code: 'OVERLOADED',
          message: `${this.#unanswered} requests wait for an answer`,
          place: 'batcher.predict',
          expected: `at most ${maxQueue}`,
          received: 'one more',
          hint: 'Answer 503 and let the client come again, or raise maxQueue.',
        },
        { caller: this.predict },
      );
    }
    this.#unanswered++;
    let abort: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        const waiting: Waiting = { row, kind: JSON.stringify({ probabilities, steps }), resolve, reject };
        abort = () => {
          this.#queue = this.#queue.filter((one) => one !== waiting);
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', abort, { once: true });
        this.#queue.push(waiting);
        if (this.#queue.length >= maxBatch) this.#flush();
        else this.#wait();
      });
    } finally {
      this.#unanswered--;
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
    }
  }

  #wait(): void {
    if (this.#timer !== undefined) return;
    const { maxWaitMs } = this.#options;
    const flush = (): void => this.#flush();
    this.#timer = maxWaitMs === 0 ? setImmediate(flush) : setTimeout(flush, maxWaitMs);
  }

  #flush(): void {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer as NodeJS.Timeout);
      clearImmediate(this.#timer as NodeJS.Immediate);
      this.#timer = undefined;
    }
    const all = this.#queue;
    this.#queue = [];
    for (const kind of new Set(all.map((one) => one.kind))) void this.#answer(all.filter((one) => one.kind === kind));
  }

  async #answer(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    try {
      const predicted = await this.#model.predict(
        batch.map(({ row }) => row),
        JSON.parse(first.kind) as Asked,
      );
      batch.forEach(({ resolve }, i) => resolve(ofRow(predicted, i, batch.length)));
    } catch (error) {
      // One row that cannot be read must not fail the others: each alone.
      if (batch.length === 1) first.reject(error);
      else for (const one of batch) void this.#answer([one]);
    }
  }
}
