//! A range along one axis, and its adjoint, a value with room around it. slice: [.., n, ..] → [.., to − from, ..]; pad: [.., n, ..] →
//! [.., before + n + after, ..], where a negative amount cuts. Each is the other's derivative.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::elementwise::{Binary, BinaryKind};
use super::{At, Gradients, Io, Op, Operator, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::ir::Id;
use crate::shape::{Dim, Shape};

/// An axis seen from memory: so many blocks outside of it, its size, so many elements inside.
#[derive(Clone, Copy)]
pub(super) struct Along {
    pub outer: usize,
    pub size: usize,
    pub inner: usize,
}

impl Along {
    pub(super) fn new(shape: &Shape, axis: usize, batch: usize) -> Along {
        let product = |dims: &[Dim]| dims.iter().map(|d| d.at(batch)).product();
        Along {
            outer: product(&shape.0[..axis]),
            size: shape.0[axis].at(batch),
            inner: product(&shape.0[axis + 1..]),
        }
    }
}

/// The axis, which must not be the batch.
pub(super) fn fixed_axis(name: &str, x: &Shape, axis: i64) -> Result<usize> {
    let axis = x.axis(axis)?;
    if x.0[axis].batch {
        return Err(Error::new(Code::ShapeMismatch, format!("{name} along the batch axis of {x}"))
            .expected("another axis: rows of a batch do not know each other")
            .received(format!("axis {axis}")));
    }
    Ok(axis)
}

pub(super) fn axis_of(x: &Shape, axis: i64) -> usize {
    (if axis < 0 { axis + x.rank() as i64 } else { axis }) as usize
}

/// The elements `from` ≤ i < `to` along an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Slice {
    /// The axis; negative ones count from the end.
    pub axis: i64,
    /// The first element; negative ones count from the end.
    pub from: i64,
    /// The one after the last; None: to the end.
    pub to: Option<i64>,
}

impl Default for Slice {
    fn default() -> Slice {
        Slice {
            axis: -1,
            from: 0,
            to: Some(0),
        }
    }
}

impl Slice {
    fn range(&self, size: usize) -> (i64, i64) {
        let n = size as i64;
        let from_end = |i: i64| if i < 0 { i + n } else { i };
        (from_end(self.from), self.to.map_or(n, from_end))
    }
}

impl Op for Slice {
    const NAMES: &'static [&'static str] = &["slice"];
    const HINT: &'static str = "along an axis other than the batch, 0 ≤ from ≤ to ≤ its size.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("a slice", x[0], self.axis)?;
        let size = x[0].0[axis].size;
        let (from, to) = self.range(size);
        if from < 0 || to > size as i64 || from > to {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!(
                    "the elements {from} to {to} are not all among the {size} of axis {axis} of {}",
                    x[0]
                ),
            )
            .expected(format!("0 ≤ from ≤ to ≤ {size}"))
            .received(format!("from {from} to {to}")));
        }
        let mut shape = x[0].clone();
        shape.0[axis] = Dim::fixed((to - from) as usize);
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let shape = b.shape(at.inputs[0]);
        let axis = axis_of(shape, self.axis);
        let size = shape.0[axis].size;
        let (from, to) = self.range(size);
        let pad = Pad {
            axis: axis as i64,
            before: from,
            after: size as i64 - to,
            value: 0.0,
        };
        Ok(vec![Some(pad.apply(b, at.dy)?)])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let axis = axis_of(io.shape(0), self.axis);
        let along = Along::new(io.shape(0), axis, io.batch());
        let (from, to) = self.range(along.size);
        shift(io, along, (to - from) as usize, from, T::ZERO);
    }

    fn samples() -> Vec<Sample> {
        let at = |axis, from, to| Slice { axis, from, to };
        vec![
            Sample::new(at(-1, 1, Some(4)), &[&[-1, 6]]),
            Sample::new(at(1, -2, None), &[&[-1, 5, 3]]),
            Sample::new(at(0, 2, Some(2)), &[&[3, 2]]),
            Sample::new(at(0, 0, Some(-1)), &[&[2, 1, 20]]),
            Sample::new(at(1, 0, None), &[&[0, 4]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let at = |axis, from, to| Slice { axis, from, to };
        vec![
            Sample::new(at(1, 0, Some(7)), &[&[-1, 6]]),
            Sample::new(at(0, 0, Some(1)), &[&[-1, 6]]),
            Sample::new(at(1, 4, Some(2)), &[&[-1, 6]]),
            Sample::new(at(2, 0, None), &[&[3, 6]]),
            Sample::new(at(1, -7, None), &[&[3, 6]]),
        ]
    }
}

/// `value` before and after along an axis; a negative amount cuts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Pad {
    /// The axis; negative ones count from the end.
    pub axis: i64,
    /// How many before.
    pub before: i64,
    /// How many after.
    pub after: i64,
    /// What they are.
    pub value: f64,
}

impl Default for Pad {
    fn default() -> Pad {
        Pad {
            axis: -1,
            before: 0,
            after: 0,
            value: 0.0,
        }
    }
}

impl Pad {
    fn apply(self, b: &mut Builder, x: Id) -> Result<Id> {
        if self.before == 0 && self.after == 0 {
            return Ok(x);
        }
        b.apply(self.into(), &[x])
    }
}

impl Op for Pad {
    const NAMES: &'static [&'static str] = &["pad"];
    const HINT: &'static str =
        "elements to add before and after each axis other than the batch; negative numbers cut, at most what is there.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("room", x[0], self.axis)?;
        let size = x[0].0[axis].size as i64;
        let total = self.before.checked_add(self.after).and_then(|n| n.checked_add(size));
        let Some(total) = total.filter(|&n| n >= 0 && self.before >= -size && self.after >= -size) else {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} before and {} after do not fit axis {axis} of {}", self.before, self.after, x[0]),
            )
            .expected(format!("to cut at most {size}"))
            .received(format!("{} and {}", self.before, self.after)));
        };
        let mut shape = x[0].clone();
        shape.0[axis] = Dim::fixed(total as usize);
        shape.check_size(1)?;
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let back = Pad {
            axis: self.axis,
            before: -self.before,
            after: -self.after,
            value: 0.0,
        };
        Ok(vec![Some(back.apply(b, at.dy)?)])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let axis = axis_of(io.shape(0), self.axis);
        let along = Along::new(io.shape(0), axis, io.batch());
        let size = (along.size as i64 + self.before + self.after) as usize;
        shift(io, along, size, -self.before, T::from_f64(self.value));
    }

    fn samples() -> Vec<Sample> {
        let at = |axis, before, after, value| Pad {
            axis,
            before,
            after,
            value,
        };
        vec![
            Sample::new(at(-1, 1, 2, 0.0), &[&[-1, 6]]),
            Sample::new(at(1, 1, -1, 0.0), &[&[-1, 5, 3]]),
            Sample::new(at(0, -1, 0, 0.0), &[&[1, 2]]),
            Sample::new(at(1, 0, 3, 0.5), &[&[2, 0, 2]]),
            Sample::new(at(1, -4, 2, 0.0), &[&[2, 4]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let at = |axis, before, after| Pad {
            axis,
            before,
            after,
            value: 0.0,
        };
        vec![
            Sample::new(at(1, -4, -4), &[&[3, 6]]),
            Sample::new(at(1, -7, 8), &[&[3, 6]]),
            Sample::new(at(0, 1, 1), &[&[-1, 6]]),
            Sample::new(at(1, i64::MAX, 1), &[&[3, 6]]),
        ]
    }
}

/// y along the axis is x from `from` on (which may lie before the start), `value` where x has nothing.
fn shift<T: Real>(io: &Io<T>, along: Along, size: usize, from: i64, value: T) {
    let Along { outer, size: n, inner } = along;
    let width = size * inner;
    if width == 0 {
        return;
    }
    let x = io.input(0);
    // Of the output's axis, [first, end) has a source.
    let first = (-from).clamp(0, size as i64) as usize;
    let end = (n as i64 - from).clamp(first as i64, size as i64) as usize;
    let source = (first as i64 + from).max(0) as usize;
    for block in io.part(outer) {
        // SAFETY: members take disjoint blocks.
        let y = unsafe { io.output(block * width..(block + 1) * width) };
        y[..first * inner].fill(value);
        let count = (end - first) * inner;
        let start = (block * n + source) * inner;
        if count > 0 {
            y[first * inner..end * inner].copy_from_slice(&x[start..start + count]);
        }
        y[end * inner..].fill(value);
    }
}

/// The elements `from` ≤ i < `to` of a gradient along an axis: through sums and out of the room that the derivative of a slice made,
/// so that nothing is computed for parts that nobody wants. `None` where all of them are 0.
pub(super) fn part_of(b: &mut Builder, dy: Id, axis: usize, from: usize, to: usize) -> Result<Option<Id>> {
    let node = b.graph.nodes[dy].clone();
    match &node.op {
        Operator::Binary(Binary(BinaryKind::Add)) if node.inputs.iter().all(|&i| b.graph.nodes[i].shape == node.shape) => {
            let left = part_of(b, node.inputs[0], axis, from, to)?;
            let right = part_of(b, node.inputs[1], axis, from, to)?;
            return match (left, right) {
                (Some(l), Some(r)) => b.binary(BinaryKind::Add, l, r).map(Some),
                (one, None) | (None, one) => Ok(one),
            };
        }
        Operator::Pad(pad) if axis_of(&node.shape, pad.axis) == axis && pad.before >= 0 && pad.after >= 0 && pad.value == 0.0 => {
            let first = pad.before as usize;
            let end = node.shape.0[axis].size - pad.after as usize;
            if to <= first || from >= end {
                return Ok(None);
            }
            if from >= first && to <= end {
                return part_of(b, node.inputs[0], axis, from - first, to - first);
            }
        }
        // Room along another axis: the part of what lies inside it.
        Operator::Pad(pad) if axis_of(&node.shape, pad.axis) != axis => {
            let pad = pad.clone();
            let Some(inside) = part_of(b, node.inputs[0], axis, from, to)? else {
                return Ok(None);
            };
            return pad.apply(b, inside).map(Some);
        }
        _ => {}
    }
    slice(b, dy, axis, from, to).map(Some)
}

/// The elements `from` ≤ i < `to` along an axis.
pub(crate) fn slice(b: &mut Builder, x: Id, axis: usize, from: usize, to: usize) -> Result<Id> {
    if from == 0 && to == b.shape(x).0[axis].size {
        return Ok(x);
    }
    let slice = Slice {
        axis: axis as i64,
        from: from as i64,
        to: Some(to as i64),
    };
    b.apply(slice.into(), &[x])
}
