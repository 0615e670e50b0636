//! The same elements under another shape, and a value repeated along axes of size 1.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// y = x, row-major, as `shape`. Costs nothing: the plan gives both the same memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Reshape {
    /// The new sizes; −1 is the batch, −n a multiple of it.
    pub shape: Shape,
}

impl Op for Reshape {
    const NAMES: &'static [&'static str] = &["reshape"];
    const HINT: &'static str = "the product of the sizes stays the same; −1 stands for the batch axis, which stays first.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        if Shape::product(&self.shape.0)? != Shape::product(&x[0].0)? {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} cannot become {}: the number of elements differs", x[0], self.shape),
            )
            .expected(format!("{} elements", Shape::product(&x[0].0)?))
            .received(format!("{} elements", Shape::product(&self.shape.0)?)));
        }
        Ok(self.shape.clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let shape = b.shape(at.inputs[0]).clone();
        Ok(vec![Some(b.reshape(at.dy, shape)?)])
    }

    fn work(&self, _x: &[&Shape], _y: &Shape, _batch: usize) -> usize {
        0
    }

    /// Runs only where the value must move (an output that has memory of its own, perhaps in panels).
    fn run<T: Real>(&self, io: &Io<T>) {
        if io.out_in_panels() {
            let (k, n) = (io.shape(0).0[0].size, io.shape(0).0[1].size);
            // SAFETY: a move into panels is never shared (the plan makes it serial), so this member takes all.
            nabla_kernels::matmul::pack_panels(k, n, io.input(0), unsafe { io.output(0..io.len()) });
            return;
        }
        let part = io.part(io.len());
        // SAFETY: members take disjoint parts.
        unsafe { io.output(part.clone()) }.copy_from_slice(&io.input(0)[part]);
    }

    fn samples() -> Vec<Sample> {
        let to = |shape: &[i64]| Reshape {
            shape: shape.to_vec().into(),
        };
        vec![
            Sample::new(to(&[6]), &[&[2, 3]]),
            Sample::new(to(&[-1, 6]), &[&[-1, 2, 3]]),
            Sample::new(to(&[-6]), &[&[-1, 2, 3]]),
            Sample::new(to(&[1, 1, 1]), &[&[]]),
            Sample::new(to(&[0, 5]), &[&[3, 0]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let to = |shape: &[i64]| Reshape {
            shape: shape.to_vec().into(),
        };
        vec![Sample::new(to(&[5]), &[&[2, 3]]), Sample::new(to(&[6]), &[&[-1, 6]])]
    }
}

/// y = x repeated along the axes where it has size 1 (and along new leading ones) up to `shape`. dx = Σ dy over those axes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Broadcast {
    /// The sizes to reach.
    pub shape: Shape,
}

impl Op for Broadcast {
    const NAMES: &'static [&'static str] = &["broadcast"];
    const HINT: &'static str = "sizes are equal to those asked, or 1, axis by axis from the last one.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let y = x[0].broadcast(&self.shape)?;
        if y != self.shape {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} does not broadcast to {}", x[0], self.shape),
            ));
        }
        Ok(y)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let shape = b.shape(at.inputs[0]).clone();
        Ok(vec![Some(b.sum_to(at.dy, &shape)?)])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (x, batch, out) = (io.input(0), io.batch(), io.out_shape());
        if io.is_empty() {
            return;
        }
        let last = out.last(batch);
        let shape = io.shape(0);
        for row in io.part(io.len() / last) {
            // SAFETY: members take disjoint rows.
            let y = unsafe { io.output(row * last..(row + 1) * last) };
            let (mut index, mut offset, mut stride) = (row, 0, if shape.rank() == 0 { 1 } else { shape.last(batch) });
            for back in 2..=out.rank() {
                let n = out.0[out.rank() - back].at(batch);
                let at = index % n;
                index /= n;
                if back <= shape.rank() {
                    let own = shape.0[shape.rank() - back].at(batch);
                    offset += if own == 1 { 0 } else { at * stride };
                    stride *= own;
                }
            }
            if shape.last(batch) == last {
                y.copy_from_slice(&x[offset..offset + last])
            } else {
                y.fill(x[offset])
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let to = |shape: &[i64]| Broadcast {
            shape: shape.to_vec().into(),
        };
        vec![
            Sample::new(to(&[3, 5]), &[&[5]]),
            Sample::new(to(&[3, 5]), &[&[3, 1]]),
            Sample::new(to(&[-1, 5]), &[&[-1, 1]]),
            Sample::new(to(&[2, 3]), &[&[]]),
            Sample::new(to(&[2, 3, 4]), &[&[2, 1, 4]]),
            Sample::new(to(&[0, 4]), &[&[1, 4]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let to = |shape: &[i64]| Broadcast {
            shape: shape.to_vec().into(),
        };
        vec![Sample::new(to(&[3, 5]), &[&[4]]), Sample::new(to(&[5]), &[&[3, 5]])]
    }
}
