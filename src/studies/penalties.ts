import { Dataset } from '../data/dataset.js';
import { normal } from '../initializers/index.js';
import { dense, sequential } from '../layers/index.js';
import { sgd } from '../optimizers/index.js';
import { lq } from '../regularizers/index.js';
import { Chart, colourOf, figure, type Point } from '../text/chart.js';
import { Trainer } from '../trainer/index.js';
import { studyOf } from './study.js';

/** One exponent. */
export interface PenaltyPanel {
  readonly q: number;
  /** Where λ/2·Σ|w|^q and the error together are least, in two dimensions. */
  readonly best: Point;
  /** By λ: the share of twenty fitted weights that are exactly 0, and the error on other rows. */
  readonly sparsity: readonly { readonly lambda: number; readonly zeros: number; readonly error: number }[];
}

const exponents = [0.5, 1, 2, 4] as const;
const lambdas = [0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6];

/** Where the error is least without a penalty. */
const CENTRE = [1.8, 0.4] as const;

/** The error, longer along one diagonal. */
const error = (x: number, y: number): number =>
  0.5 * ((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + 1.2 * (x - CENTRE[0]) * (y - CENTRE[1]));

/** The least error where the penalty is at most 1: on a fine grid, corners included. */
const bestOf = (q: number): Point => {
  let best: Point = [0, 0];
  for (let i = 0; i <= 2000; i++) {
    const x = i / 2000;
    const y = (1 - x ** q) ** (1 / q);
    for (const at of [
      [x, y],
      [x, -y],
    ] as const)
      if (error(...at) < error(...best)) best = at;
  }
  return best;
};

const [ROWS, WIDTH, TRUE] = [100, 20, 5];

const compute = async (seed: number): Promise<readonly PenaltyPanel[]> => {
  const x = normal({ deviation: 1 }).sample([2 * ROWS, WIDTH], { seed, precision: 'f64' });
  const noise = normal({ deviation: 0.7 }).sample([2 * ROWS], { seed: seed + 1, precision: 'f64' });
  const row = (i: number): number[] => Array.from(x.subarray(i * WIDTH, (i + 1) * WIDTH));
  const value = (i: number): number =>
    row(i)
      .slice(0, TRUE)
      .reduce((sum, v, j) => sum + v * (1.5 - 0.25 * j), 0) + noise[i]!;
  const set = (from: number): Dataset => {
    const rows = Array.from({ length: ROWS }, (_, i) => from + i);
    return Dataset.from({ features: rows.map(row), targets: rows.map(value) });
  };
  const [train, test] = [set(0), set(ROWS)];
  const panels: PenaltyPanel[] = [];
  for (const q of exponents) {
    const sparsity: { lambda: number; zeros: number; error: number }[] = [];
    for (const lambda of lambdas) {
      const fitted = await new Trainer({
        model: sequential([dense(1)]),
        loss: (prediction, target) => prediction.subtract(target).square().mean(-1).multiply(0.5),
        metrics: ['meanSquaredError'],
        optimizer: sgd({ learningRate: 0.1 }),
        regularizers: [lq(lambda, { q })],
        epochs: 200,
        batchSize: 'full',
        precision: 'f64',
        seed,
      }).fit(train);
      const { meanSquaredError } = await fitted.evaluate(test);
      sparsity.push({ lambda, zeros: fitted.sparsity().get('dense/kernel') ?? 0, error: meanSquaredError });
    }
    panels.push({ q, best: bestOf(q), sparsity });
  }
  return panels;
};

/** The curve |x|^q + |y|^q = 1. */
const ball = (q: number): Point[] => {
  const quarter = Array.from({ length: 61 }, (_, i): Point => {
    const angle = ((i / 60) * Math.PI) / 2;
    return [Math.cos(angle) ** (2 / q), Math.sin(angle) ** (2 / q)];
  });
  const mirrored = (sx: number, sy: number, points: readonly Point[]): Point[] => points.map(([x, y]) => [sx * x, sy * y]);
  return [...quarter, ...mirrored(-1, 1, [...quarter].reverse()), ...mirrored(-1, -1, quarter), ...mirrored(1, -1, [...quarter].reverse())];
};

/** A contour of the error through a point. */
const contour = (level: number): Point[] =>
  Array.from({ length: 121 }, (_, i): Point => {
    const [c, s] = [Math.cos((i / 60) * Math.PI), Math.sin((i / 60) * Math.PI)];
    const radius = Math.sqrt(level / (0.5 * (1 + 1.2 * c * s)));
    return [CENTRE[0] + radius * c, CENTRE[1] + radius * s];
  });

const draw = (panels: readonly PenaltyPanel[]): string => {
  const contours = panels.map(({ q, best }, i) => {
    const box = { left: 50 + i * 235, top: 74, width: 200, height: 200 };
    const corner = best.some((v) => Math.abs(v) < 1e-3);
    const chart = new Chart(box, { x: [-1.3, 2.9], y: [-1.9, 2.3], title: `q = ${q}: ${corner ? 'a weight is 0' : 'none is 0'}` });
    for (const share of [0.1, 0.35, 1, 1.8]) chart.line(contour(share * error(...best)), '#1f77b4', { width: share === 1 ? 2 : 1 });
    chart.line(
      [
        [-2, 0],
        [3, 0],
      ],
      '#bbb',
      { width: 1 },
    );
    chart.line(
      [
        [0, -2],
        [0, 3],
      ],
      '#bbb',
      { width: 1 },
    );
    const shape = ball(q)
      .map(([x, y]) => `${chart.x(x).toFixed(1)},${chart.y(y).toFixed(1)}`)
      .join(' ');
    chart.add(`<polygon points="${shape}" fill="${colourOf(1)}" fill-opacity="0.25" stroke="${colourOf(1)}" stroke-width="2"/>`);
    return chart.dots([CENTRE], '#1f77b4', 4).dots([best], '#000', 4.5).toSvg();
  });
  const shares = new Chart(
    { left: 60, top: 350, width: 400, height: 220 },
    { x: [lambdas[0]!, lambdas.at(-1)!], y: [0, 1.45], logX: true, title: 'Weights that are exactly 0 (15 of 20 should be)', xName: 'λ' },
  );
  const highest = Math.max(...panels.flatMap(({ sparsity }) => sparsity.map((s) => s.error)));
  const errors = new Chart(
    { left: 530, top: 350, width: 400, height: 220 },
    { x: [lambdas[0]!, lambdas.at(-1)!], y: [0.4, Math.min(highest, 4)], logX: true, title: 'Squared error on other rows', xName: 'λ' },
  );
  panels.forEach(({ q, sparsity }, i) => {
    shares.line(
      sparsity.map((s) => [s.lambda, s.zeros] as const),
      colourOf(i),
      { name: `q = ${q}` },
    );
    errors.line(
      sparsity.map((s) => [s.lambda, s.error] as const),
      colourOf(i),
      { name: `q = ${q}` },
    );
  });
  return figure(980, 630, 'Penalties λ/2·Σ|w|^q: where the error touches them, and what they set to zero', [
    ...contours,
    shares.toSvg(),
    errors.toSvg(),
  ]);
};

/** Contours of Lq penalties against those of an error, and what each sets to exactly zero by λ. Bishop 2006, figure 3.4; Tibshirani 1996. */
export const penalties = studyOf<readonly PenaltyPanel[]>('penalties', compute, draw);
