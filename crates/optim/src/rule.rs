//! What an optimizer is: an update of flat slices.

use nabla_error::{Error, Result};
use nabla_kernels::Real;

/// Which update this is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Number of the update, from 1.
    pub t: u64,
    /// The learning rate of this update.
    pub learning_rate: f64,
}

/// An update rule. Each parameter's update reads its own gradient and state only, so a slice may be cut anywhere
/// (by rows, by threads) and the bits stay the same.
pub trait Rule: Clone {
    /// The kind in JSON.
    const NAME: &'static str;
    /// The most state buffers it can need.
    const STATE: &'static [&'static str];

    /// The learning rate of the options.
    fn learning_rate(&self) -> f64;

    /// How many of [`Rule::STATE`], from the first, these options need.
    fn state_count(&self) -> usize {
        Self::STATE.len()
    }

    /// The same rule without weight decay, for rows that are not to decay (biases, norms' scales).
    fn without_decay(&self) -> Self {
        self.clone()
    }

    /// Checks the ranges of the options.
    fn validate(&self) -> Result<()>;

    /// θ ← update(θ, g, state), in place: one pass, no allocation. `theta`, `g` and each of the `state_count` slices have one
    /// length. Where θ, g and state are 0 they stay 0 (padding).
    ///
    /// # Panics
    /// When a slice is shorter than `theta` or `state` has fewer slices than `state_count`.
    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]);

    /// Options that are worth a test.
    fn samples() -> Vec<Self>;
}

/// Expects a finite number ≥ 0.
pub(crate) fn not_negative(name: &str, x: f64) -> Result<()> {
    if x.is_finite() && x >= 0.0 {
        Ok(())
    } else {
        Err(Error::option(name, "in [0, ∞)", x))
    }
}

/// Expects a share: 0 ≤ x < 1.
pub(crate) fn share(name: &str, x: f64) -> Result<()> {
    if (0.0..1.0).contains(&x) {
        Ok(())
    } else {
        Err(Error::option(name, "in [0, 1)", x))
    }
}
