import { Chart, figure, type Point, words } from '../text/chart.js';
import { short } from '../text/number.js';
import type { HealthRecord, LayerHealth, ParameterHealth, Statistics } from './record.js';
import type { HealthVerdict } from './verdict.js';

/** What is drawn. */
interface Drawn {
  readonly records: readonly HealthRecord[];
  readonly verdict: HealthVerdict;
  readonly layer: string | undefined;
  readonly findings: readonly { readonly layer: string; readonly text: string }[];
}

/** From the first layer's blue to the last one's orange. */
const shade = (index: number, count: number): string => {
  const at = count < 2 ? 0 : index / (count - 1);
  const mix = (a: number, b: number): number => Math.round(a + at * (b - a));
  return `rgb(${mix(31, 230)},${mix(100, 110)},${mix(180, 20)})`;
};

const positive = (values: readonly number[]): number[] => values.filter((value) => Number.isFinite(value) && value > 0);

/** A range by powers of ten that holds all values. */
const decades = (values: readonly number[]): readonly [number, number] => {
  const known = positive(values);
  if (known.length === 0) return [1e-3, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return [10 ** Math.floor(Math.log10(low) - 0.1), 10 ** Math.ceil(Math.log10(high) + 0.1)];
};

const kernelOf = ({ parameters }: LayerHealth): ParameterHealth | undefined => parameters.find(({ kernel }) => kernel);

const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

/** One line a layer over the steps. */
const overTime = (
  records: readonly HealthRecord[],
  place: { readonly left: number; readonly top: number },
  title: string,
  of: (layer: LayerHealth) => number | undefined,
  marks: readonly { readonly at: number; readonly name: string }[] = [],
): string => {
  const names = [...new Set(records.flatMap(({ layers }) => layers.filter((l) => of(l) !== undefined).map(({ layer }) => layer)))];
  const lines = names.map((name) =>
    records.flatMap(({ step, layers }): Point[] => {
      const layer = layers.find((other) => other.layer === name);
      const value = layer && of(layer);
      return value === undefined || !(value > 0) ? [] : [[step, value]];
    }),
  );
  const steps = records.map(({ step }) => step);
  const [first, last] = [steps[0] ?? 0, steps.at(-1) ?? 0];
  const y = decades([...lines.flat().map(([, value]) => value), ...marks.map(({ at }) => at)]);
  const chart = new Chart(
    { ...place, width: 250, height: 180 },
    { x: [first, Math.max(last, first + 1)], y, logY: true, title, xName: 'step' },
  );
  for (const { at, name } of marks)
    chart.line(
      [
        [first, at],
        [Math.max(last, first + 1), at],
      ],
      '#999',
      { dash: '4 3', name, width: 1 },
    );
  if (lines.every(({ length }) => length === 0))
    chart.add(words(place.left + 125, place.top + 95, 'none', 'text-anchor="middle" class="tick"'));
  lines.forEach((points, i) => {
    chart.line(points, shade(i, names.length), { width: 1.5 });
    if (points.length < 30) chart.dots(points, shade(i, names.length), 2);
  });
  return chart.toSvg();
};

/** The gradient along the depth, at the first, the middle and the last step. */
const byDepth = (records: readonly HealthRecord[], place: { readonly left: number; readonly top: number }): string => {
  const chosen = [...new Set([records[0], records[Math.floor(records.length / 2)], records.at(-1)])].filter((r) => r !== undefined);
  const points = chosen.map(({ layers }) =>
    layers.filter(({ signal }) => signal !== undefined).map(({ signal }, i): Point => [i + 1, signal?.norm ?? 0]),
  );
  const [low, high] = decades(points.flat().map(([, value]) => value));
  // Room for the legend.
  const y = [low, high * (high / low) ** 0.25] as const;
  const count = Math.max(2, ...points.map(({ length }) => length));
  const axes = { x: [0.5, count + 0.5], y, logY: true, title: 'Gradient by depth: ‖∂loss/∂output‖', xName: 'layer' } as const;
  const chart = new Chart({ ...place, width: 250, height: 180 }, axes);
  points.forEach((line, i) => {
    // What is 0 lies on the floor.
    const floored = line.map(([x, value]): Point => [x, Math.max(value, y[0])]);
    chart.line(floored, ['#9ecae1', '#6a8fc0', '#1f4e99'][i] ?? '#1f4e99', { name: `step ${chosen[i]?.step}` }).dots(floored, '#1f4e99', 2);
  });
  return chart.toSvg();
};

/** The gradient through time of recurrent layers, in one step. */
const throughTime = (layers: readonly LayerHealth[], place: { readonly left: number; readonly top: number }): string => {
  const known = layers.flatMap(({ layer, steps }) => (steps === undefined ? [] : [{ layer, steps }]));
  const y = decades(known.flatMap(({ steps }) => [...steps]));
  const length = Math.max(2, ...known.map(({ steps }) => steps.length));
  const axes = { x: [1, length], y, logY: true, title: 'Gradient through time, last step', xName: 'step of the sequence' } as const;
  const chart = new Chart({ ...place, width: 250, height: 180 }, axes);
  known.forEach(({ layer, steps }, i) => {
    chart.line(
      steps.map((norm, at): Point => [at + 1, Math.max(norm, y[0])]),
      shade(i, known.length),
      { name: cut(layer, 22), width: 1.5 },
    );
  });
  return chart.toSvg();
};

/** Where gates stand: how much of each is at an end. */
const gatesOver = (records: readonly HealthRecord[], place: { readonly left: number; readonly top: number }): string => {
  const of = ({ layers }: HealthRecord) =>
    layers.flatMap(({ layer, gates = [] }) => gates.map(({ gate, low, high }) => ({ name: `${layer}: ${gate}`, share: low + high })));
  const names = [...new Set(records.flatMap((record) => of(record).map(({ name }) => name)))];
  const steps = records.map(({ step }) => step);
  const [first, last] = [steps[0] ?? 0, steps.at(-1) ?? 0];
  const axes = { x: [first, Math.max(last, first + 1)], y: [0, 1], title: 'Gates at an end (share)', xName: 'step' } as const;
  const chart = new Chart({ ...place, width: 250, height: 180 }, axes);
  names.forEach((name, i) => {
    const points = records.flatMap((record): Point[] =>
      of(record).flatMap((o) => (o.name === name ? [[record.step, o.share] as Point] : [])),
    );
    chart.line(points, shade(i, names.length), names.length > 8 ? { width: 1.5 } : { width: 1.5, name: cut(name, 26) });
  });
  return chart.toSvg();
};

/** A histogram a layer, each over its own range. */
const histograms = (
  layers: readonly { readonly layer: string; readonly of: Statistics }[],
  place: { readonly left: number; readonly top: number },
  title: string,
  range?: readonly [number, number],
): string => {
  const most = 24;
  const shown = layers.length <= most ? layers : Array.from({ length: most }, (_, i) => layers[Math.floor((i * layers.length) / most)]!);
  const y = range ?? ([-1, 1] as const);
  const axes = {
    x: [0.4, Math.max(shown.length, 2) + 0.6],
    y,
    title,
    xName: shown.length < layers.length ? 'layer (some)' : 'layer',
  } as const;
  const chart = new Chart({ ...place, width: 250, height: 180 }, axes);
  shown.forEach(({ of }, i) => {
    const { from, to, counts } = of.histogram;
    const size = Math.max(Math.abs(from), Math.abs(to));
    const scale = range === undefined && size > 0 ? 1 / size : 1;
    // The zeros of a ReLU would hide all the rest.
    const sorted = [...counts].sort((a, b) => b - a);
    const top = Math.max(1, (sorted[0] ?? 0) > 4 * (sorted[1] ?? 0) ? (sorted[1] ?? 1) : (sorted[0] ?? 1));
    const at = (bin: number): number => scale * (from + (bin / counts.length) * (to - from));
    counts.forEach((number, bin) => {
      if (number === 0) return;
      const half = 0.44 * Math.min(number / top, 1) ** 0.6;
      const [left, right] = [chart.x(i + 1 - half), chart.x(i + 1 + half)];
      const [high, low] = [chart.y(at(bin + 1)), chart.y(at(bin))];
      chart.add(
        `<rect x="${left.toFixed(1)}" y="${high.toFixed(1)}" width="${(right - left).toFixed(1)}" height="${Math.max(low - high + 0.3, 0.8).toFixed(1)}" fill="${shade(i, shown.length)}" fill-opacity="${(0.4 + 0.6 * Math.min(number / top, 1)).toFixed(2)}"/>`,
      );
    });
  });
  const numbers = [...new Set([0, Math.floor((shown.length - 1) / 2), shown.length - 1])].flatMap((i) => {
    const deviation = shown[i]?.of.deviation;
    return deviation === undefined
      ? []
      : [words(chart.x(i + 1), place.top + 226, `σ ${short(deviation)}`, 'text-anchor="middle" class="tick"')];
  });
  return chart.toSvg() + numbers.join('');
};

const wrapped = (text: string, width: number): string[] => {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    if (line.length + word.length < width) lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
};

/** Health as a picture: gradients, updates and idle outputs over the steps; gradients by depth; histograms of the last step. */
export const draw = ({ records, verdict, layer, findings }: Drawn): string => {
  const last = records.at(-1)?.layers ?? [];
  const said = findings.flatMap(({ text, layer }) => wrapped(`${layer}: ${text}`, 150)).slice(0, 4);
  const top = 92 + 16 * said.length;
  const idle = ({ outputs, saturated, bound }: LayerHealth): number | undefined =>
    saturated ?? (bound === 'relu' ? outputs?.zeros : undefined);
  const values = last.flatMap(({ layer, outputs }) => (outputs === undefined ? [] : [{ layer, of: outputs }]));
  const gradients = last.flatMap((l) => {
    const kernel = kernelOf(l);
    return kernel === undefined ? [] : [{ layer: l.layer, of: kernel.gradient }];
  });
  const bounded = values.every(({ of }) => of.smallest >= -1.05 && of.largest <= 1.05);
  const recurrent = last.some(({ steps }) => steps !== undefined);
  const gated = last.some(({ gates }) => gates !== undefined);
  const third = recurrent ? 280 : 0;
  const names = values.map(({ layer }, i) => `${i + 1} ${cut(layer, 22)}`).slice(0, 24);
  const legend = names.map((name, i) =>
    words(
      20 + (i % 6) * 158,
      top + third + 556 + 15 * Math.floor(i / 6),
      name,
      `class="tick" style="fill:${shade(i, Math.min(values.length, 24))}"`,
    ),
  );
  const height = top + third + 560 + 15 * Math.ceil(names.length / 6);
  const title = `Gradient health: ${verdict}${layer === undefined ? '' : ` (${layer})`}`;
  return figure(980, height, title, [
    ...said.map((line, i) => words(20, 50 + 16 * i, line)),
    overTime(records, { left: 60, top }, 'Gradient: ‖∂loss/∂output‖', ({ signal }) => signal?.norm),
    overTime(records, { left: 380, top }, 'Update to weight: ‖Δw‖/‖w‖', (l) => kernelOf(l)?.ratio, [{ at: 1e-3, name: 'usual' }]),
    overTime(records, { left: 700, top }, 'Idle: zeros of ReLU, saturated', idle),
    byDepth(records, { left: 60, top: top + 280 }),
    histograms(
      values,
      { left: 380, top: top + 280 },
      bounded ? 'Outputs, last step' : 'Outputs, last step, each to scale',
      bounded ? [-1.05, 1.05] : undefined,
    ),
    histograms(gradients, { left: 700, top: top + 280 }, 'Gradients of kernels, each to scale'),
    ...(recurrent ? [throughTime(last, { left: 60, top: top + 560 })] : []),
    ...(gated ? [gatesOver(records, { left: 380, top: top + 560 })] : []),
    ...legend,
  ]);
};
