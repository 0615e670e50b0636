//! Many fits over one shared data set: one a core, in the order of their numbers; a single one gets all cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nabla_error::{Code, Error, Result};

use crate::control::{Control, Listener};
use crate::fit::fit;
use crate::job::{Job, Outcome};
use crate::recipe::Recipe;

/// The most threads that anyone may ask for.
pub const MOST_THREADS: usize = 1024;

/// Cores to use where nobody says: `NABLA_THREADS`, else all there are.
pub fn default_threads() -> usize {
    let asked = asked_threads(std::env::var("NABLA_THREADS").ok().as_deref()).ok().flatten();
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// What the value of `NABLA_THREADS` asks for; nothing where it is unset or empty.
pub fn asked_threads(value: Option<&str>) -> Result<Option<usize>> {
    let Some(text) = value.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(threads) if (1..=MOST_THREADS).contains(&threads) => Ok(Some(threads)),
        _ => Err(Error::new(Code::InvalidOption, "the number of threads cannot be followed")
            .at("NABLA_THREADS")
            .expected(format!("a whole number from 1 to {MOST_THREADS}"))
            .received(format!("{text:?}"))),
    }
}

/// Training yields to the server: on Linux a thread can have a lower priority of its own.
pub fn lower_priority() {
    #[cfg(target_os = "linux")]
    // SAFETY: a system call without memory; a failure changes nothing.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 5);
    }
}

/// Runs all jobs of one recipe; a job that fails does not end the others. A panic is a bug and becomes an error.
pub fn run(recipe: &Arc<Recipe>, jobs: &[Job], threads: usize, control: &Control, listener: &Listener) -> Vec<Result<Outcome>> {
    let threads = threads.max(1);
    let side_by_side = threads.min(jobs.len()).max(1);
    let each = threads / side_by_side;
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Result<Outcome>>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        lower_priority();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else { return };
            let outcome = catch_unwind(AssertUnwindSafe(|| fit(recipe, job, number, each, control, listener)))
                .unwrap_or_else(|panic| Err(bug(&*panic)));
            *outcomes[number].lock().unwrap_or_else(|e| e.into_inner()) = Some(outcome);
        }
    };
    if side_by_side == 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for number in 1..side_by_side {
                // Where no thread can be had the others do its work.
                let _ = std::thread::Builder::new()
                    .name(format!("nabla-fit-{number}"))
                    .spawn_scoped(scope, work);
            }
            work();
        });
    }
    let take = |slot: Mutex<Option<Result<Outcome>>>| {
        slot.into_inner()
            .unwrap_or_else(|e| e.into_inner())
            .unwrap_or_else(|| Err(Error::internal("a fit was lost")))
    };
    outcomes.into_iter().map(take).collect()
}

/// A panic as an error.
pub fn bug(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(format!(
        "the native code panicked: {}",
        text.unwrap_or_else(|| "no message".to_owned())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_is_followed_or_refused() {
        for (value, threads) in [(None, None), (Some(""), None), (Some(" 3 "), Some(3)), (Some("1024"), Some(1024))] {
            assert_eq!(asked_threads(value).unwrap(), threads);
        }
        for value in ["abc", "0", "-1", "1.5", "1025", "99999999999999999999"] {
            let error = asked_threads(Some(value)).unwrap_err();
            assert_eq!((error.code, error.place.as_deref()), (Code::InvalidOption, Some("NABLA_THREADS")));
        }
    }
}
