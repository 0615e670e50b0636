//! The learning-rate range test: the rate grows from step to step, and the loss says where it is too small, right and too large.
//! Smith 2017, arXiv:1506.01186. The suggestion is the rate at which the smoothed loss fell fastest (as fastai's).

use std::sync::Arc;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::denormals::flush_to_zero;
use serde::Serialize;

use crate::control::Control;
use crate::feed::Feed;
use crate::fit::Fit;
use crate::job::Job;
use crate::recipe::Recipe;
use crate::scorer::Scorer;
use crate::spec::Precision;

/// How the rate grows: from, to, and in how many steps.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The first rate.
    pub from: f64,
    /// The last.
    pub to: f64,
    /// Steps, at least 10.
    pub steps: usize,
}

/// What it found; it ends early where the loss breaks out.
#[derive(Clone, Debug, Serialize)]
pub struct RangeTest {
    /// The rate of each step.
    pub rates: Vec<f64>,
    /// The loss of its batch, before the step.
    pub losses: Vec<f64>,
    /// Where the smoothed loss fell fastest.
    pub suggestion: f64,
}

/// Runs the test from the recipe's first weights; its schedule is left out.
///
/// # Errors
/// `INVALID_OPTION`, and what a fit would say; `NOT_FINITE` when not even ten steps are finite.
pub fn range_test(recipe: &Arc<Recipe>, job: &Job, range: Range, threads: usize, control: &Control) -> Result<RangeTest> {
    if !(range.from > 0.0 && range.to > range.from && range.to.is_finite()) {
        return Err(Error::option(
            "to",
            "above `from`, both above 0",
            format!("{} … {}", range.from, range.to),
        ));
    }
    if range.steps < 10 {
        return Err(Error::option("steps", "at least 10", range.steps));
    }
    match recipe.spec.precision {
        Precision::F32 => run(Fit::<f32>::start(recipe, job, threads)?, recipe, range, control),
        Precision::F64 => run(Fit::<f64>::start(recipe, job, threads)?, recipe, range, control),
    }
}

/// Weight of the past in the smoothed loss.
const MEMORY: f64 = 0.9;

fn run<T: Real>(mut fit: Fit<'_, T>, recipe: &Arc<Recipe>, range: Range, control: &Control) -> Result<RangeTest> {
    let _flush = flush_to_zero();
    let spec = &recipe.spec;
    let (train, preparation, targets) = (fit.train.clone(), fit.preparation.clone(), fit.target_preparation.clone());
    let feed = Feed::new(recipe, &train, &preparation, &targets, true)?
        .with_class_weights(spec)?
        .with_changes(&spec.augment, spec.seed, fit.members())?;
    let mut scorer = Scorer::new(recipe, &[])?;
    let mut found = RangeTest {
        rates: Vec::new(),
        losses: Vec::new(),
        suggestion: range.from,
    };
    let mut order = feed.rows.clone();
    let (mut mean, mut smooth, mut best) = (0.0, Vec::new(), f64::INFINITY);
    let per_epoch = order.len().div_ceil(fit.batch);
    for i in 0..range.steps {
        control.check()?;
        if i % per_epoch == 0 && spec.shuffle {
            feed.shuffle(spec.seed, i / per_epoch, &mut order);
        }
        let first = i % per_epoch * fit.batch;
        let rows = &order[first..order.len().min(first + fit.batch)];
        let rate = range.from * libm::pow(range.to / range.from, i as f64 / (range.steps - 1) as f64);
        fit.update.set_learning_rate(rate);
        match fit.learn(rows, &feed, &mut scorer, i / per_epoch) {
            Ok(()) => {}
            Err(error) if error.code == Code::NotFinite && i >= 10 => break,
            Err(error) => return Err(error),
        }
        let loss = scorer.take().get("loss").unwrap_or(f64::NAN);
        found.rates.push(rate);
        found.losses.push(loss);
        mean = MEMORY * mean + (1.0 - MEMORY) * loss;
        let corrected = mean / (1.0 - libm::pow(MEMORY, (i + 1) as f64));
        smooth.push(corrected);
        best = corrected.min(best);
        if !corrected.is_finite() || (i >= 10 && corrected > 4.0 * best) {
            break;
        }
    }
    // Rates grow by one factor a step, so the steepest fall a step is the steepest in the logarithm of the rate. Over a window, and not
    // among the first steps, whose mean is that of a few batches.
    let lowest = smooth.iter().position(|s| *s == best).unwrap_or(0);
    let window = (range.steps / 20).max(1);
    let fall = |i: usize| smooth[i] - smooth[i - window];
    let steepest = ((lowest / 2).min(10) + window..=lowest).min_by(|&a, &b| fall(a).total_cmp(&fall(b)));
    found.suggestion = steepest.map_or(range.from, |i| found.rates[i - window / 2]);
    Ok(found)
}
