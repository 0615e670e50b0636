//! y = a where the condition is not 0, else b, element by element; three values of one shape (`where` broadcasts them first). What is
//! not chosen gets gradient 0. The condition gets no gradient.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde_json::Value;

use super::{At, Gradients, Io, Op, Sample, no_attributes};
use crate::builder::Builder;
use crate::shape::Shape;

/// One of two, by a condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select;

impl Op for Select {
    const NAMES: &'static [&'static str] = &["select"];
    const HINT: &'static str = "all three have one shape; where() broadcasts them.";
    const INPUTS: usize = 3;

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| Select)
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        if x[0] == x[1] && x[1] == x[2] {
            return Ok(x[0].clone());
        }
        Err(
            Error::new(Code::ShapeMismatch, format!("condition {}, {} and {} differ", x[0], x[1], x[2]))
                .expected("three equal shapes")
                .received(format!("{}, {} and {}", x[0], x[1], x[2])),
        )
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (zero, shape) = (b.scalar(0.0), b.shape(at.y).clone());
        let zero = b.broadcast_to(zero, shape)?;
        let mut part = |wanted: bool, a, c| match wanted {
            true => b.apply(Select.into(), &[at.inputs[0], a, c]).map(Some),
            false => Ok(None),
        };
        Ok(vec![None, part(at.wants[1], at.dy, zero)?, part(at.wants[2], zero, at.dy)?])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let part = io.part_in_blocks(io.len(), 16);
        let [condition, a, b] = [0, 1, 2].map(|i| &io.input(i)[part.clone()]);
        // SAFETY: members take disjoint parts.
        let y = unsafe { io.output(part) };
        for (((y, &c), &a), &b) in y.iter_mut().zip(condition).zip(a).zip(b) {
            *y = if c != T::ZERO { a } else { b };
        }
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::new(Select, &[&[-1, 5], &[-1, 5], &[-1, 5]]).indices(0, 2),
            Sample::new(Select, &[&[1, 40], &[1, 40], &[1, 40]]).indices(0, 2),
            Sample::new(Select, &[&[0, 3], &[0, 3], &[0, 3]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(Select, &[&[3], &[3], &[1]]),
            Sample::new(Select, &[&[-1, 3], &[3], &[3]]),
        ]
    }
}
