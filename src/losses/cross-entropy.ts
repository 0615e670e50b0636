import { expectOptions, isBoolean, isNumber, optionsOf } from '../errors/index.js';
import { traceOf } from '../trace/index.js';
import { type LogitsOptions, type Loss, loss, meanOfRow } from './loss.js';

/** Options of `crossEntropy` and `binaryCrossEntropy`. */
export interface CrossEntropyOptions extends LogitsOptions {
  /** Share ε of each target that is spread evenly over all classes, in [0, 1); default 0. Szegedy et al. 2016, arXiv:1512.00567. */
  labelSmoothing?: number;
}

const crossEntropyOptions = optionsOf('losses/crossEntropy', {
  fromLogits: isBoolean,
  labelSmoothing: isNumber({ min: 0, below: 1 }),
});

/** Probabilities are kept this far from 0 and 1, as in Keras: log 0 and 1/0 are not finite. */
const LEAST = 1e-7;

/**
 * −log p of the right class, p = softmax(logits): log Σⱼ exp(zⱼ) − z_label, in one numerically stable operator.
 * With label smoothing ε: (1−ε)·(−log p_label) + ε·mean_j(−log pⱼ), PyTorch's form.
 *
 * Shapes: logits [batch, classes], class indices [batch] → [batch]; of sequences [batch, time, classes], [batch, time] → the mean over time. With `fromLogits: false` the model gives the probabilities.
 * @example new Trainer({ model: sequential([dense(10)]), loss: crossEntropy({ labelSmoothing: 0.1 }) })
 */
export const crossEntropy = (options: CrossEntropyOptions = {}): Loss => {
  expectOptions('crossEntropy', options, crossEntropyOptions, crossEntropy);
  const { fromLogits = true, labelSmoothing = 0 } = options;
  return loss(
    'crossEntropy',
    { targets: 'classes', output: fromLogits ? 'softmax' : 'identity', options: { fromLogits, labelSmoothing } },
    (prediction, target) => {
      // softmax(log p) = p, so probabilities go through the same operator.
      const logits = fromLogits ? prediction : prediction.maximum(LEAST).log();
      const hard = traceOf(logits).apply('softmaxCrossEntropy', [logits, target], {}, crossEntropy);
      if (labelSmoothing === 0) return meanOfRow(hard);
      return meanOfRow(hard.multiply(1 - labelSmoothing).subtract(logits.logSoftmax().mean(-1).multiply(labelSmoothing)));
    },
  );
};

/**
 * −(t·log p + (1−t)·log(1−p)), p = sigmoid(z), mean over the outputs of a row; from logits t·softplus(−z) + (1−t)·softplus(z).
 * Label smoothing ε moves targets to t·(1−ε) + ε/2.
 *
 * Shapes: logits [batch, n], targets 0 or 1 [batch, n] → [batch].
 */
export const binaryCrossEntropy = (options: CrossEntropyOptions = {}): Loss => {
  expectOptions('binaryCrossEntropy', options, crossEntropyOptions, binaryCrossEntropy);
  const { fromLogits = true, labelSmoothing = 0 } = options;
  return loss(
    'binaryCrossEntropy',
    { targets: 'binary', output: fromLogits ? 'sigmoid' : 'identity', options: { fromLogits, labelSmoothing } },
    (prediction, target) => {
      const t = labelSmoothing === 0 ? target : target.multiply(1 - labelSmoothing).add(labelSmoothing / 2);
      const f = t.negate().add(1);
      // −log sigmoid(z) = softplus(−z): each side keeps its digits, and softplus(z) − t·z would cancel them.
      if (fromLogits) return meanOfRow(t.multiply(prediction.negate().softplus()).add(f.multiply(prediction.softplus())));
      const p = prediction.maximum(LEAST).minimum(1 - LEAST);
      const right = t.multiply(p.log());
      const wrong = f.multiply(p.negate().add(1).log());
      return meanOfRow(right.add(wrong).negate());
    },
  );
};
