//! One-hot: yᵢⱼ = 1 where j = labelᵢ, else 0. Shapes: [..] → [.., classes]. Indices have no gradient.

use nabla_error::{Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// The number of classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct OneHot {
    /// The width of the result, at least 1.
    pub classes: usize,
}

impl Op for OneHot {
    const NAMES: &'static [&'static str] = &["oneHot"];
    const HINT: &'static str = "class indices of any shape, and the number of classes, at least 1.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        if self.classes == 0 {
            return Err(Error::option("classes", "to be at least 1", 0));
        }
        Ok(Shape(x[0].0.iter().copied().chain([Dim::fixed(self.classes)]).collect()))
    }

    fn gradient(&self, _b: &mut Builder, _at: &At) -> Result<Gradients> {
        Ok(vec![None])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let rows = io.part(io.input(0).len());
        // SAFETY: members take disjoint rows.
        let y = unsafe { io.output(rows.start * self.classes..rows.end * self.classes) };
        y.fill(T::ZERO);
        for (label, y) in io.input(0)[rows].iter().zip(y.chunks_exact_mut(self.classes)) {
            if let Some(y) = y.get_mut(label.to_f64() as usize) {
                *y = T::ONE;
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let op = |classes| OneHot { classes };
        vec![
            Sample::new(op(4), &[&[-1]]).indices(0, 4),
            Sample::new(op(3), &[&[2, 5]]).indices(0, 3),
            Sample::new(op(1), &[&[1]]).indices(0, 1),
            Sample::new(op(5), &[&[0]]).indices(0, 5),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(OneHot { classes: 0 }, &[&[3]])]
    }
}
