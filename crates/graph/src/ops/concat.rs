//! Two values side by side along one axis. Shapes: [.., n, ..], [.., m, ..] → [.., n + m, ..]. Each gradient is a slice of dy.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::slice::{Along, fixed_axis, part_of};
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// The axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Concat {
    /// Negative ones count from the end.
    pub axis: i64,
}

impl Default for Concat {
    fn default() -> Concat {
        Concat { axis: -1 }
    }
}

impl Op for Concat {
    const NAMES: &'static [&'static str] = &["concat"];
    const HINT: &'static str = "equal sizes on all axes but the one that is joined, which is not the batch axis.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("joining", x[0], self.axis)?;
        let mut shape = x[0].clone();
        let same = x[0].rank() == x[1].rank() && (0..x[0].rank()).all(|i| x[0].0[i] == x[1].0[i] || (i == axis && !x[1].0[i].batch));
        if !same {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} and {} cannot be joined along axis {axis}", x[0], x[1]),
            )
            .expected(format!("equal sizes on all axes but axis {axis}"))
            .received(format!("{} and {}", x[0], x[1])));
        }
        shape.0[axis] = Dim::fixed(x[0].0[axis].size + x[1].0[axis].size);
        shape.check_size(1)?;
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let shape = b.shape(at.y);
        let axis = shape.axis(self.axis)?;
        let total = shape.0[axis].size;
        let middle = b.shape(at.inputs[0]).0[axis].size;
        let mut grads = vec![None, None];
        for (i, (from, to)) in [(0, middle), (middle, total)].into_iter().enumerate() {
            if at.wants[i] {
                grads[i] = match part_of(b, at.dy, axis, from, to)? {
                    Some(part) => Some(part),
                    None => {
                        let shape = b.shape(at.inputs[i]).clone();
                        let zero = b.scalar(0.0);
                        Some(b.broadcast_to(zero, shape)?)
                    }
                };
            }
        }
        Ok(grads)
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let rank = io.out_shape().rank() as i64;
        let axis = (if self.axis < 0 { self.axis + rank } else { self.axis }) as usize;
        let along = Along::new(io.out_shape(), axis, io.batch());
        let width = along.size * along.inner;
        let left = io.shape(0).0[axis].size * along.inner;
        let right = width - left;
        let (a, b) = (io.input(0), io.input(1));
        for block in io.part(along.outer) {
            // SAFETY: members take disjoint blocks.
            let y = unsafe { io.output(block * width..(block + 1) * width) };
            y[..left].copy_from_slice(&a[block * left..(block + 1) * left]);
            y[left..].copy_from_slice(&b[block * right..(block + 1) * right]);
        }
    }

    fn samples() -> Vec<Sample> {
        let at = |axis| Concat { axis };
        vec![
            Sample::new(at(-1), &[&[-1, 3], &[-1, 5]]),
            Sample::new(at(1), &[&[-1, 2, 3], &[-1, 1, 3]]),
            Sample::new(at(0), &[&[2, 3], &[4, 3]]),
            Sample::new(at(1), &[&[2, 0], &[2, 3]]),
            Sample::new(at(0), &[&[0, 1], &[0, 1]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let at = |axis| Concat { axis };
        vec![
            Sample::new(at(1), &[&[2, 3], &[3, 3]]),
            Sample::new(at(0), &[&[-1, 3], &[-1, 3]]),
            Sample::new(at(1), &[&[2, 3], &[2, 3, 1]]),
            Sample::new(at(2), &[&[2, 3], &[2, 3]]),
        ]
    }
}
