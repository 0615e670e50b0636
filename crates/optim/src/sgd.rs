//! Gradient descent with momentum. g ← g + λθ; v ← μv + (1−d)g, but v ← g at t = 1; θ ← θ − η·v, or with Nesterov θ ← θ − η·(g + μv).
//! λ = weightDecay (added to the gradient: L2), μ = momentum, d = dampening. State: v ("velocity"), none when μ = 0.
//! Polyak 1964; Nesterov 1983 in the rewritten form of Sutskever et al. 2013; the whole is PyTorch's `SGD`: the rate stands
//! outside the velocity, so a change of η acts on the whole velocity at once.
//! With `rateInVelocity` (Sutskever et al., Keras) v ← μv + η(1−d)g, θ ← θ − v, or θ ← θ − (ηg + μv): past steps keep their rate.
//! With `lookAhead` the gradient is taken at θ − ημv (Nesterov's own form; without η when the rate is in the velocity), and θ ← θ − ηv: with
//! one rate the gradients are those of the rewritten form, whose weights are the points looked at.

use nabla_error::{Error, Result};
use nabla_kernels::simd::{Kernel, Lanes, dispatch};
use nabla_kernels::{PANEL, Real};
use serde::{Deserialize, Serialize};

use crate::rule::{Rule, Step, not_negative, share};

/// Stochastic gradient descent; see the formula above. Defaults: learningRate 0.01, the others 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Sgd {
    /// η ≥ 0, default 0.01.
    pub learning_rate: f64,
    /// μ in [0, 1), default 0.
    pub momentum: f64,
    /// d in [0, 1], default 0; Nesterov needs 0.
    pub dampening: f64,
    /// Looks ahead; needs momentum.
    pub nesterov: bool,
    /// The gradient is that of the point ahead; needs `nesterov`.
    pub look_ahead: bool,
    /// The rate is part of the velocity.
    pub rate_in_velocity: bool,
    /// λ ≥ 0, default 0.
    pub weight_decay: f64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            learning_rate: 0.01,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            look_ahead: false,
            rate_in_velocity: false,
            weight_decay: 0.0,
        }
    }
}

impl Rule for Sgd {
    const NAME: &'static str = "sgd";

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn state(&self) -> &'static [&'static str] {
        if self.momentum != 0.0 { &["velocity"] } else { &[] }
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
        share("momentum", self.momentum)?;
        if !(0.0..=1.0).contains(&self.dampening) {
            return Err(Error::option("dampening", "in [0, 1]", self.dampening));
        }
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(Error::option("nesterov", "with momentum > 0 and dampening 0", "true").hint("set momentum: 0.9"));
        }
        if self.look_ahead && !self.nesterov {
            return Err(Error::option("lookAhead", "with nesterov", "true"));
        }
        not_negative("weightDecay", self.weight_decay)
    }

    fn ahead(&self, at: Step) -> Option<f64> {
        let rate = if self.rate_in_velocity { 1.0 } else { at.learning_rate };
        self.look_ahead.then_some(-rate * self.momentum)
    }

    fn step<T: Real>(&self, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) {
        assert_eq!(theta.len(), g.len(), "a gradient for each parameter");
        let plain = !self.rate_in_velocity || self.momentum == 0.0;
        let descent = T::from_f64(if plain { -at.learning_rate } else { -1.0 });
        let decay = T::from_f64(self.weight_decay);
        if self.momentum == 0.0 {
            return dispatch(Descend { theta, g, descent, decay });
        }
        let velocity = &mut *state[0];
        assert_eq!(theta.len(), velocity.len(), "a velocity for each parameter");
        let momentum = T::from_f64(self.momentum);
        let share = T::from_f64(if at.t == 1 { 1.0 } else { 1.0 - self.dampening });
        dispatch(Roll {
            scale: T::from_f64(if plain { 1.0 } else { at.learning_rate }),
            theta,
            g,
            velocity,
            descent,
            decay,
            momentum,
            share,
            nesterov: self.nesterov && !self.look_ahead,
        });
    }

    fn samples() -> Vec<Self> {
        let momentum = Self {
            momentum: 0.9,
            ..Self::default()
        };
        vec![
            Self::default(),
            Self {
                weight_decay: 0.1,
                ..Self::default()
            },
            Self {
                nesterov: true,
                ..momentum.clone()
            },
            Self {
                nesterov: true,
                rate_in_velocity: true,
                ..momentum.clone()
            },
            Self {
                nesterov: true,
                look_ahead: true,
                ..momentum.clone()
            },
            Self {
                dampening: 0.5,
                weight_decay: 0.01,
                ..momentum.clone()
            },
            momentum,
        ]
    }
}

/// θ ← θ − η·(g + λθ)
struct Descend<'a, T> {
    theta: &'a mut [T],
    g: &'a [T],
    descent: T,
    decay: T,
}

impl<T: Real> Kernel<T> for Descend<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let (descent, decay) = (L::splat(self.descent), L::splat(self.decay));
        let (theta, theta_tail) = self.theta.as_chunks_mut::<PANEL>();
        let (g, g_tail) = self.g.as_chunks::<PANEL>();
        for (theta, g) in theta.iter_mut().zip(g) {
            let x = L::load(theta);
            descent.mul_add(decay.mul_add(x, L::load(g)), x).store(theta);
        }
        let x = L::load_first(theta_tail);
        descent.mul_add(decay.mul_add(x, L::load_first(g_tail)), x).store_first(theta_tail);
    }
}

/// The same with velocity.
struct Roll<'a, T> {
    theta: &'a mut [T],
    g: &'a [T],
    velocity: &'a mut [T],
    descent: T,
    decay: T,
    momentum: T,
    share: T,
    /// Of the gradient, where the rate is in the velocity.
    scale: T,
    nesterov: bool,
}

impl<T: Real> Kernel<T> for Roll<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let c = Rates::<L> {
            descent: L::splat(self.descent),
            decay: L::splat(self.decay),
            momentum: L::splat(self.momentum),
            share: L::splat(self.share),
            scale: L::splat(self.scale),
            nesterov: self.nesterov,
        };
        let (theta, theta_tail) = self.theta.as_chunks_mut::<PANEL>();
        let (g, g_tail) = self.g.as_chunks::<PANEL>();
        let (velocity, velocity_tail) = self.velocity.as_chunks_mut::<PANEL>();
        for ((theta, g), v) in theta.iter_mut().zip(g).zip(velocity) {
            let (x, y) = roll::<T, L>(&c, L::load(theta), L::load(g), L::load(v));
            x.store(theta);
            y.store(v);
        }
        let (x, y) = roll::<T, L>(&c, L::load_first(theta_tail), L::load_first(g_tail), L::load_first(velocity_tail));
        x.store_first(theta_tail);
        y.store_first(velocity_tail);
    }
}

struct Rates<L> {
    descent: L,
    decay: L,
    momentum: L,
    share: L,
    scale: L,
    nesterov: bool,
}

#[inline(always)]
fn roll<T: Real, L: Lanes<T>>(c: &Rates<L>, theta: L, g: L, v: L) -> (L, L) {
    let g = c.scale.mul(c.decay.mul_add(theta, g));
    let v = c.momentum.mul_add(v, c.share.mul(g));
    let direction = if c.nesterov { c.momentum.mul_add(v, g) } else { v };
    (c.descent.mul_add(direction, theta), v)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a rate that falls the two forms part: here by hand.
    #[test]
    fn the_rate_stands_outside_the_velocity_or_in_it() {
        for (rate_in_velocity, nesterov, expected) in [
            (false, false, 1.0 - 0.1 * 2.0 - 0.01 * (0.5 * 2.0 + 3.0)),
            (true, false, 1.0 - 0.1 * 2.0 - (0.5 * 0.1 * 2.0 + 0.01 * 3.0)),
            (false, true, 1.0 - 0.1 * (2.0 + 0.5 * 2.0) - 0.01 * (3.0 + 0.5 * (0.5 * 2.0 + 3.0))),
            (true, true, 1.0 - (0.2 + 0.5 * 0.2) - (0.03 + 0.5 * (0.5 * 0.2 + 0.03))),
        ] {
            let rule = Sgd {
                momentum: 0.5,
                nesterov,
                rate_in_velocity,
                ..Sgd::default()
            };
            let (mut theta, mut velocity) = ([1.0f64], [0.0]);
            for (t, rate, g) in [(1, 0.1, 2.0), (2, 0.01, 3.0)] {
                let at = Step {
                    t,
                    learning_rate: rate,
                    product: 1.0,
                };
                rule.step(at, &mut theta, &[g], &mut [&mut velocity]);
            }
            assert!((theta[0] - expected).abs() < 1e-15, "{rule:?}: {} is not {expected}", theta[0]);
        }
    }
}
