//! Recurrent cells over a whole sequence, an operator each. The input's product with its weights is done before, for all steps at
//! once; a cell reads it as `x` [batch, time, gates·units] with U [units, gates·units] and the state before the first step. Its value is
//! a record of each step, of which h is the last part; the backward pass is an operator of its own and gives ∂loss/∂x, from which the
//! gradient of U follows as one product over all steps.

use nabla_error::{Code, Error, Result};
use nabla_kernels::matmul::{self, Right, panels_len};
use nabla_kernels::recurrent::Weights;
use nabla_kernels::{PANEL, Real};

use super::elementwise::BinaryKind;
use super::matmul::{Matmul, Sizes, pack_rows};
use super::slice::slice;
use super::{Io, concat};
use crate::builder::Builder;
use crate::ir::Id;
use crate::shape::{Dim, Shape};

pub mod gru;
pub mod lstm;
pub mod simple;

/// The units of a cell whose x, U and state fit; `states` values a unit are kept from step to step.
fn units(name: &str, x: &Shape, u: &Shape, state: &Shape, gates: usize, states: usize) -> Result<usize> {
    let units = u.0.first().map_or(0, |d| d.size);
    let fits = x.rank() == 3
        && u.rank() == 2
        && !u.has_batch()
        && u.0[1].size == gates * units
        && x.0[2] == Dim::fixed(gates * units)
        && !x.0[1].batch
        && x.0[1].size > 0
        && state.0 == [x.0[0], Dim::fixed(states * units)];
    if fits {
        return Ok(units);
    }
    Err(Error::new(
        Code::ShapeMismatch,
        format!("{name}: x {x}, recurrent weights {u} and state {state} don't fit"),
    )
    .expected(format!(
        "[batch, time, {gates}·units] with time ≥ 1, [units, {gates}·units] and [batch, {states}·units]"
    ))
    .received(format!("{x}, {u} and {state}")))
}

/// `[batch, time, width]` with other sizes of time and width.
fn resized(x: &Shape, time: usize, width: usize) -> Shape {
    Shape(vec![x.0[0], Dim::fixed(time), Dim::fixed(width)])
}

/// U, as the second input lies.
fn weights<T: Real>(io: &Io<T>, input: usize) -> Weights<T> {
    let (rows, columns) = (io.shape(input).0[0].size, io.shape(input).0[1].size);
    let layout = if io.in_panels(input) {
        Right::panels(rows)
    } else {
        Right::row_major(columns)
    };
    Weights {
        start: io.input(input).as_ptr(),
        layout,
    }
}

/// Elements of Uᵀ in panels.
fn transposed_len(u: &Shape) -> usize {
    panels_len(u.0[1].size, u.0[0].size)
}

/// Uᵀ in panels at the start of the scratch memory, packed by all members together.
fn transposed_weights<T: Real>(io: &Io<T>, input: usize) -> Weights<T> {
    let (rows, columns) = (io.shape(input).0[0].size, io.shape(input).0[1].size);
    let part = io.part(rows.div_ceil(PANEL));
    if io.in_panels(input) {
        // SAFETY: the scratch memory begins with room for all panels, and members pack disjoint ones.
        unsafe { matmul::pack_transposed(rows, columns, io.input(input).as_ptr(), io.scratch_start(), part) };
    } else {
        let sizes = Sizes { m: 0, k: columns, n: rows };
        for panel in part {
            let len = columns * PANEL;
            // SAFETY: as above.
            let out = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(panel * len), len) };
            pack_rows(io.input(input), sizes, panel, out);
        }
    }
    io.barrier();
    Weights {
        start: io.scratch_start(),
        layout: Right::panels(columns),
    }
}

/// h before each step, [batch, time, units], from h after each step and the state [batch, units].
fn before(b: &mut Builder, h: Id, state: Id, reverse: bool) -> Result<Id> {
    let shape = b.shape(h).clone();
    let time = shape.0[1].size;
    let first = b.reshape(state, resized(&shape, 1, shape.0[2].size))?;
    if time == 1 {
        return Ok(first);
    }
    let (from, order) = if reverse { (1, false) } else { (0, true) };
    let others = slice(b, h, 1, from, from + time - 1)?;
    let pair = if order { [first, others] } else { [others, first] };
    b.apply(concat::Concat { axis: 1 }.into(), &pair)
}

/// dU = h₋ᵀ·dz, one product over all rows and steps.
fn weight_gradient(b: &mut Builder, before: Id, dz: Id) -> Result<Id> {
    let flat = |b: &mut Builder, id: Id| -> Result<Id> {
        let shape = b.shape(id).clone();
        let rows = Shape::product(&shape.0[..2])?;
        b.reshape(id, Shape(vec![rows, shape.0[2]]))
    };
    let (h, dz) = (flat(b, before)?, flat(b, dz)?);
    let product = Matmul {
        transpose_a: true,
        transpose_b: false,
    };
    b.apply(product.into(), &[h, dz])
}

/// One step of x, [batch, width].
fn step(b: &mut Builder, x: Id, at: usize) -> Result<Id> {
    let shape = b.shape(x).clone();
    let one = slice(b, x, 1, at, at + 1)?;
    b.reshape(one, Shape(vec![shape.0[0], shape.0[2]]))
}

/// Steps [batch, width], in the order of time, side by side: [batch, time, width].
fn stack(b: &mut Builder, steps: Vec<Id>) -> Result<Id> {
    let mut all: Option<Id> = None;
    for id in steps {
        let shape = b.shape(id).clone();
        let one = b.reshape(id, Shape(vec![shape.0[0], Dim::fixed(1), shape.0[1]]))?;
        all = Some(match all {
            Some(all) => b.apply(concat::Concat { axis: 1 }.into(), &[all, one])?,
            None => one,
        });
    }
    all.ok_or_else(|| Error::internal("a sequence without steps"))
}

/// a, or a + b where there is a b.
fn plus(b: &mut Builder, a: Id, other: Option<Id>) -> Result<Id> {
    match other {
        Some(other) => b.binary(BinaryKind::Add, a, other),
        None => Ok(a),
    }
}

/// dz·Uᵀ of one step.
fn through(b: &mut Builder, dz: Id, u: Id) -> Result<Id> {
    let turned = Matmul {
        transpose_a: false,
        transpose_b: true,
    };
    b.apply(turned.into(), &[dz, u])
}

/// Zeros [batch, width] beside a value [batch, …].
fn zeros(b: &mut Builder, like: Id, width: usize) -> Result<Id> {
    let rows = b.shape(like).0[0];
    let zero = b.scalar(0.0);
    b.broadcast_to(zero, Shape(vec![rows, Dim::fixed(width)]))
}

/// One step of a backward pass written in simpler operators: the parts of the record, what the loss wants of each (of all but the last
/// only where dy is that of the whole record), each [batch, units].
struct StepBack {
    parts: Vec<Id>,
    wants: Vec<Option<Id>>,
}

fn step_back(b: &mut Builder, record: Id, dy: Id, at: usize, units: usize) -> Result<StepBack> {
    let (record, dy) = (step(b, record, at)?, step(b, dy, at)?);
    let count = b.shape(record).0[1].size / units.max(1);
    let mut parts = Vec::new();
    for i in 0..count {
        parts.push(slice(b, record, 1, i * units, (i + 1) * units)?);
    }
    let mut wants = vec![None; count];
    if b.shape(dy) == b.shape(record) {
        for (i, want) in wants.iter_mut().enumerate() {
            *want = Some(slice(b, dy, 1, i * units, (i + 1) * units)?);
        }
    } else {
        wants[count - 1] = Some(dy);
    }
    Ok(StepBack { parts, wants })
}

/// Values [batch, width] side by side along the last axis.
fn join(b: &mut Builder, parts: &[Id]) -> Result<Id> {
    let mut all = parts[0];
    for &part in &parts[1..] {
        all = b.apply(concat::Concat { axis: -1 }.into(), &[all, part])?;
    }
    Ok(all)
}

/// The positions in the order in which they are computed.
fn order(time: usize, reverse: bool) -> Vec<usize> {
    if reverse { (0..time).rev().collect() } else { (0..time).collect() }
}
