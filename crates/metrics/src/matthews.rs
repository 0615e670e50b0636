//! Correlation of truth and prediction (Matthews 1975; of several classes Gorodkin 2004):
//! (c·s − Σₖ tₖpₖ)/√((s² − Σ pₖ²)(s² − Σ tₖ²)), with c the weight of right rows, s of all, tₖ of class k, pₖ of rows given it.
//! In [−1, 1]; 0 where truth or prediction is one class only. scikit-learn's `matthews_corrcoef`.

use nabla_error::Result;
use serde::{Deserialize, Serialize};

use crate::precision_recall::check_threshold;
use crate::{Batch, Confusion, Direction, Rule};

/// Correlation of truth and prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Matthews {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A single probability means class 1 above it; default 0.5.
    pub threshold: f64,
}

impl Default for Matthews {
    fn default() -> Self {
        Self {
            name: None,
            threshold: 0.5,
        }
    }
}

impl Rule for Matthews {
    type State = Confusion;
    const DIRECTION: Direction = Direction::Max;

    fn validate(&self) -> Result<()> {
        check_threshold(self.threshold)
    }

    fn update(&self, state: &mut Confusion, batch: &Batch) -> Result<()> {
        state.add(batch, self.threshold)
    }

    fn value(&self, state: &Confusion) -> f64 {
        let s: f64 = state.cells.iter().sum();
        if state.classes == 0 || s == 0.0 {
            return f64::NAN;
        }
        // Only one class: its share is exactly 1, which s² − Σ pₖ² need not say after rounding.
        let (t, p): (Vec<f64>, Vec<f64>) = (0..state.classes).map(|k| (state.truth(k), state.predicted(k))).unzip();
        let one = |sums: &[f64]| sums.iter().filter(|x| **x > 0.0).count() < 2;
        if one(&t) || one(&p) {
            return 0.0;
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let right: f64 = (0..state.classes).map(|k| state.hits(k)).sum();
        (right * s - dot(&t, &p)) / ((s * s - dot(&p, &p)) * (s * s - dot(&t, &t))).sqrt()
    }

    fn samples() -> Vec<Self> {
        vec![Self::default()]
    }
}
