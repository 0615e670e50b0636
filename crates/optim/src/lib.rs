//! Optimizers: one file a rule over flat slices; gradient clipping.
//!
//! To add one: a file with a struct that implements [`Rule`], and its row in the table below. The laws in `laws.rs` and the
//! trajectories in the fixtures then cover it.

use nabla_error::Result;
use serde::{Deserialize, Serialize};

mod adam;
pub mod clip;
#[cfg(test)]
mod laws;
mod power;
mod rule;
mod sgd;
#[cfg(test)]
mod trajectories;

pub use adam::Adam;
pub use rule::{Rule, Step};
pub use sgd::Sgd;

use nabla_kernels::Real;

/// Makes the enum of all optimizers and hands each call to the rule it holds.
macro_rules! optimizers {
    ($($rule:ident),+ $(,)?) => {
        /// An optimizer and its options, as `{"kind": "adam", "learningRate": 0.001}`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "camelCase")]
        #[expect(missing_docs, reason = "each rule's file says what it is")]
        pub enum Optimizer {
            $($rule($rule)),+
        }

        impl Optimizer {
            /// The kinds, as in JSON.
            pub const NAMES: &'static [&'static str] = &[$($rule::NAME),+];

            /// The name in JSON.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$rule(_) => $rule::NAME),+ }
            }

            /// The learning rate of the options; a schedule may give another one each step.
            pub fn learning_rate(&self) -> f64 {
                match self { $(Self::$rule(rule) => rule.learning_rate()),+ }
            }

            /// Checks the options.
            ///
            /// # Errors
            /// `INVALID_OPTION`, naming the option and its range.
            pub fn validate(&self) -> Result<()> {
                match self { $(Self::$rule(rule) => rule.validate()),+ }
            }

            /// The same optimizer without weight decay, for rows that are not to decay (biases, norms' scales).
            pub fn without_decay(&self) -> Self {
                match self { $(Self::$rule(rule) => Self::$rule(rule.without_decay())),+ }
            }

            /// Names of the state buffers, each as long as θ and 0 at first.
            pub fn state_names(&self) -> &'static [&'static str] {
                match self { $(Self::$rule(rule) => &$rule::STATE[..rule.state_count()]),+ }
            }

            /// How many state buffers these options need.
            pub fn state_count(&self) -> usize {
                self.state_names().len()
            }

            /// One update of a range of parameters, in place: see [`Rule::step`].
            pub fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
                match self { $(Self::$rule(rule) => rule.step(at, theta, g, state)),+ }
            }

            /// Cases of every rule, which the tests walk through.
            pub fn samples() -> Vec<Self> {
                let mut all = Vec::new();
                $(all.extend($rule::samples().into_iter().map(Self::$rule));)+
                all
            }
        }
    };
}

optimizers! { Sgd, Adam }
