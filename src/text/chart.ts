/** Text within SVG or HTML. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string);

/** Round numbers that span a range: about `count`, and never one or two alone where a finer step gives more. */
export const niceTicks = (low: number, high: number, count = 5): number[] => {
  if (!(high > low)) return [low];
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const steps = [0.5, 1, 2, 5, 10];
  const widest = steps.findIndex((m, i) => i > 0 && m * power >= raw);
  const ticksOf = (step: number): number[] => {
    const ticks: number[] = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) ticks.push(Number(tick.toPrecision(12)));
    return ticks;
  };
  const at = widest < 0 ? steps.length - 1 : widest;
  const ticks = ticksOf((steps[at] as number) * power);
  return ticks.length > 2 ? ticks : ticksOf((steps[at - 1] as number) * power);
};

/** Numbers as a picture needs them. */
export type Point = readonly [x: number, y: number];

/** The part of a figure that one chart fills, in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** What a chart shows: ranges, their words, and whether an axis goes by powers of ten. */
export interface Axes {
  readonly x: readonly [low: number, high: number];
  readonly y: readonly [low: number, high: number];
  readonly title: string;
  readonly xName?: string;
  readonly yName?: string;
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Places of the x axis with their own words, instead of round numbers. */
  readonly xTicks?: readonly { readonly at: number; readonly text: string }[];
}

export const colours = ['#1f77b4', '#d95f02', '#1b9e77', '#7570b3', '#e7298a', '#666666', '#a6761d'] as const;
export const colourOf = (index: number): string => colours[index % colours.length] as string;

const fixed = (value: number): string => String(Math.round(value * 10) / 10);

/** As few digits as a tick needs: 0.5, 1e-8. */
export const tickText = (value: number): string => {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(0).replace('e+', 'e') : String(Number(value.toPrecision(3)));
};

/** Text in a figure. */
export const words = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${fixed(x)}" y="${fixed(y)}" ${more}>${escaped(content)}</text>`;

/** One chart of a figure: from values to pixels, and what is drawn. */
export class Chart {
  readonly #axes: Axes;
  readonly #box: Box;
  readonly #parts: string[] = [];
  readonly #names: { readonly name: string; readonly colour: string }[] = [];

  constructor(box: Box, axes: Axes) {
    this.#box = box;
    this.#axes = axes;
  }

  readonly #share = (value: number, [low, high]: readonly [number, number], log: boolean | undefined): number => {
    const at = log === true ? (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low)) : (value - low) / (high - low);
    return Math.min(Math.max(at, -0.02), 1.02);
  };
  readonly x = (value: number): number => this.#box.left + this.#box.width * this.#share(value, this.#axes.x, this.#axes.logX);
  readonly y = (value: number): number => this.#box.top + this.#box.height * (1 - this.#share(value, this.#axes.y, this.#axes.logY));

  /** Anything, behind what comes later. */
  add(svg: string): this {
    this.#parts.push(svg);
    return this;
  }

  /** A line; what is not finite breaks off. With a name it stands in the legend. */
  line(points: readonly Point[], colour: string, options: { name?: string; dash?: string; width?: number } = {}): this {
    const { name, dash, width = 2 } = options;
    const path = points
      .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))
      .map(([x, y]) => `${fixed(this.x(x))},${fixed(this.y(y))}`);
    const dashed = dash === undefined ? '' : ` stroke-dasharray="${dash}"`;
    this.#parts.push(
      `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-linejoin="round"${dashed}/>`,
    );
    if (name !== undefined) this.#names.push({ name, colour });
    return this;
  }

  dots(points: readonly Point[], colour: string, radius = 2.5): this {
    for (const [x, y] of points)
      this.#parts.push(
        `<circle cx="${fixed(this.x(x))}" cy="${fixed(this.y(y))}" r="${radius}" fill="${colour}" stroke="white" stroke-width="0.5"/>`,
      );
    return this;
  }

  /** A surface as shades: the darker the lower, by rank, so that narrow valleys show. */
  shades(of: (x: number, y: number) => number, columns = 72, rows = 54): this {
    const { x, y } = this.#axes;
    const values = Array.from({ length: columns * rows }, (_, i) => {
      const [column, row] = [i % columns, Math.floor(i / columns)];
      return of(x[0] + ((column + 0.5) / columns) * (x[1] - x[0]), y[0] + ((row + 0.5) / rows) * (y[1] - y[0]));
    });
    const sorted = Float64Array.from(values).sort();
    const rank = (value: number): number => {
      let [low, high] = [0, sorted.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((sorted[middle] as number) < value) low = middle + 1;
        else high = middle;
      }
      return low / sorted.length;
    };
    const { left, top, width, height } = this.#box;
    // Twelve steps read as contours, and neighbours of one step are one rectangle.
    const step = (i: number): number => Math.floor(rank(values[i] as number) * 12);
    for (let row = 0; row < rows; row++) {
      for (let from = 0, column = 1; column <= columns; column++) {
        if (column < columns && step(row * columns + column) === step(row * columns + from)) continue;
        const grey = 170 + step(row * columns + from) * 7;
        this.#parts.push(
          `<rect x="${fixed(left + (from / columns) * width)}" y="${fixed(top + (1 - (row + 1) / rows) * height)}" width="${fixed(((column - from) / columns) * width + 0.4)}" height="${fixed(height / rows + 0.4)}" fill="rgb(${grey - 10},${grey},${Math.min(grey + 14, 255)})"/>`,
        );
        from = column;
      }
    }
    return this;
  }

  #ticks(range: readonly [number, number], log: boolean | undefined): number[] {
    if (log !== true) return niceTicks(range[0], range[1], 4);
    const [from, to] = [Math.ceil(Math.log10(range[0]) - 1e-9), Math.floor(Math.log10(range[1]) + 1e-9)];
    const every = Math.max(1, Math.ceil((to - from) / 5));
    return Array.from({ length: Math.floor((to - from) / every) + 1 }, (_, i) => 10 ** (from + i * every));
  }

  /** The whole chart. */
  toSvg(): string {
    const { left, top, width, height } = this.#box;
    const { title, xName, yName, logX, logY } = this.#axes;
    const clip = `clip-${fixed(left)}-${fixed(top)}`;
    const places = this.#axes.xTicks ?? this.#ticks(this.#axes.x, logX).map((at) => ({ at, text: tickText(at) }));
    const below = places.map(({ at, text }) => words(this.x(at), top + height + 14, text, 'text-anchor="middle" class="tick"'));
    const beside = this.#ticks(this.#axes.y, logY).map((tick) =>
      words(left - 5, this.y(tick) + 4, tickText(tick), 'text-anchor="end" class="tick"'),
    );
    const legend = this.#names.map(
      ({ name, colour }, i) =>
        `<rect x="${left + width - 12}" y="${top + 8 + 15 * i}" width="8" height="3" fill="${colour}"/>${words(left + width - 16, top + 13 + 15 * i, name, 'text-anchor="end" class="legend"')}`,
    );
    return [
      `<clipPath id="${clip}"><rect x="${left}" y="${top}" width="${width}" height="${height}"/></clipPath>`,
      `<g clip-path="url(#${clip})">${this.#parts.join('')}</g>`,
      `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#444"/>`,
      words(left, top - 8, title, 'class="title"'),
      ...below,
      ...beside,
      xName === undefined ? '' : words(left + width / 2, top + height + 30, xName, 'text-anchor="middle"'),
      yName === undefined
        ? ''
        : words(
            left - 40,
            top + height / 2,
            yName,
            `text-anchor="middle" transform="rotate(-90 ${fixed(left - 40)} ${fixed(top + height / 2)})"`,
          ),
      ...legend,
    ].join('');
  }
}

const style =
  '<style>text{font-family:system-ui,sans-serif;font-size:11px;fill:#222}.title{font-weight:600;font-size:13px}.tick{font-size:10px;fill:#555}.legend{paint-order:stroke;stroke:white;stroke-width:3px}.head{font-weight:700;font-size:16px}</style>';

/** Charts under a headline, as one picture that stands by itself. */
export const figure = (width: number, height: number, title: string, parts: readonly string[]): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">${style}<rect width="${width}" height="${height}" fill="white"/>${words(20, 28, title, 'class="head"')}${parts.join('')}</svg>\n`;
