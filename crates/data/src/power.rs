//! Yeo & Johnson 2000, A new family of power transformations to improve normality or symmetry:
//! ψ(x, λ) = ((x + 1)^λ − 1)/λ for x ≥ 0, λ ≠ 0;  ln(x + 1) for λ = 0;  −((1 − x)^(2−λ) − 1)/(2 − λ) for x < 0, λ ≠ 2;  −ln(1 − x) for λ = 2.
//! λ maximizes the likelihood −n/2·ln Var ψ + (λ − 1)·Σ sign(x)·ln(1 + |x|), found by Brent's method (1973).

use libm::{expm1, fabs, log, log1p};

/// Below it λ counts as 0 (and 2 − λ): there the two forms agree to rounding.
const ZERO: f64 = 2.220_446_049_250_313e-16;

/// ((1 + x)^λ − 1)/λ, x ≥ 0.
fn half(x: f64, lambda: f64) -> f64 {
    if fabs(lambda) < ZERO {
        log1p(x)
    } else {
        expm1(lambda * log1p(x)) / lambda
    }
}

/// The inverse of `half`.
fn half_back(y: f64, lambda: f64) -> f64 {
    if fabs(lambda) < ZERO {
        expm1(y)
    } else {
        expm1(log1p(y * lambda) / lambda)
    }
}

/// ψ(x, λ).
pub(crate) fn yeo_johnson(x: f64, lambda: f64) -> f64 {
    if x >= 0.0 { half(x, lambda) } else { -half(-x, 2.0 - lambda) }
}

/// x with ψ(x, λ) = y.
pub(crate) fn inverse(y: f64, lambda: f64) -> f64 {
    if y >= 0.0 {
        half_back(y, lambda)
    } else {
        -half_back(-y, 2.0 - lambda)
    }
}

/// The λ of greatest likelihood; 1, which changes nothing, for a constant column.
pub(crate) fn likeliest(values: &[f64]) -> f64 {
    if values.first() == values.last() {
        return 1.0;
    }
    let n = values.len() as f64;
    let signed: f64 = values.iter().map(|x| if *x >= 0.0 { log1p(*x) } else { -log1p(-x) }).sum();
    let unlikely = |lambda: f64| {
        let moved = || values.iter().map(|x| yeo_johnson(*x, lambda));
        let mean = moved().sum::<f64>() / n;
        let variance = moved().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n;
        if variance < f64::MIN_POSITIVE || !variance.is_finite() {
            return f64::INFINITY;
        }
        n / 2.0 * log(variance) - (lambda - 1.0) * signed
    };
    brent(unlikely)
}

/// A minimum of f: the bracket (−2, 2) is widened until its middle is below both ends, then Brent's parabolas and golden sections.
fn brent(f: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.381_966_011_250_105_1;
    let (mut a, mut b) = (-2.0, 2.0);
    // The likelihood is concave in practice: at most a few widenings.
    for _ in 0..8 {
        let middle = f((a + b) / 2.0);
        let (left, right) = (f(a + 1e-3) < f(a + 2e-3), f(b - 1e-3) < f(b - 2e-3));
        match (left && f(a) <= middle, right && f(b) <= middle) {
            (true, _) => a -= 2.0 * (b - a) / 2.0,
            (_, true) => b += 2.0 * (b - a) / 2.0,
            _ => break,
        }
    }
    let mut x = a + GOLDEN * (b - a);
    let (mut w, mut v) = (x, x);
    let mut fx = f(x);
    let (mut fw, mut fv) = (fx, fx);
    let (mut step, mut last) = (0.0f64, 0.0f64);
    for _ in 0..200 {
        let middle = (a + b) / 2.0;
        let tolerance = 1e-10 * fabs(x) + 1e-11;
        if fabs(x - middle) <= 2.0 * tolerance - (b - a) / 2.0 {
            break;
        }
        let mut golden = true;
        if fabs(last) > tolerance {
            let r = (x - w) * (fx - fv);
            let mut q = (x - v) * (fx - fw);
            let mut p = (x - v) * q - (x - w) * r;
            q = 2.0 * (q - r);
            if q > 0.0 {
                p = -p;
            }
            q = fabs(q);
            let before = last;
            last = step;
            if fabs(p) < fabs(q * before / 2.0) && p > q * (a - x) && p < q * (b - x) {
                step = p / q;
                let u = x + step;
                if u - a < 2.0 * tolerance || b - u < 2.0 * tolerance {
                    step = if x < middle { tolerance } else { -tolerance };
                }
                golden = false;
            }
        }
        if golden {
            last = if x < middle { b - x } else { a - x };
            step = GOLDEN * last;
        }
        let u = x + if fabs(step) >= tolerance { step } else { tolerance.copysign(step) };
        let fu = f(u);
        if fu <= fx {
            if u < x {
                b = x
            } else {
                a = x
            }
            (v, fv) = (w, fw);
            (w, fw) = (x, fx);
            (x, fx) = (u, fu);
        } else {
            if u < x {
                a = u
            } else {
                b = u
            }
            if fu <= fw || w == x {
                (v, fv) = (w, fw);
                (w, fw) = (u, fu);
            } else if fu <= fv || v == x || v == w {
                (v, fv) = (u, fu);
            }
        }
    }
    x
}
