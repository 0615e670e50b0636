import { inspect } from 'node:util';
import { short } from '../text/number.js';
import { table } from '../text/table.js';
import { draw } from './picture.js';
import type { HealthRecord, LayerHealth } from './record.js';
import { type HealthFinding, type HealthVerdict, judge, recurrentRemedies, remedies } from './verdict.js';

/** Records of a fit with what they mean. Prints as a page, draws itself. */
export class GradientHealth {
  /** The steps that were looked at, in order. */
  readonly records: readonly HealthRecord[];
  /** Why there are no more: training stopped being finite. */
  readonly broke: string | undefined;
  readonly #place: string;
  #found: readonly HealthFinding[] | undefined;

  /** @internal Made by a fit or by `gradientHealth`. */
  constructor(records: readonly HealthRecord[], broke?: { readonly message: string; readonly place: string }) {
    this.records = records;
    this.broke = broke?.message;
    this.#place = broke?.place ?? '';
  }

  /** What is wrong, the cause first. */
  get findings(): readonly HealthFinding[] {
    this.#found ??=
      this.records.length === 0 && this.broke !== undefined
        ? [{ verdict: 'exploding', layer: this.#place, step: 0, evidence: {}, text: this.broke }]
        : judge(this.records, this.broke !== undefined);
    return this.#found;
  }

  /** The first finding's, or `'fine'`. */
  get verdict(): HealthVerdict {
    return this.findings[0]?.verdict ?? 'fine';
  }

  /** The layer that it is about. */
  get layer(): string | undefined {
    return this.findings[0]?.layer;
  }

  /** The numbers that it was judged by. */
  get evidence(): Readonly<Record<string, number>> {
    return this.findings[0]?.evidence ?? {};
  }

  /** What to try, most promising first. */
  get suggestions(): readonly string[] {
    const inRecurrence = this.findings[0]?.recurrence === true ? recurrentRemedies[this.verdict] : undefined;
    return inRecurrence ?? remedies[this.verdict];
  }

  /** Verdict, findings, what to try, and the layers as the last record has them. */
  toString(): string {
    const { verdict, layer, findings, suggestions, records } = this;
    const last = records.at(-1);
    const count = `${records.length} ${records.length === 1 ? 'step' : 'steps'} looked at`;
    const head = `${verdict}${layer === undefined ? '' : `: ${layer}`} (${count})`;
    const why = findings.map((found) => `${found.verdict}: ${found.layer}, step ${found.step}: ${found.text}.`);
    const what = suggestions.map((text, i) => `${i + 1}. ${text}`);
    return [
      head,
      ...why,
      ...(verdict === 'fine' ? [] : what),
      ...(last === undefined ? [] : [`step ${last.step}:`, layers(last.layers), ...recurrences(last.layers)]),
    ].join('\n');
  }

  /** Layers over time, by depth, and their histograms, as one SVG that stands by itself. */
  toSvg(): string {
    return draw(this);
  }

  /** The same as plain data. */
  toJSON(): object {
    const { verdict, layer, evidence, findings, suggestions, records, broke } = this;
    return { verdict, layer, evidence, findings, suggestions, broke, records };
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

const cell = (value: number | undefined): string => (value === undefined || Number.isNaN(value) ? '–' : short(value));
const percent = (value: number | undefined): string => (value === undefined ? '–' : `${(100 * value).toFixed(0)} %`);

/** A line a recurrent layer. */
const recurrences = (list: readonly LayerHealth[]): string[] =>
  list.flatMap(({ layer, steps, gates = [] }) => {
    const parts = steps === undefined ? [] : [`gradient ${cell(steps[0])} at the first step, ${cell(steps.at(-1))} at the last`];
    const stand = gates.map(({ gate, mean, low, high }) => `${gate} ${mean.toFixed(2)} (${percent(low)} low, ${percent(high)} high)`);
    if (stand.length > 0) parts.push(`gates ${stand.join(', ')}`);
    return parts.length === 0 ? [] : [`${layer}: ${parts.join('; ')}`];
  });

/** A row a layer. */
const layers = (list: readonly LayerHealth[]): string =>
  table([
    ['layer', 'outputs', 'zeros', 'saturated', 'dead', '‖signal‖', '‖g‖', '‖w‖', '‖Δw‖/‖w‖'],
    ...list.map(({ layer, outputs, saturated, dead, signal, parameters }) => {
      // Its largest weight speaks for the layer.
      const main = parameters.reduce<(typeof parameters)[number] | undefined>(
        (a, b) => (a === undefined || (b.kernel && !a.kernel) || (b.kernel === a.kernel && b.weightNorm > a.weightNorm) ? b : a),
        undefined,
      );
      return [
        layer,
        outputs === undefined ? '–' : `${short(outputs.mean)} ± ${short(outputs.deviation)}`,
        percent(outputs?.zeros),
        percent(saturated),
        percent(dead),
        cell(signal?.norm),
        cell(main?.gradient.norm),
        cell(main?.weightNorm),
        cell(main?.ratio),
      ];
    }),
  ]);
