//! Reductions to one value, and over the rows of a matrix.
//!
//! A sum is taken in 16 lanes over blocks of 4,096 numbers; the blocks' lane vectors are added pairwise (a binary counter, so the tree
//! depends on the length only), then the lanes by a fixed tree. The error grows with log n, not n.

use std::ops::Range;

use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

/// Numbers of a block of a sum.
const BLOCK: usize = 4096;

/// Σ x
pub fn sum<T: Real>(x: &[T]) -> T {
    T::run_sum(Sum {
        kind: Kind::Plain,
        x,
        y: x,
    })
}

/// Σ x·y, by FMA
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len(), "dot: lengths differ");
    T::run_sum(Sum { kind: Kind::Product, x, y })
}

/// Σ x², by FMA
pub fn sum_squares<T: Real>(x: &[T]) -> T {
    T::run_sum(Sum {
        kind: Kind::Product,
        x,
        y: x,
    })
}

/// Σ |x|
pub fn sum_abs<T: Real>(x: &[T]) -> T {
    T::run_sum(Sum {
        kind: Kind::Absolute,
        x,
        y: x,
    })
}

/// The mean; NaN of nothing.
pub fn mean<T: Real>(x: &[T]) -> T {
    sum(x) / T::from_f64(x.len() as f64)
}

macro_rules! sum_blocks {
    ($lanes:ident, $x:expr, $y:expr, |$s:ident, $a:ident, $b:ident| $f:expr) => {{
        let mut counter = Counter::<T, $lanes>::new();
        for (x, y) in $x.chunks(BLOCK).zip($y.chunks(BLOCK)) {
            let mut $s = $lanes::zero();
            let (x, x_tail) = x.as_chunks::<PANEL>();
            let (y, y_tail) = y.as_chunks::<PANEL>();
            for (x, y) in x.iter().zip(y) {
                let ($a, $b) = ($lanes::load(x), $lanes::load(y));
                $s = $f;
            }
            if !x_tail.is_empty() {
                let ($a, $b) = ($lanes::load_first(x_tail), $lanes::load_first(y_tail));
                $s = $f;
            }
            counter.push($s);
        }
        counter.total().sum()
    }};
}
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Product,
    Absolute,
}

pub(crate) struct Sum<'a, T> {
    kind: Kind,
    x: &'a [T],
    y: &'a [T],
}

impl<T: Real> Kernel<T> for Sum<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> T {
        match self.kind {
            Kind::Plain => sum_blocks!(L, self.x, self.x, |s, x, _y| s.add(x)),
            Kind::Product => sum_blocks!(L, self.x, self.y, |s, x, y| x.mul_add(y, s)),
            Kind::Absolute => sum_blocks!(L, self.x, self.x, |s, x, _y| s.add(x.abs())),
        }
    }
}

/// Adds vectors pairwise as a binary counter does: slot i holds the sum of 2ⁱ blocks.
struct Counter<T: Real, L: Lanes<T>> {
    slots: [L; 48],
    blocks: usize,
    number: std::marker::PhantomData<T>,
}

impl<T: Real, L: Lanes<T>> Counter<T, L> {
    #[inline(always)]
    fn new() -> Self {
        Self {
            slots: [L::zero(); 48],
            blocks: 0,
            number: std::marker::PhantomData,
        }
    }

    #[inline(always)]
    fn push(&mut self, x: L) {
        let mut carried = x;
        let mut slot = 0;
        while self.blocks >> slot & 1 == 1 {
            carried = self.slots[slot].add(carried);
            slot += 1;
        }
        self.slots[slot] = carried;
        self.blocks += 1;
    }

    #[inline(always)]
    fn total(&self) -> L {
        let mut total = L::zero();
        let mut slot = 0;
        while self.blocks >> slot > 0 {
            if self.blocks >> slot & 1 == 1 {
                total = self.slots[slot].add(total);
            }
            slot += 1;
        }
        total
    }
}

/// The largest; NaN if any is NaN; −∞ of nothing.
pub fn max<T: Real>(x: &[T]) -> T {
    T::run_extreme(Extreme { x, largest: true })
}

/// The smallest; NaN if any is NaN; +∞ of nothing.
pub fn min<T: Real>(x: &[T]) -> T {
    T::run_extreme(Extreme { x, largest: false })
}

pub(crate) struct Extreme<'a, T> {
    x: &'a [T],
    largest: bool,
}

impl<T: Real> Kernel<T> for Extreme<'_, T> {
    type Output = T;
    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> T {
        // Σ 0·x would see infinities too; NaNs are kept apart by comparing each number with itself.
        let start = if self.largest { -T::INFINITY } else { T::INFINITY };
        let mut best = L::splat(start);
        let mut nan = L::zero();
        let (chunks, tail) = self.x.as_chunks::<PANEL>();
        if self.largest {
            for x in chunks {
                let x = L::load(x);
                best = x.max(best);
                nan = L::select(x.equal(x), nan, x);
            }
        } else {
            for x in chunks {
                let x = L::load(x);
                best = x.min(best);
                nan = L::select(x.equal(x), nan, x);
            }
        }
        let mut found = if self.largest { best.largest() } else { best.smallest() };
        let mut any_nan = !L::all(nan.equal(nan));
        for &x in tail {
            found = if self.largest { x.max(found) } else { x.min(found) };
            any_nan |= x.is_nan();
        }
        if any_nan { T::NAN } else { found }
    }
}

/// Index of the first largest number; the first NaN if there is one (as NumPy); 0 of nothing.
pub fn argmax<T: Real>(x: &[T]) -> usize {
    let largest = max(x);
    x.iter()
        .position(|v| if largest.is_nan() { v.is_nan() } else { *v == largest })
        .unwrap_or(0)
}

/// No NaN, no ±∞?
pub fn all_finite<T: Real>(x: &[T]) -> bool {
    T::run_finite(AllFinite { x })
}

pub(crate) struct AllFinite<'a, T> {
    x: &'a [T],
}

impl<T: Real> Kernel<T> for AllFinite<'_, T> {
    type Output = bool;
    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> bool {
        // x − x is 0 for finite x and NaN otherwise, and NaN stays in the sum. Blocks allow an early answer.
        for block in self.x.chunks(BLOCK) {
            let mut s = L::zero();
            let (chunks, tail) = block.as_chunks::<PANEL>();
            for x in chunks {
                let x = L::load(x);
                s = s.add(x.sub(x));
            }
            let x = L::load_first(tail);
            s = s.add(x.sub(x));
            if !L::all(s.equal(s)) {
                return false;
            }
        }
        true
    }
}

/// out[j] ← Σᵢ x[i, j] for these columns of a row-major `[rows, n]` matrix with leading dimension `ld`; `out` has one value a column of
/// the range. Each is one chain over ascending rows (the bias gradient), so columns can be split between threads.
pub fn sum_columns<T: Real>(rows: usize, n: usize, x: &[T], ld: usize, out: &mut [T], columns: Range<usize>) {
    assert!(
        columns.end <= n && n <= ld && out.len() == columns.len(),
        "sum_columns: columns {columns:?} of {n}, ld {ld}"
    );
    assert!(
        rows == 0 || x.len() >= (rows - 1) * ld + n,
        "sum_columns: x is too short for [{rows}, {n}]"
    );
    T::run_sum_columns(SumColumns {
        rows,
        x,
        ld,
        out,
        first: columns.start,
    })
}

pub(crate) struct SumColumns<'a, T> {
    rows: usize,
    x: &'a [T],
    ld: usize,
    out: &'a mut [T],
    first: usize,
}

impl<T: Real> Kernel<T> for SumColumns<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let x = self.x.as_ptr();
        let (chunks, tail) = self.out.as_chunks_mut::<PANEL>();
        let mut j = self.first;
        // Four chains beside each other hide the latency of the addition.
        let mut quads = chunks.chunks_exact_mut(4);
        for quad in &mut quads {
            let mut s = [L::zero(); 4];
            for i in 0..self.rows {
                // SAFETY: row i has at least n ≥ j + 64 columns.
                let p = unsafe { x.add(i * self.ld + j) };
                for (q, s) in s.iter_mut().enumerate() {
                    // SAFETY: as above.
                    *s = s.add(unsafe { L::load_at(p.add(q * PANEL)) });
                }
            }
            for (s, out) in s.into_iter().zip(quad) {
                s.store(out);
            }
            j += 4 * PANEL;
        }
        for out in quads.into_remainder() {
            let mut s = L::zero();
            for i in 0..self.rows {
                // SAFETY: row i has at least n ≥ j + 16 columns.
                s = s.add(unsafe { L::load_at(x.add(i * self.ld + j)) });
            }
            s.store(out);
            j += PANEL;
        }
        if !tail.is_empty() {
            let mut s = L::zero();
            for i in 0..self.rows {
                // SAFETY: row i has at least n = j + tail.len() columns.
                s = s.add(unsafe { L::load_first_at(x.add(i * self.ld + j), tail.len()) });
            }
            s.store_first(tail);
        }
    }
}

/// What to reduce each row of a matrix to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Σ x
    Sum,
    /// Σ x / n
    Mean,
    /// The largest; NaN if any is NaN
    Max,
    /// The smallest; NaN if any is NaN
    Min,
    /// Σ x²
    SumSquares,
}

/// out[i] ← reduction of row i of a row-major `[rows, n]` matrix (the last axis); rows = `out.len()`.
pub fn rows<T: Real>(reduction: Reduction, n: usize, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len() * n, "reduce rows: x is not [{}, {n}]", out.len());
    for (i, out) in out.iter_mut().enumerate() {
        let row = &x[i * n..][..n];
        *out = match reduction {
            Reduction::Sum => sum(row),
            Reduction::Mean => mean(row),
            Reduction::Max => max(row),
            Reduction::Min => min(row),
            Reduction::SumSquares => sum_squares(row),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::testing::same_on_all_levels;
    use crate::math::tests::bits;
    use crate::philox::{Stream, fill_normal};

    const LENGTHS: &[usize] = &[0, 1, 7, 15, 16, 17, 100, 4095, 4096, 4097, 3 * 4096 + 5];

    fn normal<T: Real>(len: usize) -> Vec<T> {
        let mut x = vec![T::ZERO; len];
        fill_normal(Stream::new(9, 0, 0), 0, &mut x);
        x
    }

    fn laws<T: Real>() {
        for &n in &LENGTHS[..if cfg!(miri) { 7 } else { LENGTHS.len() }] {
            let x = normal::<T>(n);
            let y: Vec<T> = x.iter().map(|v| *v * *v - T::ONE).collect();
            let got = same_on_all_levels("reductions", || {
                bits(&[sum(&x), dot(&x, &y), sum_squares(&x), sum_abs(&x), max(&x), min(&x)])
            });
            let wide: Vec<f64> = x.iter().map(|v| v.to_f64()).collect();
            let expected = [
                wide.iter().sum::<f64>(),
                wide.iter().zip(&y).map(|(x, y)| x * y.to_f64()).sum(),
                wide.iter().map(|x| x * x).sum(),
                wide.iter().map(|x| x.abs()).sum(),
                wide.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                wide.iter().copied().fold(f64::INFINITY, f64::min),
            ];
            // In 16 lanes over blocks of 4,096: at most 256 roundings on the way of a number, on sums of size n.
            let bound = 300.0 * T::EPSILON.to_f64() * (n as f64 + 1.0);
            for (got, expected) in got.iter().zip(expected) {
                let got = T::from_bits64(*got).to_f64();
                assert!(
                    got == expected || (got - expected).abs() <= bound,
                    "n = {n}: {got} against {expected}"
                );
            }
            if n > 0 {
                let best = argmax(&x);
                assert!(x.iter().all(|v| *v <= x[best]) && x[..best].iter().all(|v| *v < x[best]));
            }
            // One bad number anywhere is found.
            same_on_all_levels("all_finite", || {
                assert!(all_finite(&x));
                for at in [0, n / 2, n.saturating_sub(1)].into_iter().filter(|_| n > 0) {
                    for bad in [T::NAN, T::INFINITY, -T::INFINITY] {
                        let mut x = x.clone();
                        x[at] = bad;
                        assert!(!all_finite(&x), "{bad} at {at} of {n}");
                        assert_eq!(max(&x).is_nan(), bad.is_nan());
                        assert_eq!(min(&x).is_nan(), bad.is_nan());
                        assert!(argmax(&x) == at || bad == -T::INFINITY);
                    }
                }
            });
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
    fn columns_are_chains_whatever_the_partition() {
        for (rows, n, ld) in [(0, 3, 3), (1, 1, 1), (5, 16, 16), (7, 33, 40), (10, 150, 150)] {
            let x = normal::<f32>(rows * ld);
            let expected: Vec<f32> = (0..n).map(|j| (0..rows).fold(0.0, |s, i| s + x[i * ld + j])).collect();
            same_on_all_levels("sum_columns", || {
                let mut whole = vec![1.0; n];
                sum_columns(rows, n, &x, ld, &mut whole, 0..n);
                assert_eq!(whole, expected, "[{rows}, {n}]");
                let mut parts = vec![1.0; n];
                let (a, b) = parts.split_at_mut(n / 3);
                sum_columns(rows, n, &x, ld, a, 0..n / 3);
                sum_columns(rows, n, &x, ld, b, n / 3..n);
                assert_eq!(parts, expected);
            });
        }
    }

    #[test]
    fn long_sums_keep_their_digits() {
        let n = if cfg!(miri) { 1 << 10 } else { 1 << 24 };
        let x = vec![0.1f32; n];
        let expected = f64::from(0.1f32) * n as f64;
        // 256 equal additions a lane round the same way each time: at most 256·2⁻²⁵.
        assert!(
            (f64::from(sum(&x)) / expected - 1.0).abs() < 8e-6,
            "a plain f32 chain would be off by a tenth"
        );
    }

    #[test]
    fn rows_of_a_matrix() {
        let x = [1.0f64, 2.0, 3.0, -4.0, 5.0, 6.0];
        let mut out = [0.0; 2];
        for (reduction, expected) in [
            (Reduction::Sum, [6.0, 7.0]),
            (Reduction::Mean, [2.0, 7.0 / 3.0]),
            (Reduction::Max, [3.0, 6.0]),
            (Reduction::Min, [1.0, -4.0]),
            (Reduction::SumSquares, [14.0, 77.0]),
        ] {
            rows(reduction, 3, &x, &mut out);
            assert_eq!(out, expected, "{reduction:?}");
        }
    }
}
