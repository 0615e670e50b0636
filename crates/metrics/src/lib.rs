//! Metrics that stream: `update` with a batch, `merge` two of a kind, `value` at any time. All state is f64.
//!
//! To add one: a file with a struct of its options that implements [`Rule`], and its row in the table below. The laws in
//! `laws.rs` and the comparison with scikit-learn's fixture then cover it.

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

mod accuracy;
mod average_precision;
mod balanced_accuracy;
mod batch;
mod calibration_error;
mod cohen_kappa;
mod confusion;
mod errors;
mod explained_variance;
#[cfg(test)]
mod laws;
mod matthews;
mod median_absolute_error;
mod precision_recall;
mod probabilities;
mod r2;
mod ranked;
mod roc_auc;
mod rule;
#[cfg(test)]
mod scikit_learn;
pub mod student_t;

pub use accuracy::Accuracy;
pub use average_precision::AveragePrecision;
pub use balanced_accuracy::BalancedAccuracy;
pub use batch::{Batch, Truth};
pub use calibration_error::CalibrationError;
pub use cohen_kappa::{CohenKappa, Weighting};
pub use confusion::{Confusion, confusion_matrix, predicted_class};
pub use errors::{MaxError, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError, Pinball, RootMeanSquaredError};
pub use explained_variance::ExplainedVariance;
pub use matthews::Matthews;
pub use median_absolute_error::MedianAbsoluteError;
pub use precision_recall::{Average, F1, FBeta, Precision, Recall};
pub use probabilities::{Brier, LogLoss, TopKAccuracy};
pub use r2::R2;
pub use roc_auc::{MultiClass, RocAuc};
pub use rule::{Direction, Rule, State};

/// Makes the enum of specifications and the enum of running metrics, and hands each call to the rule it holds.
macro_rules! metrics {
    ($($rule:ident = $kind:literal),+ $(,)?) => {
        /// A metric and its options, as `{"kind": "f1", "average": "macro"}`; `name` is what reports call it, by default its kind.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[expect(missing_docs, reason = "each rule's file says what it is")]
        pub enum MetricSpec {
            $(#[serde(rename = $kind)] $rule($rule)),+
        }

        impl MetricSpec {
            /// The kinds, as in JSON.
            pub const KINDS: &'static [&'static str] = &[$($kind),+];

            /// The kind in JSON.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$rule(_) => $kind),+ }
            }

            /// The name in reports.
            pub fn name(&self) -> &str {
                match self { $(Self::$rule(rule) => rule.name.as_deref()),+ }.unwrap_or(self.kind())
            }

            /// Which way is better.
            pub fn direction(&self) -> Direction {
                match self { $(Self::$rule(_) => $rule::DIRECTION),+ }
            }

            /// Checks the options.
            ///
            /// # Errors
            /// `INVALID_OPTION`, naming the option and its range.
            pub fn validate(&self) -> Result<()> {
                match self { $(Self::$rule(rule) => rule.validate()),+ }
            }

            /// Cases of every metric, which the tests walk through.
            pub fn samples() -> Vec<Self> {
                let mut all = Vec::new();
                $(all.extend($rule::samples().into_iter().map(Self::$rule));)+
                all
            }
        }

        #[derive(Clone, Debug)]
        enum Running {
            $($rule(<$rule as Rule>::State)),+
        }

        impl Metric {
            /// A metric that has seen nothing.
            ///
            /// # Errors
            /// `INVALID_OPTION` for options out of range.
            pub fn new(spec: MetricSpec) -> Result<Self> {
                spec.validate()?;
                let running = match &spec { $(MetricSpec::$rule(_) => Running::$rule(Default::default())),+ };
                Ok(Self { spec, running })
            }

            /// Takes in a batch.
            ///
            /// # Errors
            /// `SHAPE_MISMATCH`, `INVALID_DATA` or `NOT_FINITE`: what does not fit, naming the row. The state stays as it was.
            pub fn update(&mut self, batch: &Batch) -> Result<()> {
                match (&self.spec, &mut self.running) {
                    $((MetricSpec::$rule(rule), Running::$rule(state)) => rule.update(state, batch),)+
                    _ => Err(Error::internal("metric and state differ")),
                }
                .map_err(|e| e.at(self.spec.name()))
            }

            /// Takes in what another metric of the same specification has seen.
            ///
            /// # Errors
            /// `INTERNAL` for different specifications, `SHAPE_MISMATCH` for different numbers of classes or outputs.
            pub fn merge(&mut self, other: &Self) -> Result<()> {
                if self.spec != other.spec {
                    return Err(Error::internal(format!("can't merge {} with {}", other.spec.name(), self.spec.name())));
                }
                match (&mut self.running, &other.running) {
                    $((Running::$rule(a), Running::$rule(b)) => a.merge(b),)+
                    _ => Err(Error::internal("metric and state differ")),
                }
            }

            /// The value over all rows seen; NaN where it is not defined (no rows, all weights 0).
            pub fn value(&self) -> f64 {
                match (&self.spec, &self.running) {
                    $((MetricSpec::$rule(rule), Running::$rule(state)) => rule.value(state),)+
                    _ => f64::NAN,
                }
            }

            /// Forgets everything seen.
            pub fn reset(&mut self) {
                match &mut self.running { $(Running::$rule(state) => *state = Default::default()),+ }
            }
        }
    };
}

metrics! {
    Accuracy = "accuracy",
    BalancedAccuracy = "balancedAccuracy",
    Precision = "precision",
    Recall = "recall",
    F1 = "f1",
    FBeta = "fBeta",
    RocAuc = "rocAuc",
    AveragePrecision = "averagePrecision",
    LogLoss = "logLoss",
    Brier = "brier",
    TopKAccuracy = "topKAccuracy",
    Matthews = "matthews",
    CohenKappa = "cohenKappa",
    CalibrationError = "calibrationError",
    MeanSquaredError = "meanSquaredError",
    RootMeanSquaredError = "rootMeanSquaredError",
    MeanAbsoluteError = "meanAbsoluteError",
    MedianAbsoluteError = "medianAbsoluteError",
    MeanAbsolutePercentageError = "meanAbsolutePercentageError",
    R2 = "r2",
    ExplainedVariance = "explainedVariance",
    MaxError = "maxError",
    Pinball = "pinball",
}

/// A metric with its running state.
#[derive(Clone, Debug)]
pub struct Metric {
    spec: MetricSpec,
    running: Running,
}

impl Metric {
    /// The specification.
    pub fn spec(&self) -> &MetricSpec {
        &self.spec
    }

    /// The name in reports.
    pub fn name(&self) -> &str {
        self.spec.name()
    }

    /// Which way is better.
    pub fn direction(&self) -> Direction {
        self.spec.direction()
    }
}

/// Checks that no two metrics have one name.
///
/// # Errors
/// `INVALID_OPTION`, naming it.
pub fn expect_distinct_names(specs: &[MetricSpec]) -> Result<()> {
    for (i, spec) in specs.iter().enumerate() {
        if specs[..i].iter().any(|s| s.name() == spec.name()) {
            return Err(
                Error::new(Code::InvalidOption, format!("two metrics have the name \"{}\"", spec.name()))
                    .at("metrics")
                    .hint("give one of them a `name` of its own"),
            );
        }
    }
    Ok(())
}
