//! What binary cross-entropy asks of targets.

use nabla_data::{Dataset, Target};
use nabla_error::{Code, Error, Result};

use crate::recipe::Recipe;

/// Binary cross-entropy is of probabilities: number targets lie in [0, 1], in their own units.
pub(crate) fn expect_binary(recipe: &Recipe, data: &Dataset) -> Result<()> {
    let (loss, Some(target)) = (&recipe.spec.loss, data.source().target()) else {
        return Ok(());
    };
    let is_binary = |loss: &serde_json::Value| loss["kind"] == "binaryCrossEntropy";
    if is_binary(loss) && !recipe.spec.prepare_targets.is_empty() {
        let error = Error::option("prepareTargets", "to be left out with binaryCrossEntropy", "steps");
        return Err(error.at("targets").expected("numbers from 0 to 1, or two classes"));
    }
    let check = |target: &Target, columns: std::ops::Range<usize>, place: &str| {
        let Target::Numbers { width, values, .. } = target else {
            return Ok(());
        };
        let outside = |row: u32| {
            let row = &values[row as usize * width..][..*width];
            row[columns.clone()].iter().find(|v| !(0.0..=1.0).contains(*v))
        };
        let found = (0..data.rows())
            .map(|row| data.row_index(row))
            .find_map(|row| Some((row, outside(row)?)));
        let Some((row, value)) = found else { return Ok(()) };
        Err(Error::new(
            Code::InvalidData,
            format!("binaryCrossEntropy needs targets from 0 to 1; row {row} has {value}"),
        )
        .received(value.to_string())
        .at(place)
        .expected("numbers from 0 to 1, or two classes"))
    };
    if is_binary(loss) {
        return check(target, 0..target.width(), "targets");
    }
    for output in recipe.spec.outputs.iter().filter(|output| is_binary(&loss[&output.name])) {
        let place = format!("targets.{}", output.name);
        match target {
            Target::Numbers { names, .. } => {
                if let Some(j) = names.iter().position(|name| *name == output.name) {
                    check(target, j..j + 1, &place)?;
                }
            }
            _ => {
                if let Some(own) = target.named(&output.name) {
                    check(own, 0..own.width(), &place)?;
                }
            }
        }
    }
    Ok(())
}
