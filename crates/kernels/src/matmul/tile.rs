//! The microkernel: R rows × P panels of C stay in registers while k runs.

use std::ops::Range;

use super::{Activation, Epilogue, Product};
use crate::simd::{self, Kernel, Lanes};
use crate::{PANEL, Real, math};

/// A part of a product.
pub(crate) struct Tiles<'a, T> {
    pub p: &'a Product,
    pub a: *const T,
    pub b: *const T,
    pub c: *mut T,
    pub e: &'a Epilogue<'a, T>,
    pub rows: Range<usize>,
    pub panels: Range<usize>,
}

/// Elements of A that are gone over panel by panel before the next rows: they stay in the second-level cache. The larger, the fewer times B
/// comes from further away.
const BLOCK: usize = 64 * 1024;

impl<T: Real> Kernel<T> for Tiles<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(mut self) {
        let (first, end) = (self.rows.start, self.rows.end);
        let height = (BLOCK / self.p.k.max(1)).max(4 * L::TILE_ROWS).next_multiple_of(L::TILE_ROWS);
        // A lone panel, or a block and a bit: at once.
        let height = if self.panels.len() < 2 || end - first < 2 * height {
            end - first
        } else {
            height
        };
        let mut row = first;
        while row < end {
            let next = if end - row < height + L::TILE_ROWS { end } else { row + height };
            self.rows = row..next;
            self.block::<L>();
            row = next;
        }
    }
}

impl<T: Real> Tiles<'_, T> {
    /// All panels of some rows.
    #[inline(always)]
    fn block<L: Lanes<T>>(&self) {
        let full = self.p.n / PANEL;
        let few = self.rows.end - self.rows.start;
        let mut j = self.panels.start;
        while j < self.panels.end {
            let left = self.panels.end.min(full).saturating_sub(j);
            // One or two rows cannot fill the FMA pipes alone: more panels beside each other do.
            let panels = if few == 1 && left >= 4 && size_of::<T>() == 4 {
                // SAFETY: panels j .. j + 4 are full and asked for.
                unsafe { self.tile::<L, 1, 4, false>(self.rows.start, j) };
                4
            } else if few <= 2 && left >= 2 {
                // SAFETY: panels j and j + 1 are full and asked for.
                unsafe {
                    if few == 2 {
                        self.tile::<L, 2, 2, false>(self.rows.start, j);
                    } else {
                        self.tile::<L, 1, 2, false>(self.rows.start, j);
                    }
                }
                2
            } else if L::TILE_PANELS == 2 && left >= 2 {
                // SAFETY: panels j and j + 1 are full and asked for.
                unsafe { self.strip::<L, 2, false>(j) };
                2
            } else if j >= full && self.p.n - j * PANEL <= PANEL / 2 {
                // SAFETY: panel j is asked for; only its columns below n are read.
                unsafe { self.strip::<L::Low, 1, true>(j) };
                1
            } else if j < full || self.p.right.padded {
                // SAFETY: panel j is asked for, and 16 columns of B can be read.
                unsafe { self.strip::<L, 1, false>(j) };
                1
            } else {
                // SAFETY: panel j is asked for; only its columns below n are read.
                unsafe { self.strip::<L, 1, true>(j) };
                1
            };
            if !matches!(self.e.activation, Activation::Identity | Activation::Relu) {
                simd::dispatch(Activate {
                    tiles: self,
                    panels: j..j + panels,
                });
            }
            j += panels;
        }
    }

    /// All rows of P panels, in tiles of at most `L::TILE_ROWS` rows.
    ///
    /// # Safety
    /// As [`Self::tile`].
    #[inline(always)]
    unsafe fn strip<L: Lanes<T>, const P: usize, const MASKED: bool>(&self, j: usize) {
        let mut i = self.rows.start;
        while i < self.rows.end {
            let left = self.rows.end - i;
            let r = if MASKED {
                // The last, narrow panel: fewer sizes, for the binary's sake.
                1 << left.min(L::TILE_ROWS).ilog2()
            } else if left >= 2 * L::TILE_ROWS {
                L::TILE_ROWS
            } else if left > L::TILE_ROWS {
                // Even parts: a lone last row would run at the latency of the FMA.
                left.div_ceil(2)
            } else {
                left
            };
            macro_rules! tiles {
                ($($rows:literal)*) => {
                    match r {
                        $($rows => {
                            // A constant condition keeps tiles that cannot occur out of the binary and its build time.
                            if const { $rows <= L::TILE_ROWS && (!MASKED || usize::is_power_of_two($rows)) } {
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
        let Product {
            n, k, left, right, out, ..
        } = *self.p;
        let width = if P == 1 { PANEL.min(n - j * PANEL) } else { PANEL };
        let mut sums = [[L::zero(); P]; R];
        // Loops over tiles count by hand: an iterator that the compiler does not inline is a call a number.
        macro_rules! each {
            ($r:ident, $p:ident, $work:expr) => {{
                let mut $r = 0;
                while $r < R {
                    let mut $p = 0;
                    while $p < P {
                        $work;
                        $p += 1;
                    }
                    $r += 1;
                }
            }};
        }
        // SAFETY: offsets of existing elements, as the caller vouches.
        let c = unsafe { self.c.add(i * out.row + j * out.panel) };
        if self.e.accumulate {
            each!(r, p, {
                // SAFETY: row i + r and panel j + p exist; only the `width` columns below n are read.
                sums[r][p] = unsafe { L::load_first_at(c.add(r * out.row + p * out.panel), width) };
            });
        }
        let mut b = self.b.wrapping_add(j * right.panel);
        let mut group = self.a.wrapping_add(i * left.row);
        let mut k_left = k;
        while k_left > 0 {
            let mut a = group;
            let steps = k_left.min(PANEL);
            let mut step = 0;
            while step < steps {
                let mut columns = [L::zero(); P];
                let mut p = 0;
                while p < P {
                    // SAFETY: row k of B exists, and its panel j + p has 16 readable columns, or `width` when MASKED.
                    columns[p] = unsafe {
                        if MASKED {
                            L::load_first_at(b.add(p * right.panel), width)
                        } else {
                            L::load_at(b.add(p * right.panel))
                        }
                    };
                    p += 1;
                }
                let mut r = 0;
                while r < R {
                    // SAFETY: a(i + r, k) exists.
                    let x = L::splat(unsafe { a.wrapping_add(r * left.row).read() });
                    let mut p = 0;
                    while p < P {
                        sums[r][p] = x.mul_add(columns[p], sums[r][p]);
                        p += 1;
                    }
                    r += 1;
                }
                a = a.wrapping_add(left.col);
                b = b.wrapping_add(right.row);
                step += 1;
            }
            group = group.wrapping_add(left.panel);
            k_left -= steps;
        }
        if let Some(bias) = self.e.bias {
            let mut columns = [L::zero(); P];
            let mut p = 0;
            while p < P {
                // SAFETY: the bias has n values, `width` of them in this panel.
                columns[p] = unsafe { L::load_first_at(bias.as_ptr().add((j + p) * PANEL), width) };
                p += 1;
            }
            each!(r, p, sums[r][p] = sums[r][p].add(columns[p]));
        }
        if self.e.activation == Activation::Relu {
            each!(r, p, sums[r][p] = L::zero().max(sums[r][p]));
        }
        each!(r, p, {
            // SAFETY: row i + r and panel j + p of C exist.
            unsafe { store(sums[r][p], c.add(r * out.row + p * out.panel), width, out.padded) };
        });
    }
}

/// Writes the columns below n; the padding of a padded matrix becomes 0.
#[inline(always)]
unsafe fn store<T: Real, L: Lanes<T>>(x: L, to: *mut T, width: usize, padded: bool) {
    // SAFETY: the caller vouches for 16 columns when padded or full, and for `width` otherwise.
    unsafe {
        if width == PANEL {
            x.store_at(to);
        } else if padded {
            x.keep_first(width).store_at(to);
        } else {
            x.store_first_at(to, width);
        }
    }
}

/// The activation of computed panels, still in the first-level cache.
struct Activate<'a, T> {
    tiles: &'a Tiles<'a, T>,
    panels: Range<usize>,
}

impl<T: Real> Kernel<T> for Activate<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let t = self.tiles;
        let out = t.p.out;
        macro_rules! over {
            ($function:path) => {
                for j in self.panels {
                    let width = PANEL.min(t.p.n - j * PANEL);
                    for i in t.rows.clone() {
                        // SAFETY: this part of C was just written by the same call.
                        unsafe {
                            let c = t.c.add(i * out.row + j * out.panel);
                            let x = if width == PANEL {
                                L::load_at(c)
                            } else {
                                L::load_first_at(c, width)
                            };
                            store($function(x), c, width, out.padded);
                        }
                    }
                }
            };
        }
        match t.e.activation {
            Activation::Identity | Activation::Relu => {}
            Activation::Tanh => over!(math::tanh::<T, L>),
            Activation::Sigmoid => over!(math::sigmoid::<T, L>),
            Activation::Gelu => over!(math::gelu::<T, L>),
        }
    }
}
