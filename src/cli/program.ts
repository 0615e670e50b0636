import { parseArgs } from 'node:util';

import { NablaError } from '../errors/index.js';
import { runTask } from '../native/index.js';

const usage = 'nabla program FOLDER [--batch 32] [--predict]';

const wrong = (message: string): NablaError =>
  new NablaError({ code: 'INVALID_OPTION', place: 'nabla program', message, expected: usage, received: 'another call' });

/**
 * `npx nabla program FOLDER`: what the engine makes of a saved model. The graph as traced, after each pass that changes it, then the plan
 * (operators, shapes, offsets, where threads meet) and the planned peak memory; of a training step, or with `--predict` of prediction.
 */
export const program = async (words: readonly string[]): Promise<string> => {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { batch: { type: 'string', default: '32' }, predict: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1) throw wrong('one folder is needed, as fitted.save(folder) wrote it.');
  const batch = Number(values.batch);
  if (!Number.isInteger(batch) || batch < 1 || batch > 2 ** 24) throw wrong(`--batch ${values.batch} is no number of rows.`);
  const model = await runTask(
    (n, task) => n.loadModel(task, folder),
    (task) => task.takeModel(),
  );
  return model.listing(batch, !values.predict);
};
