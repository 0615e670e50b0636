//! The gradient of a max-pooling over what a ReLU gave goes through the ReLU on its way: maxPoolGradient(y, dp) → reluGradient(y, ·) becomes
//! one pass over y, where nobody else reads the gradient in between.

use super::{Rewrite, readers};
use crate::ir::{Graph, Node};
use crate::ops::Operator;
use crate::ops::elementwise::{Binary, BinaryKind};
use crate::ops::pool::MaxPoolGradient;

/// The fused graph; what was absorbed stays behind as dead code.
pub fn fuse_pool_gradient(graph: &Graph) -> Graph {
    let count = readers(graph);
    let mut rewrite = Rewrite::default();
    for node in &graph.nodes {
        let pooled = match &node.op {
            Operator::Binary(Binary(BinaryKind::ReluGradient)) => Some(&graph.nodes[node.inputs[1]])
                .filter(|gradient| count[node.inputs[1]] == 1 && gradient.inputs.first() == Some(&node.inputs[0])),
            _ => None,
        };
        let new = match pooled.map(|gradient| (&gradient.op, &gradient.inputs)) {
            Some((Operator::MaxPoolGradient(plain), inputs)) => rewrite.push(Node {
                op: MaxPoolGradient {
                    relu: true,
                    pool: plain.pool.clone(),
                }
                .into(),
                inputs: inputs.iter().map(|&i| rewrite.map[i]).collect(),
                ..node.clone()
            }),
            _ => rewrite.copy(node),
        };
        rewrite.map.push(new);
    }
    rewrite.finish(graph)
}
