//! A fitted model.

use std::path::PathBuf;
use std::sync::Arc;

use nabla_error::{Code, Error, memory};
use nabla_metrics::MetricSpec;
use nabla_train::{Model as Fitted, fits};
use napi::Env;
use napi::bindgen_prelude::{Either, Float32Array, Float64Array, ObjectFinalize, Uint32Array};
use napi_derive::napi;

use crate::data::Data;
use crate::errors::{Result, js, json, options, seed};
use crate::held::Held;
use crate::output;
use crate::task::{Answer, On, Task};

/// Weights, fitted preparation, history.
#[napi(custom_finalize)]
pub struct Model {
    inner: Arc<Fitted>,
    extra: serde_json::Value,
    weights: Held,
}

impl Model {
    pub(crate) fn new(env: &Env, inner: Arc<Fitted>, extra: serde_json::Value) -> Result<Model> {
        let weights = Held::new(env, inner.bytes())?;
        Ok(Model { inner, extra, weights })
    }

    pub(crate) fn shared(&self) -> Arc<Fitted> {
        Arc::clone(&self.inner)
    }
}

impl ObjectFinalize for Model {
    fn finalize(self, env: Env) -> Result<()> {
        self.weights.release(&env)
    }
}

#[napi]
impl Model {
    /// What it is, as JSON.
    #[napi(catch_unwind)]
    pub fn info(&self) -> Result<String> {
        json(&self.inner.info())
    }

    /// What was saved beside it, as JSON.
    #[napi(catch_unwind)]
    pub fn extra(&self) -> String {
        self.extra.to_string()
    }

    /// Predictions of a data set, on nabla's threads: the task gives numbers `[rows, output width]`.
    #[napi(catch_unwind)]
    pub fn predict(&self, task: u32, data: &Data, threads: Option<u32>) -> Result<Task> {
        let (model, data) = (Arc::clone(&self.inner), data.inner.clone());
        let threads = threads.map_or_else(fits::default_threads, |t| t as usize);
        Task::start(task, On::Pool, move |_, _| model.predict(&data, threads).map(Answer::Numbers))
    }

    /// Monte-Carlo dropout: the task gives the means, then the standard deviations, `[rows, output width]` each.
    #[napi(catch_unwind)]
    pub fn predict_samples(&self, task: u32, data: &Data, samples: u32, random: f64) -> Result<Task> {
        let (model, data, seed) = (Arc::clone(&self.inner), data.inner.clone(), seed(random)?);
        Task::start(task, On::Pool, move |_, _| {
            let (mut mean, deviation) = model.predict_samples(&data, samples as usize, seed, fits::default_threads())?;
            mean.extend(deviation);
            Ok(Answer::Numbers(mean))
        })
    }

    /// Predictions of plain rows, on the calling thread.
    #[napi(catch_unwind, ts_args_type = "features: Float32Array | Float64Array, lengths?: Uint32Array | null")]
    pub fn predict_sync(&self, features: Either<Float32Array, Float64Array>, lengths: Option<Uint32Array>) -> Result<output::Float64Array> {
        let single: Vec<f64>;
        let features: &[f64] = match &features {
            Either::A(values) => {
                single = values.iter().map(|&v| f64::from(v)).collect();
                &single
            }
            Either::B(values) => values,
        };
        let rows = features.len() / self.inner.input_width().max(1);
        let width = self.inner.output_width();
        let mut out = memory::room_for(rows.saturating_mul(width), || {
            format!("predictions of {width} numbers for {rows} rows")
        })
        .map_err(js)?;
        out.resize(rows * width, 0.0);
        self.inner.predict_rows(features, lengths.as_deref(), &mut out).map_err(js)?;
        Ok(output::Float64Array::new(out))
    }

    /// Loss and metrics on a data set: the task gives JSON.
    #[napi(catch_unwind)]
    pub fn evaluate(&self, task: u32, data: &Data, metrics: Option<String>) -> Result<Task> {
        let metrics: Option<Vec<MetricSpec>> = metrics.map(|text| options(&text, "metrics")).transpose()?;
        let (model, data) = (Arc::clone(&self.inner), data.inner.clone());
        Task::start(task, On::Pool, move |_, _| {
            let scores = model.evaluate(&data, metrics.as_deref(), fits::default_threads())?;
            serde_json::to_string(&scores)
                .map(Answer::Text)
                .map_err(|e| Error::internal(e.to_string()))
        })
    }

    /// Saves into a folder, with JSON beside.
    #[napi(catch_unwind)]
    pub fn save(&self, task: u32, folder: String, extra: String) -> Result<Task> {
        let extra: serde_json::Value = options(&extra, "extra")?;
        let model = Arc::clone(&self.inner);
        Task::start(task, On::Pool, move |_, _| {
            model.save(&PathBuf::from(folder), &extra).map(|()| Answer::Done)
        })
    }

    /// Names and shapes of the weights, as JSON.
    #[napi(catch_unwind)]
    pub fn weights(&self) -> Result<String> {
        let all: Vec<serde_json::Value> = self
            .inner
            .weight_shapes()
            .into_iter()
            .map(|(name, shape)| serde_json::json!({ "name": name, "shape": shape }))
            .collect();
        json(&all)
    }

    /// One weight, row-major.
    #[napi(catch_unwind)]
    pub fn weight(&self, name: String) -> Result<output::Float64Array> {
        self.inner.weight(&name).map(output::Float64Array::new).map_err(js)
    }

    /// Its program as text: the graph after each pass, the plan, the planned peak memory. Of training steps, or of prediction.
    #[napi(catch_unwind)]
    pub fn listing(&self, batch: u32, training: bool) -> Result<String> {
        self.inner.listing(batch as usize, training).map_err(js)
    }

    /// Bytes of weights, for V8 to know.
    #[napi(catch_unwind)]
    pub fn bytes(&self) -> f64 {
        self.inner.bytes() as f64
    }
}

/// Loads a model: the task gives it.
#[napi(catch_unwind)]
pub fn load_model(task: u32, folder: String) -> Result<Task> {
    if folder.is_empty() {
        return Err(js(Error::new(Code::InvalidOption, "a folder's path is empty").at("path")));
    }
    Task::start(task, On::Pool, move |_, _| {
        Fitted::load(&PathBuf::from(folder)).map(|(model, extra)| Answer::Model(Arc::new(model), extra))
    })
}
