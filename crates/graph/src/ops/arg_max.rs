//! The index of the largest element along an axis, of equals the first; of the least with `least`. Shapes: [.., n, ..] → [.., ..].
//! Indices have no gradient.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::slice::{Along, axis_of, fixed_axis};
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// The axis, and which end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ArgMax {
    /// Negative ones count from the end.
    pub axis: i64,
    /// Of the least instead.
    pub least: bool,
}

impl Default for ArgMax {
    fn default() -> ArgMax {
        ArgMax { axis: -1, least: false }
    }
}

impl Op for ArgMax {
    const NAMES: &'static [&'static str] = &["argMax"];
    const HINT: &'static str = "an axis other than the batch, with at least one element.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("the largest", x[0], self.axis)?;
        if x[0].0[axis].size == 0 {
            return Err(Error::new(Code::ShapeMismatch, format!("axis {axis} of {} has no elements", x[0])).expected("at least one"));
        }
        let mut shape = x[0].clone();
        shape.0.remove(axis);
        Ok(shape)
    }

    fn gradient(&self, _b: &mut Builder, _at: &At) -> Result<Gradients> {
        Ok(vec![None])
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        4 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let Along { size, inner, .. } = Along::new(io.shape(0), axis_of(io.shape(0), self.axis), io.batch());
        let (x, part) = (io.input(0), io.part(io.len()));
        // SAFETY: members take disjoint parts.
        let y = unsafe { io.output(part.clone()) };
        for (at, y) in part.zip(y) {
            let start = at / inner * size * inner + at % inner;
            let mut best = 0;
            for k in 1..size {
                let (now, held) = (x[start + k * inner], x[start + best * inner]);
                if if self.least { now < held } else { now > held } {
                    best = k;
                }
            }
            *y = T::from_f64(best as f64);
        }
    }

    fn samples() -> Vec<Sample> {
        let at = |axis, least| ArgMax { axis, least };
        vec![
            Sample::new(at(-1, false), &[&[-1, 7]]),
            Sample::new(at(1, true), &[&[2, 5, 3]]),
            Sample::new(at(0, false), &[&[1, 4]]),
            Sample::new(at(1, false), &[&[0, 4]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let at = |axis| ArgMax { axis, least: false };
        vec![
            Sample::new(at(0), &[&[-1, 7]]),
            Sample::new(at(2), &[&[3, 7]]),
            Sample::new(at(1), &[&[3, 0]]),
        ]
    }
}
