//! Work in progress on nabla's threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};

use nabla_data::Dataset;
use nabla_error::{Error, Result as Outcome};
use nabla_train::linear::Linear;
use nabla_train::{Control, Model as Fitted, fits};
use napi::Env;
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::data::Data;
use crate::errors::{Result, js};
use crate::fits::FitResult;
use crate::hub::Hub;
use crate::instruments::LinearModel;
use crate::model::Model;
use crate::output;

/// What a task gives.
pub enum Answer {
    /// Nothing but that it is done.
    Done,
    /// Rows.
    Data(Dataset),
    /// Numbers, row-major.
    Numbers(Vec<f64>),
    /// JSON.
    Text(String),
    /// A model and what was saved beside it.
    Model(Arc<Fitted>, serde_json::Value),
    /// A linear model.
    Linear(Arc<Linear>),
    /// One a job.
    Fits(Vec<Outcome<nabla_train::Outcome>>),
}

type Slot = Arc<Mutex<Option<Outcome<Answer>>>>;

/// A task; its end is an event, and then its answer is taken.
#[napi]
pub struct Task {
    slot: Slot,
    control: Arc<Control>,
}

/// Threads for short tasks (prediction, reading, writing): nabla's own, so that the server's file and DNS work goes on.
fn pool() -> Option<&'static rayon::ThreadPool> {
    static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
    let threads = fits::default_threads();
    POOL.get_or_init(|| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("nabla-task-{i}"))
            .build()
            .ok()
    })
    .as_ref()
}

/// Where a task runs.
pub enum On {
    /// A thread of the pool.
    Pool,
    /// A thread of its own: a fit.
    Own,
}

impl Task {
    /// Starts work; `number` is the name under which JavaScript hears of it.
    pub fn start(
        number: u32,
        on: On,
        work: impl FnOnce(&Control, &(dyn Fn(String) + Sync)) -> Outcome<Answer> + Send + 'static,
    ) -> Result<Task> {
        let hub = Hub::here()?;
        let (slot, control) = (Slot::default(), Arc::new(Control::default()));
        hub.watch(&control);
        let task = Task {
            slot: Arc::clone(&slot),
            control: Arc::clone(&control),
        };
        let run = move || {
            let send = |event: String| hub.send(number, event);
            let answer = catch_unwind(AssertUnwindSafe(|| work(&control, &send))).unwrap_or_else(|panic| Err(fits::bug(&*panic)));
            *slot.lock().unwrap_or_else(|e| e.into_inner()) = Some(answer);
            hub.send(number, String::new());
        };
        match (on, pool()) {
            (On::Pool, Some(pool)) => pool.spawn(run),
            _ => {
                let thread = std::thread::Builder::new().name("nabla-fit".to_owned()).spawn(run);
                thread.map_err(|e| js(Error::new(nabla_error::Code::OutOfMemory, format!("no thread can be started: {e}"))))?;
            }
        }
        Ok(task)
    }

    fn take(&self) -> Result<Answer> {
        let answer = self.slot.lock().unwrap_or_else(|e| e.into_inner()).take();
        answer
            .unwrap_or_else(|| Err(Error::internal("the task is not over, or its answer was taken")))
            .map_err(js)
    }

    fn unexpected<T>() -> Result<T> {
        Err(js(Error::internal("the task gives another kind of answer")))
    }
}

#[napi]
impl Task {
    /// Ends early with what there is.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.control.stop();
    }

    /// Ends with an error within one batch.
    #[napi(catch_unwind)]
    pub fn abort(&self) {
        self.control.abort();
    }

    /// The end of a task without an answer.
    #[napi(catch_unwind)]
    pub fn take_done(&self) -> Result<()> {
        match self.take()? {
            Answer::Done => Ok(()),
            _ => Self::unexpected(),
        }
    }

    /// Rows.
    #[napi(catch_unwind)]
    pub fn take_data(&self, env: Env) -> Result<Data> {
        match self.take()? {
            Answer::Data(data) => Data::new(&env, data),
            _ => Self::unexpected(),
        }
    }

    /// Numbers.
    #[napi(catch_unwind)]
    pub fn take_numbers(&self) -> Result<output::Float64Array> {
        match self.take()? {
            Answer::Numbers(values) => Ok(output::Float64Array::new(values)),
            _ => Self::unexpected(),
        }
    }

    /// Numbers, into an array of their length.
    #[napi(catch_unwind)]
    pub fn take_numbers_into(&self, mut to: Float64Array) -> Result<()> {
        match self.take()? {
            Answer::Numbers(values) if values.len() == to.len() => {
                // SAFETY: JavaScript waits for this very call, and nobody else has the array's memory meanwhile.
                unsafe { to.as_mut() }.copy_from_slice(&values);
                Ok(())
            }
            _ => Self::unexpected(),
        }
    }

    /// JSON.
    #[napi(catch_unwind)]
    pub fn take_text(&self) -> Result<String> {
        match self.take()? {
            Answer::Text(text) => Ok(text),
            _ => Self::unexpected(),
        }
    }

    /// A model.
    #[napi(catch_unwind)]
    pub fn take_model(&self, env: Env) -> Result<Model> {
        match self.take()? {
            Answer::Model(model, extra) => Model::new(&env, model, extra),
            _ => Self::unexpected(),
        }
    }

    /// A linear model.
    #[napi(catch_unwind)]
    pub fn take_linear(&self) -> Result<LinearModel> {
        match self.take()? {
            Answer::Linear(inner) => Ok(LinearModel { inner }),
            _ => Self::unexpected(),
        }
    }

    /// The outcome of each job.
    #[napi(catch_unwind)]
    pub fn take_fits(&self) -> Result<Vec<FitResult>> {
        match self.take()? {
            Answer::Fits(outcomes) => Ok(outcomes.into_iter().map(FitResult::from).collect()),
            _ => Self::unexpected(),
        }
    }
}
