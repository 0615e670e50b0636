//! Gradient health by itself: of a recipe's steps, and of numbers.

use std::sync::Arc;

use nabla_train::health::{examine, statistics};
use nabla_train::{FitSpec, Job, Recipe, fits};
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;
use serde::Deserialize;

use crate::errors::{Result, js, json, options};
use crate::fits::FitJob;
use crate::task::{Answer, On, Task};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HealthSettings {
    steps: usize,
    every: usize,
    threads: Option<usize>,
}

/// Takes a few steps and looks at them: the task gives JSON.
#[napi(catch_unwind)]
pub fn examine_health(task: u32, spec: String, job: &FitJob, settings: String) -> Result<Task> {
    let HealthSettings { steps, every, threads } = options(&settings, "gradientHealth")?;
    let recipe = FitSpec::from_json(&spec).and_then(Recipe::new).map_err(js)?;
    let job = Job {
        health: Some(every),
        ..job.started(&recipe).map_err(js)?
    };
    let threads = threads.unwrap_or_else(fits::default_threads);
    Task::start(task, On::Own, move |control, _| {
        let found = examine::examine(&Arc::new(recipe), &job, steps, threads, control)?;
        Ok(Answer::Text(serde_json::to_string(&found).unwrap_or_default()))
    })
}

/// Statistics of numbers, as JSON.
#[napi(catch_unwind)]
pub fn number_statistics(values: Float64Array) -> Result<String> {
    json(&statistics(&values))
}
