//! Data sets: copied in once, then shared; views by index; reading on nabla's threads.

use std::path::PathBuf;
use std::sync::Arc;

use nabla_data::augment::{self, Augmentation};
use nabla_data::split::{self, HoldOutOptions, KFoldOptions, hold_out, k_fold};
use nabla_data::{
    Column, CsvOptions, Dataset, IdxOptions, ImageOptions, Kind, Layout, Matrix, Part, Pictures, RowsFile, Source, SourceParts, Spans,
    Target, TargetParts, WindowOptions, from_table, purged, read_csv_watched, read_idx_watched, windows,
};
use nabla_error::{Code, Error, memory};
use nabla_formats::{Cells, Column as TableColumn, MISSING, Table};
use nabla_kernels::reduce;
use nabla_train::Control;
use napi::Env;
use napi::bindgen_prelude::{Either, Either4, Float32Array, Float64Array, ObjectFinalize, Uint8Array, Uint32Array};
use napi_derive::napi;
use serde::Deserialize;

use crate::errors::{Result, js, json, options, seed};
use crate::held::Held;
use crate::output;
use crate::task::{Answer, On, Task};

/// An immutable data set, or a view of one.
#[napi(custom_finalize)]
pub struct Data {
    pub(crate) inner: Dataset,
    /// The rows, shared by all views of them.
    rows: Held,
    /// The indices of a view.
    view: Held,
}

impl Data {
    /// Of rows that no other object has.
    pub(crate) fn new(env: &Env, inner: Dataset) -> Result<Data> {
        let rows = Held::new(env, bytes(inner.source()))?;
        Self::with(env, inner, rows)
    }

    fn with(env: &Env, inner: Dataset, rows: Held) -> Result<Data> {
        let view = Held::new(env, inner.view().map_or(0, size_of_val))?;
        Ok(Data { inner, rows, view })
    }
}

impl ObjectFinalize for Data {
    fn finalize(self, env: Env) -> Result<()> {
        self.view.release(&env)?;
        self.rows.release(&env)
    }
}

/// Memory of the rows.
fn bytes(source: &Source) -> usize {
    let targets = source.target().map_or(0, Target::bytes);
    let weights = source.weights().map_or(0, size_of_val);
    let groups = source.groups().map_or(0, |groups| size_of_val(groups.codes.as_slice()));
    source.features().bytes() + targets + weights + groups
}

/// Numbers as they come from JavaScript; each is copied once.
pub type Buffer = Either4<Float32Array, Float64Array, Uint8Array, Uint32Array>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    rows: usize,
    width: usize,
    sample_shape: Option<Vec<usize>>,
    columns: Option<Vec<ColumnSpec>>,
    #[serde(default)]
    parts: Option<Vec<Part>>,
    features: BufferRef,
    targets: Option<TargetSpec>,
    weights: Option<BufferRef>,
    groups: Option<GroupSpec>,
    spans: Option<[BufferRef; 2]>,
    lengths: Option<BufferRef>,
    text: Option<nabla_data::Text>,
}

#[derive(Deserialize)]
struct ColumnSpec {
    name: String,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Deserialize)]
struct BufferRef {
    buffer: usize,
}

#[derive(Deserialize)]
struct GroupSpec {
    buffer: usize,
    names: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
enum TargetSpec {
    Classes {
        names: Vec<String>,
        buffer: usize,
    },
    Sequence {
        names: Vec<String>,
        width: usize,
        buffer: usize,
    },
    Numbers {
        names: Option<Vec<String>>,
        width: usize,
        buffer: usize,
    },
    Several {
        targets: Vec<NamedTargetSpec>,
    },
}

#[derive(Deserialize)]
struct NamedTargetSpec {
    name: String,
    target: TargetSpec,
}

fn target_parts(spec: TargetSpec, buffers: &[Buffer]) -> Result<TargetParts> {
    Ok(match spec {
        TargetSpec::Classes { names, buffer } => TargetParts::Classes {
            names,
            labels: indices(buffers, buffer, "targets")?,
        },
        TargetSpec::Sequence { names, width, buffer } => TargetParts::Sequence {
            names,
            width,
            labels: indices(buffers, buffer, "targets")?,
        },
        TargetSpec::Numbers { names, width, buffer } => TargetParts::Numbers {
            names,
            width,
            values: numbers(buffers, buffer, "targets")?,
        },
        TargetSpec::Several { targets } => TargetParts::Several {
            targets: targets
                .into_iter()
                .map(|NamedTargetSpec { name, target }| Ok((name, target_parts(target, buffers)?)))
                .collect::<Result<_>>()?,
        },
    })
}

fn copied<T: Copy>(values: &[T]) -> Result<Vec<T>> {
    let mut copy = memory::room_for(values.len(), || format!("{} values of a data set", values.len())).map_err(js)?;
    copy.extend_from_slice(values);
    Ok(copy)
}

fn wrong_buffer<T>(what: &str, expected: &str) -> Result<T> {
    Err(js(Error::internal(format!("the buffer of {what} is not a {expected}"))))
}

fn numbers(buffers: &[Buffer], at: usize, what: &str) -> Result<Vec<f64>> {
    match buffers.get(at) {
        Some(Either4::B(values)) => copied(values),
        _ => wrong_buffer(what, "Float64Array"),
    }
}

fn indices(buffers: &[Buffer], at: usize, what: &str) -> Result<Vec<u32>> {
    match buffers.get(at) {
        Some(Either4::D(values)) => copied(values),
        _ => wrong_buffer(what, "Uint32Array"),
    }
}

/// What a description says beside the features.
fn parts_of(spec: Spec, features: Matrix, buffers: &[Buffer]) -> Result<SourceParts> {
    let mut parts = SourceParts::new(spec.rows, features);
    parts.sample_shape = Some(spec.sample_shape.unwrap_or_else(|| vec![spec.width]));
    parts.columns = spec.columns.map(|all| {
        all.into_iter()
            .map(|c| Column {
                name: c.name,
                kind: c.kind,
            })
            .collect()
    });
    parts.parts = spec.parts;
    parts.target = spec.targets.map(|spec| target_parts(spec, buffers)).transpose()?;
    parts.weights = spec.weights.map(|w| numbers(buffers, w.buffer, "weights")).transpose()?;
    parts.text = spec.text;
    parts.lengths = spec.lengths.map(|l| indices(buffers, l.buffer, "lengths")).transpose()?;
    if let Some(groups) = spec.groups {
        parts.groups = Some(indices(buffers, groups.buffer, "groups")?);
        parts.group_names = groups.names;
    }
    if let Some([first, last]) = spec.spans {
        parts.spans = Some(Spans {
            first: indices(buffers, first.buffer, "spans")?,
            last: indices(buffers, last.buffer, "spans")?,
        });
    }
    Ok(parts)
}

/// Whether there is neither NaN nor ±∞.
#[napi(catch_unwind)]
pub fn all_finite(values: Either<Float32Array, Float64Array>) -> bool {
    match &values {
        Either::A(values) => reduce::all_finite::<f32>(values),
        Either::B(values) => reduce::all_finite::<f64>(values),
    }
}

#[napi]
impl Data {
    /// From typed arrays and a description of what they are.
    #[napi(
        factory,
        catch_unwind,
        ts_args_type = "spec: string, buffers: Array<Float32Array | Float64Array | Uint8Array | Uint32Array>"
    )]
    pub fn create(env: Env, spec: String, buffers: Vec<Buffer>) -> Result<Data> {
        let spec: Spec = options(&spec, "data set")?;
        let features = match buffers.get(spec.features.buffer) {
            Some(Either4::A(values)) => Matrix::F32(copied(values)?),
            Some(Either4::B(values)) => Matrix::F64(copied(values)?),
            Some(Either4::C(values)) => Matrix::U8(copied(values)?),
            _ => return wrong_buffer("features", "Float32Array, Float64Array or Uint8Array"),
        };
        if features.len() != spec.rows * spec.width {
            return Err(js(Error::new(
                Code::InvalidData,
                format!("{} values are not {} rows of {}", features.len(), spec.rows, spec.width),
            )
            .at("features")
            .expected(format!("{} values", spec.rows * spec.width))
            .received(format!("{} values", features.len()))));
        }
        let source = parts_of(spec, features, &buffers)?.build().map_err(js)?;
        Data::new(&env, Dataset::from(source))
    }

    /// What it is, without its values.
    #[napi(catch_unwind)]
    pub fn schema(&self) -> Result<String> {
        json(&self.inner.schema())
    }

    /// Statistics of its columns.
    #[napi(catch_unwind)]
    pub fn describe(&self) -> Result<String> {
        let description = self.inner.describe();
        self.inner.source().features().check().map_err(js)?;
        json(&description)
    }

    /// Hexadecimal digits over schema and values.
    #[napi(catch_unwind)]
    pub fn fingerprint(&self) -> Result<String> {
        self.inner.fingerprint().map_err(js)
    }

    /// Writes the rows to a file. Tells how many bytes of how many as `{"done", "total"}`.
    #[napi(catch_unwind)]
    pub fn save(&self, task: u32, path: String) -> Result<Task> {
        let data = self.inner.clone();
        Task::start(task, On::Pool, move |control, send| {
            nabla_data::save(&PathBuf::from(path), &data, &watching(control, send)).map(|()| Answer::Done)
        })
    }

    /// The rows at these indices, as a view.
    #[napi(catch_unwind)]
    pub fn select(&self, env: Env, indices: Uint32Array) -> Result<Data> {
        let inner = self.inner.select(&indices).map_err(js)?;
        Data::with(&env, inner, self.rows.clone())
    }

    /// The index of each row in the source.
    #[napi(catch_unwind)]
    pub fn source_rows(&self) -> output::Uint32Array {
        output::Uint32Array::new(self.inner.source_rows())
    }

    /// Values row by row.
    #[napi(catch_unwind)]
    pub fn features(&self) -> Result<output::Float64Array> {
        self.inner.features_f64().map(output::Float64Array::new).map_err(js)
    }

    /// Steps of each row, where rows are sequences of different lengths.
    #[napi(catch_unwind)]
    pub fn lengths(&self) -> Option<output::Uint32Array> {
        self.inner.lengths().map(output::Uint32Array::new)
    }

    /// Number targets row by row.
    #[napi(catch_unwind)]
    pub fn targets(&self) -> Option<output::Float64Array> {
        self.inner.targets().map(output::Float64Array::new)
    }

    /// Class of each row.
    #[napi(catch_unwind)]
    pub fn labels(&self) -> Option<output::Uint32Array> {
        self.inner.labels().map(output::Uint32Array::new)
    }

    /// Weight of each row.
    #[napi(catch_unwind)]
    pub fn weights(&self) -> Option<output::Float64Array> {
        self.inner.weights().map(output::Float64Array::new)
    }

    /// Group of each row.
    #[napi(catch_unwind)]
    pub fn groups(&self) -> Option<output::Uint32Array> {
        self.inner.groups().map(output::Uint32Array::new)
    }

    /// Names of the groups.
    #[napi(catch_unwind)]
    pub fn group_names(&self) -> Option<Vec<String>> {
        self.inner.group_names().map(<[String]>::to_vec)
    }

    /// First and last row of the series that each window was made of.
    #[napi(catch_unwind)]
    pub fn spans(&self) -> Option<Vec<output::Uint32Array>> {
        let Spans { first, last } = self.inner.spans()?;
        Some(vec![output::Uint32Array::new(first), output::Uint32Array::new(last)])
    }

    /// Windows of a series.
    #[napi(catch_unwind)]
    pub fn windows(&self, env: Env, settings: String) -> Result<Data> {
        let settings: WindowOptions = options(&settings, "windows")?;
        Data::new(&env, windows(&self.inner, &settings).map_err(js)?)
    }
}

/// Passes on how far reading is, and ends it when it is aborted.
fn watching<'a>(control: &'a Control, send: &'a (dyn Fn(String) + Sync)) -> impl Fn(u64, u64) -> nabla_error::Result<()> + 'a {
    move |done, total| {
        control.check()?;
        send(serde_json::json!({ "done": done, "total": total }).to_string());
        Ok(())
    }
}

/// Reads a CSV file. This and the readers below tell how many bytes of how many as `{"done", "total"}`.
#[napi(catch_unwind)]
pub fn read_csv_file(task: u32, path: String, settings: String) -> Result<Task> {
    let settings: CsvOptions = options(&settings, "fromCsv")?;
    Task::start(task, On::Pool, move |control, send| {
        read_csv_watched(&PathBuf::from(path), &settings, &watching(control, send)).map(Answer::Data)
    })
}

/// Reads a file that `save` wrote.
#[napi(catch_unwind)]
pub fn load_data(task: u32, path: String, in_memory: bool) -> Result<Task> {
    Task::start(task, On::Pool, move |control, send| {
        nabla_data::load(&PathBuf::from(path), in_memory, &watching(control, send)).map(Answer::Data)
    })
}

/// A data set whose features stay in a file, where `layout` says they lie; the description's features are not looked at.
#[napi(catch_unwind)]
pub fn rows_in_file(
    task: u32,
    path: String,
    layout: String,
    spec: String,
    #[napi(ts_arg_type = "Array<Float32Array | Float64Array | Uint8Array | Uint32Array>")] buffers: Vec<Buffer>,
) -> Result<Task> {
    let layout: Layout = options(&layout, "layout")?;
    let spec: Spec = options(&spec, "data set")?;
    let parts = parts_of(spec, Matrix::U8(Vec::new()), &buffers)?;
    Task::start(task, On::Pool, move |control, send| {
        let file = RowsFile::open(&PathBuf::from(path), layout, &watching(control, send))?;
        let features = Matrix::File(Arc::new(file));
        let source = SourceParts { features, ..parts }.build()?;
        Ok(Answer::Data(Dataset::from(source)))
    })
}

/// A column as it comes from JavaScript: numbers (NaN where missing), or codes of sorted levels (4,294,967,295 where missing).
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
enum CellsSpec {
    Number { name: String, buffer: usize },
    Boolean { name: String, buffer: usize },
    Text { name: String, buffer: usize, levels: Vec<String> },
}

/// A data set of columns, by the rules of a CSV file: `columns` is a JSON list, `settings` the options.
#[napi(catch_unwind)]
pub fn columns_to_data(
    task: u32,
    columns: String,
    #[napi(ts_arg_type = "Array<Float32Array | Float64Array | Uint8Array | Uint32Array>")] buffers: Vec<Buffer>,
    settings: String,
) -> Result<Task> {
    let settings: CsvOptions = options(&settings, "columns")?;
    let specs: Vec<CellsSpec> = options(&columns, "columns")?;
    let mut columns = Vec::with_capacity(specs.len());
    for spec in specs {
        let (name, cells) = match spec {
            CellsSpec::Number { name, buffer } => (name, Cells::Numbers(numbers(&buffers, buffer, "a column")?)),
            CellsSpec::Boolean { name, buffer } => (name, Cells::Booleans(indices(&buffers, buffer, "a column")?)),
            CellsSpec::Text { name, buffer, levels } => {
                let codes = indices(&buffers, buffer, "a column")?;
                (name, Cells::Texts { levels, codes })
            }
        };
        columns.push(TableColumn { name, cells });
    }
    let length = |cells: &Cells| match cells {
        Cells::Numbers(values) => values.len(),
        Cells::Booleans(codes) | Cells::Texts { codes, .. } => codes.len(),
    };
    let rows = columns.first().map_or(0, |column| length(&column.cells));
    let fits = |column: &TableColumn| {
        let levels = match &column.cells {
            Cells::Numbers(_) => return length(&column.cells) == rows,
            Cells::Booleans(_) => 2,
            Cells::Texts { levels, .. } => levels.len(),
        };
        match &column.cells {
            Cells::Booleans(codes) | Cells::Texts { codes, .. } => {
                codes.len() == rows && codes.iter().all(|&code| code == MISSING || (code as usize) < levels)
            }
            Cells::Numbers(_) => true,
        }
    };
    if !columns.iter().all(fits) {
        return Err(js(Error::internal("columns of different lengths, or a code without a level")));
    }
    Task::start(task, On::Pool, move |_, _| {
        from_table(Table { rows, columns }, &settings).map(Answer::Data)
    })
}

/// Reads images and labels of IDX files.
#[napi(catch_unwind)]
pub fn read_idx_files(task: u32, images: String, labels: Option<String>, settings: String) -> Result<Task> {
    let settings: IdxOptions = options(&settings, "fromIdx")?;
    let (images, labels) = (PathBuf::from(images), labels.map(PathBuf::from));
    Task::start(task, On::Pool, move |control, send| {
        read_idx_watched(&images, labels.as_deref(), &settings, &watching(control, send)).map(Answer::Data)
    })
}

/// Reads pictures: a folder or an archive, or bytes with the class of each. Tells how many are done as `{"done", "total"}`.
#[napi(catch_unwind)]
pub fn read_images(task: u32, path: Option<String>, bytes: Vec<Uint8Array>, labels: Option<Vec<String>>, settings: String) -> Result<Task> {
    let settings: ImageOptions = options(&settings, "fromImages")?;
    let pictures = match path {
        Some(path) => Pictures::Path(PathBuf::from(path)),
        None => Pictures::Bytes(bytes.iter().map(|b| copied(b)).collect::<Result<_>>()?, labels),
    };
    Task::start(task, On::Pool, move |control, send| {
        let watch = |done: usize, total: Option<usize>| {
            control.check()?;
            send(serde_json::json!({ "done": done, "total": total }).to_string());
            Ok(())
        };
        nabla_data::read_images(pictures, &settings, &watch).map(Answer::Data)
    })
}

/// The rows and so many changed copies of each; the recipe is JSON.
#[napi(catch_unwind)]
pub fn augmented_data(env: Env, data: &Data, recipe: String, copies: u32, random: f64) -> Result<Data> {
    let recipe: Vec<Augmentation> = options(&recipe, "augmented")?;
    let more = augment::augmented(&data.inner, &recipe, copies as usize, seed(random)?).map_err(js)?;
    Data::new(&env, more)
}

/// A PNG of the first rows and what a recipe makes of each.
#[napi(catch_unwind)]
pub fn contact_sheet(data: &Data, recipe: String, rows: u32, variants: u32, random: f64) -> Result<output::Uint8Array> {
    let recipe: Vec<Augmentation> = options(&recipe, "contactSheet")?;
    augment::contact_sheet(&data.inner, &recipe, rows as usize, variants as usize, seed(random)?)
        .map(output::Uint8Array::new)
        .map_err(js)
}

/// A random order of so many rows.
#[napi(catch_unwind)]
pub fn permutation(rows: f64, random: f64) -> Result<output::Uint32Array> {
    if !(0.0..=f64::from(u32::MAX)).contains(&rows) || rows.fract() != 0.0 {
        return Err(js(Error::option("rows", "to be a whole number from 0 to 4,294,967,295", rows)));
    }
    Ok(output::Uint32Array::new(nabla_kernels::philox::permutation(
        rows as usize,
        seed(random)?,
    )))
}

/// Indices of the training, validation and test rows.
#[napi(catch_unwind)]
pub fn hold_out_indices(settings: String, labels: Option<Uint32Array>, groups: Option<Uint32Array>) -> Result<Vec<output::Uint32Array>> {
    let settings: HoldOutOptions = options(&settings, "split")?;
    let split = hold_out(&settings, labels.as_deref(), groups.as_deref()).map_err(js)?;
    Ok([split.train, split.validation, split.test]
        .into_iter()
        .map(output::Uint32Array::new)
        .collect())
}

/// The rows of `train` whose windows share no row of the series with one of `held`.
#[napi(catch_unwind)]
pub fn purged_rows(train: Uint32Array, held: Uint32Array, first: Uint32Array, last: Uint32Array) -> Result<output::Uint32Array> {
    let spans = Spans {
        first: copied(&first)?,
        last: copied(&last)?,
    };
    let rows = spans.first.len().min(spans.last.len());
    if train.iter().chain(held.iter()).any(|&row| row as usize >= rows) {
        return Err(js(Error::internal("a row that has no span")));
    }
    Ok(output::Uint32Array::new(purged(&train, &held, &spans)))
}

/// The fold of each row.
#[napi(catch_unwind)]
pub fn k_fold_indices(settings: String, labels: Option<Uint32Array>, groups: Option<Uint32Array>) -> Result<output::Uint32Array> {
    let settings: KFoldOptions = options(&settings, "kFold")?;
    k_fold(&settings, labels.as_deref(), groups.as_deref())
        .map(output::Uint32Array::new)
        .map_err(js)
}

/// The rows of a fold into `validation` and the others into `train`, new arrays of the right lengths.
#[napi(catch_unwind)]
pub fn fold_rows(folds: Uint32Array, fold: u32, mut train: Uint32Array, mut validation: Uint32Array) -> Result<()> {
    // SAFETY: both were made for this call, in which JavaScript waits, so nobody else reads or writes them.
    let (train, validation) = unsafe { (train.as_mut(), validation.as_mut()) };
    memory::prefer_large_pages(train);
    split::fold_rows(&folds, fold, train, validation).map_err(js)
}
