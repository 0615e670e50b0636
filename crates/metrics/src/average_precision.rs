//! Average precision, the area under precision against recall in steps: Σᵢ (Rᵢ − Rᵢ₋₁)·Pᵢ over distinct scores from the greatest down.
//! Nothing is interpolated between them, which would be too kind. A class without rows has 0.
//!
//! Beyond two classes, and for several marks a row, each class against the rest: `macro` (default), `weighted` by rows (0 without any),
//! `micro` over all scores at once. scikit-learn's `average_precision_score`.

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::ranked::{Curve, Ranked};
use crate::roc_auc::average;
use crate::{Average, Batch, Direction, Rule};

/// Area under precision and recall in steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AveragePrecision {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of several classes; default macro.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Average>,
}

fn area(curve: &Curve) -> f64 {
    let (positive, _) = curve.totals();
    if positive == 0.0 {
        return 0.0;
    }
    let (mut sum, mut before) = (0.0, 0.0);
    for (tp, fp) in curve.positives.iter().zip(&curve.negatives) {
        sum += (tp - before) / positive * (tp / (tp + fp));
        before = *tp;
    }
    // Shares that add up to one may do so with a last bit too many. NaN stays.
    if sum > 1.0 { 1.0 } else { sum }
}

impl Rule for AveragePrecision {
    type State = Ranked;
    const DIRECTION: Direction = Direction::Max;

    fn validate(&self) -> Result<()> {
        match self.average {
            Some(Average::Binary) => Err(Error::option("average", "\"macro\", \"micro\" or \"weighted\"", "\"binary\"")),
            _ => Ok(()),
        }
    }

    fn update(&self, state: &mut Ranked, batch: &Batch) -> Result<()> {
        state.add(batch)
    }

    fn value(&self, state: &Ranked) -> f64 {
        if state.width == 0 || state.weights.iter().all(|w| *w == 0.0) {
            return f64::NAN;
        }
        if state.is_binary() {
            return area(&state.binary());
        }
        let columns = 0..state.count;
        match self.average {
            Some(Average::Micro) => area(&state.all()),
            Some(Average::Weighted) => {
                let value = average(columns.map(|k| (area(&state.against_rest(k)), state.truth(k))), true);
                if value.is_nan() { 0.0 } else { value }
            }
            _ => average(columns.map(|k| (area(&state.against_rest(k)), 1.0)), false),
        }
    }

    fn samples() -> Vec<Self> {
        [None, Some(Average::Macro), Some(Average::Weighted), Some(Average::Micro)]
            .map(|average| Self { name: None, average })
            .into()
    }
}
