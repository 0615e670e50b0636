//! Bias and activation ride in the product's epilogue: matmul or conv → add [n] → relu/tanh/sigmoid/gelu becomes one `linear` or `convLinear`, where nobody
//! else reads the values in between (derivative rules that need y only leave them free).

use super::{Rewrite, readers};
use crate::ir::{Graph, Id, Node};
use crate::ops::Operator;
use crate::ops::convolution::ConvLinear;
use crate::ops::elementwise::{Binary, BinaryKind, Unary};
use crate::ops::linear::{Linear, Rides};
use crate::ops::matmul::Matmul;

/// The fused graph; what was absorbed stays behind as dead code.
pub fn fuse_linear(graph: &Graph) -> Graph {
    let count = readers(graph);
    // The product and the bias of an add that may be fused.
    let biased = |id: Id| -> Option<(&Node, Id)> {
        let node = &graph.nodes[id];
        if node.op != Operator::Binary(Binary(BinaryKind::Add)) {
            return None;
        }
        [(0, 1), (1, 0)].into_iter().find_map(|(p, q)| {
            let (product, bias) = (node.inputs[p], node.inputs[q]);
            let fuses = match &graph.nodes[product].op {
                Operator::Conv(_) => true,
                op => *op == Operator::Matmul(Matmul::default()) && graph.nodes[graph.nodes[product].inputs[1]].shape.rank() == 2,
            };
            let fits = fuses
                && count[product] == 1
                && graph.nodes[product].shape == node.shape
                && graph.nodes[bias].shape.0 == node.shape.0[node.shape.rank() - 1..];
            fits.then_some((&graph.nodes[product], bias))
        })
    };
    let mut rewrite = Rewrite::default();
    for (id, node) in graph.nodes.iter().enumerate() {
        let fused = match &node.op {
            Operator::Unary(Unary(kind)) if count[node.inputs[0]] == 1 => {
                Rides::of(*kind).and_then(|activation| biased(node.inputs[0]).map(|found| (activation, found)))
            }
            _ => biased(id).map(|found| (Rides::Identity, found)),
        };
        let new = match fused {
            Some((activation, (product, bias))) => {
                let inputs = [product.inputs[0], product.inputs[1], bias].map(|i| rewrite.map[i]).to_vec();
                let op = match &product.op {
                    Operator::Conv(conv) => ConvLinear {
                        activation,
                        conv: conv.clone(),
                    }
                    .into(),
                    _ => Linear { activation }.into(),
                };
                rewrite.push(Node {
                    op,
                    inputs,
                    shape: node.shape.clone(),
                    path: node.path.clone(),
                })
            }
            None => rewrite.copy(node),
        };
        rewrite.map.push(new);
    }
    rewrite.finish(graph)
}
