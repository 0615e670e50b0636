//! Least squares in closed form, in double precision: w = (λI + ΦᵀΦ)⁻¹Φᵀt by a QR factorization of [Φ; √λ·I], never by an inverse of ΦᵀΦ,
//! whose condition is the square of Φ's. Columns are scaled to norm 1, Householder reflections with column pivoting (Businger & Golub
//! 1965) say the rank, and one refinement with residuals in doubled precision (Ogita, Rump & Oishi 2005) wins back lost digits.
//!
//! An intercept is a column of ones that λ does not touch. Cost: 2·n·p² operations for n rows and p columns.

use nabla_error::{Code, Error, Result};

/// What a solve gives; `rank` < columns leaves the coefficients of dependent columns at 0.
#[derive(Clone, Debug)]
pub struct Solution {
    /// One a column of Φ.
    pub coefficients: Vec<f64>,
    /// The constant term; 0 where none was asked for.
    pub intercept: f64,
    /// Standard errors: of the intercept first where there is one, then of the coefficients; NaN where no rows are left to judge by.
    pub standard_errors: Vec<f64>,
    /// Independent columns, the intercept among them.
    pub rank: usize,
    /// Σ w(t − Φw)².
    pub residual_squares: f64,
    /// Mean squared error of leaving each row out, in closed form: eᵢ/(1 − hᵢ).
    pub leave_one_out: f64,
    /// Of the penalty.
    pub lambda: f64,
}

/// Columns one after another.
struct Columns {
    rows: usize,
    values: Vec<f64>,
}

impl Columns {
    fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }

    fn swap(&mut self, a: usize, b: usize) {
        if a != b {
            let (low, high) = (a.min(b), a.max(b));
            let (left, right) = self.values.split_at_mut(high * self.rows);
            left[low * self.rows..(low + 1) * self.rows].swap_with_slice(&mut right[..self.rows]);
        }
    }
}

fn norm(x: &[f64]) -> f64 {
    let most = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if most == 0.0 {
        0.0
    } else {
        most * x.iter().map(|v| (v / most) * (v / most)).sum::<f64>().sqrt()
    }
}

/// x · y + start as if in doubled precision: products by FMA, sums by two-sum.
fn dot(start: f64, x: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut sum, mut low) = (start, 0.0);
    for (a, b) in x {
        let product = a * b;
        let error = a.mul_add(b, -product);
        let next = sum + product;
        let t = next - sum;
        low += (sum - (next - t)) + (product - t) + error;
        sum = next;
    }
    sum + low
}

/// A factorization: reflections below the diagonal, R above, `order[i]` the column at place i.
struct Factors {
    a: Columns,
    diagonal: Vec<f64>,
    order: Vec<usize>,
    rank: usize,
}

/// Householder reflections with column pivoting; ties keep the first column, so that well-behaved ones stay in order.
fn factorize(mut a: Columns, columns: usize) -> Factors {
    let rows = a.rows;
    let mut order: Vec<usize> = (0..columns).collect();
    let mut diagonal = vec![0.0; columns];
    let mut rank = columns.min(rows);
    let mut first = 0.0;
    for k in 0..columns.min(rows) {
        let sizes: Vec<f64> = (k..columns).map(|j| norm(&a.column(j)[k..])).collect();
        let best = (0..sizes.len()).fold(0, |best, j| if sizes[j] > sizes[best] * (1.0 + 1e-12) { j } else { best });
        a.swap(k, k + best);
        order.swap(k, k + best);
        let size = sizes[best];
        if k == 0 {
            first = size;
        }
        // What rounding alone may leave of a dependent column.
        if size <= first * f64::EPSILON * 4.0 * (rows.max(columns) as f64).sqrt() {
            rank = k;
            break;
        }
        let head = a.column(k)[k];
        let alpha = if head > 0.0 { -size } else { size };
        let (done, rest) = a.values.split_at_mut((k + 1) * rows);
        let v = &mut done[k * rows + k..];
        v[0] = head - alpha;
        let square = v.iter().map(|x| x * x).sum::<f64>();
        for column in rest.chunks_exact_mut(rows) {
            let column = &mut column[k..];
            let along = 2.0 * dot(0.0, v.iter().copied().zip(column.iter().copied())) / square;
            column.iter_mut().zip(v.iter()).for_each(|(x, v)| *x -= along * v);
        }
        diagonal[k] = alpha;
    }
    Factors { a, diagonal, order, rank }
}

impl Factors {
    /// The scaled least-squares solution for a right-hand side.
    fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut b = right.to_vec();
        for k in 0..self.rank {
            let v = &self.a.column(k)[k..];
            let square = v.iter().map(|x| x * x).sum::<f64>();
            let along = 2.0 * dot(0.0, v.iter().copied().zip(b[k..].iter().copied())) / square;
            b[k..].iter_mut().zip(v).for_each(|(x, v)| *x -= along * v);
        }
        let mut x = vec![0.0; self.order.len()];
        for i in (0..self.rank).rev() {
            let known = (i + 1..self.rank).map(|j| (-self.a.column(j)[i], x[self.order[j]]));
            x[self.order[i]] = dot(b[i], known) / self.diagonal[i];
        }
        x
    }

    /// R⁻¹, `[rank, rank]`, row-major; its rows belong to `order`.
    fn inverse(&self) -> Vec<f64> {
        let n = self.rank;
        let mut out = vec![0.0; n * n];
        for j in 0..n {
            out[j * n + j] = 1.0 / self.diagonal[j];
            for i in (0..j).rev() {
                let sum: f64 = (i + 1..=j).map(|k| self.a.column(k)[i] * out[k * n + j]).sum();
                out[i * n + j] = -sum / self.diagonal[i];
            }
        }
        out
    }
}

/// Solves for rows of `width` features.
///
/// # Errors
/// `SHAPE_MISMATCH`, `NOT_FINITE`, `INVALID_DATA` without rows, `INVALID_OPTION` for a negative λ.
pub fn solve(phi: &[f64], width: usize, t: &[f64], weights: Option<&[f64]>, lambda: f64, intercept: bool) -> Result<Solution> {
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
    if let Some(i) = phi.iter().position(|x| !x.is_finite()) {
        return Err(Error::new(
            Code::NotFinite,
            format!("a feature of row {} is {}", i / width.max(1), phi[i]),
        ));
    }
    let (extra, p) = (usize::from(intercept), width + usize::from(intercept));
    if n == 0 || p == 0 {
        return Err(Error::new(Code::InvalidData, "there are no rows or columns to fit"));
    }
    let root = |i: usize| weights.map_or(1.0, |w| w[i].sqrt());
    let rows = n + if lambda > 0.0 { width } else { 0 };
    let mut a = Columns {
        rows,
        values: vec![0.0; rows * p],
    };
    for (j, column) in a.values.chunks_exact_mut(rows).enumerate() {
        for (i, x) in column[..n].iter_mut().enumerate() {
            *x = root(i) * if j < extra { 1.0 } else { phi[i * width + j - extra] };
        }
        if lambda > 0.0 && j >= extra {
            column[n + j - extra] = lambda.sqrt();
        }
    }
    let scales: Vec<f64> = (0..p)
        .map(|j| Some(norm(a.column(j))).filter(|s| *s > 0.0).unwrap_or(1.0))
        .collect();
    let plain = a.values.clone();
    for (column, scale) in a.values.chunks_exact_mut(rows).zip(&scales) {
        column.iter_mut().for_each(|x| *x /= scale);
    }
    let factors = factorize(a, p);
    let mut right = vec![0.0; rows];
    right[..n].iter_mut().enumerate().for_each(|(i, b)| *b = root(i) * t[i]);
    let unscaled = |x: Vec<f64>| -> Vec<f64> { x.iter().zip(&scales).map(|(x, scale)| x / scale).collect() };
    let mut w = unscaled(factors.solve(&right));
    let residual = |w: &[f64]| -> Vec<f64> {
        (0..rows)
            .map(|i| dot(right[i], (0..p).map(|j| (-plain[j * rows + i], w[j]))))
            .collect()
    };
    for _ in 0..2 {
        let correction = unscaled(factors.solve(&residual(&w)));
        w.iter_mut().zip(&correction).for_each(|(w, c)| *w += c);
    }
    let left = residual(&w);
    let residual_squares: f64 = left[..n].iter().map(|r| r * r).sum();
    let errors = standard_errors(&factors, &scales, lambda, extra, n, residual_squares);
    let leave_one_out = leave_one_out(&factors, &plain, &scales, rows, &left[..n], weights);
    let constant = if intercept { w.remove(0) } else { 0.0 };
    Ok(Solution {
        coefficients: w,
        intercept: constant,
        standard_errors: errors,
        rank: factors.rank,
        residual_squares,
        leave_one_out,
        lambda,
    })
}

/// With M = (ΦᵀΦ + λD)⁻¹, D the penalized columns: cov w = σ²·(M − λ·M·D·M), σ² = RSS/(n − p + λ·tr(M·D)).
fn standard_errors(factors: &Factors, scales: &[f64], lambda: f64, extra: usize, n: usize, squares: f64) -> Vec<f64> {
    let rank = factors.rank;
    let inverse = factors.inverse();
    let row = |i: usize| &inverse[i * rank..(i + 1) * rank];
    let penalized = |i: usize| factors.order[i] >= extra;
    let m = |i: usize, k: usize| -> f64 {
        let sum: f64 = row(i).iter().zip(row(k)).map(|(a, b)| a * b).sum();
        sum / (scales[factors.order[i]] * scales[factors.order[k]])
    };
    let shrunk: f64 = (0..rank).filter(|i| lambda > 0.0 && penalized(*i)).map(|i| lambda * m(i, i)).sum();
    let variance = squares / (n as f64 - rank as f64 + shrunk);
    let mut errors = vec![f64::NAN; scales.len()];
    for i in 0..rank {
        let bias: f64 = (0..rank)
            .filter(|k| lambda > 0.0 && penalized(*k))
            .map(|k| lambda * m(i, k) * m(i, k))
            .sum();
        errors[factors.order[i]] = (variance * (m(i, i) - bias)).sqrt();
    }
    errors
}

/// hᵢ = φᵢ·M·φᵢ = ‖R⁻ᵀφᵢ‖².
fn leave_one_out(factors: &Factors, plain: &[f64], scales: &[f64], rows: usize, residuals: &[f64], weights: Option<&[f64]>) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    let mut z = vec![0.0; factors.rank];
    for (i, r) in residuals.iter().enumerate() {
        for k in 0..factors.rank {
            let j = factors.order[k];
            let known: f64 = (0..k).map(|l| factors.a.column(k)[l] * z[l]).sum();
            z[k] = (plain[j * rows + i] / scales[j] - known) / factors.diagonal[k];
        }
        let leverage: f64 = z.iter().map(|z| z * z).sum();
        sum += (r / (1.0 - leverage)).powi(2);
        total += weights.map_or(1.0, |w| w[i]);
    }
    sum / total
}

/// The λ of least leave-one-out error among powers of ten from 10⁻⁸ to 10⁴ in steps of a quarter, times the mean square of a feature.
///
/// # Errors
/// As [`solve`].
pub fn solve_automatic(phi: &[f64], width: usize, t: &[f64], weights: Option<&[f64]>, intercept: bool) -> Result<Solution> {
    let scale = phi.iter().map(|x| x * x).sum::<f64>() / width.max(1) as f64;
    let mut best: Option<Solution> = None;
    for step in -32..=16 {
        let lambda = scale * 10f64.sqrt().sqrt().powi(step);
        let next = solve(phi, width, t, weights, lambda, intercept)?;
        if best.as_ref().is_none_or(|b| next.leave_one_out < b.leave_one_out) {
            best = Some(next);
        }
    }
    best.ok_or_else(|| Error::internal("no penalty was tried"))
}

#[cfg(test)]
mod tests;
