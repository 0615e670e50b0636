import { Dataset, type Fitted, NablaError, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { crossValidate, kFold } from 'nabla/validation';
import { describe, expect, it } from 'vitest';

// A fit that nobody wants any more ends within a batch, and leaves recipe, data and process as if it had never been.

const data = Dataset.from({
  features: Array.from({ length: 256 }, (_, row) => Array.from({ length: 8 }, (_, i) => Math.sin(row * 8 + i))),
  targets: Array.from({ length: 256 }, (_, row) => (Math.sin(row * 8) > 0 ? 'up' : 'down')),
});

const recipe = (epochs: number, batchSize = 32): Trainer =>
  new Trainer({
    model: sequential([dense(16, { activation: 'relu' }), dense(2)]),
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    epochs,
    batchSize,
    seed: 7,
  }) as Trainer;

/** Never ends by itself. */
const endless = (batchSize?: number): Trainer => recipe(1_000_000_000, batchSize);

const weights = (fitted: Fitted): string => JSON.stringify([...fitted.weights()].map(([name, { values }]) => [name, [...values]]));

/** Aborts at the next turn of the event loop after the first epoch, so in the middle of another one. */
const abortInside = (controller: AbortController, reason?: unknown) => () => {
  setImmediate(() => controller.abort(reason));
};

describe('an aborted signal', () => {
  it('rejects with its reason, before anything starts', async () => {
    const reason = new Error('never mind');
    const signal = AbortSignal.abort(reason);
    let epochs = 0;
    await expect(endless().fit(data, { signal, onEpoch: () => epochs++ })).rejects.toBe(reason);
    await expect(crossValidate(endless(), data, { signal })).rejects.toBe(reason);
    const loop = (async () => {
      for await (const _ of endless().fit(data, { signal })) epochs++;
    })();
    await expect(loop).rejects.toBe(reason);
    expect(epochs).toBe(0);
  });

  it('rejects with its reason in the turn in which the fit was made', async () => {
    const controller = new AbortController();
    const run = endless().fit(data, { signal: controller.signal });
    controller.abort('at once');
    await expect(run).rejects.toBe('at once');
  });

  it.each([
    ['an error', new Error('enough')],
    ['a text', 'enough'],
    ['nothing, which is an AbortError', undefined],
  ])('rejects in the middle of an epoch with its reason: %s', async (_, reason) => {
    const controller = new AbortController();
    const run = endless().fit(data, { signal: controller.signal, onEpoch: abortInside(controller, reason) });
    const thrown = await run.then(String, (error: unknown) => error);
    expect(thrown).toBe(controller.signal.reason);
    expect(reason === undefined ? (thrown as Error).name : thrown).toBe(reason ?? 'AbortError');
  });

  it('rejects with the error of AbortSignal.timeout', async () => {
    const run = endless().fit(data, { signal: AbortSignal.timeout(30) });
    await expect(run).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('rejects cross-validation in the middle of its folds', async () => {
    const controller = new AbortController();
    const report = crossValidate(endless(), data, { splitter: kFold({ k: 10, seed: 7 }), signal: controller.signal });
    // A turn of the event loop later the folds are under way, and none ever ends.
    setImmediate(() => controller.abort('no more'));
    await expect(report).rejects.toBe('no more');
  });

  it('rejects a loop over epochs, after the epochs that there were', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const loop = (async () => {
      for await (const { index } of endless().fit(data, { signal: controller.signal })) {
        seen.push(index);
        if (seen.length === 3) controller.abort('three');
      }
    })();
    await expect(loop).rejects.toBe('three');
    expect(seen.slice(0, 3)).toEqual([0, 1, 2]);
  });

  it('does nothing to a fit that is over', async () => {
    const controller = new AbortController();
    const run = recipe(2).fit(data, { signal: controller.signal });
    const fitted = await run;
    controller.abort();
    expect(await run).toBe(fitted);
    expect(fitted.stopped).toBe('epochs');
  });

  it('leaves the recipe usable, and every bit of its next fit the same', async () => {
    const reference = weights((await recipe(3).fit(data)) as Fitted);
    const trainer = recipe(3, 1);
    const alone = weights((await trainer.fit(data)) as Fitted);
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const run = trainer.fit(data, { signal: controller.signal, onEpoch: () => controller.abort(i) });
      await expect(run).rejects.toBe(i);
    }
    expect(weights((await trainer.fit(data)) as Fitted)).toBe(alone);
    expect(weights((await recipe(3).fit(data)) as Fitted)).toBe(reference);
  });

  it('ends one of several fits only', async () => {
    const controller = new AbortController();
    const others = [1, 2, 3].map(() => recipe(50).fit(data));
    const run = endless().fit(data, { signal: controller.signal, onEpoch: abortInside(controller, 'one') });
    await expect(run).rejects.toBe('one');
    const bits = (await Promise.all(others)).map((fitted) => weights(fitted as Fitted));
    expect(new Set(bits).size).toBe(1);
  });

  it('ends each of many', async () => {
    const runs = Array.from({ length: 20 }, (_, i) => {
      const controller = new AbortController();
      return endless().fit(data, { signal: controller.signal, onEpoch: abortInside(controller, i) });
    });
    const ends = await Promise.allSettled(runs);
    expect(ends.map((end) => (end.status === 'rejected' ? end.reason : end.status))).toEqual(runs.map((_, i) => i));
  });
});

describe('stop', () => {
  it('resolves with what there is', async () => {
    // One batch an epoch: then a fit that ends after a batch ends with whole epochs.
    const run = endless(256).fit(data, { onEpoch: ({ index }) => index === 4 && run.stop() });
    const fitted = (await run) as Fitted;
    expect(fitted.stopped).toBe('stop');
    expect(fitted.history.length).toBeGreaterThanOrEqual(5);
    expect(fitted.history.map(({ index }) => index)).toEqual(fitted.history.map((_, i) => i));
    expect(await fitted.predict(data)).toHaveLength(256);
    expect(weights(fitted)).toBe(weights((await recipe(fitted.history.length, 256).fit(data)) as Fitted));
  });

  it('may come in the turn in which the fit was made, twice, or late', async () => {
    const run = endless().fit(data);
    run.stop();
    run.stop();
    const fitted = await run;
    expect(fitted.stopped).toBe('stop');
    expect(await fitted.predict(data)).toHaveLength(256);
    run.stop();
    expect(await run).toBe(fitted);
  });

  it('yields to an abort', async () => {
    const controller = new AbortController();
    const run = endless().fit(data, { signal: controller.signal });
    run.stop();
    controller.abort('rather not');
    await expect(run).rejects.toBe('rather not');
  });
});

describe('a callback that throws', () => {
  it('ends the fit, which rejects with what it threw', async () => {
    const error = new TypeError('in the user’s own code');
    const thrown = endless().fit(data, {
      onEpoch: () => {
        throw error;
      },
    });
    await expect(thrown).rejects.toBe(error);
    const rejected = endless().fit(data, { onEpoch: async () => Promise.reject(error) });
    await expect(rejected).rejects.toBe(error);
    expect(error).not.toBeInstanceOf(NablaError);
  });
});
