//! At inference batch normalization by fixed statistics goes into the convolution before it: γ·(conv(x, w) + b − μ)/√(σ² + ε) + β is
//! conv(x, w·a) + (b − μ)·a + β with a = γ/√(σ² + ε) a filter. The new kernel and bias follow from the weights alone, so a program computes
//! as many numbers for them as there are weights, and not one pass over the images. Only where nobody else reads the convolution.

use super::{Rewrite, readers};
use crate::builder::Builder;
use crate::ir::{Graph, Id, Node};
use crate::ops::Operator;
use crate::ops::batch_norm::{BatchNorm, inverse_deviation, row};
use crate::ops::elementwise::{Binary, BinaryKind};

/// What follows from weights and fixed numbers alone, value by value.
fn fixed(graph: &Graph) -> Vec<bool> {
    let mut fixed = vec![false; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        fixed[id] = match node.op {
            Operator::Source(_) => node.op == Operator::PARAMETER,
            _ => !matches!(node.op, Operator::DropoutMask(_)) && node.inputs.iter().all(|&i| fixed[i]),
        };
    }
    fixed
}

/// The convolution before a normalization, and the bias that was added to it, if there was one.
fn convolution<'a>(graph: &'a Graph, count: &[usize], fixed: &[bool], norm: &Node) -> Option<(&'a Node, Option<Id>)> {
    if !norm.inputs[1..].iter().all(|&i| fixed[i]) {
        return None;
    }
    let alone = |id: Id| Some(&graph.nodes[id]).filter(|_| count[id] == 1);
    let is_conv = |node: &&Node| matches!(node.op, Operator::Conv(_)) && fixed[node.inputs[1]];
    let before = alone(norm.inputs[0])?;
    if is_conv(&before) {
        return Some((before, None));
    }
    if before.op != Operator::Binary(Binary(BinaryKind::Add)) {
        return None;
    }
    let [p, q] = before.inputs[..] else { return None };
    [(p, q), (q, p)].into_iter().find_map(|(conv, bias)| {
        let conv = alone(conv).filter(is_conv).filter(|conv| conv.shape == before.shape)?;
        let of_filters = graph.nodes[bias].shape.0 == before.shape.0[before.shape.rank() - 1..];
        (of_filters && fixed[bias]).then_some((conv, Some(bias)))
    })
}

/// The folded graph; what was absorbed stays behind as dead code.
pub fn fold_batch_norm(graph: &Graph) -> Graph {
    let (count, fixed) = (readers(graph), fixed(graph));
    let mut rewrite = Rewrite::default();
    for node in &graph.nodes {
        let folded = match &node.op {
            Operator::BatchNorm(norm) => convolution(graph, &count, &fixed, node).and_then(|found| fold(norm, node, found, &mut rewrite)),
            _ => None,
        };
        let new = folded.unwrap_or_else(|| rewrite.copy(node));
        rewrite.map.push(new);
    }
    rewrite.finish(graph)
}

/// The convolution by the new kernel, plus the new bias.
fn fold(norm: &BatchNorm, node: &Node, (conv, bias): (&Node, Option<Id>), rewrite: &mut Rewrite) -> Option<Id> {
    let [_, gamma, beta, moments] = [0, 1, 2, 3].map(|i| rewrite.map[node.inputs[i]]);
    let [x, kernel] = [0, 1].map(|i| rewrite.map[conv.inputs[i]]);
    let bias = bias.map(|id| rewrite.map[id]);
    let mut b = Builder::default();
    b.graph.nodes = std::mem::take(&mut rewrite.nodes);
    let before = b.graph.nodes.len();
    b.path.clone_from(&node.path);
    let mut build = || {
        let scale = inverse_deviation(&mut b, moments, norm.epsilon)?;
        let slope = b.binary(BinaryKind::Multiply, gamma, scale)?;
        let kernel = b.binary(BinaryKind::Multiply, kernel, slope)?;
        let mean = row(&mut b, moments, 0)?;
        let shift = match bias {
            Some(bias) => b.binary(BinaryKind::Subtract, bias, mean)?,
            None => b.unary(crate::ops::elementwise::UnaryKind::Negate, mean)?,
        };
        let shift = b.binary(BinaryKind::Multiply, shift, slope)?;
        let shift = b.binary(BinaryKind::Add, shift, beta)?;
        let y = b.apply(conv.op.clone(), &[x, kernel])?;
        b.binary(BinaryKind::Add, y, shift)
    };
    let folded = build().ok();
    rewrite.nodes = b.graph.nodes;
    if folded.is_none() {
        rewrite.nodes.truncate(before);
    }
    folded
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;
    use crate::passes::mode::Mode;
    use crate::program::{Purpose, arena, evaluate};
    use crate::shape::Shape;
    use crate::{Dim, Program};
    use nabla_params::Initializer;

    /// Convolution, bias where asked, batch norm by statistics that are weights, ReLU.
    fn network(biased: bool, shared: bool) -> Graph {
        let mut b = Builder::default();
        let x = b.input("x", Shape::batched(&[6, 5, 3])).unwrap();
        let mut weight = |name: &str, shape: &[usize]| b.parameter(name, shape, Initializer::Ones {}, true, true).unwrap();
        let [kernel, bias] = [weight("kernel", &[3, 3, 3, 20]), weight("bias", &[20])];
        let [scale, shift, moments] = [weight("scale", &[20]), weight("shift", &[20]), weight("moments", &[2, 20])];
        let mut y = b.apply_named("conv", &[x, kernel], json!({ "padding": [1, 1, 1, 1] })).unwrap();
        if biased {
            y = b.binary(BinaryKind::Add, y, bias).unwrap();
        }
        let normal = b.apply(BatchNorm { epsilon: 1e-3 }.into(), &[y, scale, shift, moments]).unwrap();
        let out = b.apply_named("relu", &[normal], serde_json::Value::Null).unwrap();
        let mut outputs = vec![("y", out)];
        if shared {
            outputs.push(("before", y));
        }
        b.finish(&outputs)
    }

    fn weights(graph: &Graph) -> HashMap<String, Vec<f64>> {
        let value = |name: &str, i: usize| {
            let wave = ((i * 7 + name.len()) as f64).sin();
            if name == "moments" && i >= 20 { 1.5 + wave } else { wave }
        };
        let all = graph.parameters.iter().map(|p| {
            let count: usize = p.shape.iter().product();
            (p.name.clone(), (0..count).map(|i| value(&p.name, i)).collect())
        });
        all.collect()
    }

    #[test]
    fn one_convolution_with_its_bias_gives_what_three_operators_gave() {
        for biased in [false, true] {
            let graph = network(biased, false);
            let purpose = Purpose {
                mode: Mode::Infer,
                gradients: false,
                outputs: vec!["y".into()],
                capacity: 2,
            };
            let program = Program::compile(&graph, &std::sync::Arc::new(arena(&graph).unwrap()), &purpose).unwrap();
            let over_images = |i: &&crate::plan::Instruction| i.out_shape.0.first() == Some(&Dim::BATCH);
            let names: Vec<_> = program.instructions().iter().filter(over_images).map(|i| i.op.name()).collect();
            assert_eq!(names, ["convLinear"], "biased: {biased}");

            let inputs = HashMap::from([("x".to_owned(), (0..2 * 90).map(|i| (i as f64 * 0.7).cos()).collect::<Vec<f64>>())]);
            let folded = evaluate(&graph, &purpose, &weights(&graph), &inputs, 0).unwrap();
            // Read by somebody else, the convolution stays as it is.
            let graph = network(biased, true);
            let purpose = Purpose {
                outputs: vec!["y".into(), "before".into()],
                ..purpose
            };
            let apart = evaluate(&graph, &purpose, &weights(&graph), &inputs, 0).unwrap();
            let largest = apart["y"].iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            assert!(largest > 1.0);
            for (a, b) in folded["y"].iter().zip(&apart["y"]) {
                assert!((a - b).abs() < 1e-13 * largest, "{a} and {b}");
            }
        }
    }

    #[test]
    fn statistics_that_come_from_outside_are_left_alone() {
        let mut graph = network(false, false);
        let moments = graph.parameters.pop().unwrap();
        graph.nodes[moments.node].op = Operator::INPUT;
        graph.inputs.insert("moments".into(), moments.node);
        let names: Vec<_> = fold_batch_norm(&graph).nodes.iter().map(|n| n.op.name()).collect();
        assert!(names.contains(&"batchNorm"), "{names:?}");
    }
}
