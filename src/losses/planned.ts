import { planned } from '../errors/index.js';
import type { Loss } from './loss.js';

/** Options of `triplet` and `contrastive`. */
export interface MarginOptions {
  /** How far apart rows of different classes should be, above 0; default 1. */
  margin?: number;
}

/**
 * max(0, d(a, p) − d(a, n) + margin) over embeddings: each row of a batch is an anchor a, its hardest positive p and negative n are taken
 * from the batch by class. Schroff, Kalenichenko & Philbin 2015, arXiv:1503.03832; Hermans et al. 2017, arXiv:1703.07737.
 */
export const triplet: (options?: MarginOptions) => Loss = planned('losses/triplet');

/** d² for pairs of one class, max(0, margin − d)² for others, over all pairs of a batch. Hadsell, Chopra & LeCun 2006. */
export const contrastive: (options?: MarginOptions) => Loss = planned('losses/contrastive');

/** Options of `ctc`. */
export interface CtcOptions {
  /** Index of the blank label, default 0. */
  blank?: number;
}

/** Connectionist temporal classification: −log of the summed probability of all alignments. Graves et al. 2006. */
export const ctc: (options?: CtcOptions) => Loss = planned('losses/ctc');
