import { invalidOption, isOneOf, NablaError, shown } from '../errors/index.js';
import { Tensor, traceOf } from '../trace/index.js';

export const lossNames = [
  'crossEntropy',
  'binaryCrossEntropy',
  'meanSquaredError',
  'meanAbsoluteError',
  'huber',
  'logCosh',
  'hinge',
  'focal',
  'klDivergence',
  'poisson',
  'triplet',
  'contrastive',
  'ctc',
] as const;

export type LossName = (typeof lossNames)[number];

/** A function of the model's output and the target, one value a row: [batch, …], [batch, …] → [batch]. */
export type LossFunction = (prediction: Tensor, target: Tensor) => Tensor;

/**
 * What the target tensor holds: `'classes'` indices of classes [batch], with an output for each; `'labels'` such indices, whatever the
 * output; `'binary'` 0 or 1 [batch, 1]; `'numbers'` [batch, width]; `'sequences'` label indices [batch, most]; `'any'` whatever the data set
 * has (a user's own function).
 */
export type TargetKind = 'classes' | 'labels' | 'binary' | 'numbers' | 'sequences' | 'any';

/** What turns the model's output into a prediction. */
export type OutputActivation = 'softmax' | 'sigmoid' | 'identity';

/** A loss: a function that a user can call like any other, with what the trainer must know about it. */
export interface Loss {
  (prediction: Tensor, target: Tensor): Tensor;
  readonly kind: LossName | 'custom';
  readonly targets: TargetKind;
  readonly output: OutputActivation;
  /** The kind and its options as plain data. */
  toJSON(): { readonly kind: string; readonly [option: string]: unknown };
}

/** Where a loss is expected: a name, a value, or a function of one's own. */
export type LossLike = LossName | Loss | LossFunction;

/** Options of losses that take logits. */
export interface LogitsOptions {
  /** The model gives logits, not probabilities: the sum stays finite where a probability would round to 0. Default `true`. */
  fromLogits?: boolean;
}

/** A loss value. */
export const loss = (
  kind: Loss['kind'],
  about: { targets: TargetKind; output: OutputActivation; options?: Readonly<Record<string, unknown>> },
  run: LossFunction,
): Loss => {
  const request = kind === 'custom' ? { kind: 'loss' } : { kind: 'loss', name: kind };
  const call = (prediction: Tensor, target: Tensor): Tensor =>
    traceOf(prediction).within(call, request, () => {
      const value: unknown = run(prediction, target);
      if (value instanceof Tensor) return value;
      throw new NablaError({
        code: 'INVALID_OPTION',
        place: 'loss',
        message: `expected the loss to return a Tensor with one value a row, got ${shown(value)}.`,
        expected: 'a Tensor [batch]',
        received: shown(value),
        hint: 'is a return missing?',
      });
    });
  const data = { kind, ...about.options };
  return Object.defineProperties(call, {
    kind: { value: kind, enumerable: true },
    targets: { value: about.targets, enumerable: true },
    output: { value: about.output, enumerable: true },
    toJSON: { value: () => data },
    name: { value: kind },
  }) as Loss;
};

/** Mean over all axes but the batch: [batch, …] → [batch]. */
export const meanOfRow = (x: Tensor): Tensor => (x.rank < 2 ? x : x.mean(axesOfRow(x)));

/** Sum over all axes but the batch: [batch, …] → [batch]. */
export const sumOfRow = (x: Tensor): Tensor => (x.rank < 2 ? x : x.sum(axesOfRow(x)));

const axesOfRow = (x: Tensor): number[] => Array.from({ length: x.rank - 1 }, (_, i) => i + 1);

/** True for what `crossEntropy()` and its kin give, false for a user's own function. */
export const isLoss = (value: unknown): value is Loss =>
  typeof value === 'function' && 'kind' in value && 'targets' in value && 'output' in value;

/** `INVALID_OPTION` with the nearest name. */
export const unknownLoss = (value: unknown): Error =>
  invalidOption('loss', 'loss', `${isOneOf(lossNames)('')}, or a function of prediction and target`, value);
