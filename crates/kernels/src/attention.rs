//! Scaled dot-product attention over heads: Y = softmax(Q·Kᵀ/√d)·V for each row of the batch and each head. Vaswani et al. 2017,
//! arXiv:1706.03762, section 3.2. Queries, keys and values lie packed, [batch, time, 3·channels], head `h` in the channels
//! h·d .. (h+1)·d of each third.
//!
//! Queries are taken in blocks of 32, so that the scores of a block stay in the cache and no [time, time] matrix is ever in memory; the
//! backward pass computes them again: dV = Pᵀ·dY, dP = dY·Vᵀ, dS = P⊙(dP − Σ P⊙dP), dQ = dS·K/√d, dK = dSᵀ·Q/√d.
//! Scores are kept as [keys, queries]: a softmax is then the same for sixteen queries side by side, a chain over ascending keys each.
//! With `causal`, keys after the last query of a block are not touched. Right operands are copied into panels, one head's at a time.
//! A mask hides keys: their weight is 0, and so is the value of a query that sees none. Where it hides nothing, the bits are those without.

use crate::matmul::{Epilogue, Left, Product, Right, matmul};
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real, math, panels_len};

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

    fn scores(&self) -> usize {
        self.time * BLOCK.min(self.time.next_multiple_of(PANEL))
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
unsafe fn pack_turned<T: Real>(a: &Attention, from: *const T, stride: usize, factor: T, to: *mut T) {
    const SIDE: usize = 4;
    let width = a.width();
    for first in (0..a.time).step_by(PANEL) {
        let lanes = PANEL.min(a.time - first);
        let (whole, whole_width) = (lanes / SIDE * SIDE, width / SIDE * SIDE);
        // SAFETY: rows first .. first + lanes have `width` numbers; panel first/16 has `width` rows of 16.
        unsafe {
            let (rows, panel) = (from.add(first * stride), to.add(first * width));
            if lanes < PANEL {
                std::slice::from_raw_parts_mut(panel, width * PANEL).fill(T::ZERO);
            }
            // Squares of four by four: whole registers on either side.
            for lane in (0..whole).step_by(SIDE) {
                for k in (0..whole_width).step_by(SIDE) {
                    turn(rows.add(lane * stride + k), stride, factor, panel.add(k * PANEL + lane));
                }
            }
            for lane in 0..lanes {
                for k in if lane < whole { whole_width } else { 0 }..width {
                    panel.add(k * PANEL + lane).write(rows.add(lane * stride + k).read() * factor);
                }
            }
        }
    }
}

/// A square of four by four, times `factor`, turned into rows that are a panel's width apart. (Written out: what goes through slices is not
/// made into shuffles, and took five times as long.)
///
/// # Safety
/// Four numbers at each of four rows on either side.
#[inline(always)]
unsafe fn turn<T: Real>(from: *const T, stride: usize, factor: T, to: *mut T) {
    // SAFETY: by the caller's promise.
    unsafe {
        let row = |i: usize| from.add(i * stride).cast::<[T; 4]>().read();
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (row(0), row(1));
        let ([c0, c1, c2, c3], [d0, d1, d2, d3]) = (row(2), row(3));
        let put = |i: usize, [a, b, c, d]: [T; 4]| {
            to.add(i * PANEL)
                .cast::<[T; 4]>()
                .write([a * factor, b * factor, c * factor, d * factor]);
        };
        put(0, [a0, b0, c0, d0]);
        put(1, [a1, b1, c1, d1]);
        put(2, [a2, b2, c2, d2]);
        put(3, [a3, b3, c3, d3]);
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
    /// Does each see itself and what is before it only?
    causal: bool,
}

impl Queries {
    /// The blocks.
    fn blocks(a: &Attention) -> impl Iterator<Item = Queries> + use<> {
        let (time, causal) = (a.time, a.causal);
        (0..time).step_by(BLOCK).map(move |from| {
            let rows = BLOCK.min(time - from);
            Queries {
                from,
                rows,
                keys: if causal { from + rows } else { time },
                causal,
            }
        })
    }

    /// From a key's scores to the next key's: whole panels of queries.
    fn stride(&self) -> usize {
        self.rows.next_multiple_of(PANEL)
    }

    /// `[keys, queries]` = left `[keys, width]`, rows of the packed values, times panels of a transpose.
    ///
    /// # Safety
    /// The addresses are valid for these sizes.
    unsafe fn scores<T: Real>(&self, a: &Attention, left: *const T, turned: *const T, out: *mut T) {
        let product = Product {
            m: self.keys,
            n: self.stride(),
            k: a.width(),
            left: Left::row_major(3 * a.channels),
            right: Right::panels(a.width()),
            out: Right::row_major(self.stride()),
        };
        // SAFETY: by the caller's promise; queries start at a whole panel.
        unsafe {
            let turned = turned.add(self.from * a.width());
            matmul(
                &product,
                left,
                turned,
                out,
                &Epilogue::default(),
                0..self.keys,
                0..self.stride() / PANEL,
            )
        }
    }

    /// The softmax of the scores over the keys seen.
    ///
    /// # Safety
    /// `k` and the transposed queries are this head's, `mask` this row's, `p` holds a block of scores.
    unsafe fn weights<T: Real>(&self, a: &Attention, k: *const T, qt: *const T, mask: Option<*const T>, p: *mut T) {
        // SAFETY: by the caller's promise.
        unsafe { self.scores(a, k, qt, p) };
        T::run_attention_weights(Weights { queries: *self, mask, p });
    }
}

/// Of sixteen queries: the keys that all of them see, and those that any of them does.
#[inline(always)]
fn seen(queries: &Queries, first: usize) -> (usize, usize) {
    if queries.causal {
        // The first sees itself as well, so one more than those before it.
        let before = queries.from + first;
        ((before + 1).min(queries.keys), (before + PANEL).min(queries.keys))
    } else {
        (queries.keys, queries.keys)
    }
}

/// Scores become weights, sixteen queries at a time; 0 where a key is not seen.
pub(crate) struct Weights<T> {
    queries: Queries,
    /// 0 where a key is hidden.
    mask: Option<*const T>,
    p: *mut T,
}

impl<T: Real> Kernel<T> for Weights<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let (stride, keys) = (self.queries.stride(), self.queries.keys);
        let (zero, never) = (L::zero(), L::splat(-T::INFINITY));
        // SAFETY: the mask has a number for each of the keys.
        let hidden = |key: usize| self.mask.is_some_and(|mask| unsafe { mask.add(key).read() } == T::ZERO);
        for first in (0..stride).step_by(PANEL) {
            let (by_all, by_any) = seen(&self.queries, first);
            // Lane i sees key `by_all + j` if i > j.
            let sees = |key: usize| L::splat(T::ONE).keep_first((key + 1).saturating_sub(by_all)).equal(zero);
            // SAFETY: each of the keys has `stride` scores, in whole panels.
            unsafe {
                let at = |key: usize| self.p.add(key * stride + first);
                // Two chains, of even and of odd keys, hide the latency. `max` gives its second operand when one is NaN; NaNs turn up
                // in the sum.
                let mut most = [never; 2];
                for key in 0..by_any {
                    if hidden(key) {
                        continue;
                    }
                    if key < by_all {
                        most[key % 2] = L::load_at(at(key)).max(most[key % 2]);
                    } else {
                        most[0] = L::select(sees(key), L::load_at(at(key)), never).max(most[0]);
                    }
                }
                let most = most[0].max(most[1]);
                let mut sums = [zero; 2];
                for key in 0..by_any {
                    if hidden(key) {
                        zero.store_at(at(key));
                        continue;
                    }
                    let e = math::exp::<T, L>(L::load_at(at(key)).sub(most));
                    if key < by_all {
                        e.store_at(at(key));
                        sums[key % 2] = sums[key % 2].add(e);
                    } else {
                        let e = L::select(sees(key), e, zero);
                        e.store_at(at(key));
                        sums[0] = sums[0].add(e);
                    }
                }
                let sum = sums[0].add(sums[1]);
                let inverse = L::splat(T::ONE).div(sum);
                // Only where a mask hides all that is seen there is nothing.
                let inverse = if self.mask.is_some() {
                    L::select(sum.equal(zero), zero, inverse)
                } else {
                    inverse
                };
                for key in 0..by_any {
                    L::load_at(at(key)).mul(inverse).store_at(at(key));
                }
                for key in by_any..keys {
                    zero.store_at(at(key));
                }
            }
        }
    }
}

/// dP becomes dS·scale in place, sixteen queries at a time; 0 where a key is not seen.
pub(crate) struct Slopes<T> {
    queries: Queries,
    p: *const T,
    dp: *mut T,
    scale: T,
}

impl<T: Real> Kernel<T> for Slopes<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let (stride, keys) = (self.queries.stride(), self.queries.keys);
        let scale = L::splat(self.scale);
        for first in (0..stride).step_by(PANEL) {
            let (_, by_any) = seen(&self.queries, first);
            // SAFETY: each of the keys has `stride` numbers, in whole panels.
            unsafe {
                let at = |key: usize| key * stride + first;
                let mut sums = [L::zero(); 2];
                let mut key = 0;
                while key < by_any {
                    sums[key % 2] = L::load_at(self.p.add(at(key))).mul_add(L::load_at(self.dp.add(at(key))), sums[key % 2]);
                    key += 1;
                }
                let total = sums[0].add(sums[1]);
                key = 0;
                while key < by_any {
                    let slope = L::load_at(self.dp.add(at(key))).sub(total);
                    L::load_at(self.p.add(at(key))).mul(slope).mul(scale).store_at(self.dp.add(at(key)));
                    key += 1;
                }
                while key < keys {
                    L::zero().store_at(self.dp.add(at(key)));
                    key += 1;
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

/// What is read.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<T> {
    /// Queries, keys and values `[batch, time, 3·channels]`.
    pub qkv: *const T,
    /// 0 where a key is hidden, `[batch, time]`.
    pub mask: Option<*const T>,
}

/// One head of one row: y `[batch, time, channels]`.
///
/// # Safety
/// The addresses are valid for whole values of these sizes with more than `row` rows, `scratch` for [`Attention::forward_scratch`]
/// numbers; this head's part of this row of `y`, and `scratch`, are nobody else's.
pub unsafe fn forward<T: Real>(a: &Attention, (row, head): (usize, usize), x: &Inputs<T>, y: *mut T, scratch: *mut T) {
    let (time, channels, width) = (a.time, a.channels, a.width());
    // SAFETY: by the caller's promise.
    unsafe {
        let q = x.qkv.add(row * time * 3 * channels + head * width);
        let mask = x.mask.map(|mask| mask.add(row * time));
        let (qt, v) = (scratch, scratch.add(a.turned()));
        let p = v.add(a.upright());
        pack_turned(a, q, 3 * channels, a.scale::<T>(), qt);
        pack_upright(a, q.add(2 * channels), v);
        for block in Queries::blocks(a) {
            block.weights(a, q.add(channels), qt, mask, p);
            let left = (Left::transposed(block.stride()), p.cast_const());
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
pub unsafe fn backward<T: Real>(a: &Attention, (row, head): (usize, usize), x: &Inputs<T>, dy: *const T, dqkv: *mut T, scratch: *mut T) {
    let (time, channels, width) = (a.time, a.channels, a.width());
    let start = row * time * 3 * channels + head * width;
    let scale = a.scale::<T>();
    // SAFETY: by the caller's promise.
    unsafe {
        let q = x.qkv.add(start);
        let mask = x.mask.map(|mask| mask.add(row * time));
        let (k, v) = (q.add(channels), q.add(2 * channels));
        let dq = dqkv.add(start);
        let (dk, dv) = (dq.add(channels), dq.add(2 * channels));
        let dy = dy.add(row * time * channels + head * width);
        let (qt, dyt) = (scratch, scratch.add(a.turned()));
        let upright = dyt.add(a.turned());
        let p = upright.add(a.upright());
        let ds = p.add(a.scores());
        pack_turned(a, q, 3 * channels, scale, qt);
        pack_turned(a, dy, channels, T::ONE, dyt);
        pack_upright(a, k, upright);
        // Keys whose gradient has been begun.
        let mut begun = 0;
        for block in Queries::blocks(a) {
            let (rows, keys, stride) = (block.rows, block.keys, block.stride());
            block.weights(a, k, qt, mask, p);
            block.scores(a, v, dyt, ds);
            T::run_attention_slopes(Slopes {
                queries: block,
                p,
                dp: ds,
                scale,
            });
            let left = (Left::transposed(stride), ds.cast_const());
            let right = (Right::panels(time), upright.cast_const());
            mix(a, rows, keys, left, right, 3 * channels, dq.add(block.from * 3 * channels), 0);
            let left = (Left::row_major(stride), ds.cast_const());
            let right = (Right::row_major(3 * channels), q.add(block.from * 3 * channels));
            mix(a, keys, rows, left, right, 3 * channels, dk, begun);
            let left = (Left::row_major(stride), p.cast_const());
            let right = (Right::row_major(channels), dy.add(block.from * channels));
            mix(a, keys, rows, left, right, 3 * channels, dv, begun);
            begun = keys;
        }
    }
}
