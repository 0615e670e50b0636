//! Preparation of plain rows of numbers: fitted, applied and taken back by all cores, computed in f64 and rounded once. Work is cut by the
//! shape alone, so the same rows give the same bits on any number of cores.

use nabla_error::{Code, Error, Result, memory};
use nabla_kernels::Real;
use nabla_kernels::gather::{Stored, gather_rows};
use nabla_kernels::reduce::all_finite;
use rayon::prelude::*;

use crate::pipeline::{Prepared, Staged, begin, fit_rows};
use crate::prepare::{Fitted, Step, compose, moments_of, sorted};
use crate::source::Column;

/// Values of a block, which stay in the second-level cache.
const BLOCK: usize = 1 << 15;

/// Fits `steps` on plain rows, whose columns are called `x0`, `x1`, …; NaN is a missing cell where a step fills it.
///
/// # Errors
/// `SHAPE_MISMATCH` where the rows are not whole, `NOT_FINITE` naming column and row, and those of the steps.
pub fn fit_values<S: Stored>(steps: &[Step], values: &[S], width: usize) -> Result<Prepared> {
    if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
        return Err(not_whole(values.len(), width));
    }
    let rows = values.len() / width;
    let not_finite = |fills: bool| {
        let wrong = |v: &S| !(v.to_f64().is_finite() || fills && v.to_f64().is_nan());
        let at = values.iter().position(wrong)?;
        let error = Error::new(Code::NotFinite, format!("the value is {}", values[at].to_f64())).expected("a finite number");
        Some(error.at(format!("column \"x{}\", row {}", at % width, at / width)))
    };
    if !steps.iter().all(Step::is_affine) {
        if let Some(error) = not_finite(steps.iter().any(|step| matches!(step, Step::Impute(_)))) {
            return Err(error);
        }
        let named: Vec<Column> = (0..width).map(|j| Column::number(format!("x{j}"))).collect();
        let missing =
            |row: usize, name: &str| Error::new(Code::InvalidData, "the cell is missing").at(format!("column {name:?}, row {row}"));
        let rows_to = |row: usize, out: &mut [f64]| {
            let from = row * width;
            values[from..].iter().zip(out).for_each(|(v, out)| *out = v.to_f64());
        };
        let from = Staged::new(rows, width, &rows_to);
        return fit_rows(steps, from, begin(named.iter()), &missing, None);
    }
    // What was counted says whether all are finite: no pass of its own.
    let moments = moments_of(values, width);
    let finite = |j: usize| moments.count[j] == rows as f64 && moments.min[j].is_finite() && moments.max[j].is_finite();
    if !(0..width).all(finite)
        && let Some(error) = not_finite(false)
    {
        return Err(error);
    }
    let names: Vec<String> = (0..width).map(|j| format!("x{j}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let column = |j: usize| sorted(values.iter().skip(j).step_by(width).map(|v| v.to_f64()));
    let missing = |j: usize| Error::internal(format!("column {j} has a missing cell that was not found"));
    let place = |j: usize| format!("column {:?}", names[j]);
    compose(steps, &moments, rows, &names, &vec![true; width], column, missing, place).map(Prepared::affine)
}

impl Prepared {
    /// Prepared rows: `[rows, width]` into `[rows, prepared width]`, row-major. `missing` says that NaN is a missing cell.
    ///
    /// # Errors
    /// `SHAPE_MISMATCH` where the rows are not whole, `NOT_FINITE` for NaN that is none and ±∞, naming column and row.
    pub fn transform<T: Real + Stored>(&self, values: &[T], missing: bool, out: &mut [T]) -> Result<()> {
        let (width, map) = (self.width(), self.map());
        let scale = Some((map.shift(), map.factor()));
        let finish = |out: &mut [T]| {
            for row in out.chunks_exact_mut(map.width()) {
                map.clip_row(row, |value: T, [low, high]| T::from_f64(Stored::to_f64(value).clamp(low, high)));
            }
        };
        if self.has_stages() {
            return blocks((values, width), (out, map.width()), missing, |values, out| {
                let doubles: Vec<f64> = values.iter().map(|v| Stored::to_f64(*v)).collect();
                let staged = self.stage_rows(&doubles)?;
                let numbers: Vec<u32> = (0..(staged.len() / map.width().max(1)) as u32).collect();
                gather_rows(&staged, map.width(), &numbers, scale, out);
                finish(out);
                Ok(())
            });
        }
        let numbers: Vec<u32> = (0..together(width) as u32).collect();
        blocks((values, width), (out, width), missing, |values, out| {
            gather_rows(values, width, &numbers[..values.len() / width], scale, out);
            finish(out);
            Ok(())
        })
    }

    /// Rows back in their own units: `[rows, prepared width]` into `[rows, width]`.
    ///
    /// # Errors
    /// `INVALID_OPTION` for steps without an inverse, and those of [`Self::transform`].
    pub fn inverse<T: Real + Stored>(&self, values: &[T], missing: bool, out: &mut [T]) -> Result<()> {
        let map = self.map();
        blocks((values, map.width()), (out, self.width()), missing, |values, out| {
            if !self.has_stages() {
                back(map, values, out);
                return Ok(());
            }
            let mut doubles: Vec<f64> = values.iter().map(|v| Stored::to_f64(*v)).collect();
            map.inverse(&mut doubles)?;
            let rows = self.stages_back(&doubles)?;
            rows.iter().zip(out).for_each(|(x, out)| *out = T::from_f64(*x));
            Ok(())
        })
    }
}

/// x = y/factor + shift.
fn back<T: Real + Stored>(map: &Fitted, values: &[T], out: &mut [T]) {
    for (from, to) in values.chunks_exact(map.width()).zip(out.chunks_exact_mut(map.width())) {
        for ((y, x), (shift, factor)) in from.iter().zip(to).zip(map.shift().iter().zip(map.factor())) {
            *x = T::from_f64(Stored::to_f64(*y) / factor + shift);
        }
    }
}

/// Rows of a block.
fn together(width: usize) -> usize {
    (BLOCK / width.max(1)).max(1)
}

/// `each` gets some rows and where they go; of several errors the first. Arrays are given with their width.
fn blocks<T: Real + Stored>(
    (values, width): (&[T], usize),
    (out, width_out): (&mut [T], usize),
    missing: bool,
    each: impl Fn(&[T], &mut [T]) -> Result<()> + Sync,
) -> Result<()> {
    if width == 0 || width_out == 0 || !values.len().is_multiple_of(width) {
        return Err(not_whole(values.len(), width));
    }
    if out.len() != values.len() / width * width_out {
        return Err(Error::internal("no room for the prepared rows"));
    }
    memory::prefer_large_pages(out);
    let rows = together(width);
    let one = |at: usize, values: &[T], out: &mut [T]| {
        if !missing && !all_finite(values) {
            let wrong = values.iter().position(|v| !Stored::to_f64(*v).is_finite()).unwrap_or(0);
            let error = Error::new(Code::NotFinite, format!("the value is {}", Stored::to_f64(values[wrong])));
            let place = format!("column \"x{}\", row {}", wrong % width, at * rows + wrong / width);
            return Err(error.at(place).expected("a finite number"));
        }
        each(values, out)
    };
    let pieces = values
        .par_chunks(rows * width)
        .zip(out.par_chunks_mut(rows * width_out))
        .enumerate();
    let ended = pieces.map(|(at, (values, out))| one(at, values, out)).find_first(Result::is_err);
    ended.unwrap_or(Ok(()))
}

fn not_whole(length: usize, width: usize) -> Error {
    Error::new(Code::ShapeMismatch, format!("{length} values are no whole rows of {width} columns"))
}

#[cfg(test)]
mod tests;
