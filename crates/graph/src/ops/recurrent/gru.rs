//! GRU over time. x [batch, time, 3·units] (gates r, z, n), U [units, 3·units], state h [batch, units], bₙ [units] →
//! record [batch, time, 5·units] of r, z, n, m, h. The formulas are at the kernel, [`nabla_kernels::recurrent::gru`].

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::recurrent::{Sequence, gru};
use serde::{Deserialize, Serialize};

use super::{
    StepBack, before, join, order, plus, resized, stack, step, step_back, through, transposed_len, transposed_weights, units,
    weight_gradient, weights, zeros,
};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::ops::matmul::Matmul;
use crate::ops::slice::{part_of, slice};
use crate::ops::{At, Gradients, Io, Op, Sample, attributes_by_serde, by_decomposition};
use crate::shape::{Dim, Shape};

/// The cell over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Gru {
    /// From the last step to the first; each step's values stay at its position.
    pub reverse: bool,
}

impl Op for Gru {
    const NAMES: &'static [&'static str] = &["gru"];
    const HINT: &'static str =
        "x is [batch, time, 3·units] with at least one step, recurrent weights [units, 3·units], state [batch, units], bias [units].";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let units = units("gru", x[0], x[1], x[2], 3, 1)?;
        if *x[3] != Shape::fixed(&[units]) {
            return Err(
                Error::new(Code::ShapeMismatch, format!("gru: a bias of shape {} for {units} units", x[3]))
                    .expected(format!("[{units}]"))
                    .received(x[3].to_string()),
            );
        }
        Ok(resized(x[0], x[0].0[1].size, gru::RECORD * units))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (u, state, record) = (at.inputs[1], at.inputs[2], at.y);
        let shape = b.shape(record).clone();
        let (time, n) = (shape.0[1].size, b.shape(u).0[0].size);
        let whole = part_of(b, at.dy, 2, 0, 4 * n)?.is_some();
        let dh = part_of(b, at.dy, 2, 4 * n, 5 * n)?;
        let (whole, dy) = match dh {
            Some(dh) if !whole => (false, dh),
            _ => (true, at.dy),
        };
        let op = GruGradient {
            reverse: self.reverse,
            whole,
            state: at.wants[2],
        };
        let all = b.apply(op.into(), &[dy, record, u, state])?;
        let steps = slice(b, all, 1, 0, time)?;
        let mut grads = vec![Some(slice(b, steps, 2, 0, 3 * n)?), None, None, None];
        if at.wants[1] {
            let h = slice(b, record, 2, 4 * n, 5 * n)?;
            let h = before(b, h, state, self.reverse)?;
            let dz = slice(b, steps, 2, 3 * n, 6 * n)?;
            grads[1] = Some(weight_gradient(b, h, dz)?);
        }
        if at.wants[2] {
            let last = step(b, all, time)?;
            grads[2] = Some(slice(b, last, 1, 0, n)?);
        }
        if at.wants[3] {
            let dm = slice(b, steps, 2, 5 * n, 6 * n)?;
            grads[3] = Some(b.sum(dm, &[0, 1], false)?);
        }
        Ok(grads)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let (x, u, state, bias) = (inputs[0], inputs[1], inputs[2], inputs[3]);
            let n = b.shape(u).0[0].size;
            let time = b.shape(x).0[1].size;
            let mut h = state;
            let mut steps = vec![0; time];
            for at in order(time, self.reverse) {
                let own = step(b, x, at)?;
                let product = b.apply(Matmul::default().into(), &[h, u])?;
                let mut gates = Vec::new();
                for gate in 0..2 {
                    let (xs, hs) = (
                        slice(b, own, 1, gate * n, (gate + 1) * n)?,
                        slice(b, product, 1, gate * n, (gate + 1) * n)?,
                    );
                    let sum = b.binary(BinaryKind::Add, xs, hs)?;
                    gates.push(b.unary(UnaryKind::Sigmoid, sum)?);
                }
                let (xn, hn) = (slice(b, own, 1, 2 * n, 3 * n)?, slice(b, product, 1, 2 * n, 3 * n)?);
                let m = b.binary(BinaryKind::Add, hn, bias)?;
                let reset = b.binary(BinaryKind::Multiply, gates[0], m)?;
                let sum = b.binary(BinaryKind::Add, xn, reset)?;
                let new = b.unary(UnaryKind::Tanh, sum)?;
                let difference = b.binary(BinaryKind::Subtract, h, new)?;
                let kept = b.binary(BinaryKind::Multiply, gates[1], difference)?;
                h = b.binary(BinaryKind::Add, new, kept)?;
                gates.extend([new, m, h]);
                steps[at] = join(b, &gates)?;
            }
            stack(b, steps)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        x[0].0[0].at(batch) * 4 * x[1].0[0].size
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[1].0[0].size;
        x[0].0[0].at(batch) * x[0].0[1].size * 3 * n * (2 * n + 30)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, time, units) = (io.out_shape().0[0].at(io.batch()), io.out_shape().0[1].size, io.shape(1).0[0].size);
        if io.is_empty() {
            return;
        }
        let scratch = io.scratch_start();
        let p = gru::Forward {
            sequence: Sequence {
                time,
                units,
                reverse: self.reverse,
            },
            x: io.input(0).as_ptr(),
            u: weights(io, 1),
            bias: io.input(3).as_ptr(),
            state: io.input(2).as_ptr(),
            record: io.output_start(),
            h: scratch,
            // SAFETY: the scratch memory holds [rows, units] and [rows, 3·units].
            z: unsafe { scratch.add(rows * units) },
        };
        // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
        unsafe { gru::forward(&p, io.part(rows)) };
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, n) in [(-1i64, 4i64, 3i64), (1, 1, 1), (2, 3, 17), (0, 2, 2), (5, 2, 32)] {
            for reverse in [false, true] {
                let shapes: [&[i64]; 4] = [&[batch, time, 3 * n], &[n, 3 * n], &[batch, n], &[n]];
                all.push(Sample::new(Gru { reverse }, &shapes));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let op = Gru::default;
        vec![
            Sample::new(op(), &[&[-1, 4, 9], &[3, 9], &[-1, 6], &[3]]),
            Sample::new(op(), &[&[-1, 4, 9], &[3, 12], &[-1, 3], &[3]]),
            Sample::new(op(), &[&[-1, 4, 9], &[3, 9], &[-1, 3], &[9]]),
        ]
    }
}

/// The backward pass: dy (of h, or of the whole record), record, U, state → [batch, time, 6·units], the gradient of x and then that of
/// h₋·U; with `state` one more step that begins with the gradient of the state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct GruGradient {
    /// As forwards.
    pub reverse: bool,
    /// Is dy the gradient of the whole record?
    pub whole: bool,
    /// Is the gradient of the state wanted?
    pub state: bool,
}

impl GruGradient {
    fn steps(&self, time: usize) -> usize {
        time + usize::from(self.state)
    }
}

impl Op for GruGradient {
    const NAMES: &'static [&'static str] = &["gruGradient"];
    const HINT: &'static str = "the gradient has the shape of the outputs or of the record, as the cell of that many units gives it.";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (dy, record, u, state) = (x[0], x[1], x[2], x[3]);
        let n = u.0.first().map_or(0, |d| d.size);
        let wrong = || {
            Error::new(Code::ShapeMismatch, format!("gruGradient: dy {dy} and record {record} don't fit"))
                .expected("[batch, time, units] or the shape of the record, [batch, time, 5·units]")
                .received(format!("{dy} and {record}"))
        };
        if record.rank() != 3 || record.0[2] != Dim::fixed(gru::RECORD * n) || record.0[1].batch {
            return Err(wrong());
        }
        let time = record.0[1].size;
        units("gruGradient", &resized(record, time, 3 * n), u, state, 3, 1)?;
        if *dy != resized(record, time, if self.whole { gru::RECORD * n } else { n }) {
            return Err(wrong());
        }
        Ok(resized(record, self.steps(time), 6 * n))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    /// The formulas at the kernel, step by step.
    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        use BinaryKind::{Multiply, SigmoidGradient, Subtract, TanhGradient};
        let mut build = || {
            let (dy, record, u, state) = (inputs[0], inputs[1], inputs[2], inputs[3]);
            let (time, n) = (b.shape(record).0[1].size, b.shape(u).0[0].size);
            let order = order(time, self.reverse);
            let one = b.scalar(1.0);
            let mut dh = None;
            let mut steps = vec![0; time];
            for (index, &at) in order.iter().enumerate().rev() {
                let StepBack { parts, wants } = step_back(b, record, dy, at, n)?;
                let [r, z, new, m, _] = parts[..] else {
                    return Err(Error::internal("a record of five parts"));
                };
                let before = match index.checked_sub(1) {
                    None => state,
                    Some(last) => {
                        let last = step(b, record, order[last])?;
                        slice(b, last, 1, 4 * n, 5 * n)?
                    }
                };
                let dh_now = match wants[4] {
                    Some(eh) => plus(b, eh, dh)?,
                    None => return Err(Error::internal("dy holds that of h")),
                };
                let share = b.binary(Subtract, one, z)?;
                let of_new = b.binary(Multiply, dh_now, share)?;
                let of_new = plus(b, of_new, wants[2])?;
                let dn = b.binary(TanhGradient, new, of_new)?;
                let difference = b.binary(Subtract, before, new)?;
                let of_z = b.binary(Multiply, dh_now, difference)?;
                let of_z = plus(b, of_z, wants[1])?;
                let dz = b.binary(SigmoidGradient, z, of_z)?;
                let of_m = b.binary(Multiply, dn, r)?;
                let dm = plus(b, of_m, wants[3])?;
                let of_r = b.binary(Multiply, dn, m)?;
                let of_r = plus(b, of_r, wants[0])?;
                let dr = b.binary(SigmoidGradient, r, of_r)?;
                steps[at] = join(b, &[dr, dz, dn, dr, dz, dm])?;
                let own = join(b, &[dr, dz, dm])?;
                let back = through(b, own, u)?;
                let kept = b.binary(Multiply, dh_now, z)?;
                dh = Some(b.binary(BinaryKind::Add, back, kept)?);
            }
            if let (true, Some(dh)) = (self.state, dh) {
                let rest = zeros(b, dh, 5 * n)?;
                steps.push(join(b, &[dh, rest])?);
            }
            stack(b, steps)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        transposed_len(x[2]) + x[1].0[0].at(batch) * 5 * x[2].0[0].size
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[2].0[0].size;
        x[1].0[0].at(batch) * x[1].0[1].size * 3 * n * (2 * n + 20)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, time, units) = (io.shape(1).0[0].at(io.batch()), io.shape(1).0[1].size, io.shape(2).0[0].size);
        let ut = transposed_weights(io, 2);
        if io.is_empty() {
            return;
        }
        // SAFETY: the scratch memory holds Uᵀ, then [rows, 3·units] and twice [rows, units].
        let (z, dh, carry) = unsafe {
            let z = io.scratch_start().add(transposed_len(io.shape(2)));
            (z, z.add(rows * 3 * units), z.add(rows * 4 * units))
        };
        let p = gru::Backward {
            sequence: Sequence {
                time,
                units,
                reverse: self.reverse,
            },
            dy: io.input(0).as_ptr(),
            whole: self.whole,
            record: io.input(1).as_ptr(),
            ut,
            state: io.input(3).as_ptr(),
            dz: io.output_start(),
            steps: self.steps(time),
            z,
            dh,
            carry,
        };
        // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
        unsafe { gru::backward(&p, io.part(rows)) };
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, n) in [(-1i64, 4i64, 3i64), (1, 1, 1), (2, 3, 17), (5, 2, 32)] {
            for (reverse, whole, state) in [(false, false, false), (true, true, false), (false, true, true), (true, false, true)] {
                let width = if whole { 5 * n } else { n };
                let op = GruGradient { reverse, whole, state };
                let shapes: [&[i64]; 4] = [&[batch, time, width], &[batch, time, 5 * n], &[n, 3 * n], &[batch, n]];
                let mut sample = Sample::new(op, &shapes);
                // A record of gates lies between 0 and 1.
                sample.inputs[1].range = (0.0, 1.0);
                all.push(sample);
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let op = GruGradient::default;
        vec![
            Sample::new(op(), &[&[-1, 4, 15], &[-1, 4, 15], &[3, 9], &[-1, 3]]),
            Sample::new(op(), &[&[-1, 4, 3], &[-1, 4, 18], &[3, 9], &[-1, 3]]),
            Sample::new(op(), &[&[-1, 4, 3], &[-1, 4, 15], &[3, 9], &[-1, 6]]),
        ]
    }
}
