import { Dataset } from '../data/dataset.js';
import { normal } from '../initializers/index.js';
import { Chart, colourOf, figure, type Point } from '../text/chart.js';
import { polynomial } from '../trainer/bases.js';
import { ridge as fitRidge } from '../trainer/ridge.js';
import { studyOf } from './study.js';

/** One λ. */
export interface RidgePoint {
  readonly lambda: number;
  /** Root of the mean squared error on the ten training points, */
  readonly train: number;
  /** and on a thousand others. */
  readonly test: number;
  /** ‖w‖. */
  readonly norm: number;
  /** The fitted polynomial, at 121 places from 0 to 1. */
  readonly curve: readonly Point[];
}

const DEGREE = 9;
const truth = (x: number): number => Math.sin(2 * Math.PI * x);
const rootMeanSquare = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.sqrt(Array.from(a, (v, i) => (v - b[i]!) ** 2).reduce((sum, v) => sum + v, 0) / a.length);

const compute = async (seed: number) => {
  const sample = (rows: number, from: number) => {
    const x = Array.from({ length: rows }, (_, i) => (rows === 10 ? i / 9 : (i + 0.5) / rows));
    const noise = normal({ deviation: 0.25 }).sample([rows], { seed: seed + from, precision: 'f64' });
    return { x, y: x.map((v, i) => truth(v) + noise[i]!) };
  };
  const [train, test] = [sample(10, 0), sample(1000, 1)];
  const places = Array.from({ length: 121 }, (_, i) => i / 120);
  const column = (x: readonly number[]) => x.map((v) => [v]);
  const points: RidgePoint[] = [];
  for (let power = -14; power <= 2; power += 0.5) {
    const lambda = 10 ** power;
    const data = Dataset.from({ features: column(train.x), targets: train.y });
    const fit = await fitRidge({ lambda, basis: polynomial({ degree: DEGREE }) }).fit(data);
    const at = async (x: readonly number[]): Promise<Float64Array> => Float64Array.from(await fit.predict(column(x)));
    const curve = await at(places);
    points.push({
      lambda,
      train: rootMeanSquare(await at(train.x), train.y),
      test: rootMeanSquare(await at(test.x), test.y),
      norm: Math.hypot(...fit.coefficients),
      curve: places.map((x, i) => [x, curve[i]!] as const),
    });
  }
  return { train: train.x.map((x, i) => [x, train.y[i]!] as const), points };
};

type RidgeData = Awaited<ReturnType<typeof compute>>;

const draw = ({ train, points }: RidgeData): string => {
  const best = points.reduce((a, b) => (b.test < a.test ? b : a));
  const shown = [points[0]!, best, points.at(-1)!];
  const titles = ['λ too small: every point is hit', 'the λ that predicts best', 'λ too large: hardly a curve'];
  const curves = shown.map(({ lambda, curve }, i) => {
    const box = { left: 60 + i * 310, top: 74, width: 250, height: 190 };
    const chart = new Chart(box, { x: [-0.02, 1.02], y: [-1.7, 1.7], title: `${titles[i]} (${lambda.toExponential(0)})` });
    const wave = Array.from({ length: 100 }, (_, k) => [k / 99, truth(k / 99)] as const);
    return chart
      .line(wave, '#1b9e77', { dash: '4 3', name: 'truth' })
      .line(curve, '#d95f02', { name: 'fit' })
      .dots(train, '#1f77b4', 3.5)
      .toSvg();
  });
  const lambdas = [points[0]!.lambda, points.at(-1)!.lambda] as const;
  const errors = new Chart(
    { left: 60, top: 330, width: 560, height: 230 },
    { x: lambdas, y: [0, 1.2], logX: true, title: 'Error against λ', xName: 'λ', yName: 'root mean squared error' },
  )
    .line(
      points.map((p) => [p.lambda, p.train] as const),
      colourOf(0),
      { name: 'ten training points' },
    )
    .line(
      points.map((p) => [p.lambda, p.test] as const),
      colourOf(1),
      { name: 'a thousand others' },
    )
    .dots([[best.lambda, best.test]], '#000', 4);
  const norms = new Chart(
    { left: 680, top: 330, width: 250, height: 230 },
    {
      x: lambdas,
      y: [Math.min(...points.map((p) => p.norm)) / 2, Math.max(...points.map((p) => p.norm)) * 2],
      logX: true,
      logY: true,
      title: 'Size of the weights',
      xName: 'λ',
    },
  ).line(
    points.map((p) => [p.lambda, p.norm] as const),
    colourOf(3),
  );
  return figure(960, 620, `Ridge regression: λ against fit, a polynomial of degree ${DEGREE} through ten points`, [
    ...curves,
    errors.toSvg(),
    norms.toSvg(),
  ]);
};

/** λ against fit: a polynomial of degree nine through ten noisy points of a sine, as in Bishop 2006, section 1.1. */
export const ridge = studyOf<RidgeData>('ridge', compute, draw);
