//! Scaled dot-product attention over heads: Y = softmax(Q·Kᵀ/√d)·V for each row of the batch and each head. Vaswani et al. 2017,
//! arXiv:1706.03762, section 3.2. Queries, keys and values lie packed, [batch, time, 3·channels], head `h` in the channels
//! h·d .. (h+1)·d of each third.
//!
//! Queries are taken in blocks of 32, so that the scores of a block stay in the cache and no [time, time] matrix is ever in memory; the
//! backward pass computes them again: dV = Pᵀ·dY, dP = dY·Vᵀ, dS = P⊙(dP − Σ P⊙dP), dQ = dS·K/√d, dK = dSᵀ·Q/√d.
//! With `causal`, keys after the last query of a block are not touched. Right operands are copied into panels, one head's at a time.

use crate::matmul::{Epilogue, Left, Product, Right, matmul};
use crate::simd::{Kernel, Lanes};
use crate::softmax::{exponentials, row_max, scale_row};
use crate::{PANEL, Real, panels_len};

/// Queries of a block.
const BLOCK: usize = 32;

/// Sizes.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Positions.
    pub time: usize,
    /// Channels of all heads together.
    pub channels: usize,
    /// Heads; they divide the channels.
    pub heads: usize,
    /// Does a position see only itself and what is before it?
    pub causal: bool,
}

impl Attention {
    fn width(&self) -> usize {
        self.channels / self.heads
    }

    /// Panels of `[width, time]`, a transpose.
    fn turned(&self) -> usize {
        panels_len(self.width(), self.time)
    }

    /// Panels of `[time, width]`.
    fn upright(&self) -> usize {
        panels_len(self.time, self.width())
    }

    /// From a row of scores to the next.
    fn stride(&self) -> usize {
        self.time.next_multiple_of(PANEL)
    }

    fn scores(&self) -> usize {
        BLOCK.min(self.time) * self.stride()
    }

    /// Elements of scratch memory for [`forward`].
    pub fn forward_scratch(&self) -> usize {
        self.turned() + self.upright() + self.scores()
    }

    /// Elements of scratch memory for [`backward`].
    pub fn backward_scratch(&self) -> usize {
        2 * self.turned() + self.upright() + 2 * self.scores()
    }

    fn scale<T: Real>(&self) -> T {
        T::from_f64(1.0 / (self.width() as f64).sqrt())
    }
}

/// Rows of a strided matrix `[time, width]` as the panels of its transpose, times `factor`.
///
/// # Safety
/// `from` is valid for the rows, `to` for `panels_len(width, time)` numbers.
unsafe fn pack_turned<T: Real>(a: &Attention, from: *const T, factor: T, to: *mut T) {
    const SIDE: usize = 4;
    let (width, stride) = (a.width(), 3 * a.channels);
    for first in (0..a.time).step_by(PANEL) {
        // SAFETY: panel first/16 has `width` rows of 16.
        let panel = unsafe { std::slice::from_raw_parts_mut(to.add(first * width), width * PANEL) };
        let lanes = PANEL.min(a.time - first);
        if lanes < PANEL {
            panel.fill(T::ZERO);
        }
        // SAFETY: row first + lane < time.
        let row = |lane: usize| unsafe { std::slice::from_raw_parts(from.add((first + lane) * stride), width) };
        let (whole, whole_width) = (lanes / SIDE * SIDE, width / SIDE * SIDE);
        // Squares of four by four: whole registers on either side.
        for lane in (0..whole).step_by(SIDE) {
            let rows = [row(lane), row(lane + 1), row(lane + 2), row(lane + 3)];
            for k in (0..whole_width).step_by(SIDE) {
                let square = rows.map(|row| {
                    let part = &row[k..k + SIDE];
                    [part[0] * factor, part[1] * factor, part[2] * factor, part[3] * factor]
                });
                for i in 0..SIDE {
                    panel[(k + i) * PANEL + lane..][..SIDE].copy_from_slice(&[square[0][i], square[1][i], square[2][i], square[3][i]]);
                }
            }
        }
        for lane in 0..lanes {
            let from = if lane < whole { whole_width } else { 0 };
            let rest = row(lane)[from..].iter().zip(panel[from * PANEL..].chunks_exact_mut(PANEL));
            rest.for_each(|(&v, out)| out[lane] = v * factor);
        }
    }
}

/// Rows of a strided matrix `[time, width]` in panels.
///
/// # Safety
/// `from` is valid for the rows, `to` for `panels_len(time, width)` numbers.
unsafe fn pack_upright<T: Real>(a: &Attention, from: *const T, to: *mut T) {
    let (width, stride) = (a.width(), 3 * a.channels);
    for (panel, first) in (0..width).step_by(PANEL).enumerate() {
        let columns = PANEL.min(width - first);
        for row in 0..a.time {
            // SAFETY: `columns` numbers of row `row`; row `row` of the panel.
            unsafe {
                let (from, to) = (from.add(row * stride + first), to.add((panel * a.time + row) * PANEL));
                if columns == PANEL {
                    std::ptr::copy_nonoverlapping(from, to, PANEL);
                } else {
                    std::ptr::copy_nonoverlapping(from, to, columns);
                    std::slice::from_raw_parts_mut(to.add(columns), PANEL - columns).fill(T::ZERO);
                }
            }
        }
    }
}

/// Some queries and the keys that they see.
#[derive(Clone, Copy)]
struct Queries {
    /// The first, and how many.
    from: usize,
    rows: usize,
    /// Keys that the last one sees.
    keys: usize,
    /// Keys that the first one sees, and how many more each next one does.
    seen: usize,
    step: usize,
}

impl Queries {
    /// The blocks.
    fn blocks(a: &Attention) -> impl Iterator<Item = Queries> + use<> {
        let (time, causal) = (a.time, a.causal);
        (0..time).step_by(BLOCK).map(move |from| {
            let rows = BLOCK.min(time - from);
            if causal {
                Queries {
                    from,
                    rows,
                    keys: from + rows,
                    seen: from + 1,
                    step: 1,
                }
            } else {
                Queries {
                    from,
                    rows,
                    keys: time,
                    seen: time,
                    step: 0,
                }
            }
        })
    }

    /// `[rows, keys]` = left `[rows, width]` times panels of a transpose, into rows of scores.
    ///
    /// # Safety
    /// The addresses are valid for these sizes.
    unsafe fn scores<T: Real>(&self, a: &Attention, left: *const T, row: usize, turned: *const T, out: *mut T) {
        // Whole panels: their padding gives zeros in columns that nobody reads.
        let columns = self.keys.next_multiple_of(PANEL);
        let product = Product {
            m: self.rows,
            n: columns,
            k: a.width(),
            left: Left::row_major(row),
            right: Right::panels(a.width()),
            out: Right::row_major(a.stride()),
        };
        // SAFETY: by the caller's promise; a row of scores holds whole panels.
        unsafe { matmul(&product, left, turned, out, &Epilogue::default(), 0..self.rows, 0..columns / PANEL) }
    }

    /// The softmax of the scores against the keys seen.
    ///
    /// # Safety
    /// `q` and `kt` are this head's, `p` holds a block of scores.
    unsafe fn weights<T: Real>(&self, a: &Attention, q: *const T, kt: *const T, p: *mut T) {
        // SAFETY: by the caller's promise.
        unsafe { self.scores(a, q.add(self.from * 3 * a.channels), 3 * a.channels, kt, p) };
        T::run_attention_weights(Weights {
            queries: *self,
            stride: a.stride(),
            p,
        });
    }
}

/// Scores become weights, row by row; 0 where a key is not seen.
pub(crate) struct Weights<T> {
    queries: Queries,
    stride: usize,
    p: *mut T,
}

impl<T: Real> Kernel<T> for Weights<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let Queries {
            rows, keys, seen, step, ..
        } = self.queries;
        for row in 0..rows {
            let n = seen + row * step;
            // SAFETY: a row of scores has `stride` ≥ keys ≥ n numbers.
            unsafe {
                let p = self.p.add(row * self.stride);
                let total = exponentials::<T, L>(n, p, row_max::<T, L>(n, p), Some(p));
                scale_row::<T, L>(n, p, L::splat(T::ONE / total));
                std::slice::from_raw_parts_mut(p.add(n), keys - n).fill(T::ZERO);
            }
        }
    }
}

/// dP becomes dS·scale in place, row by row; 0 where a key is not seen.
pub(crate) struct Slopes<T> {
    queries: Queries,
    stride: usize,
    p: *const T,
    dp: *mut T,
    scale: T,
}

impl<T: Real> Kernel<T> for Slopes<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let Queries {
            rows, keys, seen, step, ..
        } = self.queries;
        let scale = L::splat(self.scale);
        for row in 0..rows {
            let n = seen + row * step;
            // SAFETY: rows of scores have `stride` numbers, in whole panels, and n ≤ keys ≤ stride.
            unsafe {
                let (p, dp) = (self.p.add(row * self.stride), self.dp.add(row * self.stride));
                let mut sum = L::zero();
                let mut j = 0;
                while j + PANEL <= n {
                    sum = L::load_at(p.add(j)).mul_add(L::load_at(dp.add(j)), sum);
                    j += PANEL;
                }
                if j < n {
                    sum = L::load_first_at(p.add(j), n - j).mul_add(L::load_first_at(dp.add(j), n - j), sum);
                }
                let total = L::splat(sum.sum());
                let mut j = 0;
                while j < n {
                    let slope = L::load_at(p.add(j)).mul(L::load_at(dp.add(j)).sub(total)).mul(scale);
                    slope.keep_first(PANEL.min(n - j)).store_at(dp.add(j));
                    j += PANEL;
                }
                if j < keys {
                    std::slice::from_raw_parts_mut(dp.add(j), keys - j).fill(T::ZERO);
                }
            }
        }
    }
}

/// `out[m, width] (+)= left·right`, m rows of which `begun` are added to.
///
/// # Safety
/// The addresses are valid for these sizes.
#[allow(clippy::too_many_arguments, reason = "sizes and layouts of three matrices")]
unsafe fn mix<T: Real>(
    a: &Attention,
    m: usize,
    k: usize,
    left: (Left, *const T),
    right: (Right, *const T),
    out_stride: usize,
    out: *mut T,
    begun: usize,
) {
    let product = Product {
        m,
        n: a.width(),
        k,
        left: left.0,
        right: right.0,
        out: Right::row_major(out_stride),
    };
    let panels = 0..a.width().div_ceil(PANEL);
    let more = Epilogue {
        accumulate: true,
        ..Epilogue::default()
    };
    // SAFETY: by the caller's promise.
    unsafe {
        matmul(&product, left.1, right.1, out, &more, 0..begun, panels.clone());
        matmul(&product, left.1, right.1, out, &Epilogue::default(), begun..m, panels);
    }
}

/// One head of one row: y `[batch, time, channels]`.
///
/// # Safety
/// The addresses are valid for whole values of these sizes with more than `row` rows, `scratch` for [`Attention::forward_scratch`]
/// numbers; this head's part of this row of `y`, and `scratch`, are nobody else's.
pub unsafe fn forward<T: Real>(a: &Attention, row: usize, head: usize, qkv: *const T, y: *mut T, scratch: *mut T) {
    let (time, channels, width) = (a.time, a.channels, a.width());
    // SAFETY: by the caller's promise.
    unsafe {
        let q = qkv.add(row * time * 3 * channels + head * width);
        let (kt, v) = (scratch, scratch.add(a.turned()));
        let p = v.add(a.upright());
        pack_turned(a, q.add(channels), a.scale::<T>(), kt);
        pack_upright(a, q.add(2 * channels), v);
        for block in Queries::blocks(a) {
            block.weights(a, q, kt, p);
            let left = (Left::row_major(a.stride()), p.cast_const());
            let right = (Right::panels(time), v.cast_const());
            let y = y.add((row * time + block.from) * channels + head * width);
            mix(a, block.rows, block.keys, left, right, channels, y, 0);
        }
    }
}

/// One head of one row, backwards: dqkv `[batch, time, 3·channels]` from dy `[batch, time, channels]`.
///
/// # Safety
/// As [`forward`], with [`Attention::backward_scratch`] numbers.
pub unsafe fn backward<T: Real>(a: &Attention, row: usize, head: usize, qkv: *const T, dy: *const T, dqkv: *mut T, scratch: *mut T) {
    let (time, channels, width, stride) = (a.time, a.channels, a.width(), a.stride());
    let start = row * time * 3 * channels + head * width;
    let scale = a.scale::<T>();
    // SAFETY: by the caller's promise.
    unsafe {
        let q = qkv.add(start);
        let (k, v) = (q.add(channels), q.add(2 * channels));
        let dq = dqkv.add(start);
        let (dk, dv) = (dq.add(channels), dq.add(2 * channels));
        let (kt, vt) = (scratch, scratch.add(a.turned()));
        let upright = vt.add(a.turned());
        let p = upright.add(a.upright());
        let ds = p.add(a.scores());
        pack_turned(a, k, scale, kt);
        pack_turned(a, v, T::ONE, vt);
        pack_upright(a, k, upright);
        // Keys whose gradient has been begun.
        let mut begun = 0;
        for block in Queries::blocks(a) {
            block.weights(a, q, kt, p);
            let dy = dy.add((row * time + block.from) * channels + head * width);
            block.scores(a, dy, channels, vt, ds);
            T::run_attention_slopes(Slopes {
                queries: block,
                stride,
                p,
                dp: ds,
                scale,
            });
            let left = (Left::row_major(stride), ds.cast_const());
            let right = (Right::panels(time), upright.cast_const());
            mix(
                a,
                block.rows,
                block.keys,
                left,
                right,
                3 * channels,
                dq.add(block.from * 3 * channels),
                0,
            );
            let left = (Left::transposed(stride), ds.cast_const());
            let right = (Right::row_major(3 * channels), q.add(block.from * 3 * channels));
            mix(a, block.keys, block.rows, left, right, 3 * channels, dk, begun);
            let left = (Left::transposed(stride), p.cast_const());
            let right = (Right::row_major(channels), dy);
            mix(a, block.keys, block.rows, left, right, 3 * channels, dv, begun);
            begun = block.keys;
        }
    }
}
