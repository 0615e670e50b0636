//! Fitting lists of steps.

use nabla_error::{Code, Error, Result};

use super::staged::Reader;
use super::*;
use crate::moments::Moments;
use crate::prepare::{compose, fit_affine, quantile_of, sorted};
use crate::prepare_sequences::fit_sequences;
use crate::select_best::best_columns;

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
    let rows_to = |row: usize, out: &mut [f64]| data.rows_to(row, out);
    let from = Staged::new(data.rows(), data.width(), &rows_to);
    let fitted = fit_rows(steps, from, begin(named.iter()), &missing, target.as_ref());
    source.features().check()?;
    fitted
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

/// Fits `steps` on rows that are read a few columns at a time, through the stages that were fitted before.
pub(crate) fn fit_rows(
    steps: &[Step],
    mut from: Staged,
    mut columns: Columns,
    missing: &dyn Fn(usize, &str) -> Error,
    goal: Option<&Goal>,
) -> Result<Prepared> {
    if from.rows() == 0 {
        return Err(Error::new(Code::InvalidData, "preparation cannot be fitted on no rows"));
    }
    let width = columns.len();
    let mut at = 0;
    while at < steps.len() {
        let affine = steps[at..].iter().take_while(|step| step.is_affine()).count();
        if affine > 0 {
            let map = fit_run(&steps[at..at + affine], &from, &columns, missing)?;
            at += affine;
            if at == steps.len() {
                let stages = from.into_stages();
                return Ok(Prepared { width, stages, map });
            }
            from.push(Stage::Affine { map });
            continue;
        }
        let (next, on) = after(&steps[at], columns.clone())?;
        fit_stage(&steps[at], &mut from, &columns, &on, missing, goal)?;
        columns = match from.stages().last() {
            Some(Stage::Select { keep, .. }) if matches!(steps[at], Step::SelectBest(_)) => {
                keep.iter().map(|&j| columns[j].clone()).collect()
            }
            _ => next,
        };
        at += 1;
    }
    let map = Fitted::identity(columns.len());
    let stages = from.into_stages();
    Ok(Prepared { width, stages, map })
}

fn fit_run(steps: &[Step], from: &Staged, columns: &Columns, missing: &dyn Fn(usize, &str) -> Error) -> Result<Fitted> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let numbers: Vec<bool> = columns.iter().map(|(_, now)| *now == Now::Number).collect();
    let moments = Moments::of(from.rows(), columns.len(), |row, out| from.rows_to(row, out));
    let mut values = from.columns();
    let column = |j: usize| sorted(values.of(j).iter().copied());
    let first = |j: usize| from.columns().of(j).iter().position(|x| x.is_nan()).unwrap_or(0);
    let missing = |j: usize| missing(first(j), names[j]);
    let place = |j: usize| format!("column {:?}", names[j]);
    compose(steps, &moments, from.rows(), &names, &numbers, column, missing, place)
}

fn fit_stage(
    step: &Step,
    from: &mut Staged,
    columns: &Columns,
    on: &[usize],
    missing: &dyn Fn(usize, &str) -> Error,
    goal: Option<&Goal>,
) -> Result<()> {
    let width = columns.len();
    let mut values = from.columns();
    let whole = |values: &mut Reader, j: usize| {
        let values = values.of(j);
        match values.iter().position(|x| x.is_nan()) {
            Some(row) => Err(missing(row, &columns[j].0)),
            None => Ok(sorted(values.iter().copied())),
        }
    };
    let stage = match step {
        Step::Impute(impute) => {
            let mut fill = vec![None; width];
            for &j in on {
                let values = sorted(values.of(j).iter().copied());
                fill[j] = Some(filling(impute.strategy, impute.value.as_ref(), &columns[j], &values)?);
            }
            let marked = if impute.indicator { on.to_vec() } else { Vec::new() };
            Stage::Impute { fill, marked }
        }
        Step::OneHot(step) => {
            let span = |(j, (_, now)): (usize, &(String, Now))| match now {
                Now::Category(levels) if on.contains(&j) => span(levels.len(), step.drop),
                _ => [0, 0],
            };
            Stage::OneHot {
                spans: columns.iter().enumerate().map(span).collect(),
            }
        }
        // Codes are the numbers of their levels already.
        Step::Ordinal(_) => return Ok(()),
        Step::UnitNorm(step) => Stage::UnitNorm {
            columns: on.to_vec(),
            norm: step.norm,
        },
        Step::Quantile(step) => {
            if step.quantiles < 2 {
                return Err(Error::option("quantiles", "at least 2", step.quantiles).at("quantile"));
            }
            let mut quantiles = vec![Vec::new(); width];
            for &j in on {
                let values = whole(&mut values, j)?;
                let count = step.quantiles.min(values.len()).max(2);
                quantiles[j] = (0..count).map(|i| quantile_of(&values, i as f64 / (count - 1) as f64)).collect();
            }
            Stage::Quantile {
                quantiles,
                output: step.output,
            }
        }
        Step::Power(step) => {
            let mut lambda = vec![None; width];
            for &j in on {
                lambda[j] = Some(crate::power::likeliest(&whole(&mut values, j)?));
            }
            from.push(Stage::Power { lambda });
            if !step.standardize {
                return Ok(());
            }
            let names = on.iter().map(|&j| columns[j].0.clone()).collect();
            let standardize = Step::Standardize(crate::prepare::Standardize {
                columns: Some(names),
                ..Default::default()
            });
            let map = fit_run(&[standardize], from, columns, missing)?;
            Stage::Affine { map }
        }
        Step::SelectBest(step) => {
            let goal = goal.ok_or_else(|| {
                Error::new(Code::InvalidOption, "selectBest needs a target of classes, or of one number a row").at("selectBest")
            })?;
            for j in 0..width {
                whole(&mut values, j)?;
            }
            Stage::Select {
                keep: best_columns(step, width, |j| values.of(j).to_vec(), goal)?,
                width,
            }
        }
        affine => return Err(Error::internal(format!("{} is an affine step", affine.name()))),
    };
    from.push(stage);
    Ok(())
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
