//! What a fit gives: weights, fitted preparation, the recipe's graph, history. Predicts, is scored, is saved and loaded.

use std::path::Path;
use std::sync::{Arc, Mutex};

use nabla_data::pipeline::Prepared;
use nabla_data::prepare::Fitted;
use nabla_data::{Dataset, Schema, TargetSchema};
use nabla_error::{Code, Error, Result, memory};
use nabla_graph::plan::KEPT_ROWS;
use nabla_kernels::denormals::flush_to_zero;
use nabla_kernels::team::Team;
use nabla_kernels::{Aligned, Real, reduce};
use nabla_metrics::MetricSpec;
use nabla_params::Arena;
use serde::Serialize;

use crate::assist::assisted;
use crate::control::Control;
use crate::examiner::{Examiner, batch, rows_within};
use crate::feed::Feed;
use crate::history::{Epoch, Scores};
use crate::recipe::Recipe;
use crate::scorer::Scorer;
use crate::target_units::units;

/// The weights, in the arena's layout.
#[derive(Debug)]
pub enum Weights {
    /// Single precision.
    F32(Aligned<f32>),
    /// Double precision.
    F64(Aligned<f64>),
}

impl Weights {
    /// Of an arena buffer of either precision.
    pub fn of<T: Real>(theta: Aligned<T>) -> Weights {
        let theta: Box<dyn std::any::Any> = Box::new(theta);
        match theta.downcast::<Aligned<f32>>() {
            Ok(single) => Weights::F32(*single),
            Err(other) => match other.downcast::<Aligned<f64>>() {
                Ok(double) => Weights::F64(*double),
                Err(_) => unreachable!("numbers are f32 or f64"),
            },
        }
    }
}

enum Pool {
    F32(Mutex<Vec<Examiner<f32>>>),
    F64(Mutex<Vec<Examiner<f64>>>),
}

/// A fitted model. Cheap to share: prediction from several threads takes programs from a pool.
pub struct Model {
    pub(crate) recipe: Arc<Recipe>,
    pub(crate) schema: Schema,
    pub(crate) preparation: Prepared,
    pub(crate) target_preparation: Fitted,
    /// Of outputs by name.
    units: Vec<(String, Fitted)>,
    pub(crate) weights: Weights,
    /// One record an epoch.
    pub history: Vec<Epoch>,
    /// The epoch whose weights these are, or the best by validation.
    pub best_epoch: Option<usize>,
    pool: Pool,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model of {} weights", self.recipe.arena.values())
    }
}

/// What a model says of itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info<'a> {
    schema: &'a Schema,
    output: crate::spec::Output,
    output_shape: Vec<usize>,
    outputs: Vec<InfoOutput<'a>>,
    classes: Option<&'a [String]>,
    metrics: &'a [MetricSpec],
    parameters: usize,
    history: &'a [Epoch],
    best_epoch: Option<usize>,
    precision: crate::spec::Precision,
}

/// One of several outputs: where it lies in a row of predictions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InfoOutput<'a> {
    name: &'a str,
    from: usize,
    width: usize,
    /// Its values say nothing of single classes.
    embeds: bool,
}

/// Losses that compare rows by their classes.
fn is_embedding(loss: &serde_json::Value) -> bool {
    matches!(loss["kind"].as_str(), Some("triplet" | "contrastive"))
}

/// Rows of small calls: a program of this capacity keeps one row's memory in the first cache level.
const SMALL: usize = KEPT_ROWS;

impl Model {
    pub(crate) fn new(
        recipe: Arc<Recipe>,
        schema: Schema,
        preparation: Prepared,
        target_preparation: Fitted,
        weights: Weights,
        history: Vec<Epoch>,
        best_epoch: Option<usize>,
    ) -> Model {
        let pool = match weights {
            Weights::F32(_) => Pool::F32(Mutex::default()),
            Weights::F64(_) => Pool::F64(Mutex::default()),
        };
        Model {
            units: units(&recipe, schema.target.as_ref(), &target_preparation),
            recipe,
            schema,
            preparation,
            target_preparation,
            weights,
            history,
            best_epoch,
            pool,
        }
    }

    /// What it says of itself.
    pub fn info(&self) -> Info<'_> {
        let classes = match &self.schema.target {
            Some(TargetSchema::Classes { names }) if !self.embeds(&self.recipe.spec.loss, names.len()) => Some(names.as_slice()),
            _ => None,
        };
        Info {
            schema: &self.schema,
            output: self.recipe.spec.output,
            output_shape: self.recipe.output_shape(),
            outputs: self
                .recipe
                .parts
                .iter()
                .filter_map(|part| {
                    let name = part.name.as_deref()?;
                    Some(InfoOutput {
                        name,
                        from: part.from,
                        width: part.width,
                        embeds: is_embedding(&self.recipe.spec.loss[name]),
                    })
                })
                .collect(),
            classes,
            metrics: &self.recipe.spec.metrics,
            parameters: self.recipe.arena.values(),
            history: &self.history,
            best_epoch: self.best_epoch,
            precision: self.recipe.spec.precision,
        }
    }

    /// Whether what it gives of a row of classes are numbers: by its loss, or by their count (of a loss of the user's own).
    fn embeds(&self, loss: &serde_json::Value, classes: usize) -> bool {
        let width: usize = self.recipe.parts.iter().map(|part| part.width).sum();
        is_embedding(loss) || !(width == classes || width == 1 && classes == 2)
    }

    /// Values a row of features has.
    pub fn input_width(&self) -> usize {
        self.schema.width
    }

    /// Values a row of predictions has.
    pub fn output_width(&self) -> usize {
        self.recipe.output_shape().iter().product()
    }

    /// Its program as text, for batches of so many rows: of training steps, or of prediction.
    pub fn listing(&self, batch: usize, training: bool) -> Result<String> {
        let bytes = match self.weights {
            Weights::F32(_) => 4,
            Weights::F64(_) => 8,
        };
        self.recipe.listing(batch, training, bytes)
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::F32(w) => size_of_val(&**w),
            Weights::F64(w) => size_of_val(&**w),
        }
    }

    /// Names and shapes of the weights.
    pub fn weight_shapes(&self) -> Vec<(String, Vec<usize>)> {
        self.recipe
            .arena
            .rows
            .iter()
            .map(|r| (r.spec.name.clone(), r.spec.shape.clone()))
            .collect()
    }

    /// One weight, row-major.
    pub fn weight(&self, name: &str) -> Result<Vec<f64>> {
        let arena = &self.recipe.arena;
        let row = arena.find(name).ok_or_else(|| unknown_weight(arena, name))?;
        Ok(match &self.weights {
            Weights::F32(w) => arena.read(row, w).into_iter().map(f64::from).collect(),
            Weights::F64(w) => arena.read(row, w),
        })
    }

    /// Predictions for a data set, row by row, in the target's own units: probabilities, or numbers. Shape: `[rows, output width]`.
    pub fn predict(&self, data: &Dataset, threads: usize) -> Result<Vec<f64>> {
        self.expect_schema(data)?;
        let feed = Feed::new(&self.recipe, data, &self.preparation, &self.target_preparation, false)?;
        let (rows, width) = (feed.rows.len(), self.output_width());
        let mut all = memory::room_for(rows.saturating_mul(width), || {
            format!("predictions of {width} numbers for {rows} rows")
        })
        .map_err(|e| e.at("predict"))?;
        all.resize(rows.saturating_mul(width), 0.0);
        match (&self.weights, &self.pool) {
            (Weights::F32(w), Pool::F32(pool)) => predict_all(&self.recipe, pool, w, &feed, threads, &mut all)?,
            (Weights::F64(w), Pool::F64(pool)) => predict_all(&self.recipe, pool, w, &feed, threads, &mut all)?,
            _ => return Err(Error::internal("weights and programs differ in precision")),
        }
        self.target_preparation_inverse(&mut all)?;
        self.expect_finite(&all)?;
        Ok(all)
    }

    /// Predictions for rows of plain features on the calling thread: microseconds for a small model. `out` is `[rows, output width]`.
    /// Where rows are sequences of different lengths, `lengths` says how many steps each has; all of them by default.
    pub fn predict_rows(&self, features: &[f64], lengths: Option<&[u32]>, out: &mut [f64]) -> Result<()> {
        let width = self.input_width();
        if width == 0 || !features.len().is_multiple_of(width) {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} values are not whole rows of {width}", features.len()),
            )
            .at("features")
            .expected(format!("rows of {width} values"))
            .received(format!("{} values", features.len())));
        }
        let rows = features.len() / width;
        if out.len() != rows * self.output_width() {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("{} values are no room for {rows} predictions", out.len()),
            )
            .at("predictions")
            .expected(format!("{} values", rows * self.output_width()))
            .received(format!("{} values", out.len())));
        }
        let lengths = lengths.filter(|_| self.schema.ragged);
        let time = self.schema.sample_shape.first().copied().unwrap_or(0);
        if lengths.is_some_and(|l| l.len() != rows || l.iter().any(|&n| n == 0 || n as usize > time)) {
            return Err(Error::new(Code::ShapeMismatch, "the lengths are not one a row")
                .at("lengths")
                .expected(format!("{rows} numbers from 1 to {time}")));
        }
        let staged = self.preparation.has_stages();
        if let Some(at) = features.iter().position(|v| if staged { v.is_infinite() } else { !v.is_finite() }) {
            let column = self
                .schema
                .columns
                .get(at % width)
                .map_or_else(|| format!("value {}", at % width), |c| format!("column {:?}", c.name));
            return Err(Error::new(Code::NotFinite, format!("a feature is {}", features[at])).at(format!("row {}, {column}", at / width)));
        }
        match (&self.weights, &self.pool) {
            (Weights::F32(w), Pool::F32(pool)) => self.predict_small(pool, w, features, lengths, out)?,
            (Weights::F64(w), Pool::F64(pool)) => self.predict_small(pool, w, features, lengths, out)?,
            _ => return Err(Error::internal("weights and programs differ in precision")),
        }
        self.target_preparation_inverse(out)?;
        self.expect_finite(out)
    }

    /// A prediction that is no number is no answer: the likeliest of such classes would be the first.
    pub(crate) fn expect_finite(&self, predictions: &[f64]) -> Result<()> {
        if reduce::all_finite(predictions) {
            return Ok(());
        }
        let at = predictions.iter().position(|v| !v.is_finite()).unwrap_or_default();
        Err(Error::new(Code::NotFinite, format!("the prediction is {}", predictions[at]))
            .at(format!("row {}", at / self.output_width().max(1)))
            .expected("a finite number")
            .received(predictions[at].to_string())
            .hint("Look in that row for values far from those of the training rows, or for an index that its embedding does not have."))
    }

    fn predict_small<T: Real>(
        &self,
        pool: &Mutex<Vec<Examiner<T>>>,
        theta: &[T],
        features: &[f64],
        lengths: Option<&[u32]>,
        out: &mut [f64],
    ) -> Result<()> {
        let _flush = flush_to_zero();
        let staged: Vec<f64>;
        let mut features = features;
        if self.preparation.has_stages() {
            staged = self.preparation.stage_rows(features)?;
            features = &staged;
            if let Some(at) = staged.iter().position(|v| v.is_nan()) {
                return Err(Error::new(Code::InvalidData, "a cell is missing")
                    .at(format!("row {}", at / self.preparation.prepared_width()))
                    .hint("prepare: [impute(), …] fills missing cells."));
            }
        }
        let (width, wide) = (self.preparation.prepared_width(), self.output_width());
        let time = self.recipe.mask_time().unwrap_or(1).max(1);
        let rows = features.len() / width;
        let capacity = if rows <= SMALL { SMALL } else { stretch::<T>(&self.recipe)? };
        let mut examiner = take(pool, &self.recipe, capacity)?;
        let capacity = examiner.capacity();
        let map = self.preparation.map();
        let (shift, factor, clip) = (map.shift(), map.factor(), map.clip());
        for (at, (features, out)) in features
            .chunks(capacity * width)
            .zip(out.chunks_mut((capacity * wide).max(1)))
            .enumerate()
        {
            let rows = features.len() / width;
            let lengths = lengths.map(|l| &l[at * capacity..at * capacity + rows]);
            let outputs = examiner.predict(theta, rows, lengths, |x| {
                for (row, x) in features.chunks_exact(width).zip(x.chunks_exact_mut(width)) {
                    for (j, (value, x)) in row.iter().zip(x).enumerate() {
                        let mut prepared = (value - shift[j]) * factor[j];
                        if let Some([low, high]) = clip.and_then(|c| c[j]) {
                            prepared = prepared.clamp(low, high);
                        }
                        *x = T::from_f64(prepared);
                    }
                }
                if let Some(lengths) = lengths {
                    let step = width / time;
                    for (&length, x) in lengths.iter().zip(x.chunks_exact_mut(width)) {
                        x[length as usize * step..].fill(T::ZERO);
                    }
                }
            });
            out.iter_mut().zip(outputs).for_each(|(out, value)| *out = value.to_f64());
        }
        give_back(pool, examiner);
        Ok(())
    }

    pub(crate) fn target_preparation_inverse(&self, predictions: &mut [f64]) -> Result<()> {
        if !self.recipe.spec.outputs.is_empty() {
            let stride = self.output_width().max(1);
            for (name, fitted) in &self.units {
                let part = self.recipe.parts.iter().find(|part| part.name.as_ref() == Some(name));
                for row in predictions.chunks_exact_mut(stride) {
                    part.map_or(Ok(()), |p| fitted.inverse(&mut row[p.from..p.from + p.width]))?;
                }
            }
            return Ok(());
        }
        if self.target_preparation.width() == 0 || self.target_preparation.is_identity() {
            return Ok(());
        }
        self.target_preparation.inverse(predictions)
    }

    /// Loss and metrics on a data set; other metrics than the recipe's where asked.
    pub fn evaluate(&self, data: &Dataset, metrics: Option<&[MetricSpec]>, threads: usize) -> Result<Scores> {
        self.expect_schema(data)?;
        let feed = Feed::new(&self.recipe, data, &self.preparation, &self.target_preparation, true)?;
        if feed.rows.is_empty() {
            return Err(Error::new(Code::InvalidData, "there are no rows to evaluate on").at("data"));
        }
        let mut scorer = Scorer::new(&self.recipe, metrics.unwrap_or(&self.recipe.spec.metrics))?;
        match &self.weights {
            Weights::F32(w) => score(&self.recipe, w, &feed, threads, &mut scorer),
            Weights::F64(w) => score(&self.recipe, w, &feed, threads, &mut scorer),
        }
    }

    /// Whether a data set has the columns and classes that the model was fitted on.
    pub(crate) fn expect_schema(&self, data: &Dataset) -> Result<()> {
        let schema = data.schema();
        let shorter = schema.ragged && self.schema.ragged && schema.sample_shape[1..] == self.schema.sample_shape[1..];
        if schema.sample_shape != self.schema.sample_shape && !shorter {
            let missing = |from: &Schema, than: &Schema| -> Vec<String> {
                let has = |name: &String| than.columns.iter().any(|c| c.name == *name);
                from.columns.iter().map(|c| c.name.clone()).filter(|n| !has(n)).collect()
            };
            let (lost, new) = (missing(&self.schema, &schema), missing(&schema, &self.schema));
            let error = Error::new(
                Code::ShapeMismatch,
                format!(
                    "the model was fitted on rows of shape {:?}, this data set has {:?}",
                    self.schema.sample_shape, schema.sample_shape
                ),
            )
            .at("features")
            .expected(format!("{:?}", self.schema.sample_shape))
            .received(format!("{:?}", schema.sample_shape));
            return Err(if lost.is_empty() && new.is_empty() {
                error
            } else {
                error.hint(format!("Columns missing here: {lost:?}; columns unknown to the model: {new:?}."))
            });
        }
        if let (Some(here), Some(fitted @ TargetSchema::Several { .. })) = (&schema.target, &self.schema.target)
            && here != fitted
        {
            return Err(
                Error::new(Code::InvalidData, "the data set has other targets than the model was fitted on")
                    .at("targets")
                    .hint("Make both sets from one source and split it, so that classes keep their numbers."),
            );
        }
        let (here, fitted) = match (&schema.target, &self.schema.target) {
            (Some(TargetSchema::Classes { names: here }), Some(TargetSchema::Classes { names: fitted }))
            | (Some(TargetSchema::Sequence { names: here, .. }), Some(TargetSchema::Sequence { names: fitted, .. })) => (here, fitted),
            _ => return Ok(()),
        };
        if here == fitted {
            return Ok(());
        }
        Err(
            Error::new(Code::InvalidData, "the data set has other classes than the model was fitted on")
                .at("targets")
                .expected(format!("{fitted:?}"))
                .received(format!("{here:?}"))
                .hint("Make both sets from one source and split it, so that classes keep their numbers."),
        )
    }

    /// Saves into a folder: see [`crate::saving`].
    pub fn save(&self, folder: &Path, extra: &serde_json::Value) -> Result<()> {
        crate::saving::save(self, folder, extra)
    }

    /// Loads from a folder, with what was saved beside.
    pub fn load(folder: &Path) -> Result<(Model, serde_json::Value)> {
        crate::saving::load(folder)
    }
}

/// The error for a weight that is not there, with the nearest name.
pub(crate) fn unknown_weight(arena: &Arena, name: &str) -> Error {
    let names = arena.rows.iter().map(|r| r.spec.name.as_str());
    let error = Error::option("name", "to be a parameter's name", format!("{name:?}"));
    match nabla_data::nearest(name, names) {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error,
    }
}

/// How many idle programs of a model are kept: as many as predict at once.
const IDLE: usize = 64;

fn take<T: Real>(pool: &Mutex<Vec<Examiner<T>>>, recipe: &Recipe, capacity: usize) -> Result<Examiner<T>> {
    let mut idle = pool.lock().unwrap_or_else(|e| e.into_inner());
    match idle.iter().position(|e| e.capacity() == capacity) {
        Some(at) => Ok(idle.swap_remove(at)),
        None => {
            drop(idle);
            Examiner::new(recipe, capacity, false)
        }
    }
}

fn give_back<T: Real>(pool: &Mutex<Vec<Examiner<T>>>, examiner: Examiner<T>) {
    let mut idle = pool.lock().unwrap_or_else(|e| e.into_inner());
    if idle.len() < IDLE {
        idle.push(examiner);
    }
}

/// Below this cost of a whole call one thread is enough.
const SHARED_CALL: usize = 20_000_000;

fn members_for<T: Real>(examiner: &Examiner<T>, rows: usize, threads: usize) -> usize {
    let work = examiner.work() / examiner.capacity() * rows;
    if work < SHARED_CALL { 1 } else { threads.max(1) }
}

pub(crate) fn team_for<T: Real>(examiner: &Examiner<T>, rows: usize, threads: usize) -> Team {
    Team::new(members_for(examiner, rows, threads), crate::fits::lower_priority)
}

/// Rows that a thread predicts at once: their values stay near it in two second-level caches (of a network of images 64 rows take 1.3 times
/// as long a row as 8, which fill the kernels). No row's result depends on how many there are.
fn stretch<T: Real>(recipe: &Recipe) -> Result<usize> {
    rows_within::<T>(recipe, false, 2 << 20, 8, 64)
}

/// Fills `out`, `[rows, outputs]`. Threads take stretches of rows until none is left, each with a program of its own: nothing is shared,
/// nobody waits, and no row's result depends on the others. Too few rows for that go through one program, shared by a team.
fn predict_all<T: Real>(
    recipe: &Recipe,
    pool: &Mutex<Vec<Examiner<T>>>,
    theta: &[T],
    feed: &Feed,
    threads: usize,
    out: &mut [f64],
) -> Result<()> {
    let _flush = flush_to_zero();
    let rows = feed.rows.len();
    if rows == 0 {
        return Ok(());
    }
    let wide = (out.len() / rows).max(1);
    let most = stretch::<T>(recipe)?;
    let first = take(pool, recipe, most)?;
    let members = members_for(&first, rows, threads);
    let mut examiners = vec![first];
    if members > 1 && rows < 8 * members {
        let mut team = Team::new(members, crate::fits::lower_priority);
        feed.check_rows(0..rows)?;
        let mut out = out.chunks_mut(most * wide);
        examiners[0].run(&mut team, theta, feed, &Control::default(), |_, _, output| {
            let out = out.next().unwrap_or_default();
            out.iter_mut().zip(output).for_each(|(out, value)| *out = value.to_f64());
            Ok(())
        })?;
    } else {
        for _ in 1..members {
            examiners.push(take(pool, recipe, most)?);
        }
        // Several pieces a thread, for one that comes late; whole tiles of rows.
        let size = rows.div_ceil(16 * members).next_multiple_of(8).min(most);
        let stretches = Mutex::new(out.chunks_mut(size * wide).enumerate());
        let failed: Mutex<Option<(usize, Error)>> = Mutex::default();
        let work = |examiner: &mut Examiner<T>| {
            loop {
                let next = stretches.lock().unwrap_or_else(|e| e.into_inner()).next();
                let Some((at, out)) = next else { return };
                match examiner.predict_rows(theta, feed, at * size..rows.min((at + 1) * size)) {
                    Ok(output) => out.iter_mut().zip(output).for_each(|(out, value)| *out = value.to_f64()),
                    Err(error) => {
                        let mut failed = failed.lock().unwrap_or_else(|e| e.into_inner());
                        // The first in the order of the rows, whoever meets one first.
                        if failed.as_ref().is_none_or(|(before, _)| at < *before) {
                            *failed = Some((at, error));
                        }
                    }
                }
            }
        };
        let free = Mutex::new(&mut examiners);
        // Each thread has a program of its own for as long as it helps.
        assisted(members - 1, &|| {
            let _flush = flush_to_zero();
            let own = free.lock().unwrap_or_else(|e| e.into_inner()).pop();
            let Some(mut examiner) = own else { return };
            work(&mut examiner);
            free.lock().unwrap_or_else(|e| e.into_inner()).push(examiner);
        });
        if let Some((_, error)) = failed.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(error);
        }
    }
    examiners.into_iter().for_each(|examiner| give_back(pool, examiner));
    Ok(())
}

fn score<T: Real>(recipe: &Recipe, theta: &[T], feed: &Feed, threads: usize, scorer: &mut Scorer) -> Result<Scores> {
    let _flush = flush_to_zero();
    let mut examiner = Examiner::new(recipe, batch::<T>(recipe, feed.rows.len())?, true)?;
    let mut team = team_for(&examiner, feed.rows.len(), threads);
    examiner.score(&mut team, theta, feed, scorer, &Control::default())
}
