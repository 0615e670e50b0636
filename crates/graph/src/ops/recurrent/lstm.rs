//! LSTM over time. x [batch, time, 4·units] (gates i, f, g, o), U [units, 4·units], state h‖c [batch, 2·units] →
//! record [batch, time, 6·units] of i, f, g, o, c, h. The formulas are at the kernel, [`nabla_kernels::recurrent::lstm`].

use nabla_error::{Error, Result};
use nabla_kernels::Real;
use nabla_kernels::recurrent::lstm;
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
const RECORD: usize = 6;

/// The cell over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Lstm {
    /// From the last step to the first; each step's values stay at its position.
    pub reverse: bool,
}

impl Op for Lstm {
    const NAMES: &'static [&'static str] = &["lstm"];
    const HINT: &'static str =
        "x is [batch, time, 4·units] with at least one step, recurrent weights [units, 4·units], state [batch, 2·units].";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let units = units("lstm", x[0], x[1], x[2], 4, 2)?;
        Ok(resized(x[0], x[0].0[1].size, RECORD * units))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (u, state, record) = (at.inputs[1], at.inputs[2], at.y);
        let shape = b.shape(record).clone();
        let (time, n) = (shape.0[1].size, b.shape(u).0[0].size);
        let (whole, dy) = of_record(b, at.dy, n, RECORD)?;
        let op = LstmGradient {
            reverse: self.reverse,
            whole,
            state: at.wants[2],
        };
        let all = b.apply(op.into(), &[dy, record, u, state])?;
        let dz = slice(b, all, 1, 0, time)?;
        let mut grads = vec![Some(dz), None, None];
        if at.wants[1] {
            let h = slice(b, record, 2, 5 * n, 6 * n)?;
            let first = slice(b, state, 1, 0, n)?;
            let h = before(b, h, first, self.reverse)?;
            grads[1] = Some(weight_gradient(b, h, dz)?);
        }
        if at.wants[2] {
            let last = step(b, all, time)?;
            grads[2] = Some(slice(b, last, 1, 0, 2 * n)?);
        }
        Ok(grads)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let (x, u, state) = (inputs[0], inputs[1], inputs[2]);
            let n = b.shape(u).0[0].size;
            let state = vec![slice(b, state, 1, 0, n)?, slice(b, state, 1, n, 2 * n)?];
            unrolled(b, [x, u], state, self.reverse, |b, own, product, state| {
                let z = b.binary(BinaryKind::Add, own, product)?;
                let mut gates = Vec::new();
                for (gate, kind) in [UnaryKind::Sigmoid, UnaryKind::Sigmoid, UnaryKind::Tanh, UnaryKind::Sigmoid]
                    .into_iter()
                    .enumerate()
                {
                    let part = slice(b, z, 1, gate * n, (gate + 1) * n)?;
                    gates.push(b.unary(kind, part)?);
                }
                let kept = b.binary(BinaryKind::Multiply, gates[1], state[1])?;
                let new = b.binary(BinaryKind::Multiply, gates[0], gates[2])?;
                let c = b.binary(BinaryKind::Add, kept, new)?;
                let t = b.unary(UnaryKind::Tanh, c)?;
                let h = b.binary(BinaryKind::Multiply, gates[3], t)?;
                gates.extend([c, h]);
                Ok((vec![h, c], gates))
            })
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        forward_scratch::<lstm::Lstm>(x, batch)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[1].0[0].size;
        x[0].0[0].at(batch) * x[0].0[1].size * 4 * n * (2 * n + 30)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        run_forward(lstm::Lstm, self.reverse, io);
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, n) in [(-1i64, 4i64, 3i64), (1, 1, 1), (2, 3, 17), (0, 2, 2), (5, 2, 32)] {
            for reverse in [false, true] {
                all.push(Sample::new(
                    Lstm { reverse },
                    &[&[batch, time, 4 * n], &[n, 4 * n], &[batch, 2 * n]],
                ));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let op = Lstm::default;
        vec![
            Sample::new(op(), &[&[-1, 4, 12], &[3, 12], &[-1, 3]]),
            Sample::new(op(), &[&[-1, 4, 12], &[3, 9], &[-1, 6]]),
            Sample::new(op(), &[&[-1, 0, 12], &[3, 12], &[-1, 6]]),
            Sample::new(op(), &[&[-1, 12], &[3, 12], &[-1, 6]]),
            Sample::new(op(), &[&[-1, 4, 12], &[3, 12], &[2, 6]]),
        ]
    }
}

/// The backward pass: dy (of h, or of the whole record), record, U, state → ∂loss/∂x [batch, time, 4·units], and with `state` one more
/// step whose first half is the gradient of h‖c.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LstmGradient {
    /// As forwards.
    pub reverse: bool,
    /// Is dy the gradient of the whole record?
    pub whole: bool,
    /// Is the gradient of the state wanted?
    pub state: bool,
}

impl Op for LstmGradient {
    const NAMES: &'static [&'static str] = &["lstmGradient"];
    const HINT: &'static str = "the gradient has the shape of the outputs or of the record, as the cell of that many units gives it.";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        gradient_shape::<lstm::Lstm>("lstmGradient", x, self.whole, self.state)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    /// The formulas at the kernel, step by step.
    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        use BinaryKind::{Multiply, SigmoidGradient, TanhGradient};
        let mut build = || {
            let (dy, record, u, state) = (inputs[0], inputs[1], inputs[2], inputs[3]);
            let n = b.shape(u).0[0].size;
            let p = Unrolled {
                dy,
                record,
                u,
                reverse: self.reverse,
                kept: Some((4, slice(b, state, 1, n, 2 * n)?)),
                states: if self.state { 2 } else { 0 },
            };
            unrolled_back(b, &p, |b, at| {
                let ([i, f, g, o, c, _], Some(before)) = (&at.parts[..], at.before) else {
                    return Err(Error::internal("a record of six parts"));
                };
                let t = b.unary(UnaryKind::Tanh, *c)?;
                let dh = at.dh(b)?;
                let through_o = b.binary(Multiply, dh, *o)?;
                let of_c = b.binary(TanhGradient, t, through_o)?;
                let of_c = plus(b, of_c, at.carry)?;
                let dc = plus(b, of_c, at.wants[4])?;
                let mut slopes = Vec::new();
                let sources = [
                    (SigmoidGradient, *i, dc, *g, at.wants[0]),
                    (SigmoidGradient, *f, dc, before, at.wants[1]),
                    (TanhGradient, *g, dc, *i, at.wants[2]),
                    (SigmoidGradient, *o, dh, t, at.wants[3]),
                ];
                for (kind, gate, d, by, want) in sources {
                    let product = b.binary(Multiply, d, by)?;
                    let whole = plus(b, product, want)?;
                    slopes.push(b.binary(kind, gate, whole)?);
                }
                Ok(Slopes {
                    slopes,
                    of_product: None,
                    carry: Some(b.binary(Multiply, dc, *f)?),
                })
            })
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        backward_scratch::<lstm::Lstm>(x, batch)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[2].0[0].size;
        x[1].0[0].at(batch) * x[1].0[1].size * 4 * n * (2 * n + 20)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        run_backward(lstm::Lstm, self.reverse, self.whole, io, io.input(3).as_ptr());
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, n) in [(-1i64, 4i64, 3i64), (1, 1, 1), (2, 3, 17), (5, 2, 32)] {
            for (reverse, whole, state) in [(false, false, false), (true, true, false), (false, true, true), (true, false, true)] {
                let width = if whole { 6 * n } else { n };
                let op = LstmGradient { reverse, whole, state };
                let shapes: [&[i64]; 4] = [&[batch, time, width], &[batch, time, 6 * n], &[n, 4 * n], &[batch, 2 * n]];
                let mut sample = Sample::new(op, &shapes);
                // A record of gates lies between 0 and 1.
                sample.inputs[1].range = (0.0, 1.0);
                all.push(sample);
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let op = LstmGradient::default;
        vec![
            Sample::new(op(), &[&[-1, 4, 18], &[-1, 4, 18], &[3, 12], &[-1, 6]]),
            Sample::new(op(), &[&[-1, 4, 3], &[-1, 4, 15], &[3, 12], &[-1, 6]]),
            Sample::new(op(), &[&[-1, 4, 3], &[-1, 4, 18], &[3, 12], &[-1, 3]]),
        ]
    }
}
