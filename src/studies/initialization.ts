import { heNormal, normal, xavierNormal } from '../initializers/index.js';
import type { Initializer } from '../initializers/initializer.js';
import { Chart, colourOf, figure, words } from '../text/chart.js';
import { short } from '../text/number.js';
import { studyOf } from './study.js';

/** What one way of starting makes of a random batch, layer by layer. */
export interface DepthPanel {
  readonly name: string;
  /** Standard deviation of the activations of each layer. */
  readonly deviations: readonly number[];
  /** Share that is saturated (|tanh| above 0.95) or dead (ReLU at 0). */
  readonly idle: readonly number[];
  /** Shares of the activations of each layer in 41 bins from −1 to 1 (0 to 3 for ReLU). */
  readonly histograms: readonly (readonly number[])[];
}

const [LAYERS, UNITS, ROWS, BINS] = [10, 192, 128, 41];

interface Way {
  readonly name: string;
  readonly kernel: Initializer;
  readonly relu?: boolean;
  readonly normalized?: boolean;
}

const ways: readonly Way[] = [
  { name: 'Gaussian 0.01, tanh: collapses', kernel: normal({ deviation: 0.01 }) },
  { name: 'Gaussian 1, tanh: saturates', kernel: normal({ deviation: 1 }) },
  { name: 'Xavier, tanh: holds', kernel: xavierNormal() },
  { name: 'He, ReLU: holds', kernel: heNormal(), relu: true },
  { name: 'Gaussian 0.01, batch norm, tanh: rescued', kernel: normal({ deviation: 0.01 }), normalized: true },
];

const deviationOf = (values: Float64Array): number => {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
};

/** Each column to mean 0 and variance 1, as batch norm does it. */
const normalize = (x: Float64Array): void => {
  for (let j = 0; j < UNITS; j++) {
    let [sum, square] = [0, 0];
    for (let i = j; i < x.length; i += UNITS) sum += x[i]!;
    for (let i = j; i < x.length; i += UNITS) square += (x[i]! - sum / ROWS) ** 2;
    const scale = 1 / Math.sqrt(square / ROWS + 1e-12);
    for (let i = j; i < x.length; i += UNITS) x[i] = (x[i]! - sum / ROWS) * scale;
  }
};

const panel = ({ name, kernel, relu = false, normalized = false }: Way, seed: number): DepthPanel => {
  let x: Float64Array = normal({ deviation: 1 }).sample([ROWS, UNITS], { seed, precision: 'f64' });
  const [deviations, idle, histograms]: [number[], number[], number[][]] = [[], [], []];
  for (let layer = 0; layer < LAYERS; layer++) {
    const w = kernel.sample([UNITS, UNITS], { seed: seed * 100 + layer + 1, precision: 'f64' });
    const y = new Float64Array(ROWS * UNITS);
    for (let i = 0; i < ROWS; i++) {
      for (let k = 0; k < UNITS; k++) {
        const factor = x[i * UNITS + k]!;
        for (let j = 0; j < UNITS; j++) y[i * UNITS + j] = y[i * UNITS + j]! + factor * w[k * UNITS + j]!;
      }
    }
    if (normalized) normalize(y);
    x = y.map((v) => (relu ? Math.max(v, 0) : Math.tanh(v)));
    deviations.push(deviationOf(x));
    idle.push(x.reduce((count, v) => count + Number(relu ? v === 0 : Math.abs(v) > 0.95), 0) / x.length);
    const bins: number[] = new Array(BINS).fill(0);
    for (const v of x) {
      const at = Math.min(BINS - 1, Math.max(0, Math.floor((relu ? v / 3 : (v + 1) / 2) * BINS)));
      bins[at] = bins[at]! + 1 / x.length;
    }
    histograms.push(bins);
  }
  return { name, deviations, idle, histograms };
};

const draw = (panels: readonly DepthPanel[]): string => {
  const parts = panels.map(({ name, deviations, histograms }, p) => {
    const relu = name.includes('ReLU');
    const box = { left: 60 + (p % 3) * 320, top: 74 + Math.floor(p / 3) * 300, width: 250, height: 180 };
    const [low, high] = relu ? [0, 3] : [-1, 1];
    const chart = new Chart(box, { x: [0.4, LAYERS + 0.6], y: [low, high], title: name, xName: 'layer' });
    histograms.forEach((bins, layer) => {
      // The zeros of a ReLU would hide all the rest.
      const most = Math.max(...bins.slice(relu ? 1 : 0));
      bins.forEach((share, bin) => {
        if (share === 0) return;
        const half = 0.44 * Math.min(share / most, 1) ** 0.6;
        const [left, right] = [chart.x(layer + 1 - half), chart.x(layer + 1 + half)];
        const [top, bottom] = [chart.y(low + ((bin + 1) / BINS) * (high - low)), chart.y(low + (bin / BINS) * (high - low))];
        chart.add(
          `<rect x="${left.toFixed(1)}" y="${top.toFixed(1)}" width="${(right - left).toFixed(1)}" height="${(bottom - top + 0.3).toFixed(1)}" fill="${colourOf(p)}" fill-opacity="${(0.35 + 0.65 * Math.min(share / most, 1)).toFixed(2)}"/>`,
        );
      });
    });
    const numbers = [0, 4, 9].map((layer) =>
      words(chart.x(layer + 1), box.top + box.height + 46, `σ ${short(deviations[layer]!)}`, 'text-anchor="middle" class="tick"'),
    );
    return chart.toSvg() + numbers.join('');
  });
  const all = panels.flatMap(({ deviations }) => deviations).filter((d) => d > 0);
  const chart = new Chart(
    { left: 700, top: 374, width: 250, height: 180 },
    { x: [1, LAYERS], y: [Math.max(Math.min(...all), 1e-18), 2], logY: true, title: 'Deviation by depth', xName: 'layer' },
  );
  panels.forEach(
    ({ deviations }, p) =>
      void chart.line(
        deviations.map((d, i) => [i + 1, Math.max(d, 1e-18)] as const),
        colourOf(p),
      ),
  );
  return figure(980, 640, 'Initialization by depth: what ten layers make of a random batch', [...parts, chart.toSvg()]);
};

/**
 * Activations by depth for five ways of starting: a small Gaussian collapses, a large one saturates tanh, Xavier with tanh and He with ReLU
 * hold, and batch norm rescues the small one. Glorot & Bengio 2010; He et al. 2015; Ioffe & Szegedy 2015.
 */
export const initialization = studyOf<readonly DepthPanel[]>('initialization', async (seed) => ways.map((way) => panel(way, seed)), draw);
