//! Gradient health: each so many steps, what a step does to each layer. Such a step runs a second program, the same with layers' outputs
//! and the gradients there as outputs (`nabla_graph::passes::taps`), and the numbers of weights, gradients and outputs are counted; all
//! other steps run as ever. The bits of training are the same with and without. What it means is judged elsewhere, in words.

pub mod examine;
mod recurrence;
pub mod statistics;
mod watch;

use serde::Serialize;

pub use recurrence::Gate;
pub use statistics::{Statistics, statistics};
pub(crate) use watch::{Look, Watch};

/// One step that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The step, from 0.
    pub step: u64,
    /// Its epoch, from 0.
    pub epoch: usize,
    /// Rows of its batch.
    pub rows: usize,
    /// The mean loss of its batch, before the update.
    pub loss: f64,
    /// The rate of its update.
    pub learning_rate: f64,
    /// What the model read, prepared.
    pub input: Option<Statistics>,
    /// In the order of the model.
    pub layers: Vec<LayerRecord>,
}

/// What a step did to one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerRecord {
    /// Its path.
    pub layer: String,
    /// `relu`, `tanh` or `sigmoid`, where its output is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<&'static str>,
    /// Whether it goes through time.
    pub recurrent: bool,
    /// The last layers that it feeds, by their place; none of a last one.
    pub ends: Vec<usize>,
    /// Its outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Statistics>,
    /// The share of them at an end of their range: |tanh| > 0.95, a sigmoid likewise (below 0.025, above 0.975).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturated: Option<f64>,
    /// The share of units that gave 0 on all of the last 256 rows looked at (or on the data set, where it has fewer); known by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<f64>,
    /// The loss's gradient with respect to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Statistics>,
    /// The gates of a recurrent cell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Of a recurrent cell: the norm of the loss's gradient with respect to what goes into each step, in the order of the run; of more
    /// than 256 steps, 256 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<f64>,
    /// Its trained parameters.
    pub parameters: Vec<ParameterRecord>,
}

/// What a step did to one parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterRecord {
    /// Its name.
    pub name: String,
    /// Whether it is a kernel: has two axes or more.
    pub kernel: bool,
    /// Its gradient, before penalties and clipping.
    pub gradient: Statistics,
    /// ‖w‖ before the update,
    pub weight_norm: f64,
    /// and ‖Δw‖ of the update.
    pub update_norm: f64,
}
