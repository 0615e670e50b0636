//! What a data set is, without its values: goes to TypeScript and into saved models.

use nabla_formats::image::Fit;
use serde::{Deserialize, Serialize};

use crate::source::{Column, Kind, Part, Source, Target, Text};

/// `{ rows, width, sampleShape, featureType, columns, target, weights, groups, windows }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schema {
    /// Rows of the view.
    pub rows: usize,
    /// Values a row.
    pub width: usize,
    /// `[64]`, `[28, 28, 1]`.
    pub sample_shape: Vec<usize>,
    /// `f32`, `f64` or `u8`.
    pub feature_type: String,
    /// One a value; empty for samples of more than one axis.
    pub columns: Vec<ColumnSchema>,
    /// Values that belong together by name; empty where each column stands for itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What is to be predicted.
    pub target: Option<TargetSchema>,
    /// Whether rows have weights.
    pub weights: bool,
    /// Whether rows have groups.
    pub groups: bool,
    /// Of rows that were pictures: how those came to their size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Fit>,
    /// Whether rows are windows of a series.
    #[serde(default)]
    pub windows: bool,
    /// Whether rows are sequences of different lengths, padded to the first axis of the sample shape.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ragged: bool,
    /// Of rows that are texts: what their numbers stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
}

/// `{ name, kind, levels? }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// Unique.
    pub name: String,
    /// `kind` and, for a category, its `levels`.
    #[serde(flatten)]
    pub kind: Kind,
}

/// `{ kind: "classes", names }`, `{ kind: "sequence", names, width }`, `{ kind: "numbers", names, width }` or `{ kind: "several", targets }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum TargetSchema {
    /// One class a row.
    Classes {
        /// Names of the classes.
        names: Vec<String>,
    },
    /// One class for each position of a row.
    Sequence {
        /// Names of the classes.
        names: Vec<String>,
        /// Positions a row.
        width: usize,
    },
    /// Numbers.
    Numbers {
        /// One a number.
        names: Vec<String>,
        /// Numbers a row.
        width: usize,
    },
    /// Several by name.
    Several {
        /// In order.
        targets: Vec<NamedTarget>,
    },
}

impl TargetSchema {
    /// Numbers a row.
    pub fn numbers(&self) -> usize {
        match self {
            TargetSchema::Classes { .. } => 1,
            TargetSchema::Sequence { width, .. } | TargetSchema::Numbers { width, .. } => *width,
            TargetSchema::Several { targets } => targets.iter().map(|t| t.target.numbers()).sum(),
        }
    }
}

/// One of several targets: `{ name, target }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedTarget {
    /// Unique.
    pub name: String,
    /// Classes or numbers.
    pub target: TargetSchema,
}

impl From<&Target> for TargetSchema {
    fn from(target: &Target) -> Self {
        match target {
            Target::Classes { names, .. } => TargetSchema::Classes { names: names.clone() },
            Target::Sequence { names, width, .. } => TargetSchema::Sequence {
                names: names.clone(),
                width: *width,
            },
            Target::Numbers { names, width, .. } => TargetSchema::Numbers {
                names: names.clone(),
                width: *width,
            },
            Target::Several { targets } => TargetSchema::Several {
                targets: targets
                    .iter()
                    .map(|(name, target)| NamedTarget {
                        name: name.clone(),
                        target: target.into(),
                    })
                    .collect(),
            },
        }
    }
}

impl From<ColumnSchema> for Column {
    fn from(ColumnSchema { name, kind }: ColumnSchema) -> Self {
        Self { name, kind }
    }
}

impl Schema {
    pub(crate) fn of(source: &Source, rows: usize) -> Self {
        Self {
            rows,
            width: source.width,
            sample_shape: source.sample_shape.clone(),
            feature_type: source.features.type_name().to_owned(),
            columns: source
                .columns
                .iter()
                .map(|c| ColumnSchema {
                    name: c.name.clone(),
                    kind: c.kind.clone(),
                })
                .collect(),
            parts: source.parts.clone(),
            target: source.target.as_ref().map(TargetSchema::from),
            weights: source.weights.is_some(),
            groups: source.groups.is_some(),
            images: source.images,
            windows: source.spans.is_some(),
            ragged: source.lengths.is_some(),
            text: source.text.clone(),
        }
    }
}
