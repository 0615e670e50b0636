//! How a fit is watched and ended from outside: two flags, read once a batch, and a listener.

use std::sync::atomic::{AtomicBool, Ordering};

use nabla_error::{Code, Error, Result};

use crate::history::Epoch;

/// The flags.
#[derive(Debug, Default)]
pub struct Control {
    stop: AtomicBool,
    abort: AtomicBool,
}

impl Control {
    /// End after this batch with what there is.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// End after this batch with an error.
    pub fn abort(&self) {
        self.abort.store(true, Ordering::Relaxed);
    }

    /// Whether to end with what there is.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// An error once aborted.
    pub fn check(&self) -> Result<()> {
        if self.abort.load(Ordering::Relaxed) {
            return Err(Error::new(Code::Aborted, "the fit was aborted"));
        }
        Ok(())
    }
}

/// What a listener hears, with the number of the job.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Something looks like a mistake; before the first step.
    Warning(usize, &'a str),
    /// An epoch is over.
    Epoch(usize, &'a Epoch),
    /// A fit is over.
    Done(usize),
}

/// Hears events; called on the fit's thread, so it must be quick.
pub type Listener<'a> = dyn Fn(Event) + Sync + 'a;
