import { escaped, niceTicks, tickText } from '../text/chart.js';

/** What a picture draws of a trial. */
export interface Dot {
  readonly number: number;
  readonly state: 'complete' | 'pruned' | 'failed';
  readonly score: number | undefined;
  /** Where each dimension lies in its range, from 0 to 1; undefined while its branch is not chosen. */
  readonly shares: readonly (number | undefined)[];
  readonly title: string;
}

/** A dimension as it is drawn. */
export interface Axis {
  readonly name: string;
  /** The words at its ends; one a value for a choice. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** How good a score is among all, 0 the worst and 1 the best, by rank: one outlier does not wash out the rest. */
export type Rank = (score: number) => number;

const round = (value: number): string => String(Math.round(value * 10) / 10);

/** From grey-violet over blue and green to yellow (viridis at five points, interpolated). */
const stops = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
] as const;
export const colour = (rank: number): string => {
  const at = Math.min(Math.max(rank, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const mix = (i: 0 | 1 | 2): number => {
    const [a, b] = [stops[low]?.[i] ?? 0, stops[low + 1]?.[i] ?? 0];
    return Math.round(a + (b - a) * (at - low));
  };
  return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
};

const svg = (width: number, height: number, label: string, body: string): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">${body}</svg>`;

const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(words)}</text>`;

/** Scores as a vertical axis: from the median of the worse half upwards would hide nothing that matters, so outliers are cut at the edge. */
const scoreRange = (scores: readonly number[], direction: 'max' | 'min'): readonly [number, number] => {
  const sorted = [...scores].sort((a, b) => a - b);
  const [low = 0, high = 1] = [sorted[0], sorted.at(-1)];
  const middle = sorted[Math.floor(sorted.length / 2)] ?? low;
  const best = direction === 'max' ? high : low;
  const reach = 4 * Math.abs(best - middle);
  const [from, to] = direction === 'max' ? [Math.max(low, best - reach), high] : [low, Math.min(high, best + reach)];
  const pad = (to - from || Math.abs(to) || 1) * 0.06;
  return [from - pad, to + pad];
};

const frame = (left: number, top: number, width: number, height: number): string =>
  `<rect class="frame" x="${left}" y="${top}" width="${width}" height="${height}"/>`;

const verticalAxis = ([low, high]: readonly [number, number], left: number, top: number, width: number, height: number): string =>
  niceTicks(low, high)
    .map((tick) => {
      const y = top + height * (1 - (tick - low) / (high - low));
      return `<line class="grid" x1="${left}" x2="${left + width}" y1="${round(y)}" y2="${round(y)}"/>${text(left - 6, y + 4, tickText(tick), 'text-anchor="end"')}`;
    })
    .join('');

/** Scores by trial number, the best so far as a line, rounds as bands. */
export const history = (dots: readonly Dot[], direction: 'max' | 'min', objective: string, rounds: readonly number[]): string => {
  const [left, top, width, height] = [64, 14, 660, 250];
  const scored = dots.filter((dot) => dot.score !== undefined);
  const [low, high] = scoreRange(
    scored.map(({ score }) => score as number),
    direction,
  );
  const last = Math.max(dots.at(-1)?.number ?? 1, 1);
  const x = (number: number): number => left + (width * number) / last;
  const y = (score: number): number => top + height * (1 - (Math.min(Math.max(score, low), high) - low) / (high - low));
  let best: number | undefined;
  let path = '';
  for (const { number, score } of scored) {
    if (best === undefined || (direction === 'max' ? (score as number) > best : (score as number) < best)) {
      path +=
        best === undefined ? `M${round(x(number))} ${round(y(score as number))}` : `H${round(x(number))}V${round(y(score as number))}`;
      best = score as number;
    }
  }
  const bands = rounds.map((start, index) => {
    const end = rounds[index + 1] ?? last + 0.5;
    return index % 2 === 1
      ? `<rect class="band" x="${round(x(start - 0.5))}" y="${top}" width="${round(x(end - 0.5) - x(start - 0.5))}" height="${height}"/>`
      : '';
  });
  const marks = dots.map(({ number, state, score, title }) =>
    score === undefined
      ? `<path class="${state}" d="M${round(x(number) - 3)} ${top + height - 8}l6 6m0 -6l-6 6"><title>${escaped(title)}</title></path>`
      : `<circle class="dot" cx="${round(x(number))}" cy="${round(y(score))}" r="3.2"><title>${escaped(title)}</title></circle>`,
  );
  const numbers = niceTicks(0, last, 8)
    .filter(Number.isInteger)
    .map((tick) => text(x(tick), top + height + 18, String(tick), 'text-anchor="middle"'));
  const body = [
    ...bands,
    verticalAxis([low, high], left, top, width, height),
    frame(left, top, width, height),
    ...marks,
    `<path class="best" d="${path}H${left + width}"/>`,
    ...numbers,
    text(left + width / 2, top + height + 36, 'trial', 'text-anchor="middle" class="name"'),
  ];
  return svg(740, 310, `${objective} by trial`, body.join(''));
};

/** One line a trial through all its hyperparameters to its score. */
export const parallelCoordinates = (dots: readonly Dot[], axes: readonly Axis[], rank: Rank, objective: string): string => {
  const [left, top, height] = [40, 52, 250];
  const gap = Math.max(110, 660 / Math.max(axes.length, 1));
  const x = (at: number): number => left + gap * at;
  const y = (share: number): number => top + height * (1 - Math.min(Math.max(share, 0), 1));
  const lines = dots
    .filter((dot) => dot.score !== undefined)
    .sort((a, b) => rank(a.score as number) - rank(b.score as number))
    .map(({ shares, score, title }) => {
      const points = [...shares, rank(score as number)].flatMap((share, at) =>
        share === undefined ? [] : [`${round(x(at))},${round(y(share))}`],
      );
      return `<polyline points="${points.join(' ')}" stroke="${colour(rank(score as number))}"><title>${escaped(title)}</title></polyline>`;
    });
  const names = [
    ...axes,
    {
      name: objective,
      ticks: [
        { at: 0, text: 'worst' },
        { at: 1, text: 'best' },
      ],
    },
  ];
  // Long names have two gaps to themselves: every other one stands higher. The outermost keep within the picture.
  const longest = Math.floor((2 * gap) / 7.5);
  const posts = names.map(
    ({ name, ticks }, at) =>
      `<line class="axis" x1="${round(x(at))}" x2="${round(x(at))}" y1="${top}" y2="${top + height}"/>${text(
        at === 0 ? 4 : x(at),
        top - (at % 2 === 0 ? 14 : 32),
        name.length > longest ? `…${name.slice(1 - longest)}` : name,
        `text-anchor="${at === 0 ? 'start' : 'middle'}" class="name"`,
      )}${ticks.map(({ at: share, text: words }) => text(x(at) + 5, y(share) + 4, words, 'class="tick"')).join('')}`,
  );
  return svg(left + gap * axes.length + 70, 328, 'parallel coordinates', `<g class="lines">${lines.join('')}</g>${posts.join('')}`);
};

/** Score against each hyperparameter, a small picture each; later trials are brighter. */
export const slices = (dots: readonly Dot[], axes: readonly Axis[], direction: 'max' | 'min', objective: string): string => {
  const [left, top, width, height] = [58, 10, 220, 150];
  const scored = dots.filter((dot) => dot.score !== undefined);
  const range = scoreRange(
    scored.map(({ score }) => score as number),
    direction,
  );
  const [low, high] = range;
  const last = Math.max(dots.at(-1)?.number ?? 1, 1);
  const one = ({ name, ticks }: Axis, at: number): string => {
    const marks = scored.flatMap(({ shares, score, number, title }) => {
      const share = shares[at];
      if (share === undefined) return [];
      const y = top + height * (1 - (Math.min(Math.max(score as number, low), high) - low) / (high - low));
      return [
        `<circle cx="${round(left + width * Math.min(Math.max(share, -0.02), 1.02))}" cy="${round(y)}" r="3" fill="${colour(number / last)}"><title>${escaped(title)}</title></circle>`,
      ];
    });
    const words = ticks.map(({ at: share, text: tick }) => text(left + width * share, top + height + 16, tick, 'text-anchor="middle"'));
    const body = [
      verticalAxis(range, left, top, width, height),
      frame(left, top, width, height),
      ...marks,
      ...words,
      text(left + width / 2, top + height + 34, name, 'text-anchor="middle" class="name"'),
    ];
    return svg(300, 200, `${objective} against ${name}`, body.join(''));
  };
  return `<div class="slices">${axes.map(one).join('')}</div>`;
};

/** Shares of the variance as bars, the largest first. */
export const importanceBars = (importance: Readonly<Record<string, number>>): string => {
  const rows = Object.entries(importance).sort((a, b) => b[1] - a[1]);
  const bars = rows.map(([name, share], index) => {
    const y = 8 + 28 * index;
    return `${text(190, y + 14, name, 'text-anchor="end"')}<rect class="bar" x="200" y="${y}" width="${round(440 * share)}" height="18" rx="2"/>${text(206 + 440 * share, y + 14, `${(100 * share).toFixed(1)} %`)}`;
  });
  return svg(740, 16 + 28 * rows.length, 'importance', bars.join(''));
};

/** Trials in the plane of two hyperparameters, and the regions that each round looked at. */
export const zoom = (
  dots: readonly Dot[],
  axes: readonly [Axis, Axis],
  at: readonly [number, number],
  boxes: readonly (readonly [number, number, number, number])[],
  rank: Rank,
): string => {
  const [left, top, width, height] = [90, 14, 460, 360];
  const x = (share: number): number => left + width * Math.min(Math.max(share, 0), 1);
  const y = (share: number): number => top + height * (1 - Math.min(Math.max(share, 0), 1));
  const marks = dots.flatMap(({ shares, score, title }) => {
    const [a, b] = [shares[at[0]], shares[at[1]]];
    if (a === undefined || b === undefined || score === undefined) return [];
    return [
      `<circle cx="${round(x(a))}" cy="${round(y(b))}" r="4" fill="${colour(rank(score))}"><title>${escaped(title)}</title></circle>`,
    ];
  });
  const frames = boxes.map(
    ([a, b, c, d], index) =>
      `<rect class="box" x="${round(x(a))}" y="${round(y(d))}" width="${round(x(b) - x(a))}" height="${round(y(c) - y(d))}" stroke-width="${1 + index}"/>${text(x(a) + 4, y(d) + 14, `round ${index + 1}`, 'class="tick"')}`,
  );
  const below = axes[0].ticks.map(({ at: share, text: tick }) => text(x(share), top + height + 18, tick, 'text-anchor="middle"'));
  const beside = axes[1].ticks.map(({ at: share, text: tick }) => text(left - 8, y(share) + 4, tick, 'text-anchor="end"'));
  const body = [
    frame(left, top, width, height),
    ...marks,
    ...frames,
    ...below,
    ...beside,
    text(left + width / 2, top + height + 36, axes[0].name, 'text-anchor="middle" class="name"'),
    text(left, top - 2, axes[1].name, 'class="name"'),
  ];
  return svg(580, 420, 'the zoom of coarse-to-fine', body.join(''));
};
