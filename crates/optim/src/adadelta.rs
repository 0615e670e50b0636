//! Adadelta. a ← ρa + (1−ρ)g²;  Δ = √(d + ε)/√(a + ε)·g;  d ← ρd + (1−ρ)Δ²;  θ ← θ − η·Δ.
//! Zeiler 2012, arXiv:1212.5701, Algorithm 1, with ε inside the roots; the paper has no rate, which is η = 1 (as PyTorch and Keras, whose
//! rate multiplies Δ). State: a ("squares") and d ("moves").

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::rule::{Rule, Step, not_negative, positive, share, smallest};

/// Adadelta; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Adadelta {
    /// η ≥ 0, default 1.
    pub learning_rate: f64,
    /// ρ in [0, 1), default 0.9.
    pub rho: f64,
    /// ε > 0, default 1e-6.
    pub epsilon: f64,
}

impl Default for Adadelta {
    fn default() -> Self {
        Self {
            learning_rate: 1.0,
            rho: 0.9,
            epsilon: 1e-6,
        }
    }
}

impl Rule for Adadelta {
    const NAME: &'static str = "adadelta";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        &["squares", "moves"]
    }

    fn validate(&self) -> Result<()> {
        not_negative("learningRate", self.learning_rate)?;
        share("rho", self.rho)?;
        positive("epsilon", self.epsilon)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let update = Update {
            descent: T::from_f64(-at.learning_rate),
            rho: T::from_f64(self.rho),
            rest: T::from_f64(1.0 - self.rho),
            epsilon: smallest(self.epsilon),
        };
        pass(update, theta, g, state);
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                learning_rate: 0.5,
                rho: 0.95,
                epsilon: 1e-4,
            },
        ]
    }
}

#[derive(Clone, Copy)]
struct Update<T> {
    descent: T,
    rho: T,
    rest: T,
    epsilon: T,
}

impl<T: Real> Pointwise<T, 2> for Update<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [a, d]: [L; 2]) -> (L, [L; 2]) {
        let (rho, rest, epsilon) = (L::splat(self.rho), L::splat(self.rest), L::splat(self.epsilon));
        let a = rho.mul_add(a, rest.mul(g).mul(g));
        let step = d.add(epsilon).sqrt().div(a.add(epsilon).sqrt()).mul(g);
        let d = rho.mul_add(d, rest.mul(step).mul(step));
        (L::splat(self.descent).mul_add(step, theta), [a, d])
    }
}
