//! What an optimizer is: an update of flat slices.

use nabla_error::{Error, Result};
use nabla_kernels::Real;

use crate::carry::{Carry, Reader};

/// Which update this is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Number of the update, from 1.
    pub t: u64,
    /// The learning rate of this update.
    pub learning_rate: f64,
    /// What [`Rule::advance`] made of 1 in the steps up to this one.
    pub product: f64,
}

impl Step {
    /// The first update of a rule, at this rate.
    pub fn first(rule: &crate::Optimizer, learning_rate: f64) -> Step {
        Step {
            t: 1,
            learning_rate,
            product: rule.advance(1, 1.0),
        }
    }

    /// Writes it down.
    pub fn leave<T: Real>(&self, carry: &mut Carry<T>) {
        carry.count(self.t);
        carry.number(self.learning_rate);
        carry.number(self.product);
    }

    /// As it was written down.
    pub fn read<T: Real>(from: &mut Reader<T>) -> Result<Step> {
        Ok(Step {
            t: from.count()?,
            learning_rate: from.number()?,
            product: from.number()?,
        })
    }

    /// The update after this one.
    pub fn next(self, rule: &crate::Optimizer, learning_rate: f64) -> Step {
        Step {
            t: self.t + 1,
            learning_rate,
            product: rule.advance(self.t + 1, self.product),
        }
    }
}

/// An update rule. Each parameter's update reads its own gradient and state only, so a slice may be cut anywhere
/// (by rows, by threads) and the bits stay the same. (The second half of a rule with [`Rule::BY_ROW`] reads two norms beside.)
pub trait Rule: Clone {
    /// The kind in JSON.
    const NAME: &'static str;
    /// Whether `step` is only the first half, and `row_sums` and `row_move` follow for each named parameter.
    const BY_ROW: bool = false;

    /// The learning rate of the options.
    fn learning_rate(&self) -> f64;

    /// Names of the state buffers that these options need, each as long as θ and 0 at first.
    fn state(&self) -> &'static [&'static str];

    /// The weight decay, of a rule that has one.
    fn decay(&self) -> Option<f64> {
        None
    }

    /// The same rule with another weight decay: 0 for rows that are not to decay (biases, norms' scales).
    fn with_decay(&self, _: f64) -> Self {
        self.clone()
    }

    /// Of a rule whose gradient is that of a point ahead: the factor f of θ + f·v, v the first state, where it is taken.
    fn ahead(&self, _at: Step) -> Option<f64> {
        None
    }

    /// Checks the ranges of the options.
    fn validate(&self) -> Result<()>;

    /// A number that is carried from step to step and depends on t alone: 1 before the first.
    fn advance(&self, _t: u64, product: f64) -> f64 {
        product
    }

    /// θ ← update(θ, g, state), in place: one pass, no allocation. `theta`, `g` and each slice of the state have one
    /// length. Where θ, g and state are 0 they stay 0 (padding).
    ///
    /// # Panics
    /// When lengths differ or `state` has another number of slices.
    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]);

    /// Σθ² and Σr² of a block of one parameter, r its direction, after `step`.
    fn row_sums<T: Real>(&self, _at: Step, _theta: &[T], _state: &[&[T]]) -> [f64; 2] {
        [0.0; 2]
    }

    /// Moves part of a parameter, given the whole one's norms ‖θ‖ and ‖r‖.
    fn row_move<T: Real>(&self, _at: Step, _norms: [f64; 2], _theta: &mut [T], _state: &[&[T]]) {}

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

/// Expects a finite number > 0. An ε of 0 is out: where a gradient has always been 0 the update would be 0/0.
pub(crate) fn positive(name: &str, x: f64) -> Result<()> {
    if x.is_finite() && x > 0.0 {
        Ok(())
    } else {
        Err(Error::option(name, "in (0, ∞)", x))
    }
}

/// The ranges that Adam and its relatives share: η ≥ 0, β₁ and β₂ in [0, 1), ε > 0.
pub(crate) fn adaptive(learning_rate: f64, [beta1, beta2]: [f64; 2], epsilon: f64) -> Result<()> {
    not_negative("learningRate", learning_rate)?;
    share("beta1", beta1)?;
    share("beta2", beta2)?;
    positive("epsilon", epsilon)
}

/// An ε in the arithmetic of the parameters; in f32 at least the smallest normal number, 1.2e-38.
pub(crate) fn smallest<T: Real>(epsilon: f64) -> T {
    T::from_f64(epsilon.max(f32::MIN_POSITIVE.into()))
}
