//! Scaled dot-product attention over heads. Queries, keys and values packed, [batch, time, 3·c] → [batch, time, c]: softmax(Q·Kᵀ/√d)·V
//! with d = c/heads. The formulas are at the kernel, [`nabla_kernels::attention`]. With `masked` a mask [batch, time] is a second input: keys
//! where it is 0 are seen by nobody, and a query that sees no key gives 0. `dropout` of the weights is for training: the pass `mode`
//! leaves it out, or writes attention out with it.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::attention::{self, Inputs};
use serde::{Deserialize, Serialize};

use super::dropout::{Dropout, Kind};
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

/// Attention, without or with a mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Attention {
    /// Heads; they divide the channels.
    pub heads: usize,
    /// Does a position see only itself and what is before it?
    pub causal: bool,
    /// Share of the weights that is dropped in training, in [0, 1).
    pub dropout: f64,
    /// Is there a mask?
    pub masked: bool,
}

impl Default for Attention {
    fn default() -> Self {
        Attention {
            heads: 1,
            causal: false,
            dropout: 0.0,
            masked: false,
        }
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

/// A mask has a number for each step.
fn expect_mask(name: &str, qkv: &Shape, mask: &Shape) -> Result<()> {
    if mask.0 == qkv.0[..2] {
        return Ok(());
    }
    Err(Error::new(Code::ShapeMismatch, format!("{name}: a mask {mask} does not fit {qkv}"))
        .expected("a mask [batch, time]")
        .received(mask.to_string()))
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

impl Attention {
    /// In simpler operators; in training with the dropout of its weights.
    pub fn written_out(&self, b: &mut Builder, inputs: &[Id], training: bool) -> Result<Id> {
        let shape = b.shape(inputs[0]).clone();
        let a = sizes(Self::NAMES[0], self.heads, self.causal, &shape)?;
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
        let mut keys = None;
        if let Some(&mask) = inputs.get(1) {
            let one = Dim::fixed(1);
            let mask = b.reshape(mask, Shape(vec![shape.0[0], one, one, shape.0[1]]))?;
            let (one, never) = (b.scalar(1.0), b.scalar(-NEVER));
            let hidden = b.binary(BinaryKind::Subtract, mask, one)?;
            let hidden = b.binary(BinaryKind::Multiply, hidden, never)?;
            scores = b.binary(BinaryKind::Add, scores, hidden)?;
            keys = Some(mask);
        }
        let mut p = b.apply(Softmax.into(), &[scores])?;
        if let Some(keys) = keys {
            // What sees nothing has weights all alike so far.
            p = b.binary(BinaryKind::Multiply, p, keys)?;
            if self.causal {
                p = b.apply(LowerTriangle { value: 0.0 }.into(), &[p])?;
            }
        }
        if training && self.dropout > 0.0 {
            let dropout = Dropout {
                rate: self.dropout,
                kind: Kind::Element,
            };
            p = b.apply(dropout.into(), &[p])?;
        }
        let y = b.apply(Matmul::default().into(), &[p, parts[2]])?;
        let y = b.apply(turn.into(), &[y])?;
        b.reshape(y, output(&shape, a.channels))
    }
}

impl Op for Attention {
    const NAMES: &'static [&'static str] = &["attention"];
    const HINT: &'static str =
        "queries, keys and values are packed in [batch, time, 3·channels] with at least one step; heads divide the channels.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn inputs(&self) -> usize {
        1 + usize::from(self.masked)
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let a = sizes(self.name(), self.heads, self.causal, x[0])?;
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::option("dropout", "in [0, 1)", self.dropout));
        }
        if self.masked {
            expect_mask(self.name(), x[0], x[1])?;
        }
        Ok(output(x[0], a.channels))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let op = AttentionGradient {
            heads: self.heads,
            causal: self.causal,
            masked: self.masked,
        };
        let mut inputs = vec![at.inputs[0], at.dy];
        inputs.extend(&at.inputs[1..]);
        let mut all = vec![None; at.inputs.len()];
        all[0] = Some(b.apply(op.into(), &inputs)?);
        Ok(all)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        Some(self.written_out(b, inputs, false))
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
        let x = Inputs {
            qkv: io.input(0).as_ptr(),
            mask: self.masked.then(|| io.input(1).as_ptr()),
        };
        let y = io.output_start();
        share(io, self.heads, a.forward_scratch().next_multiple_of(16), |row, head, scratch| {
            // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint heads.
            unsafe { attention::forward(&a, (row, head), &x, y, scratch) }
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
                let dropout = if causal { 0.5 } else { 0.0 };
                let with = |masked| Attention {
                    heads,
                    causal,
                    dropout,
                    masked,
                };
                let shape = [batch, time, 3 * heads as i64 * width];
                all.push(Sample::new(with(false), &[&shape]));
                all.push(Sample::new(with(true), &[&shape, &shape[..2]]).indices(1, 2));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |heads, dropout, masked| Attention {
            heads,
            causal: false,
            dropout,
            masked,
        };
        vec![
            Sample::new(with(2, 0.0, false), &[&[-1, 4, 9]]),
            Sample::new(with(1, 0.0, false), &[&[-1, 4, 8]]),
            Sample::new(with(0, 0.0, false), &[&[-1, 4, 9]]),
            Sample::new(with(1, 0.0, false), &[&[-1, 9]]),
            Sample::new(with(1, 0.0, false), &[&[-1, 0, 9]]),
            Sample::new(with(1, 1.0, false), &[&[-1, 4, 9]]),
            Sample::new(with(1, 0.0, true), &[&[-1, 4, 9], &[-1, 3]]),
        ]
    }
}

/// Its gradient: queries, keys and values, dy [batch, time, c], the mask if there is one → [batch, time, 3·c].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AttentionGradient {
    /// As forwards.
    pub heads: usize,
    /// As forwards.
    pub causal: bool,
    /// As forwards.
    pub masked: bool,
}

impl Default for AttentionGradient {
    fn default() -> Self {
        AttentionGradient {
            heads: 1,
            causal: false,
            masked: false,
        }
    }
}

impl Op for AttentionGradient {
    const NAMES: &'static [&'static str] = &["attentionGradient"];
    const HINT: &'static str = "queries, keys and values are [batch, time, 3·channels], the gradient [batch, time, channels].";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn inputs(&self) -> usize {
        2 + usize::from(self.masked)
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let a = sizes(self.name(), self.heads, self.causal, x[0])?;
        let expected = output(x[0], a.channels);
        if *x[1] != expected {
            return Err(
                Error::new(Code::ShapeMismatch, format!("{}: dy {} does not fit {}", self.name(), x[1], x[0]))
                    .expected(expected.to_string())
                    .received(x[1].to_string()),
            );
        }
        if self.masked {
            expect_mask(self.name(), x[0], x[2])?;
        }
        Ok(x[0].clone())
    }

    /// Through the decomposition.
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let attention = Attention {
            heads: self.heads,
            causal: self.causal,
            dropout: 0.0,
            masked: self.masked,
        };
        let mut inputs = vec![at.inputs[0]];
        inputs.extend(&at.inputs[2..]);
        let y = attention.written_out(b, &inputs, false)?;
        let mut all = of_gradient(b, y, at.inputs[0], at.inputs[1], at.dy)?;
        all.resize(at.inputs.len(), None);
        Ok(all)
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
        let x = Inputs {
            qkv: io.input(0).as_ptr(),
            mask: self.masked.then(|| io.input(2).as_ptr()),
        };
        let (dy, out) = (io.input(1).as_ptr(), io.output_start());
        share(io, self.heads, a.backward_scratch().next_multiple_of(16), |row, head, scratch| {
            // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint heads.
            unsafe { attention::backward(&a, (row, head), &x, dy, out, scratch) }
        });
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, heads, width) in [(-1i64, 5i64, 2usize, 3i64), (1, 1, 1, 1), (2, 70, 1, 17)] {
            for causal in [false, true] {
                let channels = heads as i64 * width;
                let with = |masked| AttentionGradient { heads, causal, masked };
                let (qkv, dy) = ([batch, time, 3 * channels], [batch, time, channels]);
                all.push(Sample::new(with(false), &[&qkv, &dy]));
                all.push(Sample::new(with(true), &[&qkv, &dy, &qkv[..2]]).indices(2, 2));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |heads, masked| AttentionGradient {
            heads,
            causal: false,
            masked,
        };
        vec![
            Sample::new(with(1, false), &[&[-1, 4, 9], &[-1, 4, 9]]),
            Sample::new(with(2, false), &[&[-1, 4, 9], &[-1, 4, 3]]),
            Sample::new(with(1, true), &[&[-1, 4, 9], &[-1, 4, 3], &[-1, 4, 3]]),
        ]
    }
}
