import { expectArgument, expectOptions, invalidOption, isBoolean, isInteger, isListOf, isNumber, optionsOf } from '../errors/index.js';
import { callNative, type NativeData } from '../native/index.js';

/**
 * A seeded change of training samples, made in native code beside the training step, never to rows that are scored.
 *
 * It acts on the values as the data set stores them, before preparation: amounts are shares of 255 for bytes (and results stay within
 * 0…255), and in the data's own units for other numbers; what comes from outside of an image is 0. What happens to a row depends on the
 * seed, the epoch and the row alone, so the bits are the same on any number of threads. Steps that move pixels and follow each other are
 * one map, and the image is sampled once, linearly between the four pixels around each point (SciPy's `order=1, mode='grid-constant'`).
 */
export interface Augmentation {
  readonly kind: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

class Change implements Augmentation {
  readonly kind: string;
  readonly spec: Readonly<Record<string, unknown>>;

  constructor(kind: string, options: Readonly<Record<string, unknown>>) {
    this.kind = kind;
    this.spec = Object.freeze({ kind, ...options });
    Object.freeze(this);
  }
}

/** What `augment`, `augmented` and `contactSheet` take. */
export const isAugmentation = (value: unknown): string | undefined =>
  value instanceof Change ? undefined : 'to be an augmentation such as flip()';

/** Whether a step takes part of another sample, and of its target. */
export const mixes = ({ kind }: Augmentation): boolean => kind === 'mixup' || kind === 'cutmix';

const one = (
  kind: string,
  name: string,
  value: number,
  check: ReturnType<typeof isNumber>,
  caller: (value: number) => unknown,
): Augmentation => {
  expectArgument(kind, name, value, check, caller);
  return new Change(kind, { [name]: value });
};

const flipOptions = optionsOf('data/flip', { horizontal: isBoolean, vertical: isBoolean });

/**
 * Mirrors images with probability ½: left and right (default), top and bottom where asked.
 * @example new Trainer({ …, augment: [flip(), crop({ padding: 4 })] })
 */
export const flip = (options: { readonly horizontal?: boolean; readonly vertical?: boolean } = {}): Augmentation => {
  expectOptions('flip', options, flipOptions, flip);
  const { horizontal = true, vertical = false } = options;
  if (!horizontal && !vertical) throw invalidOption('flip', 'horizontal or vertical', 'to be true', false, flip);
  return new Change('flip', { horizontal, vertical });
};

const isSize = (value: unknown): string | undefined =>
  Array.isArray(value) && value.length === 2 ? isListOf(isInteger({ min: 1 }))(value) : 'to be [height, width]';
const cropOptions = optionsOf('data/crop', { padding: isInteger({ min: 0, max: 65_535 }), size: isSize });

/**
 * A window at a random place of the image with `padding` zeros (default 4) on each side. It is as large as the image; one of another
 * `size` is brought back to the image's size. He et al. 2015, arXiv:1512.03385.
 */
export const crop = (options: { readonly padding?: number; readonly size?: readonly [number, number] } = {}): Augmentation => {
  expectOptions('crop', options, cropOptions, crop);
  const { padding = 4, size } = options;
  return new Change('crop', { padding, ...(size === undefined ? {} : { size: [...size] }) });
};

/** Turns about the centre by up to `degrees` either way, uniformly. */
export const rotate = (degrees: number): Augmentation => one('rotate', 'degrees', degrees, isNumber({ above: 0, max: 180 }), rotate);

/** Shifts by up to this share of height and of width either way, uniformly. */
export const translate = (share: number): Augmentation => one('translate', 'share', share, isNumber({ above: 0, max: 1 }), translate);

/** Scales about the centre by a factor uniform in [low, high), both axes alike. */
export const scale = (low: number, high: number): Augmentation => {
  expectArgument('scale', 'low', low, isNumber({ above: 0, max: 100 }), scale);
  expectArgument('scale', 'high', high, isNumber({ min: low, max: 100 }), scale);
  return new Change('scale', { low, high });
};

/** Moves lines along themselves by tan φ times their distance from the centre, φ uniform up to `degrees` either way. */
export const shear = (degrees: number): Augmentation => one('shear', 'degrees', degrees, isNumber({ above: 0, max: 89 }), shear);

const elasticOptions = optionsOf('data/elastic', { strength: isNumber({ above: 0 }), smoothness: isNumber({ above: 0, max: 100 }) });

/**
 * Elastic distortion: each pixel comes from a place displaced by α · Gaussian(σ) ∗ noise, the noise uniform in [−1, 1); α = `strength`
 * (default 34), σ = `smoothness` in pixels (default 4): about 1.4 pixels. Simard, Steinkraus & Platt 2003, for 29 × 29 digits.
 */
export const elastic = (options: { readonly strength?: number; readonly smoothness?: number } = {}): Augmentation => {
  expectOptions('elastic', options, elasticOptions, elastic);
  const { strength = 34, smoothness = 4 } = options;
  return new Change('elastic', { strength, smoothness });
};

/** Adds one number, uniform up to ±`amount`, to all values of an image. */
export const brightness = (amount: number): Augmentation => one('brightness', 'amount', amount, isNumber({ above: 0 }), brightness);

/** m + f·(x − m), m the mean of the image, f uniform in 1 ± `amount`. */
export const contrast = (amount: number): Augmentation => one('contrast', 'amount', amount, isNumber({ above: 0, max: 1 }), contrast);

/** Adds normal noise of this standard deviation to each value. */
export const noise = (deviation: number): Augmentation => one('noise', 'deviation', deviation, isNumber({ above: 0 }), noise);

/**
 * Blanks a square of `size` pixels around a random pixel; what lies outside of the image is cut off.
 * DeVries & Taylor 2017, arXiv:1708.04552.
 */
export const cutout = (size: number): Augmentation => one('cutout', 'size', size, isInteger({ min: 1, max: 65_535 }), cutout);

const alphaOf = (kind: string, usual: number, options: { readonly alpha?: number }, caller: (options: never) => unknown): Augmentation => {
  expectOptions(kind, options, alphaOptions, caller);
  return new Change(kind, { alpha: options.alpha ?? usual });
};
const alphaOptions = optionsOf('data/mixup', { alpha: isNumber({ above: 0, max: 1e6 }) });

/**
 * λ·x + (1 − λ)·x′ of a sample and another training row, and the same of their targets, λ ~ Beta(α, α), α = 0.2 by default; the larger
 * share is the sample's own. For classes the loss is λ·ℓ(y) + (1 − λ)·ℓ(y′), which for cross-entropy is that of the mixed target; metrics
 * of the training rows go by the row's own class. It comes last in a recipe. Zhang et al. 2018, arXiv:1710.09412.
 */
export const mixup = (options: { readonly alpha?: number } = {}): Augmentation => alphaOf('mixup', 0.2, options, mixup);

/**
 * Pastes a window of another training image around a random pixel, its sides √(1 − λ) of the image's, λ ~ Beta(α, α), α = 1 by default, and
 * mixes the targets by area as `mixup` does. It comes last in a recipe. Yun et al. 2019, arXiv:1905.04899.
 */
export const cutmix = (options: { readonly alpha?: number } = {}): Augmentation => alphaOf('cutmix', 1, options, cutmix);

/**
 * Adds normal noise with `share` of each column's standard deviation over the training rows; of sequences [time, features] the columns
 * are the features. Categories stay as they are.
 */
export const jitter = (share: number): Augmentation => one('jitter', 'share', share, isNumber({ above: 0 }), jitter);

/** A recipe: one step or several. */
export type Augmentations = Augmentation | readonly Augmentation[];

const recipeOf = (where: string, recipe: unknown): string => {
  const steps: unknown = Array.isArray(recipe) ? recipe : [recipe];
  expectArgument(where, 'the recipe', steps, isListOf(isAugmentation));
  if ((steps as []).length === 0) throw invalidOption(where, 'the recipe', 'to have at least one step', recipe);
  return JSON.stringify((steps as readonly Augmentation[]).map(({ spec }) => spec));
};

/** Options of `data.augmented`. */
export interface AugmentedOptions {
  /** Changed copies of each row. Default 1. */
  readonly copies?: number;
  /** Default 0. */
  readonly seed?: number;
}
const augmentedOptions = optionsOf('Dataset.augmented', { copies: isInteger({ min: 1, max: 1000 }), seed: isInteger({ min: 0 }) });

export const enlarged = (data: NativeData, recipe: Augmentations, options: AugmentedOptions): NativeData => {
  expectOptions('augmented', options, augmentedOptions);
  const steps = recipeOf('augmented', recipe);
  const { copies = 1, seed = 0 } = options;
  return callNative((n) => n.augmentedData(data, steps, copies, seed));
};

/** Options of `data.contactSheet`. */
export interface ContactSheetOptions {
  /** How many of the first rows. Default 8. */
  readonly rows?: number;
  /** Variants of each, beside the original. Default 8. */
  readonly variants?: number;
  /** Default 0. */
  readonly seed?: number;
}
const sheetOptions = optionsOf('Dataset.contactSheet', {
  rows: isInteger({ min: 1, max: 256 }),
  variants: isInteger({ min: 1, max: 256 }),
  seed: isInteger({ min: 0 }),
});

export const sheet = (data: NativeData, recipe: Augmentations, options: ContactSheetOptions): Uint8Array => {
  expectOptions('contactSheet', options, sheetOptions);
  const steps = recipeOf('contactSheet', recipe);
  const { rows = 8, variants = 8, seed = 0 } = options;
  return callNative((n) => n.contactSheet(data, steps, rows, variants, seed));
};
