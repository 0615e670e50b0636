/** Single requests joined into batches: same bits, own errors, aborts and a bounded queue. */
import { Dataset, type NablaError, network, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { beforeAll, describe, expect, it } from 'vitest';

const features = Array.from({ length: 40 }, (_, i) => [Math.sin(i), Math.cos(i), i / 40]);
const labels = features.map(([a]) => (a! > 0 ? 'up' : 'down'));
const fitSmall = () =>
  new Trainer({ model: sequential([dense(8, { activation: 'relu' }), dense(2)]), loss: 'crossEntropy', epochs: 3 }).fit(
    Dataset.from({ features, targets: labels }),
  );
let fitted: Awaited<ReturnType<typeof fitSmall>>;
beforeAll(async () => {
  fitted = await fitSmall();
});
const caught = async (run: Promise<unknown>): Promise<NablaError> => {
  try {
    await run;
  } catch (error) {
    return error as NablaError;
  }
  throw new Error('expected an error');
};

describe('a batcher', () => {
  it('gives each request the bits that it has alone, in few native calls', async () => {
    const batcher = fitted.batcher({ maxBatch: 16 });
    const both = await Promise.all([
      Promise.all(features.map((row) => batcher.predict(row))),
      Promise.all(features.map((row) => batcher.predict(Float32Array.from(row), { probabilities: true }))),
    ]);
    expect(batcher.pending).toBe(0);
    expect(both[0]).toEqual(await fitted.predict(features));
    features.forEach((row, i) => expect(both[1][i]).toEqual(fitted.predictSync(Float32Array.from(row), { probabilities: true })));
  });

  it('rejects a bad row alone', async () => {
    const batcher = fitted.batcher({ maxWaitMs: 0 });
    const good = features.slice(0, 5).map((row) => batcher.predict(row));
    const short = caught(batcher.predict([1, 2]));
    const endless = caught(batcher.predict([1, 2, Number.NaN]));
    expect(await Promise.all(good)).toEqual(await fitted.predict(features.slice(0, 5)));
    expect(await short).toMatchObject({ code: 'SHAPE_MISMATCH' });
    expect(await endless).toMatchObject({ code: 'NOT_FINITE' });
    expect(await caught(batcher.predict(3 as never))).toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('refuses what is more than its queue holds, and takes requests again afterwards', async () => {
    const batcher = fitted.batcher({ maxQueue: 3 });
    const first = features.slice(0, 3).map((row) => batcher.predict(row));
    expect(await caught(batcher.predict(features[3]!))).toMatchObject({ code: 'OVERLOADED', place: 'batcher.predict' });
    await Promise.all(first);
    expect(await batcher.predict(features[3]!)).toBe((await fitted.predict([features[3]!]))[0]);
  });

  it('leaves the queue, or the answer, when a signal fires', async () => {
    const batcher = fitted.batcher({ maxWaitMs: 1 });
    const controller = new AbortController();
    const reason = new Error('too late');
    const [left, stays] = [batcher.predict(features[0]!, { signal: controller.signal }), batcher.predict(features[1]!)];
    controller.abort(reason);
    await expect(left).rejects.toBe(reason);
    await expect(batcher.predict(features[0]!, { signal: controller.signal })).rejects.toBe(reason);
    expect(['up', 'down']).toContain(await stays);
    expect(batcher.pending).toBe(0);
  });

  it('predicts numbers, and several outputs by name', async () => {
    const numbers = Dataset.from({ features, targets: features.map(([a]) => a!) });
    const line = await new Trainer({ model: dense(1), loss: 'meanSquaredError', epochs: 1 }).fit(numbers);
    const ask = line.batcher();
    expect(await Promise.all(features.map((row) => ask.predict(row)))).toEqual(Array.from(await line.predict(features)));
    await expect(ask.predict(features[0]!, { probabilities: true })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    const two = await new Trainer({
      model: network((x) => ({ sign: dense(2)(x), size: dense(1)(x) })),
      loss: { sign: 'crossEntropy', size: 'meanSquaredError' },
      epochs: 1,
    }).fit(Dataset.from({ features, targets: { sign: labels, size: features.map(([, b]) => b!) } }));
    const named = two.batcher();
    const all = await two.predict(features);
    const each = await Promise.all(features.map((row) => named.predict(row)));
    each.forEach((one, i) => expect(one).toEqual({ sign: all.sign[i], size: all.size[i] }));
  });

  it('checks its options', () => {
    expect(() => fitted.batcher({ maxBatch: 0 })).toThrow(/maxBatch/);
    expect(() => fitted.batcher({ maxWait: 3 } as never)).toThrow(/maxWaitMs/);
  });
});
