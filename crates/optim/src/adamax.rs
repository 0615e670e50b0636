//! AdaMax. m ← β₁m + (1−β₁)g;  u ← max(β₂u, |g| + ε);  θ ← θ − η/(1−β₁ᵗ)·m/u, t from 1.
//! Kingma & Ba 2015, arXiv:1412.6980, Algorithm 2; ε as in PyTorch (the paper has none). State: m, and u − ε ("largest"), which begins
//! at 0 and is the same sequence.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::power::power;
use crate::rule::{Rule, Step, adaptive, smallest};

/// AdaMax; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Adamax {
    /// η ≥ 0, default 0.002.
    pub learning_rate: f64,
    /// β₁ in [0, 1), default 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε > 0, default 1e-8.
    pub epsilon: f64,
}

impl Default for Adamax {
    fn default() -> Self {
        Self {
            learning_rate: 0.002,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}

impl Rule for Adamax {
    const NAME: &'static str = "adamax";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        &["m", "largest"]
    }

    fn validate(&self) -> Result<()> {
        adaptive(self.learning_rate, [self.beta1, self.beta2], self.epsilon)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let update = Update {
            descent: T::from_f64(-at.learning_rate / (1.0 - power(self.beta1, at.t))),
            beta1: T::from_f64(self.beta1),
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            fade: T::from_f64(-(1.0 - self.beta2) * self.epsilon),
            epsilon: smallest(self.epsilon),
        };
        pass(update, theta, g, state);
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                learning_rate: 0.1,
                beta1: 0.5,
                beta2: 0.9,
                epsilon: 1e-3,
            },
        ]
    }
}

#[derive(Clone, Copy)]
struct Update<T> {
    descent: T,
    beta1: T,
    rest1: T,
    beta2: T,
    fade: T,
    epsilon: T,
}

impl<T: Real> Pointwise<T, 2> for Update<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [m, w]: [L; 2]) -> (L, [L; 2]) {
        let m = L::splat(self.beta1).mul_add(m, L::splat(self.rest1).mul(g));
        // with u = w + ε: max(β₂u, |g| + ε) − ε = max(β₂w − (1−β₂)ε, |g|)
        let w = L::splat(self.beta2).mul_add(w, L::splat(self.fade)).max(g.abs());
        let step = m.div(w.add(L::splat(self.epsilon)));
        (L::splat(self.descent).mul_add(step, theta), [m, w])
    }
}
