//! What to fit, as plain data: it comes from TypeScript, can be saved, sent to another process or put on a queue.

use nabla_data::Dataset;
use nabla_data::augment::{self, Augmentation};
use nabla_data::prepare::{Fitted, Step};
use nabla_data::prepare_targets::{fit_named_targets, fit_targets};
use nabla_error::{Code, Error, Result};
use nabla_metrics::MetricSpec;
use nabla_optim::{GradientNoise, Method, Penalty, Schedule};
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

/// One of several outputs of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedOutput {
    /// Of the graph's output `prediction:<name>`, and of its target.
    pub name: String,
    /// From values to predictions.
    pub output: Output,
    /// Fitted on the training rows, applied to its target of numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare_targets: Vec<Step>,
    /// Weights of the classes of its target, by the graph's input `classWeights:<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
}

/// The prefix of the inputs that weight the losses of single outputs, a number a row.
pub const CLASS_WEIGHTS: &str = "classWeights:";

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
    /// Epochs at the beginning that are not judged: none of them is the best, and none is waited for.
    #[serde(default)]
    pub warm_up: usize,
    /// Whether the weights of the best epoch come back.
    pub restore_best: bool,
    /// The share of the training rows held out where no validation set is given.
    pub validation_fraction: f64,
}

/// A limit of the gradient, penalties included. Norms are taken over all of a parameter (`norm`), over all parameters (`globalNorm`), or
/// over each unit's incoming weights (`adaptive`: at most so many times the norm of those weights, which counts as 0.001 at least; Brock et
/// al. 2021, arXiv:2102.06171). A gradient that is too long is scaled to the limit; `value` cuts each number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Clip {
    /// Each number to [−limit, limit].
    Value(f64),
    /// Each parameter's gradient.
    Norm(f64),
    /// All gradients together.
    GlobalNorm(f64),
    /// Each unit's, relative to its weights.
    Adaptive(f64),
}

/// A penalty and what it acts on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Regularizer {
    /// The penalty.
    pub penalty: Penalty,
    /// Names of parameters; none is all that decay (no biases, no scales of norms).
    #[serde(default)]
    pub parameters: Option<Vec<String>>,
}

/// Parameters with settings of their own. The first group that names a parameter decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// A parameter, or a layer; `*` stands for anything.
    #[serde(rename = "match")]
    pub pattern: String,
    /// In place of the optimizer's; a schedule multiplies it as it does that one.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// In place of the optimizer's, for those that decay.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// Kept as they are: no gradients are computed for them.
    #[serde(default)]
    pub freeze: bool,
}

/// Weights of the classes in the objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeights {
    /// n/(k·n_c): each of the k classes has the same total, from the training rows of this fit. King & Zeng 2001.
    Balanced(Balanced),
    /// By name; 1 where nothing is said.
    Named(std::collections::BTreeMap<String, f64>),
}

/// The word `"balanced"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Balanced {
    /// By counts.
    Balanced,
}

/// Averaged weights: they are what an epoch is scored by and what a fit gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Averaging {
    /// The mean of the weights at the ends of the last epochs. Izmailov et al. 2018, arXiv:1803.05407.
    Swa {
        /// The share of the epochs before the first that counts, default 0.75.
        start: f64,
    },
    /// m ← dm + (1−d)θ after each step t (from 1), d = min(decay, t/(t + 9)). Polyak & Juditsky 1992; the beginning as in TensorFlow.
    Ema {
        /// In [0, 1), default 0.999.
        decay: f64,
    },
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
    /// Changes of the training rows, each epoch anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub augment: Vec<Augmentation>,
    /// What the loss was called, for the record.
    #[serde(default)]
    pub loss: Value,
    /// From values to predictions.
    pub output: Output,
    /// Several outputs by name; a metric belongs to the one whose name it begins with, as `digit.accuracy`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<NamedOutput>,
    /// The update rule.
    pub optimizer: Method,
    /// The learning rate over time; none is constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// A limit of the gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// Noise added to the clipped gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_noise: Option<GradientNoise>,
    /// Penalties and constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularizers: Vec<Regularizer>,
    /// Parameters with settings of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Weights of the classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<ClassWeights>,
    /// Averaged weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub averaging: Option<Averaging>,
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
    /// Whether the order of the rows changes what an epoch does.
    pub(crate) fn shuffles(&self) -> bool {
        self.shuffle && !matches!(self.batch_size, BatchSize::Full(_))
    }

    /// From JSON.
    pub fn from_json(text: &str) -> Result<FitSpec> {
        let spec: FitSpec =
            nabla_error::from_json(text).map_err(|e| Error::new(Code::InvalidOption, format!("the recipe cannot be read: {e}")))?;
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
        self.validate_outputs()?;
        if self.epochs == 0 {
            return Err(Error::option("epochs", "to be a whole number of at least 1", 0));
        }
        if self.batch_size == BatchSize::Rows(0) {
            return Err(Error::option("batchSize", "to be a whole number of at least 1, or \"full\"", 0));
        }
        augment::validate(&self.augment)?;
        self.validate_toolbox()?;
        let Some(stop) = &self.early_stopping else { return Ok(()) };
        self.expect_score("earlyStopping.monitor", &stop.monitor)?;
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

    fn validate_outputs(&self) -> Result<()> {
        if self.outputs.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.outputs.iter().map(|o| o.name.as_str()).collect();
        for metric in &self.metrics {
            if !names.iter().any(|name| belongs(metric.name(), name)) {
                let expected = format!("to begin with the name of an output, one of {names:?}");
                return Err(Error::option("metrics", expected, format!("{:?}", metric.name())));
            }
        }
        if !self.prepare_targets.is_empty() || self.class_weights.is_some() {
            return Err(Error::option(
                "prepareTargets and classWeights",
                "to belong to one of the outputs",
                "those of the whole model",
            ));
        }
        Ok(())
    }

    /// Its preparation of targets, fitted on these rows.
    pub(crate) fn fit_targets(&self, data: &Dataset) -> Result<Fitted> {
        if self.outputs.is_empty() {
            return fit_targets(&self.prepare_targets, data);
        }
        fit_named_targets(self.outputs.iter().map(|o| (o.name.as_str(), o.prepare_targets.as_slice())), data)
    }

    /// The outputs whose classes have weights.
    pub(crate) fn weighted_outputs(&self) -> impl Iterator<Item = (&str, &ClassWeights)> {
        self.outputs
            .iter()
            .filter_map(|o| o.class_weights.as_ref().map(|w| (o.name.as_str(), w)))
    }

    fn expect_score(&self, option: &str, monitor: &str) -> Result<()> {
        if monitor == "loss" || self.metrics.iter().any(|m| m.name() == monitor) {
            return Ok(());
        }
        let names: Vec<&str> = std::iter::once("loss").chain(self.metrics.iter().map(MetricSpec::name)).collect();
        let hint = nabla_data::nearest(monitor, names.iter().copied()).map(|n| format!("Did you mean \"{n}\"?"));
        let error = Error::option(option, format!("to be one of {names:?}"), format!("{monitor:?}"));
        Err(error.hint(hint.unwrap_or_else(|| "It must be among the trainer's metrics.".to_owned())))
    }

    /// Schedule, clipping, penalties, groups, weights of classes, averaging.
    fn validate_toolbox(&self) -> Result<()> {
        let positive = |name: &str, x: f64| {
            if x > 0.0 && x.is_finite() {
                Ok(())
            } else {
                Err(Error::option(name, "in (0, ∞)", x))
            }
        };
        let not_negative = |name: &str, x: f64| {
            if x >= 0.0 && x.is_finite() {
                Ok(())
            } else {
                Err(Error::option(name, "in [0, ∞)", x))
            }
        };
        if let Some(schedule) = &self.schedule {
            schedule.validate()?;
            if let Some(Schedule::ReduceOnPlateau { monitor, .. }) = schedule.plateau() {
                self.expect_score("schedule.monitor", monitor)?;
            }
        }
        match self.clip {
            Some(Clip::Value(x)) => positive("clip.value", x)?,
            Some(Clip::Norm(x)) => positive("clip.norm", x)?,
            Some(Clip::GlobalNorm(x)) => positive("clip.globalNorm", x)?,
            Some(Clip::Adaptive(x)) => positive("clip.adaptive", x)?,
            None => {}
        }
        self.gradient_noise.as_ref().map_or(Ok(()), GradientNoise::validate)?;
        self.regularizers.iter().try_for_each(|r| r.penalty.validate())?;
        if self.optimizer.lbfgs.is_some() {
            self.validate_line_search()?;
        }
        let rule = &self.optimizer.rule;
        for group in &self.groups {
            group.learning_rate.map_or(Ok(()), |x| not_negative("groups.learningRate", x))?;
            group.weight_decay.map_or(Ok(()), |x| not_negative("groups.weightDecay", x))?;
            if group.weight_decay.is_some() && rule.decay().is_none() {
                return Err(Error::option(
                    "groups.weightDecay",
                    format!("with an optimizer that decays; {} does not", rule.name()),
                    "a decay",
                )
                .hint("Use adamw, lion, lamb or sgd, or the regularizer l2."));
            }
            if group.learning_rate.is_some() && rule.learning_rate() == 0.0 {
                return Err(Error::option(
                    "groups.learningRate",
                    "with an optimizer whose own rate is not 0",
                    "a rate",
                ));
            }
        }
        let of_outputs = self.outputs.iter().filter_map(|o| o.class_weights.as_ref());
        for weights in self.class_weights.iter().chain(of_outputs) {
            if let ClassWeights::Named(named) = weights {
                named.values().try_for_each(|w| positive("classWeights", *w))?;
            }
        }
        match self.averaging {
            Some(Averaging::Ema { decay }) if !(0.0..1.0).contains(&decay) => Err(Error::option("averaging.decay", "in [0, 1)", decay)),
            Some(Averaging::Swa { start }) if !(0.0..1.0).contains(&start) => Err(Error::option("averaging.start", "in [0, 1)", start)),
            _ => Ok(()),
        }
    }

    /// L-BFGS compares losses of one batch along one direction: what changes the step afterwards, or the loss between two evaluations, is
    /// refused.
    fn validate_line_search(&self) -> Result<()> {
        let refuse = |name: &str, why: &str| Err(Error::option(name, "to be left out with lbfgs", "a value").hint(why));
        if !matches!(self.batch_size, BatchSize::Full(_)) {
            return Err(Error::option("batchSize", "to be \"full\" with lbfgs", "a part of the rows")
                .hint("Its line search compares losses of one batch; for small batches use adam."));
        }
        if self.clip.is_some() {
            return refuse("clip", "The line search bounds the step already.");
        }
        if self.gradient_noise.is_some() {
            return refuse("gradientNoise", "Its line search compares losses along an exact gradient.");
        }
        let smooth = |penalty: &Penalty| matches!(penalty, Penalty::L2 { .. }) || matches!(penalty, Penalty::Lq { q, .. } if *q > 1.0);
        if self.regularizers.iter().any(|r| !smooth(&r.penalty)) {
            return refuse("regularizers", "Only l2 and lq with q > 1 are smooth enough for its line search.");
        }
        if self.groups.iter().any(|g| g.learning_rate.is_some()) {
            return refuse("groups.learningRate", "One direction is taken for all weights; `freeze` works.");
        }
        if matches!(self.averaging, Some(Averaging::Ema { .. })) {
            return refuse("averaging", "'swa' works.");
        }
        Ok(())
    }
}

/// Whether a metric is of the output of that name.
pub fn belongs(metric: &str, output: &str) -> bool {
    metric.strip_prefix(output).is_some_and(|rest| rest.starts_with('.'))
}
