import { Dataset } from '../data/dataset.js';
import { standardize } from '../data/preparation.js';
import { dense, sequential } from '../layers/index.js';
import { sgd } from '../optimizers/index.js';
import { l2 } from '../regularizers/index.js';
import { Chart, colourOf, figure, type Point, words } from '../text/chart.js';
import { Trainer } from '../trainer/index.js';
import { coarseToFine, grid, logUniform, random, type Sampler, tune } from '../tuning/index.js';
import { holdOut } from '../validation/index.js';
import { studyOf } from './study.js';

/** One way to search. */
export interface SearchPanel {
  readonly name: string;
  /** Of the first seed: what was tried, and the loss on rows held out. */
  readonly trials: readonly { readonly learningRate: number; readonly penalty: number; readonly loss: number }[];
  /** Different learning rates among them. */
  readonly rates: number;
  /** The least loss of each seed. */
  readonly best: readonly number[];
}

const TRIALS = 25;
const SEEDS = 5;
const RATES = [1e-4, 3] as const;
const PENALTIES = [1e-8, 1e-3] as const;
/** A little more than what is searched, so that dots at its ends are whole. */
const wider = ([low, high]: readonly [number, number]): readonly [number, number] => {
  const more = (high / low) ** 0.04;
  return [low / more, high * more];
};
const samplers: readonly (readonly [string, Sampler])[] = [
  ['grid, 5 × 5', grid({ points: 5 })],
  ['random', random()],
  ['coarse to fine', coarseToFine({ rounds: 3 })],
];

const compute = async (seed: number): Promise<readonly SearchPanel[]> => {
  const digits = await Dataset.builtin('digits');
  const { train } = digits.split({ ratios: { train: 0.3, test: 0.7 }, stratify: true, seed });
  // The learning rate decides nearly everything, the penalty nearly nothing.
  const search = (sampler: Sampler, at: number) =>
    tune(train, {
      space: { learningRate: logUniform(...RATES), penalty: logUniform(...PENALTIES) },
      estimator: ({ learningRate, penalty }) =>
        new Trainer({
          prepare: [standardize()],
          model: sequential([dense(24, { activation: 'tanh' }), dense(10)]),
          loss: 'crossEntropy',
          optimizer: sgd({ learningRate }),
          regularizers: [l2(penalty)],
          epochs: 6,
          batchSize: 32,
          seed: at,
        }),
      splitter: holdOut({ validation: 0.4, seed: at }),
      objective: 'loss',
      sampler,
      trials: TRIALS,
      refit: false,
      seed: at,
    });
  const panels: SearchPanel[] = [];
  for (const [name, sampler] of samplers) {
    const found = [];
    for (let i = 0; i < SEEDS; i++) found.push(await search(sampler, seed + i));
    const trials = found[0]!.trials.flatMap(({ params, score }) => (score === undefined ? [] : [{ ...params, loss: score }]));
    panels.push({
      name,
      trials,
      rates: new Set(trials.map(({ learningRate }) => learningRate)).size,
      best: found.map(({ best }) => best.score),
    });
  }
  return panels;
};

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const draw = (panels: readonly SearchPanel[]): string => {
  const losses = panels.flatMap(({ trials }) => trials.map(({ loss }) => loss)).filter(Number.isFinite);
  const [rates, penalties] = [wider(RATES), wider(PENALTIES)];
  const y = [Math.min(...losses) / 1.3, 4] as const;
  const parts = panels.flatMap(({ name, trials, rates: tried }, i) => {
    const left = 65 + i * 305;
    const seen = trials.map(({ learningRate, loss }): Point => [learningRate, loss]);
    const above = new Chart(
      { left, top: 78, width: 245, height: 150 },
      { x: rates, y, logX: true, logY: true, title: `${name}: ${tried} learning rates`, ...(i === 0 ? { yName: 'loss' } : {}) },
    );
    const below = new Chart(
      { left, top: 262, width: 245, height: 190 },
      { x: rates, y: penalties, logX: true, logY: true, title: '', xName: 'learning rate', ...(i === 0 ? { yName: 'penalty' } : {}) },
    );
    const least = trials.reduce((a, b) => (b.loss < a.loss ? b : a));
    for (const [rate] of seen)
      above.line(
        [
          [rate, y[0]],
          [rate, y[1]],
        ],
        '#ddd',
        { width: 1 },
      );
    below.dots(
      trials.map((t) => [t.learningRate, t.penalty]),
      colourOf(i),
      4,
    );
    below.dots([[least.learningRate, least.penalty]], '#000', 5);
    above.dots(seen, colourOf(i), 4).dots([[least.learningRate, least.loss]], '#000', 5);
    return [above.toSvg(), below.toSvg()];
  });
  const all = panels.flatMap(({ best }) => best);
  const range = [Math.min(...all) * 0.96, Math.max(...all) * 1.04] as const;
  const box = { left: 65, top: 540, width: 855, height: 130 };
  const bottom = new Chart(box, {
    x: range,
    y: [0, 4],
    title: `The least loss of ${TRIALS} trials, for ${SEEDS} seeds and their median`,
    xName: 'loss',
  });
  const names = panels.map(({ name, best }, i) => {
    const at = 3 - i;
    bottom.dots(
      best.map((loss) => [loss, at]),
      colourOf(i),
      4,
    );
    const middle = median(best);
    bottom.line(
      [
        [middle, at - 0.35],
        [middle, at + 0.35],
      ],
      colourOf(i),
      { width: 3 },
    );
    return words(box.left + box.width + 8, bottom.y(at) + 4, name);
  });
  // The axis across the seeds has no numbers.
  const hidden = `<rect x="40" y="${box.top - 10}" width="${box.left - 41}" height="${box.height + 20}" fill="white"/>`;
  return figure(1030, 725, 'Random search against a grid: where one hyperparameter matters, a grid tries it five times only', [
    ...parts,
    bottom.toSvg(),
    hidden,
    ...names,
  ]);
};

/**
 * A grid, random draws and random draws that zoom in, with as many trials each, where one of two hyperparameters matters: what each tried,
 * and how good its best is. Bergstra & Bengio 2012, JMLR 13, figure 1, on digits.
 */
export const search = studyOf<readonly SearchPanel[]>('search', compute, draw);
