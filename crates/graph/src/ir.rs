//! The graph: what a model, its loss and its gradients are, as plain data.
//!
//! Nodes are in order: a node's inputs come before it. The JSON form carries a version, and its numbers survive (NaN and ±∞ in
//! constants are written as strings).

use std::collections::BTreeMap;

use nabla_error::{Code, Error, Result};
use nabla_params::Initializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ops::Operator;
use crate::shape::Shape;

/// The version of the JSON form.
pub const VERSION: u32 = 1;

/// A node's number.
pub type Id = usize;

/// One value: an operator applied to earlier values.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What computes it.
    pub op: Operator,
    /// From what.
    pub inputs: Vec<Id>,
    /// Its axes.
    pub shape: Shape,
    /// The layer it belongs to, such as `residual/dense`; empty outside layers.
    pub path: String,
}

/// A named weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// Layer path and role, such as `dense/kernel`; unique in its graph.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// What it starts from.
    pub initializer: Initializer,
    /// Whether training changes it.
    pub trainable: bool,
    /// Whether penalties and weight decay act on it (biases and norm scales are left out).
    pub decay: bool,
    /// The node that stands for it.
    pub node: Id,
}

/// A traced function with its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// All values, inputs before their readers.
    pub nodes: Vec<Node>,
    /// The run-time inputs by name.
    pub inputs: BTreeMap<String, Id>,
    /// The weights, in the order of their first use.
    pub parameters: Vec<Parameter>,
    /// What is asked of it, by name: `prediction`, and with a loss `loss` (one value a row).
    pub outputs: BTreeMap<String, Id>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeJson {
    op: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    attributes: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Id>,
    shape: Shape,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphJson {
    version: u32,
    nodes: Vec<NodeJson>,
    inputs: BTreeMap<String, Id>,
    parameters: Vec<Parameter>,
    outputs: BTreeMap<String, Id>,
}

impl Graph {
    /// The output of that name, or an error that lists those there are.
    pub fn output(&self, name: &str) -> Result<Id> {
        self.outputs.get(name).copied().ok_or_else(|| {
            let names: Vec<&str> = self.outputs.keys().map(String::as_str).collect();
            Error::internal(format!("the graph has no output \"{name}\", only {names:?}"))
        })
    }

    /// The plain-data form.
    pub fn to_json(&self) -> Value {
        let json = GraphJson {
            version: VERSION,
            nodes: self
                .nodes
                .iter()
                .map(|n| NodeJson {
                    op: n.op.name().to_owned(),
                    attributes: n.op.attributes(),
                    inputs: n.inputs.clone(),
                    shape: n.shape.clone(),
                    path: n.path.clone(),
                })
                .collect(),
            inputs: self.inputs.clone(),
            parameters: self.parameters.clone(),
            outputs: self.outputs.clone(),
        };
        serde_json::to_value(json).unwrap_or(Value::Null)
    }

    /// From the plain-data form, with everything checked that a damaged or foreign file could have wrong: every shape is inferred
    /// again.
    pub fn from_json(json: &Value) -> Result<Graph> {
        let damaged = |what: String| Error::new(Code::DataFormat, what).at("graph");
        let json: GraphJson = serde::Deserialize::deserialize(json).map_err(|e| damaged(format!("the graph cannot be read: {e}")))?;
        if json.version != VERSION {
            return Err(damaged(format!("version {} of the graph format is not known", json.version)).expected(VERSION.to_string()));
        }
        let mut graph = Graph {
            inputs: json.inputs,
            parameters: json.parameters,
            outputs: json.outputs,
            nodes: Vec::new(),
        };
        for (id, n) in json.nodes.into_iter().enumerate() {
            if n.inputs.iter().any(|&i| i >= id) {
                return Err(damaged(format!("node {id} reads a node that does not come before it")));
            }
            n.shape.check_size(1).map_err(|e| damaged(e.message))?;
            let op = Operator::parse(&n.op, n.attributes)?;
            let shape = if op.is_source() {
                n.shape.clone()
            } else {
                let shapes: Vec<&Shape> = n.inputs.iter().map(|&i| &graph.nodes[i].shape).collect();
                op.shape(&shapes)?
            };
            if shape != n.shape {
                return Err(damaged(format!(
                    "node {id} ({}) is said to have shape {}, but has {shape}",
                    n.op, n.shape
                )));
            }
            graph.nodes.push(Node {
                op,
                inputs: n.inputs,
                shape,
                path: n.path,
            });
        }
        let count = graph.nodes.len();
        let known = graph
            .inputs
            .values()
            .chain(graph.outputs.values())
            .chain(graph.parameters.iter().map(|p| &p.node))
            .all(|&id| id < count);
        let mut names: Vec<&str> = graph.parameters.iter().map(|p| p.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let sound = |p: &Parameter| graph.nodes[p.node].op == Operator::PARAMETER && graph.nodes[p.node].shape == Shape::fixed(&p.shape);
        if !known || names.len() != graph.parameters.len() || !graph.parameters.iter().all(sound) {
            return Err(damaged("inputs, outputs or parameters do not fit the nodes".to_owned()));
        }
        Ok(graph)
    }
}
