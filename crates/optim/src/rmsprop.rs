//! RMSprop. v ← ρv + (1−ρ)g²;  θ ← θ − η·g/(√v + ε). Tieleman & Hinton 2012, lecture 6.5; ε outside the root as in PyTorch.
//! `centered` (Graves 2013, arXiv:1308.0850): a ← ρa + (1−ρ)g and √(v − a²) in place of √v: the variance divides, not the square.
//! With momentum μ: b ← μb + g/(√v + ε);  θ ← θ − η·b: the rate stands outside the velocity.
//! `epsilonInRoot` (Keras 3, Graves): √(v + ε) in place of √v + ε. `rateInVelocity` (TensorFlow, Keras): b ← μb + η·g/(√v + ε), θ ← θ − b.
//! State: v ("squares"), b ("velocity") with momentum, a ("mean") when centered.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_kernels::simd::Lanes;
use serde::{Deserialize, Serialize};

use crate::pass::{Pointwise, pass};
use crate::rule::{Rule, Step, not_negative, positive, share, smallest};

/// RMSprop; see the formula above.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Rmsprop {
    /// η ≥ 0, default 0.001.
    pub learning_rate: f64,
    /// ρ in [0, 1), default 0.9.
    pub rho: f64,
    /// ε > 0, default 1e-8.
    pub epsilon: f64,
    /// Divides by the deviation.
    pub centered: bool,
    /// μ in [0, 1), default 0.
    pub momentum: f64,
    /// ε is added before the root is taken.
    pub epsilon_in_root: bool,
    /// The rate is part of the velocity.
    pub rate_in_velocity: bool,
}

impl Default for Rmsprop {
    fn default() -> Self {
        Self {
            learning_rate: 0.001,
            rho: 0.9,
            epsilon: 1e-8,
            centered: false,
            momentum: 0.0,
            epsilon_in_root: false,
            rate_in_velocity: false,
        }
    }
}

impl Rule for Rmsprop {
    const NAME: &'static str = "rmsprop";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        match (self.momentum != 0.0, self.centered) {
            (false, false) => &["squares"],
            (true, false) => &["squares", "velocity"],
            (false, true) => &["squares", "mean"],
            (true, true) => &["squares", "velocity", "mean"],
        }
    }

    fn validate(&self) -> Result<()> {
        not_negative("learningRate", self.learning_rate)?;
        share("rho", self.rho)?;
        positive("epsilon", self.epsilon)?;
        share("momentum", self.momentum)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        let rolled = self.rate_in_velocity && self.momentum != 0.0;
        let c = Rates {
            descent: T::from_f64(if rolled { -1.0 } else { -at.learning_rate }),
            scale: T::from_f64(if rolled { at.learning_rate } else { 1.0 }),
            in_root: self.epsilon_in_root,
            rho: T::from_f64(self.rho),
            rest: T::from_f64(1.0 - self.rho),
            epsilon: smallest(self.epsilon),
            momentum: T::from_f64(self.momentum),
        };
        match (self.momentum != 0.0, self.centered) {
            (false, false) => pass(Plain(c), theta, g, state),
            (true, false) => pass(Rolling(c), theta, g, state),
            (false, true) => pass(Centered(c), theta, g, state),
            (true, true) => pass(CenteredRolling(c), theta, g, state),
        }
    }

    fn samples() -> Vec<Self> {
        let momentum = Self {
            momentum: 0.9,
            ..Self::default()
        };
        // an ε of some size: where the deviation is nearly 0, single and double precision part ways
        let centered = Self {
            centered: true,
            epsilon: 1e-2,
            ..Self::default()
        };
        vec![
            Self::default(),
            Self {
                epsilon_in_root: true,
                epsilon: 1e-4,
                ..Self::default()
            },
            Self {
                rate_in_velocity: true,
                ..momentum.clone()
            },
            momentum,
            Self {
                momentum: 0.5,
                ..centered.clone()
            },
            centered,
        ]
    }
}

#[derive(Clone, Copy)]
struct Rates<T> {
    descent: T,
    rho: T,
    rest: T,
    epsilon: T,
    momentum: T,
    scale: T,
    in_root: bool,
}

impl<T: Real> Rates<T> {
    #[inline(always)]
    fn squares<L: Lanes<T>>(&self, v: L, g: L) -> L {
        L::splat(self.rho).mul_add(v, L::splat(self.rest).mul(g).mul(g))
    }

    #[inline(always)]
    fn scaled<L: Lanes<T>>(&self, g: L, variance: L) -> L {
        let epsilon = L::splat(self.epsilon);
        if self.in_root {
            return g.div(variance.add(epsilon).sqrt());
        }
        g.div(variance.sqrt().add(epsilon))
    }

    #[inline(always)]
    fn mean<L: Lanes<T>>(&self, a: L, g: L) -> L {
        L::splat(self.rho).mul_add(a, L::splat(self.rest).mul(g))
    }

    /// v − a², which rounding must not make negative.
    #[inline(always)]
    fn variance<L: Lanes<T>>(&self, v: L, a: L) -> L {
        a.neg().mul_add(a, v).max(L::zero())
    }

    #[inline(always)]
    fn rolled<L: Lanes<T>>(&self, b: L, step: L) -> L {
        L::splat(self.momentum).mul_add(b, L::splat(self.scale).mul(step))
    }

    #[inline(always)]
    fn descended<L: Lanes<T>>(&self, theta: L, step: L) -> L {
        L::splat(self.descent).mul_add(step, theta)
    }
}

#[derive(Clone, Copy)]
struct Plain<T>(Rates<T>);

impl<T: Real> Pointwise<T, 1> for Plain<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [v]: [L; 1]) -> (L, [L; 1]) {
        let v = self.0.squares(v, g);
        (self.0.descended(theta, self.0.scaled(g, v)), [v])
    }
}

#[derive(Clone, Copy)]
struct Rolling<T>(Rates<T>);

impl<T: Real> Pointwise<T, 2> for Rolling<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [v, b]: [L; 2]) -> (L, [L; 2]) {
        let v = self.0.squares(v, g);
        let b = self.0.rolled(b, self.0.scaled(g, v));
        (self.0.descended(theta, b), [v, b])
    }
}

#[derive(Clone, Copy)]
struct Centered<T>(Rates<T>);

impl<T: Real> Pointwise<T, 2> for Centered<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [v, a]: [L; 2]) -> (L, [L; 2]) {
        let (v, a) = (self.0.squares(v, g), self.0.mean(a, g));
        let step = self.0.scaled(g, self.0.variance(v, a));
        (self.0.descended(theta, step), [v, a])
    }
}

#[derive(Clone, Copy)]
struct CenteredRolling<T>(Rates<T>);

impl<T: Real> Pointwise<T, 3> for CenteredRolling<T> {
    #[inline(always)]
    fn update<L: Lanes<T>>(&self, theta: L, g: L, [v, b, a]: [L; 3]) -> (L, [L; 3]) {
        let (v, a) = (self.0.squares(v, g), self.0.mean(a, g));
        let b = self.0.rolled(b, self.0.scaled(g, self.0.variance(v, a)));
        (self.0.descended(theta, b), [v, b, a])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a rate that falls the two forms part: here by hand.
    #[test]
    fn the_rate_stands_outside_the_velocity_or_in_it() {
        let scaled = [2.0 / (0.4f64.sqrt() + 1e-8), 3.0 / ((0.9 * 0.4 + 0.9f64).sqrt() + 1e-8)];
        let b = 0.5 * scaled[0] + scaled[1];
        for (rate_in_velocity, expected) in [
            (false, 1.0 - 0.1 * scaled[0] - 0.01 * b),
            (true, 1.0 - 0.1 * scaled[0] - (0.05 * scaled[0] + 0.01 * scaled[1])),
        ] {
            let rule = Rmsprop {
                momentum: 0.5,
                rate_in_velocity,
                ..Rmsprop::default()
            };
            let (mut theta, mut squares, mut velocity) = ([1.0f64], [0.0], [0.0]);
            for (t, rate, g) in [(1, 0.1, 2.0), (2, 0.01, 3.0)] {
                let at = Step {
                    t,
                    learning_rate: rate,
                    product: 1.0,
                };
                rule.step(at, &mut theta, &[g], &mut [&mut squares, &mut velocity]);
            }
            assert!((theta[0] - expected).abs() < 1e-14, "{rule:?}: {} is not {expected}", theta[0]);
        }
    }
}
