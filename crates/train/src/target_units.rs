//! Predictions of several outputs, back in their targets' own units.

use nabla_data::TargetSchema;
use nabla_data::prepare::Fitted;

use crate::recipe::Recipe;

/// Where the target of an output lies in a row of targets.
fn columns(target: &TargetSchema, name: &str) -> Option<std::ops::Range<usize>> {
    match target {
        TargetSchema::Numbers { names, .. } => names.iter().position(|n| n == name).map(|j| j..j + 1),
        TargetSchema::Several { targets } => {
            let at = targets.iter().position(|t| t.name == name)?;
            let from = targets[..at].iter().map(|t| t.target.numbers()).sum();
            Some(from..from + targets[at].target.numbers())
        }
        _ => None,
    }
}

/// Of each output by name how its target was prepared, where it was.
pub(crate) fn units(recipe: &Recipe, target: Option<&TargetSchema>, fitted: &Fitted) -> Vec<(String, Fitted)> {
    let Some(target) = target else { return Vec::new() };
    let own = |name: &String| {
        let part = columns(target, name).filter(|c| c.end <= fitted.width()).map(|c| fitted.part(c))?;
        (!part.is_identity()).then(|| (name.clone(), part))
    };
    recipe.parts.iter().filter_map(|part| part.name.as_ref()).filter_map(own).collect()
}
