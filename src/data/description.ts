import { short } from '../text/number.js';
import { table } from '../text/table.js';

/** A level or class, and how often it occurs. */
export interface LevelCount {
  readonly name: string;
  readonly count: number;
}

/** What a column holds; statistics are null where no cell has a value (quartiles also where the columns have no names). */
export type ColumnSummary =
  | {
      readonly kind: 'number';
      readonly name: string;
      readonly count: number;
      readonly missing: number;
      readonly mean: number | null;
      /** Of the sample: over n − 1. */
      readonly deviation: number | null;
      readonly min: number | null;
      readonly lowerQuartile: number | null;
      readonly median: number | null;
      readonly upperQuartile: number | null;
      readonly max: number | null;
    }
  | {
      readonly kind: 'category';
      readonly name: string;
      readonly count: number;
      readonly missing: number;
      readonly levels: readonly LevelCount[];
    };

/** What the target holds. */
export type TargetSummary =
  | { readonly kind: 'classes'; readonly classes: readonly LevelCount[] }
  | { readonly kind: 'numbers'; readonly columns: readonly ColumnSummary[] }
  | { readonly kind: 'several'; readonly targets: readonly { readonly name: string; readonly target: TargetSummary }[] };

const cell = (value: number | null): string => (value === null ? '' : short(value));
const shownColumns = 12;

const line = (column: ColumnSummary): string[] => {
  const start = [column.name, String(column.count), String(column.missing)];
  if (column.kind === 'category') {
    const levels = column.levels.slice(0, 4).map(({ name, count }) => `${name} ${count}`);
    return [...start, `${levels.join(', ')}${column.levels.length > 4 ? `, … (${column.levels.length} levels)` : ''}`];
  }
  const { mean, deviation, min, lowerQuartile, median, upperQuartile, max } = column;
  return [...start, ...[mean, deviation, min, lowerQuartile, median, upperQuartile, max].map(cell)];
};

const header = ['', 'count', 'missing', 'mean', 'deviation', 'min', '25 %', 'median', '75 %', 'max'];

const targetText = (name: string, target: TargetSummary): string => {
  if (target.kind === 'several') return target.targets.map((one) => targetText(`target ${one.name}`, one.target)).join('');
  if (target.kind === 'classes') return `\n${name}: ${target.classes.map(({ name, count }) => `${name} (${count})`).join(', ')}`;
  return `\n${name}:\n${table([header, ...target.columns.map(line)])}`;
};

/** `data.describe()`: statistics of the columns and the target; printed, it is a table. */
export class Description {
  readonly rows: number;
  readonly columns: readonly ColumnSummary[];
  readonly target: TargetSummary | null;

  constructor(json: string) {
    const { rows, columns, target } = JSON.parse(json) as Pick<Description, 'rows' | 'columns' | 'target'>;
    this.rows = rows;
    this.columns = columns;
    this.target = target;
  }

  toString(): string {
    const lines = this.columns.slice(0, shownColumns).map(line);
    const more = this.columns.length > shownColumns ? `\n… and ${this.columns.length - shownColumns} columns more` : '';
    let text = `${this.rows} rows\n${table([header, ...lines])}${more}`;
    if (this.target !== null) text += targetText('target', this.target);
    return text;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
