//! Hidden layers that start at 0: all of their units give the same, whatever the input, and pass no gradient on to the layers before them
//! until they have moved (Goodfellow, Bengio & Courville 2016, section 8.4: "break symmetry"). Not meant are an output layer, and a layer
//! whose outputs are added to others that depend on the input: the last of a residual branch (Goyal et al. 2017, arXiv:1706.02677, section
//! 5.1; Zhang et al. 2019, arXiv:1901.09321) or of a low-rank adapter (Hu et al. 2021, arXiv:2106.09685).

use nabla_graph::{Graph, Id, Operator};
use nabla_kernels::Real;
use nabla_params::Arena;

/// Whether an operator multiplies by a weight, its second input.
fn multiplies(op: &Operator) -> bool {
    matches!(
        op,
        Operator::Matmul(_) | Operator::Conv(_) | Operator::Lstm(_) | Operator::Gru(_) | Operator::SimpleRnn(_)
    )
}

/// Which values depend on any of these.
fn reached(graph: &Graph, from: impl Fn(Id) -> bool) -> Vec<bool> {
    let mut reached = vec![false; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        reached[id] = from(id) || node.inputs.iter().any(|&i| reached[i]);
    }
    reached
}

/// Whether, with this kernel at 0, another kernel reads a value that no longer depends on the input.
fn hides(graph: &Graph, kernel: Id, sees: &[bool], learns: &[bool]) -> bool {
    let of_kernel = reached(graph, |id| id == kernel);
    let mut blind = vec![false; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate() {
        let weight = node.inputs.get(1).copied();
        let product = multiplies(&node.op) && sees[node.inputs[0]];
        // What a recurrent kernel multiplies is added to the input.
        let alone = matches!(node.op, Operator::Matmul(_) | Operator::Conv(_));
        let by_kernel = product && alone && weight.is_some_and(|w| of_kernel[w] && !sees[w]);
        let mut seeing = node.inputs.iter().filter(|&&i| sees[i]).peekable();
        blind[id] = by_kernel || (seeing.peek().is_some() && seeing.all(|&i| blind[i]));
        if product && blind[node.inputs[0]] && weight.is_some_and(|w| learns[w] && !sees[w] && !of_kernel[w]) {
            return true;
        }
    }
    false
}

/// The kernels of hidden layers that are 0 everywhere, in words.
pub(crate) fn zero_layers<T: Real>(graph: &Graph, arena: &Arena, theta: &[T]) -> Vec<String> {
    let zero = |name: &str| {
        let row = arena.find(name).filter(|row| row.values() > 0);
        row.is_some_and(|row| theta[row.range()].iter().all(|v| *v == T::ZERO))
    };
    let kernels = || graph.parameters.iter().filter(|p| p.trainable && p.shape.len() > 1);
    let at_zero: Vec<_> = kernels().filter(|p| zero(&p.name)).collect();
    if at_zero.is_empty() {
        return Vec::new();
    }
    let features = graph.inputs.get("features").copied();
    let sees = reached(graph, |id| Some(id) == features);
    let learns = reached(graph, |id| kernels().any(|p| p.node == id));
    let said = |name: &str| {
        format!(
            "{name} starts at 0 in a hidden layer: all units give the same, and the layers before get no gradient until it has moved. \
             Draw it at random, as by default (heNormal(), xavierNormal())."
        )
    };
    at_zero
        .into_iter()
        .filter(|p| hides(graph, p.node, &sees, &learns))
        .map(|p| said(&p.name))
        .collect()
}
