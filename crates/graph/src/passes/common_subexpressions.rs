//! Computes once what is written twice: the same operator with the same attributes on the same values.

use std::collections::HashMap;

use super::Rewrite;
use crate::ir::Graph;
use crate::ops::Operator;

/// The graph without repetitions.
pub fn common_subexpressions(graph: &Graph) -> Graph {
    let mut rewrite = Rewrite::default();
    let mut seen = HashMap::new();
    for node in &graph.nodes {
        if matches!(node.op, Operator::Source(_)) {
            let id = rewrite.copy(node);
            rewrite.map.push(id);
            continue;
        }
        let inputs: Vec<usize> = node.inputs.iter().map(|&i| rewrite.map[i]).collect();
        let attributes = match node.op.attributes() {
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        let key = (node.op.name(), attributes, inputs, node.shape.clone());
        let id = *seen.entry(key).or_insert_with(|| rewrite.copy(node));
        rewrite.map.push(id);
    }
    rewrite.finish(graph)
}
