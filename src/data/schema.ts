import type { ImageFit } from './images.js';

/** A column of numbers, or of categories by the names of their levels. */
export type Column =
  | { readonly name: string; readonly kind: 'number' }
  | { readonly name: string; readonly kind: 'category'; readonly levels: readonly string[] };

/** What a target is: classes by name, one for each position of a row (the next characters of a text), or numbers. */
export type TargetSchema =
  | { readonly kind: 'classes'; readonly names: readonly string[] }
  | { readonly kind: 'sequence'; readonly names: readonly string[]; readonly width: number }
  | { readonly kind: 'numbers'; readonly names: readonly string[]; readonly width: number };

/** What a data set holds, without its values. */
export interface Schema {
  readonly rows: number;
  readonly width: number;
  /** Shape of one row, such as `[64]` or `[28, 28, 1]`. */
  readonly sampleShape: readonly number[];
  readonly featureType: 'f32' | 'f64' | 'u8';
  readonly columns: readonly Column[];
  readonly target: TargetSchema | null;
  readonly weights: boolean;
  readonly groups: boolean;
  /** Of rows that were images: how those came to their size. */
  readonly images?: ImageFit;
}

/** The task a target makes. */
export type Task = 'classification' | 'regression';
