//! Norms of any numbers: ‖x‖ₚ = (Σ |xᵢ|ᵖ)^(1/p) for p > 0; p = ∞ gives the largest |xᵢ|, p = 0 counts what is not 0 (no norm in the
//! strict sense, nor is any p < 1, but both are used as such). Scaled by the largest value, so that squares neither overflow nor vanish.

/// ‖x‖ₚ; NaN if any value is. 0 for no values.
pub fn norm(values: impl Iterator<Item = f64> + Clone, p: f64) -> f64 {
    if values.clone().any(f64::is_nan) {
        return f64::NAN;
    }
    if p == 0.0 {
        return values.filter(|&v| v != 0.0).count() as f64;
    }
    let largest = values.clone().fold(0.0, |a: f64, v| a.max(v.abs()));
    if p == f64::INFINITY || largest == 0.0 || largest == f64::INFINITY {
        return largest;
    }
    let scaled = values.map(|v| v.abs() / largest);
    if p == 1.0 {
        return largest * scaled.sum::<f64>();
    }
    if p == 2.0 {
        return largest * scaled.map(|v| v * v).sum::<f64>().sqrt();
    }
    largest * libm::pow(scaled.map(|v| libm::pow(v, p)).sum::<f64>(), 1.0 / p)
}

#[cfg(test)]
mod tests {
    use super::norm;

    #[test]
    fn of_three_and_four() {
        let x = [3.0, -4.0, 0.0];
        for (p, expected) in [
            (2.0, 5.0),
            (1.0, 7.0),
            (0.0, 2.0),
            (f64::INFINITY, 4.0),
            (0.5, 7.0 + 2.0 * 12f64.sqrt()),
        ] {
            assert!((norm(x.into_iter(), p) - expected).abs() < 1e-12, "p = {p}");
        }
    }

    #[test]
    fn survives_where_squares_do_not() {
        assert!((norm([3e200, 4e200].into_iter(), 2.0) / 5e200 - 1.0).abs() < 1e-15);
        assert!((norm([3e-200, 4e-200].into_iter(), 2.0) / 5e-200 - 1.0).abs() < 1e-15);
        assert!(norm([1.0, f64::NAN].into_iter(), f64::INFINITY).is_nan());
        assert_eq!(norm(std::iter::empty(), 2.0), 0.0);
    }
}
