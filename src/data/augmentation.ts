import { planned } from '../errors/index.js';

/** A seeded change of training samples, made in native code beside the training step. */
export interface Augmentation {
  readonly kind: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Mirrors images. */
export const flip = planned<(options?: { readonly horizontal?: boolean; readonly vertical?: boolean }) => Augmentation>('data/flip');

/** Cuts a random window out of the padded image. */
export const crop =
  planned<(options?: { readonly padding?: number; readonly size?: readonly [number, number] }) => Augmentation>('data/crop');

/** Turns by up to `degrees` either way. */
export const rotate = planned<(degrees: number) => Augmentation>('data/rotate');

/** Shifts by up to this share of height and width. */
export const translate = planned<(share: number) => Augmentation>('data/translate');

/** Scales by a factor in a range. */
export const scale = planned<(low: number, high: number) => Augmentation>('data/scale');

/** Shears by up to `degrees`. */
export const shear = planned<(degrees: number) => Augmentation>('data/shear');

/** Elastic distortion (Simard, Steinkraus & Platt 2003). */
export const elastic = planned<(options?: { readonly strength?: number; readonly smoothness?: number }) => Augmentation>('data/elastic');

/** Adds up to ±`amount` to all pixels of an image. */
export const brightness = planned<(amount: number) => Augmentation>('data/brightness');

/** Scales the deviation from the mean of an image by up to 1 ± `amount`. */
export const contrast = planned<(amount: number) => Augmentation>('data/contrast');

/** Adds normal noise of this standard deviation. */
export const noise = planned<(deviation: number) => Augmentation>('data/noise');

/** Blanks a random square (DeVries & Taylor 2017). */
export const cutout = planned<(size: number) => Augmentation>('data/cutout');

/** Mixes pairs of samples and their targets (Zhang et al. 2018). */
export const mixup = planned<(options?: { readonly alpha?: number }) => Augmentation>('data/mixup');

/** Pastes a window of another sample, and mixes the targets (Yun et al. 2019). */
export const cutmix = planned<(options?: { readonly alpha?: number }) => Augmentation>('data/cutmix');

/** Adds noise relative to the deviation of each column, for tables and sequences. */
export const jitter = planned<(share: number) => Augmentation>('data/jitter');
