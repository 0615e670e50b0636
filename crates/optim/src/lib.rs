//! Optimizers: one file a rule over flat slices; gradient clipping, penalties, schedules.
//!
//! To add one: a file with a struct that implements [`Rule`], and its row in the table below. The laws in `laws.rs` and the
//! trajectories in the fixtures then cover it.

use nabla_error::Result;
use serde::{Deserialize, Serialize};

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod adamw;
pub mod carry;
pub mod clip;
mod lamb;
#[cfg(test)]
mod laws;
pub mod lbfgs;
mod lion;
mod method;
mod nadam;
pub mod noise;
mod pass;
pub mod penalty;
mod power;
mod radam;
mod rmsprop;
mod rule;
pub mod schedule;
mod sgd;
mod shared;
#[cfg(test)]
mod trajectories;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use adamw::Adamw;
pub use lamb::Lamb;
pub use lion::Lion;
pub use method::{Lookahead, Method, Sam};
pub use nadam::Nadam;
pub use noise::GradientNoise;
pub use penalty::Penalty;
pub use radam::Radam;
pub use rmsprop::Rmsprop;
pub use rule::{Rule, Step};
pub use schedule::Schedule;
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

            /// The weight decay; none of a rule that knows none.
            pub fn decay(&self) -> Option<f64> {
                match self { $(Self::$rule(rule) => rule.decay()),+ }
            }

            /// The same optimizer with another weight decay: 0 for rows that are not to decay (biases, norms' scales).
            pub fn with_decay(&self, decay: f64) -> Self {
                match self { $(Self::$rule(rule) => Self::$rule(rule.with_decay(decay))),+ }
            }

            /// Where the gradient is taken, if not at θ: see [`Rule::ahead`].
            pub fn ahead(&self, at: Step) -> Option<f64> {
                match self { $(Self::$rule(rule) => rule.ahead(at)),+ }
            }

            /// Whether each named parameter is moved as a whole: see [`Rule::BY_ROW`].
            pub fn by_row(&self) -> bool {
                match self { $(Self::$rule(_) => $rule::BY_ROW),+ }
            }

            /// What is carried from step to step: see [`Rule::advance`].
            pub fn advance(&self, t: u64, product: f64) -> f64 {
                match self { $(Self::$rule(rule) => rule.advance(t, product)),+ }
            }

            /// Names of the state buffers, each as long as θ and 0 at first.
            pub fn state_names(&self) -> &'static [&'static str] {
                match self { $(Self::$rule(rule) => rule.state()),+ }
            }

            /// How many state buffers these options need.
            pub fn state_count(&self) -> usize {
                self.state_names().len()
            }

            /// One update of a range of parameters, in place: see [`Rule::step`].
            pub fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
                match self { $(Self::$rule(rule) => rule.step(at, theta, g, state)),+ }
            }

            /// See [`Rule::row_sums`].
            pub fn row_sums<T: Real>(&self, at: Step, theta: &[T], state: &[&[T]]) -> [f64; 2] {
                match self { $(Self::$rule(rule) => rule.row_sums(at, theta, state)),+ }
            }

            /// See [`Rule::row_move`].
            pub fn row_move<T: Real>(&self, at: Step, norms: [f64; 2], theta: &mut [T], state: &[&[T]]) {
                match self { $(Self::$rule(rule) => rule.row_move(at, norms, theta, state)),+ }
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

optimizers! { Sgd, Adagrad, Adadelta, Rmsprop, Adam, Adamax, Nadam, Radam, Adamw, Lion, Lamb }

impl Optimizer {
    /// One update of one whole parameter, in place; of several laid end to end when the rule does not look at a parameter as a whole.
    pub fn update<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        self.step(at, theta, g, state);
        if !self.by_row() {
            return;
        }
        let read = |range: std::ops::Range<usize>, state: &[&mut [T]], work: &mut dyn FnMut(&[&[T]])| {
            let mut all: [&[T]; 4] = [&[]; 4];
            for (all, state) in all.iter_mut().zip(state) {
                *all = &state[range.clone()];
            }
            work(&all[..state.len()]);
        };
        let block = |i: usize| i * clip::BLOCK..theta.len().min((i + 1) * clip::BLOCK);
        let norm = |which: usize| {
            let sum = clip::tree_of(theta.len().div_ceil(clip::BLOCK), &|i| {
                let mut sum = 0.0;
                read(block(i), state, &mut |state| {
                    sum = self.row_sums(at, &theta[block(i)], state)[which]
                });
                sum
            });
            sum.sqrt()
        };
        let norms = [norm(0), norm(1)];
        read(0..theta.len(), state, &mut |state| self.row_move(at, norms, theta, state));
    }
}
