//! RAdam: Adam whose adaptive rate starts when its variance is known. m, v and m̂ as in Adam; ρ∞ = 2/(1−β₂) − 1,
//! ρₜ = ρ∞ − 2t·β₂ᵗ/(1−β₂ᵗ). Where ρₜ > 5: θ ← θ − η·r·m̂·√(1−β₂ᵗ)/(√v + ε), r = √((ρₜ−4)(ρₜ−2)ρ∞/((ρ∞−4)(ρ∞−2)ρₜ)); else θ ← θ − η·m̂.
//! Liu et al. 2020, arXiv:1908.03265, Algorithm 2. The bound 5 is the authors' code's and PyTorch's, the paper prints 4. State: m, v.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::power::power;
use crate::rule::{Rule, Step, adaptive, smallest};

/// RAdam; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Radam {
    /// η ≥ 0, default 0.001.
    pub learning_rate: f64,
    /// β₁ in [0, 1), default 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε > 0, default 1e-8.
    pub epsilon: f64,
}

impl Default for Radam {
    fn default() -> Self {
        Self {
            learning_rate: 0.001,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}

impl Rule for Radam {
    const NAME: &'static str = "radam";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        &["m", "v"]
    }

    fn validate(&self) -> Result<()> {
        adaptive(self.learning_rate, [self.beta1, self.beta2], self.epsilon)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let power2 = power(self.beta2, at.t);
        let whole = 2.0 / (1.0 - self.beta2) - 1.0;
        let rho = whole - 2.0 * at.t as f64 * power2 / (1.0 - power2);
        let adaptive = rho > 5.0;
        let mut rate = at.learning_rate / (1.0 - power(self.beta1, at.t));
        if adaptive {
            let rectified = (rho - 4.0) * (rho - 2.0) * whole / ((whole - 4.0) * (whole - 2.0) * rho);
            rate *= rectified.sqrt() * (1.0 - power2).sqrt();
        }
        let update = Update {
            descent: T::from_f64(-rate),
            beta1: T::from_f64(self.beta1),
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
            epsilon: smallest(self.epsilon),
            adaptive,
        };
        pass(update, theta, g, state);
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                learning_rate: 0.01,
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
    rest2: T,
    epsilon: T,
    adaptive: bool,
}

impl<T: Real> Pointwise<T, 2> for Update<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [m, v]: [L; 2]) -> (L, [L; 2]) {
        let m = L::splat(self.beta1).mul_add(m, L::splat(self.rest1).mul(g));
        let v = L::splat(self.beta2).mul_add(v, L::splat(self.rest2).mul(g).mul(g));
        let direction = if self.adaptive {
            m.div(v.sqrt().add(L::splat(self.epsilon)))
        } else {
            m
        };
        (L::splat(self.descent).mul_add(direction, theta), [m, v])
    }
}
