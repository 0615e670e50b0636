//! The rows themselves: one row-major matrix of one storage type, its columns, and what belongs to each row.

use std::borrow::Cow;
use std::sync::Arc;

use nabla_error::{Code, Error, Result};
use nabla_formats::image::Fit;
use nabla_kernels::gather::gather_rows;
use serde::{Deserialize, Serialize};

use crate::rows_file::{RowsFile, Storage};
use crate::windows::Spans;

/// Feature values, row-major. A missing cell is NaN; `U8` has none.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision: everything read from CSV.
    F64(Vec<f64>),
    /// Bytes: images stay 0…255 until they are gathered into a batch.
    U8(Vec<u8>),
    /// Any of these, in a file.
    File(Arc<RowsFile>),
}

impl Matrix {
    /// How many values.
    pub fn len(&self) -> usize {
        match self {
            Matrix::F32(values) => values.len(),
            Matrix::F64(values) => values.len(),
            Matrix::U8(values) => values.len(),
            Matrix::File(file) => file.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at a row-major position.
    pub fn get(&self, at: usize) -> f64 {
        match self {
            Matrix::F32(values) => f64::from(values[at]),
            Matrix::F64(values) => values[at],
            Matrix::U8(values) => f64::from(values[at]),
            Matrix::File(file) => {
                let mut value = [0.0];
                file.copy_to(at, &mut value);
                value[0]
            }
        }
    }

    /// The values from `from` on into `out`, as f64.
    pub fn copy_to(&self, from: usize, out: &mut [f64]) {
        let to = from + out.len();
        match self {
            Matrix::F32(values) => out.iter_mut().zip(&values[from..to]).for_each(|(out, &v)| *out = f64::from(v)),
            Matrix::F64(values) => out.copy_from_slice(&values[from..to]),
            Matrix::U8(values) => out.iter_mut().zip(&values[from..to]).for_each(|(out, &v)| *out = f64::from(v)),
            Matrix::File(file) => file.copy_to(from, out),
        }
    }

    /// `f32`, `f64` or `u8`, as in the schema.
    pub fn type_name(&self) -> &'static str {
        match self.storage() {
            Storage::F32 => "f32",
            Storage::F64 => "f64",
            Storage::U8 => "u8",
        }
    }

    /// What a value is in memory, wherever it lies.
    pub fn storage(&self) -> Storage {
        match self {
            Matrix::F32(_) => Storage::F32,
            Matrix::F64(_) => Storage::F64,
            Matrix::U8(_) => Storage::U8,
            Matrix::File(file) => file.storage(),
        }
    }

    /// Some rows of `width` values one after the other, as doubles.
    pub fn rows_to(&self, width: usize, rows: &[u32], out: &mut [f64]) {
        match self {
            Matrix::F32(values) => gather_rows(values, width, rows, None, out),
            Matrix::F64(values) => gather_rows(values, width, rows, None, out),
            Matrix::U8(values) => gather_rows(values, width, rows, None, out),
            Matrix::File(file) => file.gather(rows, width, None, out),
        }
    }

    /// What reading a file has run into; values read since may be NaN.
    ///
    /// # Errors
    /// As [`RowsFile::check`].
    pub fn check(&self) -> Result<()> {
        match self {
            Matrix::File(file) => file.check(),
            _ => Ok(()),
        }
    }

    /// The same values in memory: what is made of them is held there anyway.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`, and what reading the file runs into.
    pub fn in_memory(&self) -> Result<Cow<'_, Matrix>> {
        fn all<T: Clone>(count: usize, zero: T, fill: impl FnOnce(&mut [T])) -> Result<Vec<T>> {
            let mut values = Vec::new();
            values
                .try_reserve_exact(count)
                .map_err(|_| Error::new(Code::OutOfMemory, format!("no memory for {count} values of a file")))?;
            values.resize(count, zero);
            fill(&mut values);
            Ok(values)
        }
        let Matrix::File(file) = self else { return Ok(Cow::Borrowed(self)) };
        const PIECE: usize = 1 << 16;
        let pieces = |take: &mut dyn FnMut(usize, &[f64])| {
            let mut piece = vec![0.0; PIECE.min(file.len())];
            for from in (0..file.len()).step_by(PIECE) {
                let piece = &mut piece[..PIECE.min(file.len() - from)];
                file.copy_to(from, piece);
                take(from, piece);
            }
        };
        let matrix = match file.storage() {
            Storage::F64 => Matrix::F64(all(file.len(), 0.0, |values| file.copy_to(0, values))?),
            Storage::F32 => Matrix::F32(all(file.len(), 0.0, |values| {
                pieces(&mut |from, piece| values[from..].iter_mut().zip(piece).for_each(|(out, &v)| *out = v as f32));
            })?),
            Storage::U8 => Matrix::U8(all(file.len(), 0, |values| {
                pieces(&mut |from, piece| values[from..].iter_mut().zip(piece).for_each(|(out, &v)| *out = v as u8));
            })?),
        };
        file.check()?;
        Ok(Cow::Owned(matrix))
    }

    /// What V8 should know that the native side holds.
    pub fn bytes(&self) -> usize {
        match self {
            Matrix::F32(values) => size_of_val(values.as_slice()),
            Matrix::F64(values) => size_of_val(values.as_slice()),
            Matrix::U8(values) => values.len(),
            Matrix::File(_) => 0,
        }
    }
}

/// What the numbers of a column mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Kind {
    /// A quantity.
    Number,
    /// A code into `levels`; the order of the levels says nothing.
    Category {
        /// Names of the levels; code i is `levels[i]`.
        levels: Vec<String>,
    },
}

/// Of rows that are texts: what their numbers stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Text {
    /// What a text is cut into: `character`, `word`, or the tokens of the user's `own`.
    pub unit: String,
    /// Token i is `vocabulary[i]`.
    pub vocabulary: Vec<String>,
    /// The token that stands for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// A named column of the feature matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Unique in its data set.
    pub name: String,
    /// What its numbers mean.
    pub kind: Kind,
}

impl Column {
    /// A column of quantities.
    pub fn number(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Number,
        }
    }
}

/// Neighbouring values of a row under one name: an array in a row given as an object, or a plain column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// Unique in its data set.
    pub name: String,
    /// The axes of the array; none for a plain column, which is one value.
    pub shape: Vec<usize>,
}

impl Part {
    /// How many values it has.
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What is to be predicted.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// One class a row.
    Classes {
        /// Names of the classes; label i is `names[i]`. Of two classes the second is the positive one.
        names: Vec<String>,
        /// One a row, each below `names.len()`.
        labels: Vec<u32>,
    },
    /// One class for each position of a row: the next characters of a text.
    Sequence {
        /// Names of the classes; label i is `names[i]`.
        names: Vec<String>,
        /// Positions a row.
        width: usize,
        /// Row-major, each below `names.len()`.
        labels: Vec<u32>,
    },
    /// One or more numbers a row.
    Numbers {
        /// One a number.
        names: Vec<String>,
        /// Numbers a row.
        width: usize,
        /// Row-major, finite.
        values: Vec<f64>,
    },
    /// Several by name, each of classes or numbers.
    Several {
        /// At least one, in order; names are unique.
        targets: Vec<(String, Target)>,
    },
}

impl Target {
    /// Numbers a row as [`Target::row_to`] writes them: of a class its index.
    pub fn width(&self) -> usize {
        match self {
            Target::Classes { .. } => 1,
            Target::Sequence { width, .. } | Target::Numbers { width, .. } => *width,
            Target::Several { targets } => targets.iter().map(|(_, target)| target.width()).sum(),
        }
    }

    /// One row (an index into the source) as numbers.
    pub fn row_to(&self, row: usize, out: &mut [f64]) {
        match self {
            Target::Classes { labels, .. } => out[0] = f64::from(labels[row]),
            Target::Sequence { width, labels, .. } => {
                let labels = &labels[row * width..][..*width];
                out.iter_mut().zip(labels).for_each(|(out, &label)| *out = f64::from(label));
            }
            Target::Numbers { width, values, .. } => out.copy_from_slice(&values[row * width..][..*width]),
            Target::Several { targets } => {
                let mut at = 0;
                for (_, target) in targets {
                    let width = target.width();
                    target.row_to(row, &mut out[at..at + width]);
                    at += width;
                }
            }
        }
    }

    /// The target of that name, where there are several.
    pub fn named(&self, name: &str) -> Option<&Target> {
        match self {
            Target::Several { targets } => targets.iter().find(|(own, _)| own == name).map(|(_, target)| target),
            _ => None,
        }
    }

    /// Some rows of it, by their indices.
    pub(crate) fn select(&self, rows: &[u32]) -> Target {
        fn pick<T: Copy>(values: &[T], width: usize, rows: &[u32]) -> Vec<T> {
            let mut out = Vec::with_capacity(rows.len() * width);
            rows.iter()
                .for_each(|&row| out.extend_from_slice(&values[row as usize * width..][..width]));
            out
        }
        match self {
            Target::Classes { names, labels } => Target::Classes {
                names: names.clone(),
                labels: pick(labels, 1, rows),
            },
            Target::Sequence { names, width, labels } => Target::Sequence {
                names: names.clone(),
                width: *width,
                labels: pick(labels, *width, rows),
            },
            Target::Numbers { names, width, values } => Target::Numbers {
                names: names.clone(),
                width: *width,
                values: pick(values, *width, rows),
            },
            Target::Several { targets } => Target::Several {
                targets: targets.iter().map(|(name, target)| (name.clone(), target.select(rows))).collect(),
            },
        }
    }

    /// Memory of its rows.
    pub fn bytes(&self) -> usize {
        match self {
            Target::Classes { labels, .. } | Target::Sequence { labels, .. } => size_of_val(labels.as_slice()),
            Target::Numbers { values, .. } => size_of_val(values.as_slice()),
            Target::Several { targets } => targets.iter().map(|(_, target)| target.bytes()).sum(),
        }
    }
}

/// Which rows belong together (patients, speakers): a splitter keeps a group whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Names of the groups.
    pub names: Vec<String>,
    /// One a row, each below `names.len()`.
    pub codes: Vec<u32>,
}

/// Validated rows; made by [`crate::SourceParts::build`] and never changed after.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) rows: usize,
    pub(crate) width: usize,
    pub(crate) sample_shape: Vec<usize>,
    pub(crate) columns: Vec<Column>,
    pub(crate) parts: Vec<Part>,
    pub(crate) features: Matrix,
    pub(crate) target: Option<Target>,
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) groups: Option<Groups>,
    pub(crate) images: Option<Fit>,
    pub(crate) spans: Option<Spans>,
    pub(crate) lengths: Option<Vec<u32>>,
    pub(crate) text: Option<Text>,
}

impl Source {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values a row: the product of the sample shape.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The shape of one row: `[64]`, or `[28, 28, 1]` for images.
    pub fn sample_shape(&self) -> &[usize] {
        &self.sample_shape
    }

    /// One a value of a row; empty for images and other samples of more than one axis, whose values have no names.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Values that belong together by name, in order, over the whole row; empty where each column stands for itself.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The feature matrix, `[rows, width]`.
    pub fn features(&self) -> &Matrix {
        &self.features
    }

    /// What is to be predicted, if known.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// The weight of each row in losses and metrics, if given.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The group of each row, if given.
    pub fn groups(&self) -> Option<&Groups> {
        self.groups.as_ref()
    }

    /// The rows of a series that each sample was made of, where it was cut from one.
    pub fn spans(&self) -> Option<&Spans> {
        self.spans.as_ref()
    }

    /// Of rows that are sequences of different lengths: how many steps each has. What comes after them is 0.
    pub fn lengths(&self) -> Option<&[u32]> {
        self.lengths.as_deref()
    }

    /// Of rows that were pictures: how those came to their size.
    pub fn images(&self) -> Option<Fit> {
        self.images
    }

    /// The position of a value in a row for people: `column "age"`, or `value [3, 27, 0]` of an image.
    pub fn column_place(&self, column: usize) -> String {
        match self.columns.get(column) {
            Some(named) => format!("column {:?}", named.name),
            None => format!("value {:?}", position_in(&self.sample_shape, column)),
        }
    }
}

/// The multi-index of a flat position, last axis fastest.
fn position_in(shape: &[usize], mut flat: usize) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    for (axis, &size) in shape.iter().enumerate().rev() {
        position[axis] = flat % size.max(1);
        flat /= size.max(1);
    }
    position
}
