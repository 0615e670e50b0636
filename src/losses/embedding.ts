import { expectOptions, isInteger, isNumber, optionsOf } from '../errors/index.js';
import { traceOf } from '../trace/index.js';
import { type Loss, loss } from './loss.js';

/** Options of `triplet` and `contrastive`. */
export interface MarginOptions {
  /** How far apart rows of different classes should be, above 0; default 1. */
  margin?: number;
}
const marginOptions = optionsOf('losses/margin', { margin: isNumber({ above: 0 }) });

/** The model gives embeddings, whatever their width; rows are compared by their classes within a batch. */
const pairs = (kind: 'triplet' | 'contrastive', options: MarginOptions): Loss => {
  const { margin = 1 } = options;
  return loss(kind, { targets: 'labels', output: 'identity', options: { margin } }, (prediction, target) =>
    traceOf(prediction).apply('embeddingLoss', [prediction, target], { kind, margin }, pairs),
  );
};

/**
 * max(0, d(a, p) − d(a, n) + margin) over embeddings, d(x, y) = ‖x − y‖: each row of a batch is an anchor a, p the farthest row of its class
 * in the batch and n the nearest of another; 0 for a row that lacks one. Schroff, Kalenichenko & Philbin 2015, arXiv:1503.03832; "batch
 * hard" of Hermans, Beyer & Leibe 2017, arXiv:1703.07737.
 *
 * A batch should hold several rows of several classes: triplets are made of it, none are given. `predict` gives the embeddings.
 * Shapes: embeddings [batch, width], class indices [batch] → [batch]. Cost: batch²·width.
 * @example new Trainer({ model: sequential([dense(32, { activation: 'relu' }), dense(2)]), loss: triplet({ margin: 0.5 }), batchSize: 64 })
 */
export const triplet = (options: MarginOptions = {}): Loss => {
  expectOptions('triplet', options, marginOptions, triplet);
  return pairs('triplet', options);
};

/**
 * ½d² for pairs of one class, ½·max(0, margin − d)² for others, d = ‖x − y‖; of each row the mean over the other rows of its batch. Hadsell,
 * Chopra & LeCun 2006, equation 4.
 *
 * Pairs are made of the batch by class, none are given. `predict` gives the embeddings. Shapes: embeddings [batch, width], class indices
 * [batch] → [batch]. Cost: batch²·width.
 */
export const contrastive = (options: MarginOptions = {}): Loss => {
  expectOptions('contrastive', options, marginOptions, contrastive);
  return pairs('contrastive', options);
};

/** Options of `ctc`. */
export interface CtcOptions {
  /** Index of the blank label, default 0. */
  blank?: number;
}
const ctcOptions = optionsOf('losses/ctc', { blank: isInteger({ min: 0 }) });

/**
 * Connectionist temporal classification: −log of the summed probability of all alignments of a row's labels with its time steps. Graves,
 * Fernández, Gomez & Schmidhuber 2006. A row with more labels (and blanks between equal ones) than time steps is ∞, which a fit reports.
 *
 * Targets are rows of label indices as numbers, all of one length: shorter ones are filled up with the blank, as in
 * `Dataset.from({ features, targets: [[3, 1, 0], [2, 0, 0]] })`. `predict` gives the logits, time step by time step.
 * Shapes: logits [batch, time, classes], labels [batch, most] → [batch].
 */
export const ctc = (options: CtcOptions = {}): Loss => {
  expectOptions('ctc', options, ctcOptions, ctc);
  const { blank = 0 } = options;
  return loss('ctc', { targets: 'sequences', output: 'identity', options: { blank } }, (prediction, target) =>
    traceOf(prediction).apply('ctc', [prediction, target], { blank }, ctc),
  );
};
