//! A data set in a file of nabla's own: safetensors with the schema as metadata and a checksum, so that NumPy reads it too.
//!
//! Tensors: `features`, and where there are any `target` (of several `target.0`, `target.1`, …), `weights`, `groups`, `first`, `last` (the
//! rows of a series that a window was made of), `lengths`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use nabla_error::{Code, Error, Result};
use nabla_formats::safetensors::{self, Data, Directory, Entry, Stream, Tensor};
use serde::{Deserialize, Serialize};

use crate::builder::{SourceParts, TargetParts};
use crate::dataset::Dataset;
use crate::rows_file::{Layout, Number, RowsFile, Storage, read_exact_at};
use crate::schema::{Schema, TargetSchema};
use crate::source::{Matrix, Target};
use crate::windows::Spans;

const KEY: &str = "nabla.dataset";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    version: u32,
    schema: Schema,
    group_names: Option<Vec<String>>,
    /// Whether a feature is missing anywhere.
    missing: bool,
}

/// Writes the rows of a view, in its order, whole or not at all.
///
/// # Errors
/// `IO` with the path; what reading the rows from a file runs into.
pub fn save(path: &Path, data: &Dataset, watch: &dyn Fn(u64, u64) -> Result<()>) -> Result<()> {
    let source = data.source();
    let (rows, width) = (data.rows(), data.width());
    let missing = match source.features() {
        Matrix::File(file) => file.has_missing(),
        _ => data.check_finite().is_err(),
    };
    let header = Header {
        version: VERSION,
        schema: data.schema(),
        group_names: source.groups().map(|groups| groups.names.clone()),
        missing,
    };
    let header = serde_json::to_string(&header).map_err(|error| Error::internal(error.to_string()))?;
    let storage = source.features().storage();
    let size = match storage {
        Storage::U8 => ("U8", 1),
        Storage::F32 => ("F32", 4),
        Storage::F64 => ("F64", 8),
    };
    // Written once for the checksum in the header, and once for good.
    let total = 2 * (rows * width * size.1) as u64;
    let (failed, done) = (RefCell::new(None), RefCell::new(0));
    let pieces = |take: &mut dyn FnMut(&[u8]) -> io::Result<()>| -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut taken = Ok(());
        let all = data.blocks(|_, values| {
            bytes.clear();
            for &value in values {
                match storage {
                    Storage::U8 => bytes.push(value as u8),
                    Storage::F32 => bytes.extend_from_slice(&(value as f32).to_le_bytes()),
                    Storage::F64 => bytes.extend_from_slice(&value.to_le_bytes()),
                }
            }
            let so_far = *done.borrow() + bytes.len() as u64;
            *done.borrow_mut() = so_far;
            watch(so_far, total)?;
            taken = take(&bytes);
            match &taken {
                Ok(()) => Ok(()),
                Err(error) => Err(Error::new(Code::Io, error.to_string())),
            }
        });
        taken?;
        all.map_err(|error| {
            let said = io::Error::other(error.to_string());
            *failed.borrow_mut() = Some(error);
            said
        })
    };
    let mut shape = vec![rows];
    shape.extend_from_slice(source.sample_shape());
    let mut values: Vec<(String, Vec<usize>, Owned)> = Vec::new();
    if let Some(target) = source.target() {
        tensors_of("target", &target.select(&data.source_rows()), rows, &mut values);
    }
    if let Some(weights) = data.weights() {
        values.push(("weights".into(), vec![rows], Owned::Doubles(weights)));
    }
    if let Some(groups) = data.groups() {
        values.push(("groups".into(), vec![rows], Owned::Codes(groups)));
    }
    if let Some(Spans { first, last }) = data.spans() {
        values.push(("first".into(), vec![rows], Owned::Codes(first)));
        values.push(("last".into(), vec![rows], Owned::Codes(last)));
    }
    if let Some(lengths) = data.lengths() {
        values.push(("lengths".into(), vec![rows], Owned::Codes(lengths)));
    }
    let mut tensors = vec![Tensor {
        name: "features",
        shape: &shape,
        data: Data::Stream(Stream {
            kind: size,
            length: rows * width,
            pieces: &pieces,
        }),
    }];
    tensors.extend(values.iter().map(|(name, shape, values)| Tensor {
        name,
        shape,
        data: match values {
            Owned::Doubles(values) => Data::F64(values),
            Owned::Codes(codes) => Data::U32(codes),
        },
    }));
    let written = safetensors::write(path, &tensors, &BTreeMap::from([(KEY.to_owned(), header)]));
    written.map_err(|error| failed.take().unwrap_or(error))
}

enum Owned {
    Doubles(Vec<f64>),
    Codes(Vec<u32>),
}

fn tensors_of(name: &str, target: &Target, rows: usize, out: &mut Vec<(String, Vec<usize>, Owned)>) {
    match target {
        Target::Classes { labels, .. } => out.push((name.into(), vec![rows], Owned::Codes(labels.clone()))),
        Target::Sequence { width, labels, .. } => out.push((name.into(), vec![rows, *width], Owned::Codes(labels.clone()))),
        Target::Numbers { width, values, .. } => out.push((name.into(), vec![rows, *width], Owned::Doubles(values.clone()))),
        Target::Several { targets } => {
            for (i, (_, target)) in targets.iter().enumerate() {
                tensors_of(&format!("{name}.{i}"), target, rows, out);
            }
        }
    }
}

/// Reads a file that [`save`] wrote; the rows stay in it unless they are wanted in memory.
///
/// # Errors
/// `IO` with the path; `DATA_FORMAT` for another file, or one that was cut or changed.
pub fn load(path: &Path, in_memory: bool, watch: &dyn Fn(u64, u64) -> Result<()>) -> Result<Dataset> {
    read(path, in_memory, watch).map_err(|error| error.at(path.display().to_string()))
}

fn damaged(message: impl Into<String>) -> Error {
    Error::new(Code::DataFormat, message).expected("a file that data.save wrote")
}

fn read(path: &Path, in_memory: bool, watch: &dyn Fn(u64, u64) -> Result<()>) -> Result<Dataset> {
    let directory = safetensors::directory(path, watch)?;
    let header = directory.metadata.get(KEY).ok_or_else(|| damaged("the file holds no data set"))?;
    let header: Header = nabla_error::from_json(header).map_err(|error| damaged(format!("the schema cannot be read: {error}")))?;
    if header.version != VERSION {
        return Err(damaged(format!("the file has version {}", header.version)).expected(format!("version {VERSION}")));
    }
    let file = File::open(path).map_err(|error| Error::new(Code::Io, format!("reading failed: {error}")))?;
    let schema = header.schema;
    let features = directory.entry("features")?;
    let (number, storage) = match features.dtype.as_str() {
        "U8" => (Number::U8, Storage::U8),
        "F32" => (Number::F32, Storage::F32),
        "F64" => (Number::F64, Storage::F64),
        other => return Err(damaged(format!("features of type {other}"))),
    };
    if features.shape.first() != Some(&schema.rows) || features.shape[1..] != schema.sample_shape {
        return Err(damaged("the features do not have the shape that the schema says"));
    }
    let tensors = Tensors {
        file: &file,
        directory: &directory,
    };
    let target = schema.target.as_ref().map(|target| tensors.target("target", target)).transpose()?;
    let codes = |name: &str, there: bool| there.then(|| tensors.codes(name)).transpose();
    let weights = schema.weights.then(|| tensors.doubles("weights")).transpose()?;
    let spans = match (codes("first", schema.windows)?, codes("last", schema.windows)?) {
        (Some(first), Some(last)) => Some(Spans { first, last }),
        _ => None,
    };
    let (groups, lengths) = (codes("groups", schema.groups)?, codes("lengths", schema.ragged)?);
    let layout = Layout {
        start: features.range().start as u64,
        length: features.shape.iter().product(),
        number,
        big_endian: false,
        storage,
    };
    let rows = Matrix::File(Arc::new(RowsFile::of(
        file.try_clone().map_err(|error| Error::new(Code::Io, error.to_string()))?,
        path.to_owned(),
        layout,
        header.missing,
        None,
    )?));
    let features = if in_memory { rows.in_memory()?.into_owned() } else { rows };
    let parts = SourceParts {
        sample_shape: Some(schema.sample_shape),
        columns: (!schema.columns.is_empty()).then(|| schema.columns.into_iter().map(Into::into).collect()),
        parts: (!schema.parts.is_empty()).then_some(schema.parts),
        target,
        weights,
        groups,
        group_names: header.group_names,
        images: schema.images,
        spans,
        lengths,
        text: schema.text,
        ..SourceParts::new(schema.rows, features)
    };
    Ok(parts.build()?.into())
}

struct Tensors<'a> {
    file: &'a File,
    directory: &'a Directory,
}

impl Tensors<'_> {
    fn bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let range = entry.range();
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(range.len())
            .map_err(|_| Error::new(Code::OutOfMemory, format!("no memory for {} bytes", range.len())))?;
        bytes.resize(range.len(), 0);
        read_exact_at(self.file, &mut bytes, range.start as u64)
            .map_err(|error| Error::new(Code::Io, format!("reading failed: {error}")))?;
        Ok(bytes)
    }

    fn codes(&self, name: &str) -> Result<Vec<u32>> {
        let entry = self.directory.entry(name)?;
        if entry.dtype != "U32" {
            return Err(damaged(format!("{name} of type {}", entry.dtype)));
        }
        Ok(self.bytes(entry)?.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect())
    }

    fn doubles(&self, name: &str) -> Result<Vec<f64>> {
        let entry = self.directory.entry(name)?;
        if entry.dtype != "F64" {
            return Err(damaged(format!("{name} of type {}", entry.dtype)));
        }
        Ok(self.bytes(entry)?.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect())
    }

    fn target(&self, name: &str, schema: &TargetSchema) -> Result<TargetParts> {
        Ok(match schema {
            TargetSchema::Classes { names } => TargetParts::Classes {
                names: names.clone(),
                labels: self.codes(name)?,
            },
            TargetSchema::Sequence { names, width } => TargetParts::Sequence {
                names: names.clone(),
                width: *width,
                labels: self.codes(name)?,
            },
            TargetSchema::Numbers { names, width } => TargetParts::Numbers {
                names: Some(names.clone()),
                width: *width,
                values: self.doubles(name)?,
            },
            TargetSchema::Several { targets } => {
                let own = |(i, one): (usize, &crate::schema::NamedTarget)| {
                    Ok((one.name.clone(), self.target(&format!("{name}.{i}"), &one.target)?))
                };
                TargetParts::Several {
                    targets: targets.iter().enumerate().map(own).collect::<Result<_>>()?,
                }
            }
        })
    }
}
