//! Fits: a recipe and jobs in, outcomes out, events on the way.

use std::sync::Arc;
use std::time::Duration;

use nabla_error::Result as Outcome;
use nabla_train::checkpoint::Checkpoint;
use nabla_train::history::{Epoch, Scores, Stopped};
use nabla_train::{Event, FitSpec, Job, Recipe, fits};
use napi::Env;
use napi::bindgen_prelude::{ObjectFinalize, Uint8Array};
use napi_derive::napi;
use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::errors::{Result, js, json, options};
use crate::held::Held;
use crate::model::Model;
use crate::output;
use crate::task::{Answer, On, Task};

/// The data sets of one fit.
#[napi]
pub struct FitJob {
    job: Job,
    from: Option<(Arc<nabla_train::Model>, Option<Vec<String>>)>,
    keep: bool,
}

#[napi]
impl FitJob {
    /// Rows to learn from, to choose by, and to be scored on once; a model whose weights it starts from, patterns of those it takes, and
    /// whether its preparation is kept.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        train: &Data,
        validation: Option<&Data>,
        score: Option<&Data>,
        test: Option<&Data>,
        from: Option<&Model>,
        take: Option<Vec<String>>,
        keep: Option<bool>,
    ) -> Self {
        let inner = |data: Option<&Data>| data.map(|d| d.inner.clone());
        Self {
            job: Job {
                validation: inner(validation),
                score: inner(score),
                test: inner(test),
                ..Job::new(train.inner.clone())
            },
            from: from.map(|model| (model.shared(), take)),
            keep: keep.unwrap_or(false),
        }
    }

    /// Makes it a part of a fit: the one that it goes on from, and the epochs in all after which it is left.
    #[napi(catch_unwind)]
    pub fn part(&mut self, resume: Option<&PausedFit>, until: Option<u32>) {
        self.job.resume = resume.map(|paused| Arc::clone(&paused.paused));
        self.job.until = until.map(|epochs| epochs as usize);
    }

    /// Saves its state in a folder each so many seconds, keeps so many files, and goes on from the latest if asked.
    #[napi(catch_unwind)]
    pub fn checkpoint(&mut self, directory: String, every_seconds: f64, keep: u32, resume: bool) {
        self.job.checkpoint = Some(Checkpoint {
            directory: directory.into(),
            every: Duration::try_from_secs_f64(every_seconds).unwrap_or(Duration::MAX),
            keep: keep as usize,
            resume,
        });
    }
}

impl FitJob {
    /// With the weights that it starts from.
    pub(crate) fn started(&self, recipe: &Recipe) -> Outcome<Job> {
        let mut job = self.job.clone();
        if let Some((model, take)) = &self.from {
            job.from = Some(Arc::new(nabla_train::start::weights_from(recipe, model, take.as_deref())?));
            if self.keep {
                nabla_train::start::expect_same_preparation(recipe, model)?;
                job.keep = Some(Arc::clone(model));
            }
        }
        Ok(job)
    }
}

/// A fit that was left after an epoch.
#[napi(custom_finalize)]
pub struct PausedFit {
    paused: Arc<nabla_train::Paused>,
    buffers: Held,
}

impl PausedFit {
    fn new(env: &Env, paused: Arc<nabla_train::Paused>) -> Result<PausedFit> {
        let buffers = Held::new(env, paused.bytes())?;
        Ok(PausedFit { paused, buffers })
    }
}

impl ObjectFinalize for PausedFit {
    fn finalize(self, env: Env) -> Result<()> {
        self.buffers.release(&env)
    }
}

#[napi]
impl PausedFit {
    /// The memory of its buffers.
    #[napi(catch_unwind)]
    pub fn bytes(&self) -> f64 {
        self.paused.bytes() as f64
    }

    /// As bytes, to go on from in another process.
    #[napi(catch_unwind)]
    pub fn to_bytes(&self) -> Result<output::Uint8Array> {
        self.paused.to_bytes().map(output::Uint8Array::new).map_err(js)
    }

    /// From those bytes.
    #[napi(catch_unwind)]
    pub fn from_bytes(env: Env, bytes: Uint8Array) -> Result<PausedFit> {
        let paused = nabla_train::Paused::from_bytes(bytes.to_vec()).map_err(js)?;
        PausedFit::new(&env, Arc::new(paused))
    }
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    threads: Option<usize>,
    events: bool,
    health: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: None,
            events: true,
            health: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EpochEvent<'a> {
    job: usize,
    epoch: &'a Epoch,
}

#[derive(Serialize)]
struct WarningEvent<'a> {
    job: usize,
    warning: &'a str,
}

/// Starts fits: one gets all threads, many get one core each.
#[napi(catch_unwind)]
pub fn start_fits(task: u32, spec: String, jobs: Vec<&FitJob>, settings: String) -> Result<Task> {
    let settings: Settings = options(&settings, "fit")?;
    let threads = settings.threads.unwrap_or_else(fits::default_threads);
    let recipe = FitSpec::from_json(&spec).and_then(Recipe::new).map_err(js)?;
    let started = |j: &FitJob| -> Outcome<Job> {
        Ok(Job {
            health: settings.health,
            ..j.started(&recipe)?
        })
    };
    let jobs: Vec<Job> = jobs.into_iter().map(started).collect::<Outcome<_>>().map_err(js)?;
    Task::start(task, On::Own, move |control, send| {
        let listen = |event: Event| {
            let text = match event {
                Event::Warning(job, warning) => serde_json::to_string(&WarningEvent { job, warning }),
                Event::Epoch(job, epoch) if settings.events => serde_json::to_string(&EpochEvent { job, epoch }),
                _ => return,
            };
            if let Ok(text) = text {
                send(text);
            }
        };
        Ok(Answer::Fits(fits::run(&Arc::new(recipe), &jobs, threads, control, &listen)))
    })
}

/// What one job gave.
#[napi]
pub struct FitResult {
    outcome: Outcome<(Arc<nabla_train::Model>, String)>,
    paused: Option<Arc<nabla_train::Paused>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    history: &'a [Epoch],
    best_epoch: Option<usize>,
    stopped: Stopped,
    scores: Option<&'a Scores>,
    test_scores: Option<&'a Scores>,
    taken: &'a [String],
    scaled: &'a [nabla_train::lsuv::UnitVariance],
    warnings: &'a [String],
}

impl From<Outcome<nabla_train::Outcome>> for FitResult {
    fn from(outcome: Outcome<nabla_train::Outcome>) -> FitResult {
        let summarized = |o: nabla_train::Outcome| {
            let summary = Summary {
                history: &o.model.history,
                best_epoch: o.model.best_epoch,
                stopped: o.stopped,
                scores: o.scores.as_ref(),
                test_scores: o.test_scores.as_ref(),
                taken: &o.taken,
                scaled: &o.scaled,
                warnings: &o.warnings,
            };
            let text = json(&summary).unwrap_or_default();
            (Arc::new(o.model), text)
        };
        FitResult {
            paused: outcome.as_ref().ok().and_then(|o| o.paused.clone()),
            outcome: outcome.map(summarized),
        }
    }
}

#[napi]
impl FitResult {
    /// The fitted model; none after an error.
    #[napi(catch_unwind)]
    pub fn model(&self, env: Env) -> Result<Option<Model>> {
        let model = self.outcome.as_ref().ok();
        model
            .map(|(model, _)| Model::new(&env, Arc::clone(model), serde_json::Value::Null))
            .transpose()
    }

    /// History, best epoch, why it ended, scores; empty after an error.
    #[napi(catch_unwind)]
    pub fn summary(&self) -> String {
        self.outcome.as_ref().map(|(_, summary)| summary.clone()).unwrap_or_default()
    }

    /// Where it was left, if it was to be; asked once, so that nothing else keeps it.
    #[napi(catch_unwind)]
    pub fn paused(&mut self, env: Env) -> Result<Option<PausedFit>> {
        self.paused.take().map(|paused| PausedFit::new(&env, paused)).transpose()
    }

    /// The error, if it failed.
    #[napi(catch_unwind)]
    pub fn error(&self) -> Option<String> {
        self.outcome.as_ref().err().map(|e| e.to_json())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CheckSettings {
    epsilon: f64,
    limit: usize,
}

/// Numeric against analytic gradients in double precision: the task gives JSON.
#[napi(catch_unwind)]
pub fn check_gradients(task: u32, spec: String, data: &Data, settings: String) -> Result<Task> {
    let CheckSettings { epsilon, limit } = options(&settings, "checkGradients")?;
    let recipe = FitSpec::from_json(&spec).and_then(Recipe::new).map_err(js)?;
    let data = data.inner.clone();
    Task::start(task, On::Own, move |_, _| {
        let found = nabla_train::gradient_check::check_gradients(&Arc::new(recipe), &data, epsilon, limit)?;
        Ok(Answer::Text(serde_json::to_string(&found).unwrap_or_default()))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RangeSettings {
    from: f64,
    to: f64,
    steps: usize,
    threads: Option<usize>,
}

/// The learning-rate range test: the task gives JSON.
#[napi(catch_unwind)]
pub fn learning_rate_test(task: u32, spec: String, data: &Data, settings: String) -> Result<Task> {
    let settings: RangeSettings = options(&settings, "learningRateTest")?;
    let recipe = FitSpec::from_json(&spec).and_then(Recipe::new).map_err(js)?;
    let job = Job::new(data.inner.clone());
    let threads = settings.threads.unwrap_or_else(fits::default_threads);
    let range = nabla_train::range_test::Range {
        from: settings.from,
        to: settings.to,
        steps: settings.steps,
    };
    Task::start(task, On::Own, move |control, _| {
        let found = nabla_train::range_test::range_test(&Arc::new(recipe), &job, range, threads, control)?;
        Ok(Answer::Text(serde_json::to_string(&found).unwrap_or_default()))
    })
}
