import { expectOptions, isArrayLike, isInteger, isNumber, optionsOf } from '../errors/index.js';
import { table } from '../text/table.js';
import type { Label } from './class-indices.js';
import type { WeightOptions } from './classification.js';
import { confusionMatrix } from './confusion-matrix.js';

/** Precision, recall and F1 of a class or of an average. */
export interface ReportRow {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Rows (or their weight) that have the class. */
  readonly support: number;
}

/** How well each class is found. */
export interface ClassificationReport<L extends Label = Label> {
  readonly classes: readonly (ReportRow & { readonly class: L })[];
  readonly accuracy: number;
  readonly macro: ReportRow;
  readonly weighted: ReportRow;
  /** A table as scikit-learn prints it; `console.log` prints it so. */
  toString(): string;
}

/** Options of `classificationReport`. */
export interface ClassificationReportOptions extends WeightOptions {
  /** What 0/0 is, in [0, 1]; default 0. */
  zeroDivision?: number;
  /** Decimals of the table; default 2. */
  digits?: number;
}

const reportOptions = optionsOf('metrics/classificationReport', {
  weights: isArrayLike,
  zeroDivision: isNumber({ min: 0, max: 1 }),
  digits: isInteger({ min: 0, max: 15 }),
});

const inspect = Symbol.for('nodejs.util.inspect.custom');

/**
 * Precision, recall and F1 of each class, their plain and weighted means, and the accuracy. scikit-learn's `classification_report`.
 * @example console.log(classificationReport(['cat', 'dog', 'dog'], ['cat', 'dog', 'cat']));
 */
export const classificationReport = <L extends Label>(
  labels: ArrayLike<L>,
  predictions: ArrayLike<L>,
  options: ClassificationReportOptions = {},
): ClassificationReport<L> => {
  expectOptions('classificationReport', options, reportOptions, classificationReport);
  const { weights, zeroDivision = 0, digits = 2 } = options;
  const { classes, matrix } = confusionMatrix(labels, predictions, weights === undefined ? {} : { weights });
  const ratio = (over: number, under: number): number => (under === 0 ? zeroDivision : over / under);
  const rows = matrix.flatMap((row, k) => {
    const support = row.reduce((a, b) => a + b, 0);
    const given = matrix.reduce((sum, other) => sum + other[k]!, 0);
    // 0 and 1 are always classes of the matrix; one that no row has or is given says nothing.
    const seen = Array.prototype.includes.call(labels, classes[k]) || Array.prototype.includes.call(predictions, classes[k]);
    const hits = row[k]!;
    const scores = { precision: ratio(hits, given), recall: ratio(hits, support), f1: ratio(2 * hits, support + given), support };
    return seen ? [{ class: classes[k]!, ...scores }] : [];
  });
  const support = rows.reduce((sum, row) => sum + row.support, 0);
  const mean = (weigh: (row: ReportRow) => number): ReportRow => {
    const total = rows.reduce((sum, row) => sum + weigh(row), 0);
    const of = (name: 'precision' | 'recall' | 'f1'): number => rows.reduce((sum, row) => sum + weigh(row) * row[name], 0) / total;
    return { precision: of('precision'), recall: of('recall'), f1: of('f1'), support };
  };
  const macro = mean(() => 1);
  const weighted = mean(support === 0 ? () => 1 : (row) => row.support);
  const accuracy = matrix.reduce((sum, row, k) => sum + row[k]!, 0) / support;
  const number = (value: number): string => value.toFixed(digits);
  const count = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(digits));
  const line = (name: string, row: ReportRow): string[] => [
    name,
    number(row.precision),
    number(row.recall),
    number(row.f1),
    count(row.support),
  ];
  const print = (): string =>
    table([
      ['', 'precision', 'recall', 'f1', 'support'],
      ...rows.map((row) => line(String(row.class), row)),
      [],
      ['accuracy', '', '', number(accuracy), count(support)],
      line('macro average', macro),
      line('weighted average', weighted),
    ]);
  const text = { value: print };
  return Object.defineProperties({ classes: rows, accuracy, macro, weighted }, { toString: text, [inspect]: text });
};
