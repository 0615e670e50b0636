import { Chart, colourOf, figure, words } from '../text/chart.js';

/** A line with a band of one standard deviation on either side. */
export interface BandLine {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly deviation: number }[];
}

const [width, height] = [680, 420] as const;

/** The least and the greatest, with a little room; of one value alone a range around it. */
const rangeOf = (values: readonly number[], room: number): readonly [number, number] => {
  const [low, high] = values.length === 0 ? [0, 1] : [Math.min(...values), Math.max(...values)];
  const more = (high - low) * room || Math.abs(high) * 0.1 || 1;
  return [low - more, high + more];
};

/**
 * Lines with bands as a picture; what is not finite is left out. `ticks` names the places of an axis that is not of numbers. Places that
 * span more than a factor of ten are drawn by powers: sizes and rates are chosen so.
 */
export const bandPicture = (
  lines: readonly BandLine[],
  { x, y, ticks }: { readonly x: string; readonly y: string; readonly ticks?: readonly string[] },
): string => {
  const drawn = lines.map(({ name, points }) => ({ name, points: points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y)) }));
  const all = drawn.flatMap(({ points }) => points);
  const reach = ({ deviation }: { readonly deviation: number }): number => (Number.isFinite(deviation) ? deviation : 0);
  const places = [...new Set(all.map((p) => p.x))].sort((a, b) => a - b);
  const [first = 0, last = 1] = [places[0], places.at(-1)];
  const logX = ticks === undefined && first > 0 && last > 10 * first;
  const factor = (last / first) ** 0.03;
  const ownTicks = places.map((at) => ({ at, text: ticks?.[at] ?? String(Number(at.toPrecision(4))) }));
  const chart = new Chart(
    { left: 70, top: 56, width: width - 160, height: height - 116 },
    {
      x: logX ? [first / factor, last * factor] : rangeOf(places, 0.03),
      y: rangeOf(
        all.flatMap((p) => [p.y - reach(p), p.y + reach(p)]),
        0.04,
      ),
      title: '',
      xName: x,
      yName: y,
      logX,
      ...(ticks !== undefined || places.length <= 8 ? { xTicks: ownTicks } : {}),
    },
  );
  const at = (px: number, py: number): string => `${px.toFixed(1)},${py.toFixed(1)}`;
  drawn.forEach(({ points }, i) => {
    const edge = (sign: number): string[] => points.map((p) => at(chart.x(p.x), chart.y(p.y + sign * reach(p))));
    chart.add(`<polygon points="${[...edge(1), ...edge(-1).reverse()].join(' ')}" fill="${colourOf(i)}" fill-opacity="0.18"/>`);
  });
  const names: string[] = [];
  let above = Number.NEGATIVE_INFINITY;
  drawn.forEach(({ points }, i) => {
    const way = points.map((p) => [p.x, p.y] as const);
    chart.line(way, colourOf(i)).dots(way, colourOf(i), 3.5);
  });
  // Each name beside the end of its line, a line of text apart from the one above.
  const ends = drawn.flatMap(({ name, points }, i) => {
    const end = points.at(-1);
    return end === undefined ? [] : [{ name, colour: colourOf(i), y: chart.y(end.y) }];
  });
  for (const end of ends.sort((a, b) => a.y - b.y)) {
    above = Math.max(end.y + 4, above + 14);
    names.push(words(width - 84, above, end.name, `style="fill:${end.colour};font-weight:600"`));
  }
  return figure(width, height, `${y} against ${x}, mean ± deviation of the folds`, [chart.toSvg(), ...names]);
};
