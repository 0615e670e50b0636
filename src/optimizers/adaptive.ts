import { isBoolean, optionsOf } from '../errors/index.js';
import { type AdamOptions, areMoments, isEpsilon, isRate, isShare, moments } from './adam.js';
import { type Optimizer, ruled } from './optimizer.js';

/** Options of `adagrad`. */
export interface AdagradOptions {
  /** η, ≥ 0; default 0.01. */
  learningRate?: number;
  /** How fast η falls with the step: η/(1 + (t−1)·decay) (PyTorch's `lr_decay`); default 0. */
  learningRateDecay?: number;
  /** Where the sums of squares start, default 0 (Keras: 0.1). */
  initialAccumulator?: number;
  /** ε > 0 beside the root, default 1e-10. */
  epsilon?: number;
  /** √(s + ε), as Keras 3 has it; default `false`: beside the root, as in PyTorch. */
  epsilonInRoot?: boolean;
}
const adagradOptions = optionsOf('optimizers/adagrad', {
  learningRate: isRate,
  learningRateDecay: isRate,
  initialAccumulator: isRate,
  epsilon: isEpsilon,
  epsilonInRoot: isBoolean,
});

/** s ← s + g², θ ← θ − η·g/(√s + ε). Duchi, Hazan & Singer 2011, JMLR 12. State: one number a parameter. */
export const adagrad = (options: AdagradOptions = {}): Optimizer & Readonly<Required<AdagradOptions>> =>
  ruled(
    'adagrad',
    options,
    adagradOptions,
    { learningRate: 0.01, learningRateDecay: 0, initialAccumulator: 0, epsilon: 1e-10, epsilonInRoot: false },
    adagrad,
  );

/** Options of `adadelta`. */
export interface AdadeltaOptions {
  /** Multiplies the step, ≥ 0; default 1: the paper's form, which has no rate. (Keras's default is 0.001.) */
  learningRate?: number;
  /** ρ in [0, 1), default 0.9 (paper: 0.95). */
  rho?: number;
  /** ε > 0, default 1e-6, inside the roots as in the paper. */
  epsilon?: number;
}
const adadeltaOptions = optionsOf('optimizers/adadelta', { learningRate: isRate, rho: isShare, epsilon: isEpsilon });

/**
 * Steps in units of past steps: Δ = √(E[Δ²] + ε)/√(E[g²] + ε)·g, θ ← θ − η·Δ. Zeiler 2012, arXiv:1212.5701, Algorithm 1.
 * State: two numbers a parameter.
 */
export const adadelta = (options: AdadeltaOptions = {}): Optimizer & Readonly<Required<AdadeltaOptions>> =>
  ruled('adadelta', options, adadeltaOptions, { learningRate: 1, rho: 0.9, epsilon: 1e-6 }, adadelta);

/** Options of `rmsprop`. */
export interface RmspropOptions {
  /** η, ≥ 0; default 0.001 (PyTorch: 0.01). */
  learningRate?: number;
  /** ρ in [0, 1), default 0.9 (PyTorch's `alpha`, 0.99). */
  rho?: number;
  /** ε > 0 beside the root, default 1e-8. */
  epsilon?: number;
  /** √(v + ε), as Keras 3 and Graves have it; default `false`: beside the root, as in PyTorch. */
  epsilonInRoot?: boolean;
  /** b ← μb + η·g/(√v + ε), θ ← θ − b (TensorFlow, Keras); default `false`: the rate is outside the velocity. They differ where it changes. */
  rateInVelocity?: boolean;
  /** Subtracts the squared mean of gradients, so that the variance divides. Graves 2013, arXiv:1308.0850. Default `false`. */
  centered?: boolean;
  /** μ in [0, 1), default 0. */
  momentum?: number;
}
const rmspropOptions = optionsOf('optimizers/rmsprop', {
  learningRate: isRate,
  rho: isShare,
  epsilon: isEpsilon,
  epsilonInRoot: isBoolean,
  rateInVelocity: isBoolean,
  centered: isBoolean,
  momentum: isShare,
});

/**
 * v ← ρv + (1−ρ)g², θ ← θ − η·g/(√v + ε); with momentum b ← μb + g/(√v + ε), θ ← θ − η·b: the rate is outside the velocity, as in PyTorch.
 * Tieleman & Hinton 2012, lecture 6.5. State: one to three numbers a parameter.
 */
export const rmsprop = (options: RmspropOptions = {}): Optimizer & Readonly<Required<RmspropOptions>> =>
  ruled(
    'rmsprop',
    options,
    rmspropOptions,
    { learningRate: 0.001, rho: 0.9, epsilon: 1e-8, centered: false, momentum: 0, epsilonInRoot: false, rateInVelocity: false },
    rmsprop,
  );

/** Options of `adamax`, `radam`: Adam's without AMSGrad. */
export type AdamaxOptions = Omit<AdamOptions, 'amsgrad' | 'epsilonInRoot'>;
const adamaxOptions = optionsOf('optimizers/adamax', areMoments);

/**
 * Adam with the largest |g| so far, fading, in place of the root: u ← max(β₂u, |g| + ε), θ ← θ − η/(1−β₁ᵗ)·m/u.
 * Kingma & Ba 2015, arXiv:1412.6980, Algorithm 2 (ε is PyTorch's). Default η 0.002.
 */
export const adamax = (options: AdamaxOptions = {}): Optimizer & Readonly<Required<AdamaxOptions>> =>
  ruled('adamax', options, adamaxOptions, { ...moments, learningRate: 0.002 }, adamax);

/** Options of `nadam`. */
export interface NadamOptions extends AdamaxOptions {
  /** ψ ≥ 0 of the momentum's schedule μₜ = β₁·(1 − ½·0.96^(t·ψ)), default 0.004. */
  momentumDecay?: number;
}
const nadamOptions = optionsOf('optimizers/nadam', { ...areMoments, momentumDecay: isRate });

/**
 * Adam with Nesterov's look-ahead: θ ← θ − η·((1−μₜ)/(1−Π)·g + μₜ₊₁/(1−Π·μₜ₊₁)·m)/(√v̂ + ε), Π = μ₁·…·μₜ. Dozat 2016, PyTorch's form.
 * Default η 0.002.
 */
export const nadam = (options: NadamOptions = {}): Optimizer & Readonly<Required<NadamOptions>> =>
  ruled('nadam', options, nadamOptions, { ...moments, learningRate: 0.002, momentumDecay: 0.004 }, nadam);

const radamOptions = optionsOf('optimizers/radam', areMoments);

/**
 * Adam whose adaptive rate starts when its variance is known (ρₜ > 5, the authors' code; the paper prints 4); momentum alone before.
 * Liu et al. 2020, arXiv:1908.03265, Algorithm 2. Default η 0.001.
 */
export const radam = (options: AdamaxOptions = {}): Optimizer & Readonly<Required<AdamaxOptions>> =>
  ruled('radam', options, radamOptions, moments, radam);

/** Options of `adamw`. */
export interface AdamwOptions extends AdamOptions {
  /** λ ≥ 0 of θ ← θ − η·λ·θ, apart from the gradient; default 0.01. Biases and the scales of norms do not decay. */
  weightDecay?: number;
}
const adamwOptions = optionsOf('optimizers/adamw', {
  ...areMoments,
  amsgrad: isBoolean,
  epsilonInRoot: isBoolean,
  weightDecay: isRate,
});

/** Adam with weight decay that is not divided by the root. Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2. */
export const adamw = (options: AdamwOptions = {}): Optimizer & Readonly<Required<AdamwOptions>> =>
  ruled('adamw', options, adamwOptions, { ...moments, amsgrad: false, epsilonInRoot: false, weightDecay: 0.01 }, adamw);

/** Options of `lion`. */
export interface LionOptions {
  /** η, ≥ 0; default 1e-4: three to ten times below Adam's. */
  learningRate?: number;
  /** In [0, 1), default 0.9. */
  beta1?: number;
  /** In [0, 1), default 0.99. */
  beta2?: number;
  /** λ ≥ 0, decoupled, default 0. Biases and the scales of norms do not decay. */
  weightDecay?: number;
}
const lionOptions = optionsOf('optimizers/lion', { learningRate: isRate, beta1: isShare, beta2: isShare, weightDecay: isRate });

/** θ ← θ − η·(sign(β₁m + (1−β₁)g) + λθ), m ← β₂m + (1−β₂)g. Chen et al. 2023, arXiv:2302.06675, Algorithm 2. */
export const lion = (options: LionOptions = {}): Optimizer & Readonly<Required<LionOptions>> =>
  ruled('lion', options, lionOptions, { learningRate: 1e-4, beta1: 0.9, beta2: 0.99, weightDecay: 0 }, lion);

/** Options of `lamb`. */
export type LambOptions = Omit<AdamwOptions, 'amsgrad' | 'epsilonInRoot'>;
const lambOptions = optionsOf('optimizers/lamb', { ...areMoments, weightDecay: isRate });

/**
 * Adam's step r = m̂/(√v̂ + ε) + λθ, scaled for each parameter by ‖θ‖/‖r‖, for large batches; by itself (`start`) the whole array is one
 * parameter. You et al. 2020, arXiv:1904.00962, Algorithm 2, with φ(z) = z. Defaults η 0.001, ε 1e-6, λ 0.01.
 */
export const lamb = (options: LambOptions = {}): Optimizer & Readonly<Required<LambOptions>> =>
  ruled('lamb', options, lambOptions, { ...moments, epsilon: 1e-6, weightDecay: 0.01 }, lamb);
