//! Recurrent cells over a whole sequence, an operator each. The input's product with its weights is done before, for all steps at
//! once; a cell reads it as `x` [batch, time, gates·units] with U [units, gates·units] and the state before the first step. Its value is
//! a record of each step, of which h is the last part; the backward pass is an operator of its own and gives ∂loss/∂x, from which the
//! gradient of U follows as one product over all steps. What cells have in common is here, the loop over time above all: in the kernels,
//! and written in simpler operators, which is the kernels' oracle and what is differentiated a second time.

use nabla_error::{Code, Error, Result};
use nabla_kernels::matmul::{self, Right, panels_len};
use nabla_kernels::recurrent::{Backward, Cell, Forward, Sequence, Weights, backward, forward};
use nabla_kernels::{PANEL, Real};

use super::elementwise::BinaryKind;
use super::matmul::{Matmul, Sizes, pack_rows};
use super::slice::{part_of, slice};
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

/// A cell's steps in simpler operators: `cell` makes of x, h·U and the parts of the state those after the step, h first, and its record.
fn unrolled(
    b: &mut Builder,
    [x, u]: [Id; 2],
    mut state: Vec<Id>,
    reverse: bool,
    mut cell: impl FnMut(&mut Builder, Id, Id, &[Id]) -> Result<(Vec<Id>, Vec<Id>)>,
) -> Result<Id> {
    let time = b.shape(x).0[1].size;
    let mut steps = vec![0; time];
    for at in order(time, reverse) {
        let own = step(b, x, at)?;
        let product = b.apply(Matmul::default().into(), &[state[0], u])?;
        let (next, record) = cell(b, own, product, &state)?;
        steps[at] = join(b, &record)?;
        state = next;
    }
    stack(b, steps)
}

/// A backward pass written in simpler operators.
struct Unrolled {
    dy: Id,
    record: Id,
    u: Id,
    reverse: bool,
    /// The part of the record that the next step reads, and what stands for it before the first step.
    kept: Option<(usize, Id)>,
    /// Parts of the state whose gradient is wanted; 0 for none.
    states: usize,
}

/// What a step of it goes by, each [batch, units].
struct StepBack {
    /// The parts of the record.
    parts: Vec<Id>,
    /// What the loss wants of each: of all but the last only where dy is that of the whole record.
    wants: Vec<Option<Id>>,
    /// What the step before kept.
    before: Option<Id>,
    /// dh from the step after, through the product …
    dh: Option<Id>,
    /// … and what comes back beside it.
    carry: Option<Id>,
}

impl StepBack {
    /// dh of this step, but for what is carried.
    fn dh(&self, b: &mut Builder) -> Result<Id> {
        match self.wants[self.wants.len() - 1] {
            Some(own) => plus(b, own, self.dh),
            None => Err(Error::internal("dy holds that of h")),
        }
    }
}

/// What it gives.
struct Slopes {
    /// The slopes.
    slopes: Vec<Id>,
    /// The gradient of h·U, where that is another than the slopes.
    of_product: Option<Vec<Id>>,
    /// What goes back beside the product.
    carry: Option<Id>,
}

fn unrolled_back(b: &mut Builder, p: &Unrolled, mut cell: impl FnMut(&mut Builder, &StepBack) -> Result<Slopes>) -> Result<Id> {
    let (time, n) = (b.shape(p.record).0[1].size, b.shape(p.u).0[0].size);
    let order = order(time, p.reverse);
    let (mut dh, mut carry, mut width) = (None, None, 0);
    let mut steps = vec![0; time];
    for (index, &at) in order.iter().enumerate().rev() {
        let (record, dy) = (step(b, p.record, at)?, step(b, p.dy, at)?);
        let parts = split(b, record, n)?;
        let wants = if b.shape(dy) == b.shape(record) {
            split(b, dy, n)?.into_iter().map(Some).collect()
        } else {
            let mut wants = vec![None; parts.len()];
            wants[parts.len() - 1] = Some(dy);
            wants
        };
        let before = match (p.kept, index.checked_sub(1)) {
            (None, _) => None,
            (Some((_, first)), None) => Some(first),
            (Some((part, _)), Some(last)) => {
                let last = step(b, p.record, order[last])?;
                Some(slice(b, last, 1, part * n, (part + 1) * n)?)
            }
        };
        let found = cell(
            b,
            &StepBack {
                parts,
                wants,
                before,
                dh,
                carry,
            },
        )?;
        steps[at] = join(b, &found.slopes)?;
        width = found.slopes.len();
        let own = match &found.of_product {
            Some(parts) => join(b, parts)?,
            None => steps[at],
        };
        dh = Some(through(b, own, p.u)?);
        carry = found.carry;
    }
    if let (1.., Some(dh)) = (p.states, dh) {
        let mut last = match (p.states, carry) {
            (1, carry) => vec![plus(b, dh, carry)?],
            (_, Some(carry)) => vec![dh, carry],
            (_, None) => return Err(Error::internal("a state that nothing is carried of")),
        };
        if width > last.len() {
            last.push(zeros(b, dh, (width - last.len()) * n)?);
        }
        steps.push(join(b, &last)?);
    }
    stack(b, steps)
}

/// Parts of [batch, k·units].
fn split(b: &mut Builder, x: Id, units: usize) -> Result<Vec<Id>> {
    let count = b.shape(x).0[1].size / units.max(1);
    (0..count).map(|i| slice(b, x, 1, i * units, (i + 1) * units)).collect()
}

/// Whether dy is wanted of more of the record than its last part, and what the backward pass gets for it.
fn of_record(b: &mut Builder, dy: Id, units: usize, parts: usize) -> Result<(bool, Id)> {
    let others = part_of(b, dy, 2, 0, (parts - 1) * units)?.is_some();
    let dh = part_of(b, dy, 2, (parts - 1) * units, parts * units)?;
    Ok(match dh {
        Some(dh) if !others => (false, dh),
        _ => (true, dy),
    })
}

/// The shape of a backward pass: dy, record, U and state; `whole` and `more` (a step for the state) as its operator has them.
fn gradient_shape<C: Cell<f32>>(name: &str, x: &[&Shape], whole: bool, more: bool) -> Result<Shape> {
    let (dy, record, u, state) = (x[0], x[1], x[2], x[3]);
    let n = u.0.first().map_or(0, |d| d.size);
    let wrong = || {
        let parts = C::RECORD;
        Error::new(Code::ShapeMismatch, format!("{name}: dy {dy} and record {record} don't fit"))
            .expected(format!(
                "[batch, time, units] or the shape of the record, [batch, time, {parts}·units]"
            ))
            .received(format!("{dy} and {record}"))
    };
    if record.rank() != 3 || record.0[2] != Dim::fixed(C::RECORD * n) || record.0[1].batch {
        return Err(wrong());
    }
    let time = record.0[1].size;
    units(name, &resized(record, time, C::GATES * n), u, state, C::GATES, C::STATES)?;
    if *dy != resized(record, time, if whole { C::RECORD * n } else { n }) {
        return Err(wrong());
    }
    Ok(resized(record, time + usize::from(more), C::SLOPES * n))
}

/// Scratch memory of a forward pass on x and U: h and h·U.
fn forward_scratch<C: Cell<f32>>(x: &[&Shape], batch: usize) -> usize {
    x[0].0[0].at(batch) * (1 + C::GATES) * x[1].0[0].size
}

/// Scratch memory of a backward pass on dy, record and U: Uᵀ, then the gradient of h·U, dh and what is carried.
fn backward_scratch<C: Cell<f32>>(x: &[&Shape], batch: usize) -> usize {
    transposed_len(x[2]) + x[1].0[0].at(batch) * (C::GATES + 2) * x[2].0[0].size
}

/// The forward pass on x, U and state.
fn run_forward<T: Real, C: Cell<T>>(cell: C, reverse: bool, io: &Io<T>) {
    let (rows, time, units) = (io.out_shape().0[0].at(io.batch()), io.out_shape().0[1].size, io.shape(1).0[0].size);
    if io.is_empty() {
        return;
    }
    let scratch = io.scratch_start();
    let p = Forward {
        sequence: Sequence { time, units, reverse },
        x: io.input(0).as_ptr(),
        u: weights(io, 1),
        state: io.input(2).as_ptr(),
        record: io.output_start(),
        h: scratch,
        // SAFETY: the scratch memory holds [rows, units] and [rows, gates·units].
        z: unsafe { scratch.add(rows * units) },
    };
    // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
    unsafe { forward(cell, &p, io.part(rows)) };
}

/// The backward pass on dy, record, U and, where the cell reads it, the state.
fn run_backward<T: Real, C: Cell<T>>(cell: C, reverse: bool, whole: bool, io: &Io<T>, state: *const T) {
    let (rows, time, units) = (io.shape(1).0[0].at(io.batch()), io.shape(1).0[1].size, io.shape(2).0[0].size);
    let ut = transposed_weights(io, 2);
    if io.is_empty() {
        return;
    }
    // SAFETY: the scratch memory holds Uᵀ, then [rows, gates·units] and twice [rows, units].
    let (z, dh, carry) = unsafe {
        let z = io.scratch_start().add(transposed_len(io.shape(2)));
        (z, z.add(rows * C::GATES * units), z.add(rows * (C::GATES + 1) * units))
    };
    let p = Backward {
        sequence: Sequence { time, units, reverse },
        dy: io.input(0).as_ptr(),
        whole,
        record: io.input(1).as_ptr(),
        ut,
        state,
        dz: io.output_start(),
        steps: io.out_shape().0[1].size,
        z,
        dh,
        carry,
    };
    // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
    unsafe { backward(cell, &p, io.part(rows)) };
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
