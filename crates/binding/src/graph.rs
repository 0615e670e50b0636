//! Tracing: one synchronous call an operator, so that the stack of an error ends on the user's own line.

use nabla_error::{Code, Error};
use nabla_graph::ops::Operator;
use nabla_graph::passes::differentiate::gradients;
use nabla_graph::{Builder, Id, Shape};
use nabla_params::Initializer;
use napi::bindgen_prelude::Float64Array;
use napi_derive::napi;
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::errors::{Result, js, json, options};

/// A function being traced.
#[napi]
#[derive(Default)]
pub struct GraphBuilder {
    builder: Builder,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct ParameterOptions {
    trainable: bool,
    decay: bool,
}

impl Default for ParameterOptions {
    fn default() -> Self {
        Self {
            trainable: true,
            decay: true,
        }
    }
}

fn sizes(shape: &[i64], what: &str) -> Result<Vec<usize>> {
    shape
        .iter()
        .map(|&n| usize::try_from(n).ok())
        .collect::<Option<Vec<usize>>>()
        .ok_or_else(|| {
            js(Error::new(
                Code::ShapeMismatch,
                format!("{what}: a shape needs whole sizes of at least 0, got {shape:?}"),
            )
            .at(what))
        })
}

impl GraphBuilder {
    fn id(&self, id: u32) -> Result<Id> {
        let id = id as usize;
        if id < self.builder.graph.nodes.len() {
            return Ok(id);
        }
        Err(js(Error::internal(format!("there is no value {id} in this trace"))))
    }
}

#[napi]
impl GraphBuilder {
    /// An empty graph.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// A run-time input; −1 is the batch axis. Returns the node's id.
    #[napi(catch_unwind)]
    pub fn input(&mut self, name: String, shape: Vec<i64>) -> Result<u32> {
        self.builder.input(&name, Shape::from(shape)).map(|id| id as u32).map_err(js)
    }

    /// A weight, such as `dense/kernel`.
    #[napi(catch_unwind)]
    pub fn parameter(&mut self, path: String, shape: Vec<i64>, initializer: String, settings: String) -> Result<u32> {
        let settings: ParameterOptions = if settings.is_empty() {
            ParameterOptions::default()
        } else {
            options(&settings, "parameter")?
        };
        let initializer: Initializer = options(&initializer, "initializer")?;
        let shape = sizes(&shape, &path)?;
        nabla_graph::builder::expect_weights(&path, &shape).map_err(js)?;
        initializer.validate(&shape).map_err(|e| js(e.at(path.clone())))?;
        self.builder.path = path.rsplit_once('/').map_or("", |(layer, _)| layer).to_owned();
        self.builder
            .parameter(&path, &shape, initializer, settings.trainable, settings.decay)
            .map(|id| id as u32)
            .map_err(js)
    }

    /// Fixed numbers, row-major.
    #[napi(catch_unwind)]
    pub fn constant(&mut self, values: Float64Array, shape: Vec<i64>) -> Result<u32> {
        let shape = sizes(&shape, "constant")?;
        self.builder.constant(values.to_vec(), &shape).map(|id| id as u32).map_err(js)
    }

    /// Applies an operator; `path` is the layer, for errors.
    #[napi(catch_unwind)]
    pub fn apply(&mut self, operator: String, inputs: Vec<u32>, attributes: String, path: String) -> Result<u32> {
        let inputs = inputs.into_iter().map(|id| self.id(id)).collect::<Result<Vec<Id>>>()?;
        let attributes = if attributes.is_empty() {
            serde_json::Value::Null
        } else {
            options(&attributes, &operator)?
        };
        self.builder.path.clone_from(&path);
        let place = if path.is_empty() { operator.clone() } else { path };
        self.builder
            .apply_named(&operator, &inputs, attributes)
            .map(|id| id as u32)
            .map_err(|e| js(e.at(place)))
    }

    /// How many values there are.
    #[napi(catch_unwind)]
    pub fn size(&self) -> u32 {
        self.builder.graph.nodes.len() as u32
    }

    /// The operators of the values `from` ≤ id < `to` again, with `values` in place of `replaced`: the new ids of `wanted`.
    #[napi(catch_unwind)]
    pub fn repeat(&mut self, from: u32, to: u32, replaced: Vec<u32>, values: Vec<u32>, wanted: Vec<u32>) -> Result<Vec<u32>> {
        let known = |all: Vec<u32>| all.into_iter().map(|id| self.id(id)).collect::<Result<Vec<Id>>>();
        let (replaced, values, wanted) = (known(replaced)?, known(values)?, known(wanted)?);
        let pairs: Vec<(Id, Id)> = replaced.into_iter().zip(values).collect();
        let end = (to as usize).min(self.builder.graph.nodes.len());
        let found = self.builder.repeat(from as usize..end, &pairs, &wanted).map_err(js)?;
        Ok(found.into_iter().map(|id| id as u32).collect())
    }

    /// ∂(Σ y)/∂x for each x, as new values: zeros where y does not depend on it.
    #[napi(catch_unwind)]
    pub fn gradients(&mut self, y: u32, of: Vec<u32>) -> Result<Vec<u32>> {
        let y = self.id(y)?;
        let of = of.into_iter().map(|id| self.id(id)).collect::<Result<Vec<Id>>>()?;
        self.builder.path.clear();
        let found = || -> nabla_error::Result<Vec<u32>> {
            let b = &mut self.builder;
            let shape = b.shape(y).clone();
            let one = b.scalar(1.0);
            let seed = b.broadcast_to(one, shape)?;
            let found = gradients(b, y, seed, &of)?;
            of.iter()
                .zip(found)
                .map(|(&x, gradient)| {
                    let id = match gradient {
                        Some(id) => id,
                        None => {
                            let (zero, shape) = (b.scalar(0.0), b.shape(x).clone());
                            b.broadcast_to(zero, shape)?
                        }
                    };
                    Ok(id as u32)
                })
                .collect()
        };
        let mut found = found;
        found().map_err(js)
    }

    /// The sizes of a value.
    #[napi(catch_unwind)]
    pub fn shape(&self, id: u32) -> Result<Vec<i64>> {
        Ok(self.builder.shape(self.id(id)?).clone().into())
    }

    /// The graph as versioned plain data; `outputs` such as `{"prediction": 4, "loss": 9}`. The builder is empty after it.
    #[napi(catch_unwind)]
    pub fn finish(&mut self, outputs: String) -> Result<String> {
        let outputs: BTreeMap<String, u32> = options(&outputs, "outputs")?;
        let outputs = outputs
            .iter()
            .map(|(name, &id)| Ok((name.as_str(), self.id(id)?)))
            .collect::<Result<Vec<(&str, Id)>>>()?;
        json(&std::mem::take(&mut self.builder).finish(&outputs).to_json())
    }
}

/// The registry of operators as JSON, `[{ name, inputs, attributes: [{ name, type, default }] }]`: TypeScript's names and attribute
/// types are generated from it.
#[napi(catch_unwind)]
pub fn operators() -> String {
    let attribute = |(name, default): (&String, &serde_json::Value)| {
        let kind = match default {
            serde_json::Value::Bool(_) => "boolean",
            serde_json::Value::Number(_) => "number",
            serde_json::Value::String(_) => "string",
            serde_json::Value::Array(_) => "readonly number[]",
            serde_json::Value::Object(_) => "Readonly<Record<string, unknown>>",
            _ => "readonly number[] | null",
        };
        serde_json::json!({ "name": name, "type": kind, "default": default })
    };
    let described = |(name, inputs, attributes): (&str, usize, serde_json::Value)| {
        let attributes: Vec<serde_json::Value> = attributes.as_object().into_iter().flatten().map(attribute).collect();
        serde_json::json!({ "name": name, "inputs": inputs, "attributes": attributes })
    };
    serde_json::Value::from(
        Operator::all()
            .into_iter()
            .chain(Builder::composites())
            .map(described)
            .collect::<Vec<_>>(),
    )
    .to_string()
}
