//! Median of |ŷ − y|, which outliers don't move; mean over several outputs. scikit-learn's `median_absolute_error`.
//!
//! With weights: the least error at which half of the weight is reached, averaged with the next where it is reached exactly
//! (Hyndman & Fan 1996, definition 2). All errors are kept: 8 bytes a value.

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::rule::State;
use crate::{Batch, Direction, Rule};

/// Median of absolute errors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct MedianAbsoluteError {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// All errors, `[rows, width]`, and weights.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    width: usize,
    errors: Vec<f64>,
    weights: Vec<f64>,
}

impl Errors {
    fn expect_width(&mut self, width: usize) -> Result<()> {
        if self.width == 0 {
            self.width = width;
        }
        if self.width == width {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!("{width} outputs, before there were {}", self.width),
        ))
    }
}

impl State for Errors {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.width == 0 {
            return Ok(());
        }
        self.expect_width(other.width)?;
        self.errors.extend_from_slice(&other.errors);
        self.weights.extend_from_slice(&other.weights);
        Ok(())
    }
}

/// The weighted median; rows of weight 0 are absent. NaN without rows.
fn median(mut entries: Vec<(f64, f64)>) -> f64 {
    entries.retain(|(_, w)| *w > 0.0);
    entries.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = entries.iter().map(|(_, w)| w).sum();
    let mut below = 0.0;
    for (i, (error, w)) in entries.iter().enumerate() {
        below += w;
        // Half of the weight, as exactly as its sum is known.
        if below >= total * (0.5 - 4.0 * f64::EPSILON) {
            let met = (below - total / 2.0).abs() <= total * 4.0 * f64::EPSILON;
            return match entries.get(i + 1) {
                Some((next, _)) if met => (error + next) / 2.0,
                _ => *error,
            };
        }
    }
    f64::NAN
}

impl Rule for MedianAbsoluteError {
    type State = Errors;
    const DIRECTION: Direction = Direction::Min;

    fn update(&self, state: &mut Errors, batch: &Batch) -> Result<()> {
        let (truth, width) = batch.numbers()?;
        state.expect_width(width)?;
        state.errors.extend(truth.iter().zip(batch.prediction).map(|(y, p)| (p - y).abs()));
        state.weights.extend((0..batch.rows()).map(|row| batch.weight(row)));
        Ok(())
    }

    fn value(&self, state: &Errors) -> f64 {
        let of = |j: usize| {
            let errors = state.errors.iter().skip(j).step_by(state.width.max(1));
            median(errors.copied().zip(state.weights.iter().copied()).collect())
        };
        (0..state.width).map(of).sum::<f64>() / state.width as f64
    }

    fn samples() -> Vec<Self> {
        vec![Self::default()]
    }
}
