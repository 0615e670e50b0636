import { planned } from '../errors/index.js';
import type { Tensor } from '../trace/index.js';
import type { Estimator } from './estimator.js';
import type { Trainer } from './trainer.js';

/** Any trainer, whatever its metrics and loss. */
// biome-ignore lint/suspicious/noExplicitAny: the parameters do not matter here
export type AnyTrainer = Trainer<any, any>;

/** Greedy pre-training, layer by layer (restricted Boltzmann machines or denoising autoencoders), then fine-tuning by `trainer`. */
export const pretrain =
  planned<
    (
      trainer: AnyTrainer,
      options: {
        readonly method: 'restrictedBoltzmann' | 'denoisingAutoencoder';
        readonly epochs?: number;
        readonly learningRate?: number;
      },
    ) => Estimator
  >('pretrain');

/** Values that a compiled function takes and gives. */
export interface ArrayValue {
  readonly values: Float32Array | Float64Array;
  readonly shape: readonly number[];
}

/** Any traced function, on real arrays. */
export const compile =
  planned<(run: (...inputs: Tensor[]) => Tensor) => (...inputs: (ArrayValue | readonly (readonly number[])[])[]) => ArrayValue>('compile');

/** A traced function with one value: the value, and the gradient for each input. */
export const valueAndGradient =
  planned<
    (run: (...inputs: Tensor[]) => Tensor) => (...inputs: (ArrayValue | readonly (readonly number[])[])[]) => {
      readonly value: number;
      readonly gradients: readonly ArrayValue[];
    }
  >('valueAndGradient');

/** What a study gives: its numbers, and a picture of them. */
export interface StudyPicture {
  readonly data: unknown;
  toSvg(): string;
}
type Study = (options?: { readonly seed?: number }) => Promise<StudyPicture>;

/** Classic experiments as short programs that draw their picture. */
export const study = {
  /** Activation statistics by depth, for several initializers. */
  initialization: planned<Study>('study/initialization'),
  /** Optimizers on two-dimensional surfaces. */
  optimizers: planned<Study>('study/optimizers'),
  /** What scaling does to the shape of the loss. */
  scaling: planned<Study>('study/scaling'),
  /** λ against fit. */
  ridge: planned<Study>('study/ridge'),
  /** Contours and sparsity of Lq penalties. */
  penalties: planned<Study>('study/penalties'),
  /** The U of early stopping. */
  earlyStopping: planned<Study>('study/earlyStopping'),
  /** Bias and variance against capacity. */
  biasVariance: planned<Study>('study/biasVariance'),
  /** Random against grid search. */
  search: planned<Study>('study/search'),
} as const;
