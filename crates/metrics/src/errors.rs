//! Mean errors of numbers, per output and then plain over the outputs (scikit-learn's `uniform_average`):
//!
//! | metric | error of a value |
//! |---|---|
//! | meanSquaredError | (ŷ − y)² |
//! | rootMeanSquaredError | the root of the mean of (ŷ − y)², output by output |
//! | meanAbsoluteError | |ŷ − y| |
//! | meanAbsolutePercentageError | |ŷ − y|/max(|y|, 2⁻⁵²): a share, not per cent |
//! | pinball | max(q·e, (q − 1)·e), e = y − ŷ. Koenker & Bassett 1978 |
//! | maxError | |ŷ − y|, of which the largest counts; rows of weight 0 are absent |

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
    fn add(&mut self, batch: &Batch, error: impl Fn(f64, f64) -> f64) -> Result<()> {
        let (truth, width) = batch.numbers()?;
        self.expect_width(width)?;
        for (row, (y, p)) in truth.chunks_exact(width).zip(batch.prediction.chunks_exact(width)).enumerate() {
            let w = batch.weight(row);
            self.weight += w;
            for ((sum, y), p) in self.errors.iter_mut().zip(y).zip(p) {
                *sum += w * error(*y, *p);
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

mean_error!(MeanSquaredError, "Mean of squared errors.", |y, p| (p - y) * (p - y), |mean| mean);
mean_error!(
    RootMeanSquaredError,
    "Root of the mean squared error of each output, in the target's unit.",
    |y, p| (p - y) * (p - y),
    f64::sqrt
);
mean_error!(
    MeanAbsoluteError,
    "Mean of absolute errors.",
    |y: f64, p: f64| (p - y).abs(),
    |mean| mean
);
mean_error!(
    MeanAbsolutePercentageError,
    "Mean of absolute errors as shares of the truth.",
    |y: f64, p: f64| (p - y).abs() / y.abs().max(f64::EPSILON),
    |mean| mean
);

/// Mean pinball loss: what the quantile q of the truth makes least.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Pinball {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In (0, 1); default 0.5, half the absolute error.
    pub quantile: f64,
}

impl Default for Pinball {
    fn default() -> Self {
        Self { name: None, quantile: 0.5 }
    }
}

impl Rule for Pinball {
    type State = Sums;
    const DIRECTION: Direction = Direction::Min;

    fn validate(&self) -> Result<()> {
        if self.quantile > 0.0 && self.quantile < 1.0 {
            return Ok(());
        }
        Err(Error::option("quantile", "in (0, 1)", self.quantile))
    }

    fn update(&self, state: &mut Sums, batch: &Batch) -> Result<()> {
        let q = self.quantile;
        state.add(batch, |y, p| (q * (y - p)).max((q - 1.0) * (y - p)))
    }

    fn value(&self, state: &Sums) -> f64 {
        state.mean(|mean| mean)
    }

    fn samples() -> Vec<Self> {
        [0.5, 0.1].map(|quantile| Self { name: None, quantile }).into()
    }
}

/// Largest absolute error of each output; 0 rows before the first.
#[derive(Clone, Debug, Default)]
pub struct Largest {
    any: bool,
    errors: Vec<f64>,
}

impl Largest {
    fn add(&mut self, errors: impl ExactSizeIterator<Item = f64>) -> Result<()> {
        if self.errors.is_empty() {
            self.errors = vec![0.0; errors.len()];
        }
        if self.errors.len() != errors.len() {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} outputs, before there were {}", errors.len(), self.errors.len()),
            ));
        }
        self.any = true;
        self.errors
            .iter_mut()
            .zip(errors)
            .for_each(|(largest, error)| *largest = largest.max(error));
        Ok(())
    }
}

impl State for Largest {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.any {
            self.add(other.errors.iter().copied())?;
        }
        Ok(())
    }
}

/// Largest absolute error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxError {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Rule for MaxError {
    type State = Largest;
    const DIRECTION: Direction = Direction::Min;

    fn update(&self, state: &mut Largest, batch: &Batch) -> Result<()> {
        let (truth, width) = batch.numbers()?;
        for (row, (y, p)) in truth.chunks_exact(width).zip(batch.prediction.chunks_exact(width)).enumerate() {
            if batch.weight(row) > 0.0 {
                state.add(y.iter().zip(p).map(|(y, p)| (p - y).abs()))?;
            }
        }
        Ok(())
    }

    fn value(&self, state: &Largest) -> f64 {
        if state.any {
            state.errors.iter().sum::<f64>() / state.errors.len() as f64
        } else {
            f64::NAN
        }
    }

    fn samples() -> Vec<Self> {
        vec![Self::default()]
    }
}
