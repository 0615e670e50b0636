export type { ArrowColumn, ArrowTable } from './arrow.js';
export {
  type Augmentation,
  type Augmentations,
  type AugmentedOptions,
  brightness,
  type ContactSheetOptions,
  contrast,
  crop,
  cutmix,
  cutout,
  elastic,
  flip,
  jitter,
  mixup,
  noise,
  rotate,
  scale,
  shear,
  translate,
} from './augmentation.js';
export type { BuiltinName } from './builtin.js';
export {
  Dataset,
  type DatasetInput,
  type IdxOptions,
  type WindowOptions,
} from './dataset.js';
export type { ColumnSummary, Description, LevelCount, TargetSummary } from './description.js';
export type { CategoryRows, FittedEncoding } from './encoding.js';
export type { Cell, Columns, Features, NestedRows, NumberArray, ObjectRows } from './features.js';
export type { ImageFit, ImageOptions, LabelledImage } from './images.js';
export type { NpzOptions } from './npz.js';
export {
  type ColumnOptions,
  type EncodingPreparation,
  type FittedPreparation,
  type ImputeOptions,
  impute,
  type MatrixInput,
  type MinMaxOptions,
  maxAbs,
  minMax,
  type OneHotOptions,
  oneHot,
  ordinal,
  type PowerOptions,
  type Preparation,
  type PreparedMatrix,
  power,
  type QuantileOptions,
  quantile,
  type RobustOptions,
  robust,
  type SelectBestOptions,
  type StandardizeOptions,
  selectBest,
  standardize,
  type UnitNormOptions,
  unitNorm,
} from './preparation.js';
export type { InMemoryOptions, ReadOptions } from './reading.js';
export type { Column, Schema, TargetSchema, Task } from './schema.js';
export type { StreamRow } from './spill.js';
export type { Counts, Ratios, SplitOptions, TuningEffort } from './split.js';
export type { ArrowOptions, CsvOptions, TableOptions } from './tables.js';
export type { Targets } from './targets.js';
export type { LabelledText, TextOptions, Tokenizer } from './text.js';
