export {
  type Augmentation,
  brightness,
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
  type CsvOptions,
  Dataset,
  type DatasetInput,
  type IdxOptions,
  type ImageOptions,
  type LabelledImage,
  type TextOptions,
  type WindowOptions,
} from './dataset.js';
export type { ColumnSummary, Description, LevelCount, TargetSummary } from './description.js';
export type { Cell, Columns, Features, NestedRows, NumberArray, ObjectRows } from './features.js';
export {
  type ColumnOptions,
  type FittedPreparation,
  impute,
  type MatrixInput,
  type MinMaxOptions,
  maxAbs,
  minMax,
  oneHot,
  ordinal,
  type Preparation,
  power,
  quantile,
  robust,
  type StandardizeOptions,
  selectBest,
  standardize,
  unitNorm,
} from './preparation.js';
export type { Column, Schema, TargetSchema, Task } from './schema.js';
export type { Counts, Ratios, SplitOptions, TuningEffort } from './split.js';
export type { Targets } from './targets.js';
