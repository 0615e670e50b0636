//! A product with bias and activation in its epilogue: y = f(x·w + b). Shapes: [.., k], [k, n], [n] → [.., n].
//! Made by the fusion pass from a matmul, an add and an activation whose derivative needs y only; never traced, so it has no
//! derivative rule of its own.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::matmul::{Activation, Epilogue, Left};
use serde::{Deserialize, Serialize};

use super::matmul::{Matmul, Sizes, product};
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde, by_decomposition};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::shape::Shape;

/// The activations that ride in the epilogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rides {
    /// None.
    #[default]
    Identity,
    /// max(x, 0)
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
    /// x·Φ(x)
    Gelu,
}

impl Rides {
    /// The row of the table, if the function can ride.
    pub fn of(kind: UnaryKind) -> Option<Rides> {
        match kind {
            UnaryKind::Relu => Some(Rides::Relu),
            UnaryKind::Tanh => Some(Rides::Tanh),
            UnaryKind::Sigmoid => Some(Rides::Sigmoid),
            UnaryKind::Gelu => Some(Rides::Gelu),
            _ => None,
        }
    }

    pub(super) fn unary(self) -> UnaryKind {
        match self {
            Rides::Identity => UnaryKind::Identity,
            Rides::Relu => UnaryKind::Relu,
            Rides::Tanh => UnaryKind::Tanh,
            Rides::Sigmoid => UnaryKind::Sigmoid,
            Rides::Gelu => UnaryKind::Gelu,
        }
    }

    pub(super) fn epilogue(self) -> Activation {
        match self {
            Rides::Identity => Activation::Identity,
            Rides::Relu => Activation::Relu,
            Rides::Tanh => Activation::Tanh,
            Rides::Sigmoid => Activation::Sigmoid,
            Rides::Gelu => Activation::Gelu,
        }
    }
}

/// The fused layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Linear {
    /// f
    pub activation: Rides,
}

impl Op for Linear {
    const NAMES: &'static [&'static str] = &["linear"];
    const HINT: &'static str = "x is […, k], the kernel [k, n], the bias [n].";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let y = Matmul::default().shape(&x[..2])?;
        if x[2].rank() != 1 || x[2].0[0] != x[1].0[1] {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("a bias of shape {} does not fit the product {y}", x[2]),
            )
            .expected(format!("[{}]", x[1].0[1]))
            .received(x[2].to_string()));
        }
        Ok(y)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let product = b.apply(Matmul::default().into(), &inputs[..2])?;
            let sum = b.binary(BinaryKind::Add, product, inputs[2])?;
            b.unary(self.activation.unary(), sum)
        };
        Some(build())
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        Matmul::default().work(&x[..2], y, batch) + 4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (k, n) = (io.shape(1).0[0].at(io.batch()), io.shape(1).0[1].at(io.batch()));
        if n == 0 {
            return;
        }
        let sizes = Sizes { m: io.len() / n, k, n };
        let epilogue = Epilogue {
            bias: Some(&io.input(2)[..n]),
            activation: self.activation.epilogue(),
            accumulate: false,
        };
        product(io, sizes, Left { row: k, col: 1, panel: 16 }, None, &epilogue);
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for activation in [Rides::Identity, Rides::Relu, Rides::Tanh, Rides::Sigmoid, Rides::Gelu] {
            for (m, k, n) in [(3, 4, 5), (1, 1, 1), (-1, 7, 17), (8, 0, 3), (20, 33, 40)] {
                all.push(Sample::new(Linear { activation }, &[&[m, k], &[k, n], &[n]]));
            }
        }
        all.push(Sample::new(Linear::default(), &[&[-1, 3, 4], &[4, 2], &[2]]));
        all
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(Linear::default(), &[&[3, 4], &[4, 5], &[4]]),
            Sample::new(Linear::default(), &[&[3, 4], &[4, 5], &[1, 5]]),
            Sample::new(Linear::default(), &[&[3, 4], &[3, 5], &[5]]),
        ]
    }
}
