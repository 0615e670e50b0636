//! A saved model is a folder: `model.safetensors` holds the weights (row-major, by name) and, in its header, everything else, so that
//! one atomic rename replaces a model whole; `model.json` is a copy of that description for people and other tools, written after it and never read back.
//! No code ever runs on load.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nabla_data::Schema;
use nabla_data::pipeline::Prepared;
use nabla_data::prepare::Fitted;
use nabla_error::{Code, Error, Result};
use nabla_formats::atomic_write::{atomic_write, remove_partial};
use nabla_formats::safetensors::{self, Archive, Data, Tensor};
use nabla_kernels::Aligned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::Epoch;
use crate::model::{Model, Weights};
use crate::recipe::Recipe;
use crate::spec::{FitSpec, Precision};

/// The version of the folder's form.
const VERSION: u32 = 1;
const KEY: &str = "nabla";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Description {
    format: String,
    version: u32,
    recipe: FitSpec,
    schema: Schema,
    preparation: Prepared,
    target_preparation: Fitted,
    history: Vec<Epoch>,
    best_epoch: Option<usize>,
    #[serde(default)]
    extra: Value,
}

pub(crate) fn save(model: &Model, folder: &Path, extra: &Value) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|e| Error::new(Code::Io, format!("the folder cannot be made: {e}")).at(folder.display().to_string()))?;
    let description = Description {
        format: "nabla model".to_owned(),
        version: VERSION,
        recipe: model.recipe.spec.clone(),
        schema: model.schema.clone(),
        preparation: model.preparation.clone(),
        target_preparation: model.target_preparation.clone(),
        history: without_health(&model.history),
        best_epoch: model.best_epoch,
        extra: extra.clone(),
    };
    let text = |pretty: bool| {
        let text = if pretty {
            serde_json::to_string_pretty(&description)
        } else {
            serde_json::to_string(&description)
        };
        text.map_err(|e| Error::internal(format!("the model cannot be described: {e}")))
    };
    let arena = &model.recipe.arena;
    // A parameter without elements has nothing to save: its shape is in the recipe.
    let rows = || arena.rows.iter().filter(|r| r.values() > 0);
    let single: Vec<Vec<f32>>;
    let double: Vec<Vec<f64>>;
    let data: Vec<Data> = match &model.weights {
        Weights::F32(w) => {
            single = rows().map(|r| arena.read(r, w)).collect();
            single.iter().map(|v| Data::F32(v)).collect()
        }
        Weights::F64(w) => {
            double = rows().map(|r| arena.read(r, w)).collect();
            double.iter().map(|v| Data::F64(v)).collect()
        }
    };
    let tensors: Vec<Tensor> = rows()
        .zip(data)
        .map(|(r, data)| Tensor {
            name: &r.spec.name,
            shape: &r.spec.shape,
            data,
        })
        .collect();
    let metadata = BTreeMap::from([(KEY.to_owned(), text(false)?)]);
    let path = folder.join("model.safetensors");
    remove_partial(&path)?;
    safetensors::write(&path, &tensors, &metadata)?;
    let path = folder.join("model.json");
    remove_partial(&path)?;
    atomic_write(&path, text(true)?.as_bytes())
}

fn without_health(history: &[Epoch]) -> Vec<Epoch> {
    let bare = |epoch: &Epoch| Epoch {
        train: epoch.train.clone(),
        validation: epoch.validation.clone(),
        health: Vec::new(),
        ..*epoch
    };
    history.iter().map(bare).collect()
}

pub(crate) fn load(folder: &Path) -> Result<(Model, Value)> {
    let path = folder.join("model.safetensors");
    let place = path.display().to_string();
    let archive = safetensors::read(&path).map_err(|e| match e.code {
        Code::Io if !folder.join("model.safetensors").exists() => {
            e.hint("A saved model is a folder with model.safetensors and model.json, as `fitted.save(folder)` writes it.")
        }
        _ => e,
    })?;
    read(&archive).map_err(|e| e.at(place))
}

fn read(archive: &Archive) -> Result<(Model, Value)> {
    if archive.metadata().contains_key(KEY) && !archive.sealed() {
        return Err(Error::new(
            Code::DataFormat,
            "the file has lost its checksum: it is damaged, or something else wrote it",
        )
        .hint("Load a copy, or save the model again."));
    }
    let text = archive.metadata().get(KEY).ok_or_else(|| {
        Error::new(Code::DataFormat, "these weights were not saved by nabla: the header has no recipe")
            .hint("Only folders written by `fitted.save(folder)` can be loaded.")
    })?;
    let value: Value = serde_json::from_str(text).map_err(|e| Error::new(Code::DataFormat, format!("the recipe is damaged: {e}")))?;
    let version = value["version"].as_u64().unwrap_or(0);
    if version != u64::from(VERSION) {
        return Err(
            Error::new(Code::DataFormat, format!("version {version} of saved models is not known"))
                .expected(VERSION.to_string())
                .received(version.to_string())
                .hint("It was saved by a newer nabla: update this one."),
        );
    }
    let d: Description = serde_json::from_value(value).map_err(|e| Error::new(Code::DataFormat, format!("the recipe is damaged: {e}")))?;
    d.recipe.validate().map_err(|e| Error {
        code: Code::DataFormat,
        ..e
    })?;
    let precision = d.recipe.precision;
    let recipe = Arc::new(Recipe::new(d.recipe)?);
    if d.preparation.width() != d.schema.width || recipe.input_shape().iter().product::<usize>() != d.preparation.prepared_width() {
        return Err(Error::new(
            Code::DataFormat,
            "the recipe is damaged: preparation, schema and model have different widths",
        ));
    }
    let arena = &recipe.arena;
    let expected = arena.rows.iter().filter(|r| r.values() > 0).count();
    if archive.entries().len() != expected {
        return Err(Error::new(
            Code::DataFormat,
            format!("the model has {expected} weights, the file {}", archive.entries().len()),
        ));
    }
    let weights = match precision {
        Precision::F32 => {
            let mut theta = Aligned::zeroed(arena.len)?;
            for row in arena.rows.iter().filter(|r| r.values() > 0) {
                expect_shape(archive, &row.spec.name, &row.spec.shape)?;
                arena.write(row, &archive.f32(&row.spec.name)?, &mut theta)?;
            }
            Weights::F32(theta)
        }
        Precision::F64 => {
            let mut theta = Aligned::zeroed(arena.len)?;
            for row in arena.rows.iter().filter(|r| r.values() > 0) {
                expect_shape(archive, &row.spec.name, &row.spec.shape)?;
                arena.write(row, &archive.f64(&row.spec.name)?, &mut theta)?;
            }
            Weights::F64(theta)
        }
    };
    Ok((
        Model::new(
            recipe,
            d.schema,
            d.preparation,
            d.target_preparation,
            weights,
            d.history,
            d.best_epoch,
        ),
        d.extra,
    ))
}

fn expect_shape(archive: &Archive, name: &str, shape: &[usize]) -> Result<()> {
    let entry = archive.entry(name)?;
    if entry.shape == shape {
        return Ok(());
    }
    Err(Error::new(
        Code::ShapeMismatch,
        format!("the saved weight has shape {:?}, the model's is {shape:?}", entry.shape),
    )
    .at(name)
    .expected(format!("{shape:?}"))
    .received(format!("{:?}", entry.shape)))
}
