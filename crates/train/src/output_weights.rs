//! Weights of the classes of one of several outputs, and where they stand in a program.

use nabla_data::Target;
use nabla_error::{Error, Result};
use nabla_graph::Program;
use nabla_graph::plan::Place;

use crate::spec::{CLASS_WEIGHTS, ClassWeights, FitSpec};

/// The inputs of a program that weight the losses of single outputs, in the order of the outputs.
pub(crate) fn class_weight_places(spec: &FitSpec, program: &Program) -> Result<Vec<Place>> {
    let place = |(name, _): (&str, &ClassWeights)| {
        let name = format!("{CLASS_WEIGHTS}{name}");
        program
            .place(&name)
            .ok_or_else(|| Error::internal(format!("the program has no place for {name}")))
    };
    spec.weighted_outputs().map(place).collect()
}

/// The weight of each class of a target, over these rows; `place` names the option.
///
/// # Errors
/// `INVALID_OPTION`: a target that is not classes, a name that is none of them.
pub(crate) fn weights_of(weights: &ClassWeights, target: Option<&Target>, rows: &[u32], place: &str) -> Result<Vec<f64>> {
    let Some(Target::Classes { names, labels }) = target else {
        return Err(Error::option(place, "with one target that is classes", "another target"));
    };
    Ok(match weights {
        ClassWeights::Balanced(_) => {
            let mut counts = vec![0usize; names.len()];
            rows.iter().for_each(|&row| counts[labels[row as usize] as usize] += 1);
            let present = counts.iter().filter(|c| **c > 0).count();
            counts.iter().map(|&c| rows.len() as f64 / (present * c.max(1)) as f64).collect()
        }
        ClassWeights::Named(named) => {
            if let Some(unknown) = named.keys().find(|name| !names.contains(name)) {
                let error = Error::option(place, format!("to name classes of {names:?}"), format!("{unknown:?}"));
                let meant = nabla_data::nearest(unknown, names.iter().map(String::as_str));
                return Err(match meant {
                    Some(meant) => error.hint(format!("Did you mean \"{meant}\"?")),
                    None => error,
                });
            }
            names.iter().map(|name| named.get(name).copied().unwrap_or(1.0)).collect()
        }
    })
}
