//! What gradient health looks at in a training step: each layer's output, and the loss's gradient there. They become outputs of the
//! graph, so fusion keeps them and the plan gives them places of their own. The pass runs where the structure of the step is decided
//! (after `gatheredRows`), so that the step computes the same bits as the one that nobody looks at.

use std::collections::BTreeMap;

use nabla_error::Result;

use super::differentiate::gradients_of_loss;
use crate::ir::{Graph, Id, Node};
use crate::ops::Operator;
use crate::ops::elementwise::{Binary, BinaryKind, Unary, UnaryKind};
use crate::ops::recurrent::simple::CellFunction;

/// The prefix of the outputs that are layers' outputs, by node;
pub const VALUES: &str = "values:";
/// and of those that are the loss's gradients there.
pub const SIGNALS: &str = "signal:";
/// The prefix of the outputs that are records of recurrent cells, by node;
pub const GATES: &str = "gates:";
/// and of those that are the gradients of what goes into them, step by step, by the node of the record.
pub const STEPS: &str = "steps:";

/// What bounds a layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// max(x, 0)
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
}

/// A recurrent cell over time within a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its value of each step, [batch, time, parts·units]; the gates are the first parts.
    pub record: Id,
    /// Names of the gates, none of a simple cell.
    pub gates: &'static [&'static str],
    /// Numbers of a gate.
    pub units: usize,
    /// Steps.
    pub time: usize,
    /// Whether it goes from the last step to the first.
    pub reverse: bool,
}

impl Cell {
    /// The cell at a node, if it is one.
    fn at(graph: &Graph, id: Id) -> Option<Cell> {
        let node = &graph.nodes[id];
        let (gates, reverse): (&[&str], bool) = match &node.op {
            Operator::Lstm(cell) => (&["input", "forget", "candidate", "output"], cell.reverse),
            Operator::Gru(cell) => (&["reset", "update", "candidate"], cell.reverse),
            Operator::SimpleRnn(cell) => (&[], cell.reverse),
            _ => return None,
        };
        Some(Cell {
            record: id,
            gates,
            units: graph.nodes[node.inputs[1]].shape.0[0].size,
            time: node.shape.0[1].size,
            reverse,
        })
    }

    /// Whether a node is its backward pass.
    fn is_back(&self, node: &Node) -> bool {
        let back = matches!(
            node.op,
            Operator::LstmGradient(_) | Operator::GruGradient(_) | Operator::SimpleRnnGradient(_)
        );
        back && node.inputs[1] == self.record
    }
}

/// A layer that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Its path, such as `residual/dense`.
    pub layer: String,
    /// Its outputs: of a layer that is called several times, one a call.
    pub nodes: Vec<Id>,
    /// The activation that gives them.
    pub bound: Option<Bound>,
    /// The size of their last axis.
    pub units: usize,
    /// Whether it goes through time.
    pub recurrent: bool,
    /// Layers after it that no layer follows, by their place in the list: what its signal comes from. Of such a layer itself: none.
    pub ends: Vec<usize>,
    /// The recurrent cells in it, one a call.
    pub cells: Vec<Cell>,
}

/// The activation at the end of a layer, seen through what only moves numbers.
fn bound(graph: &Graph, mut id: Id) -> Option<Bound> {
    loop {
        let node = &graph.nodes[id];
        return match &node.op {
            Operator::Unary(Unary(UnaryKind::Relu)) => Some(Bound::Relu),
            Operator::Unary(Unary(UnaryKind::Tanh)) => Some(Bound::Tanh),
            Operator::Unary(Unary(UnaryKind::Sigmoid)) => Some(Bound::Sigmoid),
            Operator::SimpleRnn(cell) => Some(if cell.activation == CellFunction::Relu {
                Bound::Relu
            } else {
                Bound::Tanh
            }),
            Operator::Reshape(_) | Operator::Slice(_) => {
                id = node.inputs[0];
                continue;
            }
            _ => None,
        };
    }
}

/// The layers of a model that are looked at, in the order of their outputs: those with parameters of their own, those that end in an
/// activation, and those that add (a shortcut).
pub fn taps(graph: &Graph) -> Vec<Tap> {
    let count = graph.nodes.len();
    let reaches = |from: &dyn Fn(Id) -> bool| -> Vec<bool> {
        let mut reached = vec![false; count];
        for id in 0..count {
            reached[id] = from(id) || graph.nodes[id].inputs.iter().any(|&i| reached[i]);
        }
        reached
    };
    let features: Vec<Id> = graph.inputs.get("features").copied().into_iter().collect();
    let reads_features = reaches(&|id| features.contains(&id));
    let mut predicts = vec![false; count];
    let predictions = graph.outputs.iter().filter(|(name, _)| name.starts_with("prediction"));
    predictions.for_each(|(_, &id)| predicts[id] = true);
    let is_prediction = predicts.clone();
    for id in (0..count).rev() {
        if predicts[id] {
            graph.nodes[id].inputs.iter().for_each(|&i| predicts[i] = true);
        }
    }
    let within = |path: &str, layer: &str| path == layer || (path.starts_with(layer) && path.as_bytes().get(layer.len()) == Some(&b'/'));
    let mut leaves = is_prediction;
    for node in graph.nodes.iter() {
        for &input in &node.inputs {
            let layer = &graph.nodes[input].path;
            leaves[input] = leaves[input] || (!layer.is_empty() && !within(&node.path, layer));
        }
    }
    let mut found: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let computed = !node.op.is_source() && node.shape.0.first().is_some_and(|d| d.batch);
        if computed && leaves[id] && reads_features[id] && predicts[id] && !node.path.is_empty() {
            found.entry(&node.path).or_default().push(id);
        }
    }
    let owns = |layer: &str| {
        graph
            .parameters
            .iter()
            .any(|p| p.name.rsplit_once('/').is_some_and(|(own, _)| own == layer))
    };
    let adds = |id: &Id| matches!(graph.nodes[*id].op, Operator::Binary(Binary(BinaryKind::Add)));
    let cells = |layer: &str| -> Vec<Cell> {
        let own = (0..count).filter(|&id| graph.nodes[id].path == layer && predicts[id]);
        own.filter_map(|id| Cell::at(graph, id)).collect()
    };
    let mut taps: Vec<Tap> = found
        .into_iter()
        .filter(|(layer, nodes)| owns(layer) || nodes.iter().any(|id| adds(id) || bound(graph, *id).is_some()))
        .map(|(layer, nodes)| Tap {
            bound: bound(graph, nodes[0]),
            units: graph.nodes[nodes[0]].shape.0.last().map_or(0, |d| d.size),
            recurrent: graph.nodes.iter().any(|n| n.path == layer && matches!(n.op, Operator::Steps(_))) || !cells(layer).is_empty(),
            cells: cells(layer),
            layer: layer.to_owned(),
            nodes,
            ends: Vec::new(),
        })
        .collect();
    taps.sort_by_key(|tap| tap.nodes[0]);
    let after: Vec<Vec<bool>> = taps.iter().map(|tap| reaches(&|id| tap.nodes.contains(&id))).collect();
    let follows = |a: usize, b: usize| a != b && taps[b].nodes.iter().any(|&id| after[a][id] && !taps[a].nodes.contains(&id));
    let last: Vec<bool> = (0..taps.len()).map(|a| !(0..taps.len()).any(|b| follows(a, b))).collect();
    let ends: Vec<Vec<usize>> = (0..taps.len())
        .map(|a| (0..taps.len()).filter(|&b| last[b] && follows(a, b)).collect())
        .collect();
    taps.iter_mut().zip(ends).for_each(|(tap, ends)| tap.ends = ends);
    taps
}

/// The graph with gradients, and with what is looked at as outputs. No gradient is computed for it that the step does without.
pub fn tapped(graph: Graph) -> Result<(Graph, Vec<Tap>)> {
    let taps = taps(&graph);
    let mut trained = vec![false; graph.nodes.len()];
    graph.parameters.iter().filter(|p| p.trainable).for_each(|p| trained[p.node] = true);
    for id in 0..trained.len() {
        trained[id] = trained[id] || graph.nodes[id].inputs.iter().any(|&i| trained[i]);
    }
    let nodes: Vec<Id> = taps.iter().flat_map(|tap| tap.nodes.iter().copied()).collect();
    let learning: Vec<Id> = nodes.iter().copied().filter(|&id| trained[id]).collect();
    let (mut graph, signals) = gradients_of_loss(graph, &learning)?;
    for id in nodes {
        graph.outputs.insert(format!("{VALUES}{id}"), id);
    }
    for (id, signal) in learning.into_iter().zip(signals) {
        if let Some(signal) = signal {
            graph.outputs.insert(format!("{SIGNALS}{id}"), signal);
        }
    }
    for cell in taps.iter().flat_map(|tap| &tap.cells) {
        let back = graph.nodes.iter().position(|node| cell.is_back(node));
        if let Some(back) = back {
            graph.outputs.insert(format!("{STEPS}{}", cell.record), back);
        }
        if !cell.gates.is_empty() {
            graph.outputs.insert(format!("{GATES}{}", cell.record), cell.record);
        }
    }
    Ok((graph, taps))
}
