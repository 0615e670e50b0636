/** Rows to be split: how many, and what is known of them. Class labels and groups may be anything that can be told apart. */
export interface RowsToSplit {
  readonly rows: number;
  /** The class of each row; left out when the target is numbers. */
  readonly labels?: ArrayLike<string | number | boolean> | undefined;
  /** The group of each row. */
  readonly groups?: ArrayLike<string | number> | undefined;
  /** Names for error messages, where `labels` or `groups` are indices. */
  readonly names?: { readonly labels?: readonly string[] | undefined; readonly groups?: readonly string[] | undefined } | undefined;
  /** Of windows of a series (`data.windows`): the first and last row that each was made of. What overlaps is kept apart. */
  readonly spans?: { readonly first: ArrayLike<number>; readonly last: ArrayLike<number> } | undefined;
}

/** Row indices of one split. */
export interface Split<Indices extends ArrayLike<number> = Uint32Array> {
  readonly train: Indices;
  readonly validation: Indices;
}

/** Makes pairs of index lists, and touches no data. A user's own splitter is any object with such a `split`. */
export interface Splitter<Indices extends ArrayLike<number> = Uint32Array> {
  split(rows: RowsToSplit): Iterable<Split<Indices>>;
}
