import { callSite, continueFrom, NablaError } from '../errors/index.js';

/** What a run is made of, so that the machine behind it can be anything with events and a result. */
export interface RunSource<Result, Event> {
  /**
   * Begins. Called once, two microtasks after the run was made, so that it is known by then whether somebody listens.
   * @param live whether each event is wanted as it happens; if not, it may be left to the result
   */
  start(live: boolean, emit: (event: Event) => void): Promise<Result>;
  /** Events of a finished run, in order, for a reader that comes late to a run that did not send them. */
  history(result: Result): readonly Event[];
  stop(): void;
  abort(): void;
}

/** What a run is watched and ended by. */
export interface RunOptions<Event> {
  readonly signal?: AbortSignal | undefined;
  /** Sees each event; what it throws (or rejects with) ends the run and rejects it. The run resolves once all its promises have. */
  readonly onEvent?: ((event: Event) => unknown) | undefined;
}

/**
 * One fit in progress: `await` it for the result, `for await` it for its epochs, `stop()` it.
 *
 * Epochs are kept, so a loop that begins late (or a second one) sees all of them. A failure rejects whoever awaits or iterates, and is
 * never also an unhandled rejection. Leaving the loop early does not end the run: `stop()` does.
 */
export class Run<Result, Event> implements PromiseLike<Result>, AsyncIterable<Event> {
  readonly #source: RunSource<Result, Event>;
  readonly #events: Event[] = [];
  readonly #result: Promise<Result>;
  #awaited = false;
  #live = false;
  #settled = false;
  #stopped = false;
  /** Resolved at the next event or the end; readers wait for it. */
  #news: Promise<void> | undefined;
  #tell: (() => void) | undefined;

  constructor(source: RunSource<Result, Event>, options: RunOptions<Event> = {}) {
    this.#source = source;
    const site = callSite(Run);
    this.#live = options.onEvent !== undefined;
    this.#result = this.#drive(options).catch((error: unknown) => {
      // An error from a native thread knows nothing of the line that began the fit.
      if (error instanceof NablaError) continueFrom(error, site);
      throw error;
    });
    // Whoever awaits or iterates gets the failure; nobody gets it a second time from the process.
    this.#result.catch(() => {});
  }

  async #drive({ signal, onEvent }: RunOptions<Event>): Promise<Result> {
    let failure: { readonly error: unknown } | undefined;
    const observing: Promise<unknown>[] = [];
    const fail = (error: unknown): void => {
      failure ??= { error };
      this.#source.abort();
    };
    const onAbort = (): void => fail(signal?.reason);
    const emit = (event: Event): void => {
      // An event can be overtaken by the result, whose history has filled its place.
      if (failure !== undefined || this.#settled) return;
      this.#events.push(event);
      this.#wake();
      if (onEvent === undefined) return;
      try {
        const seen = onEvent(event);
        if (seen instanceof Promise) observing.push(seen.catch(fail));
      } catch (error) {
        fail(error);
      }
    };
    try {
      signal?.throwIfAborted();
      // Two turns later `await trainer.fit(…)` has called `then`, and a loop has asked for its iterator: only a run that is awaited and
      // nothing else can do without live events, which spares the tiny fit a call into JavaScript an epoch.
      await undefined;
      await undefined;
      signal?.throwIfAborted();
      signal?.addEventListener('abort', onAbort, { once: true });
      const live = this.#live || !this.#awaited;
      const running = this.#source.start(live, emit);
      if (this.#stopped) this.#source.stop();
      let result: Result;
      try {
        result = await running;
      } catch (error) {
        throw failure === undefined ? error : failure.error;
      }
      const history = this.#source.history(result);
      for (let i = this.#events.length; i < history.length && failure === undefined; i++) emit(history[i] as Event);
      await Promise.all(observing);
      if (failure !== undefined) throw (failure as { readonly error: unknown }).error;
      return result;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#settled = true;
      this.#wake();
    }
  }

  #wake(): void {
    this.#tell?.();
    this.#tell = undefined;
    this.#news = undefined;
  }

  #next(): Promise<void> {
    this.#news ??= new Promise((resolve) => {
      this.#tell = resolve;
    });
    return this.#news;
  }

  // biome-ignore lint/suspicious/noThenProperty: a run is awaited like a promise
  then<A = Result, B = never>(
    onFulfilled?: ((value: Result) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#awaited = true;
    return this.#result.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<Result | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<Result> {
    this.#awaited = true;
    return this.#result.finally(onFinally);
  }

  async *#read(): AsyncGenerator<Event, void, undefined> {
    for (let at = 0; ; ) {
      while (at < this.#events.length) yield this.#events[at++] as Event;
      if (this.#settled) break;
      await this.#next();
    }
    await this.#result;
  }

  [Symbol.asyncIterator](): AsyncIterator<Event, void, undefined> {
    this.#live = true;
    return this.#read();
  }

  /**
   * Ends the fit after its current batch; the run resolves with what there is: the weights of that moment and the history of its whole
   * epochs. An aborted signal rejects instead.
   */
  stop(): void {
    this.#stopped = true;
    if (!this.#settled) this.#source.stop();
  }

  get [Symbol.toStringTag](): string {
    return 'Run';
  }
}
