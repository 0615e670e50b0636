//! Preparation of sequences of different lengths: one map for the numbers of a step, fitted over the steps that rows have. Padding is not
//! looked at, and stays 0.

use nabla_error::{Code, Error, Result, memory};

use crate::Dataset;
use crate::pipeline::Prepared;
use crate::prepare::{Fitted, Step, fit_matrix};

/// Fits affine steps on the steps of a view's rows; the map is that of a step for each step of the longest row.
///
/// # Errors
/// `INVALID_OPTION` for a step that is not affine, `NOT_FINITE` when the spread of a column does not fit into f64.
pub(crate) fn fit_sequences(steps: &[Step], data: &Dataset, lengths: &[u32]) -> Result<Prepared> {
    if let Some(step) = steps.iter().find(|step| !step.is_affine()) {
        return Err(Error::new(
            Code::InvalidOption,
            format!("{} cannot prepare sequences of different lengths", step.name()),
        )
        .at("prepare")
        .expected("standardize, minMax, robust or maxAbs, which map the numbers of a step alike at each step"));
    }
    let time = data.source().sample_shape().first().copied().unwrap_or(1).max(1);
    let width = data.width() / time;
    let length = |row: usize| lengths[data.row_index(row) as usize] as usize * width;
    let total = (0..data.rows()).map(length).sum();
    let mut values = memory::room_for(total, || format!("{total} values of sequences")).map_err(|e| e.at("prepare"))?;
    let mut all = vec![0.0; data.width()];
    for row in 0..data.rows() {
        data.row_to(row, &mut all);
        values.extend_from_slice(&all[..length(row)]);
    }
    let names: Vec<String> = (0..width).map(|j| format!("x{j}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let missing = |j: usize| Error::new(Code::InvalidData, "a number is missing").at(names[j]);
    let step = fit_matrix(steps, &values, &names, &vec![true; width], missing)?;
    Ok(Prepared::affine(Fitted::joined(&vec![step; time])))
}
