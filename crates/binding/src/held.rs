//! What V8 is told of memory outside its heap: its collector sees small objects only, and without this would let gigabytes of data sets
//! that nobody uses lie until its own heap has grown.

use std::rc::Rc;

use napi::Env;

use crate::errors::Result;

/// A share in bytes that V8 knows of; they are gone when the last share is released.
#[derive(Clone)]
pub struct Held(Rc<i64>);

impl Held {
    /// Tells V8 of them.
    pub fn new(env: &Env, bytes: usize) -> Result<Held> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        env.adjust_external_memory(bytes)?;
        Ok(Held(Rc::new(bytes)))
    }

    /// Gives up this share; called by the finalizer of the object that has it.
    pub fn release(self, env: &Env) -> Result<()> {
        if let Some(bytes) = Rc::into_inner(self.0) {
            env.adjust_external_memory(-bytes)?;
        }
        Ok(())
    }
}
