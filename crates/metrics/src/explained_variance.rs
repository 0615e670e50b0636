//! Explained variance, 1 − Var(y − ŷ)/Var(y): R² without the bias of the prediction; mean over several outputs.
//! scikit-learn's `explained_variance_score` (a constant truth gives 1 when Var(y − ŷ) = 0, else 0). Both variances by Welford's update,
//! merged by Chan's.

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::rule::State;
use crate::{Batch, Direction, Rule};

/// Share of the variance explained, whatever the bias.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ExplainedVariance {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A mean and Σ w(x − mean)².
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    mean: f64,
    squares: f64,
}

impl Spread {
    /// `weight` includes `w`.
    fn add(&mut self, x: f64, w: f64, weight: f64) {
        let delta = x - self.mean;
        self.mean += delta * (w / weight);
        self.squares += w * delta * (x - self.mean);
    }

    fn merge(&mut self, weight: f64, other: &Self, other_weight: f64) {
        let delta = other.mean - self.mean;
        let share = other_weight / (weight + other_weight);
        self.mean += delta * share;
        self.squares += other.squares + delta * delta * weight * share;
    }
}

/// Σw, and for each output the spread of y and of y − ŷ.
#[derive(Clone, Debug, Default)]
pub struct Spreads {
    weight: f64,
    outputs: Vec<[Spread; 2]>,
}

impl Spreads {
    fn expect_width(&mut self, width: usize) -> Result<()> {
        if self.outputs.is_empty() {
            self.outputs = vec![Default::default(); width];
        }
        if self.outputs.len() == width {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!("{width} outputs, before there were {}", self.outputs.len()),
        ))
    }
}

impl State for Spreads {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.outputs.is_empty() {
            return Ok(());
        }
        self.expect_width(other.outputs.len())?;
        if other.weight > 0.0 {
            for (a, b) in self.outputs.iter_mut().zip(&other.outputs) {
                a.iter_mut().zip(b).for_each(|(a, b)| a.merge(self.weight, b, other.weight));
            }
        }
        self.weight += other.weight;
        Ok(())
    }
}

impl Rule for ExplainedVariance {
    type State = Spreads;
    const DIRECTION: Direction = Direction::Max;

    fn update(&self, state: &mut Spreads, batch: &Batch) -> Result<()> {
        let (truth, width) = batch.numbers()?;
        state.expect_width(width)?;
        for (row, (y, p)) in truth.chunks_exact(width).zip(batch.prediction.chunks_exact(width)).enumerate() {
            let w = batch.weight(row);
            if w == 0.0 {
                continue;
            }
            state.weight += w;
            for (([of_truth, of_error], y), p) in state.outputs.iter_mut().zip(y).zip(p) {
                of_truth.add(*y, w, state.weight);
                of_error.add(y - p, w, state.weight);
            }
        }
        Ok(())
    }

    fn value(&self, state: &Spreads) -> f64 {
        if state.weight == 0.0 {
            return f64::NAN;
        }
        let of = |[truth, error]: &[Spread; 2]| match (error.squares == 0.0, truth.squares == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - error.squares / truth.squares,
        };
        state.outputs.iter().map(of).sum::<f64>() / state.outputs.len() as f64
    }

    fn samples() -> Vec<Self> {
        vec![Self::default()]
    }
}
