//! Preparation: its steps, and those that are one affine map a column, x ↦ (x − shift)·factor, cut to a range where asked.
//!
//! An affine step maps a column to a multiple of itself plus a constant, so any list of them is one such map and
//! one pass over the rows fits them all: the mean, the bounds and the quantiles of a column move with the map. Fitted on the rows of
//! one view only (a training fold); applied while rows are gathered into a batch. Lists with other steps are a [`crate::pipeline`].

use nabla_error::{Code, Error, Result};
use nabla_formats::nearest;
use nabla_kernels::gather::{Stored, gather_rows};
use serde::{Deserialize, Serialize};

use crate::dataset::{ColumnValues, Dataset, missing_cell};
use crate::moments::Moments;
use crate::source::Kind;

/// One step of `prepare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Step {
    /// To mean 0 and deviation 1.
    Standardize(Standardize),
    /// To a range.
    MinMax(MinMax),
    /// To median 0 and quantile range 1.
    Robust(Robust),
    /// To a greatest absolute value of 1.
    MaxAbs(MaxAbs),
    /// Missing cells get a value.
    Impute(Impute),
    /// Categories become columns of 0 and 1.
    OneHot(OneHot),
    /// Categories become the numbers of their levels.
    Ordinal(Ordinal),
    /// Rows to norm 1.
    UnitNorm(UnitNorm),
    /// Values to their quantiles.
    Quantile(Quantile),
    /// Yeo–Johnson's power transform.
    Power(Power),
    /// The columns that say most about the target.
    SelectBest(SelectBest),
}

/// x ↦ (x − median)/(upper − lower quantile), quantiles with linear interpolation, as scikit-learn's `RobustScaler`.
/// A column whose quantiles meet is divided by 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Robust {
    /// Names of number columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The lower quantile, in [0, 1]; 0.25 by default.
    pub lower: f64,
    /// The upper quantile; 0.75 by default.
    pub upper: f64,
}

impl Default for Robust {
    fn default() -> Self {
        Self {
            columns: None,
            lower: 0.25,
            upper: 0.75,
        }
    }
}

/// x ↦ x/max |x|, so that zeros stay zeros. A column of zeros is divided by 1. scikit-learn's `MaxAbsScaler`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxAbs {
    /// Names of number columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

/// What a missing cell is filled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// The column's mean.
    #[default]
    Mean,
    /// Its median.
    Median,
    /// Its most frequent value, the least of several.
    Mode,
    /// `value`.
    Constant,
}

/// A number, or the name of a level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fill {
    /// For columns of numbers.
    Number(f64),
    /// For categories.
    Level(String),
}

/// Missing cells get the mean (default), median or mode of their column, or a constant. scikit-learn's `SimpleImputer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Impute {
    /// By default number columns; all columns for `mode`, categories for a constant level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// How.
    pub strategy: Strategy,
    /// Of `constant`; 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Fill>,
    /// Appends a column of 0 and 1 for each chosen column: whether the cell was missing.
    pub indicator: bool,
}

/// What is left out because the other columns say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Drop {
    /// The first level.
    First,
    /// The first of two levels; more keep all.
    Binary,
}

/// A category of m levels becomes m columns of 0 and 1, named `column=level`, in its place. A missing or unseen level is all zeros.
/// scikit-learn's `OneHotEncoder(handle_unknown="ignore")`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct OneHot {
    /// Names of category columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Leaves a level out; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<Drop>,
}

/// A category becomes the number of its level, in the order of the levels, and counts as a column of numbers from there on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Ordinal {
    /// Names of category columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

/// Which norm of a row becomes 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Norm {
    /// Σ |x|.
    L1,
    /// √Σ x².
    #[default]
    L2,
    /// max |x|.
    Max,
}

/// x ↦ x/‖x‖ over the chosen columns of each row; a row of zeros stays. scikit-learn's `Normalizer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct UnitNorm {
    /// Names of number columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Default 2.
    pub norm: Norm,
}

/// Where quantiles go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Distribution {
    /// [0, 1].
    #[default]
    Uniform,
    /// The standard normal, cut at the quantiles 10⁻⁷ and 1 − 10⁻⁷.
    Normal,
}

/// Each value by its quantile among the training rows, linear in between; of equal ones the middle. scikit-learn's `QuantileTransformer`
/// without subsampling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Quantile {
    /// Names of number columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// How many are kept, from 2; at most the training rows. Default 1000.
    pub quantiles: usize,
    /// Default uniform.
    pub output: Distribution,
}

impl Default for Quantile {
    fn default() -> Self {
        Self {
            columns: None,
            quantiles: 1000,
            output: Distribution::Uniform,
        }
    }
}

/// Yeo & Johnson's power transform (2000), λ of greatest likelihood, then standardized by default. scikit-learn's `PowerTransformer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Power {
    /// Names of number columns; all of them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// To mean 0 and deviation 1 afterwards; true by default.
    pub standardize: bool,
}

impl Default for Power {
    fn default() -> Self {
        Self {
            columns: None,
            standardize: true,
        }
    }
}

/// How much a column says about the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Score {
    /// F of the analysis of variance for classes, of the correlation for numbers: `f_classif`, `f_regression`.
    #[default]
    F,
    /// χ² of values ≥ 0 against classes: `chi2`.
    ChiSquared,
    /// Mutual information with the target, of columns cut into parts of equal count.
    MutualInformation,
}

/// Keeps the k columns with the greatest score, in their order; of equal ones the later, as scikit-learn's `SelectKBest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectBest {
    /// How many, from 1.
    pub k: usize,
    /// Default F.
    #[serde(default)]
    pub score: Score,
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
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Step::Standardize(_) => "standardize",
            Step::MinMax(_) => "minMax",
            Step::Robust(_) => "robust",
            Step::MaxAbs(_) => "maxAbs",
            Step::Impute(_) => "impute",
            Step::OneHot(_) => "oneHot",
            Step::Ordinal(_) => "ordinal",
            Step::UnitNorm(_) => "unitNorm",
            Step::Quantile(_) => "quantile",
            Step::Power(_) => "power",
            Step::SelectBest(_) => "selectBest",
        }
    }

    pub(crate) fn columns(&self) -> Option<&[String]> {
        match self {
            Step::Standardize(step) => step.columns.as_deref(),
            Step::MinMax(step) => step.columns.as_deref(),
            Step::Robust(step) => step.columns.as_deref(),
            Step::MaxAbs(step) => step.columns.as_deref(),
            Step::Impute(step) => step.columns.as_deref(),
            Step::OneHot(step) => step.columns.as_deref(),
            Step::Ordinal(step) => step.columns.as_deref(),
            Step::UnitNorm(step) => step.columns.as_deref(),
            Step::Quantile(step) => step.columns.as_deref(),
            Step::Power(step) => step.columns.as_deref(),
            Step::SelectBest(_) => None,
        }
    }

    /// Whether it is an affine map of each column.
    pub fn is_affine(&self) -> bool {
        matches!(self, Step::Standardize(_) | Step::MinMax(_) | Step::Robust(_) | Step::MaxAbs(_))
    }
}

/// The quantile q of ascending values with linear interpolation, as `numpy.percentile`.
pub(crate) fn quantile_of(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

/// The values that are there, ascending.
pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|v| !v.is_nan()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
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
        self.apply(values);
        Ok(())
    }

    /// [`Self::transform`] of whole rows.
    pub(crate) fn apply(&self, values: &mut [f64]) {
        for row in values.chunks_exact_mut(self.width().max(1)) {
            for (x, (shift, factor)) in row.iter_mut().zip(self.shift.iter().zip(&self.factor)) {
                *x = (*x - shift) * factor;
            }
            self.clip_row(row, |value, [low, high]| value.clamp(low, high));
        }
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

    /// Some of the columns.
    pub fn part(&self, columns: std::ops::Range<usize>) -> Fitted {
        Fitted {
            shift: self.shift[columns.clone()].to_vec(),
            factor: self.factor[columns.clone()].to_vec(),
            clip: self.clip.as_ref().map(|clip| clip[columns].to_vec()),
        }
    }

    /// The columns of several side by side.
    pub(crate) fn joined(parts: &[Fitted]) -> Fitted {
        let clipped = parts.iter().any(|p| p.clip.is_some());
        let clip = |p: &Fitted| p.clip.clone().unwrap_or_else(|| vec![None; p.width()]);
        Fitted {
            shift: parts.iter().flat_map(|p| p.shift.clone()).collect(),
            factor: parts.iter().flat_map(|p| p.factor.clone()).collect(),
            clip: clipped.then(|| parts.iter().flat_map(clip).collect()),
        }
    }

    pub(crate) fn clip_row<T: Copy>(&self, row: &mut [T], cut: impl Fn(T, [f64; 2]) -> T) {
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
pub(crate) fn fit_affine(steps: &[Step], data: &Dataset) -> Result<Fitted> {
    if steps.is_empty() {
        return Ok(Fitted::identity(data.width()));
    }
    let source = data.source();
    let names: Vec<&str> = source.columns().iter().map(|column| column.name.as_str()).collect();
    let numbers: Vec<bool> = (0..data.width())
        .map(|j| source.columns().get(j).is_none_or(|c| c.kind == Kind::Number))
        .collect();
    let moments = Moments::of(data.rows(), data.width(), |row, out| data.rows_to(row, out));
    source.features().check()?;
    let missing = |j: usize| {
        let row = ColumnValues::new(data).of(j).iter().position(|value| value.is_nan());
        missing_cell(source, j, row.map_or(0, |row| data.row_index(row) as usize))
    };
    let mut values = ColumnValues::new(data);
    let column = |j: usize| sorted(values.of(j).iter().copied());
    let fitted = compose(steps, &moments, data.rows(), &names, &numbers, column, missing, |j| {
        source.column_place(j)
    });
    source.features().check()?;
    fitted
}

/// Fits affine steps on rows of `width` values, all there, whose columns have these names.
pub(crate) fn fit_matrix<S: Stored>(
    steps: &[Step],
    values: &[S],
    names: &[&str],
    numbers: &[bool],
    missing: impl Fn(usize) -> Error,
) -> Result<Fitted> {
    let width = names.len();
    let rows = values.len() / width.max(1);
    let moments = moments_of(values, width);
    let column = |j: usize| sorted(values.iter().skip(j).step_by(width).map(|v| v.to_f64()));
    let place = |j: usize| format!("column {:?}", names[j]);
    compose(steps, &moments, rows, names, numbers, column, missing, place)
}

/// Of rows of `width` values.
pub(crate) fn moments_of<S: Stored>(values: &[S], width: usize) -> Moments {
    Moments::of(values.len() / width.max(1), width, |row, out| {
        // Rows that follow each other are one long row.
        let from = row * width;
        gather_rows(&values[from..from + out.len()], out.len(), &[0], None, out);
    })
}

#[expect(clippy::too_many_arguments, reason = "what the three callers know of their columns")]
pub(crate) fn compose(
    steps: &[Step],
    moments: &Moments,
    rows: usize,
    names: &[&str],
    numbers: &[bool],
    mut column: impl FnMut(usize) -> Vec<f64>,
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
        for j in chosen(step, names, numbers, "numbers")? {
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
                Step::Robust(step) => {
                    if !(0.0 <= step.lower && step.lower < step.upper && step.upper <= 1.0) {
                        let error = Error::option("lower", "below upper, both in [0, 1]", format!("{} and {}", step.lower, step.upper));
                        return Err(error.at("robust"));
                    }
                    let column = column(j);
                    let spread = now(quantile_of(&column, step.upper)) - now(quantile_of(&column, step.lower));
                    (now(quantile_of(&column, 0.5)), if spread > 0.0 { 1.0 / spread } else { 1.0 })
                }
                Step::MaxAbs(_) => {
                    let most = now(moments.min[j]).abs().max(now(moments.max[j]).abs());
                    (0.0, if most > 0.0 { 1.0 / most } else { 1.0 })
                }
                other => return Err(Error::internal(format!("{} is no affine step", other.name()))),
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

/// The columns a step is for: those it names, or all that it can be for; `what` says which these are.
pub(crate) fn chosen(step: &Step, names: &[&str], allowed: &[bool], what: &str) -> Result<Vec<usize>> {
    let Some(columns) = step.columns() else {
        return Ok((0..allowed.len()).filter(|&j| allowed[j]).collect());
    };
    let find = |name: &String| {
        // An array by its name is all its values, `pixels[0]`, `pixels[1]`, …
        let whole = format!("{name}[");
        let own: Vec<usize> = (0..names.len())
            .filter(|&j| names[j] == name || names[j].starts_with(&whole))
            .collect();
        if own.is_empty() {
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("Did you mean {near:?}?"),
                None if names.is_empty() => "The values of these samples have no names: leave `columns` out.".to_owned(),
                None => format!("The columns are {}.", names.join(", ")),
            };
            return Err(Error::new(Code::InvalidOption, format!("there is no column {name:?}"))
                .at(step.name())
                .hint(hint));
        }
        if own.iter().any(|&j| !allowed[j]) {
            let error = Error::new(Code::InvalidOption, format!("column {name:?} does not hold {what}"));
            return Err(error.at(step.name()).expected(format!("a column of {what}")));
        }
        Ok(own)
    };
    let found: Vec<Vec<usize>> = columns.iter().map(find).collect::<Result<_>>()?;
    Ok(found.concat())
}

#[cfg(test)]
mod tests;
