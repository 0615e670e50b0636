//! What the norms need: sums of products along columns, affine maps a column, and the whole normalization of short rows.
//!
//! Columns are chains over ascending rows; rows are summed in 16 virtual lanes and the fixed tree.

use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

/// out[j] ← Σᵢ (x[i, j] − shift[j])·z[i, j] of row-major `[rows, n]` matrices; without z the square (x − shift)².
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn centred_products<T: Real>(rows: usize, x: &[T], shift: &[T], z: Option<&[T]>, out: &mut [T]) {
    let n = out.len();
    assert!(x.len() >= rows * n && shift.len() >= n && z.is_none_or(|z| z.len() >= rows * n));
    T::run_centred_products(CentredProducts { rows, x, shift, z, out });
}

/// y[i, j] ← x[i, j]·a[j] + b[j], and with z: x·a + z·c + b.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn affine_columns<T: Real>(x: &[T], a: &[T], b: &[T], z: Option<(&[T], &[T])>, y: &mut [T]) {
    let n = a.len();
    assert!(x.len() >= y.len() && b.len() >= n && (n == 0 || y.len().is_multiple_of(n)));
    assert!(z.is_none_or(|(z, c)| z.len() >= y.len() && c.len() >= n));
    if n > 0 {
        T::run_affine_columns(AffineColumns { x, a, b, z, y });
    }
}

/// Each row of a row-major `[rows, n]` matrix: y = (x − μ)/√(σ² + ε); without `centre`, μ is 0 and σ² the mean square.
///
/// # Panics
/// If the slices differ in length or are not whole rows.
pub fn normalize_rows<T: Real>(n: usize, x: &[T], centre: bool, epsilon: T, y: &mut [T]) {
    assert!(x.len() == y.len() && (n == 0 || x.len().is_multiple_of(n)));
    if n > 0 {
        T::run_normalize_rows(NormalizeRows {
            n,
            x,
            dy: None,
            centre,
            epsilon,
            out: y,
        });
    }
}

/// Its derivative: dx = (dy − mean dy − x̂·mean(dy·x̂))/√(σ² + ε), x̂ the normalized x; without `centre`, without mean dy.
///
/// # Panics
/// As [`normalize_rows`].
pub fn normalize_rows_gradient<T: Real>(n: usize, x: &[T], dy: &[T], centre: bool, epsilon: T, dx: &mut [T]) {
    assert!(x.len() == dx.len() && x.len() == dy.len() && (n == 0 || x.len().is_multiple_of(n)));
    if n > 0 {
        T::run_normalize_rows(NormalizeRows {
            n,
            x,
            dy: Some(dy),
            centre,
            epsilon,
            out: dx,
        });
    }
}

pub(crate) struct CentredProducts<'a, T> {
    rows: usize,
    x: &'a [T],
    shift: &'a [T],
    z: Option<&'a [T]>,
    out: &'a mut [T],
}

impl<T: Real> Kernel<T> for CentredProducts<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.out.len();
        for j in (0..n).step_by(PANEL) {
            let width = PANEL.min(n - j);
            macro_rules! column {
                ($load:expr) => {{
                    let load = $load;
                    let shift = load(self.shift[j..].as_ptr());
                    // Two chains, of even and of odd rows, hide the latency. (By name: a changing index would keep them in memory.)
                    let (mut even, mut odd) = (L::zero(), L::zero());
                    macro_rules! add {
                        ($i:expr, $sum:ident) => {{
                            let at = $i * n + j;
                            let d = load(self.x[at..].as_ptr()).sub(shift);
                            let z = match self.z {
                                Some(z) => load(z[at..].as_ptr()),
                                None => d,
                            };
                            $sum = d.mul_add(z, $sum);
                        }};
                    }
                    for i in 0..self.rows / 2 {
                        add!(2 * i, even);
                        add!(2 * i + 1, odd);
                    }
                    if self.rows % 2 == 1 {
                        add!(self.rows - 1, even);
                    }
                    even.add(odd).store_first(&mut self.out[j..j + width]);
                }};
            }
            if width == PANEL {
                // SAFETY: 16 columns from j exist in each row, and in `shift`.
                column!(|p: *const T| unsafe { L::load_at(p) })
            } else {
                // SAFETY: `width` columns from j exist in each row, and in `shift`.
                column!(|p: *const T| unsafe { L::load_first_at(p, width) })
            }
        }
    }
}

pub(crate) struct AffineColumns<'a, T> {
    x: &'a [T],
    a: &'a [T],
    b: &'a [T],
    z: Option<(&'a [T], &'a [T])>,
    y: &'a mut [T],
}

impl<T: Real> Kernel<T> for AffineColumns<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.a.len();
        for (i, y) in self.y.chunks_exact_mut(n).enumerate() {
            for j in (0..n).step_by(PANEL) {
                let width = PANEL.min(n - j);
                let at = i * n + j;
                macro_rules! block {
                    ($load:expr) => {{
                        let load = $load;
                        let mut sum = load(self.x[at..].as_ptr()).mul_add(load(self.a[j..].as_ptr()), load(self.b[j..].as_ptr()));
                        if let Some((z, c)) = self.z {
                            sum = load(z[at..].as_ptr()).mul_add(load(c[j..].as_ptr()), sum);
                        }
                        sum
                    }};
                }
                if width == PANEL {
                    // SAFETY: 16 columns from j exist in every operand.
                    let sum = block!(|p: *const T| unsafe { L::load_at(p) });
                    // SAFETY: as above, in y.
                    unsafe { sum.store_at(y[j..].as_mut_ptr()) };
                } else {
                    // SAFETY: `width` columns from j exist in every operand.
                    block!(|p: *const T| unsafe { L::load_first_at(p, width) }).store_first(&mut y[j..]);
                }
            }
        }
    }
}

pub(crate) struct NormalizeRows<'a, T> {
    n: usize,
    x: &'a [T],
    dy: Option<&'a [T]>,
    centre: bool,
    epsilon: T,
    out: &'a mut [T],
}

/// Σ f(block) over a row, in 16 lanes: `f` gets where a block starts and how many elements it has.
#[inline(always)]
fn over<T: Real, L: Lanes<T>>(n: usize, mut f: impl FnMut(usize, usize, L) -> L) -> T {
    let mut sum = L::zero();
    for j in (0..n).step_by(PANEL) {
        sum = f(j, PANEL.min(n - j), sum);
    }
    sum.sum()
}

impl<T: Real> Kernel<T> for NormalizeRows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.n;
        let share = T::ONE / T::from_f64(n as f64);
        // SAFETY: `width` elements from j exist in the row.
        let load = |row: &[T], j: usize, width: usize| unsafe {
            if width == PANEL {
                L::load_at(row[j..j + PANEL].as_ptr())
            } else {
                L::load_first_at(row[j..j + width].as_ptr(), width)
            }
        };
        for (i, out) in self.out.chunks_exact_mut(n).enumerate() {
            let x = &self.x[i * n..(i + 1) * n];
            let mean = if self.centre {
                over::<T, L>(n, |j, width, sum| sum.add(load(x, j, width))) * share
            } else {
                T::ZERO
            };
            // Lanes past the row must not count: d is cut off there.
            let centred = |j: usize, width: usize| load(x, j, width).sub(L::splat(mean)).keep_first(width);
            let squares = over::<T, L>(n, |j, width, sum| {
                let d = centred(j, width);
                d.mul_add(d, sum)
            });
            let scale = T::ONE / (squares * share + self.epsilon).sqrt();
            let mut put = |j: usize, width: usize, value: L| value.store_first(&mut out[j..j + width]);
            let Some(dy) = self.dy else {
                for j in (0..n).step_by(PANEL) {
                    let width = PANEL.min(n - j);
                    put(j, width, centred(j, width).mul(L::splat(scale)));
                }
                continue;
            };
            let dy = &dy[i * n..(i + 1) * n];
            let total = if self.centre {
                over::<T, L>(n, |j, width, sum| sum.add(load(dy, j, width))) * share
            } else {
                T::ZERO
            };
            let product = over::<T, L>(n, |j, width, sum| centred(j, width).mul_add(load(dy, j, width), sum));
            // dx = scale·(dy − total − d·scale²·mean(dy·d))
            let slope = L::splat(-(product * share * scale * scale));
            for j in (0..n).step_by(PANEL) {
                let width = PANEL.min(n - j);
                let lanes = centred(j, width).mul_add(slope, load(dy, j, width).sub(L::splat(total)));
                put(j, width, lanes.mul(L::splat(scale)));
            }
        }
    }
}
