//! What is done to each gathered row alike is done to the table before it is gathered: gather(T)·W + b becomes gather(T·W + b), where
//! the table has fewer rows than are gathered. An embedding before a recurrent layer then costs a product over its levels instead of
//! one over all positions, forwards and backwards (the gradient is added up by row first). Each element is the same chain, so its bits
//! stay.

use std::collections::HashMap;

use super::{Rewrite, readers};
use crate::ir::{Graph, Id, Node};
use crate::ops::Operator;
use crate::ops::elementwise::{Binary, BinaryKind};
use crate::ops::gather::Gather;
use crate::ops::matmul::Matmul;
use crate::shape::Shape;

/// The rewritten graph, for batches of `capacity` rows; what was replaced stays behind as dead code.
pub fn gathered_rows(graph: &Graph, capacity: usize) -> Graph {
    let count = readers(graph);
    let mut rewrite = Rewrite::default();
    // New nodes that are gathers, by their table and indices.
    let mut gathers: HashMap<Id, (Id, Id)> = HashMap::new();
    for node in &graph.nodes {
        let moved = moved(graph, node, &count, &rewrite, &gathers);
        let new = match moved {
            Some((inputs, width, indices)) => {
                let rows = rewrite.nodes[inputs[0]].shape.0[0];
                let table = rewrite.push(Node {
                    inputs: inputs.to_vec(),
                    shape: Shape(vec![rows, width]),
                    ..node.clone()
                });
                let new = rewrite.push(Node {
                    op: Gather.into(),
                    inputs: vec![table, indices],
                    ..node.clone()
                });
                gathers.insert(new, (table, indices));
                new
            }
            None => rewrite.copy(node),
        };
        if node.op == Operator::Gather(Gather) {
            let (table, indices) = (node.inputs[0], node.inputs[1]);
            let shape = &graph.nodes[table].shape;
            if shape.rank() == 2 && shape.0[0].size < graph.nodes[indices].shape.elements(capacity) {
                gathers.insert(new, (rewrite.map[table], rewrite.map[indices]));
            }
        }
        rewrite.map.push(new);
    }
    rewrite.finish(graph)
}

/// Of a node that can be computed on the table: its inputs there, its width and the indices.
fn moved(
    graph: &Graph,
    node: &Node,
    count: &[usize],
    rewrite: &Rewrite,
    gathers: &HashMap<Id, (Id, Id)>,
) -> Option<([Id; 2], crate::shape::Dim, Id)> {
    let gathered = |x: Id| gathers.get(&rewrite.map[x]).copied().filter(|_| count[x] == 1);
    let width = *node.shape.0.last()?;
    if node.op == Operator::Matmul(Matmul::default()) {
        let weights = node.inputs[1];
        let shape = &graph.nodes[weights].shape;
        let (table, indices) = gathered(node.inputs[0])?;
        let fits = shape.rank() == 2 && !shape.has_batch();
        return fits.then_some(([table, rewrite.map[weights]], width, indices));
    }
    if node.op == Operator::Binary(Binary(BinaryKind::Add)) {
        let (x, bias) = (node.inputs[0], node.inputs[1]);
        let (table, indices) = gathered(x)?;
        let fits = graph.nodes[bias].shape.0 == [width] && !width.batch && graph.nodes[x].shape == node.shape;
        return fits.then_some(([table, rewrite.map[bias]], width, indices));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::passes::dead_code::dead_code;

    fn built() -> Graph {
        let mut b = Builder::default();
        let table = b.input("table", Shape::fixed(&[5, 3])).unwrap();
        let weights = b.input("weights", Shape::fixed(&[3, 4])).unwrap();
        let bias = b.input("bias", Shape::fixed(&[4])).unwrap();
        let index = b.input("index", Shape::batched(&[2])).unwrap();
        let rows = b.apply(Gather.into(), &[table, index]).unwrap();
        let product = b.apply(Matmul::default().into(), &[rows, weights]).unwrap();
        let sum = b.binary(BinaryKind::Add, product, bias).unwrap();
        b.finish(&[("y", sum)])
    }

    fn names(graph: &Graph) -> Vec<&'static str> {
        let computed = graph.nodes.iter().filter(|n| !n.op.is_source());
        computed.map(|n| n.op.name()).collect()
    }

    #[test]
    fn the_table_goes_through_where_it_is_the_smaller() {
        let large = dead_code(&gathered_rows(&built(), 3));
        assert_eq!(names(&large), ["matmul", "add", "gather"]);
        assert_eq!(large.nodes[large.outputs["y"]].shape, Shape::batched(&[2, 4]));
        assert_eq!(names(&dead_code(&gathered_rows(&built(), 2))), ["gather", "matmul", "add"]);
    }
}
