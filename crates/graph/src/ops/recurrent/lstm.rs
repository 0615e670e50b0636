//! LSTM over time. x [batch, time, 4·units] (gates i, f, g, o), U [units, 4·units], state h‖c [batch, 2·units] →
//! record [batch, time, 6·units] of i, f, g, o, c, h. The formulas are at the kernel, [`nabla_kernels::recurrent::lstm`].

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::recurrent::{Sequence, lstm};
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
        Ok(resized(x[0], x[0].0[1].size, lstm::RECORD * units))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (u, state, record) = (at.inputs[1], at.inputs[2], at.y);
        let shape = b.shape(record).clone();
        let (time, n) = (shape.0[1].size, b.shape(u).0[0].size);
        let whole = part_of(b, at.dy, 2, 0, 5 * n)?.is_some();
        let dh = part_of(b, at.dy, 2, 5 * n, 6 * n)?;
        let (whole, dy) = match dh {
            Some(dh) if !whole => (false, dh),
            _ => (true, at.dy),
        };
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
            let time = b.shape(x).0[1].size;
            let (mut h, mut c) = (slice(b, state, 1, 0, n)?, slice(b, state, 1, n, 2 * n)?);
            let mut steps = vec![0; time];
            for at in order(time, self.reverse) {
                let own = step(b, x, at)?;
                let product = b.apply(Matmul::default().into(), &[h, u])?;
                let z = b.binary(BinaryKind::Add, own, product)?;
                let mut gates = Vec::new();
                for (gate, kind) in [UnaryKind::Sigmoid, UnaryKind::Sigmoid, UnaryKind::Tanh, UnaryKind::Sigmoid]
                    .into_iter()
                    .enumerate()
                {
                    let part = slice(b, z, 1, gate * n, (gate + 1) * n)?;
                    gates.push(b.unary(kind, part)?);
                }
                let kept = b.binary(BinaryKind::Multiply, gates[1], c)?;
                let new = b.binary(BinaryKind::Multiply, gates[0], gates[2])?;
                c = b.binary(BinaryKind::Add, kept, new)?;
                let t = b.unary(UnaryKind::Tanh, c)?;
                h = b.binary(BinaryKind::Multiply, gates[3], t)?;
                gates.extend([c, h]);
                steps[at] = join(b, &gates)?;
            }
            stack(b, steps)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        x[0].0[0].at(batch) * 5 * x[1].0[0].size
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[1].0[0].size;
        x[0].0[0].at(batch) * x[0].0[1].size * 4 * n * (2 * n + 30)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, time, units) = (io.out_shape().0[0].at(io.batch()), io.out_shape().0[1].size, io.shape(1).0[0].size);
        if io.is_empty() {
            return;
        }
        let scratch = io.scratch_start();
        let p = lstm::Forward {
            sequence: Sequence {
                time,
                units,
                reverse: self.reverse,
            },
            x: io.input(0).as_ptr(),
            u: weights(io, 1),
            state: io.input(2).as_ptr(),
            record: io.output_start(),
            h: scratch,
            // SAFETY: the scratch memory holds [rows, units] and [rows, 4·units].
            z: unsafe { scratch.add(rows * units) },
        };
        // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
        unsafe { lstm::forward(&p, io.part(rows)) };
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

impl LstmGradient {
    fn steps(&self, time: usize) -> usize {
        time + usize::from(self.state)
    }
}

impl Op for LstmGradient {
    const NAMES: &'static [&'static str] = &["lstmGradient"];
    const HINT: &'static str = "the gradient has the shape of the outputs or of the record, as the cell of that many units gives it.";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (dy, record, u, state) = (x[0], x[1], x[2], x[3]);
        let n = u.0.first().map_or(0, |d| d.size);
        let wrong = || {
            Error::new(Code::ShapeMismatch, format!("lstmGradient: dy {dy} and record {record} don't fit"))
                .expected("[batch, time, units] or the shape of the record, [batch, time, 6·units]")
                .received(format!("{dy} and {record}"))
        };
        if record.rank() != 3 || record.0[2] != Dim::fixed(lstm::RECORD * n) || record.0[1].batch {
            return Err(wrong());
        }
        let time = record.0[1].size;
        units("lstmGradient", &resized(record, time, 4 * n), u, state, 4, 2)?;
        if *dy != resized(record, time, if self.whole { lstm::RECORD * n } else { n }) {
            return Err(wrong());
        }
        Ok(resized(record, self.steps(time), 4 * n))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    /// The formulas at the kernel, step by step.
    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        use BinaryKind::{Multiply, SigmoidGradient, TanhGradient};
        let mut build = || {
            let (dy, record, u, state) = (inputs[0], inputs[1], inputs[2], inputs[3]);
            let (time, n) = (b.shape(record).0[1].size, b.shape(u).0[0].size);
            let order = order(time, self.reverse);
            let (mut dh, mut dc) = (None, None);
            let mut steps = vec![0; time];
            for (index, &at) in order.iter().enumerate().rev() {
                let StepBack { parts, wants } = step_back(b, record, dy, at, n)?;
                let [i, f, g, o, c, _] = parts[..] else {
                    return Err(Error::internal("a record of six parts"));
                };
                let before = match index.checked_sub(1) {
                    None => slice(b, state, 1, n, 2 * n)?,
                    Some(last) => {
                        let last = step(b, record, order[last])?;
                        slice(b, last, 1, 4 * n, 5 * n)?
                    }
                };
                let t = b.unary(UnaryKind::Tanh, c)?;
                let dh_now = match wants[5] {
                    Some(eh) => plus(b, eh, dh)?,
                    None => return Err(Error::internal("dy holds that of h")),
                };
                let through_o = b.binary(Multiply, dh_now, o)?;
                let of_c = b.binary(TanhGradient, t, through_o)?;
                let of_c = plus(b, of_c, dc)?;
                let dc_now = plus(b, of_c, wants[4])?;
                let mut dz = Vec::new();
                let sources = [
                    (SigmoidGradient, i, dc_now, g, wants[0]),
                    (SigmoidGradient, f, dc_now, before, wants[1]),
                    (TanhGradient, g, dc_now, i, wants[2]),
                    (SigmoidGradient, o, dh_now, t, wants[3]),
                ];
                for (kind, gate, d, by, want) in sources {
                    let product = b.binary(Multiply, d, by)?;
                    let whole = plus(b, product, want)?;
                    dz.push(b.binary(kind, gate, whole)?);
                }
                steps[at] = join(b, &dz)?;
                dc = Some(b.binary(Multiply, dc_now, f)?);
                dh = Some(through(b, steps[at], u)?);
            }
            if let (true, Some(dh), Some(dc)) = (self.state, dh, dc) {
                let rest = zeros(b, dh, 2 * n)?;
                steps.push(join(b, &[dh, dc, rest])?);
            }
            stack(b, steps)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        transposed_len(x[2]) + x[1].0[0].at(batch) * 6 * x[2].0[0].size
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[2].0[0].size;
        x[1].0[0].at(batch) * x[1].0[1].size * 4 * n * (2 * n + 20)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, time, units) = (io.shape(1).0[0].at(io.batch()), io.shape(1).0[1].size, io.shape(2).0[0].size);
        let ut = transposed_weights(io, 2);
        if io.is_empty() {
            return;
        }
        // SAFETY: the scratch memory holds Uᵀ, then [rows, 4·units] and twice [rows, units].
        let (z, dh, dc) = unsafe {
            let z = io.scratch_start().add(transposed_len(io.shape(2)));
            (z, z.add(rows * 4 * units), z.add(rows * 5 * units))
        };
        let p = lstm::Backward {
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
            dc,
        };
        // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
        unsafe { lstm::backward(&p, io.part(rows)) };
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
