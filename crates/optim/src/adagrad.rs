//! AdaGrad. s ← s + g²;  θ ← θ − ηₜ·g/(√(s₀ + s) + ε);  ηₜ = η/(1 + (t−1)·learningRateDecay), t from 1.
//! Duchi, Hazan & Singer 2011, JMLR 12, with the diagonal; ε outside the root and the falling rate as in PyTorch's `Adagrad`.
//! `epsilonInRoot` (Keras 3): √(s₀ + s + ε).
//! State: s ("squares"), without its start s₀ = initialAccumulator, so that it begins at 0.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::rule::{Rule, Step, not_negative, positive, smallest};

/// AdaGrad; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Adagrad {
    /// η ≥ 0, default 0.01.
    pub learning_rate: f64,
    /// How fast η falls with the step, ≥ 0; default 0.
    pub learning_rate_decay: f64,
    /// s₀ ≥ 0, default 0.
    pub initial_accumulator: f64,
    /// ε > 0, default 1e-10.
    pub epsilon: f64,
    /// ε is added before the root is taken.
    pub epsilon_in_root: bool,
}

impl Default for Adagrad {
    fn default() -> Self {
        Self {
            learning_rate: 0.01,
            learning_rate_decay: 0.0,
            initial_accumulator: 0.0,
            epsilon: 1e-10,
            epsilon_in_root: false,
        }
    }
}

impl Rule for Adagrad {
    const NAME: &'static str = "adagrad";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        &["squares"]
    }

    fn validate(&self) -> Result<()> {
        not_negative("learningRate", self.learning_rate)?;
        not_negative("learningRateDecay", self.learning_rate_decay)?;
        not_negative("initialAccumulator", self.initial_accumulator)?;
        positive("epsilon", self.epsilon)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let rate = at.learning_rate / (1.0 + (at.t - 1) as f64 * self.learning_rate_decay);
        let update = Update {
            descent: T::from_f64(-rate),
            start: T::from_f64(self.initial_accumulator),
            in_root: self.epsilon_in_root,
            epsilon: smallest(self.epsilon),
        };
        pass(update, theta, g, state);
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                learning_rate: 0.1,
                learning_rate_decay: 0.1,
                initial_accumulator: 0.1,
                epsilon: 1e-3,
                epsilon_in_root: false,
            },
            Self {
                epsilon: 1e-3,
                epsilon_in_root: true,
                ..Self::default()
            },
        ]
    }
}

#[derive(Clone, Copy)]
struct Update<T> {
    descent: T,
    start: T,
    epsilon: T,
    in_root: bool,
}

impl<T: Real> Pointwise<T, 1> for Update<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [s]: [L; 1]) -> (L, [L; 1]) {
        let s = g.mul_add(g, s);
        let (sum, epsilon) = (s.add(L::splat(self.start)), L::splat(self.epsilon));
        let root = if self.in_root {
            sum.add(epsilon).sqrt()
        } else {
            sum.sqrt().add(epsilon)
        };
        (L::splat(self.descent).mul_add(g.div(root), theta), [s])
    }
}
