//! The axes in another order: y[i_{p₀}, i_{p₁}, …] = x[i₀, i₁, …]. Shapes: [n₀, n₁, …] → [n_{p₀}, n_{p₁}, …]. dx is dy in the inverse order.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// The order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Transpose {
    /// Axis `i` of the result is axis `axes[i]` of the input; negative ones count from the end. None: the last two swapped.
    pub axes: Option<Vec<i64>>,
}

impl Transpose {
    /// The permutation as plain indices.
    fn order(&self, x: &Shape) -> Result<Vec<usize>> {
        let rank = x.rank();
        let wrong = |message: String| {
            Error::new(Code::ShapeMismatch, message)
                .expected(format!("each of the {rank} axes of {x} once"))
                .received(format!("{:?}", self.axes))
        };
        let Some(axes) = &self.axes else {
            if rank < 2 {
                return Err(wrong(format!("{x} has no two axes to swap")));
            }
            return Ok((0..rank - 2).chain([rank - 1, rank - 2]).collect());
        };
        let order = axes.iter().map(|&a| x.axis(a)).collect::<Result<Vec<usize>>>()?;
        let mut seen = order.clone();
        seen.sort_unstable();
        if seen.iter().copied().ne(0..rank) {
            return Err(wrong(format!("{axes:?} is no order of the axes of {x}")));
        }
        Ok(order)
    }
}

impl Op for Transpose {
    const NAMES: &'static [&'static str] = &["transpose"];
    const HINT: &'static str = "each axis once, as [0, 2, 1]; without an order the last two swap.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        Ok(Shape(self.order(x[0])?.into_iter().map(|a| x[0].0[a]).collect()))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let order = self.order(b.shape(at.inputs[0]))?;
        let mut inverse = vec![0i64; order.len()];
        order.iter().enumerate().for_each(|(i, &a)| inverse[a] = i as i64);
        Ok(vec![Some(b.apply(Transpose { axes: Some(inverse) }.into(), &[at.dy])?)])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        6 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        // Ranks are at most eight (`Program::compile`).
        let (batch, rank) = (io.batch(), io.out_shape().rank());
        let (mut sizes, mut strides) = ([1usize; 8], [0usize; 8]);
        let mut stride = 1;
        let mut input = [0usize; 8];
        for axis in (0..rank).rev() {
            input[axis] = stride;
            stride *= io.shape(0).0[axis].at(batch);
        }
        for axis in 0..rank {
            sizes[axis] = io.out_shape().0[axis].at(batch);
            strides[axis] = input[match &self.axes {
                Some(axes) if axes[axis] < 0 => (axes[axis] + rank as i64) as usize,
                Some(axes) => axes[axis] as usize,
                None if axis + 2 == rank => rank - 1,
                None if axis + 1 == rank => rank - 2,
                None => axis,
            }];
        }
        if io.is_empty() {
            return;
        }
        let last = if rank == 0 { 1 } else { sizes[rank - 1] };
        let step = if rank == 0 { 1 } else { strides[rank - 1] };
        let rows = io.part(io.len() / last);
        // SAFETY: members take disjoint rows.
        let y = unsafe { io.output(rows.start * last..rows.end * last) };
        let x = io.input(0);
        for (row, y) in rows.zip(y.chunks_exact_mut(last)) {
            let (mut index, mut offset) = (row, 0);
            for axis in (0..rank.saturating_sub(1)).rev() {
                offset += index % sizes[axis] * strides[axis];
                index /= sizes[axis];
            }
            if step == 1 {
                y.copy_from_slice(&x[offset..offset + last]);
            } else {
                y.iter_mut().zip(x[offset..].iter().step_by(step)).for_each(|(y, &x)| *y = x);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let to = |axes: &[i64]| Transpose { axes: Some(axes.to_vec()) };
        vec![
            Sample::new(Transpose::default(), &[&[3, 5]]),
            Sample::new(Transpose::default(), &[&[-1, 2, 17]]),
            Sample::new(to(&[0, 2, 1, 3]), &[&[-1, 4, 2, 5]]),
            Sample::new(to(&[2, 0, -2]), &[&[2, 3, 4]]),
            Sample::new(to(&[1, 0]), &[&[1, 6]]),
            Sample::new(to(&[1, 2, 0]), &[&[0, 3, 2]]),
            Sample::new(to(&[]), &[&[]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let to = |axes: &[i64]| Transpose { axes: Some(axes.to_vec()) };
        vec![
            Sample::new(Transpose::default(), &[&[3]]),
            Sample::new(to(&[0, 0]), &[&[2, 3]]),
            Sample::new(to(&[0]), &[&[2, 3]]),
            Sample::new(to(&[0, 2]), &[&[2, 3]]),
        ]
    }
}
