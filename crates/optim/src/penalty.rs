//! Penalties on parameters: smooth ones add to the gradient before the update, those with a kink at 0 act by a proximal step after it,
//! so that zeros are exact.
//!
//! | penalty | gradient | proximal step with η |
//! |---|---|---|
//! | l1: λΣ\|w\| | | w ← sign(w)·max(\|w\| − ηλ, 0) |
//! | l2: λ/2·Σw² | λw | |
//! | lq: λ/2·Σ\|w\|^q, q > 1 | λ/2·q·\|w\|^(q−1)·sign(w) | |
//! | lq, q ≤ 1 | | w ← argmin ½(x − w)² + ηλ/2·\|x\|^q |
//!
//! The proximal step for q < 1: 0 up to a threshold, beyond it the larger root of x − \|w\| + t·q·x^(q−1) = 0, t = ηλ/2, by Newton's
//! method. (Marjanovic & Solo 2012, IEEE Trans. Signal Processing 60, theorem 1.)

use nabla_error::{Error, Result};
use nabla_kernels::simd::{Kernel, Lanes, dispatch};
use nabla_kernels::{PANEL, Real};
use serde::{Deserialize, Serialize};

/// A penalty or a constraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Penalty {
    /// λΣ|w|
    L1 {
        /// λ ≥ 0.
        lambda: f64,
    },
    /// λ/2·Σw²
    L2 {
        /// λ ≥ 0.
        lambda: f64,
    },
    /// λ₁Σ|w| + λ₂/2·Σw². Zou & Hastie 2005.
    ElasticNet {
        /// λ₁ ≥ 0.
        l1: f64,
        /// λ₂ ≥ 0.
        l2: f64,
    },
    /// λ/2·Σ|w|^q. Bishop 2006, equation 3.29.
    Lq {
        /// λ ≥ 0.
        lambda: f64,
        /// q > 0.
        q: f64,
    },
    /// Each unit's incoming weights (all axes but the last) are scaled back to this norm after an update. Srebro & Shraibman 2005.
    MaxNorm {
        /// Above 0.
        limit: f64,
        /// Over which a norm is taken, negative ones from the end; none is all but the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        axes: Option<Vec<i64>>,
    },
}

impl Penalty {
    /// Checks the ranges of the options.
    ///
    /// # Errors
    /// `INVALID_OPTION`, naming the option and its range.
    pub fn validate(&self) -> Result<()> {
        let positive = |name: &str, x: f64| {
            if x > 0.0 && x.is_finite() {
                Ok(())
            } else {
                Err(Error::option(&format!("regularizers.{name}"), "in (0, ∞)", x))
            }
        };
        let not_negative = |name: &str, x: f64| {
            if x >= 0.0 && x.is_finite() {
                Ok(())
            } else {
                Err(Error::option(&format!("regularizers.{name}"), "in [0, ∞)", x))
            }
        };
        match self {
            Penalty::L1 { lambda } | Penalty::L2 { lambda } => not_negative("lambda", *lambda),
            Penalty::ElasticNet { l1, l2 } => not_negative("l1", *l1).and(not_negative("l2", *l2)),
            Penalty::Lq { lambda, q } => not_negative("lambda", *lambda).and(positive("q", *q)),
            Penalty::MaxNorm { limit, axes } => {
                if axes.as_ref().is_some_and(Vec::is_empty) {
                    return Err(Error::option("regularizers.axes", "to name at least one axis", "none"));
                }
                positive("limit", *limit)
            }
        }
    }
}

/// All penalties of one parameter, added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    l1: f64,
    l2: f64,
    /// (λ/2, q) with q > 1.
    powers: Vec<(f64, f64)>,
    /// (λ/2, q) with q < 1.
    roots: Vec<(f64, f64)>,
    /// The largest norm of a unit's incoming weights.
    pub max_norm: Option<f64>,
    /// Largest norms over axes of the user's choice.
    pub along: Vec<(Vec<i64>, f64)>,
}

impl Terms {
    /// With one more penalty.
    pub fn add(&mut self, penalty: &Penalty) {
        match *penalty {
            Penalty::L1 { lambda } => self.l1 += lambda,
            Penalty::L2 { lambda } => self.l2 += lambda,
            Penalty::ElasticNet { l1, l2 } => {
                self.l1 += l1;
                self.l2 += l2;
            }
            Penalty::Lq { lambda, q: 1.0 } => self.l1 += lambda / 2.0,
            Penalty::Lq { lambda, q: 2.0 } => self.l2 += lambda,
            Penalty::Lq { lambda, q } if q > 1.0 => self.powers.push((lambda / 2.0, q)),
            Penalty::Lq { lambda, q } => self.roots.push((lambda / 2.0, q)),
            Penalty::MaxNorm {
                limit,
                axes: Some(ref axes),
            } => self.along.push((axes.clone(), limit)),
            Penalty::MaxNorm { limit, axes: None } => self.max_norm = Some(self.max_norm.map_or(limit, |l| l.min(limit))),
        }
    }

    /// Whether anything is to be added to the gradient.
    pub fn smooth(&self) -> bool {
        self.l2 != 0.0 || !self.powers.is_empty()
    }

    /// Whether there is a proximal step.
    pub fn kinked(&self) -> bool {
        self.l1 != 0.0 || !self.roots.is_empty()
    }

    /// g ← g + the smooth penalties' gradient at θ.
    pub fn add_gradient<T: Real>(&self, theta: &[T], g: &mut [T]) {
        assert_eq!(theta.len(), g.len(), "a gradient for each parameter");
        if self.l2 != 0.0 {
            dispatch(Shrink {
                theta,
                g,
                lambda: T::from_f64(self.l2),
            });
        }
        for &(lambda, q) in &self.powers {
            for (g, w) in g.iter_mut().zip(theta) {
                let w = w.to_f64();
                if w != 0.0 {
                    *g += T::from_f64(lambda * q * libm::pow(w.abs(), q - 1.0) * w.signum());
                }
            }
        }
    }

    /// The smooth penalties at θ, in one chain of f64: what a line search adds to the loss.
    pub fn value<T: Real>(&self, theta: &[T]) -> f64 {
        let sum = |term: &dyn Fn(f64) -> f64| theta.iter().fold(0.0, |sum, w| sum + term(w.to_f64()));
        let mut value = 0.0;
        if self.l2 != 0.0 {
            value += self.l2 / 2.0 * sum(&|w| w * w);
        }
        for &(lambda, q) in &self.powers {
            value += lambda * sum(&|w| libm::pow(w.abs(), q));
        }
        value
    }

    /// The proximal steps, with the rate of the update before.
    pub fn proximal<T: Real>(&self, rate: f64, theta: &mut [T]) {
        if self.l1 != 0.0 {
            dispatch(Threshold {
                theta,
                by: T::from_f64(rate * self.l1),
            });
        }
        for &(lambda, q) in &self.roots {
            for w in theta.iter_mut() {
                *w = T::from_f64(proximal_root(w.to_f64(), rate * lambda, q));
            }
        }
    }
}

/// argmin ½(x − w)² + t|x|^q for q < 1.
fn proximal_root(w: f64, t: f64, q: f64) -> f64 {
    if t == 0.0 || w == 0.0 || !w.is_finite() {
        return w;
    }
    let turn = libm::pow(2.0 * t * (1.0 - q), 1.0 / (2.0 - q));
    let threshold = turn + t * q * libm::pow(turn, q - 1.0);
    let size = w.abs();
    if size <= threshold {
        return 0.0;
    }
    // Convex beyond the turning point, and Newton starts on the right of the root: it falls towards it.
    let mut x = size;
    for _ in 0..30 {
        let slope = 1.0 + t * q * (q - 1.0) * libm::pow(x, q - 2.0);
        let next = x - (x - size + t * q * libm::pow(x, q - 1.0)) / slope;
        if (next - x).abs() <= 1e-15 * size {
            break;
        }
        x = next.max(turn);
    }
    x.copysign(w)
}

/// g ← g + λθ
struct Shrink<'a, T> {
    theta: &'a [T],
    g: &'a mut [T],
    lambda: T,
}

impl<T: Real> Kernel<T> for Shrink<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let lambda = L::splat(self.lambda);
        let (g, g_tail) = self.g.as_chunks_mut::<PANEL>();
        let (theta, theta_tail) = self.theta.as_chunks::<PANEL>();
        for (g, theta) in g.iter_mut().zip(theta) {
            lambda.mul_add(L::load(theta), L::load(g)).store(g);
        }
        lambda.mul_add(L::load_first(theta_tail), L::load_first(g_tail)).store_first(g_tail);
    }
}

/// θ ← sign(θ)·max(|θ| − by, 0)
struct Threshold<'a, T> {
    theta: &'a mut [T],
    by: T,
}

impl<T: Real> Kernel<T> for Threshold<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let by = L::splat(self.by);
        let (theta, tail) = self.theta.as_chunks_mut::<PANEL>();
        for theta in theta {
            shrunk::<T, L>(L::load(theta), by).store(theta);
        }
        shrunk::<T, L>(L::load_first(tail), by).store_first(tail);
    }
}

#[inline(always)]
fn shrunk<T: Real, L: Lanes<T>>(x: L, by: L) -> L {
    let size = x.abs();
    // NaN is not ≤, so it stays.
    L::select(size.less_equal(by), L::zero(), size.sub(by).with_sign(x))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(penalties: &[Penalty]) -> Terms {
        let mut terms = Terms::default();
        penalties.iter().for_each(|p| terms.add(p));
        terms
    }

    proptest! {
        #[test]
        fn proximal_points_are_minima(w in -3.0..3.0f64, t in 0.001..1.0f64, q in 0.1..1.0f64) {
            let cost = |x: f64| 0.5 * (x - w) * (x - w) + t * libm::pow(x.abs(), q);
            let found = proximal_root(w, t, q);
            // no point of a fine grid is better
            for i in -400..=400 {
                let x = f64::from(i) * 0.01;
                prop_assert!(cost(found) <= cost(x) + 1e-9, "w {w} t {t} q {q}: {found} costs {}, {x} costs {}", cost(found), cost(x));
            }
        }

        #[test]
        fn soft_thresholds(mut w in prop::collection::vec(-1.0..1.0f32, 0..40), by in 0.0..0.5f64) {
            let before = w.clone();
            terms(&[Penalty::L1 { lambda: by }]).proximal(1.0, &mut w);
            for (after, before) in w.iter().zip(before) {
                let expected = before.signum() * (before.abs() - by as f32).max(0.0);
                prop_assert_eq!(*after, expected);
                prop_assert!(*after != 0.0 || after.is_sign_positive());
            }
        }
    }

    #[test]
    fn gradients_are_those_of_the_penalties() {
        let cost = |penalty: &Penalty, w: f64| match penalty {
            Penalty::L2 { lambda } => lambda / 2.0 * w * w,
            Penalty::Lq { lambda, q } => lambda / 2.0 * libm::pow(w.abs(), *q),
            Penalty::ElasticNet { l2, .. } => l2 / 2.0 * w * w,
            _ => 0.0,
        };
        for penalty in [
            Penalty::L2 { lambda: 0.3 },
            Penalty::Lq { lambda: 0.3, q: 2.0 },
            Penalty::Lq { lambda: 0.3, q: 1.5 },
            Penalty::Lq { lambda: 0.3, q: 4.0 },
            Penalty::ElasticNet { l1: 0.2, l2: 0.5 },
        ] {
            for w in [-2.0, -0.1, 0.7] {
                let mut g = [1.0f64];
                terms(std::slice::from_ref(&penalty)).add_gradient(&[w], &mut g);
                let numeric = (cost(&penalty, w + 1e-6) - cost(&penalty, w - 1e-6)) / 2e-6;
                assert!((g[0] - 1.0 - numeric).abs() < 1e-8, "{penalty:?} at {w}: {} {numeric}", g[0] - 1.0);
            }
        }
        assert!(terms(&[Penalty::Lq { lambda: 1.0, q: 1.0 }]) == terms(&[Penalty::L1 { lambda: 0.5 }]));
    }

    #[test]
    fn what_is_not_finite_stays() {
        let mut w = [f64::NAN, f64::INFINITY, 1.0];
        terms(&[Penalty::L1 { lambda: 0.1 }, Penalty::Lq { lambda: 0.1, q: 0.5 }]).proximal(1.0, &mut w);
        assert!(w[0].is_nan() && w[1].is_infinite() && w[2] < 0.9);
    }
}
