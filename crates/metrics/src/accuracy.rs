//! accuracy = Σ w·[ŷ = y] / Σ w: the share of rows whose class is right. scikit-learn's `accuracy_score`.

use nabla_error::Result;
use serde::{Deserialize, Serialize};

use crate::precision_recall::check_threshold;
use crate::{Batch, Confusion, Direction, Rule};

/// Share of right classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Accuracy {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A single probability means class 1 above it; default 0.5.
    pub threshold: f64,
}

impl Default for Accuracy {
    fn default() -> Self {
        Self {
            name: None,
            threshold: 0.5,
        }
    }
}

impl Rule for Accuracy {
    type State = Confusion;
    const DIRECTION: Direction = Direction::Max;

    fn validate(&self) -> Result<()> {
        check_threshold(self.threshold)
    }

    fn update(&self, state: &mut Confusion, batch: &Batch) -> Result<()> {
        state.add(batch, self.threshold)
    }

    fn value(&self, state: &Confusion) -> f64 {
        (0..state.classes).map(|k| state.hits(k)).sum::<f64>() / state.cells.iter().sum::<f64>()
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                threshold: 0.3,
                ..Self::default()
            },
        ]
    }
}
