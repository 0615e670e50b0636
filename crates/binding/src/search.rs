//! Which hyperparameters to try next.

use std::path::PathBuf;

use nabla_formats::journal;
use nabla_search::importance::{self, Question};
use nabla_search::{Request, request};
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::errors::{Result, js, json, options};
use crate::task::{Answer, On, Task};

/// The next points of a search, as JSON: one value a dimension (an index for a choice), `null` where its branch is not chosen.
#[napi(catch_unwind)]
pub fn suggest(asked: String) -> Result<String> {
    let asked: Request = options(&asked, "sampler")?;
    json(&request::suggest(&asked).map_err(js)?)
}

/// The regions that coarse-to-fine has looked at, one a round, as JSON.
#[napi(catch_unwind)]
pub fn search_regions(asked: String) -> Result<String> {
    let asked: Request = options(&asked, "sampler")?;
    json(&request::regions(&asked).map_err(js)?)
}

/// The next members of a population as JSON, `{ parent, values }` each: `parent` is the trial whose weights one goes on from.
#[napi(catch_unwind)]
pub fn population_members(asked: String) -> Result<String> {
    let asked: Request = options(&asked, "sampler")?;
    json(&request::members(&asked).map_err(js)?)
}

/// How many programs this process has compiled: a search that changes run-time inputs only compiles none.
#[napi(catch_unwind)]
pub fn compilations() -> f64 {
    (nabla_train::recipe::compilations() + crate::function::compilations()) as f64
}

/// Bytes that may be taken: what is free, or what `NABLA_MEMORY_LIMIT` allows; `null` where nothing is known.
#[napi(catch_unwind)]
pub fn free_memory() -> Result<Option<f64>> {
    Ok(nabla_error::memory::there().map_err(js)?.map(|bytes| bytes as f64))
}

/// Whole lines of a journal from byte `at` on: the task gives JSON `{ text, end, appended }`. With `lines` they are appended if the file
/// ends at `at`, and `appended` says whether.
#[napi(catch_unwind)]
pub fn journal_step(task: u32, path: String, at: f64, lines: Option<String>, sync: bool) -> Result<Task> {
    let (path, at) = (PathBuf::from(path), at as u64);
    Task::start(task, On::Pool, move |_, _| {
        let tail = match lines {
            Some(lines) => journal::append(&path, at, &lines, sync)?,
            None => journal::read(&path, at)?,
        };
        let answer = serde_json::json!({ "text": tail.text, "end": tail.end, "appended": tail.appended });
        Ok(Answer::Text(answer.to_string()))
    })
}

/// The share of the score's variance that each dimension outside of branches explains, a choice with what is under it.
#[napi(catch_unwind)]
pub fn importance(asked: String) -> Result<Float64Array> {
    let asked: Question = options(&asked, "importance")?;
    asked.space.validate().map_err(js)?;
    Ok(Float64Array::new(importance::importance(&asked)))
}
