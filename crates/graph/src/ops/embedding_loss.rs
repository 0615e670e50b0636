//! Losses over the pairs of a batch: embeddings [batch, width] and class indices [batch] → one value a row, d(i, j) = ‖xᵢ − xⱼ‖.
//!
//! `triplet`: max(0, d(a, p) − d(a, n) + margin), a each row, p the farthest row of its class and n the nearest of another; 0 for a row that
//! has none of either. Schroff, Kalenichenko & Philbin 2015, arXiv:1503.03832; "batch hard" of Hermans, Beyer & Leibe 2017, arXiv:1703.07737.
//! `contrastive`: the mean over the other rows of ½d² for the same class, else ½·max(0, margin − d)². Hadsell, Chopra & LeCun 2006, equation 4.
//!
//! A pair's derivative is (xᵢ − xⱼ)/d, and 0 where d is 0. Distances are sums in f64, so that neither thread nor precision decides which row
//! is the farthest. Cost: batch²·width.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::embedding_curvature::EmbeddingLossCurvature;
use super::slice::slice;
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// Which loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Of the hardest triplet of each row.
    #[default]
    Triplet,
    /// Over all pairs.
    Contrastive,
}

/// The loss of each row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddingLoss {
    /// Which.
    pub kind: Kind,
    /// How far rows of different classes should be apart, above 0.
    pub margin: f64,
}

impl Default for EmbeddingLoss {
    fn default() -> Self {
        Self {
            kind: Kind::Triplet,
            margin: 1.0,
        }
    }
}

pub(super) fn expect_shapes(name: &str, margin: f64, x: &Shape, labels: &Shape) -> Result<()> {
    if !(margin > 0.0 && margin.is_finite()) {
        return Err(Error::option("margin", "in (0, ∞)", margin));
    }
    if x.rank() == 2 && labels.rank() == 1 && x.0[0] == labels.0[0] {
        return Ok(());
    }
    Err(Error::new(
        Code::ShapeMismatch,
        format!("{name}: embeddings {x} and class indices {labels} don't fit"),
    )
    .expected("embeddings [batch, width] and class indices [batch]")
    .received(format!("{x} and {labels}")))
}

pub(super) fn distance<T: Real>(x: &[T], width: usize, i: usize, j: usize) -> f64 {
    let (a, b) = (&x[i * width..(i + 1) * width], &x[j * width..(j + 1) * width]);
    let square = a.iter().zip(b).fold(0.0, |sum, (a, b)| {
        let d = a.to_f64() - b.to_f64();
        sum + d * d
    });
    square.sqrt()
}

/// Another row, and how far it is.
type Neighbour = (usize, f64);

/// The hardest triplet of a row: the farthest of its class and the nearest of another, with their distances; the first of equals.
pub(super) fn hardest<T: Real>(x: &[T], labels: &[T], width: usize, i: usize) -> Option<(Neighbour, Neighbour)> {
    let mut positive: Option<Neighbour> = None;
    let mut negative: Option<Neighbour> = None;
    for j in (0..labels.len()).filter(|&j| j != i) {
        let d = distance(x, width, i, j);
        if labels[j] == labels[i] {
            if positive.is_none_or(|(_, best)| d > best) {
                positive = Some((j, d));
            }
        } else if negative.is_none_or(|(_, best)| d < best) {
            negative = Some((j, d));
        }
    }
    positive.zip(negative)
}

impl EmbeddingLoss {
    fn value<T: Real>(&self, x: &[T], labels: &[T], width: usize, i: usize) -> f64 {
        match self.kind {
            Kind::Triplet => hardest(x, labels, width, i).map_or(0.0, |((_, far), (_, near))| (far - near + self.margin).max(0.0)),
            Kind::Contrastive => {
                let others = (0..labels.len()).filter(|&j| j != i);
                let sum = others.fold(0.0, |sum, j| sum + self.pair(distance(x, width, i, j), labels[i] == labels[j]).0);
                sum / (labels.len() - 1).max(1) as f64
            }
        }
    }

    /// A pair's value and its derivative by the distance.
    fn pair(&self, d: f64, same: bool) -> (f64, f64) {
        let missing = (self.margin - d).max(0.0);
        if same {
            (d * d / 2.0, d)
        } else {
            (missing * missing / 2.0, -missing)
        }
    }
}

impl Op for EmbeddingLoss {
    const NAMES: &'static [&'static str] = &["embeddingLoss"];
    const HINT: &'static str = "embeddings are [batch, width] with a class index a row, [batch]; the margin is above 0.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        expect_shapes("embeddingLoss", self.margin, x[0], x[1])?;
        Ok(x[1].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let op = EmbeddingLossGradient {
            kind: self.kind,
            margin: self.margin,
        };
        Ok(vec![Some(b.apply(op.into(), &[at.inputs[0], at.inputs[1], at.dy])?), None])
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        x[0].elements(batch).saturating_mul(x[1].elements(batch)).saturating_mul(3)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (x, labels) = (io.input(0), io.input(1));
        let width = io.shape(0).last(io.batch());
        let part = io.part(io.len());
        // SAFETY: members take disjoint rows.
        let out = unsafe { io.output(part.clone()) };
        for (i, out) in part.zip(out) {
            *out = T::from_f64(self.value(x, labels, width, i));
        }
    }

    fn samples() -> Vec<Sample> {
        samples(|kind, margin| EmbeddingLoss { kind, margin }.into(), false)
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |margin| EmbeddingLoss {
            kind: Kind::Triplet,
            margin,
        };
        vec![
            Sample::new(with(0.0), &[&[3, 2], &[3]]),
            Sample::new(with(1.0), &[&[3, 2], &[4]]),
            Sample::new(with(1.0), &[&[3], &[3]]),
        ]
    }
}

pub(super) fn samples(op: impl Fn(Kind, f64) -> super::Operator, with_gradient: bool) -> Vec<Sample> {
    let mut all = Vec::new();
    for kind in [Kind::Triplet, Kind::Contrastive] {
        for (rows, width, margin) in [(7i64, 3i64, 1.0), (1, 2, 1.0), (0, 3, 1.0), (-1, 5, 4.0), (12, 1, 0.3)] {
            let (x, labels) = ([rows, width], [rows]);
            let mut shapes: Vec<&[i64]> = vec![&x, &labels];
            if with_gradient {
                shapes.push(&labels);
            }
            all.push(Sample::new(op(kind, margin), &shapes).indices(1, 3));
        }
    }
    all
}

/// Its gradient: embeddings, class indices and dℓ → [batch, width].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddingLossGradient {
    /// As forwards.
    pub kind: Kind,
    /// As forwards.
    pub margin: f64,
}

impl Default for EmbeddingLossGradient {
    fn default() -> Self {
        Self {
            kind: Kind::Triplet,
            margin: 1.0,
        }
    }
}

impl Op for EmbeddingLossGradient {
    const NAMES: &'static [&'static str] = &["embeddingLossGradient"];
    const HINT: &'static str = "embeddings are [batch, width] with a class index a row, [batch]; the margin is above 0.";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        expect_shapes("embeddingLossGradient", self.margin, x[0], x[1])?;
        expect_shapes("embeddingLossGradient", self.margin, x[0], x[2])?;
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let loss = EmbeddingLoss {
            kind: self.kind,
            margin: self.margin,
        };
        let width = b.shape(at.inputs[0]).0[1].size;
        let both = b.apply(
            EmbeddingLossCurvature(loss).into(),
            &[at.inputs[0], at.inputs[1], at.inputs[2], at.dy],
        )?;
        let of_x = slice(b, both, 1, 0, width)?;
        let of_dl = slice(b, both, 1, width, width + 1)?;
        let rows = b.shape(at.inputs[2]).clone();
        Ok(vec![Some(of_x), None, Some(b.reshape(of_dl, rows)?)])
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        x[0].elements(batch).saturating_mul(x[1].elements(batch)).saturating_mul(6)
    }

    /// One member does it all: a row's pairs reach other rows.
    fn run<T: Real>(&self, io: &Io<T>) {
        if io.part(1).is_empty() {
            return;
        }
        let (x, labels, dl) = (io.input(0), io.input(1), io.input(2));
        let width = io.shape(0).last(io.batch());
        let rows = labels.len();
        // SAFETY: the one member that has a part takes the whole.
        let out = unsafe { io.output(0..io.len()) };
        out.fill(T::ZERO);
        let mut pull = |i: usize, j: usize, d: f64, by: f64| {
            if d == 0.0 || by == 0.0 {
                return;
            }
            for k in 0..width {
                let step = T::from_f64(by * (x[i * width + k].to_f64() - x[j * width + k].to_f64()) / d);
                out[i * width + k] += step;
                out[j * width + k] -= step;
            }
        };
        let loss = EmbeddingLoss {
            kind: self.kind,
            margin: self.margin,
        };
        for i in 0..rows {
            let dl = dl[i].to_f64();
            match self.kind {
                Kind::Triplet => {
                    if let Some(((p, far), (n, near))) = hardest(x, labels, width, i)
                        && far - near + self.margin > 0.0
                    {
                        pull(i, p, far, dl);
                        pull(i, n, near, -dl);
                    }
                }
                Kind::Contrastive => {
                    for j in (0..rows).filter(|&j| j != i) {
                        let d = distance(x, width, i, j);
                        let (_, slope) = loss.pair(d, labels[i] == labels[j]);
                        pull(i, j, d, dl * slope / (rows - 1).max(1) as f64);
                    }
                }
            }
        }
    }

    fn samples() -> Vec<Sample> {
        samples(|kind, margin| EmbeddingLossGradient { kind, margin }.into(), true)
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(EmbeddingLossGradient::default(), &[&[3, 2], &[3], &[4]])]
    }
}
