import { Dataset, groupNamesOf, schemaOf } from '../data/dataset.js';
import type { TargetSchema } from '../data/schema.js';
import { expectOptions, isNumber, optionsOf } from '../errors/index.js';
import { short } from '../text/number.js';
import { expectDataset, expectSameSchema } from '../trainer/trainer.js';

/** A column and how well it alone tells the target of rows that it has not seen. */
export interface ColumnScore {
  readonly column: string;
  /** Of several targets: which. */
  readonly target: string;
  /** Share of what there is to explain: 1 − error/error of the mean (or of the most frequent class); leave-one-out. At most 1. */
  readonly score: number;
}

/** What `leaks` found; prints as a list. */
export interface Leaks {
  /** Columns that alone nearly give the target, best first: is their value known before the target is? */
  readonly columns: readonly ColumnScore[];
  /** With `test`: rows of it whose features stand among the training rows too. */
  readonly sharedRows: Uint32Array;
  /** With `test`: groups that have rows on both sides. */
  readonly sharedGroups: readonly string[];
  /** Every column's score, best first. */
  readonly scores: readonly ColumnScore[];
  /** One sentence a finding. */
  readonly findings: readonly string[];
  toString(): string;
}

/** Options of `leaks`. */
export interface LeaksOptions {
  /** Rows that are to judge: none of them should be among the training rows. */
  readonly test?: Dataset;
  /** Scores from which a column is reported. Default 0.97: the best honest column of the built-in sets has 0.95. */
  readonly threshold?: number;
}

const leaksOptions = optionsOf('validation/leaks', {
  test: (value) => (value instanceof Dataset ? undefined : 'to be a Dataset'),
  threshold: isNumber({ min: 0, max: 1 }),
});

/** Rows that are looked at, at most; every so many of a larger set. */
const most = 20_000;
/** Neighbours in the order of a column that say what a row's target should be. */
const neighbours = 4;

/** Error of predicting each row by its neighbours in the order of one column: rows of the same value where there are enough of them. */
const errorOf = (x: Float64Array, y: Float64Array, classes: number): number => {
  const n = x.length;
  // Missing cells are one value, at the end.
  const order = Uint32Array.from(x, (_, i) => i).sort((a, b) => {
    const [u, v] = [x[a] as number, x[b] as number];
    return Number.isNaN(u) ? (Number.isNaN(v) ? a - b : 1) : Number.isNaN(v) ? -1 : u - v || a - b;
  });
  const at = (i: number): number => y[order[i] as number] as number;
  const same = (i: number, j: number): boolean => Object.is(x[order[i] as number], x[order[j] as number]);
  const count = new Float64Array(classes);
  let sum = 0;
  /** The error of row i, told by rows from..to without itself. */
  const judge = (i: number, from: number, to: number): number => {
    const others = to - from - 1;
    if (classes === 0) return (at(i) - (sum - at(i)) / others) ** 2;
    const own = at(i);
    count[own]!--;
    let best = 0;
    for (let k = 1; k < classes; k++) if ((count[k] as number) > (count[best] as number)) best = k;
    // Of classes that are as many the own one counts by its share.
    const ties = count.reduce((total, c) => total + Number(c === count[best]), 0);
    const right = count[own] === count[best] ? 1 / ties : 0;
    count[own]!++;
    return 1 - right;
  };
  const take = (i: number, sign: number): void => {
    if (classes === 0) sum += sign * at(i);
    else count[at(i)]! += sign;
  };
  let error = 0;
  for (let from = 0; from < n; ) {
    let to = from + 1;
    while (to < n && same(from, to)) to++;
    if (to - from > neighbours) {
      for (let i = from; i < to; i++) take(i, 1);
      for (let i = from; i < to; i++) error += judge(i, from, to);
      for (let i = from; i < to; i++) take(i, -1);
    } else {
      for (let i = from; i < to; i++) {
        const low = Math.max(0, Math.min(i - neighbours / 2, n - 1 - neighbours));
        const high = Math.min(n, low + neighbours + 1);
        for (let k = low; k < high; k++) take(k, 1);
        error += judge(i, low, high);
        for (let k = low; k < high; k++) take(k, -1);
      }
    }
    sum = 0;
    from = to;
  }
  return error / n;
};

/** The error of knowing nothing, leave-one-out. */
const trivialOf = (y: Float64Array, classes: number): number => errorOf(new Float64Array(y.length), y, classes);

const targetsOf = (data: Dataset): { readonly name: string; readonly target: TargetSchema; readonly values: Float64Array }[] => {
  const { target } = schemaOf(data);
  if (target === null) return [];
  if (target.kind === 'several') return target.targets.map((one) => ({ ...one, values: data.targets(one.name) }));
  return [{ name: '', target, values: data.targets() }];
};

const column = (values: Float64Array, rows: number, width: number, j: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, row) => values[row * width + j] as number);

const scoresOf = async (data: Dataset): Promise<ColumnScore[]> => {
  const step = Math.max(1, data.rows / most);
  const view = data.select(Uint32Array.from({ length: Math.floor(data.rows / step) }, (_, i) => Math.floor(i * step)));
  const { columns, width } = schemaOf(data);
  const features = view.features();
  const scores: ColumnScore[] = [];
  for (const { name, target, values } of targetsOf(view)) {
    if (target.kind !== 'classes' && target.kind !== 'numbers') continue;
    const classes = target.kind === 'classes' ? target.names.length : 0;
    const outputs = target.kind === 'numbers' ? target.width : 1;
    for (let output = 0; output < outputs; output++) {
      const y = column(values, view.rows, outputs, output);
      const trivial = trivialOf(y, classes);
      if (!(trivial > 0)) continue;
      const own = outputs > 1 && target.kind === 'numbers' ? (target.names[output] ?? name) : name;
      for (let j = 0; j < width; j++) {
        if (j % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
        const error = errorOf(column(features, view.rows, width, j), y, classes);
        scores.push({ column: columns[j]?.name ?? String(j), target: own, score: 1 - error / trivial });
      }
    }
  }
  return scores.sort((a, b) => b.score - a.score);
};

const sharedRows = (train: Dataset, test: Dataset): Uint32Array => {
  const { width } = schemaOf(train);
  const rows = (data: Dataset): string[] => {
    const features = data.features();
    return Array.from({ length: data.rows }, (_, row) => features.subarray(row * width, (row + 1) * width).join());
  };
  const known = new Set(rows(train));
  return Uint32Array.from(rows(test).flatMap((key, row) => (known.has(key) ? [row] : [])));
};

const sharedGroups = (train: Dataset, test: Dataset): string[] => {
  const of = (data: Dataset): Set<string> => {
    const names = groupNamesOf(data);
    return new Set(Array.from(new Set(data.groups() ?? []), (group) => names?.[group] ?? String(group)));
  };
  const left = of(train);
  return [...of(test)].filter((name) => left.has(name));
};

/**
 * Looks for what makes a score too good: columns that alone nearly give the target (made from it, or known only after it), rows and groups
 * that stand on both sides of a split. Preparation needs no such look: steps of a recipe are fitted inside each training part.
 *
 * A column is judged by leave-one-out: each row's target from the four rows next to it in the order of that column, or from those of the
 * same value. So a number that only increases with the target, its category, or the number of a row in a sorted file are found as well.
 * Of at most 20,000 rows; cost: columns · rows · log rows.
 * @example
 * const { columns } = await leaks(train, { test });
 * for (const { column, score } of columns) console.log(`${column} alone explains ${score} of the target`);
 */
export const leaks = async (data: Dataset, options: LeaksOptions = {}): Promise<Leaks> => {
  expectDataset('leaks', data);
  expectOptions('leaks', options, leaksOptions, leaks);
  const { test, threshold = 0.97 } = options;
  if (test !== undefined) expectSameSchema('test', schemaOf(data), schemaOf(test));
  // Fewer rows say nothing of a column.
  const scores = data.rows < 30 ? [] : await scoresOf(data);
  const columns = scores.filter(({ score }) => score >= threshold);
  const rows = test === undefined ? new Uint32Array(0) : sharedRows(data, test);
  const groups = test === undefined ? [] : sharedGroups(data, test);
  const findings = [
    ...columns.map(
      ({ column, target, score }) =>
        `The column "${column}" alone nearly gives the target${target === '' ? '' : ` "${target}"`} (${short(score)} of what there is to explain): is it known before the target is?`,
    ),
    ...(rows.length > 0
      ? [`${rows.length} of the ${test?.rows} test rows have the features of a training row (the first: ${rows[0]}).`]
      : []),
    ...(groups.length > 0 ? [`Groups on both sides: ${groups.slice(0, 10).join(', ')}${groups.length > 10 ? ', …' : ''}.`] : []),
  ];
  const print = (): string => (findings.length === 0 ? 'no leak found' : findings.join('\n'));
  const text = { value: print };
  const result = { columns, sharedRows: rows, sharedGroups: groups, scores, findings };
  return Object.defineProperties(result, { toString: text, [Symbol.for('nodejs.util.inspect.custom')]: text }) as Leaks;
};
