//! Preparation that is one affine map a column: x ↦ (x − shift)·factor, cut to a range where asked.
//!
//! Every step here maps a column to a multiple of itself plus a constant, so any list of steps is one such map and
//! one pass over the rows fits them all: the mean and the bounds of a column move with the map. Fitted on the rows of
//! one view only (a training fold); applied while rows are gathered into a batch.

use nabla_error::{Code, Error, Result};
use nabla_formats::nearest;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, missing_cell};
use crate::moments::Moments;
use crate::source::{Kind, Target};

/// One step of `prepare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Step {
    /// To mean 0 and deviation 1.
    Standardize(Standardize),
    /// To a range.
    MinMax(MinMax),
}

/// x ↦ (x − mean)/deviation, deviation = √(Σ(x − mean)²/n) of the population, as scikit-learn's `StandardScaler`.
/// A constant column is divided by 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Standardize {
    /// Names of number columns; all of them by default. Categories are left as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Subtract the mean; true by default.
    pub mean: bool,
    /// Divide by the deviation; true by default.
    pub deviation: bool,
}

/// x ↦ low + (x − min)·(high − low)/(max − min), as scikit-learn's `MinMaxScaler`. A constant column becomes `low`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct MinMax {
    /// Names of number columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Where the least value goes; 0 by default.
    pub low: f64,
    /// Where the greatest value goes; 1 by default.
    pub high: f64,
    /// Cut values outside the fitted range to `low` or `high`; false by default.
    pub clip: bool,
}

impl Default for Standardize {
    fn default() -> Self {
        Self {
            columns: None,
            mean: true,
            deviation: true,
        }
    }
}

impl Default for MinMax {
    fn default() -> Self {
        Self {
            columns: None,
            low: 0.0,
            high: 1.0,
            clip: false,
        }
    }
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Step::Standardize(_) => "standardize",
            Step::MinMax(_) => "minMax",
        }
    }

    fn columns(&self) -> Option<&[String]> {
        match self {
            Step::Standardize(step) => step.columns.as_deref(),
            Step::MinMax(step) => step.columns.as_deref(),
        }
    }
}

/// Fitted steps, composed: y_j = (x_j − shift_j)·factor_j, then cut to `clip_j` where there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Parts")]
pub struct Fitted {
    shift: Vec<f64>,
    factor: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clip: Option<Vec<Option<[f64; 2]>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parts {
    shift: Vec<f64>,
    factor: Vec<f64>,
    #[serde(default)]
    clip: Option<Vec<Option<[f64; 2]>>>,
}

impl TryFrom<Parts> for Fitted {
    type Error = Error;

    /// What comes from a file is checked as what comes from a user.
    fn try_from(Parts { shift, factor, clip }: Parts) -> Result<Self> {
        let fits = shift.len() == factor.len() && clip.as_ref().is_none_or(|clip| clip.len() == shift.len());
        let finite = shift.iter().all(|v| v.is_finite()) && factor.iter().all(|v| v.is_finite() && *v > 0.0);
        let ordered = clip.iter().flatten().flatten().all(|[low, high]| low <= high);
        if fits && finite && ordered {
            return Ok(Self { shift, factor, clip });
        }
        Err(Error::new(Code::DataFormat, "the fitted preparation is damaged").expected("shifts and positive factors, one a column"))
    }
}

impl Fitted {
    /// Changes nothing: what an empty list of steps gives.
    pub fn identity(width: usize) -> Self {
        Self {
            shift: vec![0.0; width],
            factor: vec![1.0; width],
            clip: None,
        }
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.shift.len()
    }

    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        self.clip.is_none() && self.shift.iter().all(|&s| s == 0.0) && self.factor.iter().all(|&f| f == 1.0)
    }

    /// One a column.
    pub fn shift(&self) -> &[f64] {
        &self.shift
    }

    /// One a column, positive.
    pub fn factor(&self) -> &[f64] {
        &self.factor
    }

    /// `[low, high]` a column, in prepared units; `None` when nothing is cut.
    pub fn clip(&self) -> Option<&[Option<[f64; 2]>]> {
        self.clip.as_deref()
    }

    /// Prepares rows in place (`[rows, width]`, row-major).
    pub fn transform(&self, values: &mut [f64]) -> Result<()> {
        self.expect_rows(values.len())?;
        for row in values.chunks_exact_mut(self.width().max(1)) {
            for (x, (shift, factor)) in row.iter_mut().zip(self.shift.iter().zip(&self.factor)) {
                *x = (*x - shift) * factor;
            }
            self.clip_row(row, |value, [low, high]| value.clamp(low, high));
        }
        Ok(())
    }

    /// Cuts prepared rows of f32 in place: what training does after its gather applied shift and factor.
    pub fn clip_rows_f32(&self, values: &mut [f32]) {
        for row in values.chunks_exact_mut(self.width().max(1)) {
            self.clip_row(row, |value, [low, high]| value.clamp(low as f32, high as f32));
        }
    }

    /// Back to the units of the data: x = y/factor + shift. What was cut stays cut.
    pub fn inverse(&self, values: &mut [f64]) -> Result<()> {
        self.expect_rows(values.len())?;
        for row in values.chunks_exact_mut(self.width().max(1)) {
            for (y, (shift, factor)) in row.iter_mut().zip(self.shift.iter().zip(&self.factor)) {
                *y = *y / factor + shift;
            }
        }
        Ok(())
    }

    fn clip_row<T: Copy>(&self, row: &mut [T], cut: impl Fn(T, [f64; 2]) -> T) {
        let Some(clip) = &self.clip else { return };
        for (value, range) in row.iter_mut().zip(clip) {
            if let Some(range) = range {
                *value = cut(*value, *range);
            }
        }
    }

    fn expect_rows(&self, length: usize) -> Result<()> {
        let width = self.width();
        if width == 0 || !length.is_multiple_of(width) {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{length} values are no whole rows of {width} columns"),
            ));
        }
        Ok(())
    }
}

/// Fits `steps` on the features of a view.
///
/// # Errors
/// `INVALID_DATA` for a missing cell (naming column and row), `INVALID_OPTION` for an unknown or category column or
/// `low ≥ high`, `NOT_FINITE` when the spread of a column does not fit into f64.
pub fn fit(steps: &[Step], data: &Dataset) -> Result<Fitted> {
    if steps.is_empty() {
        return Ok(Fitted::identity(data.width()));
    }
    let source = data.source();
    let names: Vec<&str> = source.columns().iter().map(|column| column.name.as_str()).collect();
    let numbers: Vec<bool> = (0..data.width())
        .map(|j| source.columns().get(j).is_none_or(|c| c.kind == Kind::Number))
        .collect();
    let moments = Moments::of(data.rows(), data.width(), |row, out| data.row_to(row, out));
    let missing = |j: usize| {
        let row = (0..data.rows()).find(|&row| source.features().get(data.row_index(row) as usize * data.width() + j).is_nan());
        missing_cell(source, j, row.map_or(0, |row| data.row_index(row) as usize))
    };
    compose(steps, &moments, data.rows(), &names, &numbers, missing, |j| source.column_place(j))
}

/// Fits `steps` on the target numbers of a view, so predictions can go back to the target's own units.
///
/// # Errors
/// As [`fit`]; `INVALID_OPTION` when the target is not numbers.
pub fn fit_targets(steps: &[Step], data: &Dataset) -> Result<Fitted> {
    let Some(Target::Numbers { names, width, values }) = data.source().target() else {
        return match steps.is_empty() {
            true => Ok(Fitted::identity(0)),
            false => Err(Error::new(Code::InvalidOption, "only a target of numbers can be prepared").at("prepareTargets")),
        };
    };
    let moments = Moments::of(data.rows(), *width, |row, out| {
        let from = data.row_index(row) as usize * width;
        out.copy_from_slice(&values[from..from + width]);
    });
    let place = |j: usize| format!("target {:?}", names[j]);
    let missing = |j: usize| Error::internal("a target without a value in a checked data set").at(place(j));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    compose(steps, &moments, data.rows(), &names, &vec![true; *width], missing, place)
}

/// Fits `steps` on plain rows, whose columns are called `x0`, `x1`, ….
pub fn fit_values(steps: &[Step], values: &[f64], width: usize) -> Result<Fitted> {
    if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
        return Err(Error::new(
            Code::ShapeMismatch,
            format!("{} values are no whole rows of {width} columns", values.len()),
        ));
    }
    let rows = values.len() / width;
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        let place = format!("column \"x{}\", row {}", at % width, at / width);
        return Err(Error::new(Code::NotFinite, format!("the value is {}", values[at]))
            .at(place)
            .expected("a finite number"));
    }
    let names: Vec<String> = (0..width).map(|j| format!("x{j}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let moments = Moments::of(rows, width, |row, out| out.copy_from_slice(&values[row * width..(row + 1) * width]));
    let place = |j: usize| format!("column \"x{j}\"");
    compose(
        steps,
        &moments,
        rows,
        &names,
        &vec![true; width],
        |j| Error::internal("a missing value").at(place(j)),
        place,
    )
}

fn compose(
    steps: &[Step],
    moments: &Moments,
    rows: usize,
    names: &[&str],
    numbers: &[bool],
    missing: impl Fn(usize) -> Error,
    place: impl Fn(usize) -> String,
) -> Result<Fitted> {
    let width = numbers.len();
    let mut fitted = Fitted::identity(width);
    let mut clip = vec![None; width];
    if rows == 0 {
        return Err(Error::new(Code::InvalidData, "preparation cannot be fitted on no rows"));
    }
    for step in steps {
        for j in chosen(step, names, numbers)? {
            if moments.count[j] < rows as f64 {
                return Err(missing(j));
            }
            let (shift, factor) = (&mut fitted.shift[j], &mut fitted.factor[j]);
            let now = |x: f64| (x - *shift) * *factor;
            // This step is y ↦ (y − minus)·times on what the steps before it give.
            let (minus, times) = match step {
                Step::Standardize(step) => {
                    let minus = if step.mean { now(moments.mean[j]) } else { 0.0 };
                    let deviation = if step.deviation { deviation(moments, j) * *factor } else { 1.0 };
                    (minus, if deviation > 0.0 { 1.0 / deviation } else { 1.0 })
                }
                Step::MinMax(step) => {
                    if !(step.low < step.high && (step.high - step.low).is_finite()) {
                        return Err(
                            Error::option("low", "below high, both finite", format!("{} and {}", step.low, step.high)).at("minMax"),
                        );
                    }
                    let (least, most) = (now(moments.min[j]), now(moments.max[j]));
                    let times = (step.high - step.low) / if most > least { most - least } else { 1.0 };
                    (least - step.low / times, times)
                }
            };
            *shift += minus / *factor;
            *factor *= times;
            if !(shift.is_finite() && factor.is_finite() && *factor > 0.0) {
                let error = Error::new(
                    Code::NotFinite,
                    format!("{}: the spread of the values does not fit into a double", step.name()),
                );
                return Err(error.at(place(j)).hint("Give the column in another unit."));
            }
            let moved = clip[j].map(|[low, high]: [f64; 2]| [(low - minus) * times, (high - minus) * times]);
            clip[j] = match (step, moved) {
                (Step::MinMax(MinMax { clip: true, low, high, .. }), None) => Some([*low, *high]),
                (Step::MinMax(MinMax { clip: true, low, high, .. }), Some([a, b])) => Some([a.clamp(*low, *high), b.clamp(*low, *high)]),
                (_, moved) => moved,
            };
        }
    }
    fitted.clip = clip.iter().any(Option::is_some).then_some(clip);
    Ok(fitted)
}

/// Of the raw column; 0 for a constant one, by scikit-learn's bound on what rounding alone may leave
/// (`_is_constant_feature`: variance ≤ n·ε·variance + (n·mean·ε)²).
fn deviation(moments: &Moments, j: usize) -> f64 {
    let (n, mean) = (moments.count[j], moments.mean[j]);
    let variance = moments.squares[j] / n;
    let bound = n * f64::EPSILON * variance + (n * mean * f64::EPSILON) * (n * mean * f64::EPSILON);
    if variance <= bound || moments.min[j] == moments.max[j] {
        0.0
    } else {
        variance.sqrt()
    }
}

fn chosen(step: &Step, names: &[&str], numbers: &[bool]) -> Result<Vec<usize>> {
    let Some(columns) = step.columns() else {
        return Ok((0..numbers.len()).filter(|&j| numbers[j]).collect());
    };
    let find = |name: &String| {
        let Some(j) = names.iter().position(|n| n == name) else {
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("Did you mean {near:?}?"),
                None if names.is_empty() => "The values of these samples have no names: leave `columns` out.".to_owned(),
                None => format!("The columns are {}.", names.join(", ")),
            };
            return Err(Error::new(Code::InvalidOption, format!("there is no column {name:?}"))
                .at(step.name())
                .hint(hint));
        };
        if !numbers[j] {
            let error = Error::new(Code::InvalidOption, format!("column {name:?} holds categories"));
            return Err(error.at(step.name()).expected("a column of numbers"));
        }
        Ok(j)
    };
    columns.iter().map(find).collect()
}

#[cfg(test)]
mod tests;
