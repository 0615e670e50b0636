//! Adam. m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  θ ← θ − η·m̂/(√v̂ + ε);  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ), t from 1.
//! Kingma & Ba 2015, arXiv:1412.6980, Algorithm 1 (ε outside the root, as there and in PyTorch). State: m and v.
//! AMSGrad (Reddi, Kale & Kumar 2018, arXiv:1904.09237) divides by the largest v so far instead: third state vMax. As in
//! PyTorch the maximum is taken of v and corrected by 1−β₂ᵗ afterwards; the paper has no correction.
//! `epsilonInRoot`: √(v̂ + ε) in place of √v̂ + ε.

use nabla_error::Result;
use nabla_kernels::simd::{Kernel, Lanes, dispatch};
use nabla_kernels::{PANEL, Real};
use serde::{Deserialize, Serialize};

use crate::power::power;
use crate::rule::{Rule, Step, adaptive, smallest};

/// Adam; see the formula above. Defaults are the paper's (some notes print β₂ = 0.9999).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Adam {
    /// η ≥ 0, default 0.001.
    pub learning_rate: f64,
    /// β₁ in [0, 1), default 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε > 0, default 1e-8; in f32 at least the smallest normal number, 1.2e-38.
    pub epsilon: f64,
    /// Divides by the largest second moment so far.
    pub amsgrad: bool,
    /// ε is added before the root is taken.
    pub epsilon_in_root: bool,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            learning_rate: 0.001,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            amsgrad: false,
            epsilon_in_root: false,
        }
    }
}

impl Rule for Adam {
    const NAME: &'static str = "adam";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        if self.amsgrad { &["m", "v", "vMax"] } else { &["m", "v"] }
    }

    fn validate(&self) -> Result<()> {
        adaptive(self.learning_rate, [self.beta1, self.beta2], self.epsilon)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        // η·m̂/(√v̂ + ε) = (η/(1−β₁ᵗ))·m/(√v·(1/√(1−β₂ᵗ)) + ε): the corrections are two numbers a step, made in f64
        let descent = T::from_f64(-at.learning_rate / (1.0 - power(self.beta1, at.t)));
        let correction = T::from_f64(1.0 / (1.0 - power(self.beta2, at.t)).sqrt());
        let epsilon = smallest(self.epsilon);
        let (moments, largest) = state.split_at_mut(2);
        let [m, v] = moments else { unreachable!("split at 2") };
        let largest: &mut [T] = if self.amsgrad { &mut *largest[0] } else { &mut [] };
        assert!(
            g.len() == theta.len() && m.len() == theta.len() && v.len() == theta.len(),
            "a gradient and two moments for each parameter"
        );
        assert!(
            largest.len() == if self.amsgrad { theta.len() } else { 0 },
            "a largest moment for each parameter"
        );
        let rates = Rates {
            descent,
            // In the root the square of the correction stands.
            correction: if self.epsilon_in_root {
                correction * correction
            } else {
                correction
            },
            epsilon,
            in_root: self.epsilon_in_root,
            beta1: T::from_f64(self.beta1),
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
        };
        dispatch(Update {
            theta,
            g,
            m,
            v,
            largest,
            rates,
        });
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                amsgrad: true,
                ..Self::default()
            },
            Self {
                beta1: 0.0,
                ..Self::default()
            },
            Self {
                learning_rate: 0.1,
                beta1: 0.5,
                beta2: 0.9,
                epsilon: 1e-3,
                amsgrad: false,
                epsilon_in_root: false,
            },
            Self {
                epsilon: 1e-4,
                amsgrad: true,
                epsilon_in_root: true,
                ..Self::default()
            },
        ]
    }
}

struct Rates<X> {
    descent: X,
    correction: X,
    epsilon: X,
    beta1: X,
    rest1: X,
    beta2: X,
    rest2: X,
    in_root: bool,
}

/// One pass over all slices; `largest` is empty without AMSGrad.
struct Update<'a, T> {
    theta: &'a mut [T],
    g: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
    largest: &'a mut [T],
    rates: Rates<T>,
}

impl<T: Real> Kernel<T> for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let c = Rates::<L> {
            descent: L::splat(self.rates.descent),
            correction: L::splat(self.rates.correction),
            epsilon: L::splat(self.rates.epsilon),
            beta1: L::splat(self.rates.beta1),
            rest1: L::splat(self.rates.rest1),
            beta2: L::splat(self.rates.beta2),
            rest2: L::splat(self.rates.rest2),
            in_root: self.rates.in_root,
        };
        let (theta, theta_tail) = self.theta.as_chunks_mut::<PANEL>();
        let (g, g_tail) = self.g.as_chunks::<PANEL>();
        let (m, m_tail) = self.m.as_chunks_mut::<PANEL>();
        let (v, v_tail) = self.v.as_chunks_mut::<PANEL>();
        let (largest, largest_tail) = self.largest.as_chunks_mut::<PANEL>();
        for (i, (((theta, g), m), v)) in theta.iter_mut().zip(g).zip(m).zip(v).enumerate() {
            let (first, second) = moments::<T, L>(&c, L::load(g), L::load(m), L::load(v));
            first.store(m);
            second.store(v);
            let mut divisor = second;
            if let Some(largest) = largest.get_mut(i) {
                divisor = L::load(largest).max(second);
                divisor.store(largest);
            }
            descended::<T, L>(&c, L::load(theta), first, divisor).store(theta);
        }
        let (first, second) = moments::<T, L>(&c, L::load_first(g_tail), L::load_first(m_tail), L::load_first(v_tail));
        first.store_first(m_tail);
        second.store_first(v_tail);
        let mut divisor = second;
        if !largest_tail.is_empty() {
            divisor = L::load_first(largest_tail).max(second);
            divisor.store_first(largest_tail);
        }
        descended::<T, L>(&c, L::load_first(theta_tail), first, divisor).store_first(theta_tail);
    }
}

#[inline(always)]
fn moments<T: Real, L: Lanes<T>>(c: &Rates<L>, g: L, m: L, v: L) -> (L, L) {
    (c.beta1.mul_add(m, c.rest1.mul(g)), c.beta2.mul_add(v, c.rest2.mul(g).mul(g)))
}

#[inline(always)]
fn descended<T: Real, L: Lanes<T>>(c: &Rates<L>, theta: L, m: L, v: L) -> L {
    if c.in_root {
        return c.descent.mul_add(m.div(v.mul_add(c.correction, c.epsilon).sqrt()), theta);
    }
    c.descent.mul_add(m.div(v.sqrt().mul_add(c.correction, c.epsilon)), theta)
}
