//! Preparation of targets: affine steps, so that predictions can go back to the target's own units.

use nabla_error::{Code, Error, Result};

use crate::moments::Moments;
use crate::prepare::{Fitted, Step, compose, sorted};
use crate::{Dataset, Target};

/// Fits `steps` on the target numbers of a view, so predictions can go back to the target's own units.
///
/// # Errors
/// As [`crate::prepare::fit`]; `INVALID_OPTION` when the target is not numbers, or a step is not affine.
pub fn fit_targets(steps: &[Step], data: &Dataset) -> Result<Fitted> {
    match data.source().target() {
        Some(target @ Target::Numbers { width, .. }) => fit_columns(steps, data, target, 0..*width),
        _ if steps.is_empty() => Ok(Fitted::identity(0)),
        _ => Err(not_numbers("prepareTargets")),
    }
}

/// The same for outputs by name, each with its steps: of several targets the one of that name, of numbers the column of that name. Covers
/// a whole row of targets; what has no steps stays as it is.
///
/// # Errors
/// As [`fit_targets`]; `INVALID_OPTION` where a name is no target of numbers.
pub fn fit_named_targets<'a>(outputs: impl Iterator<Item = (&'a str, &'a [Step])> + Clone, data: &Dataset) -> Result<Fitted> {
    let asked = outputs.filter(|(_, steps)| !steps.is_empty());
    let Some(target) = data.source().target() else {
        return Ok(Fitted::identity(0));
    };
    let columns: Vec<(&str, &Target, std::ops::Range<usize>)> = match target {
        Target::Several { targets } => targets.iter().map(|(name, own)| (name.as_str(), own, 0..own.width())).collect(),
        Target::Numbers { names, .. } => names
            .iter()
            .enumerate()
            .map(|(j, name)| (name.as_str(), target, j..j + 1))
            .collect(),
        _ => Vec::new(),
    };
    if let Some((name, _)) = asked.clone().find(|(name, _)| columns.iter().all(|(own, ..)| own != name)) {
        return Err(not_numbers(name));
    }
    let mut parts = Vec::new();
    for (name, own, range) in columns {
        let steps = asked.clone().find(|(n, _)| *n == name).map_or(&[][..], |(_, steps)| steps);
        parts.push(match own {
            Target::Numbers { .. } => fit_columns(steps, data, own, range)?,
            other if steps.is_empty() => Fitted::identity(other.width()),
            _ => return Err(not_numbers(name)),
        });
    }
    Ok(Fitted::joined(&parts))
}

fn not_numbers(place: &str) -> Error {
    Error::new(Code::InvalidOption, "only a target of numbers can be prepared").at(place)
}

fn fit_columns(steps: &[Step], data: &Dataset, target: &Target, columns: std::ops::Range<usize>) -> Result<Fitted> {
    let Target::Numbers { names, width, values } = target else {
        return Err(not_numbers("prepareTargets"));
    };
    let moments = Moments::of(data.rows(), columns.len(), |row, out| {
        for (at, out) in out.chunks_exact_mut(columns.len()).enumerate() {
            let from = data.row_index(row + at) as usize * width;
            out.copy_from_slice(&values[from + columns.start..from + columns.end]);
        }
    });
    let names: Vec<&str> = names[columns.clone()].iter().map(String::as_str).collect();
    let place = |j: usize| format!("target {:?}", names[j]);
    let missing = |j: usize| Error::internal("a target without a value in a checked data set").at(place(j));
    if let Some(step) = steps.iter().find(|step| !step.is_affine()) {
        return Err(Error::new(Code::InvalidOption, format!("{} cannot prepare a target", step.name()))
            .at("prepareTargets")
            .expected("standardize, minMax, robust or maxAbs, whose predictions go back to the target's own units"));
    }
    let column = |j: usize| sorted((0..data.rows()).map(|row| values[data.row_index(row) as usize * width + columns.start + j]));
    let numbers = vec![true; columns.len()];
    compose(steps, &moments, data.rows(), &names, &numbers, column, missing, place)
}
