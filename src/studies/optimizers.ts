import { normal } from '../initializers/index.js';
import { adagrad, adam, lbfgs, type Optimizer, rmsprop, sgd, type Values } from '../optimizers/index.js';
import { Chart, colourOf, figure, type Point, words } from '../text/chart.js';
import { short } from '../text/number.js';
import { studyOf } from './study.js';

/** One optimizer on one surface. */
export interface RacePath {
  readonly name: string;
  /** θ at each step, the start first. */
  readonly points: readonly Point[];
  /** The value where it ends, */
  readonly value: number;
  /** and how often loss and gradient were asked for. */
  readonly evaluations: number;
}

/** A race: paths over one surface. */
export interface Race {
  readonly name: string;
  readonly paths: readonly RacePath[];
}

interface Surface {
  readonly name: string;
  readonly start: Point;
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly steps: number;
  readonly rates: Readonly<Record<string, number>>;
  value(x: number, y: number): number;
  gradient(x: number, y: number): Point;
}

const surfaces: readonly Surface[] = [
  {
    name: 'A valley, ten times as steep across as along',
    start: [-4.2, 1.6],
    x: [-5, 2],
    y: [-2.2, 2.2],
    steps: 60,
    rates: { sgd: 0.09, momentum: 0.04, nesterov: 0.04, adagrad: 0.9, rmsprop: 0.12, adam: 0.3 },
    value: (x, y) => x * x * 0.5 + 10 * y * y,
    gradient: (x, y) => [x, 20 * y],
  },
  {
    name: 'A saddle, started next to its ridge',
    start: [-1.6, 0.002],
    x: [-2, 2],
    y: [-1.8, 1.8],
    steps: 60,
    rates: { sgd: 0.09, momentum: 0.05, nesterov: 0.05, adagrad: 0.25, rmsprop: 0.05, adam: 0.08 },
    value: (x, y) => x * x - y * y + 0.35 * y ** 4,
    gradient: (x, y) => [2 * x, -2 * y + 1.4 * y ** 3],
  },
  {
    name: 'A ravine that bends (Rosenbrock)',
    start: [-1.3, 1.5],
    x: [-1.9, 1.7],
    y: [-0.8, 2.6],
    steps: 250,
    rates: { sgd: 0.0015, momentum: 0.0006, nesterov: 0.0006, adagrad: 0.35, rmsprop: 0.02, adam: 0.08 },
    value: (x, y) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    gradient: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
  },
];

const racers = (rates: Readonly<Record<string, number>>): readonly (readonly [string, Optimizer])[] => [
  ['gradient descent', sgd({ learningRate: rates.sgd! })],
  ['momentum', sgd({ learningRate: rates.momentum!, momentum: 0.9 })],
  ['Nesterov', sgd({ learningRate: rates.nesterov!, momentum: 0.9, nesterov: true })],
  ['AdaGrad', adagrad({ learningRate: rates.adagrad! })],
  ['RMSprop', rmsprop({ learningRate: rates.rmsprop! })],
  ['Adam', adam({ learningRate: rates.adam! })],
  ['L-BFGS', lbfgs()],
];

const race = (surface: Surface): Race => {
  const paths = racers(surface.rates).map(([name, optimizer]): RacePath => {
    const theta = Float64Array.from(surface.start);
    const run = optimizer.start(theta);
    const points: Point[] = [surface.start];
    let evaluations = 0;
    const look = (at: Values) => {
      evaluations += 1;
      return { loss: surface.value(at[0]!, at[1]!), gradient: Float64Array.from(surface.gradient(at[0]!, at[1]!)) };
    };
    while (evaluations < surface.steps) {
      if (optimizer.kind === 'lbfgs') run.update(look);
      else run.update(look(theta).gradient);
      points.push([theta[0]!, theta[1]!]);
    }
    return { name, points, value: surface.value(theta[0]!, theta[1]!), evaluations };
  });
  return { name: surface.name, paths };
};

const ROWS = 64;

/** Two weights of a line through noisy points: what the size of a batch does to the way. */
const descent = (seed: number): { readonly race: Race; value(a: number, b: number): number } => {
  const draws = normal({ deviation: 1 }).sample([3 * ROWS], { seed, precision: 'f64' });
  const [x, noise] = [draws.subarray(0, ROWS), draws.subarray(ROWS, 2 * ROWS)];
  const y = x.map((v, i) => 1.5 * v - 0.5 + 0.8 * noise[i]!);
  const value = (a: number, b: number): number => x.reduce((sum, v, i) => sum + (a * v + b - y[i]!) ** 2, 0) / (2 * ROWS);
  const paths = [ROWS, 8, 1].map((size): RacePath => {
    const theta = Float64Array.of(-1, 1.4);
    const run = sgd({ learningRate: size === 1 ? 0.08 : 0.15 }).start(theta);
    const points: Point[] = [[theta[0]!, theta[1]!]];
    for (let step = 0; step < 60; step++) {
      const gradient = new Float64Array(2);
      for (let k = 0; k < size; k++) {
        // Another order each pass; 29 shares no factor with 64.
        const i = ((step * size + k) * 29 + Math.floor((step * size + k) / ROWS) * 7) % ROWS;
        const error = theta[0]! * x[i]! + theta[1]! - y[i]!;
        gradient[0] = gradient[0]! + (error * x[i]!) / size;
        gradient[1] = gradient[1]! + error / size;
      }
      run.update(gradient);
      points.push([theta[0]!, theta[1]!]);
    }
    const name = size === ROWS ? 'full batch' : size === 1 ? 'single rows' : `mini-batches of ${size}`;
    return { name, points, value: value(theta[0]!, theta[1]!), evaluations: 60 };
  });
  return { race: { name: 'Descent on a line through 64 points', paths }, value };
};

const draw = (seed: number, races: readonly Race[]): string => {
  const parts = races.map(({ name, paths }, r) => {
    const surface = surfaces[r];
    const box = { left: 50 + (r % 2) * 470, top: 74 + Math.floor(r / 2) * 400, width: 300, height: 300 };
    const { x, y } = surface ?? { x: [-1.4, 2.6] as const, y: [-1.6, 1.8] as const };
    const chart = new Chart(box, { x, y, title: name });
    chart.shades(surface?.value ?? descent(seed).value);
    paths.forEach(({ points }, p) => {
      chart.line(points, colourOf(p), { width: 1.6 });
      chart.dots(points.slice(-1), colourOf(p), 4);
    });
    chart.dots(paths[0]?.points.slice(0, 1) ?? [], '#000', 4);
    const table = [...paths]
      .map((path, p) => ({ ...path, p }))
      .sort((a, b) => a.value - b.value)
      .map(({ name: who, value, p }, i) => {
        const top = box.top + 14 + i * 28;
        return `<rect x="${box.left + box.width + 10}" y="${top - 8}" width="10" height="4" fill="${colourOf(p)}"/>${words(box.left + box.width + 26, top, who)}${words(box.left + box.width + 26, top + 12, `ends at ${short(value)}`, 'class="tick"')}`;
      });
    return chart.toSvg() + table.join('');
  });
  return figure(960, 850, 'The optimizer race: the same number of gradients for each, best at the top', parts);
};

/**
 * Optimizers on a valley, a saddle and a ravine, as many gradients for each, and descent by full batches, mini-batches and single rows: their
 * paths, drawn over the surface, and where they end.
 */
export const optimizers = studyOf<{ readonly seed: number; readonly races: readonly Race[] }>(
  'optimizers',
  async (seed) => ({ seed, races: [...surfaces.map(race), descent(seed).race] }),
  ({ seed, races }) => draw(seed, races),
);
