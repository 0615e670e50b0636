//! Student's t distribution, for tests of differences: P(|T| ≥ |t|) = I_x(ν/2, ½) with x = ν/(ν + t²), I the regularized incomplete beta
//! function by its continued fraction (Lentz's way; Abramowitz & Stegun 26.5.8). Equal to the 30 digits of mpmath to 1e-11 (ν up to 10⁵; the upper tail is 1 less the fraction).

use libm::{exp, fabs, lgamma, log, log1p};

/// P(|T| ≥ |t|) with ν degrees of freedom; NaN unless ν > 0.
pub fn two_sided(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    if t.is_infinite() {
        return 0.0;
    }
    let square = t * t;
    // 1 − x and x apart, so that neither tail cancels.
    beta_half(freedom / 2.0, freedom / (freedom + square), square / (freedom + square))
}

/// t with P(T ≤ t) = p, by bisection on the tail: for intervals of confidence.
pub fn quantile(p: f64, freedom: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && freedom > 0.0) {
        return f64::NAN;
    }
    let tail = 2.0 * p.min(1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided(high, freedom) > tail && high < 1e300 {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if middle == low || middle == high {
            break;
        }
        if two_sided(middle, freedom) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    if p < 0.5 { -high } else { high }
}

/// ln Γ(a + ½) − ln Γ(a), by Stirling's series where two large logarithms would cancel.
fn half_step(a: f64) -> f64 {
    if a < 20.0 {
        return lgamma(a + 0.5) - lgamma(a);
    }
    let s = 1.0 / (a * a);
    0.5 * log(a) - (0.125 - s * (1.0 / 192.0 - s * (1.0 / 640.0 - s * 17.0 / 14336.0))) / a
}

/// I_x(a, ½); `y` = 1 − x.
fn beta_half(a: f64, x: f64, y: f64) -> f64 {
    let b = 0.5;
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let ln_y = if x < 0.5 { log1p(-x) } else { log(y) };
    let ln_x = if y < 0.5 { log1p(-y) } else { log(x) };
    let front = exp(half_step(a) - 0.5 * log(std::f64::consts::PI) + a * ln_x + b * ln_y);
    // The fraction converges quickly below the mean.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, y) / b
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if fabs(v) < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if fabs(step - 1.0) < 1e-16 {
            break;
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mpmath's to 30 digits, and scipy's `2 * stats.t.sf(|t|, ν)`, which is good to 1e-10 only; the script is `__test__/fixtures/scripts/student_t.py`.
    #[test]
    fn equals_mpmath_and_scipy() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/student-t.json"));
        let fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in fixture["cases"].as_array().unwrap() {
            let of = |name: &str| case[name].as_f64().unwrap();
            let (p, expected) = (two_sided(of("t"), of("freedom")), of("p"));
            assert!((p - expected).abs() <= 1e-11 * expected.max(1e-3), "{case}: {p}");
            assert!((p - of("scipy")).abs() <= 1e-9 * expected.max(1e-3), "{case}: {p}");
            if of("t") > 0.0 && expected > 1e-200 {
                let back = quantile(1.0 - expected / 2.0, of("freedom"));
                assert!(
                    expected < 1e-9 || (back - of("t")).abs() <= 1e-6 * of("t").max(1.0),
                    "{case}: {back}"
                );
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!(two_sided(0.0, 3.0), 1.0);
        assert_eq!(two_sided(f64::NEG_INFINITY, 3.0), 0.0);
        assert!(two_sided(1.0, 0.0).is_nan() && quantile(0.0, 3.0).is_nan());
        assert!((quantile(0.025, 9.0) + 2.262_157_162_798_205).abs() < 1e-12);
    }
}
