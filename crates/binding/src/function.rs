//! Traced functions on real arrays.

use std::sync::atomic::{AtomicU64, Ordering};

use nabla_error::{Code, Error};
use nabla_graph::Graph;
use nabla_graph::function::Function;
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;

use crate::errors::{Result, js, options};
use crate::output;

static COMPILED: AtomicU64 = AtomicU64::new(0);

/// How many functions this process has compiled.
pub(crate) fn compilations() -> u64 {
    COMPILED.load(Ordering::Relaxed)
}

enum Inner {
    Single(Box<Function<f32>>),
    Double(Box<Function<f64>>),
}

/// A function of arrays, compiled for their shapes.
#[napi]
pub struct CompiledFunction {
    inner: Inner,
    inputs: Vec<String>,
}

#[napi]
impl CompiledFunction {
    /// Of a finished graph without weights; `inputs` are the names of its inputs in the order of `run`.
    #[napi(constructor, catch_unwind)]
    pub fn new(graph: String, inputs: Vec<String>, single: bool) -> Result<Self> {
        let json: serde_json::Value = options(&graph, "compile")?;
        let graph = Graph::from_json(&json).map_err(js)?;
        COMPILED.fetch_add(1, Ordering::Relaxed);
        let inner = if single {
            Inner::Single(Box::new(Function::new(&graph).map_err(js)?))
        } else {
            Inner::Double(Box::new(Function::new(&graph).map_err(js)?))
        };
        Ok(Self { inner, inputs })
    }

    /// The outputs one after the other, in the order of the alphabet.
    #[napi(catch_unwind)]
    pub fn run(&mut self, inputs: Vec<Float64Array>) -> Result<output::Float64Array> {
        if inputs.len() != self.inputs.len() {
            return Err(js(Error::new(
                Code::Internal,
                "a compiled function was given another number of arrays",
            )));
        }
        let mut out = Vec::new();
        match &mut self.inner {
            Inner::Single(function) => {
                let cast: Vec<Vec<f32>> = inputs.iter().map(|values| values.iter().map(|&v| v as f32).collect()).collect();
                let named: Vec<(String, &[f32])> = self.inputs.iter().cloned().zip(cast.iter().map(Vec::as_slice)).collect();
                function.run(&named, |_, values| out.extend(values.iter().map(|&v| f64::from(v))))
            }
            Inner::Double(function) => {
                let named: Vec<(String, &[f64])> = self.inputs.iter().cloned().zip(inputs.iter().map(|v| &v[..])).collect();
                function.run(&named, |_, values| out.extend_from_slice(values))
            }
        }
        .map_err(js)?;
        Ok(output::Float64Array::new(out))
    }
}
