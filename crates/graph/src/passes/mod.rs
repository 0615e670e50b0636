//! What happens to a graph between tracing and planning; each pass is one file and gives a new graph.

pub mod common_subexpressions;
pub mod dead_code;
pub mod differentiate;
pub mod fold_batch_norm;
pub mod fuse_chains;
pub mod fuse_linear;
pub mod fuse_pool_gradient;
pub mod gathered_rows;
pub mod mode;
pub mod share_moments;
pub mod step;
pub mod taps;

use std::collections::BTreeMap;

use nabla_error::Result;

use crate::ir::{Graph, Id, Node};
use crate::program::Purpose;
use common_subexpressions::common_subexpressions;
use dead_code::dead_code;
use differentiate::{GRADIENT, differentiate};
use fold_batch_norm::fold_batch_norm;
use fuse_chains::fuse_chains;
use fuse_linear::fuse_linear;
use fuse_pool_gradient::fuse_pool_gradient;
use gathered_rows::gathered_rows;
use mode::mode;
use share_moments::share_moments;
use taps::{GATES, SIGNALS, STEPS, Tap, VALUES, tapped};

/// A pass with its name.
type Pass = (&'static str, fn(&Graph) -> Graph);

/// All passes that a purpose asks for, in order, each followed by the removal of what it left unused; and the dropout rates.
/// `watch` sees the graph after each.
pub fn run(graph: &Graph, purpose: &Purpose, watch: &mut dyn FnMut(&'static str, &Graph)) -> Result<(Graph, Vec<f64>)> {
    let (graph, rates, _) = run_tapped(graph, purpose, false, watch)?;
    Ok((graph, rates))
}

/// The same; with `look`, layers' outputs and the gradients there are outputs too.
pub(crate) fn run_tapped(
    graph: &Graph,
    purpose: &Purpose,
    look: bool,
    watch: &mut dyn FnMut(&'static str, &Graph),
) -> Result<(Graph, Vec<f64>, Vec<Tap>)> {
    let (mut graph, rates) = mode(graph, purpose.mode)?;
    watch("mode", &graph);
    graph = dead_code(&gathered_rows(&graph, purpose.capacity));
    watch("gatheredRows", &graph);
    let mut taps = Vec::new();
    if look {
        (graph, taps) = tapped(graph)?;
    } else if purpose.gradients {
        graph = differentiate(graph)?;
    }
    if purpose.gradients {
        watch("differentiate", &graph);
    }
    let derived: &[&str] = if look {
        &[GRADIENT, VALUES, SIGNALS, GATES, STEPS]
    } else {
        &[GRADIENT]
    };
    graph
        .outputs
        .retain(|name, _| purpose.outputs.contains(name) || (purpose.gradients && derived.iter().any(|prefix| name.starts_with(prefix))));
    for name in &purpose.outputs {
        graph.output(name)?;
    }
    let rest: [Pass; 7] = [
        ("deadCode", dead_code),
        ("foldBatchNorm", fold_batch_norm),
        ("shareMoments", share_moments),
        ("commonSubexpressions", common_subexpressions),
        ("fuseLinear", fuse_linear),
        ("fusePoolGradient", fuse_pool_gradient),
        ("fuseChains", fuse_chains),
    ];
    for (name, pass) in rest {
        graph = dead_code(&pass(&graph));
        watch(name, &graph);
    }
    Ok((graph, rates, taps))
}

/// A graph that is copied node by node, some nodes replaced on the way.
#[derive(Default)]
pub(crate) struct Rewrite {
    pub nodes: Vec<Node>,
    /// Where each old node went.
    pub map: Vec<Id>,
}

impl Rewrite {
    /// Copies a node, its inputs renumbered.
    pub fn copy(&mut self, node: &Node) -> Id {
        let inputs = node.inputs.iter().map(|&i| self.map[i]).collect();
        self.push(Node { inputs, ..node.clone() })
    }

    /// Adds a node whose inputs are new numbers.
    pub fn push(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The finished graph; what was dropped (`Id::MAX`) must not be an output.
    pub fn finish(self, old: &Graph) -> Graph {
        let rename = |named: &BTreeMap<String, Id>| {
            named
                .iter()
                .map(|(n, &id)| (n.clone(), self.map[id]))
                .filter(|(_, id)| *id != Id::MAX)
                .collect()
        };
        let mut parameters = old.parameters.clone();
        parameters.iter_mut().for_each(|p| p.node = self.map[p.node]);
        Graph {
            inputs: rename(&old.inputs),
            outputs: rename(&old.outputs),
            parameters,
            nodes: self.nodes,
        }
    }
}

/// How often each node is read (an output counts as a reader).
pub(crate) fn readers(graph: &Graph) -> Vec<usize> {
    let mut count = vec![0; graph.nodes.len()];
    graph
        .nodes
        .iter()
        .flat_map(|n| &n.inputs)
        .chain(graph.outputs.values())
        .for_each(|&i| count[i] += 1);
    count
}
