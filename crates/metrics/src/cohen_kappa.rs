//! Agreement beyond chance, κ = 1 − Σ vᵢⱼ·oᵢⱼ/Σ vᵢⱼ·eᵢⱼ: o the confusion matrix, e what its margins alone would give, v the distance of two
//! classes: 1 (Cohen 1960), |i − j| (`linear`) or (i − j)² (`quadratic`) in the order of the classes (Cohen 1968).
//! NaN where truth and prediction are one and the same class. scikit-learn's `cohen_kappa_score` with all labels.

use nabla_error::Result;
use serde::{Deserialize, Serialize};

use crate::precision_recall::check_threshold;
use crate::{Batch, Confusion, Direction, Rule};

/// How far apart two classes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Weighting {
    /// |i − j|.
    Linear,
    /// (i − j)².
    Quadratic,
}

/// Agreement beyond chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CohenKappa {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Default: any two classes are as far apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighting: Option<Weighting>,
    /// A single probability means class 1 above it; default 0.5.
    pub threshold: f64,
}

impl Default for CohenKappa {
    fn default() -> Self {
        Self {
            name: None,
            weighting: None,
            threshold: 0.5,
        }
    }
}

impl Rule for CohenKappa {
    type State = Confusion;
    const DIRECTION: Direction = Direction::Max;

    fn validate(&self) -> Result<()> {
        check_threshold(self.threshold)
    }

    fn update(&self, state: &mut Confusion, batch: &Batch) -> Result<()> {
        state.add(batch, self.threshold)
    }

    fn value(&self, state: &Confusion) -> f64 {
        let (mut observed, mut expected) = (0.0, 0.0);
        let total: f64 = state.cells.iter().sum();
        let predicted: Vec<f64> = (0..state.classes).map(|k| state.predicted(k)).collect();
        for i in 0..state.classes {
            let truth = state.truth(i);
            for (j, predicted) in predicted.iter().enumerate() {
                let apart = i.abs_diff(j) as f64;
                let distance = match self.weighting {
                    None => apart.min(1.0),
                    Some(Weighting::Linear) => apart,
                    Some(Weighting::Quadratic) => apart * apart,
                };
                observed += distance * state.cells[i * state.classes + j];
                expected += distance * truth * predicted / total;
            }
        }
        1.0 - observed / expected
    }

    fn samples() -> Vec<Self> {
        [None, Some(Weighting::Linear), Some(Weighting::Quadratic)]
            .map(|weighting| Self {
                weighting,
                ..Self::default()
            })
            .into()
    }
}
