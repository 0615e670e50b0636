//! From rows of a data set to the inputs of a program: gathered by index, prepared on the way, never copied before. Only where a recipe
//! changes prepared rows (augmentation beside preparation that is more than an affine map a column) these are a data set of their own.

use std::ops::Range;
use std::sync::Mutex;

use nabla_data::augment::{Augmentation, Augmenter, Scratch};
use nabla_data::pipeline::Prepared;
use nabla_data::prepare::Fitted;
use nabla_data::{Dataset, Matrix, Storage, Target};
use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::gather::gather_rows;
use nabla_kernels::philox::{Stream, hash_path, shuffle};
use nabla_metrics::Truth;

use crate::output_weights::weights_of;
use crate::recipe::Recipe;
use crate::spec::FitSpec;
use crate::target_units::units;

/// A data set as a recipe reads it.
pub struct Feed<'a> {
    data: Dataset,
    preparation: &'a Fitted,
    /// Of stages before the map that change the rows.
    staged: Option<&'a Prepared>,
    target_preparation: &'a Fitted,
    identity: bool,
    class_weights: Option<Vec<f64>>,
    /// Of outputs by name.
    output_weights: Vec<(String, Vec<f64>)>,
    /// How the target of each output by name was prepared, where it was.
    units: Vec<(String, Fitted)>,
    /// Values a row of the program's input: more than the data set has where its longest sequence is shorter.
    wide: usize,
    changes: Option<Changes>,
    /// Rows of the data set, as indices into its source.
    pub rows: Vec<u32>,
}

impl<'a> Feed<'a> {
    /// Of a data set whose features and, where the loss is wanted, targets fit the recipe. Without the loss whoever reads rows asks
    /// [`Self::check_rows`] about them first.
    pub fn new(
        recipe: &Recipe,
        data: &Dataset,
        preparation: &'a Prepared,
        target_preparation: &'a Fitted,
        targets: bool,
    ) -> Result<Feed<'a>> {
        let staged = preparation.has_stages();
        let expected: usize = if staged {
            preparation.width()
        } else {
            recipe.input_shape().iter().product()
        };
        let time = recipe.mask_time();
        if let Some(lengths) = data.source().lengths() {
            expect_sequences(recipe, data, lengths, time)?;
        } else if data.width() != expected {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("the model reads {expected} values a row, the data set has {}", data.width()),
            )
            .at("features")
            .expected(format!("{:?}", if staged { vec![expected] } else { recipe.input_shape() }))
            .received(format!("{:?}", data.source().sample_shape())));
        }
        let wide = if data.source().lengths().is_some() {
            expected
        } else {
            preparation.prepared_width()
        };
        let data = data.clone();
        let staged = preparation.changes(&data)?.then_some(preparation);
        let preparation = preparation.map();
        if targets {
            check_targets(recipe, &data)?;
        }
        if targets && staged.is_none() {
            data.check_finite()?;
        }
        let identity = preparation.is_identity();
        Ok(Feed {
            preparation,
            staged,
            target_preparation,
            identity,
            class_weights: None,
            output_weights: Vec::new(),
            units: if recipe.spec.outputs.is_empty() {
                Vec::new()
            } else {
                units(recipe, data.schema().target.as_ref(), target_preparation)
            },
            rows: if targets { there(&data)? } else { data.source_rows() },
            data,
            wide,
            changes: None,
        })
    }

    /// Whether these of the data set's rows are whole.
    ///
    /// # Errors
    /// `INVALID_DATA` naming the first cell that is missing.
    pub fn check_rows(&self, rows: Range<usize>) -> Result<()> {
        if self.staged.is_some() {
            return Ok(());
        }
        self.data.check_finite_rows(rows)
    }

    /// The same with weights of the classes in the objective: of the only output, or of outputs by name.
    pub fn with_class_weights(mut self, spec: &FitSpec) -> Result<Feed<'a>> {
        let target = self.data.source().target();
        if let Some(weights) = &spec.class_weights {
            self.class_weights = Some(weights_of(weights, target, &self.rows, "classWeights")?);
        }
        for (name, weights) in spec.weighted_outputs() {
            let own = target.and_then(|target| target.named(name));
            let weights = weights_of(weights, own, &self.rows, &format!("classWeights.{name}"))?;
            self.output_weights.push((name.to_owned(), weights));
        }
        Ok(self)
    }

    /// What the loss of each row counts in one of the outputs whose classes have weights: with the weights w of the rows it becomes
    /// Σ w·c·ℓ / Σ w·c.
    pub fn fill_class_weights<T: Real>(&self, index: usize, rows: &[u32], out: &mut [T]) {
        let Some((name, weights)) = self.output_weights.get(index) else {
            return out.fill(T::ONE);
        };
        let Some(Target::Classes { labels, .. }) = self.data.source().target().and_then(|target| target.named(name)) else {
            return out.fill(T::ONE);
        };
        let of_row = |row: u32| self.data.source().weights().map_or(1.0, |w| w[row as usize]);
        let of_class = |row: u32| weights[labels[row as usize] as usize];
        let (mut whole, mut weighted) = (0.0, 0.0);
        for &row in rows {
            whole += of_row(row);
            weighted += of_row(row) * of_class(row);
        }
        let factor = if weighted > 0.0 { whole / weighted } else { 0.0 };
        rows.iter()
            .zip(out)
            .for_each(|(&row, out)| *out = T::from_f64(of_class(row) * factor));
    }

    /// Its rows in an order of the epoch's own.
    pub fn shuffle(&self, seed: u64, epoch: usize, order: &mut [u32]) {
        order.copy_from_slice(&self.rows);
        shuffle(order, Stream::new(seed, hash_path("order of rows"), epoch as u64));
    }

    /// The same with changes of its rows, each epoch anew, by so many members at once.
    pub fn with_changes(mut self, recipe: &[Augmentation], seed: u64, members: usize) -> Result<Feed<'a>> {
        if recipe.is_empty() {
            return Ok(self);
        }
        if let Some(prepared) = self.staged.take() {
            self.data = prepared.materialise(&self.data)?;
            self.rows = there(&self.data)?;
        }
        let augmenter = Augmenter::new(recipe, seed, &self.data, &self.rows)?;
        let buffers = |_| match self.data.source().features().storage() {
            Storage::F64 => Mutex::new(Buffers::Double(augmenter.scratch())),
            _ => Mutex::new(Buffers::Single(augmenter.scratch())),
        };
        self.changes = Some(Changes {
            buffers: (0..members).map(buffers).collect(),
            augmenter,
        });
        Ok(self)
    }

    /// Prepared features of some rows as they are in an epoch; `rank` is the member's.
    pub fn changed_features<T: Real>(&self, epoch: usize, rows: &[u32], rank: usize, out: &mut [T]) {
        let Some(Changes { augmenter, buffers }) = &self.changes else {
            return self.features(rows, out);
        };
        // Each member has its own: nobody waits.
        let mut buffers = buffers[rank].lock().unwrap_or_else(|e| e.into_inner());
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(self.data.width().max(1))) {
            match &mut *buffers {
                Buffers::Single(scratch) => self.prepare(augmenter.row(epoch as u64, row, scratch), out),
                Buffers::Double(scratch) => self.prepare(augmenter.row(epoch as u64, row, scratch), out),
            }
            self.blank(row, out);
        }
    }

    /// The affine map of one row that is already at hand, as [`gather_rows`] computes it.
    fn prepare<S: Real, T: Real>(&self, values: &[S], out: &mut [T]) {
        let (shift, factor) = (self.preparation.shift(), self.preparation.factor());
        if self.identity {
            values
                .iter()
                .zip(out.iter_mut())
                .for_each(|(x, out)| *out = T::from_f64(x.to_f64()));
        } else {
            for (((x, out), shift), factor) in values.iter().zip(out.iter_mut()).zip(shift).zip(factor) {
                *out = T::from_f64((x.to_f64() - shift) * factor);
            }
        }
        self.cut(out);
    }

    /// Targets of some rows as they are in an epoch: numbers are mixed as the samples are. Of classes the row's own, and into `partners`
    /// and `shares`, where the program has them, those of the other sample, and the share that stays the row's own.
    pub fn changed_targets<T: Real>(&self, epoch: usize, rows: &[u32], out: &mut [T], other: Option<(&mut [T], &mut [T])>) {
        self.targets(rows, out);
        let Some(Changes { augmenter, .. }) = self.changes.as_ref().filter(|c| c.augmenter.mixes()) else {
            return;
        };
        let mixed = |row: u32| augmenter.partner(epoch as u64, row).unwrap_or((row, 1.0));
        if let Some((partners, shares)) = other {
            for ((&row, partner), share) in rows.iter().zip(partners).zip(shares) {
                let (with, own) = mixed(row);
                self.targets(&[with], std::slice::from_mut(partner));
                *share = T::from_f64(own);
            }
            return;
        }
        let width = out.len() / rows.len().max(1);
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width.max(1))) {
            let (with, own) = mixed(row);
            for (j, out) in out.iter_mut().enumerate() {
                *out = T::from_f64(own * out.to_f64() + (1.0 - own) * self.target(with, j));
            }
        }
    }

    /// One prepared target number.
    fn target(&self, row: u32, j: usize) -> f64 {
        match self.data.source().target() {
            Some(Target::Classes { labels, .. }) => f64::from(labels[row as usize]),
            Some(Target::Numbers { width, values, .. }) => {
                let (shift, factor) = (self.target_preparation.shift(), self.target_preparation.factor());
                (values[row as usize * width + j] - shift.get(j).unwrap_or(&0.0)) * factor.get(j).unwrap_or(&1.0)
            }
            _ => 0.0,
        }
    }

    /// The weight of each row in the mean of a batch, w / Σ w, w the row's own times its class's.
    pub fn batch_weights(&self, rows: &[u32]) -> BatchWeights<'_> {
        let classes = match (&self.class_weights, self.data.source().target()) {
            (Some(weights), Some(Target::Classes { labels, .. })) => Some((weights.as_slice(), labels.as_slice())),
            _ => None,
        };
        let mut weights = BatchWeights {
            weights: self.data.source().weights(),
            classes,
            lengths: self.position_counts(),
            total: rows.len() as f64,
        };
        if weights.weights.is_some() || classes.is_some() || weights.lengths.is_some() {
            weights.total = rows.iter().map(|&row| weights.of(row)).sum();
        }
        weights
    }

    /// What reading rows from a file has run into: features given since may be NaN.
    pub fn check(&self) -> Result<()> {
        self.data.source().features().check()
    }

    /// Prepared features of some rows (indices into the source).
    pub fn features<T: Real>(&self, rows: &[u32], out: &mut [T]) {
        if let Some(prepared) = self.staged {
            for (&row, out) in rows.iter().zip(out.chunks_exact_mut(self.wide)) {
                prepared.staged(&self.data, row, |values| self.prepare(values, out));
            }
            return;
        }
        let width = self.data.width();
        let scale = (!self.identity).then(|| (&self.preparation.shift()[..width], &self.preparation.factor()[..width]));
        if width < self.wide {
            for (row, out) in rows.iter().zip(out.chunks_exact_mut(self.wide)) {
                let (own, padding) = out.split_at_mut(width);
                match self.data.source().features() {
                    Matrix::F32(values) => gather_rows(values, width, &[*row], scale, own),
                    Matrix::F64(values) => gather_rows(values, width, &[*row], scale, own),
                    Matrix::U8(values) => gather_rows(values, width, &[*row], scale, own),
                    Matrix::File(file) => file.gather(&[*row], width, scale, own),
                }
                self.cut(own);
                self.blank(*row, own);
                padding.fill(T::ZERO);
            }
            return;
        }
        match self.data.source().features() {
            Matrix::F32(values) => gather_rows(values, width, rows, scale, out),
            Matrix::F64(values) => gather_rows(values, width, rows, scale, out),
            Matrix::U8(values) => gather_rows(values, width, rows, scale, out),
            Matrix::File(file) => file.gather(rows, width, scale, out),
        }
        self.cut(out);
        rows.iter()
            .zip(out.chunks_exact_mut(width.max(1)))
            .for_each(|(&row, out)| self.blank(row, out));
    }

    /// Padding that preparation moved is 0 again.
    fn blank<T: Real>(&self, row: u32, out: &mut [T]) {
        if let (Some(lengths), false) = (self.data.source().lengths(), self.identity) {
            let time = self.data.source().sample_shape()[0].max(1);
            let step = out.len() / time;
            out[lengths[row as usize] as usize * step..].fill(T::ZERO);
        }
    }

    /// Whether its preparation has bounds, which a missing cell would be brought within.
    pub fn clips(&self) -> bool {
        self.preparation.clip().is_some()
    }

    /// Prepared rows within the bounds that their preparation gives them.
    fn cut<T: Real>(&self, out: &mut [T]) {
        let Some(clip) = self.preparation.clip() else { return };
        let width = if self.staged.is_some() { self.wide } else { self.data.width() };
        for row in out.chunks_exact_mut(width.max(1)) {
            for (value, clip) in row.iter_mut().zip(clip) {
                if let Some([low, high]) = clip {
                    *value = value.max(T::from_f64(*low)).min(T::from_f64(*high));
                }
            }
        }
    }

    /// 1 for each step that a row has, 0 for its padding.
    pub fn mask<T: Real>(&self, rows: &[u32], out: &mut [T]) {
        let time = out.len() / rows.len().max(1);
        let lengths = self.data.source().lengths();
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(time.max(1))) {
            let (steps, padding) = out.split_at_mut(lengths.map_or(time, |l| l[row as usize] as usize));
            steps.fill(T::ONE);
            padding.fill(T::ZERO);
        }
    }

    /// Class indices or prepared numbers of some rows; several targets side by side.
    pub fn targets<T: Real>(&self, rows: &[u32], out: &mut [T]) {
        if let Some(target) = self.data.source().target() {
            self.write_target(target, rows, out, (out.len() / rows.len().max(1)).max(1), 0);
        }
    }

    /// A target into rows of `stride` numbers, from the number `at` on.
    fn write_target<T: Real>(&self, target: &Target, rows: &[u32], out: &mut [T], stride: usize, at: usize) {
        match target {
            Target::Classes { labels, .. } => {
                rows.iter()
                    .zip(out.iter_mut().skip(at).step_by(stride))
                    .for_each(|(&row, out)| *out = T::from_f64(f64::from(labels[row as usize])));
            }
            Target::Sequence { width, labels, .. } => {
                for (&row, out) in rows.iter().zip(out.chunks_exact_mut(stride)) {
                    let labels = &labels[row as usize * width..][..*width];
                    let (own, padding) = out[at..].split_at_mut(*width);
                    labels
                        .iter()
                        .zip(own)
                        .for_each(|(&label, out)| *out = T::from_f64(f64::from(label)));
                    padding.fill(T::ZERO);
                }
            }
            Target::Numbers { width, values, .. } => {
                let (shift, factor) = (self.target_preparation.shift(), self.target_preparation.factor());
                for (&row, out) in rows.iter().zip(out.chunks_exact_mut(stride)) {
                    let values = &values[row as usize * width..][..*width];
                    for (j, (value, out)) in values.iter().zip(&mut out[at..]).enumerate() {
                        // Without steps nothing is prepared.
                        let (shift, factor) = (shift.get(at + j).unwrap_or(&0.0), factor.get(at + j).unwrap_or(&1.0));
                        *out = T::from_f64((value - shift) * factor);
                    }
                }
            }
            Target::Several { targets } => {
                let mut at = at;
                for (_, target) in targets {
                    self.write_target(target, rows, out, stride, at);
                    at += target.width();
                }
            }
        }
    }

    /// How many predictions a row has: one, or one for each position (of which padding is none).
    pub fn positions(&self, row: u32) -> usize {
        match (self.data.source().target(), self.data.source().lengths()) {
            (Some(Target::Sequence { .. }), Some(lengths)) => lengths[row as usize] as usize,
            (Some(Target::Sequence { width, .. }), None) => *width,
            _ => 1,
        }
    }

    /// Steps of each row, where each is predicted and rows have different numbers of them.
    fn position_counts(&self) -> Option<&[u32]> {
        let sequence = matches!(self.data.source().target(), Some(Target::Sequence { .. }));
        self.data.source().lengths().filter(|_| sequence)
    }

    /// Leaves out the predictions of padding: `values` are those of the rows, each with as many as the longest.
    pub fn without_padding(&self, rows: &[u32], values: &mut Vec<f64>) {
        let Some(lengths) = self.position_counts() else { return };
        let (wide, time) = (values.len() / rows.len().max(1), self.wide_positions());
        let outputs = wide / time.max(1);
        let mut end = 0;
        for (i, &row) in rows.iter().enumerate() {
            let count = lengths[row as usize] as usize * outputs;
            values.copy_within(i * wide..i * wide + count, end);
            end += count;
        }
        values.truncate(end);
    }

    /// Positions of a row of the program's output.
    fn wide_positions(&self) -> usize {
        match self.data.source().target() {
            Some(Target::Sequence { width, .. }) if self.staged.is_none() => width * self.wide / self.data.width().max(1),
            Some(Target::Sequence { width, .. }) => *width,
            _ => 1,
        }
    }

    /// The weights of the loss of some rows, into a buffer; whether there are any. Where each step is predicted, each step counts alike.
    pub fn weights(&self, rows: &[u32], out: &mut Vec<f64>) -> bool {
        let (weights, lengths) = (self.data.source().weights(), self.position_counts());
        if weights.is_none() && lengths.is_none() {
            return false;
        }
        out.clear();
        out.extend(rows.iter().map(|&row| {
            let steps = lengths.map_or(1.0, |l| f64::from(l[row as usize]));
            weights.map_or(1.0, |w| w[row as usize]) * steps
        }));
        true
    }

    /// The weights of the predictions of some rows, into a buffer; whether there are any.
    pub fn prediction_weights(&self, rows: &[u32], out: &mut Vec<f64>) -> bool {
        let Some(weights) = self.data.source().weights() else {
            return false;
        };
        out.clear();
        rows.iter()
            .for_each(|&row| out.extend(std::iter::repeat_n(weights[row as usize], self.positions(row))));
        true
    }

    /// What metrics of an output compare with, in the target's own units; the buffers hold it. The output of that name among several
    /// reads the target of its name, or the column of its name among numbers.
    pub fn truth<'b>(&self, output: Option<&str>, rows: &[u32], labels: &'b mut Vec<u32>, numbers: &'b mut Vec<f64>) -> Option<Truth<'b>> {
        let mut target = self.data.source().target()?;
        if let (Target::Several { .. }, Some(name)) = (target, output) {
            target = target.named(name)?;
        }
        match target {
            Target::Classes { names, labels: all } => {
                labels.clear();
                labels.extend(rows.iter().map(|&row| all[row as usize]));
                Some(Truth::Classes {
                    labels,
                    count: names.len(),
                })
            }
            // Each position is one prediction.
            Target::Sequence { names, width, labels: all } => {
                labels.clear();
                rows.iter()
                    .for_each(|&row| labels.extend_from_slice(&all[row as usize * width..][..self.positions(row)]));
                Some(Truth::Classes {
                    labels,
                    count: names.len(),
                })
            }
            Target::Numbers { names, width, values } => {
                numbers.clear();
                let own = output.and_then(|name| names.iter().position(|n| n == name));
                let (from, count) = own.map_or((0, *width), |j| (j, 1));
                rows.iter()
                    .for_each(|&row| numbers.extend_from_slice(&values[row as usize * width + from..][..count]));
                Some(Truth::Numbers {
                    values: numbers,
                    width: count,
                })
            }
            Target::Several { .. } => None,
        }
    }

    /// Predictions of an output by name back in its target's own units.
    pub fn output_to_own_units(&self, name: &str, predictions: &mut [f64]) -> Result<()> {
        let own = self.units.iter().find(|(n, _)| n == name);
        own.map_or(Ok(()), |(_, fitted)| fitted.inverse(predictions))
    }

    /// Predictions back in the target's own units.
    pub fn to_own_units(&self, predictions: &mut [f64]) -> Result<()> {
        if matches!(
            self.data.source().target(),
            Some(Target::Classes { .. } | Target::Sequence { .. } | Target::Several { .. })
        ) || self.target_preparation.is_identity()
        {
            return Ok(());
        }
        self.target_preparation.inverse(predictions)
    }
}

/// The rows that count, as indices into the source: a row of weight 0 is absent.
fn there(data: &Dataset) -> Result<Vec<u32>> {
    let mut rows = data.source_rows();
    if let Some(weights) = data.source().weights() {
        rows.retain(|&row| weights[row as usize] != 0.0);
        if rows.is_empty() && data.rows() > 0 {
            return Err(Error::new(Code::InvalidData, "all weights are 0")
                .at("weights")
                .expected("at least one weight above 0"));
        }
    }
    Ok(rows)
}

/// What changes the rows of a feed, with buffers for each member of a team.
struct Changes {
    augmenter: Augmenter,
    buffers: Vec<Mutex<Buffers>>,
}

/// In the precision that the data set needs.
enum Buffers {
    Single(Scratch<f32>),
    Double(Scratch<f64>),
}

/// The weights of one batch.
pub struct BatchWeights<'a> {
    weights: Option<&'a [f64]>,
    /// Of each class, and the class of each row.
    classes: Option<(&'a [f64], &'a [u32])>,
    /// Steps of each row, where each of them is predicted.
    lengths: Option<&'a [u32]>,
    total: f64,
}

impl BatchWeights<'_> {
    fn of(&self, row: u32) -> f64 {
        let steps = self.lengths.map_or(1.0, |l| f64::from(l[row as usize]));
        let own = self.weights.map_or(steps, |w| w[row as usize] * steps);
        self.classes
            .map_or(own, |(weights, labels)| own * weights[labels[row as usize] as usize])
    }

    /// Into the program's input.
    pub fn fill<T: Real>(&self, rows: &[u32], out: &mut [T]) {
        if self.weights.is_none() && self.classes.is_none() && self.lengths.is_none() {
            out.fill(T::from_f64(1.0 / self.total));
            return;
        }
        rows.iter()
            .zip(out)
            .for_each(|(&row, out)| *out = T::from_f64(self.of(row) / self.total));
    }
}

/// Whether a model reads sequences with a mask, and these are not longer than it was made for.
fn expect_sequences(recipe: &Recipe, data: &Dataset, lengths: &[u32], time: Option<usize>) -> Result<()> {
    let Some(time) = time else {
        return Err(Error::new(
            Code::ShapeMismatch,
            "the rows are sequences of different lengths, the model was made for one length",
        )
        .at("features")
        .hint("Fit it on sequences of different lengths too."));
    };
    let (model, own) = (recipe.input_shape(), data.source().sample_shape());
    let longest = data.source_rows().iter().map(|&row| lengths[row as usize] as usize).max();
    if model[1..] == own[1..] && own[0] <= time && longest.is_none_or(|n| n <= time) {
        return Ok(());
    }
    Err(Error::new(
        Code::ShapeMismatch,
        format!("the model reads sequences of shape {model:?}, the data set has {own:?}"),
    )
    .at("features")
    .expected(format!("at most {time} steps of shape {:?}", &model[1..]))
    .received(format!("{} steps of shape {:?}", own[0], &own[1..]))
    .hint("Cut longer sequences, or fit with length: the longest there will be."))
}

/// Whether the targets are what the loss reads: class indices `[batch]`, or numbers `[batch, width]` (two classes as 0 and 1).
fn check_targets(recipe: &Recipe, data: &Dataset) -> Result<()> {
    let Some(target) = data.source().target() else {
        return Err(Error::new(Code::InvalidData, "the data set has no targets")
            .at("targets")
            .hint("Name the target column, or give `targets`."));
    };
    let Some(shape) = recipe.target_shape() else { return Ok(()) };
    let width = shape.0[1..].iter().map(|d| d.size).product::<usize>();
    let (fits, has) = match (target, recipe.classes()) {
        (Target::Classes { names, .. }, Some(outputs)) => (
            names.len() <= outputs && width == 1,
            format!("{} classes for {outputs} outputs", names.len()),
        ),
        (Target::Sequence { names, width: w, .. }, outputs) => (
            (*w == width || (*w < width && data.source().lengths().is_some()))
                && shape.rank() == 2
                && outputs.is_none_or(|n| names.len() <= n),
            format!("{w} of {} classes a row", names.len()),
        ),
        (Target::Numbers { width, .. }, Some(_)) => (false, format!("{width} numbers a row")),
        (Target::Classes { names, .. }, None) => (
            shape.rank() == 1 || (names.len() == 2 && width == 1),
            format!("{} classes", names.len()),
        ),
        (Target::Numbers { width: w, .. }, None) => (*w == width, format!("{w} numbers a row")),
        (Target::Several { targets }, _) => (
            shape.rank() == 2 && target.width() == width,
            format!("{} targets by name", targets.len()),
        ),
    };
    if fits {
        return Ok(());
    }
    let expected = if shape.rank() == 1 {
        "class indices".to_owned()
    } else if recipe.classes().is_some() {
        format!("{width} class indices a row")
    } else {
        format!("{width} numbers a row")
    };
    let error = Error::new(Code::ShapeMismatch, format!("the loss reads {expected}, the data set has {has}"))
        .at("targets")
        .expected(expected)
        .received(has);
    Err(match (target, recipe.classes()) {
        (Target::Numbers { .. }, Some(_)) => {
            error.hint("Numbers become classes by `task: 'classification'`; for numbers use a loss such as meanSquaredError.")
        }
        _ => error,
    })
}
