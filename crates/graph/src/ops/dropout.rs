//! Inverted dropout (Srivastava et al. 2014): in training y = x ⊙ mask, mask = 0 with probability `rate`, else 1/(1 − rate); at
//! inference y = x. Shapes: any → the same. The pass `mode` turns it into a product with a mask, or into nothing.
//! The mask's bits depend on seed, layer path, step and element only (Philox), not on the node, the thread or the batch size.

use nabla_error::{Error, Result};
use nabla_kernels::Real;
use nabla_kernels::philox::{self, Stream};
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// What a model is traced with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Dropout {
    /// The probability with which an element is dropped, in [0, 1).
    pub rate: f64,
}

impl Op for Dropout {
    const NAMES: &'static [&'static str] = &["dropout"];
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::option("rate", "in [0, 1)", self.rate));
        }
        Ok(x[0].clone())
    }

    fn gradient(&self, _b: &mut Builder, at: &At) -> Result<Gradients> {
        Ok(vec![Some(at.dy)])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    /// At inference.
    fn run<T: Real>(&self, io: &Io<T>) {
        let part = io.part(io.len());
        // SAFETY: members take disjoint parts.
        unsafe { io.output(part.clone()) }.copy_from_slice(&io.input(0)[part]);
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::new(Dropout { rate: 0.5 }, &[&[3, 5]]),
            Sample::new(Dropout { rate: 0.0 }, &[&[0, 5]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        [1.0, -0.1, f64::NAN, 1.5]
            .map(|rate| Sample::new(Dropout { rate }, &[&[3]]))
            .to_vec()
    }
}

/// The mask of one dropout layer in one step. Its input gives the shape only; the rate is a run-time input of the program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DropoutMask {
    /// Which of the program's rates.
    pub slot: usize,
    /// The hash of the layer's path: the noise's purpose.
    pub purpose: u64,
}

impl Op for DropoutMask {
    const NAMES: &'static [&'static str] = &["dropoutMask"];
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        Ok(x[0].clone())
    }

    fn gradient(&self, _b: &mut Builder, _at: &At) -> Result<Gradients> {
        Ok(vec![None])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        30 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let moment = io.moment();
        let rate = moment.rates.get(self.slot).copied().unwrap_or(0.0);
        let part = io.part_in_blocks(io.len(), 64);
        let stream = Stream::new(moment.seed, self.purpose, moment.step);
        // SAFETY: members take disjoint parts.
        philox::dropout_mask(stream, part.start as u64, rate, unsafe { io.output(part) });
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::new(DropoutMask { slot: 0, purpose: 7 }, &[&[3, 50]]),
            Sample::new(DropoutMask { slot: 0, purpose: 7 }, &[&[0, 5]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        Vec::new()
    }
}
