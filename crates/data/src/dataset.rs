//! A handle on shared rows: cloning and selecting copy indices, never rows.

use std::ops::Range;
use std::sync::Arc;

use nabla_error::{Code, Error, Result, memory};

use crate::describe::{self, Description};
use crate::rows_file::Storage;
use crate::schema::Schema;
use crate::source::{Groups, Matrix, Source, Target};
use crate::windows::Spans;

/// Rows of a [`Source`], in an order of its own, each any number of times.
#[derive(Clone, Debug)]
pub struct Dataset {
    source: Arc<Source>,
    view: Option<Arc<[u32]>>,
}

impl From<Source> for Dataset {
    fn from(source: Source) -> Self {
        Self {
            source: Arc::new(source),
            view: None,
        }
    }
}

impl Dataset {
    /// How many rows this view has.
    pub fn rows(&self) -> usize {
        self.view.as_ref().map_or(self.source.rows, |view| view.len())
    }

    /// Values a row.
    pub fn width(&self) -> usize {
        self.source.width
    }

    /// The shared rows behind the view.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The view's row indices, or `None` for all rows in the source's order.
    pub fn view(&self) -> Option<&[u32]> {
        self.view.as_deref()
    }

    /// The index in the source of this view's row `row` (which must be below `rows()`).
    #[inline]
    pub fn row_index(&self, row: usize) -> u32 {
        match &self.view {
            Some(view) => view[row],
            None => row as u32,
        }
    }

    /// The index in the source of each row.
    pub fn source_rows(&self) -> Vec<u32> {
        match &self.view {
            Some(view) => view.to_vec(),
            None => (0..self.source.rows as u32).collect(),
        }
    }

    /// The rows at `indices` of this view, in that order; an index may occur many times (bootstrap). Costs 4 bytes a row.
    ///
    /// # Errors
    /// `INVALID_DATA` when an index is not below `rows()`.
    pub fn select(&self, indices: &[u32]) -> Result<Dataset> {
        let rows = self.rows();
        if let Some(at) = indices.iter().position(|&index| index as usize >= rows) {
            return Err(
                Error::new(Code::InvalidData, format!("row {} of a data set with {rows} rows", indices[at]))
                    .at(format!("indices[{at}]"))
                    .expected(format!("an integer from 0 to {}", rows as i64 - 1))
                    .received(indices[at].to_string()),
            );
        }
        let view = match &self.view {
            Some(view) => indices.iter().map(|&index| view[index as usize]).collect(),
            None => Arc::from(indices),
        };
        Ok(Dataset {
            source: self.source.clone(),
            view: Some(view),
        })
    }

    /// The first `count` rows (all of them when there are fewer).
    pub fn take(&self, count: usize) -> Dataset {
        let count = count.min(self.rows());
        let view = match &self.view {
            Some(view) => Arc::from(&view[..count]),
            None => (0..count as u32).collect(),
        };
        Dataset {
            source: self.source.clone(),
            view: Some(view),
        }
    }

    /// The rows of this view with other features, `[rows, width]`; target, weights and groups stay.
    pub(crate) fn with_features(&self, width: usize, features: Matrix) -> Dataset {
        let target = self.source.target.as_ref().map(|target| target.select(&self.source_rows()));
        let groups = self.source.groups.as_ref().map(|groups| Groups {
            names: groups.names.clone(),
            codes: self.pick(&groups.codes),
        });
        let source = Source {
            rows: self.rows(),
            width,
            sample_shape: vec![width],
            columns: Vec::new(),
            parts: Vec::new(),
            features,
            target,
            weights: self.weights(),
            groups,
            images: None,
            spans: self.spans(),
            lengths: None,
            text: None,
        };
        Dataset {
            source: Arc::new(source),
            view: None,
        }
    }

    /// What the data set is, without its values.
    pub fn schema(&self) -> Schema {
        Schema::of(&self.source, self.rows())
    }

    /// A summary of each column and of the target over this view's rows.
    pub fn describe(&self) -> Description {
        describe::describe(self)
    }

    /// How many classes the target has, or `None` when it is not classes.
    pub fn classes(&self) -> Option<usize> {
        match &self.source.target {
            Some(Target::Classes { names, .. }) => Some(names.len()),
            _ => None,
        }
    }

    /// The class of each row, or `None` when the target is not classes.
    pub fn labels(&self) -> Option<Vec<u32>> {
        match &self.source.target {
            Some(Target::Classes { labels, .. }) => Some(self.pick(labels)),
            _ => None,
        }
    }

    /// The target numbers, `[rows, width]` row-major (several targets side by side, of a class its index), or `None` when the target is
    /// classes.
    pub fn targets(&self) -> Option<Vec<f64>> {
        let target = self.source.target.as_ref()?;
        if matches!(target, Target::Classes { .. } | Target::Sequence { .. }) {
            return None;
        }
        let width = target.width();
        let mut out = vec![0.0; self.rows() * width];
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            target.row_to(self.row_index(row) as usize, out);
        }
        Some(out)
    }

    /// The weight of each row, if given.
    pub fn weights(&self) -> Option<Vec<f64>> {
        self.source.weights.as_ref().map(|weights| self.pick(weights))
    }

    /// Names of the groups that [`Self::groups`] numbers.
    pub fn group_names(&self) -> Option<&[String]> {
        self.source.groups.as_ref().map(|groups| groups.names.as_slice())
    }

    /// The group of each row, if given.
    pub fn groups(&self) -> Option<Vec<u32>> {
        self.source.groups.as_ref().map(|Groups { codes, .. }| self.pick(codes))
    }

    /// The rows of a series that each sample was made of, where it was cut from one.
    pub fn spans(&self) -> Option<Spans> {
        self.source.spans.as_ref().map(|Spans { first, last }| Spans {
            first: self.pick(first),
            last: self.pick(last),
        })
    }

    /// A copy of the features as f64, `[rows, width]` row-major.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn features_f64(&self) -> Result<Vec<f64>> {
        let (width, length) = (self.width(), self.rows().saturating_mul(self.width()));
        let mut out = memory::room_for(length, || format!("{} rows of {width} features as f64", self.rows()))?;
        out.resize(length, 0.0);
        self.rows_to(0, &mut out);
        self.source.features.check()?;
        Ok(out)
    }

    /// The rows from `row` on, as many as `out` has room for, as f64.
    pub fn rows_to(&self, row: usize, out: &mut [f64]) {
        let width = self.width();
        let count = out.len() / width.max(1);
        match &self.view {
            Some(view) => self.source.features.rows_to(width, &view[row..row + count], out),
            None => self.source.features.copy_to(row * width, out),
        }
    }

    /// Calls `each` with the index of its first row and the values of some rows that follow each other, until all were there.
    ///
    /// # Errors
    /// Those of `each`, and what reading a file runs into.
    pub(crate) fn blocks(&self, each: impl FnMut(usize, &[f64]) -> Result<()>) -> Result<()> {
        self.blocks_of(0..self.rows(), each)
    }

    /// The same of some rows of the view.
    fn blocks_of(&self, rows: Range<usize>, mut each: impl FnMut(usize, &[f64]) -> Result<()>) -> Result<()> {
        const VALUES: usize = 1 << 15;
        let width = self.width().max(1);
        let together = (VALUES / width).clamp(1, rows.len().max(1));
        let mut values = vec![0.0; together * width];
        for row in rows.clone().step_by(together) {
            let count = together.min(rows.end - row);
            let values = &mut values[..count * width];
            self.rows_to(row, values);
            self.source.features.check()?;
            each(row, values)?;
        }
        Ok(())
    }

    /// The features of one row into `out`, as f64.
    #[inline]
    pub fn row_to(&self, row: usize, out: &mut [f64]) {
        self.source.features.copy_to(self.row_index(row) as usize * self.source.width, out);
    }

    /// Refuses missing cells, as training does before its first step.
    ///
    /// # Errors
    /// `INVALID_DATA` naming the column and the row.
    pub fn check_finite(&self) -> Result<()> {
        self.check_finite_rows(0..self.rows())
    }

    /// The same of some rows of the view.
    ///
    /// # Errors
    /// As [`Self::check_finite`].
    pub fn check_finite_rows(&self, rows: Range<usize>) -> Result<()> {
        let width = self.width();
        let missing = |row: &usize| {
            let from = self.row_index(*row) as usize * width;
            match &self.source.features {
                Matrix::F32(values) => first(&values[from..from + width], |v| v.is_nan()),
                Matrix::F64(values) => first(&values[from..from + width], |v| v.is_nan()),
                Matrix::U8(_) | Matrix::File(_) => None,
            }
        };
        if self.source.features.storage() == Storage::U8 {
            return Ok(());
        }
        if let Matrix::File(file) = &self.source.features {
            if !file.has_missing() {
                return file.check();
            }
            return self.blocks_of(rows, |row, values| match first(values, |v| v.is_nan()) {
                Some(at) => Err(missing_cell(&self.source, at % width, self.row_index(row + at / width) as usize)),
                None => Ok(()),
            });
        }
        match { rows }.find_map(|row| Some((row, missing(&row)?))) {
            Some((row, column)) => Err(missing_cell(&self.source, column, self.row_index(row) as usize)),
            None => Ok(()),
        }
    }

    /// 32 hexadecimal digits over the schema and the values of the view's rows in order: equal data, equal fingerprint,
    /// on every machine; made to notice change, not to resist an attacker.
    ///
    /// # Errors
    /// What reading a file runs into.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hash = Fingerprint::new();
        hash.bytes(serde_json::to_string(&self.schema()).unwrap_or_default().as_bytes());
        let hashed = self.blocks(|_, values| {
            values.iter().for_each(|value| hash.word(value.to_bits()));
            Ok(())
        });
        hashed?;
        self.labels().iter().flatten().for_each(|&label| hash.word(label.into()));
        self.targets().iter().flatten().for_each(|value| hash.word(value.to_bits()));
        self.weights().iter().flatten().for_each(|weight| hash.word(weight.to_bits()));
        self.groups().iter().flatten().for_each(|&group| hash.word(group.into()));
        self.lengths().iter().flatten().for_each(|&length| hash.word(length.into()));
        Ok(format!("{:016x}{:016x}", mix(hash.0), mix(hash.1)))
    }

    /// The steps of each row, where rows are sequences of different lengths.
    pub fn lengths(&self) -> Option<Vec<u32>> {
        self.source.lengths.as_ref().map(|lengths| self.pick(lengths))
    }

    fn pick<T: Copy>(&self, values: &[T]) -> Vec<T> {
        match &self.view {
            Some(view) => view.iter().map(|&row| values[row as usize]).collect(),
            None => values.to_vec(),
        }
    }
}

/// The values of one column after the other, some of them read in one pass.
pub(crate) struct ColumnValues<'a> {
    data: &'a Dataset,
    first: usize,
    columns: Vec<Vec<f64>>,
}

impl<'a> ColumnValues<'a> {
    /// Memory of the columns of one pass: 256 MiB, or one column.
    const TOGETHER: usize = 1 << 25;

    pub fn new(data: &'a Dataset) -> Self {
        Self {
            data,
            first: 0,
            columns: Vec::new(),
        }
    }

    /// Of the view's rows; what reading a file runs into, the caller asks for.
    pub fn of(&mut self, column: usize) -> &[f64] {
        if !(self.first..self.first + self.columns.len()).contains(&column) {
            let (rows, width) = (self.data.rows(), self.data.width());
            let together = (Self::TOGETHER / rows.max(1)).clamp(1, width - column);
            self.first = column;
            self.columns = (0..together).map(|_| Vec::with_capacity(rows)).collect();
            let taken = self.data.blocks(|_, values| {
                for row in values.chunks_exact(width) {
                    for (out, &value) in self.columns.iter_mut().zip(&row[column..]) {
                        out.push(value);
                    }
                }
                Ok(())
            });
            if taken.is_err() {
                self.columns.iter_mut().for_each(|column| column.resize(rows, f64::NAN));
            }
        }
        &self.columns[column - self.first]
    }
}

/// The error for a missing cell where none is allowed; `row` counts from 0 in the source.
pub(crate) fn missing_cell(source: &Source, column: usize, row: usize) -> Error {
    Error::new(Code::InvalidData, "the cell is missing")
        .at(format!("{}, row {row}", source.column_place(column)))
        .expected("a finite number")
        .received("NaN (a missing cell)")
        .hint("Drop the column or the rows without a value; rows are counted from 0.")
}

/// Two multiply-rotate lanes with different constants; the words' order counts.
struct Fingerprint(u64, u64);

impl Fingerprint {
    fn new() -> Self {
        Self(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344)
    }

    #[inline]
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        self.1 = (self.1.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        bytes.iter().for_each(|&byte| self.word(byte.into()));
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The place of the first value that is such: whether there is any is found first, without a branch a value.
fn first<T>(row: &[T], such: impl Fn(&T) -> bool) -> Option<usize> {
    let any = row.iter().fold(false, |any, value| any | such(value));
    if any { row.iter().position(such) } else { None }
}

#[cfg(test)]
mod tests;
