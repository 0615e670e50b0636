//! Gradient health by itself: a few steps of a recipe, each looked at.

use std::sync::Arc;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::denormals::flush_to_zero;
use serde::Serialize;

use super::Record;
use crate::control::Control;
use crate::feed::Feed;
use crate::fit::Fit;
use crate::job::Job;
use crate::recipe::Recipe;
use crate::scorer::Scorer;
use crate::spec::Precision;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Examined {
    /// The steps that were looked at.
    pub records: Vec<Record>,
    /// Why there are fewer than were asked for: training stopped being finite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broke: Option<Broke>,
}

/// Where training stopped being finite.
#[derive(Clone, Debug, Serialize)]
pub struct Broke {
    /// In words.
    pub message: String,
    /// The layer.
    pub place: String,
}

/// Takes `steps` steps, from the recipe's first weights or the job's, and looks at each `job.health`-th.
///
/// # Errors
/// What a fit would say, but for `NOT_FINITE`.
pub fn examine(recipe: &Arc<Recipe>, job: &Job, steps: usize, threads: usize, control: &Control) -> Result<Examined> {
    match recipe.spec.precision {
        Precision::F32 => run(Fit::<f32>::start(recipe, job, threads)?, recipe, steps, control),
        Precision::F64 => run(Fit::<f64>::start(recipe, job, threads)?, recipe, steps, control),
    }
}

fn run<T: Real>(mut fit: Fit<'_, T>, recipe: &Arc<Recipe>, steps: usize, control: &Control) -> Result<Examined> {
    let _flush = flush_to_zero();
    let spec = &recipe.spec;
    let (train, preparation, targets) = (fit.train.clone(), fit.preparation.clone(), fit.target_preparation.clone());
    let feed = Feed::new(recipe, &train, &preparation, &targets, true)?
        .with_class_weights(spec)?
        .with_changes(&spec.augment, spec.seed, fit.members())?;
    let mut scorer = Scorer::new(recipe, &[])?;
    let mut order = feed.rows.clone();
    let per_epoch = order.len().div_ceil(fit.batch);
    let mut found = Examined {
        records: Vec::new(),
        broke: None,
    };
    for i in 0..steps {
        control.check()?;
        if control.stopping() {
            break;
        }
        let epoch = i / per_epoch;
        if i % per_epoch == 0 && spec.shuffles() {
            feed.shuffle(spec.seed, epoch, &mut order);
        }
        let first = i % per_epoch * fit.batch;
        let rows = &order[first..order.len().min(first + fit.batch)];
        let learnt = fit
            .learn(rows, &feed, &mut scorer, epoch)
            .and_then(|()| fit.expect_finite_weights(epoch));
        found.records.extend(fit.watch.iter_mut().flat_map(|watch| watch.take()));
        match learnt {
            Ok(()) => {}
            Err(Error {
                code: Code::NotFinite,
                message,
                place,
                ..
            }) => {
                let place = place.unwrap_or_default();
                let layer = place.strip_prefix("layer \"").and_then(|p| p.strip_suffix('"'));
                found.broke = Some(Broke {
                    message,
                    place: layer.unwrap_or(&place).to_owned(),
                });
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
