/** What can go wrong, as stable codes; in step with the codes of the native side. */
export const codes = [
  /** Shapes that do not fit together. */
  'SHAPE_MISMATCH',
  /** An option, argument or name outside what is allowed. */
  'INVALID_OPTION',
  /** Values of a data set that cannot be used (lengths, classes, empty sets, missing cells). */
  'INVALID_DATA',
  /** A file or buffer that is not what it should be. */
  'DATA_FORMAT',
  /** NaN or ±∞ in features, targets, weights, loss or gradients. */
  'NOT_FINITE',
  /** The caller's `AbortSignal` fired. */
  'ABORTED',
  /** A buffer could not be allocated. */
  'OUT_OF_MEMORY',
  /** Reading or writing a file failed. */
  'IO',
  /** An operator has no derivative, or no gradient reaches a parameter. */
  'NO_GRADIENT',
  /** Declared, documented, not built yet. */
  'NOT_IMPLEMENTED',
  /** The native binary is missing or does not fit this platform. */
  'NATIVE_MISSING',
  /** The queue of a batcher is full. */
  'OVERLOADED',
  /** A study's storage was made with other data, space, splitter or recipe. */
  'STUDY_CHANGED',
  /** A bug in nabla: please report it. */
  'INTERNAL',
] as const;

export type Code = (typeof codes)[number];
