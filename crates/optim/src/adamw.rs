//! AdamW: Adam with weight decay apart from the gradient. θ ← θ − η·λ·θ − η·m̂/(√v̂ + ε), m̂ and v̂ as in Adam.
//! Loshchilov & Hutter 2019, arXiv:1711.05101, Algorithm 2, with the decay multiplied by the rate as in PyTorch. State: m, v, vMax with
//! AMSGrad. `epsilonInRoot` as in Adam.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::power::power;
use crate::rule::{Rule, Step, adaptive, not_negative, smallest};

/// AdamW; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Adamw {
    /// η ≥ 0, default 0.001.
    pub learning_rate: f64,
    /// β₁ in [0, 1), default 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε > 0, default 1e-8.
    pub epsilon: f64,
    /// Divides by the largest second moment so far.
    pub amsgrad: bool,
    /// ε is added before the root is taken.
    pub epsilon_in_root: bool,
    /// λ ≥ 0, default 0.01.
    pub weight_decay: f64,
}

impl Default for Adamw {
    fn default() -> Self {
        Self {
            learning_rate: 0.001,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            amsgrad: false,
            epsilon_in_root: false,
            weight_decay: 0.01,
        }
    }
}

impl Rule for Adamw {
    const NAME: &'static str = "adamw";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        if self.amsgrad { &["m", "v", "vMax"] } else { &["m", "v"] }
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
        adaptive(self.learning_rate, [self.beta1, self.beta2], self.epsilon)?;
        not_negative("weightDecay", self.weight_decay)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let correction = 1.0 / (1.0 - power(self.beta2, at.t)).sqrt();
        let update = Update {
            descent: T::from_f64(-at.learning_rate / (1.0 - power(self.beta1, at.t))),
            shrink: T::from_f64(-at.learning_rate * self.weight_decay),
            correction: T::from_f64(if self.epsilon_in_root {
                correction * correction
            } else {
                correction
            }),
            in_root: self.epsilon_in_root,
            beta1: T::from_f64(self.beta1),
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
            epsilon: smallest(self.epsilon),
        };
        if self.amsgrad {
            pass(Largest(update), theta, g, state);
        } else {
            pass(update, theta, g, state);
        }
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                learning_rate: 0.1,
                beta1: 0.5,
                beta2: 0.9,
                epsilon: 1e-3,
                amsgrad: true,
                epsilon_in_root: true,
                weight_decay: 0.1,
            },
        ]
    }
}

#[derive(Clone, Copy)]
struct Update<T> {
    descent: T,
    shrink: T,
    correction: T,
    beta1: T,
    rest1: T,
    beta2: T,
    rest2: T,
    epsilon: T,
    in_root: bool,
}

impl<T: Real> Update<T> {
    #[inline(always)]
    fn moments<L: Lanes<T>>(&self, g: L, m: L, v: L) -> (L, L) {
        let m = L::splat(self.beta1).mul_add(m, L::splat(self.rest1).mul(g));
        (m, L::splat(self.beta2).mul_add(v, L::splat(self.rest2).mul(g).mul(g)))
    }

    #[inline(always)]
    fn descended<L: Lanes<T>>(&self, theta: L, m: L, v: L) -> L {
        let theta = L::splat(self.shrink).mul_add(theta, theta);
        let (correction, epsilon) = (L::splat(self.correction), L::splat(self.epsilon));
        let root = if self.in_root {
            v.mul_add(correction, epsilon).sqrt()
        } else {
            v.sqrt().mul_add(correction, epsilon)
        };
        let step = m.div(root);
        L::splat(self.descent).mul_add(step, theta)
    }
}

impl<T: Real> Pointwise<T, 2> for Update<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [m, v]: [L; 2]) -> (L, [L; 2]) {
        let (m, v) = self.moments(g, m, v);
        (self.descended(theta, m, v), [m, v])
    }
}

/// With AMSGrad.
#[derive(Clone, Copy)]
struct Largest<T>(Update<T>);

impl<T: Real> Pointwise<T, 3> for Largest<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [m, v, largest]: [L; 3]) -> (L, [L; 3]) {
        let (m, v) = self.0.moments(g, m, v);
        let largest = largest.max(v);
        (self.0.descended(theta, m, largest), [m, v, largest])
    }
}
