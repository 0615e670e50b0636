//! C = A·B with bias and activation: one microkernel for all layouts.
//!
//! Every output element is **one chain of fused multiply-adds over ascending k**, from 0 (or from C when accumulating), then plus bias,
//! then the activation. Tiles, levels and partitions change which elements are computed together, never a chain: so
//! `c = a(i,k).mul_add(b(k,j), c)` in plain Rust gives the same bits.

use std::ops::Range;

use crate::{PANEL, Real};

mod blocked;
mod panels;
pub(crate) mod tile;

pub use crate::panels_len;
pub use panels::{pack_panels, pack_transposed, unpack_panels};

/// Where A lies: `a(i, k)` at `i·row + (k/16)·panel + (k%16)·col`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// From a row to the next
    pub row: usize,
    /// From a column to the next, inside a group of 16
    pub col: usize,
    /// From 16 columns to the next 16
    pub panel: usize,
}

impl Left {
    /// Row-major with leading dimension `ld`.
    pub const fn row_major(ld: usize) -> Self {
        Self {
            row: ld,
            col: 1,
            panel: PANEL,
        }
    }
    /// The transpose of a row-major matrix with leading dimension `ld`.
    pub const fn transposed(ld: usize) -> Self {
        Self {
            row: 1,
            col: ld,
            panel: PANEL * ld,
        }
    }
    /// A matrix of `rows` rows in panels.
    pub const fn panels(rows: usize) -> Self {
        Self {
            row: PANEL,
            col: 1,
            panel: rows * PANEL,
        }
    }
}

/// Where B or C lies: `b(k, j)` at `k·row + (j/16)·panel + j%16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// From a row to the next
    pub row: usize,
    /// From 16 columns to the next 16
    pub panel: usize,
    /// Does the last panel have 16 columns, those past n exactly zero?
    pub padded: bool,
}

impl Right {
    /// Row-major with leading dimension `ld`.
    pub const fn row_major(ld: usize) -> Self {
        Self {
            row: ld,
            panel: PANEL,
            padded: false,
        }
    }
    /// A matrix of `rows` rows in panels.
    pub const fn panels(rows: usize) -> Self {
        Self {
            row: PANEL,
            panel: rows * PANEL,
            padded: true,
        }
    }
}

/// `[m, n] = [m, k] · [k, n]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Rows of A and C
    pub m: usize,
    /// Columns of B and C
    pub n: usize,
    /// Columns of A, rows of B
    pub k: usize,
    /// A
    pub left: Left,
    /// B
    pub right: Right,
    /// C
    pub out: Right,
}

/// What the epilogue applies last; the same functions as [`crate::elementwise`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// x
    #[default]
    Identity,
    /// max(x, 0)
    Relu,
    /// tanh x
    Tanh,
    /// 1/(1+e⁻ˣ)
    Sigmoid,
    /// x·Φ(x)
    Gelu,
}

/// c = activation(c_old? + a·b + bias)
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// n values
    pub bias: Option<&'a [T]>,
    /// Applied last
    pub activation: Activation,
    /// Does the chain start from C instead of 0?
    pub accumulate: bool,
}

impl<T> Default for Epilogue<'_, T> {
    fn default() -> Self {
        Self {
            bias: None,
            activation: Activation::Identity,
            accumulate: false,
        }
    }
}

/// Computes these rows × 16-wide column panels of C, and nothing else: so threads split one product. Neither range need fit a tile.
///
/// # Safety
/// `a`, `b` and `c` are valid for every element that the layouts address (a padded matrix for its padding too); C overlaps neither A
/// nor B; nobody else touches the computed part of C. `rows.end ≤ m`, `panels.end ≤ ⌈n/16⌉`, and a bias has n values.
#[inline]
pub unsafe fn matmul<T: Real>(p: &Product, a: *const T, b: *const T, c: *mut T, e: &Epilogue<T>, rows: Range<usize>, panels: Range<usize>) {
    debug_assert!(rows.end <= p.m && panels.end <= p.n.div_ceil(PANEL));
    debug_assert!(e.bias.is_none_or(|bias| bias.len() >= p.n));
    if rows.start < rows.end && panels.start < panels.end {
        if blocked::pays(p, &rows, &panels) {
            // SAFETY: by the caller's promise.
            return unsafe { blocked::run(p, a, b, c, e, rows, panels) };
        }
        T::run_tiles(tile::Tiles {
            p,
            a,
            b,
            c,
            e,
            rows,
            panels,
        });
    }
}

/// The whole product on slices.
///
/// # Panics
/// If a slice is shorter than its layout addresses, or the bias has fewer than n values.
pub fn matmul_into<T: Real>(p: &Product, a: &[T], b: &[T], c: &mut [T], e: &Epilogue<T>) {
    let (m, n, k) = (p.m, p.n, p.k);
    assert!(a.len() >= left_len(&p.left, m, k), "matmul: A is too short for [{m}, {k}]");
    assert!(b.len() >= right_len(&p.right, k, n), "matmul: B is too short for [{k}, {n}]");
    assert!(c.len() >= right_len(&p.out, m, n), "matmul: C is too short for [{m}, {n}]");
    assert!(e.bias.is_none_or(|bias| bias.len() >= n), "matmul: the bias is shorter than {n}");
    // SAFETY: the lengths were checked, and the borrow rules keep C apart from A and B.
    unsafe { matmul(p, a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), e, 0..m, 0..n.div_ceil(PANEL)) }
}

/// One more than the largest address of `[m, k]`.
fn left_len(l: &Left, m: usize, k: usize) -> usize {
    if m == 0 || k == 0 {
        return 0;
    }
    // The largest column offset is in the last group, or (short last group) at the end of the one before.
    let last = k - 1;
    let column = |k: usize| (k / PANEL) * l.panel + (k % PANEL) * l.col;
    let widest = if last >= PANEL {
        column(last / PANEL * PANEL - 1).max(column(last))
    } else {
        column(last)
    };
    (m - 1) * l.row + widest + 1
}

/// One more than the largest address of `[k, n]`.
fn right_len(r: &Right, k: usize, n: usize) -> usize {
    if k == 0 || n == 0 {
        return 0;
    }
    let last = n.div_ceil(PANEL) - 1;
    let width = if r.padded { PANEL } else { n - last * PANEL };
    let widest = (last * r.panel + width).max(if last > 0 { (last - 1) * r.panel + PANEL } else { 0 });
    (k - 1) * r.row + widest
}

#[cfg(test)]
mod tests;
