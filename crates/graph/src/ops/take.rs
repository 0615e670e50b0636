//! Elements along an axis. take: at fixed places, y[.., i, ..] = x[.., indices[i], ..], any number of times each: flips, steps, repeats
//! and pads by edge, reflection or wrapping are lists of places. takeAlong: at places of their own for each element,
//! y[i, k, j] = x[i, index[i, k, j], j], NumPy's `take_along_axis`; the index has x's rank and sizes but along the axis; one that is no
//! place gives NaN. Their adjoints add up what came from one place, in order.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::gather::row_of;
use super::slice::{Along, axis_of, fixed_axis};
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// Fixed places along an axis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Take {
    /// The axis, from 0.
    pub axis: i64,
    /// The places.
    pub indices: Vec<usize>,
}

impl Op for Take {
    const NAMES: &'static [&'static str] = &["take"];
    const HINT: &'static str = "places from 0 below the size of an axis other than the batch.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("places", x[0], self.axis)?;
        let size = x[0].0[axis].size;
        if let Some(out) = self.indices.iter().find(|&&i| i >= size) {
            return Err(
                Error::new(Code::ShapeMismatch, format!("there is no place {out} on axis {axis} of {}", x[0]))
                    .expected(format!("places from 0 below {size}"))
                    .received(out.to_string()),
            );
        }
        let mut shape = x[0].clone();
        shape.0[axis] = Dim::fixed(self.indices.len());
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let shape = b.shape(at.inputs[0]);
        let axis = axis_of(shape, self.axis);
        let put = Put {
            axis: axis as i64,
            size: shape.0[axis].size,
            indices: self.indices.clone(),
        };
        Ok(vec![Some(b.apply(put.into(), &[at.dy])?)])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let Along { outer, size, inner } = Along::new(io.shape(0), axis_of(io.shape(0), self.axis), io.batch());
        let (x, count) = (io.input(0), self.indices.len());
        for block in io.part(outer) {
            // SAFETY: members take disjoint blocks.
            let y = unsafe { io.output(block * count * inner..(block + 1) * count * inner) };
            for (k, &i) in self.indices.iter().enumerate() {
                y[k * inner..(k + 1) * inner].copy_from_slice(&x[(block * size + i) * inner..][..inner]);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let at = |axis, indices: &[usize]| Take {
            axis,
            indices: indices.to_vec(),
        };
        vec![
            Sample::new(at(-1, &[3, 0, 0, 2]), &[&[-1, 4]]),
            Sample::new(at(1, &[2, 1, 0]), &[&[2, 3, 5]]),
            Sample::new(at(0, &[0, 0]), &[&[1, 3]]),
            Sample::new(at(1, &[]), &[&[2, 3]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let at = |axis, indices: &[usize]| Take {
            axis,
            indices: indices.to_vec(),
        };
        vec![
            Sample::new(at(0, &[0]), &[&[-1, 4]]),
            Sample::new(at(1, &[4]), &[&[2, 4]]),
            Sample::new(at(2, &[0]), &[&[2, 4]]),
        ]
    }
}

/// The adjoint of [`Take`]: what came from one place is added up there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Put {
    /// The axis, from 0.
    pub axis: i64,
    /// Its size in the result.
    pub size: usize,
    /// Where each element goes.
    pub indices: Vec<usize>,
}

impl Op for Put {
    const NAMES: &'static [&'static str] = &["put"];
    const HINT: &'static str = "as many elements along the axis as places, each place once and below the size asked.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("places", x[0], self.axis)?;
        if x[0].0[axis].size != self.indices.len() || self.indices.iter().any(|&i| i >= self.size) {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!(
                    "axis {axis} of {} does not fit {} places below {}",
                    x[0],
                    self.indices.len(),
                    self.size
                ),
            ));
        }
        let mut shape = x[0].clone();
        shape.0[axis] = Dim::fixed(self.size);
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let take = Take {
            axis: axis_of(b.shape(at.inputs[0]), self.axis) as i64,
            indices: self.indices.clone(),
        };
        Ok(vec![Some(b.apply(take.into(), &[at.dy])?)])
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * (x[0].elements(batch) + y.elements(batch))
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let Along { outer, size, inner } = Along::new(io.shape(0), axis_of(io.shape(0), self.axis), io.batch());
        let x = io.input(0);
        for block in io.part(outer) {
            // SAFETY: members take disjoint blocks.
            let y = unsafe { io.output(block * self.size * inner..(block + 1) * self.size * inner) };
            y.fill(T::ZERO);
            for (k, &i) in self.indices.iter().enumerate() {
                let from = &x[(block * size + k) * inner..][..inner];
                y[i * inner..(i + 1) * inner].iter_mut().zip(from).for_each(|(y, &x)| *y += x);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let at = |axis, size, indices: &[usize]| Put {
            axis,
            size,
            indices: indices.to_vec(),
        };
        vec![
            Sample::new(at(-1, 4, &[3, 0, 0]), &[&[-1, 3]]),
            Sample::new(at(1, 2, &[1, 1]), &[&[2, 2, 5]]),
            Sample::new(at(0, 3, &[]), &[&[0, 3]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let at = |size, indices: &[usize]| Put {
            axis: 1,
            size,
            indices: indices.to_vec(),
        };
        vec![Sample::new(at(2, &[2]), &[&[2, 1]]), Sample::new(at(2, &[0]), &[&[2, 2]])]
    }
}

/// Places of their own for each element, along an axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct TakeAlong {
    /// Negative ones count from the end.
    pub axis: i64,
}

impl Default for TakeAlong {
    fn default() -> TakeAlong {
        TakeAlong { axis: -1 }
    }
}

/// Whether the shapes differ along the axis only.
fn same_but(axis: usize, a: &Shape, b: &Shape) -> bool {
    a.rank() == b.rank() && (0..a.rank()).all(|i| i == axis || a.0[i] == b.0[i]) && !b.0[axis].batch
}

fn misfit(axis: usize, x: &Shape, index: &Shape) -> Error {
    Error::new(
        Code::ShapeMismatch,
        format!("the indices {index} do not fit {x}: they may differ on axis {axis} only"),
    )
    .expected(x.to_string())
    .received(index.to_string())
}

impl Op for TakeAlong {
    const NAMES: &'static [&'static str] = &["takeAlong"];
    const HINT: &'static str =
        "indices have the sizes of the values on all axes but the one that they go along, which is not the batch axis.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("places", x[0], self.axis)?;
        if same_but(axis, x[0], x[1]) {
            Ok(x[1].clone())
        } else {
            Err(misfit(axis, x[0], x[1]))
        }
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        if !at.wants[0] {
            return Ok(vec![None, None]);
        }
        let shape = b.shape(at.inputs[0]);
        let axis = axis_of(shape, self.axis);
        let put = PutAlong {
            axis: axis as i64,
            size: shape.0[axis].size,
        };
        Ok(vec![Some(b.apply(put.into(), &[at.dy, at.inputs[1]])?), None])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let axis = axis_of(io.shape(0), self.axis);
        let Along { size, inner, .. } = Along::new(io.shape(0), axis, io.batch());
        let count = io.shape(1).0[axis].size * inner;
        let (x, index, part) = (io.input(0), io.input(1), io.part(io.len()));
        // SAFETY: members take disjoint parts.
        let y = unsafe { io.output(part.clone()) };
        for (at, y) in part.zip(y) {
            let start = at / count * size * inner + at % inner;
            *y = row_of(index[at], size).map_or(T::NAN, |i| x[start + i * inner]);
        }
    }

    fn samples() -> Vec<Sample> {
        let at = |axis| TakeAlong { axis };
        vec![
            Sample::new(at(-1), &[&[-1, 5], &[-1, 3]]).indices(1, 5),
            Sample::new(at(1), &[&[2, 4, 3], &[2, 6, 3]]).indices(1, 4),
            Sample::new(at(0), &[&[1, 3], &[2, 3]]).indices(1, 1),
            Sample::new(at(1), &[&[2, 3], &[2, 0]]).indices(1, 3),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let at = |axis| TakeAlong { axis };
        vec![
            Sample::new(at(1), &[&[2, 4], &[3, 4]]),
            Sample::new(at(1), &[&[2, 4], &[4]]),
            Sample::new(at(0), &[&[-1, 4], &[-1, 4]]),
        ]
    }
}

/// The adjoint of [`TakeAlong`]: values and indices of one shape → [.., size, ..].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PutAlong {
    /// Negative ones count from the end.
    pub axis: i64,
    /// Its size in the result.
    pub size: usize,
}

impl Default for PutAlong {
    fn default() -> PutAlong {
        PutAlong { axis: -1, size: 0 }
    }
}

impl Op for PutAlong {
    const NAMES: &'static [&'static str] = &["putAlong"];
    const HINT: &'static str =
        "indices have the sizes of the values on all axes but the one that they go along, which is not the batch axis.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axis = fixed_axis("places", x[0], self.axis)?;
        if x[0] != x[1] {
            return Err(misfit(axis, x[0], x[1]));
        }
        let mut shape = x[0].clone();
        shape.0[axis] = Dim::fixed(self.size);
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        if !at.wants[0] {
            return Ok(vec![None, None]);
        }
        let take = TakeAlong {
            axis: axis_of(b.shape(at.inputs[0]), self.axis) as i64,
        };
        Ok(vec![Some(b.apply(take.into(), &[at.dy, at.inputs[1]])?), None])
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        4 * x[0].elements(batch) + y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let Along { outer, size, inner } = Along::new(io.shape(0), axis_of(io.shape(0), self.axis), io.batch());
        let (x, index) = (io.input(0), io.input(1));
        for block in io.part(outer) {
            // SAFETY: members take disjoint blocks.
            let y = unsafe { io.output(block * self.size * inner..(block + 1) * self.size * inner) };
            y.fill(T::ZERO);
            for at in 0..size * inner {
                let from = block * size * inner + at;
                if let Some(i) = row_of(index[from], self.size) {
                    y[i * inner + at % inner] += x[from];
                }
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let at = |axis, size| PutAlong { axis, size };
        vec![
            Sample::new(at(-1, 4), &[&[-1, 5], &[-1, 5]]).indices(1, 4),
            Sample::new(at(1, 3), &[&[2, 4, 3], &[2, 4, 3]]).indices(1, 3),
            Sample::new(at(0, 2), &[&[1, 3], &[1, 3]]).indices(1, 2),
            Sample::new(at(1, 2), &[&[2, 0], &[2, 0]]).indices(1, 2),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(PutAlong { axis: 1, size: 2 }, &[&[2, 4], &[2, 3]])]
    }
}
