/** Scores by name: the loss and the metrics that the recipe names. */
export type Scores<Name extends string = string> = { readonly [K in Name]: number } & { readonly loss: number };

/** One epoch of a fit. `train` is the running mean in training mode, penalty excluded. */
export interface Epoch<Name extends string = string> {
  /** From 0. */
  readonly index: number;
  readonly train: Scores<Name>;
  /** Present when the fit has validation rows, its own or those it held out for early stopping. */
  readonly validation?: Scores<Name>;
  readonly learningRate: number;
  readonly seconds: number;
  readonly batches: number;
}
