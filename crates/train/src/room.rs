//! Whether a fit has room, before anything of it is allocated.

use nabla_error::{Result, memory};
use nabla_graph::Program;
use nabla_kernels::Real;

use crate::recipe::Recipe;

/// The largest parameter and its shape.
fn largest(recipe: &Recipe) -> Option<(&str, String)> {
    let row = recipe.arena.rows.iter().max_by_key(|row| row.len)?;
    Some((&row.spec.name, format!("{:?}", row.spec.shape)))
}

/// All that a fit allocates for its weights and a batch at once: weights and gradients, the optimizer's state and what it remembers,
/// kept and averaged weights, the values of a step. The error names whichever is larger, the largest parameter or the layer of the
/// largest value.
pub(crate) fn expect_room<T: Real>(recipe: &Recipe, program: &Program) -> Result<()> {
    let (spec, arena) = (&recipe.spec, &recipe.arena);
    let method = &spec.optimizer;
    let copies = 2
        + method.rule.state_count()
        + method.lbfgs.map_or(0, |l| l.history.saturating_mul(2).saturating_add(4))
        + usize::from(spec.early_stopping.as_ref().is_some_and(|s| s.restore_best))
        + usize::from(spec.averaging.is_some())
        + usize::from(method.lookahead.is_some())
        + usize::from(method.sam.is_some());
    let weights = arena.len.checked_mul(copies);
    let values = weights.and_then(|w| w.checked_add(program.workspace_len()));
    let parameter = largest(recipe);
    memory::expect_room(values.and_then(|v| v.checked_mul(size_of::<T>())), || {
        let parameter = parameter
            .as_ref()
            .map(|(name, shape)| format!(" (the largest \"{name}\" {shape})"))
            .unwrap_or_default();
        let value = program
            .largest()
            .map(|(path, shape)| format!(" (the largest {shape} in \"{path}\")"))
            .unwrap_or_default();
        format!(
            "{copies} times {} weights{parameter} and the values of a batch of {} rows{value}",
            arena.len, program.capacity
        )
    })
    .map_err(|error| {
        let of_weights = weights.is_none_or(|w| w > program.workspace_len());
        match (parameter.as_ref(), program.largest()) {
            (Some((name, _)), _) if of_weights => error.at(*name),
            (_, Some((path, _))) if !path.is_empty() => error.at(path),
            _ => error.at("fit"),
        }
    })
}
