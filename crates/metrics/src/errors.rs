//! Mean errors of numbers, per output and then plain over the outputs (scikit-learn's `uniform_average`):
//! meanSquaredError = mean_j Σᵢ wᵢ(ŷᵢⱼ − yᵢⱼ)²/Σw;  rootMeanSquaredError = mean_j √(that of output j);  meanAbsoluteError with |ŷ − y|.

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::rule::State;
use crate::{Batch, Direction, Rule};

/// Σw, and for each output Σ w·error.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    weight: f64,
    errors: Vec<f64>,
}

impl Sums {
    fn add(&mut self, batch: &Batch, error: impl Fn(f64) -> f64) -> Result<()> {
        let (truth, width) = batch.numbers()?;
        self.expect_width(width)?;
        for (row, (y, p)) in truth.chunks_exact(width).zip(batch.prediction.chunks_exact(width)).enumerate() {
            let w = batch.weight(row);
            self.weight += w;
            for ((sum, y), p) in self.errors.iter_mut().zip(y).zip(p) {
                *sum += w * error(p - y);
            }
        }
        Ok(())
    }

    fn expect_width(&mut self, width: usize) -> Result<()> {
        if self.errors.is_empty() {
            self.errors = vec![0.0; width];
        }
        if self.errors.len() == width {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!("{width} outputs, before there were {}", self.errors.len()),
        ))
    }

    fn mean(&self, of: impl Fn(f64) -> f64) -> f64 {
        self.errors.iter().map(|sum| of(sum / self.weight)).sum::<f64>() / self.errors.len() as f64
    }
}

impl State for Sums {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.errors.is_empty() {
            return Ok(());
        }
        self.expect_width(other.errors.len())?;
        self.weight += other.weight;
        self.errors.iter_mut().zip(&other.errors).for_each(|(a, b)| *a += b);
        Ok(())
    }
}

macro_rules! mean_error {
    ($rule:ident, $doc:literal, $error:expr, $of:expr) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "camelCase", deny_unknown_fields)]
        pub struct $rule {
            /// Name in reports.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub name: Option<String>,
        }

        impl Rule for $rule {
            type State = Sums;
            const DIRECTION: Direction = Direction::Min;

            fn update(&self, state: &mut Sums, batch: &Batch) -> Result<()> {
                state.add(batch, $error)
            }

            fn value(&self, state: &Sums) -> f64 {
                state.mean($of)
            }

            fn samples() -> Vec<Self> {
                vec![Self::default()]
            }
        }
    };
}

mean_error!(MeanSquaredError, "Mean of squared errors.", |e| e * e, |mean| mean);
mean_error!(
    RootMeanSquaredError,
    "Root of the mean squared error of each output, in the target's unit.",
    |e| e * e,
    f64::sqrt
);
mean_error!(MeanAbsoluteError, "Mean of absolute errors.", f64::abs, |mean| mean);
