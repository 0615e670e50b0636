//! Expected calibration error: Σ_b (w_b/w)·|accuracy_b − confidence_b|, rows binned by the probability of their predicted class in equal
//! parts of [0, 1], each closed on the right. Guo et al. 2017, arXiv:1706.04599, equation 3.

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::confusion::predicted_class;
use crate::probabilities::{expect_classes, expect_probabilities};
use crate::rule::State;
use crate::{Batch, Direction, Rule};

/// Distance of confidence and accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CalibrationError {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Equal parts of [0, 1], 1 to 10 000; default 15.
    pub bins: usize,
}

impl Default for CalibrationError {
    fn default() -> Self {
        Self { name: None, bins: 15 }
    }
}

/// Of a bin: weight, weight of right rows, Σ w·confidence.
#[derive(Clone, Debug, Default)]
pub struct Bins {
    classes: usize,
    bins: Vec<[f64; 3]>,
}

impl State for Bins {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.classes == 0 {
            return Ok(());
        }
        expect_classes(&mut self.classes, other.classes)?;
        self.bins.resize(other.bins.len(), [0.0; 3]);
        for (a, b) in self.bins.iter_mut().zip(&other.bins) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
        Ok(())
    }
}

impl Rule for CalibrationError {
    type State = Bins;
    const DIRECTION: Direction = Direction::Min;

    fn validate(&self) -> Result<()> {
        if (1..=10_000).contains(&self.bins) {
            return Ok(());
        }
        Err(Error::option("bins", "in [1, 10000]", self.bins))
    }

    fn update(&self, state: &mut Bins, batch: &Batch) -> Result<()> {
        expect_probabilities(batch)?;
        let (labels, count, width) = batch.classes()?;
        expect_classes(&mut state.classes, count)?;
        state.bins.resize(self.bins, [0.0; 3]);
        for (row, (label, p)) in labels.iter().zip(batch.prediction.chunks_exact(width.max(1))).enumerate() {
            let class = predicted_class(p, 0.5);
            let confidence = match p {
                [one] => one.max(1.0 - one),
                _ => p[class],
            };
            // ⌈c·bins⌉ − 1, and 0 for c = 0.
            let bin = (confidence * self.bins as f64).ceil().max(1.0).min(self.bins as f64) as usize - 1;
            let w = batch.weight(row);
            let [weight, right, sum] = &mut state.bins[bin];
            *weight += w;
            *right += w * f64::from(u8::from(class == *label as usize));
            *sum += w * confidence;
        }
        Ok(())
    }

    fn value(&self, state: &Bins) -> f64 {
        let weight: f64 = state.bins.iter().map(|[w, _, _]| w).sum();
        state.bins.iter().map(|[_, right, sum]| (right - sum).abs()).sum::<f64>() / weight
    }

    fn samples() -> Vec<Self> {
        [15, 1, 4].map(|bins| Self { name: None, bins }).into()
    }
}
