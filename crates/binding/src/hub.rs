//! Events from nabla's threads to JavaScript: one thread-safe function an environment, not one a task.
//!
//! Native threads call it under a mutex, and never after the environment's cleanup hook has closed it under the same mutex: the hook
//! waits until no thread is inside. The hook also aborts every task of the environment that still runs.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, Weak};

use nabla_error::{Code, Error};
use nabla_train::Control;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;

use crate::errors::{Result, js};

type Sender = ThreadsafeFunction<FnArgs<(u32, String)>, (), FnArgs<(u32, String)>, Status, false, true, 0>;

/// The way of one environment's events.
pub struct Hub {
    sender: Mutex<Option<Sender>>,
    running: Mutex<Vec<Weak<Control>>>,
}

thread_local! {
    // An environment lives on one thread.
    static HUB: RefCell<Option<Arc<Hub>>> = const { RefCell::new(None) };
}

impl Hub {
    /// The hub of the environment on this thread.
    pub fn here() -> Result<Arc<Hub>> {
        let hub = HUB.with_borrow(Option::clone);
        hub.ok_or_else(|| js(Error::internal("the addon is not connected")))
    }

    /// Sends an event of a task; an empty text says that it is over. After the environment has gone it goes nowhere.
    pub fn send(&self, task: u32, event: String) {
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(|e| e.into_inner()) {
            sender.call((task, event).into(), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Will abort the task when the environment goes.
    pub fn watch(&self, control: &Arc<Control>) {
        let mut running = self.running.lock().unwrap_or_else(|e| e.into_inner());
        running.retain(|c| c.strong_count() > 0);
        running.push(Arc::downgrade(control));
    }

    fn close(&self) {
        let sender = self.sender.lock().unwrap_or_else(|e| e.into_inner()).take();
        drop(sender);
        self.running
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|c| c.abort());
    }
}

/// Connects this environment: `callback(task, event)` hears every event from now on. `memory` is all memory of the machine in bytes, for the
/// systems on which what is free cannot be read. Called once, by the loader.
#[napi(catch_unwind, ts_args_type = "callback: (task: number, event: string) => void, memory: number")]
pub fn connect(env: Env, callback: Function<FnArgs<(u32, String)>, ()>, memory: f64) -> Result<()> {
    if let Some(why) = nabla_kernels::level::forced_error() {
        return Err(js(Error::new(Code::InvalidOption, why).at("NABLA_SIMD")));
    }
    nabla_error::memory::set_total(memory as u64);
    nabla_error::memory::there().map_err(js)?;
    nabla_train::fits::asked_threads(std::env::var("NABLA_THREADS").ok().as_deref()).map_err(js)?;
    if HUB.with_borrow(Option::is_some) {
        return Err(js(Error::internal("the addon is already connected")));
    }
    let sender = callback
        .build_threadsafe_function()
        .weak::<true>()
        .callee_handled::<false>()
        .max_queue_size::<0>()
        .build()?;
    let hub = Arc::new(Hub {
        sender: Mutex::new(Some(sender)),
        running: Mutex::default(),
    });
    HUB.set(Some(Arc::clone(&hub)));
    env.add_env_cleanup_hook(hub, |hub| {
        hub.close();
        HUB.set(None);
    })?;
    Ok(())
}
