//! NAdam: Adam with Nesterov's look-ahead. μₜ = β₁(1 − ½·0.96^(tψ));  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;
//! θ ← θ − η·((1−μₜ)/(1−Π)·g + μₜ₊₁/(1−Π·μₜ₊₁)·m)/(√v̂ + ε);  Π = μ₁·…·μₜ,  v̂ = v/(1−β₂ᵗ), t from 1.
//! Dozat 2016, "Incorporating Nesterov momentum into Adam", with the momentum's schedule and PyTorch's constants. State: m, v.
//! Π depends on t alone; a fit carries it from step to step ([`Rule::advance`]).

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::power::power;
use crate::rule::{Rule, Step, adaptive, not_negative, smallest};

/// NAdam; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Nadam {
    /// η ≥ 0, default 0.002.
    pub learning_rate: f64,
    /// β₁ in [0, 1), default 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε > 0, default 1e-8.
    pub epsilon: f64,
    /// ψ ≥ 0, default 0.004.
    pub momentum_decay: f64,
}

impl Default for Nadam {
    fn default() -> Self {
        Self {
            learning_rate: 0.002,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            momentum_decay: 0.004,
        }
    }
}

impl Nadam {
    fn momentum(&self, t: u64) -> f64 {
        self.beta1 * (1.0 - 0.5 * libm::pow(0.96, t as f64 * self.momentum_decay))
    }
}

impl Rule for Nadam {
    const NAME: &'static str = "nadam";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        &["m", "v"]
    }

    fn validate(&self) -> Result<()> {
        adaptive(self.learning_rate, [self.beta1, self.beta2], self.epsilon)?;
        not_negative("momentumDecay", self.momentum_decay)
    }

    fn advance(&self, t: u64, product: f64) -> f64 {
        product * self.momentum(t)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let (now, next) = (self.momentum(at.t), self.momentum(at.t + 1));
        let update = Update {
            along: T::from_f64(-at.learning_rate * (1.0 - now) / (1.0 - at.product)),
            ahead: T::from_f64(-at.learning_rate * next / (1.0 - at.product * next)),
            correction: T::from_f64(1.0 / (1.0 - power(self.beta2, at.t)).sqrt()),
            beta1: T::from_f64(self.beta1),
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
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
                momentum_decay: 0.1,
            },
        ]
    }
}

#[derive(Clone, Copy)]
struct Update<T> {
    along: T,
    ahead: T,
    correction: T,
    beta1: T,
    rest1: T,
    beta2: T,
    rest2: T,
    epsilon: T,
}

impl<T: Real> Pointwise<T, 2> for Update<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [m, v]: [L; 2]) -> (L, [L; 2]) {
        let m = L::splat(self.beta1).mul_add(m, L::splat(self.rest1).mul(g));
        let v = L::splat(self.beta2).mul_add(v, L::splat(self.rest2).mul(g).mul(g));
        let direction = L::splat(self.along).mul_add(g, L::splat(self.ahead).mul(m));
        let divisor = v.sqrt().mul_add(L::splat(self.correction), L::splat(self.epsilon));
        (theta.add(direction.div(divisor)), [m, v])
    }
}
