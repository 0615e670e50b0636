//! Area under the ROC curve: the probability that a positive row scores above a negative one, ties one half;
//! by trapezoids, Σ (fpᵢ − fpᵢ₋₁)(tpᵢ + tpᵢ₋₁)/2 / (P·N) over distinct scores. Hanley & McNeil 1982.
//!
//! | targets | value |
//! |---|---|
//! | two classes | of class 1; NaN where one class has no rows |
//! | more, `ovr` (default) | each class against the rest, averaged: `macro` (default), `weighted` by rows, `micro` over all scores at once |
//! | more, `ovo` | each pair of classes that have rows, the mean of both ways (Hand & Till 2001), `macro` or `weighted` by the rows of the pair |
//! | several marks a row | each mark by itself, averaged as `ovr` |
//!
//! scikit-learn's `roc_auc_score`, whose `ovo` takes no weights; here a pair takes them as repeated rows.

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::ranked::{Curve, Ranked};
use crate::{Average, Batch, Direction, Rule};

/// What is set against what beyond two classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MultiClass {
    /// One class against the rest.
    #[default]
    Ovr,
    /// One class against one other.
    Ovo,
}

/// Area under the ROC curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RocAuc {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of several classes; default macro.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Average>,
    /// Default one class against the rest.
    pub multi_class: MultiClass,
}

fn area(curve: &Curve) -> f64 {
    let (positive, negative) = curve.totals();
    if positive == 0.0 || negative == 0.0 {
        return f64::NAN;
    }
    let (mut sum, mut tp, mut fp) = (0.0, 0.0, 0.0);
    for (next_tp, next_fp) in curve.positives.iter().zip(&curve.negatives) {
        sum += (next_fp - fp) * (next_tp + tp) / 2.0;
        (tp, fp) = (*next_tp, *next_fp);
    }
    sum / (positive * negative)
}

/// Σ w·x / Σ w, where what has no weight does not count even if it is NaN; else the plain mean.
pub(crate) fn average(values: impl Iterator<Item = (f64, f64)>, weighted: bool) -> f64 {
    let weigh = |(x, w)| (x, if weighted { w } else { 1.0 });
    let there = values.map(weigh).filter(|(_, w)| *w > 0.0);
    let (sum, weight) = there.fold((0.0, 0.0), |(sum, total), (x, w)| (sum + w * x, total + w));
    sum / weight
}

impl Rule for RocAuc {
    type State = Ranked;
    const DIRECTION: Direction = Direction::Max;

    fn validate(&self) -> Result<()> {
        let ok = match self.multi_class {
            MultiClass::Ovr => self.average != Some(Average::Binary),
            MultiClass::Ovo => matches!(self.average, None | Some(Average::Macro | Average::Weighted)),
        };
        if ok {
            return Ok(());
        }
        let expected = "\"macro\" or \"weighted\", or \"micro\" with one class against the rest";
        Err(Error::option("average", expected, format!("{:?}", self.average)))
    }

    fn update(&self, state: &mut Ranked, batch: &Batch) -> Result<()> {
        state.add(batch)
    }

    fn value(&self, state: &Ranked) -> f64 {
        if state.width == 0 {
            return f64::NAN;
        }
        if state.is_binary() {
            return area(&state.binary());
        }
        let weighted = self.average == Some(Average::Weighted);
        let columns = 0..state.count;
        match (self.multi_class, self.average) {
            (_, Some(Average::Micro)) => area(&state.all()),
            (MultiClass::Ovo, _) if state.marks.is_none() => {
                let truth: Vec<f64> = columns.map(|k| state.truth(k)).collect();
                let there: Vec<usize> = (0..state.count).filter(|k| truth[*k] > 0.0).collect();
                let pairs = there
                    .iter()
                    .enumerate()
                    .flat_map(|(i, a)| there[i + 1..].iter().map(move |b| (*a, *b)));
                let both = |(a, b)| ((area(&state.against(a, b)) + area(&state.against(b, a))) / 2.0, truth[a] + truth[b]);
                average(pairs.map(both), weighted)
            }
            _ => average(
                columns.map(|k| (area(&state.against_rest(k)), if weighted { state.truth(k) } else { 1.0 })),
                weighted,
            ),
        }
    }

    fn samples() -> Vec<Self> {
        let with = |multi_class, average| Self {
            average,
            multi_class,
            name: None,
        };
        let mut all: Vec<Self> = [None, Some(Average::Macro), Some(Average::Weighted), Some(Average::Micro)]
            .map(|a| with(MultiClass::Ovr, a))
            .into();
        all.extend([None, Some(Average::Weighted)].map(|a| with(MultiClass::Ovo, a)));
        all
    }
}
