import { expectOptions, isArrayLike, NablaError, optionsOf } from '../errors/index.js';
import { confusionText } from '../text/confusion.js';
import { classIndices, type Label } from './class-indices.js';
import type { WeightOptions } from './classification.js';

/** Rows by true and by predicted class. */
export interface ConfusionMatrix<L extends Label = Label> {
  /** In order of the alphabet, or of numbers. */
  readonly classes: readonly L[];
  /** `matrix[i][j]`: rows (or their weight) of class i that were given class j. */
  readonly matrix: readonly (readonly number[])[];
  /** The matrix as a table; `console.log` prints it so. */
  toString(): string;
}

const inspect = Symbol.for('nodejs.util.inspect.custom');

const confusionOptions = optionsOf('metrics/confusionMatrix', { weights: isArrayLike });

/**
 * Counts of true against predicted classes, truth down and predictions across as in scikit-learn.
 * @example confusionMatrix([0, 1, 1], [0, 1, 0]).matrix // [[1, 0], [1, 1]]
 */
export const confusionMatrix = <L extends Label>(
  labels: ArrayLike<L>,
  predictions: ArrayLike<L>,
  options: WeightOptions = {},
): ConfusionMatrix<L> => {
  expectOptions('confusionMatrix', options, confusionOptions, confusionMatrix);
  const { weights } = options;
  const { classes, truth, predicted } = classIndices('confusionMatrix', labels, predictions);
  if (weights !== undefined && weights.length !== truth.length) {
    throw new NablaError({
      code: 'SHAPE_MISMATCH',
      place: 'confusionMatrix',
      message: `${weights.length} weights for ${truth.length} rows.`,
      expected: `${truth.length} weights`,
      received: `${weights.length} weights`,
    });
  }
  const matrix = classes.map(() => new Array<number>(classes.length).fill(0));
  truth.forEach((k, row) => {
    matrix[k]![predicted[row]!]! += weights?.[row] ?? 1;
  });
  // Its data only are enumerable, so that it compares and travels as JSON.
  const text = { value: () => confusionText({ classes, matrix }) };
  return Object.defineProperties({ classes: classes as readonly L[], matrix }, { toString: text, [inspect]: text });
};
