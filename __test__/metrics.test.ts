/** Every metric as a function on arrays against scikit-learn's fixture, and the report of classes as it prints. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as metrics from '../src/metrics/index.js';

type Spec = Readonly<Record<string, unknown>> & { readonly kind: string };
interface Case {
  readonly name: string;
  readonly labels?: readonly number[];
  readonly values?: readonly number[];
  readonly classes?: number;
  readonly width: number;
  readonly prediction: readonly number[];
  readonly weights: readonly number[] | null;
  readonly expected: readonly { readonly spec: Spec; readonly value: number | string }[];
}
const { cases } = JSON.parse(readFileSync(new URL('fixtures/metrics.json', import.meta.url), 'utf8')) as { cases: readonly Case[] };

const ofScores = 'rocAuc averagePrecision logLoss brier topKAccuracy calibrationError'.split(' ');
const rowsOf = (values: readonly number[], width: number): number[][] =>
  Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));
const classOf = (row: readonly number[]): number => (row.length === 1 ? Number(row[0]! > 0.5) : row.indexOf(Math.max(...row)));

/** The value of a metric, or undefined where labels alone do not say which classes there are. */
const computed = (data: Case, { kind, ...options }: Spec): number | undefined => {
  const run = (metrics as unknown as Record<string, (truth: unknown, prediction: unknown, options: object) => number>)[kind]!;
  const scores = rowsOf(data.prediction, data.width);
  const more = { ...options, ...(data.weights === null ? {} : { weights: data.weights }) };
  if (data.values !== undefined) return run(rowsOf(data.values, data.width), scores, more);
  const classes = Array.from({ length: data.classes! }, (_, k) => k);
  if (ofScores.includes(kind)) return run(data.labels, data.width === 1 ? data.prediction : scores, { ...more, classes });
  const found = scores.map(classOf);
  const distinct = new Set([...data.labels!, ...found]).size;
  return distinct === data.classes || data.classes === 2 ? run(data.labels, found, more) : undefined;
};

describe('metrics on arrays equal scikit-learn', () => {
  it.each(cases.map((data) => [data.name, data] as const))('%s', (_, data) => {
    let compared = 0;
    for (const { spec, value } of data.expected) {
      const found = computed(data, spec);
      if (found === undefined) continue;
      const expected = Number(value === 'nan' ? Number.NaN : value);
      const near =
        Math.abs(found - expected) <= 1e-9 * Math.max(1e-3, Math.abs(expected)) || (Number.isNaN(found) && Number.isNaN(expected));
      expect(near, `${JSON.stringify(spec)}: ${found}, expected ${expected}`).toBe(true);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });
});

describe('scores', () => {
  it('take any labels, in the order of the columns', () => {
    expect(metrics.rocAuc(['no', 'no', 'yes', 'yes'], [0.1, 0.4, 0.35, 0.8])).toBe(0.75);
    expect(metrics.rocAuc([false, false, true, true], [0.1, 0.4, 0.35, 0.8])).toBe(0.75);
    expect(metrics.rocAuc(['yes', 'yes'], [0.1, 0.2], { classes: ['no', 'yes'] })).toBeNaN();
    expect(
      metrics.topKAccuracy(
        ['b', 'a'],
        [
          [0.1, 0.9, 0],
          [0.2, 0.7, 0.1],
        ],
        { classes: ['a', 'b', 'c'], k: 1 },
      ),
    ).toBe(0.5);
  });

  it.each<[string, () => unknown, object]>([
    [
      'classes that are not all there',
      () =>
        metrics.rocAuc(
          [0, 1],
          [
            [1, 0, 0],
            [0, 1, 0],
          ],
        ),
      { code: 'SHAPE_MISMATCH' },
    ],
    ['a label that is no class', () => metrics.logLoss(['a'], [[0.5, 0.5]], { classes: ['b', 'c'] }), { code: 'INVALID_DATA' }],
    ['one class of which nobody knows whether it is positive', () => metrics.rocAuc(['a'], [1]), { code: 'SHAPE_MISMATCH' }],
    ['what is no probability', () => metrics.logLoss([0, 1], [0.5, 1.5]), { code: 'INVALID_DATA' }],
    ['NaN', () => metrics.rocAuc([0, 1], [0.5, Number.NaN]), { code: 'NOT_FINITE' }],
    ['rows of two lengths', () => metrics.rocAuc([0, 1], [[0.5, 0.5], [1]]), { code: 'SHAPE_MISMATCH' }],
    ['negative weights', () => metrics.rocAuc([0, 1], [0.5, 1], { weights: [1, -1] }), { code: 'INVALID_DATA' }],
    ['several marks for a loss', () => metrics.logLoss([[0, 1]] as never, [[0.5, 1]]), { code: 'INVALID_DATA' }],
    ['an unknown option', () => metrics.rocAuc([0, 1], [0.5, 1], { avrage: 'macro' } as never), { code: 'INVALID_OPTION' }],
  ])('refuse %s', (_, run, error) => expect(run).toThrow(expect.objectContaining(error) as Error));
});

/** As scikit-learn 1.9's `classification_report` gives them. */
it('reports each class', () => {
  const report = metrics.classificationReport(['ant', 'bee', 'bee', 'cat', 'cat', 'cat'], ['ant', 'ant', 'bee', 'cat', 'cat', 'bee']);
  expect(report.classes.map(({ precision, recall, f1, support }) => [precision, recall, f1, support])).toEqual([
    [0.5, 1, 2 / 3, 1],
    [0.5, 0.5, 0.5, 2],
    [1, 2 / 3, 0.8, 3],
  ]);
  expect(report.accuracy).toBeCloseTo(4 / 6, 15);
  expect(String(report)).toBe(
    [
      '                  precision  recall    f1  support',
      'ant                    0.50    1.00  0.67        1',
      'bee                    0.50    0.50  0.50        2',
      'cat                    1.00    0.67  0.80        3',
      '',
      'accuracy                             0.67        6',
      'macro average          0.67    0.72  0.66        6',
      'weighted average       0.75    0.67  0.68        6',
    ].join('\n'),
  );
});
