import { Dataset } from '../data/dataset.js';
import { normal, uniform } from '../initializers/index.js';
import { Chart, colourOf, figure, type Point, words } from '../text/chart.js';
import { polynomial } from '../trainer/bases.js';
import { ridge } from '../trainer/ridge.js';
import { type BiasVariance, biasVariance as decompose, type Estimate } from '../validation/bias-variance.js';
import { studyOf } from './study.js';

/** One degree. */
export interface CapacityPoint {
  readonly degree: number;
  readonly biasSquared: Estimate;
  readonly variance: Estimate;
  readonly noise: Estimate;
  readonly expectedError: Estimate;
}

/** Polynomials of one degree, each fitted on a training set of its own. */
export interface CapacityPanel {
  readonly degree: number;
  readonly curves: readonly (readonly Point[])[];
  readonly mean: readonly Point[];
}

const [SETS, ROWS, DEVIATION] = [60, 50, 0.5];
const degrees = Array.from({ length: 12 }, (_, i) => i + 1);
const shown = [1, 6, 12] as const;
/** A bump: each degree more comes a little nearer, which a sine, odd about its middle, would not show. */
const truth = (x: number): number => 1.5 * Math.exp(-((x - 0.35) ** 2) / 0.02);

const sample = (x: readonly number[], seed: number): Dataset => {
  const noise = normal({ deviation: DEVIATION }).sample([x.length], { seed, precision: 'f64' });
  return Dataset.from({ features: x.map((v) => [v]), targets: x.map((v, i) => truth(v) + noise[i]!) });
};

const compute = async (seed: number) => {
  // Fresh draws: parts of a pool that share no row. Tests lie where training rows do, an edge away from what must be guessed beyond them.
  const pool = sample(Array.from(uniform({ low: 0, high: 1 }).sample([SETS * ROWS], { seed, precision: 'f64' })), seed + 1);
  const test = sample(
    Array.from({ length: 200 }, (_, i) => 0.1 + (0.8 * (i + 0.5)) / 200),
    seed + 2,
  );
  const points: CapacityPoint[] = [];
  const panels: CapacityPanel[] = [];
  const places = Array.from({ length: 121 }, (_, i) => 0.1 + (0.8 * i) / 120);
  for (const degree of degrees) {
    const recipe = ridge({ lambda: 0, basis: polynomial({ degree }) });
    const { biasSquared, variance, noise, expectedError }: BiasVariance = await decompose(recipe, {
      train: pool,
      test,
      trainingSets: SETS,
      sampling: 'disjoint',
      truth: ([x]) => truth(x!),
      seed,
    });
    points.push({ degree, biasSquared, variance, noise, expectedError });
    if (!shown.some((one) => one === degree)) continue;
    const curves: Point[][] = [];
    for (let set = 0; set < 20; set++) {
      const rows = Array.from({ length: ROWS }, (_, i) => set * ROWS + i);
      const found = await (await recipe.fit(pool.select(rows))).predict(places.map((x) => [x]));
      curves.push(places.map((x, i) => [x, found[i]!] as const));
    }
    const mean = places.map((x, i) => [x, curves.reduce((sum, curve) => sum + curve[i]![1], 0) / curves.length] as const);
    panels.push({ degree, curves, mean });
  }
  return { points, panels, rows: ROWS, trainingSets: SETS };
};

type CapacityData = Awaited<ReturnType<typeof compute>>;

const draw = ({ points, panels, rows, trainingSets }: CapacityData): string => {
  const titles = ['degree 1: all alike, all wrong', 'degree 6: near the truth', 'degree 12: each its own way'];
  const wave = Array.from({ length: 121 }, (_, k) => [0.1 + k / 150, truth(0.1 + k / 150)] as const);
  const fans = panels.map(({ curves, mean }, i) => {
    const chart = new Chart(
      { left: 60 + i * 310, top: 74, width: 260, height: 190 },
      { x: [0.1, 0.9], y: [-1, 2.4], title: titles[i] as string },
    );
    for (const curve of curves) chart.line(curve, '#9ecae1', { width: 0.8 });
    return chart.line(wave, '#1b9e77', { dash: '5 3', name: 'truth' }).line(mean, '#d95f02', { name: 'mean of 20 fits' }).toSvg();
  });
  const terms = [
    ['bias²', 'biasSquared'],
    ['variance', 'variance'],
    ['noise', 'noise'],
    ['expected error', 'expectedError'],
  ] as const;
  const high = Math.max(...points.map(({ expectedError }) => expectedError.value + 2 * expectedError.standardError)) * 1.1;
  const chart = new Chart(
    { left: 60, top: 330, width: 880, height: 260 },
    {
      x: [0.7, 12.3],
      y: [0, high],
      title: `Squared error against capacity: ${trainingSets} training sets of ${rows} rows, bands of two standard errors`,
      xName: 'degree of the polynomial',
      yName: 'squared error',
    },
  );
  terms.forEach(([name, key], t) => {
    const edge = (sign: number) =>
      points.map((p) => `${chart.x(p.degree).toFixed(1)},${chart.y(p[key].value + sign * 2 * p[key].standardError).toFixed(1)}`);
    chart.add(`<polygon points="${[...edge(1), ...edge(-1).reverse()].join(' ')}" fill="${colourOf(t)}" fill-opacity="0.15"/>`);
    chart.line(
      points.map((p) => [p.degree, p[key].value] as const),
      colourOf(t),
      { name, ...(key === 'noise' ? { dash: '4 3' } : {}), width: key === 'expectedError' ? 3 : 2 },
    );
  });
  const best = points.reduce((a, b) => (b.expectedError.value < a.expectedError.value ? b : a));
  chart.dots([[best.degree, best.expectedError.value]], '#000', 5);
  return figure(980, 650, 'Bias and variance against capacity: polynomials through noisy points of a bump', [
    ...fans,
    chart.toSvg(),
    words(60, 636, `The least expected error is at degree ${best.degree}: beyond it variance grows faster than bias falls.`),
  ]);
};

/** Bias², variance and noise of polynomials of degree 1 to 12, each fitted on sixty training sets: Geman, Bienenstock & Doursat 1992. */
export const biasVariance = studyOf<CapacityData>('biasVariance', compute, draw);
