//! Batch normalization in training becomes statistics of the batch and a normalization by them: common subexpressions then compute the
//! statistics once for the output, its derivative and the running statistics.

use super::Rewrite;
use crate::ir::{Graph, Node};
use crate::ops::Operator;
use crate::ops::batch_norm::{BatchNormTraining, ColumnMoments};
use crate::shape::{Dim, Shape};

/// The graph without `batchNormTraining`.
pub fn share_moments(graph: &Graph) -> Graph {
    let mut rewrite = Rewrite::default();
    for node in &graph.nodes {
        let Operator::BatchNormTraining(BatchNormTraining(norm)) = &node.op else {
            let id = rewrite.copy(node);
            rewrite.map.push(id);
            continue;
        };
        let x = rewrite.map[node.inputs[0]];
        let channels = node.shape.0[node.shape.rank() - 1];
        let moments = rewrite.push(Node {
            op: ColumnMoments.into(),
            inputs: vec![x],
            shape: Shape(vec![Dim::fixed(2), channels]),
            path: node.path.clone(),
        });
        let inputs = vec![x, rewrite.map[node.inputs[1]], rewrite.map[node.inputs[2]], moments];
        let id = rewrite.push(Node {
            op: norm.clone().into(),
            inputs,
            ..node.clone()
        });
        rewrite.map.push(id);
    }
    rewrite.finish(graph)
}
