//! Long reductions over strided operands: Aᵀ·B of a weight's gradient, or B that is not in panels. Read in place, a column of such a
//! matrix lies a page apart and falls out of the cache before the next tile wants it. So the reduction is cut into stretches, and of each
//! stretch the rows of A and panels of B are copied side by side before the tiles run over them. A stretch goes on from C, so each
//! element stays one chain of fused multiply-adds in ascending k: the same bits.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::tile::Tiles;
use super::{Epilogue, Left, Product, Right};
use crate::{PANEL, Real};

/// A stretch of the reduction: 16 columns of B over it fill half of a first-level cache of two such panels.
const DEPTH: usize = 128;
/// Rows of A side by side: whole tiles on every level (6, 8 and 4 rows), and whole vectors.
const HEIGHT: usize = 48;
/// Rows of A copied at once.
const ROWS: usize = 4 * HEIGHT;
/// Panels of B copied at once.
const PANELS: usize = 4;

/// Whether copying pays: enough rows and panels share what is copied.
pub(super) fn pays(p: &Product, rows: &Range<usize>, panels: &Range<usize>) -> bool {
    let turned = p.left.row == 1 && p.left.col > PANEL && p.left.panel == PANEL * p.left.col;
    let strided = p.right.row > 2 * PANEL;
    p.k >= DEPTH && rows.len() >= HEIGHT && ((turned && panels.len() >= 2) || (strided && rows.len() >= 2 * HEIGHT))
}

/// A part of a product, stretch by stretch.
///
/// # Safety
/// As [`super::matmul`].
#[inline(never)]
pub(super) unsafe fn run<T: Real>(
    p: &Product,
    a: *const T,
    b: *const T,
    c: *mut T,
    e: &Epilogue<T>,
    rows: Range<usize>,
    panels: Range<usize>,
) {
    // On the stack (128 KB of f32): every kernel can be called from any thread, and none allocates.
    let mut a_copy = [const { MaybeUninit::<T>::uninit() }; ROWS * DEPTH];
    let mut b_copy = [const { MaybeUninit::<T>::uninit() }; PANELS * PANEL * DEPTH];
    let (a_copy, b_copy) = (a_copy.as_mut_ptr().cast::<T>(), b_copy.as_mut_ptr().cast::<T>());
    let turned = p.left.row == 1;
    let strided = p.right.row != PANEL;
    for from in (0..p.k).step_by(DEPTH) {
        let depth = DEPTH.min(p.k - from);
        let last = from + depth == p.k;
        for first in rows.clone().step_by(ROWS) {
            let count = ROWS.min(rows.end - first);
            let block = a.wrapping_add(from / PANEL * p.left.panel + first);
            if turned {
                // SAFETY: these rows and columns of A exist; the copy holds `ROWS`·`DEPTH` numbers.
                unsafe { copy_rows(block, p.left.col, count, depth, a_copy) };
            }
            // Of the block that is copied next, a part is fetched before each of these tiles.
            let mut next = Ahead::none();
            if turned && (first + ROWS < rows.end || !last) {
                let (further, rest) = if first + ROWS < rows.end {
                    (block.wrapping_add(ROWS), (rows.end - first - ROWS).min(ROWS))
                } else {
                    let below = (from + DEPTH) / PANEL * p.left.panel + rows.start;
                    (a.wrapping_add(below), rows.len().min(ROWS))
                };
                let depth = if first + ROWS < rows.end {
                    depth
                } else {
                    DEPTH.min(p.k - from - DEPTH)
                };
                next = Ahead {
                    from: further,
                    step: p.left.col,
                    lines: depth,
                    width: rest,
                    pieces: panels.len().div_ceil(PANELS) * count.div_ceil(HEIGHT),
                    done: 0,
                };
            }
            for panel in panels.clone().step_by(PANELS) {
                let many = PANELS.min(panels.end - panel);
                let n = (many * PANEL).min(p.n - panel * PANEL);
                let (right, right_layout) = if strided {
                    // SAFETY: these rows and columns of B exist; the copy holds `PANELS` panels.
                    unsafe {
                        copy_panels(
                            b.wrapping_add(from * p.right.row + panel * p.right.panel),
                            &p.right,
                            n,
                            depth,
                            b_copy,
                        )
                    };
                    (b_copy.cast_const(), Right::panels(depth))
                } else {
                    (b.wrapping_add(from * PANEL + panel * p.right.panel), p.right)
                };
                let epilogue = Epilogue {
                    bias: e.bias.filter(|_| last).map(|bias| &bias[panel * PANEL..panel * PANEL + n]),
                    activation: if last { e.activation } else { super::Activation::Identity },
                    accumulate: from > 0 || e.accumulate,
                };
                for row in (0..count).step_by(HEIGHT) {
                    next.fetch();
                    let height = HEIGHT.min(count - row);
                    let (left, left_layout) = if turned {
                        let layout = Left {
                            row: 1,
                            col: HEIGHT,
                            panel: PANEL * HEIGHT,
                        };
                        (a_copy.wrapping_add(row * DEPTH).cast_const(), layout)
                    } else {
                        (a.wrapping_add((first + row) * p.left.row + from / PANEL * p.left.panel), p.left)
                    };
                    let product = Product {
                        m: height,
                        n,
                        k: depth,
                        left: left_layout,
                        right: right_layout,
                        out: p.out,
                    };
                    T::run_tiles(Tiles {
                        p: &product,
                        a: left,
                        b: right,
                        c: c.wrapping_add((first + row) * p.out.row + panel * p.out.panel),
                        e: &epilogue,
                        rows: 0..height,
                        panels: 0..many,
                    });
                }
            }
        }
    }
}

/// Numbers that are wanted soon, line by line: fetched into the second-level cache piece by piece, while the tiles compute. A fetch of what
/// is not there does nothing.
struct Ahead<T> {
    from: *const T,
    step: usize,
    lines: usize,
    width: usize,
    pieces: usize,
    done: usize,
}

impl<T> Ahead<T> {
    fn none() -> Ahead<T> {
        Ahead {
            from: std::ptr::null(),
            step: 0,
            lines: 0,
            width: 0,
            pieces: 1,
            done: 0,
        }
    }

    /// The next piece.
    #[inline(always)]
    fn fetch(&mut self) {
        let lines = self.lines * self.done / self.pieces..self.lines * (self.done + 1) / self.pieces;
        self.done += 1;
        #[cfg(target_arch = "x86_64")]
        for line in lines {
            for at in (0..self.width).step_by(64 / size_of::<T>()) {
                let wanted = self.from.wrapping_add(line * self.step + at).cast();
                // SAFETY: a hint, whatever the address; every x86-64 processor has it.
                unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(wanted) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (lines, self.from, self.step, self.width);
    }
}

/// Rows of a transposed A: blocks of [`HEIGHT`] rows, each `[depth, HEIGHT]`.
///
/// # Safety
/// `count` rows and `depth` columns of A exist, a column `col` numbers after the one before; the copy has room.
unsafe fn copy_rows<T: Real>(a: *const T, col: usize, count: usize, depth: usize, to: *mut T) {
    // Along a column first: that is how it lies in memory.
    for k in 0..depth {
        for row in (0..count).step_by(HEIGHT) {
            let height = HEIGHT.min(count - row);
            // SAFETY: by the caller's promise.
            unsafe {
                let (from, to) = (a.add(k * col + row), to.add(row * DEPTH + k * HEIGHT));
                if height == HEIGHT {
                    // A constant size: no call.
                    std::ptr::copy_nonoverlapping(from, to, HEIGHT);
                } else {
                    std::ptr::copy_nonoverlapping(from, to, height);
                }
            }
        }
    }
}

/// Panels of B, the padding of the last one 0.
///
/// # Safety
/// `depth` rows and `n` columns of B exist; the copy has room.
unsafe fn copy_panels<T: Real>(b: *const T, layout: &Right, n: usize, depth: usize, to: *mut T) {
    for k in 0..depth {
        for (panel, first) in (0..n).step_by(PANEL).enumerate() {
            let width = PANEL.min(n - first);
            // SAFETY: by the caller's promise.
            unsafe {
                let (from, to) = (b.add(k * layout.row + panel * layout.panel), to.add((panel * depth + k) * PANEL));
                if width == PANEL {
                    std::ptr::copy_nonoverlapping(from, to, PANEL);
                } else {
                    std::ptr::copy_nonoverlapping(from, to, width);
                    std::slice::from_raw_parts_mut(to.add(width), PANEL - width).fill(T::ZERO);
                }
            }
        }
    }
}
