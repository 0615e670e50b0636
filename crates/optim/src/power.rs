//! βᵗ for the bias corrections.

/// xⁿ by repeated squaring: the same bits on every platform (libm's `pow` differs between them).
/// Relative error below n·2⁻⁵², so that of 1 − xⁿ, where n·xⁿ ≤ 1/(e·(1−x)), stays below 1e-12 for x ≤ 0.9999.
pub(crate) fn power(mut x: f64, mut n: u64) -> f64 {
    let mut product = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            product *= x;
        }
        x *= x;
        n >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_power() {
        assert_eq!(
            [power(0.9, 0), power(0.9, 1), power(0.5, 10), power(0.0, 0), power(0.0, 3)],
            [1.0, 0.9, 0.0009765625, 1.0, 0.0]
        );
        for (x, n) in [(0.9f64, 7), (0.999, 1000), (0.9999, 123_457), (0.9, 1 << 40)] {
            let expected = x.powf(n as f64);
            assert!((power(x, n) - expected).abs() <= n as f64 * f64::EPSILON * expected, "{x}^{n}");
        }
    }
}
