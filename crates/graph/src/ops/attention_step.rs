//! Causal attention of one new position to those before it, kept in a cache: what a session runs instead of `attention`.
//! Queries, keys and values of the position packed, [batch, 1, 3·c]; keys beside values of the positions before, [batch, time, 2·c], of which
//! those count where `seen` [batch, time] is not 0; `counts` [batch, 1] is the same for the new one
//! → [batch, 1, c]: softmax(q·[K; k]ᵀ/√d)·[V; v] a head, d = c/heads, and 0 where nothing is seen.

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Real, softmax};
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// Attention of one position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AttentionStep {
    /// Heads; they divide the channels.
    pub heads: usize,
}

impl Default for AttentionStep {
    fn default() -> AttentionStep {
        AttentionStep { heads: 1 }
    }
}

/// Σ aᵢ·bᵢ in one chain.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).fold(T::ZERO, |sum, (&a, &b)| a.mul_add(b, sum))
}

impl Op for AttentionStep {
    const NAMES: &'static [&'static str] = &["attentionStep"];
    const HINT: &'static str = "x is [batch, 1, 3·channels], the cache [batch, time, 2·channels], seen [batch, time], counts [batch, 1]; heads divide the channels.";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (qkv, cache, seen, counts) = (x[0], x[1], x[2], x[3]);
        let one = Dim::fixed(1);
        let packed = if qkv.rank() == 3 && !qkv.0[2].batch { qkv.0[2].size } else { 0 };
        let channels = packed / 3;
        let fits = packed > 0
            && packed.is_multiple_of(3)
            && self.heads > 0
            && channels.is_multiple_of(self.heads)
            && qkv.0[1] == one
            && cache.rank() == 3
            && cache.0[0] == qkv.0[0]
            && !cache.0[1].batch
            && cache.0[2] == Dim::fixed(2 * channels)
            && seen.0 == cache.0[..2]
            && counts.0 == [qkv.0[0], one];
        if fits {
            return Ok(Shape(vec![qkv.0[0], one, Dim::fixed(channels)]));
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!(
                "attentionStep: {qkv}, cache {cache}, seen {seen} and counts {counts} don't fit {} heads",
                self.heads
            ),
        )
        .expected("[batch, 1, 3·channels], [batch, time, 2·channels], [batch, time] and [batch, 1]")
        .received(format!("{qkv}, {cache}, {seen} and {counts}")))
    }

    fn gradient(&self, _b: &mut Builder, _at: &At) -> Result<Gradients> {
        Err(Error::new(Code::NoGradient, "a derivative through a step of a session").at("attentionStep"))
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        x[0].0[0].at(batch) * (x[1].0[1].size + 1)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        2 * x[1].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (qkv, cache, seen, counts) = (io.input(0), io.input(1), io.input(2), io.input(3));
        let (time, c) = (io.shape(1).0[1].size, io.out_shape().0[2].size);
        let width = c / self.heads;
        let scale = T::from_f64(1.0 / (width as f64).sqrt());
        for row in io.part(io.out_shape().0[0].at(io.batch())) {
            let own = &qkv[row * 3 * c..(row + 1) * 3 * c];
            let before = (0..time).rev().find(|at| seen[row * time + at] != T::ZERO).map_or(0, |at| at + 1);
            // SAFETY: the scratch memory has `time + 1` numbers a row, the output `c`; members take disjoint rows.
            let (scores, y) = unsafe {
                let start = io.scratch_start().add(row * (time + 1));
                (std::slice::from_raw_parts_mut(start, before + 1), io.output(row * c..(row + 1) * c))
            };
            for head in 0..self.heads {
                let part = head * width..(head + 1) * width;
                let kept = |at: usize, value: usize| {
                    let start = (row * time + at) * 2 * c + value * c + part.start;
                    &cache[start..start + width]
                };
                let hidden = |at: usize| if at < before { seen[row * time + at] } else { counts[row] } == T::ZERO;
                if (0..=before).all(hidden) {
                    y[part].fill(T::ZERO);
                    continue;
                }
                let q = &own[part.clone()];
                for (at, score) in scores.iter_mut().enumerate() {
                    let k = if at < before {
                        kept(at, 0)
                    } else {
                        &own[c + part.start..c + part.end]
                    };
                    *score = if hidden(at) { -T::INFINITY } else { dot(q, k) * scale };
                }
                let start = scores.as_mut_ptr();
                // SAFETY: one row of `before + 1` scores, in place.
                unsafe { softmax::softmax_at(before + 1, 1, start, start) };
                let y = &mut y[part.clone()];
                y.fill(T::ZERO);
                for (at, &weight) in scores.iter().enumerate() {
                    let v = if at < before {
                        kept(at, 1)
                    } else {
                        &own[2 * c + part.start..2 * c + part.end]
                    };
                    y.iter_mut().zip(v).for_each(|(y, &v)| *y = weight.mul_add(v, *y));
                }
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let of = |heads, batch: i64, time: i64, c: i64| {
            let shapes: [&[i64]; 4] = [&[batch, 1, 3 * c], &[batch, time, 2 * c], &[batch, time], &[batch, 1]];
            Sample::new(AttentionStep { heads }, &shapes).indices(2, 2).indices(3, 2)
        };
        vec![of(2, -1, 5, 6), of(1, 1, 1, 1), of(1, 0, 2, 4), of(4, 3, 20, 32)]
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |heads, qkv: [i64; 3], width: i64, seen: i64, counts: i64| {
            let shapes: [&[i64]; 4] = [&qkv, &[-1, 4, width], &[-1, seen], &[-1, counts]];
            Sample::new(AttentionStep { heads }, &shapes)
        };
        vec![
            with(2, [-1, 1, 9], 6, 4, 1),
            with(1, [-1, 2, 9], 6, 4, 1),
            with(1, [-1, 1, 9], 9, 4, 1),
            with(1, [-1, 1, 9], 6, 3, 1),
            with(1, [-1, 1, 9], 6, 4, 4),
            with(0, [-1, 1, 9], 6, 4, 1),
        ]
    }
}
