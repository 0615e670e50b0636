//! Batch normalization, Ioffe & Szegedy 2015, arXiv:1502.03167: y = γ·(x − μ)/√(σ² + ε) + β, μ and σ² (biased) a channel, over all other axes.
//!
//! What is traced is `batchNorm`, which takes its statistics as an input, [mean; variance] as [2, c]: the running ones. The pass `mode`
//! makes `batchNormTraining` of it in training, which takes those of the batch; and after differentiation the pass `share_moments`
//! makes that a `batchNorm` by `columnMoments(x)`, so that the output, its derivative and the running statistics read one computation.
//!
//! Moments are summed in blocks of rows that follow from the shape, each around its own mean, and joined by Chan's formula: one reading
//! of x, and the same bits on any number of threads.

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Real, norm, reduce};
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde, by_decomposition, no_attributes};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::{BinaryKind, UnaryKind};
use crate::shape::{Dim, Shape};

/// Rows and channels of a value.
fn rows_of(x: &Shape, batch: usize) -> (usize, usize) {
    let c = x.last(batch);
    (x.elements(batch).checked_div(c).unwrap_or(0), c)
}

fn channels(x: &Shape) -> Result<Dim> {
    match x.0.last() {
        Some(&c) if x.rank() >= 2 && !c.batch && c.size > 0 => Ok(c),
        _ => Err(Error::new(Code::ShapeMismatch, format!("{x} has no channels to normalize"))
            .expected("[batch, …, channels]")
            .received(x.to_string())),
    }
}

fn expect(what: &str, found: &Shape, expected: Shape) -> Result<()> {
    if *found == expected {
        return Ok(());
    }
    Err(Error::new(Code::ShapeMismatch, format!("{what} has shape {found}"))
        .expected(expected.to_string())
        .received(found.to_string()))
}

fn pair(c: Dim) -> Shape {
    Shape(vec![Dim::fixed(2), c])
}

fn check_epsilon(epsilon: f64) -> Result<()> {
    if epsilon >= 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::option("epsilon", "a number of at least 0", epsilon))
}

/// Row `index` of a `[rows, c]` value as `[c]`.
pub(crate) fn row(b: &mut Builder, m: Id, index: usize) -> Result<Id> {
    let rows = b.shape(m).0[0].size;
    let mut chosen = vec![0.0; rows];
    chosen[index] = 1.0;
    let chosen = b.constant(chosen, &[rows, 1])?;
    let kept = b.binary(BinaryKind::Multiply, m, chosen)?;
    b.sum(kept, &[0], false)
}

/// `[c]` values as the rows of one.
fn stack(b: &mut Builder, rows: &[Id]) -> Result<Id> {
    let mut sum = None;
    for (i, &value) in rows.iter().enumerate() {
        let mut chosen = vec![0.0; rows.len()];
        chosen[i] = 1.0;
        let chosen = b.constant(chosen, &[rows.len(), 1])?;
        let placed = b.binary(BinaryKind::Multiply, value, chosen)?;
        sum = Some(match sum {
            Some(sum) => b.binary(BinaryKind::Add, sum, placed)?,
            None => placed,
        });
    }
    sum.ok_or_else(|| Error::internal("nothing to stack"))
}

/// 1/√(variance + ε) as `[c]`.
pub(crate) fn inverse_deviation(b: &mut Builder, moments: Id, epsilon: f64) -> Result<Id> {
    let variance = row(b, moments, 1)?;
    let epsilon = b.scalar(epsilon);
    let sum = b.binary(BinaryKind::Add, variance, epsilon)?;
    let root = b.unary(UnaryKind::Sqrt, sum)?;
    b.unary(UnaryKind::Reciprocal, root)
}

/// (x − mean)/√(variance + ε).
fn standardized(b: &mut Builder, x: Id, moments: Id, epsilon: f64) -> Result<Id> {
    let mean = row(b, moments, 0)?;
    let scale = inverse_deviation(b, moments, epsilon)?;
    let d = b.binary(BinaryKind::Subtract, x, mean)?;
    b.binary(BinaryKind::Multiply, d, scale)
}

fn all_but_last(shape: &Shape) -> Vec<usize> {
    (0..shape.rank() - 1).collect()
}

/// Elements a channel of x, 1 for none: what sums are divided by.
fn row_count(b: &mut Builder, x: Id) -> Result<Id> {
    let axes = all_but_last(b.shape(x)).into_iter().map(|a| a as i64).collect();
    let count = b.apply(Count { axes: Some(axes) }.into(), &[x])?;
    let one = b.scalar(1.0);
    b.binary(BinaryKind::Maximum, count, one)
}

/// Blocks of rows that are summed one by one: at most [`BLOCKS`], at least 64 rows each.
fn block_rows(rows: usize) -> usize {
    rows.div_ceil(BLOCKS).max(64)
}
const BLOCKS: usize = 256;

/// The most blocks that any batch up to this many rows has.
fn most_blocks(rows: usize) -> usize {
    rows.div_ceil(64).min(BLOCKS)
}

/// How many elements the reduced axes have together (all axes when `null`): a number that may grow with the batch. No gradient.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Count {
    /// The axes, negative ones counted from the last.
    pub axes: Option<Vec<i64>>,
}

impl Op for Count {
    const NAMES: &'static [&'static str] = &["count"];
    const HINT: &'static str = "axes are whole numbers from −rank to rank − 1.";
    const INPUTS: usize = 1;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        for &axis in self.axes.iter().flatten() {
            x[0].axis(axis)?;
        }
        Ok(Shape::default())
    }

    fn gradient(&self, _b: &mut Builder, _at: &At) -> Result<Gradients> {
        Ok(vec![None])
    }

    fn work(&self, _x: &[&Shape], _y: &Shape, _batch: usize) -> usize {
        1
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (shape, batch) = (io.shape(0), io.batch());
        let count = match &self.axes {
            None => shape.elements(batch),
            Some(axes) => axes.iter().map(|&a| shape.axis(a).map_or(1, |a| shape.0[a].at(batch))).product(),
        };
        let range = io.part(1);
        // SAFETY: one member has the only element.
        unsafe { io.output(range) }.fill(T::from_f64(count as f64));
    }

    fn samples() -> Vec<Sample> {
        let of = |axes: Option<&[i64]>| Count {
            axes: axes.map(<[i64]>::to_vec),
        };
        vec![
            Sample::new(of(None), &[&[-1, 3]]),
            Sample::new(of(Some(&[0, -1])), &[&[-1, 3, 2]]),
            Sample::new(of(Some(&[])), &[&[0, 3]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(Count { axes: Some(vec![2]) }, &[&[-1, 3]])]
    }
}

/// Mean and biased variance of each channel over all other axes: [.., c] → [2, c]. Zeros where there are no rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnMoments;

impl ColumnMoments {
    fn compute<T: Real>(io: &Io<T>, x: &[T], rows: usize, c: usize, partial: *mut T, to: *mut T) {
        let step = block_rows(rows);
        let blocks = rows.div_ceil(step);
        for block in io.part(blocks) {
            let part = block * step..rows.min((block + 1) * step);
            // SAFETY: scratch holds two rows a block, and members take disjoint blocks.
            let (mean, squares) = unsafe { std::slice::from_raw_parts_mut(partial.add(2 * block * c), 2 * c) }.split_at_mut(c);
            let x = &x[part.start * c..part.end * c];
            reduce::sum_columns(part.len(), c, x, c, mean, 0..c);
            let share = T::ONE / T::from_f64(part.len() as f64);
            mean.iter_mut().for_each(|m| *m *= share);
            norm::centred_products(part.len(), x, mean, None, squares);
        }
        io.barrier();
        // SAFETY: the members have met; the partial sums are only read now, and members write disjoint columns.
        let partial = unsafe { std::slice::from_raw_parts(partial, 2 * blocks * c) };
        let share = T::ONE / T::from_f64(rows.max(1) as f64);
        let size = |block: usize| T::from_f64((rows.min((block + 1) * step) - block * step) as f64);
        for j in io.part_in_blocks(c, 16) {
            let mut mean = T::ZERO;
            for block in 0..blocks {
                mean += size(block) * partial[2 * block * c + j];
            }
            mean *= share;
            let mut squares = T::ZERO;
            for block in 0..blocks {
                let d = partial[2 * block * c + j] - mean;
                squares += partial[(2 * block + 1) * c + j] + size(block) * d * d;
            }
            // SAFETY: column j is this member's.
            unsafe {
                to.add(j).write(mean);
                to.add(c + j).write(squares * share);
            }
        }
    }
}

impl Op for ColumnMoments {
    const NAMES: &'static [&'static str] = &["columnMoments"];
    const HINT: &'static str = "x is [batch, …, channels] with at least one channel.";
    const INPUTS: usize = 1;

    fn parse(name: &str, attributes: serde_json::Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| ColumnMoments)
    }

    fn attributes(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        channels(x[0]).map(pair)
    }

    /// dx = (dmean + 2·(x − mean)·dvariance)/n
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let x = at.inputs[0];
        let count = row_count(b, x)?;
        let (mean, first, second) = (row(b, at.y, 0)?, row(b, at.dy, 0)?, row(b, at.dy, 1)?);
        let d = b.binary(BinaryKind::Subtract, x, mean)?;
        let twice = b.scale(second, 2.0)?;
        let product = b.binary(BinaryKind::Multiply, d, twice)?;
        let sum = b.binary(BinaryKind::Add, product, first)?;
        Ok(vec![Some(b.binary(BinaryKind::Divide, sum, count)?)])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let x = inputs[0];
        let mut build = || {
            let over = all_but_last(b.shape(x));
            let count = row_count(b, x)?;
            let total = b.sum(x, &over, false)?;
            let mean = b.binary(BinaryKind::Divide, total, count)?;
            let d = b.binary(BinaryKind::Subtract, x, mean)?;
            let squares = b.unary(UnaryKind::Square, d)?;
            let total = b.sum(squares, &over, false)?;
            let variance = b.binary(BinaryKind::Divide, total, count)?;
            stack(b, &[mean, variance])
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        let (rows, c) = rows_of(x[0], batch);
        2 * most_blocks(rows) * c
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        6 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, c) = rows_of(io.shape(0), io.batch());
        Self::compute(io, io.input(0), rows, c, io.scratch_start(), io.output_start());
    }

    fn samples() -> Vec<Sample> {
        [&[-1, 5][..], &[-1, 3, 17], &[200, 3], &[2, 90, 33], &[1, 1], &[0, 4]]
            .map(|x| Sample::new(ColumnMoments, &[x]))
            .to_vec()
    }

    fn bad_samples() -> Vec<Sample> {
        [&[-1][..], &[3, -1], &[-1, 0]].map(|x| Sample::new(ColumnMoments, &[x])).to_vec()
    }
}

/// y = γ·(x − mean)/√(variance + ε) + β by given statistics. Inputs x, γ, β and [mean; variance], which get no gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance.
    pub epsilon: f64,
}

impl Default for BatchNorm {
    fn default() -> Self {
        BatchNorm { epsilon: 1e-5 }
    }
}

impl BatchNorm {
    /// This member's rows, once the coefficients y = x·a + b are in scratch.
    fn apply<T: Real>(&self, io: &Io<T>, moments: &[T], coefficients: *mut T) {
        let (x, gamma, beta, c) = (io.input(0), io.input(1), io.input(2), io.input(1).len());
        let epsilon = T::from_f64(self.epsilon);
        let columns = io.part_in_blocks(c, 16);
        for j in columns {
            let a = gamma[j] * (T::ONE / (moments[c + j] + epsilon).sqrt());
            // SAFETY: scratch holds two rows, and members take disjoint columns.
            unsafe {
                coefficients.add(j).write(a);
                coefficients.add(c + j).write(beta[j] - moments[j] * a);
            }
        }
        io.barrier();
        // SAFETY: the members have met; the coefficients are only read now.
        let (a, b) = unsafe { std::slice::from_raw_parts(coefficients, 2 * c) }.split_at(c);
        let rows = io.part(io.len() / c);
        let range = rows.start * c..rows.end * c;
        // SAFETY: members take disjoint rows.
        norm::affine_columns(&x[range.clone()], a, b, None, unsafe { io.output(range) });
    }
}

fn expect_scale_and_shift(x: &[&Shape]) -> Result<Dim> {
    let c = channels(x[0])?;
    expect("the scale", x[1], Shape(vec![c]))?;
    expect("the shift", x[2], Shape(vec![c]))?;
    Ok(c)
}

impl Op for BatchNorm {
    const NAMES: &'static [&'static str] = &["batchNorm"];
    const HINT: &'static str = "x is [batch, …, channels], scale and shift [channels], moments [2, channels].";
    const INPUTS: usize = 4;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let c = expect_scale_and_shift(x)?;
        expect("[mean; variance]", x[3], pair(c))?;
        check_epsilon(self.epsilon)?;
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let [x, gamma, _, moments] = at.inputs[..] else {
            return Err(Error::internal("batchNorm has four inputs"));
        };
        let over = all_but_last(b.shape(x));
        let mut grads = vec![None; 4];
        if at.wants[0] {
            let scale = inverse_deviation(b, moments, self.epsilon)?;
            let slope = b.binary(BinaryKind::Multiply, gamma, scale)?;
            grads[0] = Some(b.binary(BinaryKind::Multiply, at.dy, slope)?);
        }
        if at.wants[1] {
            let y = standardized(b, x, moments, self.epsilon)?;
            let product = b.binary(BinaryKind::Multiply, at.dy, y)?;
            grads[1] = Some(b.sum(product, &over, false)?);
        }
        if at.wants[2] {
            grads[2] = Some(b.sum(at.dy, &over, false)?);
        }
        Ok(grads)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let y = standardized(b, inputs[0], inputs[3], self.epsilon)?;
            let y = b.binary(BinaryKind::Multiply, y, inputs[1])?;
            b.binary(BinaryKind::Add, y, inputs[2])
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        2 * x[1].elements(1)
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        self.apply(io, io.input(3), io.scratch_start());
    }

    fn samples() -> Vec<Sample> {
        // Variances are positive.
        [&[-1, 5][..], &[-1, 3, 17], &[2, 3, 4, 2], &[1, 1], &[0, 4]]
            .map(|x| {
                let c = x[x.len() - 1];
                let mut sample = Sample::new(BatchNorm { epsilon: 1e-3 }, &[x, &[c], &[c], &[2, c]]);
                sample.inputs[3].range = (0.2, 2.0);
                sample
            })
            .to_vec()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(BatchNorm::default(), &[&[-1, 4], &[4], &[4], &[4]]),
            Sample::new(BatchNorm::default(), &[&[-1, 4], &[3], &[4], &[2, 4]]),
            Sample::new(BatchNorm { epsilon: -1.0 }, &[&[-1, 4], &[4], &[4], &[2, 4]]),
        ]
    }
}

/// [`BatchNorm`] by the statistics of x itself. Inputs x, γ, β.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchNormTraining(pub BatchNorm);

impl Op for BatchNormTraining {
    const NAMES: &'static [&'static str] = &["batchNormTraining"];
    const HINT: &'static str = "x is [batch, …, channels], scale and shift [channels], moments [2, channels].";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        expect_scale_and_shift(x)?;
        check_epsilon(self.0.epsilon)?;
        Ok(x[0].clone())
    }

    /// With S₀ = Σ dy and S₁ = Σ dy·x̂ a channel: dβ = S₀, dγ = S₁, dx = γ/√(σ² + ε)·(dy − S₀/n − x̂·S₁/n), as dy·a + x·b + c.
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        use BinaryKind::{Add, Divide, Multiply};
        let (x, gamma, dy) = (at.inputs[0], at.inputs[1], at.dy);
        let moments = b.apply(ColumnMoments.into(), &[x])?;
        let sums = b.apply(BatchNormSums(self.0.clone()).into(), &[x, moments, dy])?;
        let (first, second) = (row(b, sums, 0)?, row(b, sums, 1)?);
        let mut dx = None;
        if at.wants[0] {
            let count = row_count(b, x)?;
            let mean = row(b, moments, 0)?;
            let scale = inverse_deviation(b, moments, self.0.epsilon)?;
            let slope = b.binary(Multiply, gamma, scale)?;
            // b = −slope·scale·S₁/n, c = −slope·S₀/n − mean·b
            let per_row = b.binary(Divide, slope, count)?;
            let minus = b.unary(UnaryKind::Negate, per_row)?;
            let shared = b.binary(Multiply, minus, first)?;
            let steep = b.binary(Multiply, minus, scale)?;
            let steep = b.binary(Multiply, steep, second)?;
            let back = b.binary(Multiply, mean, steep)?;
            let back = b.unary(UnaryKind::Negate, back)?;
            let constant = b.binary(Add, shared, back)?;
            let coefficients = stack(b, &[slope, steep, constant])?;
            dx = Some(b.apply(ColumnAffine.into(), &[dy, x, coefficients])?);
        }
        Ok(vec![dx, Some(second), Some(first)])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let Some(moments) = ColumnMoments.decompose(b, inputs) else {
                return Err(Error::internal("columnMoments decomposes"));
            };
            let y = standardized(b, inputs[0], moments?, self.0.epsilon)?;
            let y = b.binary(BinaryKind::Multiply, y, inputs[1])?;
            b.binary(BinaryKind::Add, y, inputs[2])
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        ColumnMoments.scratch(x, batch) + 4 * x[1].elements(1)
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        10 * y.elements(batch)
    }

    /// For a graph that no pass has split; programs run `columnMoments` and `batchNorm` instead.
    fn run<T: Real>(&self, io: &Io<T>) {
        let (rows, c) = rows_of(io.shape(0), io.batch());
        let moments = io.scratch_start();
        // SAFETY: scratch holds moments and coefficients, two rows each, then the partial sums.
        let (coefficients, partial) = unsafe { (moments.add(2 * c), moments.add(4 * c)) };
        ColumnMoments::compute(io, io.input(0), rows, c, partial, moments);
        io.barrier();
        // SAFETY: the members have met; the moments are only read now.
        self.0
            .apply(io, unsafe { std::slice::from_raw_parts(moments, 2 * c) }, coefficients);
    }

    fn samples() -> Vec<Sample> {
        [&[-1, 5][..], &[-1, 3, 17], &[70, 3, 2], &[2, 3, 4, 2], &[1, 1], &[0, 4]]
            .map(|x| {
                let c = x[x.len() - 1];
                Sample::new(BatchNormTraining(BatchNorm { epsilon: 1e-2 }), &[x, &[c], &[c]])
            })
            .to_vec()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(BatchNormTraining::default(), &[&[4], &[4], &[4]]),
            Sample::new(BatchNormTraining::default(), &[&[-1, 4], &[4], &[3]]),
        ]
    }
}

/// [Σ dy; Σ dy·x̂] a channel, x̂ = (x − mean)/√(variance + ε): the gradients of β and γ. Inputs x, [mean; variance], dy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchNormSums(pub BatchNorm);

impl Op for BatchNormSums {
    const NAMES: &'static [&'static str] = &["batchNormSums"];
    const HINT: &'static str = "x and its gradient have one shape [batch, …, channels], moments [2, channels].";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let c = channels(x[0])?;
        expect("[mean; variance]", x[1], pair(c))?;
        expect("the gradient", x[2], x[0].clone())?;
        check_epsilon(self.0.epsilon)?;
        Ok(pair(c))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let over = all_but_last(b.shape(inputs[0]));
            let y = standardized(b, inputs[0], inputs[1], self.0.epsilon)?;
            let product = b.binary(BinaryKind::Multiply, inputs[2], y)?;
            let (first, second) = (b.sum(inputs[2], &over, false)?, b.sum(product, &over, false)?);
            stack(b, &[first, second])
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        ColumnMoments.scratch(&x[..1], batch)
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        8 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (x, moments, dy) = (io.input(0), io.input(1), io.input(2));
        let (rows, c) = rows_of(io.shape(0), io.batch());
        let step = block_rows(rows);
        let blocks = rows.div_ceil(step);
        for block in io.part(blocks) {
            let part = block * step..rows.min((block + 1) * step);
            let range = part.start * c..part.end * c;
            // SAFETY: scratch holds two rows a block, and members take disjoint blocks.
            let sums = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(2 * block * c), 2 * c) };
            let (first, second) = sums.split_at_mut(c);
            reduce::sum_columns(part.len(), c, &dy[range.clone()], c, first, 0..c);
            norm::centred_products(part.len(), &x[range.clone()], &moments[..c], Some(&dy[range]), second);
        }
        io.barrier();
        // SAFETY: the members have met; the partial sums are only read now.
        let partial = unsafe { std::slice::from_raw_parts(io.scratch_start(), 2 * blocks * c) };
        let epsilon = T::from_f64(self.0.epsilon);
        for j in io.part_in_blocks(c, 16) {
            let (mut first, mut second) = (T::ZERO, T::ZERO);
            for block in 0..blocks {
                first += partial[2 * block * c + j];
                second += partial[(2 * block + 1) * c + j];
            }
            second *= T::ONE / (moments[c + j] + epsilon).sqrt();
            // SAFETY: column j is this member's.
            unsafe {
                io.output_start().add(j).write(first);
                io.output_start().add(c + j).write(second);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        [&[-1, 5][..], &[-1, 3, 17], &[70, 3, 2], &[1, 1], &[0, 4]]
            .map(|x| {
                let mut sample = Sample::new(BatchNormSums::default(), &[x, &[2, x[x.len() - 1]], x]);
                sample.inputs[1].range = (0.2, 2.0);
                sample
            })
            .to_vec()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(BatchNormSums::default(), &[&[-1, 4], &[2, 4], &[-1, 5]])]
    }
}

/// y = p·a + q·b + c a channel. Inputs p, q and [a; b; c] as [3, channels].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnAffine;

impl Op for ColumnAffine {
    const NAMES: &'static [&'static str] = &["columnAffine"];
    const HINT: &'static str = "both values have one shape [batch, …, channels], coefficients are [3, channels].";
    const INPUTS: usize = 3;

    fn parse(name: &str, attributes: serde_json::Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| ColumnAffine)
    }

    fn attributes(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let c = channels(x[0])?;
        expect("the second operand", x[1], x[0].clone())?;
        expect("the coefficients", x[2], Shape(vec![Dim::fixed(3), c]))?;
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (p, q, dy) = (at.inputs[0], at.inputs[1], at.dy);
        let over = all_but_last(b.shape(p));
        let mut grads = vec![None; 3];
        for (index, gradient) in grads.iter_mut().enumerate().take(2).filter(|(i, _)| at.wants[*i]) {
            let factor = row(b, at.inputs[2], index)?;
            *gradient = Some(b.binary(BinaryKind::Multiply, dy, factor)?);
        }
        if at.wants[2] {
            let mut sums = Vec::new();
            for x in [p, q] {
                let product = b.binary(BinaryKind::Multiply, dy, x)?;
                sums.push(b.sum(product, &over, false)?);
            }
            sums.push(b.sum(dy, &over, false)?);
            grads[2] = Some(stack(b, &sums)?);
        }
        Ok(grads)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let rows = [row(b, inputs[2], 0)?, row(b, inputs[2], 1)?, row(b, inputs[2], 2)?];
            let first = b.binary(BinaryKind::Multiply, inputs[0], rows[0])?;
            let second = b.binary(BinaryKind::Multiply, inputs[1], rows[1])?;
            let sum = b.binary(BinaryKind::Add, first, second)?;
            b.binary(BinaryKind::Add, sum, rows[2])
        };
        Some(build())
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        6 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (p, q, k) = (io.input(0), io.input(1), io.input(2));
        let c = k.len() / 3;
        let rows = io.part(io.len() / c);
        let range = rows.start * c..rows.end * c;
        // SAFETY: members take disjoint rows.
        let y = unsafe { io.output(range.clone()) };
        let z = Some((&q[range.clone()], &k[c..2 * c]));
        norm::affine_columns(&p[range], &k[..c], &k[2 * c..], z, y);
    }

    fn samples() -> Vec<Sample> {
        [&[-1, 5][..], &[-1, 3, 17], &[1, 1], &[0, 4]]
            .map(|x| Sample::new(ColumnAffine, &[x, x, &[3, x[x.len() - 1]]]))
            .to_vec()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(ColumnAffine, &[&[-1, 4], &[-1, 4], &[2, 4]])]
    }
}
