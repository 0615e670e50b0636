//! The simple recurrent cell over time, hₜ = f(xₜ + hₜ₋₁·U) with f = tanh or relu. x [batch, time, units], U [units, units],
//! state h [batch, units] → [batch, time, units]. The formulas are at the kernel, [`nabla_kernels::recurrent::simple`].

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::recurrent::simple::Simple;
use serde::{Deserialize, Serialize};

use super::{
    Slopes, Unrolled, backward_scratch, before, forward_scratch, run_backward, run_forward, step, through, units, unrolled, unrolled_back,
    weight_gradient,
};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
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

impl CellFunction {
    fn cell(self) -> Simple {
        Simple {
            relu: self == CellFunction::Relu,
        }
    }
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
        let kind = match self.activation {
            CellFunction::Tanh => UnaryKind::Tanh,
            CellFunction::Relu => UnaryKind::Relu,
        };
        let (x, u, state) = (inputs[0], inputs[1], vec![inputs[2]]);
        Some(unrolled(b, [x, u], state, self.reverse, |b, own, product, _| {
            let sum = b.binary(BinaryKind::Add, own, product)?;
            let h = b.unary(kind, sum)?;
            Ok((vec![h], vec![h]))
        }))
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        forward_scratch::<Simple>(x, batch)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[1].0[0].size;
        x[0].0[0].at(batch) * x[0].0[1].size * n * (2 * n + 30)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        run_forward(self.activation.cell(), self.reverse, io);
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
        let kind = match self.activation {
            CellFunction::Tanh => BinaryKind::TanhGradient,
            CellFunction::Relu => BinaryKind::ReluGradient,
        };
        let p = Unrolled {
            dy: inputs[0],
            record: inputs[1],
            u: inputs[2],
            reverse: self.reverse,
            kept: None,
            states: 0,
        };
        Some(unrolled_back(b, &p, |b, at| {
            let dh = at.dh(b)?;
            Ok(Slopes {
                slopes: vec![b.binary(kind, at.parts[0], dh)?],
                of_product: None,
                carry: None,
            })
        }))
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        backward_scratch::<Simple>(x, batch)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        let n = x[2].0[0].size;
        x[1].0[0].at(batch) * x[1].0[1].size * n * (2 * n + 10)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        // The cell's derivative reads no state.
        run_backward(self.activation.cell(), self.reverse, false, io, std::ptr::null());
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
