import { Dataset } from '../data/dataset.js';
import { maxAbs, minMax, type Preparation, robust, standardize } from '../data/preparation.js';
import { zeros } from '../initializers/index.js';
import { dense, sequential } from '../layers/index.js';
import { sgd } from '../optimizers/index.js';
import { Chart, colourOf, figure, type Point, words } from '../text/chart.js';
import { Trainer } from '../trainer/index.js';
import { studyOf } from './study.js';

/** The shape of the loss of a linear model for one scaling. */
export interface ScalingRow {
  readonly name: string;
  /** Largest over smallest eigenvalue of the loss's second derivative. */
  readonly condition: number;
  /** Steps of gradient descent at the best constant rate until the loss is within a thousandth of its fall; from the eigenvalues. */
  readonly steps: number;
  /** Training loss less the least there is, step by step, as a fit measured it. */
  readonly excess: readonly number[];
  /** The same from the eigenvalues: what the fit must agree with. */
  readonly expected: readonly number[];
}

/** Two weights: the loss, and where gradient descent goes. */
export interface ScalingPanel {
  readonly name: string;
  readonly condition: number;
  /** Second derivative [[a, b], [b, c]] and the weights where the loss is least. */
  readonly second: readonly [a: number, b: number, c: number];
  readonly least: Point;
  readonly path: readonly Point[];
}

/** Eigenvalues and eigenvectors (as columns) of a symmetric matrix: Jacobi's rotations. */
const eigen = (matrix: readonly (readonly number[])[]): { readonly values: number[]; readonly vectors: number[][] } => {
  const a = matrix.map((row) => [...row]);
  const n = a.length;
  const v = a.map((_, i) => Array.from({ length: n }, (_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; sweep++) {
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (a[p]![q] === 0) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const [c, s] = [1 / Math.sqrt(t * t + 1), t / Math.sqrt(t * t + 1)];
        for (const m of [a, v])
          for (let k = 0; k < n; k++) [m[k]![p], m[k]![q]] = [c * m[k]![p]! - s * m[k]![q]!, s * m[k]![p]! + c * m[k]![q]!];
        for (let k = 0; k < n; k++) [a[p]![k], a[q]![k]] = [c * a[p]![k]! - s * a[q]![k]!, s * a[p]![k]! + c * a[q]![k]!];
      }
  }
  return { values: a.map((row, i) => row[i]!), vectors: v };
};

const scalings: readonly (readonly [name: string, step: Preparation | undefined])[] = [
  ['as measured', undefined],
  ['maxAbs', maxAbs()],
  ['minMax', minMax()],
  ['robust', robust()],
  ['standardize', standardize()],
];

const EPOCHS = 200;
const STEPS = 40;

/** Mean squared error of a line without more: its second derivative 2ΦᵀΦ/n, Φ the columns and a one. */
const lossOf = (columns: readonly (readonly number[])[], y: readonly number[]) => {
  const dot = (u: readonly number[], v: readonly number[]): number => u.reduce((sum, x, i) => sum + x * v[i]!, 0);
  const n = y.length;
  const second = columns.map((u) => columns.map((w) => (2 * dot(u, w)) / n));
  const slope = columns.map((u) => (-2 * dot(u, y)) / n);
  const { values, vectors } = eigen(second);
  // From weights of 0: along eigenvector k the way to the least is −g_k/λ_k, and each step leaves 1 − ηλ_k of it.
  const way = values.map((value, k) => -vectors.reduce((sum, row, i) => sum + row[k]! * slope[i]!, 0) / value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rate = 2 / (low + high);
  const excess = (steps: number): number => values.reduce((sum, v, k) => sum + 0.5 * v * (way[k]! * (1 - rate * v) ** steps) ** 2, 0);
  const least = vectors.map((row) => row.reduce((sum, x, k) => sum + x * way[k]!, 0));
  return { second, condition: high / low, rate, excess, least, floor: dot(y, y) / n - excess(0) };
};

const compute = async () => {
  const data = await Dataset.builtin('diabetes');
  const y = Array.from(data.targets());
  const mean = y.reduce((a, b) => a + b, 0) / y.length;
  const deviation = Math.sqrt(y.reduce((sum, v) => sum + (v - mean) ** 2, 0) / y.length);
  const target = y.map((v) => (v - mean) / deviation);
  const width = data.columns.length;
  const raw = Array.from(data.features());
  const matrix = Array.from({ length: data.rows }, (_, i) => raw.slice(i * width, (i + 1) * width));
  const rows: ScalingRow[] = [];
  const panels: ScalingPanel[] = [];
  for (const [name, step] of scalings) {
    const scaled = step === undefined ? matrix : (step.fit(matrix).transform(matrix) as number[][]);
    const features = scaled.map((row) => Array.from(row));
    const column = (j: number): number[] => features.map((row) => row[j]!);
    const { condition, rate, excess, floor } = lossOf([...Array.from({ length: width }, (_, j) => column(j)), target.map(() => 1)], target);
    const fitted = await new Trainer({
      model: sequential([dense(1, { kernelInitializer: zeros() })]),
      loss: 'meanSquaredError',
      optimizer: sgd({ learningRate: rate }),
      batchSize: 'full',
      epochs: EPOCHS,
      precision: 'f64',
    }).fit(Dataset.from({ features, targets: target }), { threads: 1 });
    // The steps until a thousandth is left, by doubling and halving.
    let [low, high] = [0, 1];
    while (excess(high) > 1e-3 * excess(0)) [low, high] = [high, high * 2];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (excess(middle) > 1e-3 * excess(0)) low = middle;
      else high = middle;
    }
    rows.push({
      name,
      condition,
      steps: high,
      excess: fitted.history.map(({ train }) => train.loss - floor),
      expected: fitted.history.map((_, epoch) => excess(epoch)),
    });
    if (name !== 'as measured' && name !== 'standardize') continue;
    // Body mass and blood pressure alone, without the intercept: two weights, which can be drawn.
    const two = [column(2), column(3)];
    const own = lossOf(two, target);
    const [a, b, c] = [own.second[0]![0]!, own.second[0]![1]!, own.second[1]![1]!];
    const least: Point = [own.least[0]!, own.least[1]!];
    const path: Point[] = [[0, 0]];
    for (let i = 0; i < STEPS; i++) {
      const [x, z] = path.at(-1) as Point;
      const [dx, dz] = [x - least[0], z - least[1]];
      path.push([x - own.rate * (a * dx + b * dz), z - own.rate * (b * dx + c * dz)]);
    }
    panels.push({ name, condition: own.condition, second: [a, b, c], least, path });
  }
  return { rows, panels };
};

type ScalingData = Awaited<ReturnType<typeof compute>>;

const draw = ({ rows, panels }: ScalingData): string => {
  const surfaces = panels.map(({ name, condition, second: [a, b, c], least, path }, i) => {
    const reach = 1.5 * Math.max(...path.map(([x, y]) => Math.max(Math.abs(x - least[0]), Math.abs(y - least[1]))));
    const box = { left: 70 + i * 470, top: 74, width: 390, height: 290 };
    const chart = new Chart(box, {
      x: [least[0] - reach, least[0] + reach],
      y: [least[1] - reach, least[1] + reach],
      title: `${name}: condition number ${condition < 100 ? condition.toFixed(1) : condition.toFixed(0)}`,
      xName: 'weight of body mass',
      ...(i === 0 ? { yName: 'weight of blood pressure' } : {}),
    });
    return chart
      .shades((x, y) => a * (x - least[0]) ** 2 + 2 * b * (x - least[0]) * (y - least[1]) + c * (y - least[1]) ** 2)
      .line(path, '#d95f02', { width: 1.5, name: `${STEPS} steps` })
      .dots(path, '#d95f02', 2)
      .dots([least], '#000', 4)
      .toSvg();
  });
  const least = Math.min(...rows.flatMap(({ excess }) => excess.filter((v) => v > 0)));
  const curves = new Chart(
    { left: 70, top: 440, width: 390, height: 230 },
    {
      x: [0, EPOCHS - 1],
      y: [Math.max(least, 1e-4), 1],
      logY: true,
      title: 'All ten columns: the loss above its least',
      xName: 'step of gradient descent at the best rate',
      yName: 'mean squared error',
    },
  );
  rows.forEach(({ name, excess }, i) => {
    curves.line(
      excess.map((v, step) => [step, Math.max(v, 1e-5)] as const),
      colourOf(i),
      { name },
    );
  });
  const top = Math.max(...rows.map(({ condition }) => condition));
  const bars = rows.flatMap(({ name, condition, steps }, i) => {
    const y = 470 + i * 40;
    const width = (200 * Math.log10(condition)) / Math.log10(top);
    return [
      words(540, y + 12, name, 'font-weight="600"'),
      `<rect x="640" y="${y}" width="${width.toFixed(1)}" height="16" fill="${colourOf(i)}"/>`,
      words(646 + width, y + 12, condition < 1000 ? condition.toFixed(0) : condition.toExponential(1).replace('e+', 'e')),
      words(640, y + 29, `${steps.toLocaleString('en-US')} steps`, 'class="tick"'),
    ];
  });
  return figure(960, 720, 'What scaling does to the shape of the loss: a linear model of diabetes', [
    ...surfaces,
    curves.toSvg(),
    words(540, 432, 'Condition number, and steps until a thousandth', 'class="title"'),
    words(540, 448, 'of the fall is left (logarithmic bars)', 'class="title"'),
    ...bars,
  ]);
};

/**
 * What scaling does to the shape of the loss: its condition number before and after, and the steps that gradient descent needs. With the
 * best constant rate 2/(λ₁ + λₙ) the slowest direction shrinks by (κ − 1)/(κ + 1) a step, κ = λₙ/λ₁ (LeCun et al. 1998, Efficient
 * BackProp, section 5).
 */
export const scaling = studyOf<ScalingData>('scaling', compute, draw);
