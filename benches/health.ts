// What looking at gradients costs: the same fits without, and with { health: { every: 50 } }, in turn; one JSON line a work. The bar: 3 %.
//
//     node target/npm/benches/health.js [--work W1a | W3 | W4] [--threads 1 | 2] [--rounds 6] [--every 50]
//
// `wall` divides milliseconds a step of the epochs after the first, `processor` the processor time of whole fits (of one thread it does not
// mind what else runs); both are medians over pairs. Compiling the second program, once a fit, is in `processor` and not in `wall`.
import { parseArgs } from 'node:util';

import type { Dataset, FitOptions, Trainer } from 'nabla';
import { characters, lstmTrainer, mnist, mnistTrainer, noise, resnetTrainer } from './recipes.js';

const { values } = parseArgs({
  options: {
    work: { type: 'string' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '6' },
    every: { type: 'string', default: '50' },
  },
});
const [threads, rounds, every] = [Number(values.threads), Number(values.rounds), Number(values.every)];

const median = (list: readonly number[]): number => list.toSorted((a, b) => a - b)[list.length >> 1]!;

const measure = async (work: string, trainer: Trainer, data: Dataset): Promise<void> => {
  const once = async (health: NonNullable<FitOptions['health']>) => {
    const before = process.cpuUsage();
    const { history } = await trainer.fit(data, { threads, health });
    const { user, system } = process.cpuUsage(before);
    const later = history.slice(1);
    const steps = later.reduce((sum, { batches }) => sum + batches, 0);
    return { wall: (1e3 * later.reduce((sum, { seconds }) => sum + seconds, 0)) / steps, processor: (user + system) / 1e3, steps };
  };
  await once(false);
  await once({ every });
  const pairs: { readonly plain: Awaited<ReturnType<typeof once>>; readonly watched: Awaited<ReturnType<typeof once>> }[] = [];
  for (let round = 0; round < rounds; round++) {
    // In turn first and second, so that a drift of the machine favours neither.
    const [first, second] = round % 2 === 0 ? [await once(false), await once({ every })] : [await once({ every }), await once(false)];
    pairs.push(round % 2 === 0 ? { plain: first, watched: second } : { plain: second, watched: first });
  }
  const ratio = (of: 'wall' | 'processor'): number => Number(median(pairs.map(({ plain, watched }) => watched[of] / plain[of])).toFixed(4));
  const step = Number(median(pairs.map(({ plain }) => plain.wall)).toPrecision(4));
  console.log(JSON.stringify({ work, threads, every, rounds, milliseconds: step, wall: ratio('wall'), processor: ratio('processor') }));
};

const works: Readonly<Record<string, () => Promise<void>>> = {
  W1a: async () => measure('W1a', mnistTrainer({ batchSize: 32, epochs: 4 }), (await mnist()).data),
  W3: async () => measure('W3', resnetTrainer({ epochs: 4 }), noise()),
  W4: async () => {
    const { data } = await characters(50);
    await measure('W4', lstmTrainer(data.classes.length, 4), data);
  },
};
for (const [name, run] of Object.entries(works)) if (values.work === undefined || values.work === name) await run();
