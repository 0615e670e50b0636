//! Scaled dot-product attention over heads. Queries, keys and values packed, [batch, time, 3·c] → [batch, time, c]: softmax(Q·Kᵀ/√d)·V
//! with d = c/heads. The formulas are at the kernel, [`nabla_kernels::attention`].

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Real, attention};
use serde::{Deserialize, Serialize};

use super::elementwise::BinaryKind;
use super::matmul::Matmul;
use super::slice::slice;
use super::softmax::Softmax;
use super::transpose::Transpose;
use super::triangle::LowerTriangle;
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::ir::Id;
use crate::passes::differentiate::of_gradient;
use crate::shape::{Dim, Shape};

/// Parts of the scratch memory: more members than that take no share.
const SLOTS: usize = 16;

/// What stands for −∞ before a softmax: finite, so that the check for finite values passes.
const NEVER: f64 = -1e30;

/// Attention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Attention {
    /// Heads; they divide the channels.
    pub heads: usize,
    /// Does a position see only itself and what is before it?
    pub causal: bool,
}

impl Default for Attention {
    fn default() -> Attention {
        Attention { heads: 1, causal: false }
    }
}

fn sizes(name: &str, heads: usize, causal: bool, qkv: &Shape) -> Result<attention::Attention> {
    let fits = qkv.rank() == 3 && !qkv.0[1].batch && qkv.0[1].size > 0 && !qkv.0[2].batch;
    let packed = if fits { qkv.0[2].size } else { 0 };
    if packed == 0 || heads == 0 || !packed.is_multiple_of(3) || !(packed / 3).is_multiple_of(heads) {
        return Err(Error::new(
            Code::ShapeMismatch,
            format!("{name}: {heads} heads do not share queries, keys and values {qkv}"),
        )
        .expected("[batch, time, 3·channels] with channels a multiple of the heads")
        .received(format!("{qkv}, {heads} heads")));
    }
    Ok(attention::Attention {
        time: qkv.0[1].size,
        channels: packed / 3,
        heads,
        causal,
    })
}

fn output(qkv: &Shape, channels: usize) -> Shape {
    Shape(vec![qkv.0[0], qkv.0[1], Dim::fixed(channels)])
}

/// Hands each head of each row to one member, with scratch memory of its own.
fn share<T: Real>(io: &Io<T>, heads: usize, scratch: usize, run: impl Fn(usize, usize, *mut T)) {
    let units = io.shape(0).0[0].at(io.batch()) * heads;
    let slots = io.part(SLOTS);
    // SAFETY: the scratch memory has `SLOTS` parts of this size; members own disjoint ones.
    let own = unsafe { io.scratch_start().add(slots.start * scratch) };
    for unit in slots.start * units / SLOTS..slots.end * units / SLOTS {
        run(unit / heads, unit % heads, own);
    }
}

impl Op for Attention {
    const NAMES: &'static [&'static str] = &["attention"];
    const HINT: &'static str =
        "queries, keys and values are packed in [batch, time, 3·channels] with at least one step; heads divide the channels.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let a = sizes("attention", self.heads, self.causal, x[0])?;
        Ok(output(x[0], a.channels))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let op = AttentionGradient {
            heads: self.heads,
            causal: self.causal,
        };
        Ok(vec![Some(b.apply(op.into(), &[at.inputs[0], at.dy])?)])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let shape = b.shape(inputs[0]).clone();
            let a = sizes("attention", self.heads, self.causal, &shape)?;
            let width = a.channels / a.heads;
            let turn = Transpose {
                axes: Some(vec![0, 2, 1, 3]),
            };
            let mut parts = Vec::new();
            for i in 0..3 {
                let part = slice(b, inputs[0], 2, i * a.channels, (i + 1) * a.channels)?;
                let split = b.reshape(part, Shape(vec![shape.0[0], shape.0[1], Dim::fixed(a.heads), Dim::fixed(width)]))?;
                parts.push(b.apply(turn.clone().into(), &[split])?);
            }
            let product = Matmul {
                transpose_a: false,
                transpose_b: true,
            };
            let scores = b.apply(product.into(), &parts[..2])?;
            let root = b.scalar(1.0 / (width as f64).sqrt());
            let mut scores = b.binary(BinaryKind::Multiply, scores, root)?;
            if self.causal {
                scores = b.apply(LowerTriangle { value: NEVER }.into(), &[scores])?;
            }
            let p = b.apply(Softmax.into(), &[scores])?;
            let y = b.apply(Matmul::default().into(), &[p, parts[2]])?;
            let y = b.apply(turn.into(), &[y])?;
            b.reshape(y, output(&shape, a.channels))
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        sizes("attention", self.heads, self.causal, x[0]).map_or(0, |a| SLOTS * a.forward_scratch().next_multiple_of(16))
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        x[0].elements(batch) / 3 * x[0].0[1].size * 5
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let Ok(a) = sizes("attention", self.heads, self.causal, io.shape(0)) else {
            return;
        };
        let (qkv, y) = (io.input(0).as_ptr(), io.output_start());
        share(io, self.heads, a.forward_scratch().next_multiple_of(16), |row, head, scratch| {
            // SAFETY: input, output and scratch have the sizes that the shapes say; members take disjoint heads.
            unsafe { attention::forward(&a, row, head, qkv, y, scratch) }
        });
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, heads, width) in [
            (-1i64, 5i64, 2usize, 3i64),
            (1, 1, 1, 1),
            (2, 70, 1, 17),
            (0, 2, 1, 2),
            (2, 130, 2, 4),
        ] {
            for causal in [false, true] {
                let shape = [batch, time, 3 * heads as i64 * width];
                all.push(Sample::new(Attention { heads, causal }, &[&shape]));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |heads| Attention { heads, causal: false };
        vec![
            Sample::new(with(2), &[&[-1, 4, 9]]),
            Sample::new(with(1), &[&[-1, 4, 8]]),
            Sample::new(with(0), &[&[-1, 4, 9]]),
            Sample::new(with(1), &[&[-1, 9]]),
            Sample::new(with(1), &[&[-1, 0, 9]]),
        ]
    }
}

/// Its gradient: queries, keys and values, dy [batch, time, c] → [batch, time, 3·c].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AttentionGradient {
    /// As forwards.
    pub heads: usize,
    /// As forwards.
    pub causal: bool,
}

impl Default for AttentionGradient {
    fn default() -> AttentionGradient {
        AttentionGradient { heads: 1, causal: false }
    }
}

impl Op for AttentionGradient {
    const NAMES: &'static [&'static str] = &["attentionGradient"];
    const HINT: &'static str = "queries, keys and values are [batch, time, 3·channels], the gradient [batch, time, channels].";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let a = sizes("attentionGradient", self.heads, self.causal, x[0])?;
        let expected = output(x[0], a.channels);
        if *x[1] != expected {
            return Err(
                Error::new(Code::ShapeMismatch, format!("attentionGradient: dy {} does not fit {}", x[1], x[0]))
                    .expected(expected.to_string())
                    .received(x[1].to_string()),
            );
        }
        Ok(x[0].clone())
    }

    /// Through the decomposition.
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let attention = Attention {
            heads: self.heads,
            causal: self.causal,
        };
        match attention.decompose(b, &at.inputs[..1]) {
            Some(y) => of_gradient(b, y?, at.inputs[0], at.inputs[1], at.dy),
            None => Err(Error::internal("attention has a decomposition")),
        }
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        sizes("attentionGradient", self.heads, self.causal, x[0]).map_or(0, |a| SLOTS * a.backward_scratch().next_multiple_of(16))
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        x[0].elements(batch) / 3 * x[0].0[1].size * 12
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let Ok(a) = sizes("attentionGradient", self.heads, self.causal, io.shape(0)) else {
            return;
        };
        let (qkv, dy, out) = (io.input(0).as_ptr(), io.input(1).as_ptr(), io.output_start());
        share(io, self.heads, a.backward_scratch().next_multiple_of(16), |row, head, scratch| {
            // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint heads.
            unsafe { attention::backward(&a, row, head, qkv, dy, out, scratch) }
        });
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, heads, width) in [(-1i64, 5i64, 2usize, 3i64), (1, 1, 1, 1), (2, 70, 1, 17)] {
            for causal in [false, true] {
                let channels = heads as i64 * width;
                let shapes: [&[i64]; 2] = [&[batch, time, 3 * channels], &[batch, time, channels]];
                all.push(Sample::new(AttentionGradient { heads, causal }, &shapes));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |heads| AttentionGradient { heads, causal: false };
        vec![
            Sample::new(with(1), &[&[-1, 4, 9], &[-1, 4, 9]]),
            Sample::new(with(2), &[&[-1, 4, 9], &[-1, 4, 3]]),
        ]
    }
}
