//! Pooling over one to three axes, channels last: the largest value or the mean of each window.
//!
//! Shapes: [n, size…, c] → [n, out…, c], out = ⌊(size + before + after − window)/stride⌋ + 1. Padding is never the largest value and is
//! not counted in a mean. The gradient of a maximum goes to the first largest element of its window, as in PyTorch.

use std::ops::Range;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::pool::{self, Pooling, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::max_pool_pick::MaxPoolPick;
use super::{At, Gradients, Io, Op, Sample, attribute_error, attributes_by_serde};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::BinaryKind;
use crate::shape::{Dim, Shape};

/// What is taken of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest.
    #[default]
    Max,
    /// The mean.
    Average,
}

/// Pooling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// Max or average: the operator's name.
    #[serde(skip)]
    pub kind: PoolKind,
    /// The window, one size an axis.
    pub window: Vec<usize>,
    /// From a window to the next, one an axis; empty: side by side.
    pub stride: Vec<usize>,
    /// Before and after, two an axis; empty: none.
    pub padding: Vec<usize>,
}

const LARGEST: usize = 1 << 20;

impl Pool {
    fn spans(&self, sizes: &[Dim], channels: Dim) -> Result<Pooling> {
        let rank = sizes.len();
        let wrong = |message: String| Error::new(Code::ShapeMismatch, message);
        let fits = |list: &[usize], count: usize, low: usize| list.len() == count && list.iter().all(|n| (low..=LARGEST).contains(n));
        if !(1..=3).contains(&rank) || sizes.iter().chain([&channels]).any(|d| d.batch) {
            return Err(wrong("pooling takes one to three axes between batch and channels".to_owned()));
        }
        let list = |name: &str, expected: &str, got: &[usize]| Err(Error::option(name, expected, format!("{got:?}")));
        if !fits(&self.window, rank, 1) {
            return list("size", "one whole number of at least 1 for each axis", &self.window);
        }
        if !self.stride.is_empty() && !fits(&self.stride, rank, 1) {
            return list("stride", "one whole number of at least 1 for each axis", &self.stride);
        }
        if !self.padding.is_empty() && !fits(&self.padding, 2 * rank, 0) {
            return list("padding", "two whole numbers of at least 0 for each axis", &self.padding);
        }
        let one = Span {
            size: 1,
            out: 1,
            window: 1,
            stride: 1,
            before: 0,
        };
        let mut spans = [one; 3];
        for i in 0..rank {
            let (size, window) = (sizes[i].size, self.window[i]);
            let stride = self.stride.get(i).copied().unwrap_or(window);
            let at = |index: usize| self.padding.get(index).copied().unwrap_or(0);
            let (before, after) = (at(2 * i), at(2 * i + 1));
            let padded = size + before + after;
            if padded < window {
                return Err(wrong(format!("a window of {window} does not fit in size {size}"))
                    .expected(format!("at most {padded}"))
                    .received(window.to_string()));
            }
            let out = (padded - window) / stride + 1;
            // Each window must hold something: the first and the last are the emptiest.
            if before >= window || (out - 1) * stride >= before + size {
                return Err(Error::option("padding", "less than the window", format!("{before} and {after}")));
            }
            spans[3 - rank + i] = Span {
                size,
                out,
                window,
                stride,
                before,
            };
        }
        Ok(Pooling {
            spans,
            channels: channels.size,
        })
    }

    pub(super) fn forward(&self, x: &Shape) -> Result<Pooling> {
        let rank = x.rank();
        if rank < 3 {
            return Err(Error::new(Code::ShapeMismatch, format!("{x} has no axes to pool over"))
                .expected("[batch, size…, channels]")
                .received(x.to_string()));
        }
        self.spans(&x.0[1..rank - 1], x.0[rank - 1])
    }

    pub(super) fn out_shape(&self, x: &Shape) -> Result<Shape> {
        let g = self.forward(x)?;
        let rank = x.rank() - 2;
        let outs = g.spans[3 - rank..].iter().map(|s| Dim::fixed(s.out));
        Ok(Shape([x.0[0]].into_iter().chain(outs).chain([x.0[rank + 1]]).collect()))
    }

    pub(super) fn of(kind: PoolKind, window: &[usize], stride: &[usize], padding: &[usize]) -> Pool {
        Pool {
            kind,
            window: window.to_vec(),
            stride: stride.to_vec(),
            padding: padding.to_vec(),
        }
    }
}

/// The windows' parts that lie inside.
pub(super) fn window(g: &Pooling, out: usize) -> [Range<usize>; 3] {
    let [s0, s1, s2] = &g.spans;
    let (rest, o2) = (out / s2.out, out % s2.out);
    let (o0, o1) = (rest / s1.out, rest % s1.out);
    [s0.inside(o0), s1.inside(o1), s2.inside(o2)]
}

/// Each pixel of a window in order.
#[inline(always)]
pub(super) fn each(g: &Pooling, window: &[Range<usize>; 3], mut f: impl FnMut(usize)) {
    let [_, s1, s2] = &g.spans;
    for i0 in window[0].clone() {
        for i1 in window[1].clone() {
            for i2 in window[2].clone() {
                f((i0 * s1.size + i1) * s2.size + i2);
            }
        }
    }
}

fn count(window: &[Range<usize>; 3]) -> usize {
    window.iter().map(ExactSizeIterator::len).product()
}

impl Op for Pool {
    const NAMES: &'static [&'static str] = &["maxPool", "averagePool"];
    const HINT: &'static str = "x is [batch, size…, channels] with one to three sizes, at least as large as the window; pad, use a smaller window, or pool less often before.";
    const INPUTS: usize = 1;

    fn name(&self) -> &'static str {
        Self::NAMES[usize::from(self.kind == PoolKind::Average)]
    }

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        let attributes = if attributes.is_null() { serde_json::json!({}) } else { attributes };
        let mut op: Pool = serde_json::from_value(attributes).map_err(|e| attribute_error(name, &e))?;
        op.kind = if name == "maxPool" { PoolKind::Max } else { PoolKind::Average };
        Ok(op)
    }

    fn attributes(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        self.out_shape(x[0])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let pool = Pool {
            kind: PoolKind::Max,
            ..self.clone()
        };
        let dx = match self.kind {
            PoolKind::Max => b.apply(MaxPoolGradient { pool, relu: false }.into(), &[at.inputs[0], at.dy])?,
            PoolKind::Average => {
                let x = b.shape(at.inputs[0]);
                let size = x.0[1..x.rank() - 1].iter().map(|d| d.size).collect();
                b.apply(AveragePoolGradient { pool, size }.into(), &[at.dy])?
            }
        };
        Ok(vec![Some(dx)])
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        4 * x[0].elements(batch) + 4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (Ok(g), false) = (self.forward(io.shape(0)), io.is_empty()) else {
            return;
        };
        let (x, c, outs) = (io.input(0), g.channels, g.outs());
        if self.kind == PoolKind::Max {
            let line = g.spans[2].out * c;
            let lines = io.part(io.len() / line);
            // SAFETY: members take disjoint lines.
            let y = unsafe { io.output(lines.start * line..lines.end * line) };
            pool::max(&g, x, lines, y);
            return;
        }
        for row in io.part(io.len() / c) {
            // SAFETY: members take disjoint rows.
            let y = unsafe { io.output(row * c..(row + 1) * c) };
            let x = &x[row / outs * g.pixels() * c..];
            let window = window(&g, row % outs);
            y.fill(T::ZERO);
            each(&g, &window, |i| {
                y.iter_mut().zip(&x[i * c..(i + 1) * c]).for_each(|(y, &x)| *y += x)
            });
            let share = T::ONE / T::from_f64(count(&window) as f64);
            y.iter_mut().for_each(|y| *y *= share);
        }
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for kind in [PoolKind::Max, PoolKind::Average] {
            all.extend(cases(kind).into_iter().map(|(pool, x)| Sample::new(pool, &[&x])));
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let of = |window: &[usize], stride: &[usize], padding: &[usize]| Pool::of(PoolKind::Max, window, stride, padding);
        vec![
            Sample::new(of(&[2], &[], &[]), &[&[-1, 5]]),
            Sample::new(of(&[2], &[], &[]), &[&[-1, 5, 5, 2]]),
            Sample::new(of(&[6], &[], &[]), &[&[-1, 5, 2]]),
            Sample::new(of(&[0], &[], &[]), &[&[-1, 5, 2]]),
            Sample::new(of(&[2], &[0], &[]), &[&[-1, 5, 2]]),
            Sample::new(of(&[2], &[], &[2, 0]), &[&[-1, 5, 2]]),
            Sample::new(of(&[2], &[1], &[0, 2]), &[&[-1, 5, 2]]),
            Sample::new(of(&[2], &[], &[1]), &[&[-1, 5, 2]]),
        ]
    }
}

pub(super) fn cases(kind: PoolKind) -> Vec<(Pool, Vec<i64>)> {
    let of = |window: &[usize], stride: &[usize], padding: &[usize]| Pool::of(kind, window, stride, padding);
    vec![
        (of(&[2], &[], &[]), vec![-1, 7, 3]),
        (of(&[3], &[1], &[1, 1]), vec![2, 5, 17]),
        (of(&[2, 2], &[], &[]), vec![-1, 4, 6, 2]),
        (of(&[3, 2], &[2, 1], &[1, 1, 0, 1]), vec![-1, 5, 4, 3]),
        (of(&[2, 2, 2], &[1, 2, 2], &[]), vec![2, 3, 4, 4, 2]),
        (of(&[1, 1], &[], &[]), vec![1, 1, 1, 1]),
        (of(&[2, 2], &[], &[]), vec![0, 4, 4, 2]),
    ]
}

/// Where a maximum's gradient goes: dy of each window to its first largest element of x. Inputs x and dy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct MaxPoolGradient {
    /// The pooling.
    pub pool: Pool,
    /// x is what a ReLU gave, and the gradient goes on through it: to elements above 0 only. Made by the fusion pass.
    pub relu: bool,
}

/// A member's images: windows may overlap, so an image is one member's.
pub(super) fn images<T>(io: &Io<T>, g: &Pooling) -> Range<usize> {
    io.part(io.len() / (g.pixels() * g.channels))
}

impl Op for MaxPoolGradient {
    const NAMES: &'static [&'static str] = &["maxPoolGradient"];
    const HINT: &'static str = "x is [batch, size…, channels], the gradient has the shape of the pooled values.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let y = self.pool.out_shape(x[0])?;
        if y != *x[1] {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("a gradient of shape {} for a pooled shape {y}", x[1]),
            ));
        }
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let passed = if self.relu {
            b.binary(BinaryKind::ReluGradient, at.inputs[0], at.dy)?
        } else {
            at.dy
        };
        let dy = b.apply(MaxPoolPick(self.pool.clone()).into(), &[at.inputs[0], passed])?;
        Ok(vec![None, Some(dy)])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        if !self.relu {
            return None;
        }
        let pool = self.pool.clone();
        let plain = b.apply(MaxPoolGradient { pool, relu: false }.into(), inputs);
        Some(plain.and_then(|dx| b.binary(BinaryKind::ReluGradient, inputs[0], dx)))
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        8 * x[0].elements(batch) + 4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (Ok(g), false) = (self.pool.forward(io.shape(0)), io.is_empty()) else {
            return;
        };
        let (pixels, outs) = (g.pixels() * g.channels, g.outs() * g.channels);
        let part = images(io, &g);
        let (x, dy) = (
            &io.input(0)[part.start * pixels..part.end * pixels],
            &io.input(1)[part.start * outs..part.end * outs],
        );
        // SAFETY: members take disjoint images.
        let dx = unsafe { io.output(part.start * pixels..part.end * pixels) };
        pool::max_gradient(&g, x, dy, dx, self.relu);
    }

    fn samples() -> Vec<Sample> {
        let sample = |relu: bool| {
            move |(pool, x): (Pool, Vec<i64>)| {
                let y: Vec<i64> = pool.out_shape(&x.clone().into()).map(Vec::from).unwrap_or_default();
                Sample::new(MaxPoolGradient { pool, relu }, &[&x, &y])
            }
        };
        let all = [false, true].map(|relu| cases(PoolKind::Max).into_iter().map(sample(relu)));
        all.into_iter().flatten().collect()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(
            MaxPoolGradient {
                pool: Pool::of(PoolKind::Max, &[2], &[], &[]),
                relu: false,
            },
            &[&[-1, 6, 2], &[-1, 4, 2]],
        )]
    }
}

/// The adjoint of `averagePool`: dy of each window in equal shares to its elements. `size` are the sizes of the pooled value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AveragePoolGradient {
    /// The pooling.
    pub pool: Pool,
    /// Sizes before pooling.
    pub size: Vec<usize>,
}

impl AveragePoolGradient {
    fn before(&self, y: &Shape) -> Result<Shape> {
        if y.rank() < 3 || y.rank() != self.size.len() + 2 {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{y} is not a pooled value of {} axes", self.size.len()),
            )
            .expected("[batch, out…, channels]")
            .received(y.to_string()));
        }
        let sizes = self.size.iter().map(|&n| Dim::fixed(n));
        let x = Shape([y.0[0]].into_iter().chain(sizes).chain([y.0[y.rank() - 1]]).collect());
        if self.pool.out_shape(&x)? != *y {
            return Err(Error::new(Code::ShapeMismatch, format!("{x} is not pooled to {y}")));
        }
        Ok(x)
    }
}

impl Op for AveragePoolGradient {
    const NAMES: &'static [&'static str] = &["averagePoolGradient"];
    const HINT: &'static str = "the gradient has the shape of the pooled values, [batch, out…, channels].";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        self.before(x[0])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let pool = Pool {
            kind: PoolKind::Average,
            ..self.pool.clone()
        };
        Ok(vec![Some(b.apply(pool.into(), &[at.dy])?)])
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        4 * x[0].elements(batch) + 4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (Ok(g), false) = (self.pool.forward(io.out_shape()), io.is_empty()) else {
            return;
        };
        let (dy, c, outs) = (io.input(0), g.channels, g.outs());
        let size = g.pixels() * c;
        for image in images(io, &g) {
            // SAFETY: members take disjoint images.
            let dx = unsafe { io.output(image * size..(image + 1) * size) };
            dx.fill(T::ZERO);
            for out in 0..outs {
                let window = window(&g, out);
                let share = T::ONE / T::from_f64(count(&window) as f64);
                let dy = &dy[(image * outs + out) * c..(image * outs + out + 1) * c];
                each(&g, &window, |i| {
                    dx[i * c..(i + 1) * c].iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy * share);
                });
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let sample = |(pool, x): (Pool, Vec<i64>)| {
            let shape: Shape = x.clone().into();
            let y: Vec<i64> = pool.out_shape(&shape).map(Vec::from).unwrap_or_default();
            let size = shape.0[1..x.len() - 1].iter().map(|d| d.size).collect();
            Sample::new(AveragePoolGradient { pool, size }, &[&y])
        };
        cases(PoolKind::Max).into_iter().map(sample).collect()
    }

    fn bad_samples() -> Vec<Sample> {
        let of = |size: &[usize]| AveragePoolGradient {
            pool: Pool::of(PoolKind::Max, &[2], &[], &[]),
            size: size.to_vec(),
        };
        vec![Sample::new(of(&[6]), &[&[-1, 4, 2]]), Sample::new(of(&[6, 6]), &[&[-1, 3, 2]])]
    }
}
