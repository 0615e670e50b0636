//! Drops what no output needs. Inputs and parameters stay: they are the program's interface.

use super::Rewrite;
use crate::ir::{Graph, Id};
use crate::ops::Operator;

/// The graph without dead nodes.
pub fn dead_code(graph: &Graph) -> Graph {
    let mut needed = vec![false; graph.nodes.len()];
    graph.outputs.values().for_each(|&id| needed[id] = true);
    for id in (0..graph.nodes.len()).rev() {
        if needed[id] {
            graph.nodes[id].inputs.iter().for_each(|&i| needed[i] = true);
        }
    }
    let mut rewrite = Rewrite::default();
    for (id, node) in graph.nodes.iter().enumerate() {
        let keep = needed[id] || matches!(node.op, Operator::Source(_));
        let new = if keep { rewrite.copy(node) } else { Id::MAX };
        rewrite.map.push(new);
    }
    rewrite.finish(graph)
}
