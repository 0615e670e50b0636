import { expectOptions, isBoolean, isNumber, optionsOf } from '../errors/index.js';
import { type Tensor, traceOf } from '../trace/index.js';
import { type LogitsOptions, type Loss, loss, meanOfRow, sumOfRow } from './loss.js';

/**
 * max(0, 1 − s·z), s = ±1 for the two classes; mean over the outputs. Cortes & Vapnik 1995. The decision is at z = 0, and so at ½ of the
 * sigmoid that predictions go through; that ½ is a decision, not a calibrated probability.
 *
 * Shapes: scores [batch, n], targets 0 or 1 [batch, n] → [batch].
 */
export const hinge = (): Loss =>
  loss('hinge', { targets: 'binary', output: 'sigmoid' }, (prediction, target) => {
    const sign = target.multiply(2).subtract(1);
    return meanOfRow(sign.multiply(prediction).negate().add(1).relu());
  });

/** Options of `focal`. */
export interface FocalOptions {
  /** γ ≥ 0, default 2 as in the paper; 0 is cross-entropy. */
  gamma?: number;
  /** Multiplies the loss, default 1. The paper's class-wise α is the trainer's `classWeights`. */
  alpha?: number;
  /** Share ε of each target that is spread evenly over all classes, in [0, 1); default 0. */
  labelSmoothing?: number;
}

const focalOptions = optionsOf('losses/focal', {
  gamma: isNumber({ min: 0 }),
  alpha: isNumber({ above: 0 }),
  labelSmoothing: isNumber({ min: 0, below: 1 }),
});

/**
 * −α·(1−p)^γ·log p, p the softmax probability of the right class: what is already right counts little.
 * Lin et al. 2017, arXiv:1708.02002, equation 5, for any number of classes. With label smoothing ε each class counts by its share of the target,
 * Σⱼ qⱼ·(1−pⱼ)^γ·(−log pⱼ) with q = (1−ε)·target + ε/classes, as in Keras's `CategoricalFocalCrossentropy`.
 *
 * Shapes: logits [batch, classes], class indices [batch] → [batch]; of sequences [batch, time, classes], [batch, time] → the mean over time.
 */
export const focal = (options: FocalOptions = {}): Loss => {
  expectOptions('focal', options, focalOptions, focal);
  const { gamma = 2, alpha = 1, labelSmoothing = 0 } = options;
  const about = { targets: 'classes', output: 'softmax', options: { gamma, alpha, labelSmoothing } } as const;
  // (1−p)^γ·(−log p). x^γ = exp(γ·log x), and log 0 is −∞: 1e-12 squared is still a normal f32.
  const focused = (entropy: Tensor): Tensor => {
    if (gamma === 0) return entropy;
    const missing = entropy.negate().exp().negate().add(1);
    const factor = gamma === 1 ? missing : gamma === 2 ? missing.square() : missing.maximum(1e-12).log().multiply(gamma).exp();
    return factor.multiply(entropy);
  };
  return loss('focal', about, (prediction, target) => {
    const right = focused(traceOf(prediction).apply('softmaxCrossEntropy', [prediction, target], {}, focal));
    if (labelSmoothing === 0) return meanOfRow(right.multiply(alpha));
    const all = focused(prediction.logSoftmax().negate()).mean(-1);
    return meanOfRow(
      right
        .multiply(1 - labelSmoothing)
        .add(all.multiply(labelSmoothing))
        .multiply(alpha),
    );
  });
};

const klOptions = optionsOf('losses/klDivergence', { fromLogits: isBoolean });

/**
 * Σⱼ pⱼ·(log pⱼ − log qⱼ): targets p are distributions, q = softmax(logits); a term with pⱼ = 0 is 0. Kullback & Leibler 1951.
 *
 * Shapes: logits [batch, n], distributions [batch, n] → [batch].
 */
export const klDivergence = (options: LogitsOptions = {}): Loss => {
  expectOptions('klDivergence', options, klOptions, klDivergence);
  const { fromLogits = true } = options;
  return loss(
    'klDivergence',
    { targets: 'numbers', output: fromLogits ? 'softmax' : 'identity', options: { fromLogits } },
    (prediction, target) => {
      const logQ = fromLogits ? prediction.logSoftmax() : prediction.maximum(1e-7).log();
      return sumOfRow(target.multiply(target.maximum(1e-30).log().subtract(logQ)));
    },
  );
};
