/** Work in the order in which it was asked for, so much at once: one fit a core. */
export class Lanes {
  readonly #count: number;
  readonly #waiting: (() => void)[] = [];
  readonly #idle: (() => void)[] = [];
  #busy = 0;

  constructor(count: number) {
    this.#count = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy === this.#count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy--;
      else next();
      if (this.#waiting.length === 0) this.#idle.shift()?.();
    }
  }

  /** Resolves when nothing waits: what is asked for next begins as soon as a lane is free. */
  async drained(): Promise<void> {
    while (this.#waiting.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }
}
