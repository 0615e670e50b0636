//! The microkernel of convolution: R rows × P panels of C stay in registers while the reduction runs. Rows and reduction walk through
//! the image by strides, so that windows are read where they lie and never copied.
//!
//! Every element is one chain of fused multiply-adds in ascending order, as in [`crate::matmul`]: neither tiles nor levels change a bit.

use std::ops::Range;

use crate::matmul::Activation;
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

/// Where row r lies: `(r / width)·line + (r % width)·step`.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Rows side by side
    pub width: usize,
    /// From one to the next
    pub step: usize,
    /// From a line of them to the next
    pub line: usize,
}

impl Grid {
    /// One line.
    pub const fn line(step: usize) -> Grid {
        Grid {
            width: usize::MAX,
            step,
            line: 0,
        }
    }

    #[inline(always)]
    pub(super) fn at(&self, row: usize) -> usize {
        if row < self.width {
            return row * self.step;
        }
        row / self.width * self.line + row % self.width * self.step
    }

    /// Whether R rows from here lie on one line, as most do: then two divisions serve them all, which a short reduction notices.
    #[inline(always)]
    fn on_one_line<const R: usize>(&self, row: usize) -> bool {
        row + R <= self.width || row % self.width + R <= self.width
    }
}

/// The elements that a row is reduced over: three nested counts with their strides, and innermost `len` of them, `step` apart.
#[derive(Clone, Copy, Debug)]
pub struct Reduction {
    /// Outermost first: how many, and from one to the next
    pub outer: [(usize, usize); 3],
    /// How many innermost
    pub len: usize,
    /// From one of these to the next
    pub step: usize,
}

impl Reduction {
    /// So many, `step` apart.
    pub const fn line(len: usize, step: usize) -> Reduction {
        Reduction {
            outer: [(1, 0); 3],
            len,
            step,
        }
    }

    /// How many elements.
    pub fn count(&self) -> usize {
        self.outer.iter().map(|o| o.0).product::<usize>() * self.len
    }
}

/// C[r, j] = activation(C_old? + Σₖ A[r, k]·B[k, j] + bias), once or for several triples of matrices.
#[derive(Clone, Copy, Debug)]
pub struct Strip {
    /// Rows of A
    pub rows: Grid,
    /// Columns of A
    pub reduction: Reduction,
    /// B: from a row to the next, and from 16 columns to the next 16
    pub right: (usize, usize),
    /// Rows of C; columns lie side by side
    pub out: Grid,
    /// Columns of B and C
    pub n: usize,
    /// May 16 columns of B be read where fewer are left?
    pub padded: bool,
    /// Does the chain start from C instead of 0?
    pub accumulate: bool,
    /// Identity or ReLU
    pub activation: Activation,
    /// How many triples, and from one to the next in A, B and C
    pub repeat: (usize, [usize; 3]),
}

/// Computes these rows of C.
///
/// # Safety
/// `a`, `b` and `c` are valid for every element that the strides address; C overlaps neither A nor B, and nobody else touches it.
pub unsafe fn strip<T: Real>(s: &Strip, a: *const T, b: *const T, c: *mut T, bias: Option<&[T]>, rows: Range<usize>) {
    assert!(bias.is_none_or(|bias| bias.len() >= s.n), "strip: the bias is shorter than {}", s.n);
    T::run_strip(Run { s, a, b, c, bias, rows });
}

pub(crate) struct Run<'a, T> {
    s: &'a Strip,
    a: *const T,
    b: *const T,
    c: *mut T,
    bias: Option<&'a [T]>,
    rows: Range<usize>,
}

impl<T: Real> Kernel<T> for Run<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(mut self) {
        let full = self.s.n / PANEL;
        for _ in 0..self.s.repeat.0 {
            let mut j = 0;
            while j < self.s.n.div_ceil(PANEL) {
                if L::TILE_PANELS == 2 && j + 2 <= full {
                    // SAFETY: panels j and j + 1 are full.
                    unsafe { self.panels::<L, 2, false>(j) };
                    j += 2;
                    continue;
                }
                if j < full || self.s.padded {
                    // SAFETY: panel j exists, and 16 columns of B can be read.
                    unsafe { self.panels::<L, 1, false>(j) };
                } else {
                    // SAFETY: panel j exists; only its columns below n are read.
                    unsafe { self.panels::<L, 1, true>(j) };
                }
                j += 1;
            }
            let [a, b, c] = self.s.repeat.1;
            self.a = self.a.wrapping_add(a);
            self.b = self.b.wrapping_add(b);
            self.c = self.c.wrapping_add(c);
        }
    }
}

impl<T: Real> Run<'_, T> {
    /// All rows of P panels.
    ///
    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn panels<L: Lanes<T>, const P: usize, const MASKED: bool>(&self, j: usize) {
        let mut i = self.rows.start;
        while i < self.rows.end {
            let left = self.rows.end - i;
            // Even parts where one tile is not enough: a lone last row would run at the latency of the FMA.
            let r = if left >= 2 * L::TILE_ROWS {
                L::TILE_ROWS
            } else if left > L::TILE_ROWS {
                left.div_ceil(2)
            } else {
                left
            };
            macro_rules! tiles {
                ($($rows:literal)*) => {
                    match r {
                        $($rows => {
                            // A constant condition keeps tiles that cannot occur out of the binary and its build time.
                            if const { $rows <= L::TILE_ROWS } {
                                // SAFETY: rows i .. i + r are asked for, and the caller vouches for the panels.
                                unsafe { self.tile::<L, $rows, P, MASKED>(i, j) }
                            }
                        })*
                        _ => unreachable!("a tile has at most 8 rows"),
                    }
                };
            }
            tiles!(1 2 3 4 5 6 7 8);
            i += r;
        }
    }

    /// C[i .. i+R, panels j .. j+P].
    ///
    /// # Safety
    /// The rows and panels exist; with P > 1 all are full; without MASKED, 16 columns of B can be read in each.
    #[inline(always)]
    unsafe fn tile<L: Lanes<T>, const R: usize, const P: usize, const MASKED: bool>(&self, i: usize, j: usize) {
        let s = self.s;
        let width = if P == 1 { PANEL.min(s.n - j * PANEL) } else { PANEL };
        let mut sums = [[L::zero(); P]; R];
        let mut at = [0; R];
        let mut to = [self.c; R];
        if s.rows.on_one_line::<R>(i) && s.out.on_one_line::<R>(i) {
            let (from, start) = (s.rows.at(i), self.c.wrapping_add(s.out.at(i) + j * PANEL));
            for r in 0..R {
                at[r] = from + r * s.rows.step;
                to[r] = start.wrapping_add(r * s.out.step);
            }
        } else {
            for r in 0..R {
                at[r] = s.rows.at(i + r);
                to[r] = self.c.wrapping_add(s.out.at(i + r) + j * PANEL);
            }
        }
        if s.accumulate {
            for (r, row) in sums.iter_mut().enumerate() {
                for (p, sum) in row.iter_mut().enumerate() {
                    // SAFETY: the row and panel of C exist; only the `width` columns below n are read.
                    *sum = unsafe { L::load_first_at(to[r].add(p * PANEL), width) };
                }
            }
        }
        let mut b = self.b.wrapping_add(j * s.right.1);
        let [(n0, d0), (n1, d1), (n2, d2)] = s.reduction.outer;
        let step = s.reduction.step;
        for i0 in 0..n0 {
            for i1 in 0..n1 {
                for i2 in 0..n2 {
                    let mut a = self.a.wrapping_add(i0 * d0 + i1 * d1 + i2 * d2);
                    for _ in 0..s.reduction.len {
                        let mut columns = [L::zero(); P];
                        for (p, column) in columns.iter_mut().enumerate() {
                            // SAFETY: this row of B exists, and its panel j + p has 16 readable columns, or `width` when MASKED.
                            *column = unsafe {
                                if MASKED {
                                    L::load_first_at(b.add(p * s.right.1), width)
                                } else {
                                    L::load_at(b.add(p * s.right.1))
                                }
                            };
                        }
                        // By index: what an iterator over two arrays calls is not inlined in every build, and then the sums leave
                        // their registers.
                        for (r, row) in sums.iter_mut().enumerate() {
                            // SAFETY: this element of A exists.
                            let x = L::splat(unsafe { a.wrapping_add(at[r]).read() });
                            for (p, column) in columns.iter().enumerate() {
                                row[p] = x.mul_add(*column, row[p]);
                            }
                        }
                        a = a.wrapping_add(step);
                        b = b.wrapping_add(s.right.0);
                    }
                }
            }
        }
        if let Some(bias) = self.bias {
            for p in 0..P {
                // SAFETY: the bias has n values, `width` of them in this panel.
                let column = unsafe { L::load_first_at(bias.as_ptr().add((j + p) * PANEL), width) };
                for row in &mut sums {
                    row[p] = row[p].add(column);
                }
            }
        }
        if s.activation == Activation::Relu {
            for row in &mut sums {
                for sum in row {
                    *sum = L::zero().max(*sum);
                }
            }
        }
        for (r, row) in sums.iter().enumerate() {
            let to = to[r];
            for (p, sum) in row.iter().enumerate() {
                // SAFETY: the row and panel of C exist.
                unsafe {
                    if width == PANEL {
                        sum.store_at(to.add(p * PANEL));
                    } else {
                        sum.store_first_at(to.add(p * PANEL), width);
                    }
                }
            }
        }
    }
}
