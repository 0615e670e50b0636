//! Training or inference: what behaves differently is written out. Dropout becomes a product with a mask, or
//! nothing; batch normalization goes by the statistics of the batch, or by the running ones that it was traced with.

use std::collections::HashMap;

use nabla_error::Result;
use nabla_kernels::philox::hash_path;

use super::Rewrite;
use crate::ir::{Graph, Node};
use crate::ops::Operator;
use crate::ops::batch_norm::BatchNormTraining;
use crate::ops::dropout::DropoutMask;
use crate::ops::elementwise::{Binary, BinaryKind};

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Noise on.
    Train,
    /// Noise off.
    Infer,
}

/// The graph for one mode, and the dropout rates in the order of their slots.
pub fn mode(graph: &Graph, mode: Mode) -> Result<(Graph, Vec<f64>)> {
    let mut rewrite = Rewrite::default();
    let mut rates = Vec::new();
    let mut calls: HashMap<&str, u64> = HashMap::new();
    for node in &graph.nodes {
        if let (Operator::BatchNorm(norm), Mode::Train) = (&node.op, mode) {
            let inputs = node.inputs[..3].iter().map(|&i| rewrite.map[i]).collect();
            let id = rewrite.push(Node {
                op: BatchNormTraining(norm.clone()).into(),
                inputs,
                ..node.clone()
            });
            rewrite.map.push(id);
            continue;
        }
        let Operator::Dropout(dropout) = &node.op else {
            let id = rewrite.copy(node);
            rewrite.map.push(id);
            continue;
        };
        let x = rewrite.map[node.inputs[0]];
        if mode == Mode::Infer {
            rewrite.map.push(x);
            continue;
        }
        // A layer that is called twice draws twice.
        let call = calls.entry(&node.path).and_modify(|n| *n += 1).or_insert(0);
        let purpose = hash_path(&node.path) ^ call.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mask = DropoutMask {
            slot: rates.len(),
            purpose,
        };
        rates.push(dropout.rate);
        let mask = rewrite.push(Node {
            op: mask.into(),
            inputs: vec![x],
            ..node.clone()
        });
        let product = rewrite.push(Node {
            op: Binary(BinaryKind::Multiply).into(),
            inputs: vec![x, mask],
            ..node.clone()
        });
        rewrite.map.push(product);
    }
    Ok((rewrite.finish(graph), rates))
}
