/** A line with a band of one standard deviation on either side. */
export interface BandLine {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly deviation: number }[];
}

const width = 640;
const height = 400;
const left = 70;
const bottom = 50;
const colours = ['#1f77b4', '#d95f02', '#1b9e77', '#7570b3', '#666666'];

/** At most six round marks between two values. */
const marks = (low: number, high: number): number[] => {
  const raw = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw;
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((high - first) / step + 1e-9) + 1) }, (_, i) => first + i * step);
};

const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const label = (value: number): string => String(Number(value.toPrecision(4)));

/** Lines with bands as a picture; what is not finite is left out. `ticks` names the places of an axis that is not of numbers. */
export const bandPicture = (
  lines: readonly BandLine[],
  { x, y, ticks }: { readonly x: string; readonly y: string; readonly ticks?: readonly string[] },
): string => {
  const drawn = lines.map(({ name, points }) => ({ name, points: points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y)) }));
  const all = drawn.flatMap(({ points }) => points);
  const reach = ({ deviation }: { readonly deviation: number }): number => (Number.isFinite(deviation) ? deviation : 0);
  const range = (values: number[]): [number, number] => (values.length === 0 ? [0, 1] : [Math.min(...values), Math.max(...values)]);
  const [x0, x1] = range(all.map((p) => p.x));
  const [y0, y1] = range(all.flatMap((p) => [p.y - reach(p), p.y + reach(p)]));
  const px = (v: number): string => (left + ((v - x0) / (x1 - x0 || 1)) * (width - left - 20)).toFixed(1);
  const py = (v: number): string => (height - bottom - ((v - y0) / (y1 - y0 || 1)) * (height - bottom - 20)).toFixed(1);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<path d="M${left} 20V${height - bottom}H${width - 20}" fill="none" stroke="#333"/>`,
  ];
  for (const v of marks(y0, y1)) parts.push(`<text x="${left - 6}" y="${py(v)}" text-anchor="end" dy="4">${label(v)}</text>`);
  const places = ticks === undefined ? marks(x0, x1).map((v) => [v, label(v)] as const) : ticks.map((text, i) => [i, text] as const);
  for (const [v, text] of places) parts.push(`<text x="${px(v)}" y="${height - bottom + 18}" text-anchor="middle">${escaped(text)}</text>`);
  drawn.forEach(({ name, points }, i) => {
    const colour = colours[i % colours.length] as string;
    const upper = points.map((p) => `${px(p.x)},${py(p.y + reach(p))}`);
    const lower = points.map((p) => `${px(p.x)},${py(p.y - reach(p))}`).reverse();
    parts.push(`<polygon points="${[...upper, ...lower].join(' ')}" fill="${colour}" fill-opacity="0.18"/>`);
    parts.push(
      `<polyline points="${points.map((p) => `${px(p.x)},${py(p.y)}`).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    );
    parts.push(`<text x="${width - 26}" y="${34 + 16 * i}" text-anchor="end" fill="${colour}">${escaped(name)}</text>`);
  });
  parts.push(`<text x="${(width + left) / 2}" y="${height - 12}" text-anchor="middle">${escaped(x)}</text>`);
  parts.push(`<text transform="translate(16 ${height / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text></svg>`);
  return parts.join('\n');
};
