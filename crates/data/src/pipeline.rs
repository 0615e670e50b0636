//! Steps that are more than one affine map a column: stages that may change the width of a row, and the affine map that ends them.
//!
//! All of it is applied while rows are gathered: a row's stages run in a buffer of the thread's own, and no prepared copy of the data is
//! kept, in no fold. (What changes prepared rows at each epoch, augmentation, keeps one: [`Prepared::materialise`].) Everything is fitted
//! on the rows of one view only, a few columns at a time.

use std::cell::RefCell;
use std::sync::Arc;

use nabla_error::{Code, Error, Result, memory};
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, missing_cell};
use crate::power::yeo_johnson;
use crate::prepare::{Distribution, Drop, Fill, Fitted, Norm, OneHot, Step, Strategy, chosen};
use crate::quantiles;
use crate::source::{Column, Kind, Matrix, Target};
use crate::spill::RowsWriter;

/// A fitted step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Stage {
    /// An affine map a column.
    Affine {
        /// The map.
        map: Fitted,
    },
    /// What a missing cell of each column becomes; columns whose missing cells are marked by one more column each.
    Impute {
        /// `None` leaves a column as it is.
        fill: Vec<Option<f64>>,
        /// Columns with an indicator, in order.
        marked: Vec<usize>,
    },
    /// How many columns each column becomes, and from which code on; 0 leaves it as it is.
    OneHot {
        /// `[count, first code]` of each column.
        spans: Vec<[usize; 2]>,
    },
    /// λ of each column.
    Power {
        /// `None` leaves a column as it is.
        lambda: Vec<Option<f64>>,
    },
    /// Ascending quantiles of each column.
    Quantile {
        /// Empty leaves a column as it is.
        quantiles: Vec<Vec<f64>>,
        /// Where they go.
        output: Distribution,
    },
    /// Some columns of a row to norm 1.
    UnitNorm {
        /// Which.
        columns: Vec<usize>,
        /// To what.
        norm: Norm,
    },
    /// The columns that stay.
    Select {
        /// Ascending.
        keep: Vec<usize>,
        /// How many there were.
        width: usize,
    },
}

impl Stage {
    fn width_in(&self) -> usize {
        match self {
            Stage::Affine { map } => map.width(),
            Stage::Impute { fill, .. } => fill.len(),
            Stage::OneHot { spans } => spans.len(),
            Stage::Power { lambda } => lambda.len(),
            Stage::Quantile { quantiles, .. } => quantiles.len(),
            Stage::UnitNorm { columns, .. } => columns.iter().max().map_or(0, |j| j + 1),
            Stage::Select { width, .. } => *width,
        }
    }

    fn width_out(&self, width: usize) -> usize {
        match self {
            Stage::Impute { marked, .. } => width + marked.len(),
            Stage::OneHot { spans } => spans.iter().map(|[count, _]| if *count == 0 { 1 } else { *count }).sum(),
            Stage::Select { keep, .. } => keep.len(),
            _ => width,
        }
    }

    /// Whether its indices and numbers fit rows of `width`; they may come from a file.
    fn fits(&self, width: usize) -> bool {
        let whole = match self {
            Stage::UnitNorm { columns, .. } => columns.iter().all(|&j| j < width),
            _ => self.width_in() == width,
        };
        whole
            && match self {
                Stage::Impute { marked, .. } => marked.iter().all(|&j| j < width),
                Stage::Quantile { quantiles, .. } => quantiles.iter().all(|q| q.is_empty() || q.len() >= 2 && q.is_sorted()),
                Stage::Select { keep, .. } => keep.iter().all(|&j| j < width),
                Stage::OneHot { spans } => spans.iter().all(|[count, _]| *count < 1 << 24),
                _ => true,
            }
    }

    /// One row.
    fn run(&self, row: &[f64], out: &mut Vec<f64>) {
        out.clear();
        match self {
            Stage::Affine { map } => {
                out.extend_from_slice(row);
                map.apply(out);
            }
            Stage::Impute { fill, marked } => {
                out.extend(
                    row.iter()
                        .zip(fill)
                        .map(|(x, fill)| if x.is_nan() { fill.unwrap_or(*x) } else { *x }),
                );
                out.extend(marked.iter().map(|&j| f64::from(u8::from(row[j].is_nan()))));
            }
            Stage::OneHot { spans } => {
                for (x, &[count, first]) in row.iter().zip(spans) {
                    match count {
                        0 => out.push(*x),
                        _ => out.extend((first..first + count).map(|level| f64::from(u8::from(*x == level as f64)))),
                    }
                }
            }
            Stage::Power { lambda } => {
                out.extend(row.iter().zip(lambda).map(|(x, lambda)| lambda.map_or(*x, |l| yeo_johnson(*x, l))));
            }
            Stage::Quantile { quantiles, output } => {
                let place = |x: f64, q: &[f64]| if q.is_empty() { x } else { quantiles::place(x, q, *output) };
                out.extend(row.iter().zip(quantiles).map(|(x, q)| place(*x, q)));
            }
            Stage::UnitNorm { columns, norm } => {
                out.extend_from_slice(row);
                let chosen = columns.iter().map(|&j| row[j].abs());
                let size = match norm {
                    Norm::L1 => chosen.sum::<f64>(),
                    Norm::Max => chosen.fold(0.0, f64::max),
                    Norm::L2 => chosen.map(|x| x * x).sum::<f64>().sqrt(),
                };
                if size > 0.0 {
                    columns.iter().for_each(|&j| out[j] /= size);
                }
            }
            Stage::Select { keep, .. } => out.extend(keep.iter().map(|&j| row[j])),
        }
    }

    /// One row back, where there is a way.
    fn back(&self, row: &[f64], out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        match self {
            Stage::Affine { map } => {
                out.extend_from_slice(row);
                return map.inverse(out);
            }
            Stage::Impute { fill, .. } => out.extend_from_slice(&row[..fill.len()]),
            Stage::OneHot { spans } => {
                let mut at = 0;
                for &[count, first] in spans {
                    match count {
                        0 => out.push(row[at]),
                        _ => {
                            // The greatest of the columns; none above ½ is the level left out, or a missing one.
                            let part = &row[at..at + count];
                            let best = (0..count).fold(0, |best, j| if part[j] > part[best] { j } else { best });
                            let none = if first > 0 { 0.0 } else { f64::NAN };
                            out.push(if part[best] > 0.5 { (first + best) as f64 } else { none });
                        }
                    }
                    at += count.max(1);
                }
            }
            Stage::Power { lambda } => {
                out.extend(
                    row.iter()
                        .zip(lambda)
                        .map(|(y, lambda)| lambda.map_or(*y, |l| crate::power::inverse(*y, l))),
                );
            }
            Stage::Quantile { quantiles, output } => {
                let back = |y: f64, q: &[f64]| if q.is_empty() { y } else { quantiles::value(y, q, *output) };
                out.extend(row.iter().zip(quantiles).map(|(y, q)| back(*y, q)));
            }
            Stage::UnitNorm { .. } => return Err(no_way_back("unitNorm")),
            Stage::Select { .. } => return Err(no_way_back("selectBest")),
        }
        Ok(())
    }
}

fn no_way_back(step: &str) -> Error {
    Error::new(
        Code::InvalidOption,
        format!("{step} has no inverse: what it takes away is not kept"),
    )
    .at(step)
}

/// One row through all of them.
fn run_stages(stages: &[Stage], row: &mut Vec<f64>, next: &mut Vec<f64>) {
    for stage in stages {
        stage.run(row, next);
        std::mem::swap(row, next);
    }
}

/// Fitted steps: stages, then one affine map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Parts")]
pub struct Prepared {
    width: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<Stage>,
    map: Fitted,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parts {
    width: usize,
    #[serde(default)]
    stages: Vec<Stage>,
    map: Fitted,
}

impl TryFrom<Parts> for Prepared {
    type Error = Error;

    fn try_from(Parts { width, stages, map }: Parts) -> Result<Self> {
        let mut at = width;
        let fits = stages.iter().all(|stage| {
            let fits = stage.fits(at);
            at = stage.width_out(at);
            fits
        });
        if fits && at == map.width() {
            return Ok(Self { width, stages, map });
        }
        Err(Error::new(Code::DataFormat, "the fitted preparation is damaged").expected("stages whose widths fit together"))
    }
}

impl Prepared {
    /// One affine map.
    pub fn affine(map: Fitted) -> Self {
        Self {
            width: map.width(),
            stages: Vec::new(),
            map,
        }
    }

    /// Values a row had.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Values a prepared row has.
    pub fn prepared_width(&self) -> usize {
        self.map.width()
    }

    /// The affine map that ends it: all there is, where there are no stages.
    pub fn map(&self) -> &Fitted {
        &self.map
    }

    /// Whether there are stages before the map.
    pub fn has_stages(&self) -> bool {
        !self.stages.is_empty()
    }

    /// Whether the stages change these rows: not where they only fill what is missing, and nothing is. No cell is missing after them.
    ///
    /// # Errors
    /// `INVALID_DATA` for a cell that is still missing, naming it.
    pub fn changes(&self, data: &Dataset) -> Result<bool> {
        let fills = |stage: &Stage| matches!(stage, Stage::Impute { marked, .. } if marked.is_empty());
        if self.stages.is_empty() {
            return Ok(false);
        }
        if data.check_finite().is_ok() {
            return Ok(!self.stages.iter().all(fills));
        }
        let (mut now, mut next) = (Vec::new(), Vec::new());
        data.blocks(|first, values| {
            for (i, row) in values.chunks_exact(data.width()).enumerate() {
                let Some(hole) = row.iter().position(|x| x.is_nan()) else {
                    continue;
                };
                now.clear();
                now.extend_from_slice(row);
                run_stages(&self.stages, &mut now, &mut next);
                if now.iter().any(|x| x.is_nan()) {
                    // Stages keep the order of columns: the first missing one of the source is it.
                    let missing = missing_cell(data.source(), hole, data.row_index(first + i) as usize);
                    return Err(missing.hint("prepare: [impute(), …] fills missing cells."));
                }
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// The rows after the stages and before the map, as a data set of its own: what changes prepared rows reads (augmentation). Without
    /// that they are made while rows are gathered, by [`Self::staged`], and no copy is kept.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`, and what reading a file runs into.
    pub fn materialise(&self, data: &Dataset) -> Result<Dataset> {
        let (width, rows) = (self.map.width(), data.rows());
        let in_file = matches!(data.source().features(), Matrix::File(_));
        let mut file = in_file.then(RowsWriter::create).transpose()?;
        let room = if in_file { 0 } else { rows.saturating_mul(width) };
        let mut values = memory::room_for(room, || format!("{rows} prepared rows of {width} values")).map_err(|e| e.at("prepare"))?;
        for i in 0..rows {
            self.staged(data, data.row_index(i), |row| match &mut file {
                Some(file) => file.push(row.iter().copied()),
                None => {
                    values.extend_from_slice(row);
                    Ok(())
                }
            })?;
            data.source().features().check()?;
        }
        Ok(data.with_features(
            width,
            match file {
                Some(file) => Matrix::File(Arc::new(file.finish()?)),
                None => Matrix::F64(values),
            },
        ))
    }

    /// A row (an index into the source) after the stages and before the map; buffers are a thread's own and made once.
    pub fn staged<R>(&self, data: &Dataset, row: u32, then: impl FnOnce(&[f64]) -> R) -> R {
        thread_local! {
            static ROW: RefCell<(Vec<f64>, Vec<f64>)> = RefCell::default();
        }
        ROW.with_borrow_mut(|(now, next)| {
            now.resize(self.width, 0.0);
            data.source().features().copy_to(row as usize * self.width, now);
            run_stages(&self.stages, now, next);
            then(now)
        })
    }

    /// Plain rows before the map.
    pub fn stage_rows(&self, values: &[f64]) -> Result<Vec<f64>> {
        self.expect_rows(values.len(), self.width)?;
        let (mut out, mut row, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for values in values.chunks_exact(self.width) {
            row.clear();
            row.extend_from_slice(values);
            run_stages(&self.stages, &mut row, &mut next);
            out.extend_from_slice(&row);
        }
        Ok(out)
    }

    /// What [`Self::stage_rows`] gave, back.
    ///
    /// # Errors
    /// `INVALID_OPTION` for steps without an inverse.
    pub(crate) fn stages_back(&self, values: &[f64]) -> Result<Vec<f64>> {
        let (mut out, mut row, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for values in values.chunks_exact(self.map.width()) {
            row.clear();
            row.extend_from_slice(values);
            for stage in self.stages.iter().rev() {
                stage.back(&row, &mut next)?;
                std::mem::swap(&mut row, &mut next);
            }
            out.extend_from_slice(&row);
        }
        Ok(out)
    }

    fn expect_rows(&self, length: usize, width: usize) -> Result<()> {
        if width > 0 && length.is_multiple_of(width) {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!("{length} values are no whole rows of {width} columns"),
        ))
    }
}

/// What a column is while steps go by: 0 and 1 of a category are neither numbers to scale nor categories to encode.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Now {
    Number,
    Category(Vec<String>),
    Indicator,
}

/// The columns that a list of steps makes of others, by name: what a model that is traced before anything is fitted must know.
///
/// # Errors
/// `INVALID_OPTION` for columns that are not there or not of the kind a step is for.
pub fn prepared_columns(steps: &[Step], columns: &[Column]) -> Result<Vec<Column>> {
    let mut now = begin(columns.iter());
    for step in steps {
        now = after(step, now)?.0;
    }
    let back = |(name, kind): (String, Now)| Column {
        name,
        kind: match kind {
            Now::Category(levels) => Kind::Category { levels },
            Now::Number | Now::Indicator => Kind::Number,
        },
    };
    Ok(now.into_iter().map(back).collect())
}

pub(crate) type Columns = Vec<(String, Now)>;

pub(crate) fn begin<'a>(columns: impl Iterator<Item = &'a Column>) -> Columns {
    let kind = |kind: &Kind| match kind {
        Kind::Number => Now::Number,
        Kind::Category { levels } => Now::Category(levels.clone()),
    };
    columns.map(|column| (column.name.clone(), kind(&column.kind))).collect()
}

/// The columns after a step, and those it was for. `selectBest` keeps as many as it says; which ones is known when it is fitted.
fn after(step: &Step, columns: Columns) -> Result<(Columns, Vec<usize>)> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let is_category = |now: &Now| matches!(now, Now::Category(_));
    let find = |allowed: &dyn Fn(&Now) -> bool, what: &str| {
        let allowed: Vec<bool> = columns.iter().map(|(_, now)| allowed(now)).collect();
        chosen(step, &names, &allowed, what)
    };
    match step {
        Step::OneHot(OneHot { drop, .. }) => {
            let on = find(&is_category, "categories")?;
            let mut out = Vec::new();
            for (j, (name, now)) in columns.iter().enumerate() {
                match now {
                    Now::Category(levels) if on.contains(&j) => {
                        let [count, first] = span(levels.len(), *drop);
                        out.extend(
                            levels[first..first + count]
                                .iter()
                                .map(|level| (format!("{name}={level}"), Now::Indicator)),
                        );
                    }
                    now => out.push((name.clone(), now.clone())),
                }
            }
            Ok((out, on))
        }
        Step::Ordinal(_) => {
            let on = find(&is_category, "categories")?;
            let number = |(j, (name, now))| (name, if on.contains(&j) { Now::Number } else { now });
            Ok((columns.clone().into_iter().enumerate().map(number).collect(), on))
        }
        Step::Impute(impute) => {
            let on = match (&impute.columns, impute.strategy, &impute.value) {
                (Some(_), ..) | (None, Strategy::Mode, _) => find(&|_| true, "cells")?,
                (None, Strategy::Constant, Some(Fill::Level(_))) => find(&is_category, "categories")?,
                _ => find(&|now| !is_category(now), "numbers")?,
            };
            let marks = on
                .iter()
                .filter(|_| impute.indicator)
                .map(|&j| (format!("{} missing", names[j]), Now::Indicator));
            let marks: Columns = marks.collect();
            let mut out = columns.clone();
            out.extend(marks);
            Ok((out, on))
        }
        Step::SelectBest(best) => {
            if best.k == 0 || best.k > columns.len() {
                return Err(Error::option("k", format!("from 1 to the {} columns", columns.len()), best.k).at("selectBest"));
            }
            let on = (0..columns.len()).collect();
            Ok((columns[..best.k].to_vec(), on))
        }
        _ => {
            let on = find(&|now| *now == Now::Number, "numbers")?;
            Ok((columns.clone(), on))
        }
    }
}

/// `[count, first level]`; a category of one level keeps it.
fn span(levels: usize, drop: Option<Drop>) -> [usize; 2] {
    match drop {
        Some(Drop::First) if levels > 1 => [levels - 1, 1],
        Some(Drop::Binary) if levels == 2 => [1, 1],
        _ => [levels, 0],
    }
}

mod fit;
mod staged;

pub use fit::fit;
pub(crate) use fit::{Goal, fit_rows};
pub(crate) use staged::Staged;

#[cfg(test)]
mod tests;
