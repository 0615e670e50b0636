//! Reductions: y = Σ x or max x over some axes (all of them by default). Shapes: the reduced axes vanish, or stay with size 1 under
//! `keepDims`. Along the last axis a sum runs in 16 virtual lanes and a fixed tree; along earlier axes it is one chain in order.
//! Σ over nothing is 0. d(Σ)/dx repeats dy; d(max)/dx goes to the largest elements, in equal shares where several are equal.

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Real, reduce};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{At, Gradients, Io, Op, Sample, attribute_error};
use crate::builder::Builder;
use crate::ops::elementwise::BinaryKind;
use crate::shape::{Dim, Shape};

/// What is done with the elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReduceKind {
    /// Σ
    #[default]
    Sum,
    /// The largest.
    Max,
}

/// A reduction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Reduce {
    /// Sum or max: the operator's name.
    #[serde(skip)]
    pub kind: ReduceKind,
    /// The axes that are reduced, negative ones counted from the last; `null` means all.
    pub axes: Option<Vec<i64>>,
    /// Whether the reduced axes stay, with size 1.
    pub keep_dims: bool,
}

impl Reduce {
    /// The reduced axes, ascending.
    pub fn reduced_axes(&self, x: &Shape) -> Result<Vec<usize>> {
        let mut axes = match &self.axes {
            None => (0..x.rank()).collect(),
            Some(axes) => axes.iter().map(|&a| x.axis(a)).collect::<Result<Vec<usize>>>()?,
        };
        axes.sort_unstable();
        if axes.windows(2).any(|w| w[0] == w[1]) {
            return Err(Error::new(Code::InvalidOption, format!("axes {:?} name an axis of {x} twice", self.axes)).at("axes"));
        }
        Ok(axes)
    }

    fn kept(&self, x: &Shape, axes: &[usize]) -> Shape {
        Shape(
            x.0.iter()
                .enumerate()
                .map(|(i, &d)| if axes.contains(&i) { Dim::fixed(1) } else { d })
                .collect(),
        )
    }
}

impl Op for Reduce {
    const NAMES: &'static [&'static str] = &["sum", "max"];
    const HINT: &'static str = "axes are whole numbers from −rank to rank − 1, each once; without any, all axes are reduced.";
    const INPUTS: usize = 1;

    fn name(&self) -> &'static str {
        if self.kind == ReduceKind::Sum { "sum" } else { "max" }
    }

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        let attributes = if attributes.is_null() { serde_json::json!({}) } else { attributes };
        let mut op: Reduce = serde_json::from_value(attributes).map_err(|e| attribute_error(name, &e))?;
        op.kind = if name == "sum" { ReduceKind::Sum } else { ReduceKind::Max };
        Ok(op)
    }

    fn attributes(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let axes = self.reduced_axes(x[0])?;
        if self.kind == ReduceKind::Max && axes.iter().any(|&a| x[0].0[a].size == 0) {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("there is no largest element along an empty axis of {}", x[0]),
            ));
        }
        if self.keep_dims {
            return Ok(self.kept(x[0], &axes));
        }
        Ok(Shape(
            x[0].0
                .iter()
                .enumerate()
                .filter(|(i, _)| !axes.contains(i))
                .map(|(_, &d)| d)
                .collect(),
        ))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let x = at.inputs[0];
        let shape = b.shape(x).clone();
        let kept = self.kept(&shape, &self.reduced_axes(&shape)?);
        let dy = b.reshape(at.dy, kept.clone())?;
        let dx = match self.kind {
            ReduceKind::Sum => b.broadcast_to(dy, shape)?,
            ReduceKind::Max => {
                let y = b.reshape(at.y, kept)?;
                let largest = b.binary(BinaryKind::Equal, x, y)?;
                let axes = self.reduced_axes(&shape)?;
                let count = b.sum(largest, &axes, true)?;
                let share = b.binary(BinaryKind::Divide, dy, count)?;
                b.binary(BinaryKind::Multiply, largest, share)?
            }
        };
        Ok(vec![Some(dx)])
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        2 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (x, shape, batch) = (io.input(0), io.shape(0), io.batch());
        let axes = Axes::of(shape, self.axes.as_deref(), batch);
        if io.is_empty() {
            return;
        }
        match axes.as_block(shape.rank()) {
            Some((first, last)) => {
                let size = |range: std::ops::Range<usize>| shape.0[range].iter().map(|d| d.at(batch)).product::<usize>();
                let (outer, along, inner) = (size(0..first), size(first..last), size(last..shape.rank()));
                self.run_block(io, x, outer, along, inner);
            }
            None => self.run_scattered(io, x, &axes),
        }
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for kind in [ReduceKind::Sum, ReduceKind::Max] {
            for (shape, axes) in [
                (&[3i64, 5][..], Some(vec![0i64])),
                (&[-1, 5], Some(vec![0])),
                (&[3, 5], Some(vec![-1])),
                (&[3, 5], None),
                (&[2, 3, 4], Some(vec![1])),
                (&[2, 3, 4], Some(vec![0, 2])),
                (&[2, 3, 40], Some(vec![0, 1])),
                (&[1, 1], Some(vec![0])),
                (&[0, 3], Some(vec![1])),
                (&[-1, 67], Some(vec![1])),
            ] {
                for keep_dims in [false, true] {
                    all.push(Sample::new(
                        Reduce {
                            kind,
                            axes: axes.clone(),
                            keep_dims,
                        },
                        &[shape],
                    ));
                }
            }
        }
        all.push(Sample::new(
            Reduce {
                kind: ReduceKind::Sum,
                axes: Some(vec![0]),
                keep_dims: false,
            },
            &[&[0, 3]],
        ));
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |kind, axes: &[i64]| Reduce {
            kind,
            axes: Some(axes.to_vec()),
            keep_dims: false,
        };
        vec![
            Sample::new(with(ReduceKind::Sum, &[2]), &[&[3, 5]]),
            Sample::new(with(ReduceKind::Sum, &[0, -2]), &[&[3, 5]]),
            Sample::new(with(ReduceKind::Max, &[0]), &[&[0, 5]]),
        ]
    }
}

/// The reduced axes as bits: no allocation at run time.
struct Axes {
    bits: u32,
    sizes: [usize; 8],
    rank: usize,
}

impl Axes {
    fn of(shape: &Shape, axes: Option<&[i64]>, batch: usize) -> Axes {
        let rank = shape.rank();
        let mut bits = 0;
        match axes {
            None => bits = (1u32 << rank) - 1,
            Some(axes) => axes.iter().for_each(|&a| bits |= 1 << if a < 0 { a + rank as i64 } else { a }),
        }
        let mut sizes = [1; 8];
        shape.0.iter().enumerate().take(8).for_each(|(i, d)| sizes[i] = d.at(batch));
        Axes { bits, sizes, rank }
    }

    fn has(&self, axis: usize) -> bool {
        self.bits >> axis & 1 == 1
    }

    /// First and one past the last, if the reduced axes lie side by side.
    fn as_block(&self, rank: usize) -> Option<(usize, usize)> {
        if self.bits == 0 {
            return Some((rank, rank));
        }
        let (first, ones) = (self.bits.trailing_zeros() as usize, self.bits.count_ones() as usize);
        (self.bits >> first == (1u32 << ones) - 1).then_some((first, first + ones))
    }
}

impl Reduce {
    /// x is [outer, along, inner].
    fn run_block<T: Real>(&self, io: &Io<T>, x: &[T], outer: usize, along: usize, inner: usize) {
        if inner == 1 {
            let rows = io.part(outer);
            // SAFETY: members take disjoint rows.
            let y = unsafe { io.output(rows.clone()) };
            for (row, y) in rows.zip(y) {
                let x = &x[row * along..(row + 1) * along];
                *y = if self.kind == ReduceKind::Sum {
                    reduce::sum(x)
                } else {
                    reduce::max(x)
                };
            }
            return;
        }
        let (blocks, columns) = if outer == 1 {
            (0..1, io.part_in_blocks(inner, 16))
        } else {
            (io.part(outer), 0..inner)
        };
        for block in blocks {
            let x = &x[block * along * inner..(block + 1) * along * inner];
            // SAFETY: members take disjoint blocks, or disjoint columns of the only one.
            let y = unsafe { io.output(block * inner + columns.start..block * inner + columns.end) };
            if self.kind == ReduceKind::Sum {
                reduce::sum_columns(along, inner, x, inner, y, columns.clone());
            } else {
                y.copy_from_slice(&x[columns.clone()]);
                for row in 1..along {
                    let x = &x[row * inner..(row + 1) * inner];
                    y.iter_mut().zip(&x[columns.clone()]).for_each(|(y, &x)| *y = y.max(x));
                }
            }
        }
    }

    /// Reduced axes with others between them: element by element.
    fn run_scattered<T: Real>(&self, io: &Io<T>, x: &[T], axes: &Axes) {
        let mut strides = [0; 8];
        let mut stride = 1;
        for i in (0..axes.rank).rev() {
            strides[i] = stride;
            stride *= axes.sizes[i];
        }
        let place = |mut index: usize, reduced: bool| {
            let mut offset = 0;
            for i in (0..axes.rank).rev().filter(|&i| axes.has(i) == reduced) {
                offset += (index % axes.sizes[i]) * strides[i];
                index /= axes.sizes[i];
            }
            offset
        };
        let along: usize = (0..axes.rank).filter(|&i| axes.has(i)).map(|i| axes.sizes[i]).product();
        let part = io.part(io.len());
        // SAFETY: members take disjoint parts.
        let y = unsafe { io.output(part.clone()) };
        for (index, y) in part.zip(y) {
            let start = place(index, false);
            let values = (0..along).map(|k| x[start + place(k, true)]);
            *y = match self.kind {
                ReduceKind::Sum => values.fold(T::ZERO, |a, v| a + v),
                ReduceKind::Max => values.fold(T::from_f64(f64::NEG_INFINITY), |a, v| a.max(v)),
            };
        }
    }
}
