//! Mean losses of probabilities, Σ w·loss/Σ w over rows:
//!
//! | metric | loss of a row of class y |
//! |---|---|
//! | logLoss | −ln p_y, p cut to [ε, 1 − ε], ε = 2⁻⁵² |
//! | brier | Σ_k (p_k − [k = y])², halved for two classes: (p − y)² of the positive class. Brier 1950 |
//! | topKAccuracy | whether fewer than k classes score above y; of equal scores the later class counts as the higher |
//!
//! scikit-learn's `log_loss`, `brier_score_loss` and `top_k_accuracy_score`. Rows are not scaled to sum 1.

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::rule::State;
use crate::{Batch, Direction, Rule};

/// Σw and Σ w·loss, and how many classes there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    classes: usize,
    weight: f64,
    sum: f64,
}

impl Mean {
    fn add(&mut self, batch: &Batch, loss: impl Fn(usize, &[f64]) -> f64) -> Result<()> {
        let (labels, count, width) = batch.classes()?;
        expect_classes(&mut self.classes, count)?;
        for (row, (label, p)) in labels.iter().zip(batch.prediction.chunks_exact(width.max(1))).enumerate() {
            let w = batch.weight(row);
            self.weight += w;
            self.sum += w * loss(*label as usize, p);
        }
        Ok(())
    }

    fn value(&self) -> f64 {
        self.sum / self.weight
    }
}

impl State for Mean {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.classes > 0 {
            expect_classes(&mut self.classes, other.classes)?;
        }
        self.weight += other.weight;
        self.sum += other.sum;
        Ok(())
    }
}

/// As many classes as before.
pub(crate) fn expect_classes(classes: &mut usize, count: usize) -> Result<()> {
    if *classes == 0 {
        *classes = count;
    }
    if *classes == count {
        return Ok(());
    }
    Err(Error::new(
        Code::ShapeMismatch,
        format!("{count} classes, before there were {classes}"),
    ))
}

/// How far rounding in single precision may leave [0, 1].
const SLACK: f64 = 1e-6;

/// Checks that predictions are probabilities.
pub(crate) fn expect_probabilities(batch: &Batch) -> Result<()> {
    let (_, _, width) = batch.classes()?;
    match batch.prediction.iter().position(|p| !(-SLACK..=1.0 + SLACK).contains(p)) {
        None => Ok(()),
        Some(i) => Err(Error::new(
            Code::InvalidData,
            format!(
                "row {} has the prediction {}, which is no probability",
                i / width,
                batch.prediction[i]
            ),
        )
        .expected("probabilities in [0, 1]")
        .received(batch.prediction[i].to_string())),
    }
}

/// The probability of class `k`; a single column is that of class 1.
fn probability(p: &[f64], k: usize) -> f64 {
    match p {
        [one] => {
            if k == 1 {
                *one
            } else {
                1.0 - one
            }
        }
        _ => p[k],
    }
}

macro_rules! plain {
    ($rule:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "camelCase", deny_unknown_fields)]
        pub struct $rule {
            /// Name in reports.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub name: Option<String>,
        }
    };
}

plain!(LogLoss, "Mean of −ln p of the right class.");
plain!(Brier, "Mean squared distance of the probabilities from 0 and 1.");

impl Rule for LogLoss {
    type State = Mean;
    const DIRECTION: Direction = Direction::Min;

    fn update(&self, state: &mut Mean, batch: &Batch) -> Result<()> {
        expect_probabilities(batch)?;
        state.add(batch, |y, p| -libm::log(probability(p, y).clamp(f64::EPSILON, 1.0 - f64::EPSILON)))
    }

    fn value(&self, state: &Mean) -> f64 {
        state.value()
    }

    fn samples() -> Vec<Self> {
        vec![Self::default()]
    }
}

impl Rule for Brier {
    type State = Mean;
    const DIRECTION: Direction = Direction::Min;

    fn update(&self, state: &mut Mean, batch: &Batch) -> Result<()> {
        expect_probabilities(batch)?;
        state.add(batch, |y, p| {
            let square = |k: usize| (p[k] - f64::from(u8::from(k == y))).powi(2);
            match p.len() {
                1 => (p[0] - y as f64).powi(2),
                2 => (square(0) + square(1)) / 2.0,
                classes => (0..classes).map(square).sum(),
            }
        })
    }

    fn value(&self, state: &Mean) -> f64 {
        state.value()
    }

    fn samples() -> Vec<Self> {
        vec![Self::default()]
    }
}

/// Share of rows whose class is among the k best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct TopKAccuracy {
    /// Name in reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many guesses count, at least 1; default 2.
    pub k: usize,
    /// A single probability means class 1 above it; default 0.5.
    pub threshold: f64,
}

impl Default for TopKAccuracy {
    fn default() -> Self {
        Self {
            name: None,
            k: 2,
            threshold: 0.5,
        }
    }
}

impl Rule for TopKAccuracy {
    type State = Mean;
    const DIRECTION: Direction = Direction::Max;

    fn validate(&self) -> Result<()> {
        if self.k == 0 {
            return Err(Error::option("k", "at least 1", self.k));
        }
        crate::precision_recall::check_threshold(self.threshold)
    }

    fn update(&self, state: &mut Mean, batch: &Batch) -> Result<()> {
        state.add(batch, |y, p| {
            let above = match p {
                [one] => usize::from((*one > self.threshold) != (y == 1)),
                _ => p.iter().enumerate().filter(|(j, s)| **s > p[y] || (**s == p[y] && *j > y)).count(),
            };
            f64::from(u8::from(above < self.k))
        })
    }

    fn value(&self, state: &Mean) -> f64 {
        state.value()
    }

    fn samples() -> Vec<Self> {
        [1, 2, 3].map(|k| Self { k, ..Self::default() }).into()
    }
}
