//! GRU over time. x [batch, time, 3·units] (gates r, z, n), U [units, 3·units], state h [batch, units], bₙ [units] →
//! record [batch, time, 5·units] of r, z, n, m, h. The formulas are at the kernel, [`nabla_kernels::recurrent::gru`].

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::recurrent::gru;
use serde::{Deserialize, Serialize};

use super::{
    Slopes, Unrolled, backward_scratch, before, forward_scratch, gradient_shape, of_record, plus, resized, run_backward, run_forward, step,
    units, unrolled, unrolled_back, weight_gradient,
};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::ops::slice::slice;
use crate::ops::{At, Gradients, Io, Op, Sample, attributes_by_serde, by_decomposition};
use crate::shape::Shape;

/// Parts of a record.
const RECORD: usize = 5;

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
        Ok(resized(x[0], x[0].0[1].size, RECORD * units))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (u, state, record) = (at.inputs[1], at.inputs[2], at.y);
        let shape = b.shape(record).clone();
        let (time, n) = (shape.0[1].size, b.shape(u).0[0].size);
        let (whole, dy) = of_record(b, at.dy, n, RECORD)?;
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
            unrolled(b, [x, u], vec![state], self.reverse, |b, own, product, state| {
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
                let difference = b.binary(BinaryKind::Subtract, state[0], new)?;
                let kept = b.binary(BinaryKind::Multiply, gates[1], difference)?;
                let h = b.binary(BinaryKind::Add, new, kept)?;
                gates.extend([new, m, h]);
                Ok((vec![h], gates))
            })
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        forward_scratch::<gru::Gru<f32>>(x, batch)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[1].0[0].size;
        x[0].0[0].at(batch) * x[0].0[1].size * 3 * n * (2 * n + 30)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let bias = io.input(3).as_ptr();
        run_forward(gru::Gru { bias }, self.reverse, io);
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

impl Op for GruGradient {
    const NAMES: &'static [&'static str] = &["gruGradient"];
    const HINT: &'static str = "the gradient has the shape of the outputs or of the record, as the cell of that many units gives it.";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        gradient_shape::<gru::Gru<f32>>("gruGradient", x, self.whole, self.state)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    /// The formulas at the kernel, step by step.
    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        use BinaryKind::{Multiply, SigmoidGradient, Subtract, TanhGradient};
        let mut build = || {
            let (dy, record, u, state) = (inputs[0], inputs[1], inputs[2], inputs[3]);
            let one = b.scalar(1.0);
            let p = Unrolled {
                dy,
                record,
                u,
                reverse: self.reverse,
                kept: Some((4, state)),
                states: usize::from(self.state),
            };
            unrolled_back(b, &p, |b, at| {
                let ([r, z, new, m, _], Some(before)) = (&at.parts[..], at.before) else {
                    return Err(Error::internal("a record of five parts"));
                };
                let dh = at.dh(b)?;
                let dh = plus(b, dh, at.carry)?;
                let share = b.binary(Subtract, one, *z)?;
                let of_new = b.binary(Multiply, dh, share)?;
                let of_new = plus(b, of_new, at.wants[2])?;
                let dn = b.binary(TanhGradient, *new, of_new)?;
                let difference = b.binary(Subtract, before, *new)?;
                let of_z = b.binary(Multiply, dh, difference)?;
                let of_z = plus(b, of_z, at.wants[1])?;
                let dz = b.binary(SigmoidGradient, *z, of_z)?;
                let of_m = b.binary(Multiply, dn, *r)?;
                let dm = plus(b, of_m, at.wants[3])?;
                let of_r = b.binary(Multiply, dn, *m)?;
                let of_r = plus(b, of_r, at.wants[0])?;
                let dr = b.binary(SigmoidGradient, *r, of_r)?;
                Ok(Slopes {
                    slopes: vec![dr, dz, dn, dr, dz, dm],
                    of_product: Some(vec![dr, dz, dm]),
                    carry: Some(b.binary(Multiply, dh, *z)?),
                })
            })
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        backward_scratch::<gru::Gru<f32>>(x, batch)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[2].0[0].size;
        x[1].0[0].at(batch) * x[1].0[1].size * 3 * n * (2 * n + 20)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        // The backward pass reads no bias.
        let cell = gru::Gru { bias: std::ptr::null() };
        run_backward(cell, self.reverse, self.whole, io, io.input(3).as_ptr());
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
