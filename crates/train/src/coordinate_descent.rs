//! Least squares with a penalty that makes zeros: ½Σ wᵢ(tᵢ − φᵢ·w − b)² + λ(ρ‖w‖₁ + ½(1 − ρ)‖w‖²) by cyclic coordinate descent
//! (Friedman, Hastie & Tibshirani 2010, eq. 5) on the normal equations of centred columns; the constant b is not penalized.
//!
//! With ρ = 0 it is ridge with the same λ; scikit-learn's `ElasticNet` has α = λ/Σw and `l1_ratio` ρ. Descent ends where the duality gap is
//! below 10⁻¹³ of ½Σw(t − t̄)², or nothing moves any more. Cost: rows·functions² once, then functions² a sweep.

use nabla_error::{Code, Error, Result};

use crate::least_squares::Solution;

/// Sweeps before it counts as not converging.
const SWEEPS: usize = 1_000_000;

/// Solves for rows of `width` functions.
///
/// # Errors
/// `SHAPE_MISMATCH`, `NOT_FINITE`, `INVALID_DATA` without rows; `INVALID_OPTION` for λ or ρ out of range; `INVALID_DATA` when sweeps do not suffice.
pub fn solve(phi: &[f64], width: usize, t: &[f64], weights: Option<&[f64]>, lambda: f64, ratio: f64, intercept: bool) -> Result<Solution> {
    let n = t.len();
    if phi.len() != n * width || weights.is_some_and(|w| w.len() != n) {
        return Err(Error::new(
            Code::ShapeMismatch,
            format!("{} features don't fit {n} rows of {width}", phi.len()),
        ));
    }
    if !(lambda.is_finite() && lambda >= 0.0) {
        return Err(Error::option("lambda", "at least 0 and finite", lambda));
    }
    if !(0.0..=1.0).contains(&ratio) {
        return Err(Error::option("l1Ratio", "in [0, 1]", ratio));
    }
    if n == 0 || width == 0 {
        return Err(Error::new(Code::InvalidData, "there are no rows or columns to fit"));
    }
    if let Some(i) = phi.iter().position(|x| !x.is_finite()) {
        return Err(Error::new(Code::NotFinite, format!("a feature of row {} is {}", i / width, phi[i])));
    }
    let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
    let total: f64 = (0..n).map(weight).sum();
    let mut means = vec![0.0; width];
    let mut mean = 0.0;
    if intercept {
        for (i, row) in phi.chunks_exact(width).enumerate() {
            means.iter_mut().zip(row).for_each(|(mean, x)| *mean += weight(i) * x / total);
            mean += weight(i) * t[i] / total;
        }
    }
    // G = Φᵀ·W·Φ and q = Φᵀ·W·t of the centred columns.
    let (mut g, mut q, mut squares) = (vec![0.0; width * width], vec![0.0; width], 0.0);
    let mut centred = vec![0.0; width];
    for (i, row) in phi.chunks_exact(width).enumerate() {
        centred.iter_mut().zip(row).zip(&means).for_each(|((c, x), mean)| *c = x - mean);
        let (w, y) = (weight(i), t[i] - mean);
        squares += w * y * y;
        for j in 0..width {
            let scaled = w * centred[j];
            q[j] += scaled * y;
            g[j * width..=j * width + j]
                .iter_mut()
                .zip(&centred)
                .for_each(|(g, c)| *g += scaled * c);
        }
    }
    for j in 0..width {
        for k in 0..j {
            g[k * width + j] = g[j * width + k];
        }
    }
    let (l1, l2) = (lambda * ratio, lambda * (1.0 - ratio));
    let mut w = vec![0.0; width];
    // r = q − G·w: how each column goes with what is left.
    let mut r = q.clone();
    let mut converged = false;
    for sweep in 0..SWEEPS {
        let (mut moved, mut size) = (0.0f64, 0.0f64);
        for j in 0..width {
            let own = g[j * width + j];
            if own + l2 <= 0.0 {
                continue;
            }
            let along = r[j] + own * w[j];
            let next = along.signum() * (along.abs() - l1).max(0.0) / (own + l2);
            let step = next - w[j];
            if step != 0.0 {
                r.iter_mut().zip(&g[j * width..(j + 1) * width]).for_each(|(r, g)| *r -= step * g);
                w[j] = next;
            }
            moved = moved.max(step.abs() * own.sqrt());
            size = size.max(next.abs() * own.sqrt());
        }
        if moved <= 1e-15 * size || (sweep % 10 == 9 && gap(&w, &r, &q, squares, l1, l2) <= 1e-13 * squares / 2.0) {
            converged = true;
            break;
        }
    }
    if !converged {
        return Err(Error::new(
            Code::InvalidData,
            format!("coordinate descent has not converged in {SWEEPS} sweeps"),
        )
        .at("ridge")
        .hint("Columns that nearly repeat each other need a larger λ, or standardize them; with l1Ratio 0 the closed form is exact."));
    }
    let constant = mean - w.iter().zip(&means).map(|(w, mean)| w * mean).sum::<f64>();
    let residual_squares = (0..n)
        .map(|i| {
            let fitted: f64 = w.iter().zip(&phi[i * width..]).map(|(w, x)| w * x).sum();
            weight(i) * (t[i] - fitted - constant).powi(2)
        })
        .sum();
    let rank = w.iter().filter(|w| **w != 0.0).count() + usize::from(intercept);
    Ok(Solution {
        intercept: constant,
        standard_errors: vec![f64::NAN; width + usize::from(intercept)],
        rank,
        residual_squares,
        leave_one_out: f64::NAN,
        lambda,
        coefficients: w,
    })
}

/// The duality gap of the lasso on rows that √l₂ extends (Kim et al. 2007).
fn gap(w: &[f64], r: &[f64], q: &[f64], squares: f64, l1: f64, l2: f64) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (wq, wr, ww) = (dot(w, q), dot(w, r), dot(w, w));
    // ‖t − Φw‖² = tᵀt − 2wᵀq + wᵀGw with Gw = q − r.
    let left = squares - wq - wr + l2 * ww;
    let most = w.iter().zip(r).map(|(w, r)| (r - l2 * w).abs()).fold(0.0, f64::max);
    let scale = if most > l1 { l1 / most } else { 1.0 };
    let norm: f64 = w.iter().map(|w| w.abs()).sum();
    let primal = left / 2.0 + l1 * norm;
    let dual = scale * (squares - wq) - scale * scale * left / 2.0;
    primal - dual
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> (Vec<f64>, Vec<f64>) {
        let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * i * (j + 3)) % 97) as f64 / 48.5 - 1.0;
        let phi: Vec<f64> = (0..60).flat_map(|i| (0..5).map(move |j| value(i, j))).collect();
        let t = phi
            .chunks(5)
            .enumerate()
            .map(|(i, x)| 3.0 + 2.0 * x[0] - x[1] + 0.1 * value(i, 9))
            .collect();
        (phi, t)
    }

    #[test]
    fn without_the_first_power_it_is_the_closed_form() {
        let (phi, t) = table();
        let weights: Vec<f64> = (0..60).map(|i| f64::from(i % 3)).collect();
        for (lambda, weights) in [(0.0, None), (2.0, None), (2.0, Some(weights.as_slice()))] {
            let closed = crate::least_squares::solve(&phi, 5, &t, weights, lambda, true).unwrap();
            let descended = solve(&phi, 5, &t, weights, lambda, 0.0, true).unwrap();
            assert!((closed.intercept - descended.intercept).abs() < 1e-7);
            for (a, b) in closed.coefficients.iter().zip(&descended.coefficients) {
                assert!((a - b).abs() < 1e-7, "{a} {b}");
            }
        }
    }

    #[test]
    fn the_optimality_conditions_hold() {
        let (phi, t) = table();
        let (lambda, ratio) = (10.0, 0.7);
        let s = solve(&phi, 5, &t, None, lambda, ratio, true).unwrap();
        assert!(s.coefficients.contains(&0.0) && s.coefficients[0] > 0.5);
        for j in 0..5 {
            let slope: f64 = phi
                .chunks(5)
                .zip(&t)
                .map(|(x, t)| x[j] * (t - s.intercept - x.iter().zip(&s.coefficients).map(|(x, w)| x * w).sum::<f64>()))
                .sum();
            let slope = slope - lambda * (1.0 - ratio) * s.coefficients[j];
            match s.coefficients[j] {
                0.0 => assert!(slope.abs() <= lambda * ratio),
                w => assert!((slope - lambda * ratio * w.signum()).abs() < 1e-5, "{slope}"),
            }
        }
    }
}
