//! Reductions to one value, and over the rows of a matrix.
//!
//! A sum is taken in 16 lanes over blocks of 4,096 numbers; the blocks' lane vectors are added pairwise (a binary counter, so the tree
//! depends on the length only), then the lanes by a fixed tree. The error grows with log n, not n.

use std::ops::Range;

use crate::simd::{self, Kernel, Lanes};
use crate::{PANEL, Real};

/// Numbers of a block of a sum.
const BLOCK: usize = 4096;

/// Σ x
pub fn sum<T: Real>(x: &[T]) -> T {
    simd::dispatch(Sum { kind: Kind::Plain, x, y: x })
}

/// Σ x·y, by FMA
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    assert_eq!(x.len(), y.len(), "dot: lengths differ");
    simd::dispatch(Sum { kind: Kind::Product, x, y })
}

/// Σ x², by FMA
pub fn sum_squares<T: Real>(x: &[T]) -> T {
    simd::dispatch(Sum { kind: Kind::Product, x, y: x })
}

/// Σ |x|
pub fn sum_abs<T: Real>(x: &[T]) -> T {
    simd::dispatch(Sum { kind: Kind::Absolute, x, y: x })
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

struct Sum<'a, T> {
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
        Self { slots: [L::zero(); 48], blocks: 0, number: std::marker::PhantomData }
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
    simd::dispatch(Extreme { x, largest: true })
}

/// The smallest; NaN if any is NaN; +∞ of nothing.
pub fn min<T: Real>(x: &[T]) -> T {
    simd::dispatch(Extreme { x, largest: false })
}

struct Extreme<'a, T> {
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
    x.iter().position(|v| if largest.is_nan() { v.is_nan() } else { *v == largest }).unwrap_or(0)
}

/// No NaN, no ±∞?
pub fn all_finite<T: Real>(x: &[T]) -> bool {
    simd::dispatch(AllFinite { x })
}

struct AllFinite<'a, T> {
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
    assert!(columns.end <= n && n <= ld && out.len() == columns.len(), "sum_columns: columns {columns:?} of {n}, ld {ld}");
    assert!(rows == 0 || x.len() >= (rows - 1) * ld + n, "sum_columns: x is too short for [{rows}, {n}]");
    simd::dispatch(SumColumns { rows, x, ld, out, first: columns.start })
}

struct SumColumns<'a, T> {
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
