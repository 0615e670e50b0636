//! Reverse-mode differentiation: derivative rules return graph nodes, gradients that meet are added, and nothing is computed for
//! what needs no gradient.

use nabla_error::{Code, Error, Result};

use crate::builder::Builder;
use crate::ir::{Graph, Id};
use crate::ops::At;
use crate::ops::elementwise::BinaryKind;

/// The prefix of the outputs that hold parameters' gradients.
pub const GRADIENT: &str = "gradient:";

/// ∂(Σ seed · y)/∂x for each asked node; `None` where y does not depend on it.
pub fn gradients(b: &mut Builder, y: Id, seed: Id, of: &[Id]) -> Result<Vec<Option<Id>>> {
    walk(b, y, seed, of, false)
}

/// The gradients of a gradient: of ∂(Σ dy·y)/∂x, times `seed`, with respect to x and dy, each taken as independent of the other. y is
/// written in operators that can be differentiated again.
pub fn of_gradient(b: &mut Builder, y: Id, x: Id, dy: Id, seed: Id) -> Result<Vec<Option<Id>>> {
    match walk(b, y, dy, &[x], true)?[0] {
        Some(dx) => walk(b, dx, seed, &[x, dy], true),
        None => Ok(vec![None, None]),
    }
}

/// The gradients of Σ dy·y, y being an operator on `inputs` written in others: of each input as independent of all else. An input that
/// occurs twice gets all of it at its first place.
pub fn of_decomposition(b: &mut Builder, y: Id, inputs: &[Id], dy: Id) -> Result<Vec<Option<Id>>> {
    let mut found = walk(b, y, dy, inputs, true)?;
    for i in 1..inputs.len() {
        if inputs[..i].contains(&inputs[i]) {
            found[i] = None;
        }
    }
    Ok(found)
}

/// With `cut`, what the asked nodes were computed from is not looked at: partial derivatives.
fn walk(b: &mut Builder, y: Id, seed: Id, of: &[Id], cut: bool) -> Result<Vec<Option<Id>>> {
    let count = y + 1;
    let mut wanted = vec![false; count];
    of.iter().filter(|&&id| id < count).for_each(|&id| wanted[id] = true);
    for id in 0..count {
        wanted[id] = wanted[id] || b.graph.nodes[id].inputs.iter().any(|&i| wanted[i]);
    }
    let mut grads: Vec<Option<Id>> = vec![None; count];
    grads[y] = Some(seed);
    let outer = std::mem::take(&mut b.path);
    for id in (0..count).rev() {
        let (true, Some(dy)) = (wanted[id], grads[id]) else { continue };
        let node = b.graph.nodes[id].clone();
        if node.op.is_source() || (cut && of.contains(&id)) {
            continue;
        }
        b.path.clone_from(&node.path);
        let wants: Vec<bool> = node.inputs.iter().map(|&i| wanted[i]).collect();
        let at = At {
            inputs: &node.inputs,
            y: id,
            dy,
            wants: &wants,
        };
        let from = node.op.gradient(b, &at).map_err(|e| e.at(node.path.clone()))?;
        for ((input, dx), want) in node.inputs.iter().zip(from).zip(&wants) {
            let (true, Some(dx)) = (*want, dx) else { continue };
            #[cfg(feature = "planted")]
            let dx = planted::spoiled(b, node.op.name(), dx)?;
            grads[*input] = Some(match grads[*input] {
                Some(sum) => b.binary(BinaryKind::Add, sum, dx)?,
                None => dx,
            });
        }
    }
    b.path = outer;
    Ok(of.iter().map(|&id| if id < count { grads[id] } else { None }).collect())
}

/// Adds the gradients of Σ rowWeights · loss with respect to every trainable parameter as outputs. `rowWeights` becomes an input,
/// one value a row (wᵢ / Σ w): the mean over a batch of any size, weighted or not.
pub fn differentiate(graph: Graph) -> Result<Graph> {
    Ok(gradients_of_loss(graph, &[])?.0)
}

/// The same; and the gradients with respect to other values.
pub(super) fn gradients_of_loss(graph: Graph, others: &[Id]) -> Result<(Graph, Vec<Option<Id>>)> {
    let loss = graph.output("loss")?;
    let mut b = Builder::from_graph(graph);
    let shape = b.shape(loss).clone();
    let weights = b.input("rowWeights", shape)?;
    let (names, mut nodes): (Vec<String>, Vec<Id>) = b
        .graph
        .parameters
        .iter()
        .filter(|p| p.trainable)
        .map(|p| (p.name.clone(), p.node))
        .unzip();
    nodes.extend(others);
    let mut found = gradients(&mut b, loss, weights, &nodes)?;
    let signals = found.split_off(names.len());
    for (name, gradient) in names.into_iter().zip(found) {
        let gradient = gradient.ok_or_else(|| {
            Error::new(
                Code::NoGradient,
                "no gradient reaches this parameter: the loss does not depend on it",
            )
            .at(name.clone())
            .hint("Use its layer's output in the prediction, or freeze it by name.")
        })?;
        b.graph.outputs.insert(format!("{GRADIENT}{name}"), gradient);
    }
    Ok((b.graph, signals))
}

/// A wrong derivative on purpose, so that a test can see it found.
#[cfg(feature = "planted")]
pub mod planted {
    use std::cell::Cell;

    use super::{BinaryKind, Builder, Id, Result};

    thread_local! {
        static WRONG: Cell<Option<(&'static str, f64)>> = const { Cell::new(None) };
    }

    /// What this thread differentiates during `work` gets the derivatives of this operator times `factor`.
    pub fn with<R>(operator: &'static str, factor: f64, work: impl FnOnce() -> R) -> R {
        WRONG.set(Some((operator, factor)));
        let found = work();
        WRONG.set(None);
        found
    }

    pub(super) fn spoiled(b: &mut Builder, operator: &str, dx: Id) -> Result<Id> {
        match WRONG.get() {
            Some((wrong, factor)) if wrong == operator => {
                let factor = b.scalar(factor);
                b.binary(BinaryKind::Multiply, dx, factor)
            }
            _ => Ok(dx),
        }
    }
}
