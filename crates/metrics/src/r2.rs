//! R² = 1 − Σ w(ŷ − y)²/Σ w(y − ȳ)², ȳ the weighted mean: per output, then the plain mean. scikit-learn's `r2_score`.
//!
//! A constant truth gives 1 when met exactly and 0 otherwise (scikit-learn's `force_finite`); fewer than two rows give NaN.
//! The spread is kept by Welford's update and merged by Chan's (Chan, Golub & LeVeque 1983), so a truth far from 0 loses nothing.

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::rule::State;
use crate::{Batch, Direction, Rule};

/// Share of the variance explained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct R2 {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Of one output: the truth's mean, its spread Σ w(y − ȳ)², and Σ w(ŷ − y)².
#[derive(Clone, Copy, Debug, Default)]
struct Output {
    mean: f64,
    spread: f64,
    error: f64,
}

/// Rows, their weight, and each output.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    rows: u64,
    weight: f64,
    outputs: Vec<Output>,
}

impl Spread {
    fn expect_width(&mut self, width: usize) -> Result<()> {
        if self.outputs.is_empty() {
            self.outputs = vec![Output::default(); width];
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

impl State for Spread {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.outputs.is_empty() {
            return Ok(());
        }
        self.expect_width(other.outputs.len())?;
        let weight = self.weight + other.weight;
        if weight > 0.0 {
            for (a, b) in self.outputs.iter_mut().zip(&other.outputs) {
                let delta = b.mean - a.mean;
                a.mean += delta * (other.weight / weight);
                a.spread += b.spread + delta * delta * self.weight * (other.weight / weight);
                a.error += b.error;
            }
        }
        self.weight = weight;
        self.rows += other.rows;
        Ok(())
    }
}

impl Rule for R2 {
    type State = Spread;
    const DIRECTION: Direction = Direction::Max;

    fn update(&self, state: &mut Spread, batch: &Batch) -> Result<()> {
        let (truth, width) = batch.numbers()?;
        state.expect_width(width)?;
        for (row, (y, p)) in truth.chunks_exact(width).zip(batch.prediction.chunks_exact(width)).enumerate() {
            let w = batch.weight(row);
            state.rows += 1;
            if w == 0.0 {
                continue;
            }
            state.weight += w;
            for ((output, y), p) in state.outputs.iter_mut().zip(y).zip(p) {
                let delta = y - output.mean;
                output.mean += delta * (w / state.weight);
                output.spread += w * delta * (y - output.mean);
                output.error += w * (p - y) * (p - y);
            }
        }
        Ok(())
    }

    fn value(&self, state: &Spread) -> f64 {
        if state.rows < 2 || state.weight == 0.0 {
            return f64::NAN;
        }
        let of = |output: &Output| match (output.error == 0.0, output.spread == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - output.error / output.spread,
        };
        state.outputs.iter().map(of).sum::<f64>() / state.outputs.len() as f64
    }

    fn samples() -> Vec<Self> {
        vec![Self::default()]
    }
}
