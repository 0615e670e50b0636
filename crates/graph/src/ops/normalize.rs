//! Normalization within a row of the batch: x̂ = (x − μ)/√(σ² + ε), μ and σ² over a group of channels and all axes from `from` on
//! (layer norm: the last axis; group and instance norm: all positions too). Without `centre` μ is 0 and σ² the mean square (RMS norm).
//! dx = (dy − mean dy − x̂·mean(dy·x̂))/√(σ² + ε), means over the same elements. Scale and shift are operators of their own.

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Real, norm, reduce};
use serde::{Deserialize, Serialize};

use super::io::slots;
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::passes::differentiate::of_gradient;
use crate::shape::{Dim, Shape};

/// Normalization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Normalize {
    /// The first axis that is averaged over; those after it are too.
    pub from: usize,
    /// The channels fall into so many groups with statistics of their own.
    pub groups: usize,
    /// Whether the mean is subtracted.
    pub centre: bool,
    /// Added to the variance.
    pub epsilon: f64,
}

impl Default for Normalize {
    fn default() -> Self {
        Normalize {
            from: 1,
            groups: 1,
            centre: true,
            epsilon: 1e-5,
        }
    }
}

/// x as [outer, along, channels].
#[derive(Clone, Copy)]
struct Sizes {
    along: usize,
    channels: usize,
}

impl Normalize {
    fn check(&self, x: &Shape) -> Result<()> {
        let rank = x.rank();
        if rank == 0 || self.from == 0 || self.from >= rank || x.0[self.from..].iter().any(|d| d.batch || d.size == 0) {
            return Err(Error::new(Code::ShapeMismatch, format!("{x} has nothing to normalize over"))
                .expected("a batch axis, and axes of at least one element after it")
                .received(x.to_string()));
        }
        let channels = x.0[rank - 1].size;
        if self.groups == 0 || !channels.is_multiple_of(self.groups) {
            return Err(Error::option(
                "groups",
                format!("a divisor of the {channels} channels"),
                self.groups,
            ));
        }
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            return Err(Error::option("epsilon", "a number of at least 0", self.epsilon));
        }
        Ok(())
    }

    fn sizes(&self, x: &Shape) -> Sizes {
        let rank = x.rank();
        Sizes {
            along: x.0[self.from..rank - 1].iter().map(|d| d.size).product(),
            channels: x.0[rank - 1].size,
        }
    }

    /// Whether each group is contiguous.
    fn contiguous(&self, s: Sizes) -> bool {
        s.along == 1 || self.groups == 1
    }

    fn slot(&self, x: &Shape) -> usize {
        let s = self.sizes(x);
        if self.contiguous(s) {
            0
        } else {
            6 * s.channels.next_multiple_of(16)
        }
    }

    /// This member's blocks: with a gradient, else without.
    fn run_all<T: Real>(&self, io: &Io<T>, dy: Option<&[T]>) {
        if io.is_empty() {
            return;
        }
        let (x, s) = (io.input(0), self.sizes(io.shape(0)));
        let epsilon = T::from_f64(self.epsilon);
        let block = s.along * s.channels;
        if self.contiguous(s) {
            let blocks = io.part(io.len() / block);
            let range = blocks.start * block..blocks.end * block;
            // SAFETY: members take disjoint blocks.
            let out = unsafe { io.output(range.clone()) };
            let n = block / self.groups;
            match dy {
                None => norm::normalize_rows(n, &x[range], self.centre, epsilon, out),
                Some(dy) => norm::normalize_rows_gradient(n, &x[range.clone()], &dy[range], self.centre, epsilon, out),
            }
            return;
        }
        let (c, room) = (s.channels, s.channels.next_multiple_of(16));
        let inner = c / self.groups;
        let share = T::ONE / T::from_f64((s.along * inner) as f64);
        // SAFETY: scratch has a slot for each member that has a part.
        let slot = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(io.slot() * 6 * room), 6 * room) };
        let mut rows = slot.chunks_exact_mut(room).map(|r| &mut r[..c]);
        let (Some(sum), Some(mean), Some(a), Some(b), Some(slope), Some(scale)) =
            (rows.next(), rows.next(), rows.next(), rows.next(), rows.next(), rows.next())
        else {
            return;
        };
        // A group's total, given to each of its channels.
        let gather = |sum: &[T], to: &mut [T], f: &dyn Fn(T) -> T| {
            for (sum, to) in sum.chunks_exact(inner).zip(to.chunks_exact_mut(inner)) {
                to.fill(f(reduce::sum(sum) * share));
            }
        };
        for index in io.part_with_slot(io.len() / block) {
            let range = index * block..(index + 1) * block;
            // SAFETY: members take disjoint blocks.
            let out = unsafe { io.output(range.clone()) };
            let x = &x[range.clone()];
            mean.fill(T::ZERO);
            if self.centre {
                reduce::sum_columns(s.along, c, x, c, sum, 0..c);
                gather(sum, mean, &|m| m);
            }
            norm::centred_products(s.along, x, mean, None, sum);
            gather(sum, scale, &|v| T::ONE / (v + epsilon).sqrt());
            let Some(dy) = dy else {
                for j in 0..c {
                    b[j] = -(mean[j] * scale[j]);
                }
                norm::affine_columns(x, scale, b, None, out);
                continue;
            };
            let dy = &dy[range];
            norm::centred_products(s.along, x, mean, Some(dy), sum);
            gather(sum, slope, &|m| m);
            b.fill(T::ZERO);
            if self.centre {
                reduce::sum_columns(s.along, c, dy, c, sum, 0..c);
                gather(sum, b, &|m| m);
            }
            // dx = dy·scale − x·(slope·scale³) + (mean·slope·scale³ − total·scale)
            for j in 0..c {
                a[j] = -(slope[j] * scale[j] * scale[j] * scale[j]);
                b[j] = -(mean[j] * a[j]) - b[j] * scale[j];
            }
            norm::affine_columns(dy, scale, b, Some((x, a)), out);
        }
    }
}

fn samples() -> Vec<(Normalize, Vec<i64>)> {
    let of = |from, groups, centre| Normalize {
        from,
        groups,
        centre,
        epsilon: 1e-3,
    };
    vec![
        (of(1, 1, true), vec![-1, 5]),
        (of(1, 1, false), vec![-1, 37]),
        (of(2, 1, true), vec![-1, 3, 16]),
        (of(1, 1, true), vec![2, 3, 2, 4]),
        (of(1, 2, true), vec![-1, 4, 3, 6]),
        (of(1, 3, false), vec![2, 4, 3]),
        (of(1, 20, true), vec![-1, 7, 20]),
        (of(1, 2, true), vec![4, 6]),
        (of(1, 1, true), vec![1, 1]),
        (of(1, 2, true), vec![0, 3, 4]),
    ]
}

fn bad_samples() -> Vec<(Normalize, Vec<i64>)> {
    let of = |from, groups| Normalize {
        from,
        groups,
        ..Normalize::default()
    };
    vec![
        (of(1, 1), vec![-1]),
        (of(0, 1), vec![-1, 4]),
        (of(1, 1), vec![-1, 0]),
        (of(1, 3), vec![-1, 4]),
        (of(1, 0), vec![-1, 4]),
        (
            Normalize {
                epsilon: -1.0,
                ..Normalize::default()
            },
            vec![-1, 4],
        ),
    ]
}

impl Op for Normalize {
    const NAMES: &'static [&'static str] = &["normalize"];
    const HINT: &'static str = "x is [batch, …, channels] with at least one element after the batch axis; groups divide the channels.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        self.check(x[0])?;
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        Ok(vec![Some(b.apply(NormalizeGradient(self.clone()).into(), &[at.inputs[0], at.dy])?)])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let shape = b.shape(inputs[0]).clone();
            let (s, rank) = (self.sizes(&shape), shape.rank());
            let inner = s.channels / self.groups;
            // [outer…, along, groups, inner]
            let axes = [s.along, self.groups, inner].map(Dim::fixed);
            let x = b.reshape(inputs[0], Shape(shape.0[..self.from].iter().copied().chain(axes).collect()))?;
            let over = [self.from, self.from + 2];
            let share = 1.0 / (s.along * inner) as f64;
            let mut d = x;
            if self.centre {
                let total = b.sum(x, &over, true)?;
                let mean = b.scale(total, share)?;
                d = b.binary(BinaryKind::Subtract, x, mean)?;
            }
            let squares = b.unary(UnaryKind::Square, d)?;
            let total = b.sum(squares, &over, true)?;
            let variance = b.scale(total, share)?;
            let epsilon = b.scalar(self.epsilon);
            let sum = b.binary(BinaryKind::Add, variance, epsilon)?;
            let deviation = b.unary(UnaryKind::Sqrt, sum)?;
            let y = b.binary(BinaryKind::Divide, d, deviation)?;
            debug_assert_eq!(rank, shape.rank());
            b.reshape(y, shape)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        slots() * self.slot(x[0])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        10 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        self.run_all(io, None);
    }

    fn samples() -> Vec<Sample> {
        samples().into_iter().map(|(op, x)| Sample::new(op, &[&x])).collect()
    }

    fn bad_samples() -> Vec<Sample> {
        bad_samples().into_iter().map(|(op, x)| Sample::new(op, &[&x])).collect()
    }
}

/// dx of [`Normalize`]. Inputs x and dy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NormalizeGradient(pub Normalize);

impl Op for NormalizeGradient {
    const NAMES: &'static [&'static str] = &["normalizeGradient"];
    const HINT: &'static str = "x is [batch, …, channels] with at least one element after the batch axis, its gradient has the same shape.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        self.0.check(x[0])?;
        if x[0] != x[1] {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("a gradient of shape {} for a value {}", x[1], x[0]),
            ));
        }
        Ok(x[0].clone())
    }

    /// Through the decomposition.
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        match self.0.decompose(b, &at.inputs[..1]) {
            Some(y) => of_gradient(b, y?, at.inputs[0], at.inputs[1], at.dy),
            None => Err(Error::internal("normalization has a decomposition")),
        }
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        slots() * self.0.slot(x[0])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        16 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        self.0.run_all(io, Some(io.input(1)));
    }

    fn samples() -> Vec<Sample> {
        samples()
            .into_iter()
            .map(|(op, x)| Sample::new(NormalizeGradient(op), &[&x, &x]))
            .collect()
    }

    fn bad_samples() -> Vec<Sample> {
        let mut all: Vec<Sample> = bad_samples()
            .into_iter()
            .map(|(op, x)| Sample::new(NormalizeGradient(op), &[&x, &x]))
            .collect();
        all.push(Sample::new(NormalizeGradient::default(), &[&[-1, 4], &[-1, 5]]));
        all
    }
}
