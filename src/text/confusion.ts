import { table } from './table.js';

/** A confusion matrix as a table: true classes down, predicted classes across, zeros as dots so that the mistakes stand out. */
export const confusionText = ({
  classes,
  matrix,
}: {
  readonly classes: readonly (string | number | boolean)[];
  readonly matrix: readonly (readonly number[])[];
}): string => {
  const cell = (value: number): string => (value === 0 ? '·' : Number.isInteger(value) ? String(value) : value.toFixed(2));
  return table([['true \\ predicted', ...classes.map(String)], ...matrix.map((row, i) => [String(classes[i]), ...row.map(cell)])]);
};
