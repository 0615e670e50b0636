import { escaped, niceTicks, tickText } from '../text/chart.js';
import { short } from '../text/number.js';
import { type Axis, type Dot, history, importanceBars, parallelCoordinates, type Rank, slices, zoom } from './pictures.js';
import { roundEnd } from './rounds.js';
import type { Search } from './search.js';
import type { PointTrial } from './search-plan.js';
import { shownValue } from './shown-value.js';
import type { FlatSpace } from './space.js';
import type { StudyResult } from './study.js';
import type { Trial } from './trial.js';

const style = `
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --line: #d9dee7; --paper: #fff; --accent: #2563eb; --band: #f3f5f9; --bad: #d92d20; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #344054; --paper: #12161d; --accent: #7aa7ff; --band: #1a202a; --bad: #f97066; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 20px 64px; max-width: 960px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 8px; } p { margin: 4px 0; color: var(--soft); }
.best { color: var(--ink); font-size: 17px; } .warning { color: var(--bad); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { padding: 5px 10px; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th, td { white-space: nowrap; } th { color: var(--soft); font-weight: 500; } .scroll { overflow-x: auto; }
svg { width: 100%; height: auto; display: block; } .scroll > svg { min-width: 600px; max-width: 880px; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .name { fill: var(--ink); font-size: 12px; }
.frame { fill: none; stroke: var(--line); } .grid { stroke: var(--line); stroke-width: .5; } .axis { stroke: var(--soft); } .band { fill: var(--band); }
.dot { fill: var(--accent); fill-opacity: .55; } svg .best { fill: none; stroke: var(--accent); stroke-width: 2; } .failed { stroke: var(--bad); } .pruned { stroke: var(--soft); }
.lines polyline { fill: none; stroke-opacity: .6; stroke-width: 1.4; } .lines polyline:hover { stroke-width: 4; stroke-opacity: 1; } .bar { fill: var(--accent); }
.tick { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
.box { fill: none; stroke: var(--ink); stroke-opacity: .7; } .slices { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 8px; }
`;

const axisOf = (space: FlatSpace, at: number): Axis => {
  const { name, kind, low = 0, high = 0, count = 0 } = space.dimensions[at] as (typeof space.dimensions)[number];
  if (kind === 'choice') {
    const ticks = Array.from({ length: count }, (_, index) => ({ at: (index + 0.5) / count, text: shownValue(space.shown(at, index)) }));
    return { name, ticks: ticks.map(({ at: share, text }) => ({ at: share, text: text.length > 12 ? `${text.slice(0, 11)}…` : text })) };
  }
  const inner = kind.startsWith('log')
    ? Array.from({ length: 40 }, (_, i) => 10 ** (i - 20)).filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
    : niceTicks(low, high, 4);
  const values = inner.length >= 2 ? inner : [low, high];
  return { name, ticks: [...new Set(values)].map((value) => ({ at: space.share(at, value), text: tickText(value) })) };
};

const titleOf = ({ number, state, score, params, error }: Trial): string => {
  const values = Object.entries(params as Readonly<Record<string, unknown>>).map(([name, value]) => `${name} ${shownValue(value)}`);
  return [`trial ${number}: ${score === undefined ? state : short(score)}`, ...values, ...(error === undefined ? [] : [error])].join('\n');
};

/** The study as one HTML page: no script, nothing loaded, light and dark. */
export const reportOf = (study: StudyResult, search: Search): string => {
  const { space, sampler, trials: total } = search.plan;
  const { objective, direction, best } = study;
  const trials = search.trials();
  const scores = trials.flatMap(({ trial }) => (trial.score === undefined ? [] : [trial.score])).sort((a, b) => a - b);
  const rank: Rank = (score) => {
    const below = scores.findIndex((other) => other >= score) / Math.max(scores.length - 1, 1);
    return direction === 'max' ? below : 1 - below;
  };
  const dot = ({ point, trial }: PointTrial): Dot => ({
    number: trial.number,
    state: trial.state,
    score: trial.score,
    shares: space.dimensions.map((_, at) => {
      const value = point[at];
      return value === null || value === undefined ? undefined : space.share(at, value);
    }),
    title: titleOf(trial),
  });
  const dots = trials.map(dot);
  const axes = space.dimensions.map((_, at) => axisOf(space, at));
  const starts = [0];
  if (sampler.kind === 'coarseToFine')
    for (let end = roundEnd(sampler, 0, total); end < total; end = roundEnd(sampler, end, total)) starts.push(end);
  const { importance } = study;
  const names = Object.keys(best.params);
  const row = (trial: Trial): string => {
    const spread = Number.isFinite(trial.standardDeviation) ? ` ± ${short(trial.standardDeviation as number)}` : '';
    const cells = names.map((name) => shownValue((trial.params as Readonly<Record<string, unknown>>)[name]));
    return `<tr>${[String(trial.number), `${short(trial.score as number)}${spread}`, ...cells].map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`;
  };
  const count = (state: Trial['state']): number => trials.filter(({ trial }) => trial.state === state).length;
  const section = (title: string, words: string, body: string): string =>
    body === '' ? '' : `<h2>${title}</h2><p>${words}</p><div class="scroll">${body}</div>`;
  const test = Object.entries((study.testScores ?? {}) as Readonly<Record<string, number>>).map(
    ([name, value]) => `${name} ${short(value)}`,
  );
  // The zoom is drawn for the two ranges that matter most.
  const ranges = space.dimensions.flatMap(({ kind, under }, at) => (kind === 'choice' || under !== undefined ? [] : [at]));
  ranges.sort((a, b) => (importance[space.top(b)] ?? 0) - (importance[space.top(a)] ?? 0));
  const [first, second] = ranges;
  let zoomed = '';
  if (sampler.kind === 'coarseToFine' && first !== undefined && second !== undefined) {
    const boxes = search.regions().flatMap((parts) => {
      const [a, b] = [parts[first], parts[second]];
      return a !== undefined && b !== undefined && 'low' in a && 'low' in b ? [[a.low, a.high, b.low, b.high] as const] : [];
    });
    zoomed = zoom(dots, [axes[first] as Axis, axes[second] as Axis], [first, second], boxes, rank);
  }
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Study: ${escaped(objective)}</title><style>${style}</style></head><body>
<h1>Search for the best ${escaped(objective)}</h1>
<p>${trials.length} trials: ${count('complete')} complete, ${count('pruned')} pruned, ${count('failed')} failed; ${escaped(sampler.kind)}, seed ${search.plan.seed}, ${search.plan.views.length === 1 ? 'one split' : `${search.plan.views.length} folds each`}</p>
<p class="best">Best: trial ${best.number} with ${short(best.score)}${test.length === 0 ? '' : `; refitted, on the test set: ${escaped(test.join(', '))}`}</p>
${study.warnings.map((warning) => `<p class="warning">${escaped(warning)}</p>`).join('\n')}
<div class="scroll"><table><thead><tr>${['trial', objective, ...names].map((name) => `<th>${escaped(name)}</th>`).join('')}</tr></thead><tbody>${study.top(10).map(row).join('')}</tbody></table></div>
${section('History', `The score of each trial, and the best so far${starts.length > 1 ? '; bands are the rounds' : ''}. Crosses were pruned or failed.`, history(dots, direction, objective, starts))}
${section('Importance', 'Share of the variance of the score that each hyperparameter explains by itself (fANOVA).', importanceBars(importance))}
${section('Parallel coordinates', 'One line a trial, coloured from the worst to the best by rank.', parallelCoordinates(dots, axes, rank, objective))}
${section('Slices', 'The score against each hyperparameter; later trials are brighter.', slices(dots, axes, direction, objective))}
${section('Zoom', 'Where coarse-to-fine looked, round by round, in the plane of the two ranges that matter most.', zoomed)}
</body></html>
`;
};
