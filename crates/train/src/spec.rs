//! What to fit, as plain data: it comes from TypeScript, can be saved, sent to another process or put on a queue.

use nabla_data::prepare::Step;
use nabla_error::{Code, Error, Result};
use nabla_metrics::MetricSpec;
use nabla_optim::Optimizer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the form.
pub const VERSION: u32 = 1;

/// What turns the model's last values into predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// Probabilities of exclusive classes.
    Softmax,
    /// The probability of the positive class.
    Sigmoid,
    /// The values themselves.
    Identity,
}

/// How many rows a step sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BatchSize {
    /// So many.
    Rows(usize),
    /// All of them: batch gradient descent.
    Full(Full),
}

/// The word `"full"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Full {
    /// All rows.
    Full,
}

impl BatchSize {
    /// For a training set of so many rows.
    pub fn of(self, rows: usize) -> usize {
        match self {
            BatchSize::Rows(size) => size.min(rows),
            BatchSize::Full(_) => rows,
        }
    }
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precision {
    /// 32 bits: to train.
    #[default]
    F32,
    /// 64 bits: to check.
    F64,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Larger.
    Max,
    /// Smaller.
    Min,
}

/// When to stop before the last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EarlyStopping {
    /// `loss` or the name of a metric, on the validation rows.
    pub monitor: String,
    /// Which way it is better.
    pub mode: Mode,
    /// Epochs without a better value before the fit ends.
    pub patience: usize,
    /// By how much a value must be better to count.
    pub min_delta: f64,
    /// Whether the weights of the best epoch come back.
    pub restore_best: bool,
    /// The share of the training rows held out where no validation set is given.
    pub validation_fraction: f64,
}

/// A recipe: everything about a fit but the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FitSpec {
    /// The version of the form.
    pub version: u32,
    /// The traced model and loss.
    pub graph: Value,
    /// Fitted on the training rows, applied to features.
    #[serde(default)]
    pub prepare: Vec<Step>,
    /// Fitted on the training rows, applied to number targets; predictions come back in the target's own units.
    #[serde(default)]
    pub prepare_targets: Vec<Step>,
    /// What the loss was called, for the record.
    #[serde(default)]
    pub loss: Value,
    /// From values to predictions.
    pub output: Output,
    /// The update rule.
    pub optimizer: Optimizer,
    /// What is reported beside the loss.
    #[serde(default)]
    pub metrics: Vec<MetricSpec>,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: BatchSize,
    /// A new order of the rows each epoch.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// When to stop.
    #[serde(default)]
    pub early_stopping: Option<EarlyStopping>,
    /// Of initial weights, order and noise.
    pub seed: u64,
    /// Arithmetic.
    #[serde(default)]
    pub precision: Precision,
}

fn yes() -> bool {
    true
}

impl FitSpec {
    /// From JSON.
    pub fn from_json(text: &str) -> Result<FitSpec> {
        let spec: FitSpec =
            serde_json::from_str(text).map_err(|e| Error::new(Code::InvalidOption, format!("the recipe cannot be read: {e}")))?;
        spec.validate()?;
        Ok(spec)
    }

    /// Checks ranges and names.
    pub fn validate(&self) -> Result<()> {
        if self.version != VERSION {
            return Err(Error::new(
                Code::DataFormat,
                format!("version {} of the recipe format is not known", self.version),
            )
            .expected(VERSION.to_string()));
        }
        self.optimizer.validate().map_err(|e| e.at("optimizer"))?;
        self.metrics.iter().try_for_each(MetricSpec::validate)?;
        nabla_metrics::expect_distinct_names(&self.metrics)?;
        if self.epochs == 0 {
            return Err(Error::option("epochs", "to be a whole number of at least 1", 0));
        }
        if self.batch_size == BatchSize::Rows(0) {
            return Err(Error::option("batchSize", "to be a whole number of at least 1, or \"full\"", 0));
        }
        let Some(stop) = &self.early_stopping else { return Ok(()) };
        let known = stop.monitor == "loss" || self.metrics.iter().any(|m| m.name() == stop.monitor);
        if !known {
            let names: Vec<&str> = std::iter::once("loss").chain(self.metrics.iter().map(MetricSpec::name)).collect();
            let hint = nabla_data::nearest(&stop.monitor, names.iter().copied()).map(|n| format!("Did you mean \"{n}\"?"));
            let error = Error::option(
                "earlyStopping.monitor",
                format!("to be one of {names:?}"),
                format!("{:?}", stop.monitor),
            );
            return Err(match hint {
                Some(hint) => error.hint(hint),
                None => error.hint("It must be among the trainer's metrics."),
            });
        }
        if stop.min_delta.is_nan() || stop.min_delta < 0.0 {
            return Err(Error::option("earlyStopping.minDelta", "to be at least 0", stop.min_delta));
        }
        if !(stop.validation_fraction > 0.0 && stop.validation_fraction < 1.0) {
            return Err(Error::option(
                "earlyStopping.validationFraction",
                "in (0, 1)",
                stop.validation_fraction,
            ));
        }
        Ok(())
    }
}
