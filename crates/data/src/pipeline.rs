//! Steps that are more than one affine map a column: stages that may change the width of a row, and the affine map that ends them.
//!
//! A list of affine steps has no stages and is applied while rows are gathered. Other lists are applied once a fit: the prepared
//! rows are a data set of their own ([`Prepared::materialise`]). Everything is fitted on the rows of one view only.

use std::sync::Arc;

use nabla_error::{Code, Error, Result, memory};
use nabla_kernels::gather::Stored;
use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, missing_cell};
use crate::power::yeo_johnson;
use crate::prepare::{Distribution, Drop, Fill, Fitted, Norm, OneHot, Step, Strategy, chosen, fit_affine, fit_matrix, quantile_of, sorted};
use crate::prepare_sequences::fit_sequences;
use crate::quantiles;
use crate::select_best::best_columns;
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
    fn run(&self, row: &[f64], out: &mut Vec<f64>) -> Result<()> {
        out.clear();
        match self {
            Stage::Affine { map } => {
                out.extend_from_slice(row);
                return map.transform(out);
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
        Ok(())
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

    /// The rows after the stages and before the map, as a data set of its own; the same one where there are no stages.
    ///
    /// # Errors
    /// `INVALID_DATA` for a cell that is still missing, `OUT_OF_MEMORY`.
    pub fn materialise(&self, data: &Dataset) -> Result<Dataset> {
        // Where nothing is missing there is nothing to fill, and rows need no copy.
        let fills = |stage: &Stage| matches!(stage, Stage::Impute { marked, .. } if marked.is_empty());
        if self.stages.is_empty() || self.stages.iter().all(fills) && data.check_finite().is_ok() {
            return Ok(data.clone());
        }
        let width = self.map.width();
        let rows = data.rows();
        let in_file = matches!(data.source().features(), Matrix::File(_));
        let mut file = in_file.then(RowsWriter::create).transpose()?;
        let room = if in_file { 0 } else { rows.saturating_mul(width) };
        let mut values = memory::room_for(room, || format!("{rows} prepared rows of {width} values")).map_err(|e| e.at("prepare"))?;
        let (mut row, mut next) = (vec![0.0; data.width()], Vec::new());
        for i in 0..data.rows() {
            row.resize(data.width(), 0.0);
            data.row_to(i, &mut row);
            data.source().features().check()?;
            self.run_stages(&mut row, &mut next)?;
            if let Some(j) = row.iter().position(|x| x.is_nan()) {
                // Stages keep the order of columns: the first missing one of the source is it.
                let mut before = vec![0.0; data.width()];
                data.row_to(i, &mut before);
                let column = before.iter().position(|x| x.is_nan()).unwrap_or(j.min(data.width() - 1));
                return Err(
                    missing_cell(data.source(), column, data.row_index(i) as usize).hint("prepare: [impute(), …] fills missing cells.")
                );
            }
            match &mut file {
                Some(file) => file.push(row.iter().copied())?,
                None => values.extend_from_slice(&row),
            }
        }
        Ok(data.with_features(
            width,
            match file {
                Some(file) => Matrix::File(Arc::new(file.finish()?)),
                None => Matrix::F64(values),
            },
        ))
    }

    fn run_stages(&self, row: &mut Vec<f64>, next: &mut Vec<f64>) -> Result<()> {
        for stage in &self.stages {
            stage.run(row, next)?;
            std::mem::swap(row, next);
        }
        Ok(())
    }

    /// Plain rows before the map.
    pub fn stage_rows(&self, values: &[f64]) -> Result<Vec<f64>> {
        self.expect_rows(values.len(), self.width)?;
        let (mut out, mut row, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for values in values.chunks_exact(self.width) {
            row.clear();
            row.extend_from_slice(values);
            self.run_stages(&mut row, &mut next)?;
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

/// Fits `steps` on the features of a view.
///
/// # Errors
/// `INVALID_DATA` for a missing cell where a step needs it (naming column and row), `INVALID_OPTION` for columns or options that do not
/// fit, `NOT_FINITE` when the spread of a column does not fit into f64.
pub fn fit(steps: &[Step], data: &Dataset) -> Result<Prepared> {
    if let (Some(lengths), false) = (data.source().lengths(), steps.is_empty()) {
        return fit_sequences(steps, data, lengths);
    }
    if steps.iter().all(Step::is_affine) {
        return Ok(Prepared::affine(fit_affine(steps, data)?));
    }
    let source = data.source();
    let named: Vec<Column> = match source.columns() {
        [] => (0..data.width()).map(|j| Column::number(format!("x{j}"))).collect(),
        columns => columns.to_vec(),
    };
    let missing = |row: usize, name: &str| {
        let column = source.columns().iter().position(|column| column.name == name).unwrap_or(0);
        missing_cell(source, column, data.row_index(row) as usize).hint("prepare: [impute(), …] fills missing cells.")
    };
    let target = Goal::of(data);
    fit_rows(
        steps,
        data.features_f64()?,
        data.rows(),
        begin(named.iter()),
        &missing,
        target.as_ref(),
    )
}

/// What selection looks at.
pub(crate) enum Goal {
    Classes { labels: Vec<u32>, count: usize },
    Number(Vec<f64>),
}

impl Goal {
    fn of(data: &Dataset) -> Option<Goal> {
        match data.source().target()? {
            Target::Classes { names, .. } => Some(Goal::Classes {
                labels: data.labels()?,
                count: names.len(),
            }),
            Target::Numbers { width: 1, .. } => data.targets().map(Goal::Number),
            Target::Numbers { .. } | Target::Sequence { .. } | Target::Several { .. } => None,
        }
    }
}

pub(crate) fn fit_rows(
    steps: &[Step],
    mut values: Vec<f64>,
    rows: usize,
    mut columns: Columns,
    missing: &dyn Fn(usize, &str) -> Error,
    goal: Option<&Goal>,
) -> Result<Prepared> {
    if rows == 0 {
        return Err(Error::new(Code::InvalidData, "preparation cannot be fitted on no rows"));
    }
    let width = columns.len();
    let mut stages = Vec::new();
    let mut at = 0;
    while at < steps.len() {
        let affine = steps[at..].iter().take_while(|step| step.is_affine()).count();
        if affine > 0 {
            let map = fit_run(&steps[at..at + affine], &values, &columns, missing)?;
            at += affine;
            if at == steps.len() {
                return Ok(Prepared { width, stages, map });
            }
            map.transform(&mut values)?;
            stages.push(Stage::Affine { map });
            continue;
        }
        let (next, on) = after(&steps[at], columns.clone())?;
        for stage in fit_stage(&steps[at], &values, &columns, &on, missing, goal)? {
            values = apply(&stage, &values, columns.len())?;
            columns = match &stage {
                Stage::Select { keep, .. } => keep.iter().map(|&j| columns[j].clone()).collect(),
                _ => next.clone(),
            };
            stages.push(stage);
        }
        if !matches!(steps[at], Step::SelectBest(_)) {
            columns = next;
        }
        at += 1;
    }
    let map = Fitted::identity(columns.len());
    Ok(Prepared { width, stages, map })
}

fn apply(stage: &Stage, values: &[f64], width: usize) -> Result<Vec<f64>> {
    let mut out = Vec::with_capacity(values.len() / width * stage.width_out(width));
    let mut row = Vec::new();
    for values in values.chunks_exact(width) {
        stage.run(values, &mut row)?;
        out.extend_from_slice(&row);
    }
    Ok(out)
}

fn fit_run<S: Stored>(steps: &[Step], values: &[S], columns: &Columns, missing: &dyn Fn(usize, &str) -> Error) -> Result<Fitted> {
    let width = columns.len();
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let numbers: Vec<bool> = columns.iter().map(|(_, now)| *now == Now::Number).collect();
    let first = |j: usize| values.iter().skip(j).step_by(width).position(|x| x.to_f64().is_nan()).unwrap_or(0);
    fit_matrix(steps, values, &names, &numbers, |j| missing(first(j), names[j]))
}

fn fit_stage(
    step: &Step,
    values: &[f64],
    columns: &Columns,
    on: &[usize],
    missing: &dyn Fn(usize, &str) -> Error,
    goal: Option<&Goal>,
) -> Result<Vec<Stage>> {
    let width = columns.len();
    let column = |j: usize| values.iter().skip(j).step_by(width).copied();
    let whole = |j: usize| match column(j).position(|x| x.is_nan()) {
        Some(row) => Err(missing(row, &columns[j].0)),
        None => Ok(sorted(column(j))),
    };
    Ok(match step {
        Step::Impute(impute) => {
            let mut fill = vec![None; width];
            for &j in on {
                fill[j] = Some(filling(impute.strategy, impute.value.as_ref(), &columns[j], &sorted(column(j)))?);
            }
            let marked = if impute.indicator { on.to_vec() } else { Vec::new() };
            vec![Stage::Impute { fill, marked }]
        }
        Step::OneHot(step) => {
            let span = |(j, (_, now)): (usize, &(String, Now))| match now {
                Now::Category(levels) if on.contains(&j) => span(levels.len(), step.drop),
                _ => [0, 0],
            };
            vec![Stage::OneHot {
                spans: columns.iter().enumerate().map(span).collect(),
            }]
        }
        // Codes are the numbers of their levels already.
        Step::Ordinal(_) => Vec::new(),
        Step::UnitNorm(step) => vec![Stage::UnitNorm {
            columns: on.to_vec(),
            norm: step.norm,
        }],
        Step::Quantile(step) => {
            if step.quantiles < 2 {
                return Err(Error::option("quantiles", "at least 2", step.quantiles).at("quantile"));
            }
            let mut quantiles = vec![Vec::new(); width];
            for &j in on {
                let values = whole(j)?;
                let count = step.quantiles.min(values.len()).max(2);
                quantiles[j] = (0..count).map(|i| quantile_of(&values, i as f64 / (count - 1) as f64)).collect();
            }
            vec![Stage::Quantile {
                quantiles,
                output: step.output,
            }]
        }
        Step::Power(step) => {
            let mut lambda = vec![None; width];
            for &j in on {
                let values = whole(j)?;
                lambda[j] = Some(crate::power::likeliest(&values));
            }
            let power = Stage::Power { lambda };
            if !step.standardize {
                return Ok(vec![power]);
            }
            let after = apply(&power, values, width)?;
            let names = on.iter().map(|&j| columns[j].0.clone()).collect();
            let standardize = Step::Standardize(crate::prepare::Standardize {
                columns: Some(names),
                ..Default::default()
            });
            let map = fit_run(&[standardize], &after, columns, missing)?;
            vec![power, Stage::Affine { map }]
        }
        Step::SelectBest(step) => {
            for j in 0..width {
                whole(j)?;
            }
            let goal = goal.ok_or_else(|| {
                Error::new(Code::InvalidOption, "selectBest needs a target of classes, or of one number a row").at("selectBest")
            })?;
            vec![Stage::Select {
                keep: best_columns(step, values, width, goal)?,
                width,
            }]
        }
        affine => return Err(Error::internal(format!("{} is an affine step", affine.name()))),
    })
}

fn filling(strategy: Strategy, value: Option<&Fill>, (name, now): &(String, Now), sorted: &[f64]) -> Result<f64> {
    let wrong = |message: String| Error::new(Code::InvalidOption, message).at(format!("impute, column {name:?}"));
    if let Now::Category(levels) = now {
        match (strategy, value) {
            (Strategy::Mode, _) => {}
            (Strategy::Constant, Some(Fill::Level(level))) => {
                let code = levels.iter().position(|l| l == level);
                return code
                    .map(|code| code as f64)
                    .ok_or_else(|| wrong(format!("{level:?} is no level of the column")).expected(levels.join(", ")));
            }
            _ => return Err(wrong("categories have a mode, or a constant level".to_owned()).hint("strategy: 'mode'")),
        }
    } else if strategy == Strategy::Constant {
        return match value {
            None => Ok(0.0),
            Some(Fill::Number(number)) if number.is_finite() => Ok(*number),
            Some(other) => Err(wrong(format!("{other:?} is no finite number"))),
        };
    }
    if sorted.is_empty() {
        return Err(
            Error::new(Code::InvalidData, "every cell of the column is missing in the training rows")
                .at(format!("column {name:?}"))
                .hint("Drop the column, or fill it: impute({ strategy: 'constant' })."),
        );
    }
    Ok(match strategy {
        Strategy::Mean => {
            // From the first value on, so that a column far from zero keeps its digits.
            sorted[0] + sorted.iter().map(|x| x - sorted[0]).sum::<f64>() / sorted.len() as f64
        }
        Strategy::Median => quantile_of(sorted, 0.5),
        _ => mode(sorted),
    })
}

/// The most frequent of ascending values, the least of several.
fn mode(sorted: &[f64]) -> f64 {
    let mut best = (0, f64::NAN);
    for run in sorted.chunk_by(|a, b| a == b) {
        if run.len() > best.0 {
            best = (run.len(), run[0]);
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
