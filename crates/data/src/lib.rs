//! Data sets as shared, immutable rows with index views; index splitting; preparation. Knows nothing of graphs.
//!
//! A [`Source`] holds the rows once; a [`Dataset`] is a handle on it with an optional list of row indices,
//! so folds, subsets and bootstrap samples share one copy. A splitter only makes indices.

mod allotment;
pub mod augment;
mod builder;
mod dataset;
mod describe;
mod from_csv;
mod from_idx;
mod from_images;
mod moments;
pub mod options;
pub mod order;
pub mod pipeline;
mod plain_rows;
mod power;
pub mod prepare;
mod prepare_sequences;
pub mod prepare_targets;
mod quantiles;
mod rows_file;
mod saved;
mod schema;
mod select_best;
mod source;
mod spill;
pub mod split;
mod windows;

pub use builder::{SourceParts, TargetParts};
pub use dataset::Dataset;
pub use describe::{ColumnSummary, Description, LevelCount, NamedSummary, TargetSummary};
pub use from_csv::{CsvOptions, Names, PositiveClass, Task, from_table, read_csv, read_csv_watched};
pub use from_idx::{IdxOptions, from_idx, read_idx, read_idx_watched};
pub use from_images::{ImageOptions, Pictures, read_images};
pub use nabla_formats::image::Fit;
pub use nabla_formats::nearest;
pub use plain_rows::fit_values;
pub use rows_file::{Layout, Number, RowsFile, Storage};
pub use saved::{load, save};
pub use schema::{ColumnSchema, NamedTarget, Schema, TargetSchema};
pub use source::{Column, Groups, Kind, Matrix, Part, Source, Target, Text};
pub use windows::{Spans, WindowOptions, purged, windows};
