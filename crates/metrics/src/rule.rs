//! What a metric is.

use std::fmt::Debug;

use nabla_error::Result;
use serde::{Deserialize, Serialize};

use crate::Batch;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Larger is better.
    Max,
    /// Smaller is better.
    Min,
}

/// What a metric remembers of the rows it has seen.
pub trait State: Clone + Debug + Default {
    /// Adds what another state has seen. Sums are f64: the order of merging moves the value by rounding only.
    ///
    /// # Errors
    /// `SHAPE_MISMATCH` for different numbers of classes or outputs.
    fn merge(&mut self, other: &Self) -> Result<()>;
}

/// A metric's options, with how it takes in a batch and what its value is.
pub trait Rule: Sized {
    /// What it remembers.
    type State: State;
    /// Which way is better.
    const DIRECTION: Direction;

    /// Checks the options.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Takes in a batch; on an error the state is as before.
    fn update(&self, state: &mut Self::State, batch: &Batch) -> Result<()>;

    /// The value over all rows seen.
    fn value(&self, state: &Self::State) -> f64;

    /// Options that are worth a test.
    fn samples() -> Vec<Self>;
}
