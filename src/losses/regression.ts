import { expectOptions, isBoolean, isNumber, optionsOf } from '../errors/index.js';
import { type Loss, loss, meanOfRow } from './loss.js';

const numbers = { targets: 'numbers', output: 'identity' } as const;

/** Mean over the outputs of (ŷ − y)². Shapes: [batch, n], [batch, n] → [batch]. */
export const meanSquaredError = (): Loss =>
  loss('meanSquaredError', numbers, (prediction, target) => meanOfRow(prediction.subtract(target).square()));

/** Mean over the outputs of |ŷ − y|. Shapes: [batch, n], [batch, n] → [batch]. */
export const meanAbsoluteError = (): Loss =>
  loss('meanAbsoluteError', numbers, (prediction, target) => meanOfRow(prediction.subtract(target).abs()));

/** Options of `huber`. */
export interface HuberOptions {
  /** Where the parabola becomes a line, above 0; default 1. */
  delta?: number;
}

const huberOptions = optionsOf('losses/huber', { delta: isNumber({ above: 0 }) });

/** ½e² up to |e| = δ, then δ·(|e| − ½δ), e = ŷ − y; mean over the outputs. Huber 1964. Shapes: [batch, n], [batch, n] → [batch]. */
export const huber = (options: HuberOptions = {}): Loss => {
  expectOptions('huber', options, huberOptions, huber);
  const { delta = 1 } = options;
  return loss('huber', { ...numbers, options: { delta } }, (prediction, target) => {
    const error = prediction.subtract(target).abs();
    const near = error.minimum(delta);
    // With q = min(|e|, δ): ½q² + δ·(|e| − q) is both branches at once.
    return meanOfRow(near.square().multiply(0.5).add(error.subtract(near).multiply(delta)));
  });
};

/** log cosh(ŷ − y) = |e| + log(1 + e^−2|e|) − log 2, which overflows nowhere; mean over the outputs. Shapes: [batch, n], [batch, n] → [batch]. */
export const logCosh = (): Loss =>
  loss('logCosh', numbers, (prediction, target) => {
    const error = prediction.subtract(target).abs();
    return meanOfRow(error.add(error.multiply(-2).softplus()).subtract(Math.LN2));
  });

/** Options of `poisson`. */
export interface PoissonOptions {
  /** The model gives the logarithm of the rate (PyTorch's `log_input`), so any output is a valid rate. Default `true`. */
  fromLogits?: boolean;
}

const poissonOptions = optionsOf('losses/poisson', { fromLogits: isBoolean });

/**
 * Negative log-likelihood of counts, without the term log y! that no weight changes: e^z − y·z for a log rate z, λ − y·log λ for a rate λ;
 * mean over the outputs. With `fromLogits` predictions are log rates. Shapes: [batch, n], [batch, n] → [batch].
 */
export const poisson = (options: PoissonOptions = {}): Loss => {
  expectOptions('poisson', options, poissonOptions, poisson);
  const { fromLogits = true } = options;
  return loss('poisson', { ...numbers, options: { fromLogits } }, (prediction, target) => {
    if (fromLogits) return meanOfRow(prediction.exp().subtract(target.multiply(prediction)));
    return meanOfRow(prediction.subtract(target.multiply(prediction.maximum(1e-7).log())));
  });
};
