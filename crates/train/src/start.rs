//! Weights to start from: those of another model, by name.

use std::collections::BTreeMap;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_params::Arena;

use crate::model::Model;
use crate::pattern::matches;
use crate::recipe::Recipe;
use crate::spec::FitSpec;

/// The weights of a model that a recipe has too, by name; with patterns only those they name.
///
/// # Errors
/// `INVALID_OPTION`: a pattern that names nothing common, or nothing in common at all; `SHAPE_MISMATCH`: one name, two shapes.
pub fn weights_from(recipe: &Recipe, model: &Model, take: Option<&[String]>) -> Result<BTreeMap<String, Vec<f64>>> {
    let shapes = model.weight_shapes();
    let common: Vec<&String> = shapes
        .iter()
        .map(|(name, _)| name)
        .filter(|name| recipe.arena.find(name).is_some())
        .collect();
    let names = |list: &[&String]| list.iter().take(20).map(|n| n.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(pattern) = take.into_iter().flatten().find(|p| !common.iter().any(|name| matches(p, name))) {
        return Err(
            Error::option("take", "to name weights that both models have", format!("{pattern:?}"))
                .hint(format!("Both have {}.", names(&common))),
        );
    }
    if common.is_empty() {
        return Err(Error::option("from", "a model that has weights of the same names", "none")
            .hint("Give the layers that should be taken over the same names in both models."));
    }
    let mut taken = BTreeMap::new();
    for (name, shape) in &shapes {
        let wanted = take.is_none_or(|patterns| patterns.iter().any(|p| matches(p, name)));
        let Some(row) = recipe.arena.find(name).filter(|_| wanted) else {
            continue;
        };
        if row.spec.shape != *shape {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("the weight to start from has shape {shape:?}, this model's is {:?}", row.spec.shape),
            )
            .at(name.clone())
            .expected(format!("{:?}", row.spec.shape))
            .received(format!("{shape:?}"))
            .hint("`take` names the layers whose weights are taken; the others start anew."));
        }
        taken.insert(name.clone(), model.weight(name)?);
    }
    Ok(taken)
}

/// Whether a model's fitted preparation can stand in for the recipe's.
///
/// # Errors
/// `INVALID_OPTION`: other steps.
pub fn expect_same_preparation(recipe: &Recipe, model: &Model) -> Result<()> {
    let (own, old) = (&recipe.spec, &model.recipe.spec);
    let steps = |spec: &FitSpec| -> Vec<_> { spec.outputs.iter().map(|o| (o.name.clone(), o.prepare_targets.clone())).collect() };
    if own.prepare == old.prepare && own.prepare_targets == old.prepare_targets && steps(own) == steps(old) {
        return Ok(());
    }
    Err(Error::option(
        "preparation",
        "\"refit\" where the steps of `prepare` are not those of the model",
        "\"keep\"",
    )
    .hint("Give this trainer the `prepare` and `prepareTargets` of the model that it starts from."))
}

/// Replaces weights by given ones.
pub(crate) fn start_from<T: Real>(arena: &Arena, from: &BTreeMap<String, Vec<f64>>, theta: &mut [T]) -> Result<()> {
    for (name, values) in from {
        let row = arena.find(name).ok_or_else(|| crate::model::unknown_weight(arena, name))?;
        if values.len() != row.values() {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} values do not fill the weight of shape {:?}", values.len(), row.spec.shape),
            )
            .at(name.clone())
            .expected(format!("{} values", row.values()))
            .received(format!("{} values", values.len())));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::new(Code::NotFinite, format!("value {at} of a weight to start from is {}", values[at])).at(name.clone()));
        }
        let values: Vec<T> = values.iter().map(|&v| T::from_f64(v)).collect();
        arena.write(row, &values, theta)?;
    }
    Ok(())
}
