//! One fit: what goes in beside the recipe, and what comes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use nabla_data::Dataset;

use crate::checkpoint::Checkpoint;
use crate::history::{Scores, Stopped};
use crate::lsuv::UnitVariance;
use crate::model::Model;
use crate::stage::Paused;

/// Rows to fit, to watch, to score and to test.
#[derive(Clone, Debug)]
pub struct Job {
    /// To learn from.
    pub train: Dataset,
    /// To choose by: early stopping looks here. Without one it holds out part of `train`.
    pub validation: Option<Dataset>,
    /// Scored once, after the fit (a fold's other rows).
    pub score: Option<Dataset>,
    /// Scored once, after the fit (the test set).
    pub test: Option<Dataset>,
    /// Weights to start from, row-major by name; what is not named starts from its initializer.
    pub from: Option<Arc<BTreeMap<String, Vec<f64>>>>,
    /// A model whose fitted preparation is kept; without one it is fitted on `train`.
    pub keep: Option<Arc<Model>>,
    /// The fit that it goes on from.
    pub resume: Option<Arc<Paused>>,
    /// Leaves it after so many epochs in all, to go on from later; scores are those of then.
    pub until: Option<usize>,
    /// Looks at the health of gradients each so many steps.
    pub health: Option<usize>,
    /// Saves its state now and then.
    pub checkpoint: Option<Checkpoint>,
}

impl Job {
    /// Only rows to learn from.
    pub fn new(train: Dataset) -> Job {
        Job {
            train,
            validation: None,
            score: None,
            test: None,
            from: None,
            keep: None,
            resume: None,
            until: None,
            health: None,
            checkpoint: None,
        }
    }
}

/// A finished fit.
#[derive(Debug)]
pub struct Outcome {
    /// Weights, fitted preparation, history.
    pub model: Model,
    /// Why it ended.
    pub stopped: Stopped,
    /// On `score`.
    pub scores: Option<Scores>,
    /// On `test`.
    pub test_scores: Option<Scores>,
    /// Names of the weights that came from another model.
    pub taken: Vec<String>,
    /// What `lsuv` did to kernels.
    pub scaled: Vec<UnitVariance>,
    /// With `until`: where it was left.
    pub paused: Option<Arc<Paused>>,
    /// What looks like a mistake, in words.
    pub warnings: Vec<String>,
}
