// A search in a process of its own, on the built package: study.mjs STORAGE TRIALS MILLISECONDS
import { Dataset } from 'nabla';
import { coarseToFine, integer, tune, uniform } from 'nabla/tuning';
import { holdOut } from 'nabla/validation';

const [storage = '', trials = '', pause = ''] = process.argv.slice(2);
const data = Dataset.from({ features: Array.from({ length: 20 }, (_, i) => [i]), targets: Array.from({ length: 20 }, (_, i) => i / 2) });
const bowl = (x, n) => ({
  fit: async () => {
    await new Promise((resolve) => setTimeout(resolve, Number(pause)));
    return { predict: async () => [], evaluate: async () => ({ loss: (x - 0.3) ** 2 + n / 100 }) };
  },
});
const study = await tune(data, {
  space: { x: uniform(-1, 1), n: integer(1, 4) },
  estimator: ({ x, n }) => bowl(x, n),
  objective: 'loss',
  splitter: holdOut(),
  sampler: coarseToFine({ rounds: 3 }),
  trials: Number(trials),
  threads: 2,
  storage,
  seed: 5,
  refit: false,
});
process.stdout.write(JSON.stringify({ best: study.best.number, trials: study.trials.map(({ number, score }) => [number, score]) }));
