import { planned } from '../errors/index.js';
import type { AdamOptions } from './adam.js';
import type { Optimizer } from './optimizer.js';

/** Options of `adagrad`. */
export interface AdagradOptions {
  /** η, default 0.01. */
  learningRate?: number;
  /** How fast η falls with the step: η/(1 + (t−1)·decay) (PyTorch's `lr_decay`); default 0. */
  learningRateDecay?: number;
  /** Where the sums of squares start, default 0 (Keras: 0.1). */
  initialAccumulator?: number;
  /** Default 1e-10. */
  epsilon?: number;
}

/** s ← s + g², θ ← θ − η·g/(√s + ε). Duchi, Hazan & Singer 2011, JMLR 12. */
export const adagrad: (options?: AdagradOptions) => Optimizer = planned('optimizers/adagrad');

/** Options of `adadelta`. */
export interface AdadeltaOptions {
  /** Multiplies the step, default 1: the paper has no rate. */
  learningRate?: number;
  /** ρ in [0, 1), default 0.9 (paper: 0.95). */
  rho?: number;
  /** Default 1e-6, inside the roots as in the paper. */
  epsilon?: number;
}

/** Steps in units of past steps: Δ = −√(E[Δ²] + ε)/√(E[g²] + ε)·g. Zeiler 2012, arXiv:1212.5701, Algorithm 1. */
export const adadelta: (options?: AdadeltaOptions) => Optimizer = planned('optimizers/adadelta');

/** Options of `rmsprop`. */
export interface RmspropOptions {
  /** η, default 0.001 (PyTorch: 0.01). */
  learningRate?: number;
  /** ρ in [0, 1), default 0.9 (PyTorch's `alpha`, 0.99). */
  rho?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Subtracts the squared mean of gradients, so that the variance divides. Graves 2013, arXiv:1308.0850. Default `false`. */
  centered?: boolean;
  /** μ in [0, 1), default 0. */
  momentum?: number;
}

/** v ← ρv + (1−ρ)g², θ ← θ − η·g/(√v + ε). Tieleman & Hinton 2012, lecture 6.5. */
export const rmsprop: (options?: RmspropOptions) => Optimizer = planned('optimizers/rmsprop');

/** Options of `adamax`. */
export type AdamaxOptions = Omit<AdamOptions, 'amsgrad'>;

/** Adam with the largest |g| so far, fading, in place of the root: u ← max(β₂u, |g|). Kingma & Ba 2015, Algorithm 2. Default η 0.002. */
export const adamax: (options?: AdamaxOptions) => Optimizer = planned('optimizers/adamax');

/** Options of `nadam`. */
export interface NadamOptions extends Omit<AdamOptions, 'amsgrad'> {
  /** ψ of the momentum's schedule μₜ = β₁·(1 − ½·0.96^(t·ψ)), default 0.004. */
  momentumDecay?: number;
}

/** Adam with Nesterov's look-ahead. Dozat 2016. Default η 0.002. */
export const nadam: (options?: NadamOptions) => Optimizer = planned('optimizers/nadam');

/** Adam whose adaptive rate starts when its variance is known. Liu et al. 2020, arXiv:1908.03265, Algorithm 2. */
export const radam: (options?: Omit<AdamOptions, 'amsgrad'>) => Optimizer = planned('optimizers/radam');

/** Options of `adamw`. */
export interface AdamwOptions extends AdamOptions {
  /** λ of θ ← θ − η·λ·θ, apart from the gradient; default 0.01. */
  weightDecay?: number;
}

/** Adam with weight decay that is not divided by the root. Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2. */
export const adamw: (options?: AdamwOptions) => Optimizer = planned('optimizers/adamw');

/** Options of `lion`. */
export interface LionOptions {
  /** η, default 1e-4: three to ten times below Adam's. */
  learningRate?: number;
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.99. */
  beta2?: number;
  /** Decoupled, default 0. */
  weightDecay?: number;
}

/** θ ← θ − η·(sign(β₁m + (1−β₁)g) + λθ), m ← β₂m + (1−β₂)g. Chen et al. 2023, arXiv:2302.06675, Algorithm 2. */
export const lion: (options?: LionOptions) => Optimizer = planned('optimizers/lion');

/** Adam's step scaled a parameter by ‖θ‖/‖step‖, for large batches. You et al. 2020, arXiv:1904.00962, Algorithm 2. */
export const lamb: (options?: AdamwOptions) => Optimizer = planned('optimizers/lamb');
