//! Element-wise functions whose values only they themselves read become one [`Chain`]: one loop over blocks in the first-level cache
//! instead of one through memory each. All of a chain has the shape of its result, so nothing is computed more often than before.

use super::Rewrite;
use crate::ir::{Graph, Id, Node};
use crate::ops::Operator;
use crate::ops::chain::{Chain, Function, INPUTS, Operand, STEPS, Step};
use crate::ops::elementwise::{Binary, Unary};

/// What a node computes element by element.
fn function(node: &Node) -> Option<Function> {
    match &node.op {
        Operator::Unary(Unary(kind)) => Some(Function::Unary(*kind)),
        Operator::Binary(Binary(kind)) => Some(Function::Binary(*kind)),
        _ => None,
    }
}

/// A fixed number that a chain carries along: finite, so that its text says it all.
fn number(node: &Node) -> Option<f64> {
    match &node.op {
        Operator::Constant(c) if c.values.len() == 1 && node.shape.rank() == 0 => c.values.first().copied().filter(|v| v.is_finite()),
        _ => None,
    }
}

/// What a group reads from outside, numbers apart.
fn outside(graph: &Graph, group: &[Id]) -> Vec<Id> {
    let mut found = Vec::new();
    for &input in group.iter().flat_map(|&id| &graph.nodes[id].inputs) {
        if !group.contains(&input) && !found.contains(&input) && number(&graph.nodes[input]).is_none() {
            found.push(input);
        }
    }
    found
}

/// The fused graph; what was absorbed stays behind as dead code.
pub fn fuse_chains(graph: &Graph) -> Graph {
    let mut readers: Vec<Vec<Id>> = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|&input| readers[input].push(id));
    }
    let mut taken = vec![false; graph.nodes.len()];
    graph.outputs.values().for_each(|&id| readers[id].push(Id::MAX));
    // From the last node on: each becomes the end of a chain, unless an earlier chain took it in.
    let mut groups: Vec<Option<Vec<Id>>> = vec![None; graph.nodes.len()];
    for end in (0..graph.nodes.len()).rev() {
        if taken[end] || function(&graph.nodes[end]).is_none() {
            continue;
        }
        let mut group = vec![end];
        let mut at = 0;
        // Candidates in falling order, so that all readers of one are decided before it.
        let mut candidates: Vec<Id> = graph.nodes[end].inputs.clone();
        while at < candidates.len() && group.len() < STEPS {
            candidates[at..].sort_unstable_by(|a, b| b.cmp(a));
            let id = candidates[at];
            at += 1;
            let fits = !group.contains(&id)
                && function(&graph.nodes[id]).is_some()
                && graph.nodes[id].shape == graph.nodes[end].shape
                && readers[id].iter().all(|reader| group.contains(reader));
            if !fits {
                continue;
            }
            group.push(id);
            if outside(graph, &group).len() > INPUTS {
                group.pop();
            } else {
                candidates.extend(&graph.nodes[id].inputs);
            }
        }
        let inputs = outside(graph, &group);
        if group.len() > 1 && !inputs.is_empty() && inputs.len() <= INPUTS {
            group.sort_unstable();
            group.iter().for_each(|&id| taken[id] = true);
            groups[end] = Some(group);
        }
    }
    let mut rewrite = Rewrite::default();
    for (id, node) in graph.nodes.iter().enumerate() {
        let new = match &groups[id] {
            Some(group) => chain(graph, group, node, &mut rewrite),
            None => rewrite.copy(node),
        };
        rewrite.map.push(new);
    }
    rewrite.finish(graph)
}

/// The node for a group, whose last is `end`.
fn chain(graph: &Graph, group: &[Id], end: &Node, rewrite: &mut Rewrite) -> Id {
    let inputs = outside(graph, group);
    let operand = |id: Id| match (group.iter().position(|&g| g == id), number(&graph.nodes[id])) {
        (Some(step), _) => Operand::Step(step),
        (None, Some(value)) => Operand::Number(value),
        (None, None) => Operand::Input(inputs.iter().position(|&i| i == id).unwrap_or(0)),
    };
    let step = |id: &Id| {
        let node = &graph.nodes[*id];
        let first = operand(node.inputs[0]);
        let of = [first, node.inputs.get(1).map_or(first, |&id| operand(id))];
        function(node).map(|function| Step { function, of })
    };
    let steps = group.iter().filter_map(step).collect();
    let paths = group.iter().map(|&id| graph.nodes[id].path.clone()).collect();
    let padded = (0..INPUTS).map(|i| rewrite.map[*inputs.get(i).unwrap_or(&inputs[0])]).collect();
    rewrite.push(Node {
        op: Chain { steps, paths }.into(),
        inputs: padded,
        ..end.clone()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use nabla_kernels::philox::Stream;

    use super::*;
    use crate::builder::Builder;
    use crate::ops::elementwise::{BinaryKind, UnaryKind};
    use crate::passes::dead_code::dead_code;
    use crate::passes::mode::Mode;
    use crate::program::{Purpose, evaluate};
    use crate::shape::Shape;

    fn names(graph: &Graph) -> Vec<&'static str> {
        let computed = graph.nodes.iter().filter(|n| !n.op.is_source());
        computed.map(|n| n.op.name()).collect()
    }

    /// x·γ + β, its swish, and a sum that reads it.
    fn built(shown: bool) -> Graph {
        let mut b = Builder::default();
        let x = b.input("x", Shape::batched(&[40])).unwrap();
        let [scale, shift] = ["scale", "shift"].map(|name| b.input(name, Shape::fixed(&[40])).unwrap());
        let product = b.binary(BinaryKind::Multiply, x, scale).unwrap();
        let sum = b.binary(BinaryKind::Add, product, shift).unwrap();
        let half = b.scale(sum, 0.5).unwrap();
        let gate = b.unary(UnaryKind::Sigmoid, half).unwrap();
        let y = b.binary(BinaryKind::Multiply, half, gate).unwrap();
        let total = b.sum(y, &[1], false).unwrap();
        let mut outputs = vec![("y", total)];
        if shown {
            outputs.extend([("product", product), ("sum", sum), ("half", half), ("gate", gate), ("swish", y)]);
        }
        b.finish(&outputs)
    }

    #[test]
    fn one_loop_for_what_nobody_else_reads() {
        assert_eq!(names(&dead_code(&fuse_chains(&built(false)))), ["chain", "sum"]);
        // An output is read: nothing may be left out.
        assert!(!names(&fuse_chains(&built(true))).contains(&"chain"));
    }

    #[test]
    fn a_value_of_another_shape_stays_outside() {
        let mut b = Builder::default();
        let x = b.input("x", Shape::batched(&[4])).unwrap();
        let c = b.input("c", Shape::fixed(&[4])).unwrap();
        let small = b.unary(UnaryKind::Exp, c).unwrap();
        let sum = b.binary(BinaryKind::Add, x, small).unwrap();
        let y = b.unary(UnaryKind::Tanh, sum).unwrap();
        let graph = dead_code(&fuse_chains(&b.finish(&[("y", y)])));
        assert_eq!(names(&graph), ["exp", "chain"]);
    }

    #[test]
    fn the_bits_are_those_of_the_steps_one_by_one() {
        let stream = Stream::new(1, 2, 3);
        let value = |i: usize| (stream.uniform(i as u64) * 4.0 - 2.0) as f32;
        let inputs: HashMap<String, Vec<f32>> = [("x", 3 * 40), ("scale", 40), ("shift", 40)]
            .map(|(name, n)| (name.to_owned(), (0..n).map(|i| value(i + name.len() * 1000)).collect()))
            .into();
        let run = |shown: bool| {
            let graph = built(shown);
            let purpose = Purpose {
                mode: Mode::Infer,
                gradients: false,
                outputs: graph.outputs.keys().cloned().collect(),
                capacity: 3,
            };
            evaluate(&graph, &purpose, &HashMap::new(), &inputs, 0).unwrap()["y"].clone()
        };
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(run(false)), bits(run(true)));
    }
}
