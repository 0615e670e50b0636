import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset, type NablaError, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { expect, it } from 'vitest';

const line = { model: dense(1), loss: 'meanSquaredError' } as const;
const failure = async (run: PromiseLike<unknown>): Promise<NablaError> => {
  try {
    await run;
  } catch (error) {
    return error as NablaError;
  }
  throw new Error('did not fail');
};

it('names the line that began a fit which fails on a native thread', async () => {
  const data = await Dataset.builtin('diabetes');
  const theUsersFunction = () => failure(new Trainer({ ...line, metrics: ['accuracy'] }).fit(data));
  const error = await theUsersFunction();
  expect(error.code).toBe('INVALID_DATA');
  expect(error.stack?.split('\n').find((frame) => frame.startsWith('    at '))).toContain('theUsersFunction');
});

it('refuses to stop early by what cannot be judged: no row held out, or a value that is not a number', async () => {
  const data = await Dataset.builtin('diabetes');
  const stopping = new Trainer({ ...line, epochs: 30, earlyStopping: { patience: 5 } });
  expect(await failure(stopping.fit(data.take(4)))).toMatchObject({ code: 'INVALID_DATA', place: 'earlyStopping.validationFraction' });
  const byR2 = new Trainer({ ...line, epochs: 30, metrics: ['r2'], earlyStopping: { patience: 5, monitor: 'r2' } });
  expect(await failure(byR2.fit(data, { validation: data.take(1) }))).toMatchObject({ code: 'NOT_FINITE' });
});

it('refuses targets outside of [0, 1] for binary cross-entropy, naming the row', async () => {
  const data = Dataset.from({ features: [[1], [2], [3]], targets: [0, 1, 5] });
  const error = await failure(new Trainer({ model: dense(1), loss: 'binaryCrossEntropy' }).fit(data));
  expect(error).toMatchObject({ code: 'INVALID_DATA', place: 'targets', received: '5' });
  expect(error.message).toContain('row 2');
});

it('saves side by side into one folder', async () => {
  const fitted = await new Trainer({ ...line, epochs: 2 }).fit(await Dataset.builtin('diabetes'));
  const folder = await mkdtemp(join(tmpdir(), 'nabla-'));
  try {
    await Promise.all(Array.from({ length: 40 }, () => fitted.save(join(folder, 'model'))));
  } finally {
    await rm(folder, { recursive: true });
  }
});
