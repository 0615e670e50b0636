import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { Run, type RunSource } from '../src/trainer/run.js';

interface Controls {
  readonly source: RunSource<string, number>;
  readonly calls: string[];
  live: boolean | undefined;
  emit(event: number): void;
  resolve(result: string): void;
  reject(error: unknown): void;
}

/** A source in the hands of the test; `abort` rejects as the native side does. */
const controls = (history: readonly number[] = []): Controls => {
  let emitEvent: (event: number) => void = () => {};
  let resolve!: (result: string) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  const calls: string[] = [];
  const result: Controls = {
    calls,
    live: undefined,
    emit: (event) => emitEvent(event),
    resolve,
    reject,
    source: {
      start(live, emit) {
        calls.push('start');
        result.live = live;
        emitEvent = emit;
        return promise;
      },
      history: () => history,
      stop: () => void calls.push('stop'),
      abort: () => {
        calls.push('abort');
        reject(new Error('aborted natively'));
      },
    },
  };
  return result;
};

const collect = async (run: AsyncIterable<number>): Promise<number[]> => {
  const events: number[] = [];
  for await (const event of run) events.push(event);
  return events;
};

describe('Run', () => {
  const unhandled = vi.fn();
  beforeAll(() => void process.on('unhandledRejection', unhandled));
  afterAll(() => void process.off('unhandledRejection', unhandled));

  it('is awaited for its result, and asks for no events then', async () => {
    const c = controls([1, 2]);
    const run = new Run(c.source);
    const result = (async () => await run)();
    await sleep(1);
    expect(c.live).toBe(false);
    c.resolve('done');
    expect(await result).toBe('done');
    expect(await run).toBe('done');
    expect(await collect(run)).toEqual([1, 2]);
  });

  it('asks for events where nobody has decided yet, and where a loop or a callback listens', async () => {
    for (const listen of [() => {}, (run: Run<string, number>) => void collect(run).catch(() => {})]) {
      const c = controls();
      const run = new Run(c.source);
      listen(run);
      await sleep(1);
      expect(c.live).toBe(true);
      c.resolve('done');
      await run;
    }
    const c = controls();
    const run = new Run(c.source, { onEvent: () => {} });
    const result = (async () => await run)();
    await sleep(1);
    expect(c.live).toBe(true);
    c.resolve('done');
    await result;
  });

  it('shows all events to loops that begin at any time, more than once', async () => {
    const c = controls([0, 1, 2]);
    const run = new Run(c.source);
    const early = collect(run);
    await sleep(1);
    c.emit(0);
    c.emit(1);
    const late = collect(run);
    await sleep(1);
    c.emit(2);
    c.resolve('done');
    expect(await early).toEqual([0, 1, 2]);
    expect(await late).toEqual([0, 1, 2]);
    expect(await collect(run)).toEqual([0, 1, 2]);
  });

  it('fills in events that the result has overtaken, once', async () => {
    const c = controls([0, 1, 2]);
    const seen: number[] = [];
    const run = new Run(c.source, { onEvent: (event) => seen.push(event) });
    await sleep(1);
    c.emit(0);
    c.resolve('done');
    await run;
    c.emit(1);
    c.emit(2);
    expect(seen).toEqual([0, 1, 2]);
    expect(await collect(run)).toEqual([0, 1, 2]);
  });

  it('lets a loop be left without ending the run', async () => {
    const c = controls([0, 1]);
    const run = new Run(c.source);
    const first = (async () => {
      for await (const event of run) return event;
      return undefined;
    })();
    await sleep(1);
    c.emit(0);
    expect(await first).toBe(0);
    expect(c.calls).toEqual(['start']);
    c.resolve('done');
    expect(await run).toBe('done');
  });

  it('rejects whoever awaits or iterates, and the process never', async () => {
    const c = controls();
    const run = new Run(c.source);
    await sleep(1);
    c.emit(7);
    c.reject(new Error('not finite'));
    await sleep(5);
    await expect(run).rejects.toThrow('not finite');
    const events: number[] = [];
    const loop = (async () => {
      for await (const event of run) events.push(event);
    })();
    await expect(loop).rejects.toThrow('not finite');
    expect(events).toEqual([7]);
    expect(await run.catch((error) => (error as Error).message)).toBe('not finite');

    const dropped = controls();
    new Run(dropped.source);
    await sleep(1);
    dropped.reject(new Error('nobody looks'));
    await sleep(5);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('rejects with the reason of its signal', async () => {
    const reason = new Error('enough');
    const before = controls();
    await expect(new Run(before.source, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(before.calls).toEqual([]);

    const c = controls();
    const controller = new AbortController();
    const run = new Run(c.source, { signal: controller.signal });
    await sleep(1);
    controller.abort(reason);
    await expect(run).rejects.toBe(reason);
    expect(c.calls).toEqual(['start', 'abort']);

    const early = controls();
    const soon = new AbortController();
    const started = new Run(early.source, { signal: soon.signal });
    soon.abort(reason);
    await expect(started).rejects.toBe(reason);
    expect(early.calls).toEqual([]);
  });

  it('rejects with what a callback throws, or rejects with', async () => {
    for (const onEvent of [
      () => {
        throw new Error('mine');
      },
      async () => {
        throw new Error('mine');
      },
    ]) {
      const c = controls();
      const run = new Run(c.source, { onEvent });
      await sleep(1);
      c.emit(0);
      await expect(run).rejects.toThrow('mine');
      expect(c.calls).toEqual(['start', 'abort']);
    }
    const late = controls([0]);
    const run = new Run(late.source, {
      onEvent: () => {
        throw new Error('at the end');
      },
    });
    await sleep(1);
    late.resolve('done');
    await expect(run).rejects.toThrow('at the end');
  });

  it('resolves once what its callback began has ended', async () => {
    const c = controls();
    let finish!: () => void;
    const said: string[] = [];
    const seen = new Promise<void>((resolve) => (finish = resolve)).then(() => void said.push('callback'));
    const run = new Run(c.source, { onEvent: () => seen });
    const done = run.then(() => said.push('run'));
    await sleep(0);
    c.emit(0);
    c.resolve('weights');
    await sleep(0);
    expect(said).toEqual([]);
    finish();
    await done;
    expect(said).toEqual(['callback', 'run']);
  });

  it('is stopped before, while and after it runs', async () => {
    const c = controls();
    const run = new Run(c.source);
    run.stop();
    await sleep(1);
    expect(c.calls).toEqual(['stop', 'start', 'stop']);
    c.resolve('early');
    expect(await run).toBe('early');
    run.stop();
    expect(c.calls.length).toBe(3);
    expect(await run.finally(() => {})).toBe('early');
  });
});
