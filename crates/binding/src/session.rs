//! A model stepped through a sequence.

use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::errors::{Result, js};
use crate::model::Model;
use crate::output;

/// A sequence in progress.
#[napi]
pub struct Session {
    inner: nabla_train::Session,
}

#[napi]
impl Session {
    /// Of a model whose layers look back only.
    #[napi(constructor, catch_unwind)]
    pub fn new(model: &Model) -> Result<Self> {
        nabla_train::Session::new(model.shared()).map(|inner| Self { inner }).map_err(js)
    }

    /// How many steps there can be, if the model tells them apart by their place.
    #[napi(catch_unwind)]
    pub fn limit(&self) -> Option<u32> {
        self.inner.limit().map(|limit| limit as u32)
    }

    /// Steps so far.
    #[napi(catch_unwind)]
    pub fn position(&self) -> u32 {
        self.inner.position() as u32
    }

    /// Takes in one step; the prediction after it.
    #[napi(catch_unwind)]
    pub fn step(&mut self, features: Float64Array) -> Result<output::Float64Array> {
        self.inner.step(&features).map(output::Float64Array::new).map_err(js)
    }

    /// Begins a new sequence.
    #[napi(catch_unwind)]
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}
