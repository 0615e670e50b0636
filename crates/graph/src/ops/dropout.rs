//! Noise of training; at inference y = x. Shapes: any → the same. The pass `mode` writes it out as products with masks and sums, or as
//! nothing.
//!
//! | kind | in training | source |
//! |---|---|---|
//! | element | x ⊙ m, m = 0 with probability `rate`, else 1/(1 − rate) | Srivastava et al. 2014 |
//! | channel | one m a row and channel of [batch, …, c] | Tompson et al. 2015, arXiv:1411.4280 |
//! | row | one m a row | Huang et al. 2016, arXiv:1603.09382 |
//! | alpha | a·(x or α′) + b, α′ = −λα of SELU, a and b such that mean 0 and variance 1 stay | Klambauer et al. 2017, arXiv:1706.02515 |
//! | gaussian | x + rate·n, n standard normal | Bishop 1995 |
//!
//! The mask's bits depend on seed, layer path, step and element only (Philox), not on the node, the thread or the batch size.

use nabla_error::{Error, Result};
use nabla_kernels::Real;
use nabla_kernels::philox::{self, Stream};
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// What a model is traced with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Dropout {
    /// The probability with which an element is dropped, in [0, 1); of gaussian noise the deviation, at least 0.
    pub rate: f64,
    /// Which noise.
    pub kind: Kind,
}

/// Which noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Of each element.
    #[default]
    Element,
    /// Of whole channels.
    Channel,
    /// Of whole rows.
    Row,
    /// For SELU.
    Alpha,
    /// Added.
    Gaussian,
}

impl Op for Dropout {
    const NAMES: &'static [&'static str] = &["dropout"];
    const HINT: &'static str = "a rate of 0 leaves everything, 0.5 drops half; gaussianNoise takes a deviation of at least 0.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        if self.kind == Kind::Gaussian {
            if !(self.rate >= 0.0 && self.rate.is_finite()) {
                return Err(Error::option("rate", "in [0, ∞)", self.rate));
            }
        } else if !(0.0..1.0).contains(&self.rate) {
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
            Sample::new(
                Dropout {
                    rate: 0.5,
                    kind: Kind::Alpha,
                },
                &[&[3, 5]],
            ),
            Sample::new(
                Dropout {
                    rate: 0.0,
                    kind: Kind::Element,
                },
                &[&[0, 5]],
            ),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let kinds = [Kind::Element, Kind::Row, Kind::Channel, Kind::Alpha];
        let mut all: Vec<Sample> = [1.0, -0.1, f64::NAN, 1.5]
            .into_iter()
            .zip(kinds)
            .map(|(rate, kind)| Sample::new(Dropout { rate, kind }, &[&[3]]))
            .collect();
        let kind = Kind::Gaussian;
        all.extend([-1.0, f64::INFINITY].map(|rate| Sample::new(Dropout { rate, kind }, &[&[3]])));
        all
    }
}

/// What a mask holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// 0 or 1/(1 − rate).
    #[default]
    Inverted,
    /// Alpha dropout's factor: a, or 0.
    AlphaScale,
    /// Alpha dropout's summand: b, or a·α′ + b.
    AlphaShift,
    /// rate·n.
    Gaussian,
}

/// SELU's limit for small x, −λα.
const ALPHA: f64 = -1.6732632423543772 * 1.0507009873554805;

/// The mask of one noise layer in one step. Its input gives the shape only; the rate is a run-time input of the program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DropoutMask {
    /// Which of the program's rates.
    pub slot: usize,
    /// The hash of the layer's path: the noise's purpose.
    pub purpose: u64,
    /// What it holds.
    pub form: Form,
    /// Along which axes it is one: of `channel` all but the first and the last, of `row` all but the first.
    pub kind: Kind,
}

impl Op for DropoutMask {
    const NAMES: &'static [&'static str] = &["dropoutMask"];
    const HINT: &'static str = "a rate of 0 leaves everything, 0.5 drops half; gaussianNoise takes a deviation of at least 0.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (mut shape, rank) = (x[0].clone(), x[0].rank());
        let one = match self.kind {
            Kind::Channel => 1..rank.saturating_sub(1),
            Kind::Row => 1..rank,
            _ => 0..0,
        };
        shape.0.iter_mut().take(one.end).skip(one.start).for_each(|d| *d = Dim::fixed(1));
        Ok(shape)
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
        let first = part.start as u64;
        // SAFETY: members take disjoint parts.
        let y = unsafe { io.output(part) };
        if self.form == Form::Gaussian {
            philox::fill_normal(stream, first, y);
            let deviation = T::from_f64(rate);
            y.iter_mut().for_each(|y| *y *= deviation);
            return;
        }
        philox::dropout_mask(stream, first, rate, y);
        let a = 1.0 / ((1.0 - rate) * (1.0 + rate * ALPHA * ALPHA)).sqrt();
        let b = -a * ALPHA * rate;
        let (kept, dropped) = match self.form {
            Form::AlphaScale => (a, 0.0),
            Form::AlphaShift => (b, a * ALPHA + b),
            Form::Inverted | Form::Gaussian => return,
        };
        let (kept, dropped) = (T::from_f64(kept), T::from_f64(dropped));
        y.iter_mut().for_each(|y| *y = if *y == T::ZERO { dropped } else { kept });
    }

    fn samples() -> Vec<Sample> {
        let mask = |form, kind| DropoutMask {
            slot: 0,
            purpose: 7,
            form,
            kind,
        };
        vec![
            Sample::new(mask(Form::Inverted, Kind::Element), &[&[3, 50]]),
            Sample::new(mask(Form::Inverted, Kind::Element), &[&[0, 5]]),
            Sample::new(mask(Form::Inverted, Kind::Channel), &[&[-1, 4, 7]]),
            Sample::new(mask(Form::Inverted, Kind::Row), &[&[-1, 4, 7]]),
            Sample::new(mask(Form::AlphaScale, Kind::Alpha), &[&[3, 50]]),
            Sample::new(mask(Form::AlphaShift, Kind::Alpha), &[&[3, 50]]),
            Sample::new(mask(Form::Gaussian, Kind::Gaussian), &[&[3, 70]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        Vec::new()
    }
}
