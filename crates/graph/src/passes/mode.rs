//! Training or inference: what behaves differently is written out. Dropout becomes a product with a mask, or
//! nothing; batch normalization goes by the statistics of the batch, or by the running ones that it was traced with.

use std::collections::HashMap;

use nabla_error::Result;
use nabla_kernels::philox::hash_path;

use super::Rewrite;
use crate::ir::{Graph, Node};
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
