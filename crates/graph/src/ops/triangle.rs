//! The lower triangle of matrices: yᵢⱼ = xᵢⱼ where j ≤ i + (columns − rows), else `value`. Shapes: [.., rows, columns] → the same.
//! Square, it is NumPy's `tril`; with more columns than rows (new queries against all keys so far) the last row keeps everything.
//! dx is the lower triangle of dy with 0.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// The lower triangle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LowerTriangle {
    /// What stands above the diagonal.
    pub value: f64,
}

impl Op for LowerTriangle {
    const NAMES: &'static [&'static str] = &["lowerTriangle"];
    const HINT: &'static str = "values are […, rows, columns]: reshape or broadcast to at least two fixed last axes.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let rank = x[0].rank();
        if rank < 2 || x[0].0[rank - 2..].iter().any(|d| d.batch) {
            return Err(
                Error::new(Code::ShapeMismatch, format!("{} has no matrices in its last two axes", x[0]))
                    .expected("[.., rows, columns]")
                    .received(x[0].to_string()),
            );
        }
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        Ok(vec![Some(b.apply(LowerTriangle { value: 0.0 }.into(), &[at.dy])?)])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let shape = io.out_shape();
        let (rows, columns) = (shape.0[shape.rank() - 2].size, shape.0[shape.rank() - 1].size);
        if io.is_empty() {
            return;
        }
        let value = T::from_f64(self.value);
        let x = io.input(0);
        for row in io.part(io.len() / columns) {
            // SAFETY: members take disjoint rows.
            let y = unsafe { io.output(row * columns..(row + 1) * columns) };
            let kept = (row % rows + 1 + columns).saturating_sub(rows).min(columns);
            y[..kept].copy_from_slice(&x[row * columns..row * columns + kept]);
            y[kept..].fill(value);
        }
    }

    fn samples() -> Vec<Sample> {
        let with = |value| LowerTriangle { value };
        vec![
            Sample::new(with(0.0), &[&[4, 4]]),
            Sample::new(with(-3.0), &[&[-1, 2, 3, 3]]),
            Sample::new(with(1.0), &[&[2, 5]]),
            Sample::new(with(1.0), &[&[5, 2]]),
            Sample::new(with(0.0), &[&[0, 3]]),
            Sample::new(with(0.0), &[&[1, 1]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(LowerTriangle::default(), &[&[4]]),
            Sample::new(LowerTriangle::default(), &[&[-1, 4]]),
        ]
    }
}
