//! Softmax over the rows of a matrix, its logarithm, its gradient, and cross-entropy on it.
//!
//! All take row-major `[rows, n]`, n ≥ 1; each row is on its own, so callers split rows. Sums by 16 lanes and a fixed tree.
//! A row with +∞ or NaN gives NaN.

use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real, math};

mod few_classes;

/// yⱼ = exp(xⱼ − max x) / Σ exp(x − max x)
pub fn softmax<T: Real>(n: usize, x: &[T], y: &mut [T]) {
    check(n, x.len(), y.len());
    // SAFETY: equal lengths, whole rows.
    unsafe { softmax_at(n, y.len() / n.max(1), x.as_ptr(), y.as_mut_ptr()) }
}

/// [`softmax`] by address.
///
/// # Safety
/// `x` and `y` are valid for `rows · n` numbers, at the same address or apart.
pub unsafe fn softmax_at<T: Real>(n: usize, rows: usize, x: *const T, y: *mut T) {
    T::run_softmax(Softmax { n, rows, x, y })
}

/// yⱼ = xⱼ − max x − ln Σ exp(x − max x)
pub fn log_softmax<T: Real>(n: usize, x: &[T], y: &mut [T]) {
    check(n, x.len(), y.len());
    // SAFETY: equal lengths, whole rows.
    unsafe { log_softmax_at(n, y.len() / n.max(1), x.as_ptr(), y.as_mut_ptr()) }
}

/// [`log_softmax`] by address.
///
/// # Safety
/// As [`softmax_at`].
pub unsafe fn log_softmax_at<T: Real>(n: usize, rows: usize, x: *const T, y: *mut T) {
    T::run_log_softmax(LogSoftmax { n, rows, x, y })
}

/// dx = y ⊙ (dy − Σ dy ⊙ y), from the softmax's result y.
pub fn softmax_gradient<T: Real>(n: usize, y: &[T], dy: &[T], dx: &mut [T]) {
    check(n, y.len(), dx.len());
    check(n, dy.len(), dx.len());
    T::run_softmax_gradient(Gradient {
        n,
        y,
        dy,
        dx,
        logarithm: false,
    })
}

/// dx = dy − exp(y)·Σ dy, from the log-softmax's result y.
pub fn log_softmax_gradient<T: Real>(n: usize, y: &[T], dy: &[T], dx: &mut [T]) {
    check(n, y.len(), dx.len());
    check(n, dy.len(), dx.len());
    T::run_softmax_gradient(Gradient {
        n,
        y,
        dy,
        dx,
        logarithm: true,
    })
}

/// lossᵢ = ln Σⱼ exp(xᵢⱼ − max xᵢ) − (x[i, label] − max xᵢ); a label is a class index as a number.
/// A label outside 0 .. n (or not a number) gives NaN.
pub fn softmax_cross_entropy<T: Real>(n: usize, logits: &[T], labels: &[T], losses: &mut [T]) {
    assert!(
        labels.len() == losses.len() && logits.len() == labels.len() * n,
        "cross-entropy: shapes do not fit"
    );
    T::run_cross_entropy(CrossEntropy { n, logits, labels, losses })
}

/// dlogits[i, j] = dloss[i]·(softmax(logits[i])ⱼ − [j = labelᵢ])
pub fn softmax_cross_entropy_gradient<T: Real>(n: usize, logits: &[T], labels: &[T], dloss: &[T], dlogits: &mut [T]) {
    assert!(
        labels.len() == dloss.len() && logits.len() == labels.len() * n,
        "cross-entropy: shapes do not fit"
    );
    assert_eq!(logits.len(), dlogits.len(), "cross-entropy: shapes do not fit");
    T::run_cross_entropy_gradient(CrossEntropyGradient {
        n,
        logits,
        labels,
        dloss,
        dlogits,
    })
}

fn check(n: usize, x: usize, y: usize) {
    assert!(
        x == y && (if n == 0 { x == 0 } else { x.is_multiple_of(n) }),
        "softmax: {x} and {y} numbers are not whole rows of {n}"
    );
}

/// The largest of a row; NaNs lose here, and turn up in the sum of exponentials.
#[inline(always)]
unsafe fn row_max<T: Real, L: Lanes<T>>(n: usize, x: *const T) -> T {
    let mut best = L::splat(-T::INFINITY);
    let mut j = 0;
    while j + PANEL <= n {
        // SAFETY: the row has n numbers.
        best = unsafe { L::load_at(x.add(j)) }.max(best);
        j += PANEL;
    }
    if j < n {
        // SAFETY: as above.
        let tail = unsafe { first_or_infinity::<T, L>(x.add(j), n - j) };
        best = tail.max(best);
    }
    best.largest()
}

/// The first numbers; −∞ in the other lanes.
#[inline(always)]
unsafe fn first_or_infinity<T: Real, L: Lanes<T>>(x: *const T, n: usize) -> L {
    // SAFETY: the caller vouches for n numbers.
    let x = unsafe { L::load_first_at(x, n) };
    let present = L::splat(T::ONE).keep_first(n);
    L::select(present.equal(L::zero()), L::splat(-T::INFINITY), x)
}

/// y ← exp(x − shift), and its sum.
#[inline(always)]
unsafe fn exponentials<T: Real, L: Lanes<T>>(n: usize, x: *const T, shift: T, y: Option<*mut T>) -> T {
    let shift = L::splat(shift);
    let mut s = L::zero();
    let mut j = 0;
    while j + PANEL <= n {
        // SAFETY: the rows have n numbers.
        let e = math::exp::<T, L>(unsafe { L::load_at(x.add(j)) }.sub(shift));
        if let Some(y) = y {
            // SAFETY: as above.
            unsafe { e.store_at(y.add(j)) };
        }
        s = s.add(e);
        j += PANEL;
    }
    if j < n {
        // SAFETY: as above.
        let e = math::exp::<T, L>(unsafe { L::load_first_at(x.add(j), n - j) }.sub(shift)).keep_first(n - j);
        if let Some(y) = y {
            // SAFETY: as above.
            unsafe { e.store_first_at(y.add(j), n - j) };
        }
        s = s.add(e);
    }
    s.sum()
}

pub(crate) struct Softmax<T> {
    n: usize,
    rows: usize,
    x: *const T,
    y: *mut T,
}

impl<T: Real> Kernel<T> for Softmax<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.n;
        if (1..=PANEL).contains(&n) {
            for first in (0..self.rows).step_by(PANEL) {
                let count = PANEL.min(self.rows - first) * n;
                // SAFETY: these rows of x and y have n numbers each; x is read whole before y is written, at the same address or apart.
                unsafe {
                    let rows = few_classes::Rows::<L>::new(n, std::slice::from_raw_parts(self.x.add(first * n), count));
                    rows.softmax(n, std::slice::from_raw_parts_mut(self.y.add(first * n), count));
                }
            }
            return;
        }
        for i in 0..self.rows {
            // SAFETY: row i of x and y has n numbers.
            unsafe {
                let (x, y) = (self.x.add(i * n), self.y.add(i * n));
                let total = exponentials::<T, L>(n, x, row_max::<T, L>(n, x), Some(y));
                let inverse = L::splat(T::ONE / total);
                scale_row::<T, L>(n, y, inverse);
            }
        }
    }
}

#[inline(always)]
unsafe fn scale_row<T: Real, L: Lanes<T>>(n: usize, y: *mut T, factor: L) {
    let mut j = 0;
    while j + PANEL <= n {
        // SAFETY: the row has n numbers.
        unsafe { L::load_at(y.add(j)).mul(factor).store_at(y.add(j)) };
        j += PANEL;
    }
    if j < n {
        // SAFETY: as above.
        unsafe { L::load_first_at(y.add(j), n - j).mul(factor).store_first_at(y.add(j), n - j) };
    }
}

/// ln of one number, by the same polynomial as everywhere.
#[inline(always)]
fn log_one<T: Real, L: Lanes<T>>(x: T) -> T {
    math::log::<T, L>(L::splat(x)).to_array()[0]
}

pub(crate) struct LogSoftmax<T> {
    n: usize,
    rows: usize,
    x: *const T,
    y: *mut T,
}

impl<T: Real> Kernel<T> for LogSoftmax<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.n;
        for i in 0..self.rows {
            // SAFETY: row i of x and y has n numbers.
            unsafe {
                let (x, y) = (self.x.add(i * n), self.y.add(i * n));
                let largest = row_max::<T, L>(n, x);
                let log = L::splat(log_one::<T, L>(exponentials::<T, L>(n, x, largest, None)));
                let largest = L::splat(largest);
                let mut j = 0;
                while j + PANEL <= n {
                    L::load_at(x.add(j)).sub(largest).sub(log).store_at(y.add(j));
                    j += PANEL;
                }
                if j < n {
                    L::load_first_at(x.add(j), n - j)
                        .sub(largest)
                        .sub(log)
                        .store_first_at(y.add(j), n - j);
                }
            }
        }
    }
}

pub(crate) struct Gradient<'a, T> {
    n: usize,
    y: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
    logarithm: bool,
}

impl<T: Real> Kernel<T> for Gradient<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.n.max(1);
        for ((y, dy), dx) in self.y.chunks_exact(n).zip(self.dy.chunks_exact(n)).zip(self.dx.chunks_exact_mut(n)) {
            let (y, y_tail) = y.as_chunks::<PANEL>();
            let (dy, dy_tail) = dy.as_chunks::<PANEL>();
            let (dx, dx_tail) = dx.as_chunks_mut::<PANEL>();
            let mut s = L::zero();
            if self.logarithm {
                for dy in dy {
                    s = s.add(L::load(dy));
                }
                let total = L::splat(s.add(L::load_first(dy_tail)).sum()).neg();
                for ((y, dy), dx) in y.iter().zip(dy).zip(dx) {
                    math::exp::<T, L>(L::load(y)).mul_add(total, L::load(dy)).store(dx);
                }
                if !dx_tail.is_empty() {
                    math::exp::<T, L>(L::load_first(y_tail))
                        .mul_add(total, L::load_first(dy_tail))
                        .store_first(dx_tail);
                }
            } else {
                for (y, dy) in y.iter().zip(dy) {
                    s = L::load(y).mul_add(L::load(dy), s);
                }
                let total = L::splat(L::load_first(y_tail).mul_add(L::load_first(dy_tail), s).sum());
                for ((y, dy), dx) in y.iter().zip(dy).zip(dx) {
                    L::load(y).mul(L::load(dy).sub(total)).store(dx);
                }
                if !dx_tail.is_empty() {
                    L::load_first(y_tail).mul(L::load_first(dy_tail).sub(total)).store_first(dx_tail);
                }
            }
        }
    }
}

/// The class index, if it is one of n.
#[inline(always)]
fn class<T: Real>(label: T, n: usize) -> Option<usize> {
    let index = label.to_f64();
    (index >= 0.0 && index < n as f64).then_some(index as usize)
}

pub(crate) struct CrossEntropy<'a, T> {
    n: usize,
    logits: &'a [T],
    labels: &'a [T],
    losses: &'a mut [T],
}

impl<T: Real> Kernel<T> for CrossEntropy<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.n;
        if (1..=PANEL).contains(&n) {
            let rows = self.logits.chunks(PANEL * n).zip(self.labels.chunks(PANEL));
            for ((logits, labels), losses) in rows.zip(self.losses.chunks_mut(PANEL)) {
                few_classes::Rows::<L>::new(n, logits).losses(n, logits, labels, losses);
            }
            return;
        }
        for (i, (label, loss)) in self.labels.iter().zip(self.losses).enumerate() {
            let row = &self.logits[i * n..][..n];
            let Some(class) = class(*label, n) else {
                *loss = T::NAN;
                continue;
            };
            // SAFETY: the row has n numbers.
            let (largest, total) = unsafe {
                let largest = row_max::<T, L>(n, row.as_ptr());
                (largest, exponentials::<T, L>(n, row.as_ptr(), largest, None))
            };
            *loss = log_one::<T, L>(total) - (row[class] - largest);
        }
    }
}

pub(crate) struct CrossEntropyGradient<'a, T> {
    n: usize,
    logits: &'a [T],
    labels: &'a [T],
    dloss: &'a [T],
    dlogits: &'a mut [T],
}

impl<T: Real> Kernel<T> for CrossEntropyGradient<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.n;
        if (1..=PANEL).contains(&n) {
            let rows = self.logits.chunks(PANEL * n).zip(self.labels.chunks(PANEL));
            for (((logits, labels), dloss), out) in rows.zip(self.dloss.chunks(PANEL)).zip(self.dlogits.chunks_mut(PANEL * n)) {
                few_classes::Rows::<L>::new(n, logits).gradient(n, labels, dloss, out);
            }
            return;
        }
        for (i, (label, dloss)) in self.labels.iter().zip(self.dloss).enumerate() {
            let row = &self.logits[i * n..][..n];
            let out = &mut self.dlogits[i * n..][..n];
            let Some(class) = class(*label, n) else {
                out.fill(T::NAN);
                continue;
            };
            // SAFETY: both rows have n numbers.
            unsafe {
                let largest = row_max::<T, L>(n, row.as_ptr());
                let total = exponentials::<T, L>(n, row.as_ptr(), largest, Some(out.as_mut_ptr()));
                // dloss·(e/total − [j = class]); the one element apart is computed first, from its own exponential.
                let inverse = T::ONE / total;
                let of_class = (out[class] * inverse - T::ONE) * *dloss;
                let (inverse, slope) = (L::splat(inverse), L::splat(*dloss));
                let (chunks, tail) = out.as_chunks_mut::<PANEL>();
                for chunk in chunks {
                    L::load(chunk).mul(inverse).mul(slope).store(chunk);
                }
                if !tail.is_empty() {
                    L::load_first(tail).mul(inverse).mul(slope).store_first(tail);
                }
                out[class] = of_class;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::testing::same_on_all_levels;
    use crate::math::tests::bits;
    use crate::philox::{Stream, fill_normal};

    fn logits<T: Real>(len: usize, spread: f64) -> Vec<T> {
        let mut x = vec![T::ZERO; len];
        fill_normal(Stream::new(5, 0, 0), 0, &mut x);
        x.iter().map(|v| *v * T::from_f64(spread)).collect()
    }

    fn reference(x: &[f64]) -> (Vec<f64>, f64) {
        let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = x.iter().map(|v| libm::exp(v - largest)).sum();
        (
            x.iter().map(|v| libm::exp(v - largest) / total).collect(),
            largest + libm::log(total),
        )
    }

    fn laws<T: Real>() {
        let close = |got: T, expected: f64, scale: f64| {
            assert!(
                (got.to_f64() - expected).abs() <= 16.0 * T::EPSILON.to_f64() * scale,
                "{got} against {expected}"
            );
        };
        for n in [1, 2, 3, 10, 15, 16, 17, 40, 100] {
            for spread in [1.0, 30.0] {
                let rows = 37;
                let x = logits::<T>(rows * n, spread);
                let dy = logits::<T>(rows * n, 0.7);
                let labels: Vec<T> = (0..rows).map(|i| T::from_f64((i * 7 % n) as f64)).collect();
                let (mut y, mut log, mut dx, mut dlog) = (x.clone(), x.clone(), x.clone(), x.clone());
                let (mut losses, mut dlogits) = (vec![T::ZERO; rows], x.clone());
                let results = same_on_all_levels("softmax", || {
                    softmax(n, &x, &mut y);
                    log_softmax(n, &x, &mut log);
                    softmax_gradient(n, &y, &dy, &mut dx);
                    log_softmax_gradient(n, &log, &dy, &mut dlog);
                    softmax_cross_entropy(n, &x, &labels, &mut losses);
                    softmax_cross_entropy_gradient(n, &x, &labels, &dy[..rows], &mut dlogits);
                    bits(&[&y[..], &log, &dx, &dlog, &losses, &dlogits].concat())
                });
                assert!(!results.contains(&u64::MAX), "no NaN");
                for i in 0..rows {
                    let wide: Vec<f64> = x[i * n..][..n].iter().map(|v| v.to_f64()).collect();
                    let slope: Vec<f64> = dy[i * n..][..n].iter().map(|v| v.to_f64()).collect();
                    let (p, log_total) = reference(&wide);
                    let label = i * 7 % n;
                    let inner: f64 = p.iter().zip(&slope).map(|(p, d)| p * d).sum();
                    let sum: f64 = slope.iter().sum();
                    let size = spread * 8.0 + n as f64;
                    close(losses[i], log_total - wide[label], size);
                    for j in 0..n {
                        let at = i * n + j;
                        close(y[at], p[j], size * p[j] + 1e-30);
                        close(log[at], wide[j] - log_total, size);
                        close(dx[at], p[j] * (slope[j] - inner), size);
                        close(dlog[at], slope[j] - p[j] * sum, size);
                        close(dlogits[at], dy[i].to_f64() * (p[j] - f64::from(u8::from(j == label))), size);
                    }
                }
            }
        }
    }

    #[test]
    fn laws_f32() {
        laws::<f32>();
    }

    #[test]
    fn laws_f64() {
        laws::<f64>();
    }

    #[test]
    fn edges() {
        softmax::<f32>(0, &[], &mut []);
        softmax::<f32>(3, &[], &mut []);
        let mut y = [0.0f32; 3];
        softmax(3, &[1000.0, 0.0, f32::NEG_INFINITY], &mut y);
        assert_eq!(y, [1.0, 0.0, 0.0]);
        softmax(3, &[1.0, f32::NAN, 0.0], &mut y);
        assert!(y.iter().all(|v| v.is_nan()));
        let mut loss = [0.0f32; 4];
        softmax_cross_entropy(2, &[0.0; 8], &[2.0, -1.0, f32::NAN, 1.0], &mut loss);
        assert!(loss[..3].iter().all(|v| v.is_nan()), "labels out of range");
        assert!((loss[3] - std::f32::consts::LN_2).abs() < 1e-7);
    }
}
