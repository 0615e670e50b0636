//! balanced accuracy = mean over the classes with rows of recall: each class counts the same, however rare.
//! scikit-learn's `balanced_accuracy_score`; `adjusted` maps chance, 1/classes, to 0.

use nabla_error::Result;
use serde::{Deserialize, Serialize};

use crate::precision_recall::check_threshold;
use crate::{Batch, Confusion, Direction, Rule};

/// Mean recall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct BalancedAccuracy {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A single probability means class 1 above it; default 0.5.
    pub threshold: f64,
    /// (value − chance)/(1 − chance); NaN with rows of one class only.
    pub adjusted: bool,
}

impl Default for BalancedAccuracy {
    fn default() -> Self {
        Self {
            name: None,
            threshold: 0.5,
            adjusted: false,
        }
    }
}

impl Rule for BalancedAccuracy {
    type State = Confusion;
    const DIRECTION: Direction = Direction::Max;

    fn validate(&self) -> Result<()> {
        check_threshold(self.threshold)
    }

    fn update(&self, state: &mut Confusion, batch: &Batch) -> Result<()> {
        state.add(batch, self.threshold)
    }

    fn value(&self, state: &Confusion) -> f64 {
        let (mut sum, mut classes) = (0.0, 0.0);
        for k in 0..state.classes {
            let truth = state.truth(k);
            if truth > 0.0 {
                sum += state.hits(k) / truth;
                classes += 1.0;
            }
        }
        let (mean, chance) = (sum / classes, 1.0 / classes);
        match self.adjusted {
            false => mean,
            true if classes < 2.0 => f64::NAN,
            true => (mean - chance) / (1.0 - chance),
        }
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::default(),
            Self {
                adjusted: true,
                ..Self::default()
            },
        ]
    }
}
