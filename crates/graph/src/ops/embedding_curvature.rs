//! The second derivative of the losses over pairs: of Σ g·∂(Σ dℓ·ℓ)/∂x by x and by dℓ, side by side, [batch, width + 1].
//!
//! A pair pulls its two embeddings by dℓᵢ·φ(d)·(xᵢ − xⱼ), φ(d) = slope(d)/d; with r = xᵢ − xⱼ, q = gᵢ − gⱼ and u = r·q its part of the sum is
//! dℓᵢ·φ(d)·u. So ∂/∂dℓᵢ = φ·u, and ∂/∂xᵢ = −∂/∂xⱼ = dℓᵢ·(φ·q + φ′(d)/d·u·r). Which pairs count is as for the gradient, and 0 where d is 0.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::embedding_loss::{EmbeddingLoss, Kind, distance, expect_shapes, hardest, samples};
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// Inputs x, labels, dℓ and g.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmbeddingLossCurvature(pub EmbeddingLoss);

impl Op for EmbeddingLossCurvature {
    const NAMES: &'static [&'static str] = &["embeddingLossCurvature"];
    const HINT: &'static str = "embeddings and g are [batch, width], class indices and the gradient [batch]; the margin is above 0.";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        for other in [x[1], x[2]] {
            expect_shapes("embeddingLossCurvature", self.0.margin, x[0], other)?;
        }
        if x[3] != x[0] {
            return Err(Error::new(Code::ShapeMismatch, format!("g {} is not {}", x[3], x[0])));
        }
        Ok(Shape(vec![x[0].0[0], Dim::fixed(x[0].0[1].size + 1)]))
    }

    fn gradient(&self, _b: &mut Builder, _at: &At) -> Result<Gradients> {
        Err(Error::new(Code::NoGradient, "a third derivative through a loss of pairs").at("embeddingLossCurvature"))
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        x[0].elements(batch).saturating_mul(x[1].elements(batch)).saturating_mul(12)
    }

    /// One member does it all: a row's pairs reach other rows.
    fn run<T: Real>(&self, io: &Io<T>) {
        if io.part(1).is_empty() {
            return;
        }
        let (x, labels, dl, g) = (io.input(0), io.input(1), io.input(2), io.input(3));
        let width = io.shape(0).last(io.batch());
        // SAFETY: the one member that has a part takes the whole.
        let out = unsafe { io.output(0..io.len()) };
        out.fill(T::ZERO);
        // φ and φ′/d of a pair at distance d > 0.
        let mut pull = |i: usize, j: usize, d: f64, phi: f64, bend: f64| {
            if d == 0.0 {
                return;
            }
            let at = |values: &[T], k: usize| values[i * width + k].to_f64() - values[j * width + k].to_f64();
            let u: f64 = (0..width).map(|k| at(x, k) * at(g, k)).sum();
            out[i * (width + 1) + width] += T::from_f64(phi * u);
            for k in 0..width {
                let step = T::from_f64(dl[i].to_f64() * (phi * at(g, k) + bend * u * at(x, k)));
                out[i * (width + 1) + k] += step;
                out[j * (width + 1) + k] -= step;
            }
        };
        for i in 0..labels.len() {
            match self.0.kind {
                Kind::Triplet => {
                    if let Some(((p, far), (n, near))) = hardest(x, labels, width, i)
                        && far - near + self.0.margin > 0.0
                    {
                        pull(i, p, far, 1.0 / far, -1.0 / (far * far * far));
                        pull(i, n, near, -1.0 / near, 1.0 / (near * near * near));
                    }
                }
                Kind::Contrastive => {
                    let share = 1.0 / (labels.len() - 1).max(1) as f64;
                    for j in (0..labels.len()).filter(|&j| j != i) {
                        let d = distance(x, width, i, j);
                        if labels[i] == labels[j] {
                            pull(i, j, d, share, 0.0);
                        } else if d < self.0.margin {
                            pull(i, j, d, share * (1.0 - self.0.margin / d), share * self.0.margin / (d * d * d));
                        }
                    }
                }
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let with_g = |mut sample: Sample| {
            let g = sample.inputs[0].clone();
            sample.inputs.push(g);
            sample
        };
        samples(|kind, margin| EmbeddingLossCurvature(EmbeddingLoss { kind, margin }).into(), true)
            .into_iter()
            .map(with_g)
            .collect()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(EmbeddingLossCurvature::default(), &[&[3, 2], &[3], &[3], &[3, 4]])]
    }
}
