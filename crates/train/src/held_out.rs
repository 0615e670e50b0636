//! The rows that a fit learns from, and those that it holds out to stop by.

use nabla_data::Dataset;
use nabla_data::purged;
use nabla_data::split::{HoldOutOptions, Ratios, Shares, hold_out};
use nabla_error::{Code, Error, Result};

use crate::job::Job;
use crate::recipe::Recipe;

/// The rows that are learned from and those that stopping looks at.
pub(crate) fn held_out(recipe: &Recipe, job: &Job) -> Result<(Dataset, Option<Dataset>)> {
    let (None, Some(stop)) = (&job.validation, &recipe.spec.early_stopping) else {
        return Ok((job.train.clone(), job.validation.clone()));
    };
    let (labels, groups) = (job.train.labels(), job.train.groups());
    let options = |stratify: bool| HoldOutOptions {
        rows: job.train.rows(),
        ratios: Some(Ratios::Shares(Shares {
            validation: Some(stop.validation_fraction),
            ..Shares::default()
        })),
        stratify,
        seed: recipe.spec.seed,
        ..HoldOutOptions::default()
    };
    let explain =
        |e: Error| e.hint("Early stopping holds out part of the training rows: give a validation set, more rows, or leave it out.");
    let spans = job.train.spans();
    let mut split = if groups.is_some() {
        hold_out(&options(false), None, groups.as_deref()).map_err(explain)?
    } else if spans.is_some() {
        // The last in time: windows at random would all overlap.
        let ordered = HoldOutOptions {
            shuffle: false,
            ..options(false)
        };
        hold_out(&ordered, None, None).map_err(explain)?
    } else {
        // Classes with a single row cannot be shared out: then without regard to classes.
        let stratified = labels.as_deref().map(|l| hold_out(&options(true), Some(l), None));
        match stratified {
            Some(Ok(split)) => split,
            _ => hold_out(&options(false), None, None).map_err(explain)?,
        }
    };
    if let Some(spans) = &spans {
        split.train = purged(&split.train, &split.validation, spans);
    }
    if split.train.is_empty() || split.validation.is_empty() {
        let share = stop.validation_fraction;
        return Err(explain(
            Error::new(
                Code::InvalidData,
                format!("{share} of {} rows leave none to train on, or none to watch", job.train.rows()),
            )
            .at("earlyStopping.validationFraction")
            .expected("at least one row on either side")
            .received(format!("{} and {} rows", split.train.len(), split.validation.len())),
        ));
    }
    Ok((job.train.select(&split.train)?, Some(job.train.select(&split.validation)?)))
}

/// How many rows take part: those of weight 0 are absent.
pub(crate) fn learnt_rows(train: &Dataset) -> usize {
    match train.source().weights() {
        Some(weights) => train.source_rows().iter().filter(|&&row| weights[row as usize] != 0.0).count(),
        None => train.rows(),
    }
}
