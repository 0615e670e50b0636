//! The steps of a sequence that a mask keeps, moved to the front, and back to where they were. x [batch, time, …], mask [batch, time].
//!
//! Let s₀ < s₁ < … be the positions of a row whose mask is not 0 (with `reverse` from the last to the first). To the front:
//! y[j] = x[sⱼ], and 0 after the last of them. `back`: y[sⱼ] = x[j], and 0 where the mask is 0. Each is the other's derivative. A recurrent
//! layer on the front of a row and back is one whose masked steps carry the state, whatever the direction.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// Moves steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Steps {
    /// The last kept step comes first.
    pub reverse: bool,
    /// From the front to where they were.
    pub back: bool,
}

impl Op for Steps {
    const NAMES: &'static [&'static str] = &["steps"];
    const HINT: &'static str = "x is [batch, time, …], the mask [batch, time].";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (x, mask) = (x[0], x[1]);
        if x.rank() < 2 || x.0[1].batch || mask.0 != x.0[..2] {
            return Err(Error::new(Code::ShapeMismatch, format!("a mask {mask} does not fit x {x}"))
                .expected("x [batch, time, …] and a mask [batch, time]")
                .received(format!("{x} and {mask}")));
        }
        Ok(x.clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let other = Steps {
            reverse: self.reverse,
            back: !self.back,
        };
        let dx = if at.wants[0] {
            Some(b.apply(other.into(), &[at.dy, at.inputs[1]])?)
        } else {
            None
        };
        Ok(vec![dx, None])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let shape = io.out_shape();
        let (time, width) = (shape.0[1].size, shape.0[2..].iter().map(|d| d.at(io.batch())).product::<usize>());
        let (x, mask) = (io.input(0), io.input(1));
        for row in io.part(shape.0[0].at(io.batch())) {
            let start = row * time;
            let kept = |&step: &usize| mask[start + step] != T::ZERO;
            // SAFETY: members take disjoint rows.
            let y = unsafe { io.output(start * width..(start + time) * width) };
            y.fill(T::ZERO);
            let mut move_one = |front: usize, step: usize| {
                let (from, to) = if self.back { (front, step) } else { (step, front) };
                y[to * width..(to + 1) * width].copy_from_slice(&x[(start + from) * width..(start + from + 1) * width]);
            };
            if self.reverse {
                (0..time)
                    .rev()
                    .filter(kept)
                    .enumerate()
                    .for_each(|(front, step)| move_one(front, step));
            } else {
                (0..time).filter(kept).enumerate().for_each(|(front, step)| move_one(front, step));
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (reverse, back) in [(false, false), (true, false), (false, true), (true, true)] {
            let op = || Steps { reverse, back };
            all.push(Sample::new(op(), &[&[-1, 5, 3], &[-1, 5]]).indices(1, 2));
            all.push(Sample::new(op(), &[&[2, 4], &[2, 4]]).indices(1, 2));
            all.push(Sample::new(op(), &[&[0, 2, 2], &[0, 2]]).indices(1, 2));
            all.push(Sample::new(op(), &[&[3, 1, 2, 17], &[3, 1]]).indices(1, 2));
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let op = Steps::default;
        vec![
            Sample::new(op(), &[&[-1, 5, 3], &[-1, 4]]),
            Sample::new(op(), &[&[-1, 5, 3], &[-1, 5, 3]]),
            Sample::new(op(), &[&[-1], &[-1]]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::program::evaluate;
    use crate::{Mode, Purpose};

    fn moved(op: Steps, x: &[f64], mask: &[f64]) -> Vec<f64> {
        let mut b = Builder::default();
        let shape = Shape::batched(&[x.len()]);
        let (px, pm) = (b.input("x", shape.clone()).unwrap(), b.input("mask", shape).unwrap());
        let y = b.apply(op.into(), &[px, pm]).unwrap();
        let purpose = Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs: vec!["y".into()],
            capacity: 1,
        };
        let inputs = HashMap::from([("x".to_owned(), x.to_vec()), ("mask".to_owned(), mask.to_vec())]);
        evaluate(&b.finish(&[("y", y)]), &purpose, &HashMap::new(), &inputs, 0).unwrap()["y"].clone()
    }

    #[test]
    fn kept_steps_go_to_the_front_and_back() {
        let (x, mask) = ([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0]);
        let op = |reverse, back| Steps { reverse, back };
        assert_eq!(moved(op(false, false), &x, &mask), [2.0, 4.0, 0.0, 0.0]);
        assert_eq!(moved(op(true, false), &x, &mask), [4.0, 2.0, 0.0, 0.0]);
        assert_eq!(moved(op(false, true), &x, &mask), [0.0, 1.0, 0.0, 2.0]);
        assert_eq!(moved(op(true, true), &x, &mask), [0.0, 2.0, 0.0, 1.0]);
    }
}
