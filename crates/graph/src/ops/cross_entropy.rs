//! Softmax and cross-entropy in one, from logits and class indices, one value a row:
//! ℓᵢ = log Σⱼ exp(xᵢⱼ − max xᵢ) − (xᵢ,tᵢ − max xᵢ). Shapes: [.., classes], [..] → [..].
//! dx = (softmax(x) − onehot(t))·dℓ, computed from the logits again (cheaper than keeping the probabilities). Labels have no gradient.

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Real, softmax};
use serde_json::Value;

use super::one_hot::OneHot;
use super::softmax::{LogSoftmax, Softmax};
use super::{At, Gradients, Io, Op, Sample, no_attributes};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::shape::{Dim, Shape};

fn rows_of(name: &str, logits: &Shape, labels: &Shape) -> Result<Shape> {
    let rank = logits.rank();
    if rank == 0 || logits.0[rank - 1].size == 0 || logits.0[rank - 1].batch || logits.0[..rank - 1] != labels.0[..] {
        return Err(Error::new(
            Code::ShapeMismatch,
            format!("{name}: logits {logits} and class indices {labels} don't fit"),
        )
        .expected("logits [.., classes] and class indices [..]")
        .received(format!("{logits} and {labels}")));
    }
    Ok(labels.clone())
}

fn classes(b: &Builder, logits: Id) -> usize {
    b.shape(logits).0.last().map_or(0, |d| d.size)
}

/// The loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoftmaxCrossEntropy;

impl Op for SoftmaxCrossEntropy {
    const NAMES: &'static [&'static str] = &["softmaxCrossEntropy"];
    const HINT: &'static str = "logits are […, classes] with at least one class, class indices have the axes before: the last layer needs as many units as there are classes.";
    const INPUTS: usize = 2;

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| Self)
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        rows_of("softmaxCrossEntropy", x[0], x[1])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let dx = b.apply(SoftmaxCrossEntropyGradient.into(), &[at.inputs[0], at.inputs[1], at.dy])?;
        Ok(vec![Some(dx), None])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let log_p = b.apply(LogSoftmax.into(), &inputs[..1])?;
            let classes = classes(b, inputs[0]);
            let hot = b.apply(OneHot { classes }.into(), &inputs[1..])?;
            let picked = b.binary(BinaryKind::Multiply, log_p, hot)?;
            let last = b.shape(picked).rank() - 1;
            let sum = b.sum(picked, &[last], false)?;
            b.unary(UnaryKind::Negate, sum)
        };
        Some(build())
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        30 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let width = io.shape(0).last(io.batch());
        let rows = io.part(io.len());
        let x = &io.input(0)[rows.start * width..rows.end * width];
        // SAFETY: members take disjoint rows.
        softmax::softmax_cross_entropy(width, x, &io.input(1)[rows.clone()], unsafe { io.output(rows) });
    }

    fn samples() -> Vec<Sample> {
        samples(|| SoftmaxCrossEntropy.into(), false)
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(SoftmaxCrossEntropy, &[&[3, 4], &[4]]),
            Sample::new(SoftmaxCrossEntropy, &[&[3, 4], &[3, 4]]),
            Sample::new(SoftmaxCrossEntropy, &[&[3, 0], &[3]]),
        ]
    }
}

fn samples(op: impl Fn() -> super::Operator, with_gradient: bool) -> Vec<Sample> {
    let mut all = Vec::new();
    for (rows, width, range) in [(3i64, 5i64, 2.0), (1, 1, 2.0), (0, 4, 2.0), (-1, 37, 2.0), (6, 10, 80.0)] {
        let mut shapes: Vec<&[i64]> = Vec::new();
        let (logits, labels) = ([rows, width], [rows]);
        shapes.push(&logits);
        shapes.push(&labels);
        if with_gradient {
            shapes.push(&labels);
        }
        let mut sample = Sample::new(op(), &shapes);
        sample.inputs[0].range = (-range, range);
        all.push(sample.indices(1, width as usize));
    }
    all
}

/// Its gradient: (softmax(x) − onehot(t))·dℓ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoftmaxCrossEntropyGradient;

impl Op for SoftmaxCrossEntropyGradient {
    const NAMES: &'static [&'static str] = &["softmaxCrossEntropyGradient"];
    const HINT: &'static str = "logits are […, classes], class indices have the axes before.";
    const INPUTS: usize = 3;

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| Self)
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        rows_of("softmaxCrossEntropyGradient", x[0], x[1])?;
        rows_of("softmaxCrossEntropyGradient", x[0], x[2])?;
        Ok(x[0].clone())
    }

    /// Of dℓ as well as of the logits: through the decomposition.
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (x, labels, dl, g) = (at.inputs[0], at.inputs[1], at.inputs[2], at.dy);
        let last = b.shape(x).rank() - 1;
        let column = Shape(b.shape(dl).0.iter().copied().chain([Dim::fixed(1)]).collect());
        let p = b.apply(Softmax.into(), &[x])?;
        let mut grads: Gradients = vec![None, None, None];
        if at.wants[0] {
            // y = (p − h)·dℓ, so dx = softmax's rule at g·dℓ.
            let dl = b.reshape(dl, column.clone())?;
            let scaled = b.binary(BinaryKind::Multiply, g, dl)?;
            let weighted = b.binary(BinaryKind::Multiply, scaled, p)?;
            let total = b.sum(weighted, &[last], true)?;
            let centred = b.binary(BinaryKind::Subtract, scaled, total)?;
            grads[0] = Some(b.binary(BinaryKind::Multiply, p, centred)?);
        }
        if at.wants[2] {
            let classes = classes(b, x);
            let hot = b.apply(OneHot { classes }.into(), &[labels])?;
            let d = b.binary(BinaryKind::Subtract, p, hot)?;
            let weighted = b.binary(BinaryKind::Multiply, g, d)?;
            grads[2] = Some(b.sum(weighted, &[last], false)?);
        }
        Ok(grads)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let p = b.apply(Softmax.into(), &inputs[..1])?;
            let classes = classes(b, inputs[0]);
            let hot = b.apply(OneHot { classes }.into(), &inputs[1..2])?;
            let d = b.binary(BinaryKind::Subtract, p, hot)?;
            let column = Shape(b.shape(inputs[2]).0.iter().copied().chain([Dim::fixed(1)]).collect());
            let dl = b.reshape(inputs[2], column)?;
            b.binary(BinaryKind::Multiply, d, dl)
        };
        Some(build())
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        35 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let width = io.shape(0).last(io.batch());
        let rows = io.part(io.input(1).len());
        let range = rows.start * width..rows.end * width;
        let (x, labels, dl) = (&io.input(0)[range.clone()], &io.input(1)[rows.clone()], &io.input(2)[rows]);
        // SAFETY: members take disjoint rows.
        softmax::softmax_cross_entropy_gradient(width, x, labels, dl, unsafe { io.output(range) });
    }

    fn samples() -> Vec<Sample> {
        samples(|| SoftmaxCrossEntropyGradient.into(), true)
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(SoftmaxCrossEntropyGradient, &[&[3, 4], &[3], &[4]])]
    }
}
