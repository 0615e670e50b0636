//! Training or inference: what behaves differently is written out. Dropout becomes a product with a mask, or
//! nothing; attention with dropout of its weights is written out, or goes without; batch normalization goes by the statistics of the
//! batch, or by the running ones that it was traced with. Marks of scans are left out.

use std::collections::HashMap;

use nabla_error::Result;
use nabla_kernels::philox::hash_path;

use super::Rewrite;
use crate::builder::Builder;
use crate::ir::{Graph, Id, Node};
use crate::ops::attention::Attention;
use crate::ops::batch_norm::BatchNormTraining;
use crate::ops::dropout::{DropoutMask, Form, Kind};
use crate::ops::elementwise::{Binary, BinaryKind};
use crate::ops::{Op, Operator};

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Noise on.
    Train,
    /// Noise on, statistics as at inference: samples of predictions.
    Sample,
    /// Noise off.
    Infer,
}

/// The graph for one mode, and the dropout rates in the order of their slots.
pub fn mode(graph: &Graph, mode: Mode) -> Result<(Graph, Vec<f64>)> {
    written(graph, mode, false)
}

/// The graph for inference, with the marks of scans: what a session is made of.
pub(super) fn marked(graph: &Graph) -> Result<Graph> {
    Ok(written(graph, Mode::Infer, true)?.0)
}

fn written(graph: &Graph, mode: Mode, marks: bool) -> Result<(Graph, Vec<f64>)> {
    let dropping = attention(graph, mode)?;
    let graph = dropping.as_ref().unwrap_or(graph);
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
        if let (Operator::ScanMark(_), false) = (&node.op, marks) {
            rewrite.map.push(rewrite.map[node.inputs[0]]);
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
        let slot = rates.len();
        rates.push(dropout.rate);
        let mut step = |kind: BinaryKind, form: Form, value: usize| -> Result<usize> {
            let mask = DropoutMask {
                slot,
                purpose,
                form,
                kind: dropout.kind,
            };
            let shape = mask.shape(&[&node.shape])?;
            let mask = rewrite.push(Node {
                op: mask.into(),
                inputs: vec![x],
                shape,
                ..node.clone()
            });
            let inputs = vec![value, mask];
            let op = Binary(kind).into();
            Ok(rewrite.push(Node {
                op,
                inputs,
                ..node.clone()
            }))
        };
        let noisy = match dropout.kind {
            Kind::Element | Kind::Channel | Kind::Row => step(BinaryKind::Multiply, Form::Inverted, x)?,
            Kind::Gaussian => step(BinaryKind::Add, Form::Gaussian, x)?,
            Kind::Alpha => {
                let scaled = step(BinaryKind::Multiply, Form::AlphaScale, x)?;
                step(BinaryKind::Add, Form::AlphaShift, scaled)?
            }
        };
        rewrite.map.push(noisy);
    }
    Ok((rewrite.finish(graph), rates))
}

/// The graph with the dropout of attention's weights as a node, or without it; none where no attention has any.
fn attention(graph: &Graph, mode: Mode) -> Result<Option<Graph>> {
    let drops = |node: &Node| matches!(&node.op, Operator::Attention(a) if a.dropout > 0.0);
    if !graph.nodes.iter().any(drops) {
        return Ok(None);
    }
    let mut rewrite = Rewrite::default();
    for node in &graph.nodes {
        let new = match &node.op {
            Operator::Attention(a) if a.dropout > 0.0 && mode == Mode::Infer => {
                let op = Attention { dropout: 0.0, ..a.clone() }.into();
                rewrite.copy(&Node { op, ..node.clone() })
            }
            Operator::Attention(a) if a.dropout > 0.0 => {
                let inputs: Vec<Id> = node.inputs.iter().map(|&i| rewrite.map[i]).collect();
                let mut b = Builder::from_graph(Graph {
                    nodes: std::mem::take(&mut rewrite.nodes),
                    ..Graph::default()
                });
                b.path.clone_from(&node.path);
                let new = a.written_out(&mut b, &inputs, true)?;
                rewrite.nodes = b.graph.nodes;
                new
            }
            _ => rewrite.copy(node),
        };
        rewrite.map.push(new);
    }
    Ok(Some(rewrite.finish(graph)))
}
