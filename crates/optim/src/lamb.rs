//! LAMB: Adam's step, as long a share of each parameter as the rate says. r = m̂/(√v̂ + ε) + λθ;  θ ← θ − η·(‖θ‖/‖r‖)·r, the norms over
//! one parameter (a kernel, a bias); where one of them is 0 the ratio is 1. m̂ and v̂ as in Adam.
//! You et al. 2020, arXiv:1904.00962, Algorithm 2, with φ(z) = z. State: m, v.
//!
//! The norms see a whole parameter, so a step has two parts: [`Rule::step`] moves the moments, and when all of a parameter's are there,
//! `row_sums` and `row_move` do the rest. The direction r is computed again rather than kept: that costs less than a buffer.

use nabla_error::Result;
use nabla_kernels::PANEL;
use nabla_kernels::Real;
use nabla_kernels::simd::{Kernel, Lanes, dispatch};
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::power::power;
use crate::rule::{Rule, Step, adaptive, not_negative, smallest};

/// LAMB; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Lamb {
    /// η ≥ 0, default 0.001.
    pub learning_rate: f64,
    /// β₁ in [0, 1), default 0.9.
    pub beta1: f64,
    /// β₂ in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε > 0, default 1e-6.
    pub epsilon: f64,
    /// λ ≥ 0, default 0.01.
    pub weight_decay: f64,
}

impl Default for Lamb {
    fn default() -> Self {
        Self {
            learning_rate: 0.001,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            weight_decay: 0.01,
        }
    }
}

impl Rule for Lamb {
    const NAME: &'static str = "lamb";
    const BY_ROW: bool = true;

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        &["m", "v"]
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

    fn step<T: Real>(&self, _: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let moments = Moments {
            beta1: T::from_f64(self.beta1),
            rest1: T::from_f64(1.0 - self.beta1),
            beta2: T::from_f64(self.beta2),
            rest2: T::from_f64(1.0 - self.beta2),
        };
        pass(moments, theta, g, state);
    }

    fn row_sums<T: Real>(&self, at: Step, theta: &[T], state: &[&[T]]) -> [f64; 2] {
        let direction = self.direction(at);
        dispatch(Sums {
            theta,
            m: state[0],
            v: state[1],
            direction,
        })
    }

    fn row_move<T: Real>(&self, at: Step, norms: [f64; 2], theta: &mut [T], state: &[&[T]]) {
        let [size, length] = norms;
        let trust = if size > 0.0 && length > 0.0 { size / length } else { 1.0 };
        dispatch(Move {
            theta,
            m: state[0],
            v: state[1],
            direction: self.direction(at),
            descent: T::from_f64(-at.learning_rate * trust),
        });
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                learning_rate: 0.1,
                beta1: 0.5,
                beta2: 0.9,
                epsilon: 1e-3,
                weight_decay: 0.1,
            },
        ]
    }
}

impl Lamb {
    fn direction<T: Real>(&self, at: Step) -> Direction<T> {
        Direction {
            first: T::from_f64(1.0 / (1.0 - power(self.beta1, at.t))),
            second: T::from_f64(1.0 / (1.0 - power(self.beta2, at.t)).sqrt()),
            epsilon: smallest(self.epsilon),
            decay: T::from_f64(self.weight_decay),
        }
    }
}

#[derive(Clone, Copy)]
struct Moments<T> {
    beta1: T,
    rest1: T,
    beta2: T,
    rest2: T,
}

impl<T: Real> Pointwise<T, 2> for Moments<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [m, v]: [L; 2]) -> (L, [L; 2]) {
        let m = L::splat(self.beta1).mul_add(m, L::splat(self.rest1).mul(g));
        let v = L::splat(self.beta2).mul_add(v, L::splat(self.rest2).mul(g).mul(g));
        (theta, [m, v])
    }
}

#[derive(Clone, Copy)]
struct Direction<T> {
    first: T,
    second: T,
    epsilon: T,
    decay: T,
}

impl<T: Real> Direction<T> {
    #[inline(always)]
    fn of<L: Lanes<T>>(&self, theta: L, m: L, v: L) -> L {
        let divisor = v.sqrt().mul_add(L::splat(self.second), L::splat(self.epsilon));
        L::splat(self.decay).mul_add(theta, L::splat(self.first).mul(m).div(divisor))
    }
}

struct Sums<'a, T> {
    theta: &'a [T],
    m: &'a [T],
    v: &'a [T],
    direction: Direction<T>,
}

impl<T: Real> Kernel<T> for Sums<'_, T> {
    type Output = [f64; 2];

    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> [f64; 2] {
        // squares in f64, sixteen sums side by side: f32's would overflow or lose digits
        let mut sums = [[0.0f64; PANEL]; 2];
        let mut at = 0;
        while at < self.theta.len() {
            let to = (at + PANEL).min(self.theta.len());
            let theta = L::load_first(&self.theta[at..to]);
            let r = self
                .direction
                .of(theta, L::load_first(&self.m[at..to]), L::load_first(&self.v[at..to]));
            let (theta, r) = (theta.keep_first(to - at).to_array(), r.keep_first(to - at).to_array());
            for i in 0..PANEL {
                let (x, y) = (theta[i].to_f64(), r[i].to_f64());
                sums[0][i] += x * x;
                sums[1][i] += y * y;
            }
            at = to;
        }
        [crate::clip::tree_sum(&sums[0]), crate::clip::tree_sum(&sums[1])]
    }
}

struct Move<'a, T> {
    theta: &'a mut [T],
    m: &'a [T],
    v: &'a [T],
    direction: Direction<T>,
    descent: T,
}

impl<T: Real> Kernel<T> for Move<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let mut at = 0;
        while at < self.theta.len() {
            let to = (at + PANEL).min(self.theta.len());
            let theta = L::load_first(&self.theta[at..to]);
            let r = self
                .direction
                .of(theta, L::load_first(&self.m[at..to]), L::load_first(&self.v[at..to]));
            L::splat(self.descent).mul_add(r, theta).store_first(&mut self.theta[at..to]);
            at = to;
        }
    }
}
