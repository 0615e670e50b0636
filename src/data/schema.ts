import type { ImageFit } from './images.js';

/** A column of numbers, or of categories by the names of their levels. */
export type Column =
  | { readonly name: string; readonly kind: 'number' }
  | { readonly name: string; readonly kind: 'category'; readonly levels: readonly string[] };

/** Neighbouring values of a row under one name: an array in a row given as an object (`[28, 28, 1]`), or a plain column (`[]`). */
export interface SchemaPart {
  readonly name: string;
  readonly shape: readonly number[];
}

/**
 * What a target is: classes by name, one for each position of a row (the next characters of a text), numbers, or several of them by
 * name.
 */
export type TargetSchema =
  | { readonly kind: 'classes'; readonly names: readonly string[] }
  | { readonly kind: 'sequence'; readonly names: readonly string[]; readonly width: number }
  | { readonly kind: 'numbers'; readonly names: readonly string[]; readonly width: number }
  | { readonly kind: 'several'; readonly targets: readonly NamedTargetSchema[] };

/** One of several targets. */
export interface NamedTargetSchema {
  readonly name: string;
  readonly target: TargetSchema;
}

/** Numbers a row of a target: of a class its index. */
export const targetWidth = (target: TargetSchema): number => {
  if (target.kind === 'classes') return 1;
  return target.kind === 'several' ? target.targets.reduce((sum, { target }) => sum + targetWidth(target), 0) : target.width;
};

/** What the numbers of texts stand for. */
export interface TextSchema {
  /** What a text is cut into: characters, words, or the tokens of the user's own function. */
  readonly unit: 'character' | 'word' | 'own';
  /** Token i is `vocabulary[i]`. */
  readonly vocabulary: readonly string[];
  /** The token that stands for all others. */
  readonly unknown?: string;
}

/** What a data set holds, without its values. */
export interface Schema {
  readonly rows: number;
  readonly width: number;
  /** Shape of one row, such as `[64]` or `[28, 28, 1]`. */
  readonly sampleShape: readonly number[];
  readonly featureType: 'f32' | 'f64' | 'u8';
  readonly columns: readonly Column[];
  /** Where rows hold arrays by name: what lies where in the row. */
  readonly parts?: readonly SchemaPart[];
  readonly target: TargetSchema | null;
  readonly weights: boolean;
  readonly groups: boolean;
  /** Of rows that were images: how those came to their size. */
  readonly images?: ImageFit;
  /** Whether rows are windows of a series. */
  readonly windows: boolean;
  /** Rows are sequences of different lengths, padded to the first axis of the sample shape. */
  readonly ragged?: boolean;
  /** Of rows that are texts: what their numbers stand for. */
  readonly text?: TextSchema;
}

/** The task a target makes. */
export type Task = 'classification' | 'regression';
