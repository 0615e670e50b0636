//! The simple recurrent cell over time, hₜ = f(xₜ + hₜ₋₁·U) with f = tanh or relu. x [batch, time, units], U [units, units],
//! state h [batch, units] → [batch, time, units]. The formulas are at the kernel, [`nabla_kernels::recurrent::simple`].

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::recurrent::{Sequence, simple};
use serde::{Deserialize, Serialize};

use super::{before, order, plus, stack, step, through, transposed_len, transposed_weights, units, weight_gradient, weights};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::ops::matmul::Matmul;
use crate::ops::{At, Gradients, Io, Op, Sample, attributes_by_serde, by_decomposition};
use crate::shape::Shape;

/// The function of the cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CellFunction {
    /// Hyperbolic tangent.
    #[default]
    Tanh,
    /// max(x, 0). Le, Jaitly & Hinton 2015, arXiv:1504.00941.
    Relu,
}

/// The cell over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SimpleRnn {
    /// f
    pub activation: CellFunction,
    /// From the last step to the first; each step's values stay at its position.
    pub reverse: bool,
}

impl Op for SimpleRnn {
    const NAMES: &'static [&'static str] = &["simpleRnn"];
    const HINT: &'static str = "x is [batch, time, units] with at least one step, recurrent weights [units, units], state [batch, units].";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        units("simpleRnn", x[0], x[1], x[2], 1, 1)?;
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (u, state, y) = (at.inputs[1], at.inputs[2], at.y);
        let time = b.shape(y).0[1].size;
        let op = SimpleRnnGradient {
            activation: self.activation,
            reverse: self.reverse,
        };
        let dz = b.apply(op.into(), &[at.dy, y, u])?;
        let mut grads = vec![Some(dz), None, None];
        if at.wants[1] {
            let h = before(b, y, state, self.reverse)?;
            grads[1] = Some(weight_gradient(b, h, dz)?);
        }
        if at.wants[2] {
            let first = step(b, dz, if self.reverse { time - 1 } else { 0 })?;
            grads[2] = Some(through(b, first, u)?);
        }
        Ok(grads)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let (x, u, mut h) = (inputs[0], inputs[1], inputs[2]);
            let time = b.shape(x).0[1].size;
            let kind = match self.activation {
                CellFunction::Tanh => UnaryKind::Tanh,
                CellFunction::Relu => UnaryKind::Relu,
            };
            let mut steps = vec![0; time];
            for at in order(time, self.reverse) {
                let own = step(b, x, at)?;
                let product = b.apply(Matmul::default().into(), &[h, u])?;
                let sum = b.binary(BinaryKind::Add, own, product)?;
                h = b.unary(kind, sum)?;
                steps[at] = h;
            }
            stack(b, steps)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        x[0].0[0].at(batch) * 2 * x[1].0[0].size
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[1].0[0].size;
        x[0].0[0].at(batch) * x[0].0[1].size * n * (2 * n + 30)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, time, units) = (io.out_shape().0[0].at(io.batch()), io.out_shape().0[1].size, io.shape(1).0[0].size);
        if io.is_empty() {
            return;
        }
        let p = simple::Forward {
            sequence: Sequence {
                time,
                units,
                reverse: self.reverse,
            },
            relu: self.activation == CellFunction::Relu,
            x: io.input(0).as_ptr(),
            u: weights(io, 1),
            state: io.input(2).as_ptr(),
            y: io.output_start(),
            h: io.scratch_start(),
            // SAFETY: the scratch memory holds twice [rows, units].
            z: unsafe { io.scratch_start().add(rows * units) },
        };
        // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
        unsafe { simple::forward(&p, io.part(rows)) };
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, n) in [(-1i64, 4i64, 3i64), (1, 1, 1), (2, 3, 17), (0, 2, 2), (5, 2, 32)] {
            for (activation, reverse) in [(CellFunction::Tanh, false), (CellFunction::Relu, true)] {
                all.push(Sample::new(
                    SimpleRnn { activation, reverse },
                    &[&[batch, time, n], &[n, n], &[batch, n]],
                ));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let op = SimpleRnn::default;
        vec![
            Sample::new(op(), &[&[-1, 4, 3], &[3, 4], &[-1, 3]]),
            Sample::new(op(), &[&[-1, 4, 3], &[3, 3], &[-1, 4]]),
            Sample::new(op(), &[&[-1, 3], &[3, 3], &[-1, 3]]),
        ]
    }
}

/// The backward pass: dy, y, U → ∂loss/∂x.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SimpleRnnGradient {
    /// f
    pub activation: CellFunction,
    /// As forwards.
    pub reverse: bool,
}

impl Op for SimpleRnnGradient {
    const NAMES: &'static [&'static str] = &["simpleRnnGradient"];
    const HINT: &'static str = "gradient and output have one shape [batch, time, units], recurrent weights are [units, units].";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (dy, y, u) = (x[0], x[1], x[2]);
        let state = Shape(y.0.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, d)| *d).collect());
        units("simpleRnnGradient", y, u, &state, 1, 1)?;
        if dy != y {
            return Err(
                Error::new(Code::ShapeMismatch, format!("simpleRnnGradient: dy {dy} and y {y} don't fit"))
                    .expected(y.to_string())
                    .received(dy.to_string()),
            );
        }
        Ok(y.clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let (dy, y, u) = (inputs[0], inputs[1], inputs[2]);
            let time = b.shape(y).0[1].size;
            let kind = match self.activation {
                CellFunction::Tanh => BinaryKind::TanhGradient,
                CellFunction::Relu => BinaryKind::ReluGradient,
            };
            let mut dh = None;
            let mut steps = vec![0; time];
            for at in order(time, self.reverse).into_iter().rev() {
                let own = step(b, dy, at)?;
                let sum = plus(b, own, dh)?;
                let h = step(b, y, at)?;
                steps[at] = b.binary(kind, h, sum)?;
                dh = Some(through(b, steps[at], u)?);
            }
            stack(b, steps)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        transposed_len(x[2]) + x[1].0[0].at(batch) * 2 * x[2].0[0].size
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[2].0[0].size;
        x[1].0[0].at(batch) * x[1].0[1].size * n * (2 * n + 10)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, time, units) = (io.out_shape().0[0].at(io.batch()), io.out_shape().0[1].size, io.shape(2).0[0].size);
        let ut = transposed_weights(io, 2);
        if io.is_empty() {
            return;
        }
        // SAFETY: the scratch memory holds Uᵀ, then twice [rows, units].
        let (z, dh) = unsafe {
            let z = io.scratch_start().add(transposed_len(io.shape(2)));
            (z, z.add(rows * units))
        };
        let p = simple::Backward {
            sequence: Sequence {
                time,
                units,
                reverse: self.reverse,
            },
            relu: self.activation == CellFunction::Relu,
            dy: io.input(0).as_ptr(),
            y: io.input(1).as_ptr(),
            ut,
            dz: io.output_start(),
            z,
            dh,
        };
        // SAFETY: inputs, output and scratch have the sizes that the shapes say; members take disjoint rows.
        unsafe { simple::backward(&p, io.part(rows)) };
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (batch, time, n) in [(-1i64, 4i64, 3i64), (1, 1, 1), (2, 3, 17), (5, 2, 32)] {
            for (activation, reverse) in [(CellFunction::Tanh, false), (CellFunction::Relu, true)] {
                let shapes: [&[i64]; 3] = [&[batch, time, n], &[batch, time, n], &[n, n]];
                all.push(Sample::new(SimpleRnnGradient { activation, reverse }, &shapes).within(-1.0, 1.0));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let op = SimpleRnnGradient::default;
        vec![
            Sample::new(op(), &[&[-1, 4, 2], &[-1, 4, 3], &[3, 3]]),
            Sample::new(op(), &[&[-1, 4, 3], &[-1, 4, 3], &[4, 4]]),
        ]
    }
}
