//! Scaled dot-product attention over heads: Y = softmax(Q·Kᵀ/√d)·V for each row of the batch and each head. Vaswani et al. 2017,
//! arXiv:1706.03762, section 3.2. Queries, keys and values lie packed, [batch, time, 3·channels], head `h` in the channels
//! h·d .. (h+1)·d of each third.
//!
//! Queries are taken in blocks of 64, so that the scores of a block stay in the cache and no [time, time] matrix is ever in memory; the
//! backward pass computes them again: dV = Pᵀ·dY, dP = dY·Vᵀ, dS = P⊙(dP − Σ P⊙dP), dQ = dS·K/√d, dK = dSᵀ·Q/√d.
//! With `causal`, keys after the last query of a block are not touched.

use crate::matmul::{Epilogue, Left, Product, Right, matmul};
use crate::{PANEL, Real, panels_len, softmax};

/// Queries of a block.
const BLOCK: usize = 64;

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

    fn packed(&self) -> usize {
        panels_len(self.width(), self.time)
    }

    fn block(&self) -> usize {
        BLOCK.min(self.time)
    }

    /// Elements of scratch memory for [`forward`].
    pub fn forward_scratch(&self) -> usize {
        self.packed() + self.block() * self.time
    }

    /// Elements of scratch memory for [`backward`].
    pub fn backward_scratch(&self) -> usize {
        2 * self.packed() + 3 * self.block() * self.time
    }

    fn scale<T: Real>(&self) -> T {
        T::from_f64(1.0 / (self.width() as f64).sqrt())
    }
}

/// Rows of a strided matrix `[time, width]` as the panels of its transpose, times `factor`.
///
/// # Safety
/// `from` is valid for the rows, `to` for `panels_len(width, time)` numbers.
unsafe fn pack<T: Real>(a: &Attention, from: *const T, factor: T, to: *mut T) {
    let (width, stride) = (a.width(), 3 * a.channels);
    for first in (0..a.time).step_by(PANEL) {
        // SAFETY: panel first/16 has `width` rows of 16.
        let panel = unsafe { std::slice::from_raw_parts_mut(to.add(first * width), width * PANEL) };
        if first + PANEL > a.time {
            panel.fill(T::ZERO);
        }
        for lane in 0..PANEL.min(a.time - first) {
            // SAFETY: row first + lane < time.
            let row = unsafe { std::slice::from_raw_parts(from.add((first + lane) * stride), width) };
            row.iter()
                .zip(panel.chunks_exact_mut(PANEL))
                .for_each(|(&v, out)| out[lane] = v * factor);
        }
    }
}

/// The softmax of the scores of queries `from..to` against the first `keys` keys, [to − from, keys].
///
/// # Safety
/// `q` and `kt` are this head's, `scores` holds the block.
unsafe fn weights<T: Real>(a: &Attention, q: *const T, kt: *const T, from: usize, to: usize, keys: usize, scores: *mut T) {
    let rows = to - from;
    let product = Product {
        m: rows,
        n: keys,
        k: a.width(),
        left: Left::row_major(3 * a.channels),
        right: Right::panels(a.width()),
        out: Right::row_major(keys),
    };
    // SAFETY: by the caller's promise; every row is softmaxed in place.
    unsafe {
        let q = q.add(from * 3 * a.channels);
        matmul(&product, q, kt, scores, &Epilogue::default(), 0..rows, 0..keys.div_ceil(PANEL));
        if !a.causal {
            return softmax::softmax_at(keys, rows, scores, scores);
        }
        for row in 0..rows {
            let seen = from + row + 1;
            let start = scores.add(row * keys);
            softmax::softmax_at(seen, 1, start, start);
            std::slice::from_raw_parts_mut(start.add(seen), keys - seen).fill(T::ZERO);
        }
    }
}

/// Blocks of queries with the number of keys they see.
fn blocks(a: &Attention) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    let (time, causal) = (a.time, a.causal);
    (0..time).step_by(BLOCK).map(move |from| {
        let to = (from + BLOCK).min(time);
        (from, to, if causal { to } else { time })
    })
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
        let (k, v) = (q.add(channels), q.add(2 * channels));
        let (kt, scores) = (scratch, scratch.add(a.packed()));
        pack(a, k, a.scale::<T>(), kt);
        for (from, to, keys) in blocks(a) {
            weights(a, q, kt, from, to, keys, scores);
            let product = Product {
                m: to - from,
                n: width,
                k: keys,
                left: Left::row_major(keys),
                right: Right::row_major(3 * channels),
                out: Right::row_major(channels),
            };
            let y = y.add((row * time + from) * channels + head * width);
            matmul(&product, scores, v, y, &Epilogue::default(), 0..to - from, 0..width.div_ceil(PANEL));
        }
    }
}

/// One head of one row, backwards: dqkv `[batch, time, 3·channels]` from dy `[batch, time, channels]`.
///
/// # Safety
/// As [`forward`], with [`Attention::backward_scratch`] numbers.
pub unsafe fn backward<T: Real>(a: &Attention, row: usize, head: usize, qkv: *const T, dy: *const T, dqkv: *mut T, scratch: *mut T) {
    let (time, channels, width) = (a.time, a.channels, a.width());
    let panels = 0..width.div_ceil(PANEL);
    let start = row * time * 3 * channels + head * width;
    let scale = a.scale::<T>();
    // SAFETY: by the caller's promise.
    unsafe {
        let q = qkv.add(start);
        let (k, v) = (q.add(channels), q.add(2 * channels));
        let dq = dqkv.add(start);
        let (dk, dv) = (dq.add(channels), dq.add(2 * channels));
        let (kt, vt) = (scratch, scratch.add(a.packed()));
        let p = scratch.add(2 * a.packed());
        let dp = p.add(a.block() * time);
        let ds = dp.add(a.block() * time);
        pack(a, k, scale, kt);
        pack(a, v, T::ONE, vt);
        // Keys whose gradient has been begun.
        let mut begun = 0;
        for (from, to, keys) in blocks(a) {
            let rows = to - from;
            weights(a, q, kt, from, to, keys, p);
            let dy = dy.add((row * time + from) * channels + head * width);
            let product = Product {
                m: rows,
                n: keys,
                k: width,
                left: Left::row_major(channels),
                right: Right::panels(width),
                out: Right::row_major(keys),
            };
            matmul(&product, dy, vt, dp, &Epilogue::default(), 0..rows, 0..keys.div_ceil(PANEL));
            let len = rows * keys;
            let scores = std::slice::from_raw_parts_mut(ds, len);
            softmax::softmax_gradient(
                keys,
                std::slice::from_raw_parts(p, len),
                std::slice::from_raw_parts(dp, len),
                scores,
            );
            scores.iter_mut().for_each(|s| *s *= scale);
            let product = Product {
                m: rows,
                n: width,
                k: keys,
                left: Left::row_major(keys),
                right: Right::row_major(3 * channels),
                out: Right::row_major(3 * channels),
            };
            let dq = dq.add(from * 3 * channels);
            matmul(&product, ds, k, dq, &Epilogue::default(), 0..rows, panels.clone());
            for (left, right, stride, out) in [
                (ds.cast_const(), q.add(from * 3 * channels), 3 * channels, dk),
                (p.cast_const(), dy, channels, dv),
            ] {
                let product = Product {
                    m: keys,
                    n: width,
                    k: rows,
                    left: Left::transposed(keys),
                    right: Right::row_major(stride),
                    out: Right::row_major(3 * channels),
                };
                let more = Epilogue {
                    accumulate: true,
                    ..Epilogue::default()
                };
                matmul(&product, left, right, out, &more, 0..begun, panels.clone());
                matmul(&product, left, right, out, &Epilogue::default(), begun..keys, panels.clone());
            }
            begun = keys;
        }
    }
}
