//! Lion. θ ← θ − η·(sign(β₁m + (1−β₁)g) + λθ);  m ← β₂m + (1−β₂)g; sign(0) = 0.
//! Chen et al. 2023, arXiv:2302.06675, Algorithm 2. State: m.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::rule::{Rule, Step, not_negative, share};

/// Lion; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Lion {
    /// η ≥ 0, default 1e-4.
    pub learning_rate: f64,
    /// β₁ in [0, 1), default 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1), default 0.99.
    pub beta2: f64,
    /// λ ≥ 0, default 0.
    pub weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
        }
    }
}

impl Rule for Lion {
    const NAME: &'static str = "lion";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        &["m"]
    }

    fn decay(&self) -> Option<f64> {
        Some(self.weight_decay)
    }

    fn with_decay(&self, weight_decay: f64) -> Self {
        Self {
            weight_decay,
            ..self.clone()
        }
    }

    fn validate(&self) -> Result<()> {
        not_negative("learningRate", self.learning_rate)?;
        share("beta1", self.beta1)?;
        share("beta2", self.beta2)?;
        not_negative("weightDecay", self.weight_decay)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let update = Update {
            descent: T::from_f64(-at.learning_rate),
            decay: T::from_f64(self.weight_decay),
            beta1: T::from_f64(self.beta1),
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
        };
        pass(update, theta, g, state);
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                learning_rate: 1e-3,
                beta1: 0.95,
                beta2: 0.98,
                weight_decay: 0.1,
            },
        ]
    }
}

#[derive(Clone, Copy)]
struct Update<T> {
    descent: T,
    decay: T,
    beta1: T,
    rest1: T,
    beta2: T,
    rest2: T,
}

impl<T: Real> Pointwise<T, 1> for Update<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [m]: [L; 1]) -> (L, [L; 1]) {
        let c = L::splat(self.beta1).mul_add(m, L::splat(self.rest1).mul(g));
        let one = L::splat(T::ONE).with_sign(c);
        let sign = L::select(c.equal(L::zero()), L::zero(), one);
        // c − c is 0, but NaN where c is not finite: a sign must not hide that.
        let direction = L::splat(self.decay).mul_add(theta, sign.add(c.sub(c)));
        let m = L::splat(self.beta2).mul_add(m, L::splat(self.rest2).mul(g));
        (L::splat(self.descent).mul_add(direction, theta), [m])
    }
}
