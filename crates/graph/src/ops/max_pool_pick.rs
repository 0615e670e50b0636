//! The adjoint of where a maximum's gradient goes: of each window the element of `values` that stands where x is largest (the first of
//! equals), so that `maxPoolGradient` can be differentiated again. Inputs x and values of one shape → that of the pooled value.
//! Linear in the values, and its gradient is `maxPoolGradient`: derivatives of any order exist. x has none (the place jumps).

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::pool::{MaxPoolGradient, Pool, PoolKind, cases, each, window};
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// The values at the maxima.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaxPoolPick(pub Pool);

impl Op for MaxPoolPick {
    const NAMES: &'static [&'static str] = &["maxPoolPick"];
    const HINT: &'static str = "x and values have one shape [batch, size…, channels].";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        if x[0] != x[1] {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("values of shape {} at the maxima of {}", x[1], x[0]),
            ));
        }
        self.0.out_shape(x[0])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let pool = self.0.clone();
        let values = b.apply(MaxPoolGradient { pool, relu: false }.into(), &[at.inputs[0], at.dy])?;
        Ok(vec![None, Some(values)])
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        16 * x[0].elements(batch) + 4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (Ok(g), false) = (self.0.forward(io.shape(0)), io.is_empty()) else {
            return;
        };
        let (x, values, c, outs) = (io.input(0), io.input(1), g.channels, g.outs());
        let size = g.pixels() * c;
        for at in io.part(io.len() / c) {
            let (image, out) = (at / outs * size, at % outs);
            let window = window(&g, out);
            // SAFETY: members take disjoint windows.
            let y = unsafe { io.output(at * c..(at + 1) * c) };
            for (j, y) in y.iter_mut().enumerate() {
                let mut best = -T::INFINITY;
                let mut place = None;
                each(&g, &window, |i| {
                    let v = x[image + i * c + j];
                    if place.is_none() || best < v || v.is_nan() {
                        (best, place) = (v, Some(image + i * c + j));
                    }
                });
                *y = place.map_or(T::ZERO, |place| values[place]);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let sample = |(pool, x): (Pool, Vec<i64>)| Sample::new(MaxPoolPick(pool), &[&x, &x]);
        cases(PoolKind::Max).into_iter().map(sample).collect()
    }

    fn bad_samples() -> Vec<Sample> {
        let pool = Pool::of(PoolKind::Max, &[2], &[], &[]);
        vec![
            Sample::new(MaxPoolPick(pool.clone()), &[&[-1, 6, 2], &[-1, 4, 2]]),
            Sample::new(MaxPoolPick(pool), &[&[-1, 6], &[-1, 6]]),
        ]
    }
}
