//! What a fit says when numbers stop being finite.

use nabla_error::{Code, Error, Result};
use nabla_graph::program::NotFinite;
use nabla_kernels::{Real, reduce};

use crate::fit::Fit;
use crate::health::{Record, Watch};
use crate::history::Epoch;

impl<T: Real> Fit<'_, T> {
    /// Loss and gradients are checked before each update; what the last update made of the weights only here.
    pub(crate) fn expect_finite_weights(&self, epoch: usize) -> Result<()> {
        let arena = &self.recipe.arena;
        if reduce::all_finite(&self.theta[..arena.trained]) {
            return Ok(());
        }
        let broken = arena.rows.iter().find(|row| !reduce::all_finite(&self.theta[row.range()]));
        let error = Error::new(
            Code::NotFinite,
            format!(
                "the weights stopped being finite at step {} (epoch {epoch})",
                self.step.saturating_sub(1)
            ),
        );
        Err(error
            .at(broken.map_or("weights", |row| &row.spec.name))
            .hint("Lower the learning rate, or prepare the features (standardize())."))
    }

    /// The error with what gradient health saw until then, where it looked.
    pub(crate) fn with_health(&mut self, mut error: Error, history: &[Epoch]) -> Error {
        if let (Code::NotFinite, Some(now)) = (error.code, self.watch.as_mut().map(Watch::take)) {
            let records: Vec<&Record> = history.iter().flat_map(|epoch| &epoch.health).chain(&now).collect();
            error.details = serde_json::to_string(&records).ok();
        }
        error
    }

    pub(crate) fn not_finite(&self, found: Option<NotFinite>, rows: &[u32], epoch: usize) -> Error {
        let step = self.step;
        let hint = match &found {
            Some(found) if found.operator == "gather" => {
                "An index that is no row of its table (a whole number from 0 below the number of levels) gives NaN: look at that row, or give the embedding more levels."
            }
            _ => {
                "Lower the learning rate, prepare the features (standardize()), or look for extreme values; the weights before this step were finite."
            }
        };
        let error = match found {
            Some(found) => {
                let layer = if found.path.is_empty() {
                    "the loss".to_owned()
                } else {
                    format!("layer \"{}\"", found.path)
                };
                let row = found
                    .row
                    .and_then(|r| rows.get(r))
                    .map(|r| format!(", row {r} of the data"))
                    .unwrap_or_default();
                Error::new(
                    Code::NotFinite,
                    format!(
                        "training stopped being finite at step {step} (epoch {epoch}): first in operator \"{}\"{row}",
                        found.operator
                    ),
                )
                .at(layer)
            }
            None => Error::new(
                Code::NotFinite,
                format!("training stopped being finite at step {step} (epoch {epoch})"),
            ),
        };
        error.hint(hint)
    }
}
