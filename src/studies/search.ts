import { Dataset } from '../data/dataset.js';
import { standardize } from '../data/preparation.js';
import { dense, sequential } from '../layers/index.js';
import { sgd } from '../optimizers/index.js';
import { l2 } from '../regularizers/index.js';
import { Chart, colourOf, figure, words } from '../text/chart.js';
import { Trainer } from '../trainer/index.js';
import { coarseToFine, grid, logUniform, random, type Sampler, tune } from '../tuning/index.js';
import { holdOut } from '../validation/hold-out.js';
import { studyOf } from './study.js';

/** One trial of a search: where it looked, and what it scored. */
export interface SearchTrial {
  readonly learningRate: number;
  readonly penalty: number;
  /** Infinite where the fit failed. */
  readonly loss: number;
}

/** What one way of searching gave. */
export interface SearchPanel {
  readonly name: string;
  /** The trials of one of its searches. */
  readonly trials: readonly SearchTrial[];
  /** How many learning rates these have tried. */
  readonly rates: number;
  /** The least loss after each trial: the median of the searches. */
  readonly best: readonly number[];
}

const TRIALS = 36;
const ROUNDS = 3;
const SEARCHES = 7;
/** The search that is drawn. */
const DRAWN = 3;
/** Nobody knows where in its range the best rate lies: each search has its range elsewhere, half a decade up and down. */
const ranges = Array.from({ length: SEARCHES }, (_, number) => {
  const shift = 10 ** ((number - DRAWN) / SEARCHES);
  return [3e-4 * shift, 3 * shift] as const;
});

const samplers: readonly { readonly name: string; readonly sampler: Sampler }[] = [
  { name: 'grid, 6 × 6', sampler: grid({ points: 6 }) },
  { name: 'random', sampler: random() },
  { name: 'coarse to fine', sampler: coarseToFine({ rounds: ROUNDS }) },
];

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const compute = async (seed: number): Promise<readonly SearchPanel[]> => {
  const digits = await Dataset.builtin('digits');
  const { train } = digits.split({ ratios: { train: 0.5, test: 0.5 }, stratify: true, seed });
  // The learning rate decides nearly everything, the penalty nearly nothing: a grid spends its trials on both alike.
  const search = async (sampler: Sampler, number: number): Promise<readonly SearchTrial[]> => {
    const [low, high] = ranges[number] as readonly [number, number];
    const { trials } = await tune(train, {
      space: { learningRate: logUniform(low, high), penalty: logUniform(1e-8, 1e-3) },
      estimator: ({ learningRate, penalty }) =>
        new Trainer({
          prepare: [standardize()],
          model: sequential([dense(24, { activation: 'relu' }), dense(10)]),
          loss: 'crossEntropy',
          optimizer: sgd({ learningRate }),
          regularizers: [l2(penalty)],
          epochs: 6,
          batchSize: 32,
          seed,
        }),
      splitter: holdOut({ validation: 0.5, seed }),
      objective: 'loss',
      sampler,
      trials: TRIALS,
      refit: false,
      seed: SEARCHES * seed + number,
    });
    return trials.map(({ params, score = Number.POSITIVE_INFINITY }) => ({ ...params, loss: score }));
  };
  const panels: SearchPanel[] = [];
  for (const { name, sampler } of samplers) {
    const searches: (readonly SearchTrial[])[] = [];
    for (let number = 0; number < SEARCHES; number++) searches.push(await search(sampler, number));
    const least = searches.map((trials) => {
      let low = Number.POSITIVE_INFINITY;
      return trials.map(({ loss }) => {
        low = Math.min(low, loss);
        return low;
      });
    });
    const trials = searches[DRAWN] ?? [];
    panels.push({
      name,
      trials,
      rates: new Set(trials.map(({ learningRate }) => learningRate)).size,
      best: trials.map((_, at) => middle(least.map((one) => one[at] ?? Number.NaN))),
    });
  }
  return panels;
};

/** The box around the trials of a round. */
const boxOf = (trials: readonly SearchTrial[], chart: Chart): string => {
  const [xs, ys] = [trials.map(({ learningRate }) => chart.x(learningRate)), trials.map(({ penalty }) => chart.y(penalty))];
  const [left, top] = [Math.min(...xs) - 5, Math.min(...ys) - 5];
  const [width, height] = [Math.max(...xs) + 5 - left, Math.max(...ys) + 5 - top];
  return `<rect x="${left.toFixed(1)}" y="${top.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="none" stroke="#444" stroke-dasharray="3 3"/>`;
};

const draw = (panels: readonly SearchPanel[]): string => {
  const parts: string[] = [];
  const all = panels.flatMap(({ trials }) => trials.map(({ loss }) => loss)).sort((a, b) => a - b);
  // Yellow are the best tenth, by rank among all.
  const shade = (loss: number): string => {
    const share = all.findIndex((other) => other >= loss) / Math.max(all.length - 1, 1);
    return share < 0.1 ? '#f2b701' : share < 0.4 ? '#1b9e77' : share < 0.7 ? '#3b528b' : '#b9bec9';
  };
  for (const [at, { name, trials, rates }] of panels.entries()) {
    const box = { left: 66 + 316 * at, top: 84, width: 250, height: 200 };
    const chart = new Chart(box, {
      x: [2e-4, 4.5],
      y: [6e-9, 1.7e-3],
      logX: true,
      logY: true,
      title: `${name}: ${rates} learning rates`,
      xName: 'learning rate',
      ...(at === 0 ? { yName: 'penalty' } : {}),
    });
    if (name === 'coarse to fine')
      for (let round = 0; round < ROUNDS; round++)
        chart.add(boxOf(trials.slice((round * TRIALS) / ROUNDS, ((round + 1) * TRIALS) / ROUNDS), chart));
    // Each rate that was tried casts its shadow on the axis.
    for (const { learningRate } of trials) {
      const x = chart.x(learningRate).toFixed(1);
      chart.add(`<line x1="${x}" x2="${x}" y1="${box.top + box.height - 9}" y2="${box.top + box.height}" stroke="#222"/>`);
    }
    for (const { learningRate, penalty, loss } of trials.toSorted((a, b) => Number(a.loss > b.loss) * -1 || Number(b.loss > a.loss)))
      chart.dots([[learningRate, penalty]], shade(loss), 4.5);
    parts.push(chart.toSvg());
  }
  const lines = panels.map(({ best }) => best);
  const ends = lines.flatMap((line) => line.slice(5)).filter(Number.isFinite);
  const chart = new Chart(
    { left: 66, top: 364, width: 882, height: 220 },
    {
      x: [1, TRIALS],
      y: [Math.min(...ends) * 0.9, Math.max(...ends) * 1.1],
      title: `The best so far: median of ${SEARCHES} searches`,
      xName: 'trials',
      yName: 'validation loss',
    },
  );
  lines.forEach((line, at) => {
    chart.line(
      line.map((loss, i) => [i + 1, loss] as const),
      colourOf(at),
      { name: panels[at]?.name ?? '' },
    );
  });
  parts.push(chart.toSvg());
  parts.push(
    words(
      20,
      48,
      'Digits, one hidden layer: the learning rate decides nearly everything, the penalty nearly nothing. Yellow: the best tenth of all trials.',
    ),
  );
  return figure(980, 640, 'Random against grid, and the zoom', parts);
};

/**
 * A grid, random draws and coarse-to-fine, 36 trials each: where they looked, how many learning rates a grid wastes, and the best so far.
 * Bergstra & Bengio 2012, JMLR 13, figure 1.
 */
export const search = studyOf<readonly SearchPanel[]>('search', compute, draw);
