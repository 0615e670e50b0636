//! softmax and its logarithm along the last axis: yᵢ = exp(xᵢ − max x) / Σⱼ exp(xⱼ − max x). Shapes: [.., n] → [.., n], n ≥ 1.
//! softmax: dx = y ⊙ (dy − Σ dy ⊙ y). log-softmax: dx = dy − exp(y)·Σ dy. Both need y only.

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Real, softmax};
use serde_json::Value;

use super::{At, Gradients, Io, Op, Sample, no_attributes};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::ops::reduce::{Reduce, ReduceKind};
use crate::shape::Shape;

fn shape_rule(name: &str, x: &Shape) -> Result<Shape> {
    if x.rank() == 0 || x.0[x.rank() - 1].size == 0 || x.0[x.rank() - 1].batch {
        return Err(Error::new(
            Code::ShapeMismatch,
            format!("{name} needs a last axis of at least one element, got {x}"),
        ));
    }
    Ok(x.clone())
}

fn samples(op: impl Fn() -> super::Operator) -> Vec<Sample> {
    let shapes: [&[i64]; 5] = [&[3, 5], &[1, 1], &[2, 0, 4], &[-1, 37], &[7]];
    let mut all: Vec<Sample> = shapes.iter().map(|s| Sample::new(op(), &[s])).collect();
    all.push(Sample::new(op(), &[&[2, 9]]).within(-80.0, 80.0));
    all
}

/// x − max x, its exponentials and their sum, in simpler operators.
fn parts(b: &mut Builder, inputs: &[Id]) -> Result<(Id, Id, Id)> {
    let last = b.shape(inputs[0]).rank() - 1;
    let max = Reduce {
        kind: ReduceKind::Max,
        axes: Some(vec![-1]),
        keep_dims: true,
    };
    let top = b.apply(max.into(), inputs)?;
    let centred = b.binary(BinaryKind::Subtract, inputs[0], top)?;
    let exponentials = b.unary(UnaryKind::Exp, centred)?;
    let total = b.sum(exponentials, &[last], true)?;
    Ok((centred, exponentials, total))
}

fn run_rows<T: Real>(io: &Io<T>, kernel: fn(usize, &[T], &mut [T])) {
    let last = io.out_shape().last(io.batch());
    let part = io.part(io.len() / last.max(1));
    let range = part.start * last..part.end * last;
    // SAFETY: members take disjoint rows.
    kernel(last, &io.input(0)[range.clone()], unsafe { io.output(range) });
}

/// softmax
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Softmax;

impl Op for Softmax {
    const NAMES: &'static [&'static str] = &["softmax"];
    const HINT: &'static str = "x is […, n] with n of at least 1.";
    const INPUTS: usize = 1;

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| Softmax)
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        shape_rule("softmax", x[0])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let last = b.shape(at.y).rank() - 1;
        let weighted = b.binary(BinaryKind::Multiply, at.dy, at.y)?;
        let total = b.sum(weighted, &[last], true)?;
        let centred = b.binary(BinaryKind::Subtract, at.dy, total)?;
        Ok(vec![Some(b.binary(BinaryKind::Multiply, at.y, centred)?)])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let (_, e, total) = parts(b, inputs)?;
            b.binary(BinaryKind::Divide, e, total)
        };
        Some(build())
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        30 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        run_rows(io, softmax::softmax);
    }

    fn samples() -> Vec<Sample> {
        samples(|| Softmax.into())
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(Softmax, &[&[]]), Sample::new(Softmax, &[&[3, 0]])]
    }
}

/// log softmax
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogSoftmax;

impl Op for LogSoftmax {
    const NAMES: &'static [&'static str] = &["logSoftmax"];
    const HINT: &'static str = "x is […, n] with n of at least 1.";
    const INPUTS: usize = 1;

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| LogSoftmax)
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        shape_rule("logSoftmax", x[0])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let last = b.shape(at.y).rank() - 1;
        let total = b.sum(at.dy, &[last], true)?;
        let p = b.unary(UnaryKind::Exp, at.y)?;
        let share = b.binary(BinaryKind::Multiply, p, total)?;
        Ok(vec![Some(b.binary(BinaryKind::Subtract, at.dy, share)?)])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let (centred, _, total) = parts(b, inputs)?;
            let log = b.unary(UnaryKind::Log, total)?;
            b.binary(BinaryKind::Subtract, centred, log)
        };
        Some(build())
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        30 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        run_rows(io, softmax::log_softmax);
    }

    fn samples() -> Vec<Sample> {
        samples(|| LogSoftmax.into())
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(LogSoftmax, &[&[]]), Sample::new(LogSoftmax, &[&[3, 0]])]
    }
}
