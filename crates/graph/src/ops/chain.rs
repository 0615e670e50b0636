//! Several element-wise functions as one: y = the last step of a short program over up to four values (broadcast by NumPy's rules). It
//! runs over blocks that stay in the first-level cache, so that nothing in between is written to memory; each step is the kernel that
//! would have run alone, so the bits are those of the steps one by one. Made by the pass `fuse_chains`; never traced, so it has no
//! derivative rule of its own.

use std::mem::MaybeUninit;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::elementwise::{self, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::elementwise::{Binary, BinaryKind, Strides, Unary, UnaryKind};
use super::{At, Gradients, Io, Op, Sample, attribute_error, by_decomposition};
use crate::builder::Builder;
use crate::ir::Id;
use crate::shape::Shape;

/// Values that a chain reads; an unused one repeats the first.
pub const INPUTS: usize = 4;
/// Steps at most: their blocks share the first-level cache.
pub const STEPS: usize = 8;
/// Elements of a block.
const BLOCK: usize = 512;

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// Of one operand.
    Unary(UnaryKind),
    /// Of two.
    Binary(BinaryKind),
}

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operand {
    /// An input, broadcast.
    Input(usize),
    /// An earlier step.
    Step(usize),
    /// A fixed number.
    Number(f64),
}

/// One step; a function of one operand reads the first only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What.
    pub function: Function,
    /// Of what.
    pub of: [Operand; 2],
}

impl Step {
    fn name(&self) -> &'static str {
        match self.function {
            Function::Unary(kind) => Unary(kind).name(),
            Function::Binary(kind) => Binary(kind).name(),
        }
    }

    /// The operands that count.
    pub fn operands(&self) -> &[Operand] {
        &self.of[..if matches!(self.function, Function::Unary(_)) { 1 } else { 2 }]
    }
}

/// The steps, in order; the last one is the result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// At most [`STEPS`].
    pub steps: Vec<Step>,
    /// The layer of each step, to name it by; empty where all are the node's own.
    pub paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepJson {
    apply: String,
    to: Vec<Operand>,
}

/// Where an input lies, and how it is walked.
#[derive(Clone, Copy)]
struct Walk<T> {
    start: *const T,
    read: bool,
    /// One value an element of the output, one for all, or one a column?
    whole: bool,
    single: bool,
    row: bool,
}

/// Is told a step's number and its values in a block …
type WatchBlock<'a, T> = dyn FnMut(usize, &[T]) + 'a;
/// … and where in the output the block begins.
type Watch<'a, T> = dyn FnMut(usize, usize, &[T]) + 'a;

impl Chain {
    fn reads(&self, input: usize) -> bool {
        self.steps.iter().any(|s| s.operands().contains(&Operand::Input(input)))
    }

    /// The shape of each step.
    fn shapes(&self, x: &[&Shape]) -> Result<Vec<Shape>> {
        let wrong = |what: String| Error::new(Code::InvalidOption, what).at("chain");
        if self.steps.is_empty() || self.steps.len() > STEPS {
            return Err(wrong(format!("{} steps", self.steps.len())).expected(format!("1 to {STEPS} steps")));
        }
        let mut shapes: Vec<Shape> = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let mut shape = Shape::default();
            for operand in step.operands() {
                let own = match *operand {
                    Operand::Input(i) if i < x.len() => x[i],
                    Operand::Step(s) if s < index => &shapes[s],
                    Operand::Number(_) => continue,
                    other => return Err(wrong(format!("step {index} reads {other:?}, which does not come before it"))),
                };
                shape = shape.broadcast(own)?;
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// Runs the steps on `n` elements; with a watch, which sees each step's values.
    ///
    /// # Safety
    /// The sources and `out` are valid for `n ≤ BLOCK` elements; an input is at the address of `out` or does not overlap it.
    #[inline]
    unsafe fn block<T: Real>(
        &self,
        inputs: &[Source<T>; INPUTS],
        buffers: *mut T,
        out: *mut T,
        n: usize,
        mut watch: Option<&mut WatchBlock<'_, T>>,
    ) {
        let last = self.steps.len() - 1;
        for (index, step) in self.steps.iter().enumerate() {
            let to = if index == last { out } else { buffers.wrapping_add(index * BLOCK) };
            let source = |operand: Operand| match operand {
                Operand::Input(i) => inputs[i],
                Operand::Step(s) => Source::Slice(buffers.wrapping_add(s * BLOCK).cast_const()),
                Operand::Number(v) => Source::Scalar(T::from_f64(v)),
            };
            // SAFETY: by the caller's promise; a step's block is its own.
            unsafe {
                match (step.function, source(step.of[0])) {
                    (Function::Unary(kind), Source::Slice(x)) => elementwise::unary_at(kind, x, to, n),
                    (Function::Unary(kind), Source::Scalar(x)) => {
                        std::slice::from_raw_parts_mut(to, n).fill(x);
                        elementwise::unary_at(kind, to, to, n);
                    }
                    (Function::Binary(kind), a) => elementwise::binary_at(kind, a, source(step.of[1]), to, n),
                }
                if let Some(watch) = &mut watch {
                    watch(index, std::slice::from_raw_parts(to, n));
                }
            }
        }
    }

    /// This member's part; with a watch, which is told the step, the output's element and the values from there on.
    fn run_all<T: Real>(&self, io: &Io<T>, mut watch: Option<&mut Watch<'_, T>>) {
        let (batch, out, total) = (io.batch(), io.out_shape(), io.len());
        if total == 0 {
            return;
        }
        let last = out.last(batch);
        let walks: [Walk<T>; INPUTS] = std::array::from_fn(|i| {
            let (len, read) = (io.input_len(i), self.reads(i));
            Walk {
                start: io.input_start(i),
                read,
                whole: len == total || !read,
                single: len == 1,
                row: len == last && io.shape(i).last(batch) == last,
            }
        });
        let mut buffers = [const { MaybeUninit::<T>::uninit() }; STEPS * BLOCK];
        let buffers = buffers.as_mut_ptr().cast::<T>();
        let mut block = |inputs: &[Source<T>; INPUTS], at: usize, n: usize| {
            // SAFETY: elements at .. at + n of the output are this member's, and the sources hold as many.
            unsafe {
                let to = io.output_start().add(at);
                match &mut watch {
                    None => self.block(inputs, buffers, to, n, None),
                    Some(watch) => self.block(inputs, buffers, to, n, Some(&mut |step, values| watch(step, at, values))),
                }
            }
        };
        // SAFETY: an input that is read has at least one element here, as the output has.
        let number = |walk: &Walk<T>| Source::Scalar(unsafe { walk.start.read() });
        if walks.iter().all(|w| w.whole || w.single) {
            let part = io.part_in_blocks(total, 64);
            let mut at = part.start;
            while at < part.end {
                let n = BLOCK.min(part.end - at);
                let inputs = walks.map(|w| {
                    if w.whole {
                        Source::Slice(w.start.wrapping_add(at))
                    } else {
                        number(&w)
                    }
                });
                block(&inputs, at, n);
                at += n;
            }
            return;
        }
        let strides: [Strides; INPUTS] = std::array::from_fn(|i| Strides::of(io.shape(i), out, batch));
        for row in io.part(total / last) {
            let mut column = 0;
            while column < last {
                let n = BLOCK.min(last - column);
                let inputs = std::array::from_fn(|i| {
                    let walk = &walks[i];
                    if !walk.read {
                        return Source::Scalar(T::ZERO);
                    }
                    let start = walk.start.wrapping_add(match (walk.whole, walk.row) {
                        (true, _) => row * last,
                        (_, true) => 0,
                        _ => strides[i].start(row, out, batch),
                    });
                    if strides[i].repeats_last {
                        // SAFETY: the input has a value for each row.
                        Source::Scalar(unsafe { start.read() })
                    } else {
                        Source::Slice(start.wrapping_add(column))
                    }
                });
                block(&inputs, row * last + column, n);
                column += n;
            }
        }
    }

    /// Runs alone and finds the first element that is not finite, in the first step that has one: its function, layer and place.
    pub(crate) fn run_checked<T: Real>(&self, io: &Io<T>) -> Option<(&'static str, Option<&str>, usize)> {
        let mut found = None;
        self.run_all(
            io,
            Some(&mut |step, at, values: &[T]| {
                if found.is_none()
                    && let Some(index) = values.iter().position(|v| !v.is_finite())
                {
                    found = Some((step, at + index));
                }
            }),
        );
        found.map(|(step, at): (usize, usize)| (self.steps[step].name(), self.paths.get(step).map(String::as_str), at))
    }
}

impl Op for Chain {
    const NAMES: &'static [&'static str] = &["chain"];
    const HINT: &'static str =
        "one to eight element-wise steps on inputs that broadcast to one shape, each reading inputs or steps before it.";
    const INPUTS: usize = INPUTS;

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        if attributes.is_null() {
            return Ok(Chain::default());
        }
        let steps: Vec<StepJson> = serde_json::from_value(attributes["steps"].clone()).map_err(|e| attribute_error(name, &e))?;
        let step = |step: StepJson| -> Result<Step> {
            let function = match (Unary::parse(&step.apply, Value::Null), Binary::parse(&step.apply, Value::Null)) {
                (Ok(Unary(kind)), _) => Function::Unary(kind),
                (_, Ok(Binary(kind))) => Function::Binary(kind),
                (Err(error), Err(_)) => return Err(error.at(name)),
            };
            let fits = step.to.len() == if matches!(function, Function::Unary(_)) { 1 } else { 2 };
            let first = step.to.first().filter(|_| fits).copied();
            let first =
                first.ok_or_else(|| Error::new(Code::InvalidOption, format!("{} of {} operands", step.apply, step.to.len())).at(name))?;
            let of = [first, step.to.get(1).copied().unwrap_or(first)];
            Ok(Step { function, of })
        };
        Ok(Chain {
            steps: steps.into_iter().map(step).collect::<Result<_>>()?,
            paths: Vec::new(),
        })
    }

    fn attributes(&self) -> Value {
        let step = |s: &Step| json!({ "apply": s.name(), "to": s.operands() });
        json!({ "steps": self.steps.iter().map(step).collect::<Vec<_>>() })
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let shapes = self.shapes(x)?;
        let whole = shapes.last().cloned().unwrap_or_default();
        if shapes.iter().any(|s| *s != whole) {
            return Err(Error::new(Code::ShapeMismatch, "the steps of a chain have different shapes").at("chain"));
        }
        Ok(whole)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let mut made: Vec<Id> = Vec::new();
            for step in &self.steps {
                let mut of = Vec::new();
                for operand in step.operands() {
                    of.push(match *operand {
                        Operand::Input(i) => inputs[i],
                        Operand::Step(s) => made[s],
                        Operand::Number(v) => b.scalar(v),
                    });
                }
                made.push(match step.function {
                    Function::Unary(kind) => b.unary(kind, of[0])?,
                    Function::Binary(kind) => b.binary(kind, of[0], of[1])?,
                });
            }
            made.pop().ok_or_else(|| Error::internal("a chain without steps"))
        };
        Some(build())
    }

    fn in_place(&self, x: &[&Shape], y: &Shape, input: usize) -> bool {
        self.reads(input) && x[input] == y
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        let cost = |s: &Step| match s.function {
            Function::Unary(kind) => Unary(kind).cost(),
            Function::Binary(kind) => Binary(kind).cost(),
        };
        y.elements(batch) * self.steps.iter().map(cost).sum::<usize>()
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        self.run_all(io, None);
    }

    fn samples() -> Vec<Sample> {
        use BinaryKind::{Add, Maximum, Multiply, Subtract, TanhGradient};
        use Operand::{Input, Number, Step as Of};
        let unary = |kind, x| Step {
            function: Function::Unary(kind),
            of: [x, x],
        };
        let binary = |kind, p, q| Step {
            function: Function::Binary(kind),
            of: [p, q],
        };
        let scaled = Chain {
            steps: vec![binary(Multiply, Input(0), Input(1)), binary(Add, Of(0), Input(2))],
            paths: Vec::new(),
        };
        let swish = Chain {
            steps: vec![unary(UnaryKind::Sigmoid, Input(0)), binary(Multiply, Input(0), Of(0))],
            paths: Vec::new(),
        };
        let long = Chain {
            steps: vec![
                binary(Subtract, Number(1.5), Input(1)),
                unary(UnaryKind::Tanh, Of(0)),
                binary(TanhGradient, Of(1), Input(0)),
                unary(UnaryKind::Gelu, Of(2)),
                binary(Maximum, Of(3), Input(3)),
                binary(Add, Of(4), Of(1)),
            ],
            paths: Vec::new(),
        };
        let mut all = Vec::new();
        for shapes in [
            [&[3i64, 5][..], &[3, 5], &[3, 5], &[3, 5]],
            [&[-1, 5], &[5], &[5], &[-1, 5]],
            [&[-1, 700], &[-1, 1], &[700], &[]],
            [&[2, 3, 4], &[3, 1], &[2, 1, 4], &[1]],
            [&[1, 1], &[1, 1], &[1], &[]],
            [&[0, 3], &[0, 3], &[3], &[3]],
            [&[2, 600], &[], &[2, 600], &[2, 600]],
        ] {
            all.extend([Sample::new(scaled.clone(), &shapes), Sample::new(swish.clone(), &shapes)]);
            if shapes[1] == shapes[0] {
                all.push(Sample::new(long.clone(), &shapes));
            }
        }
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let step = |of| Step {
            function: Function::Unary(UnaryKind::Tanh),
            of: [of; 2],
        };
        let chain = |steps: &[Step]| Chain {
            steps: steps.to_vec(),
            paths: Vec::new(),
        };
        let shapes: [&[i64]; 4] = [&[3, 5]; 4];
        let add = Step {
            function: Function::Binary(BinaryKind::Add),
            of: [Operand::Step(0), Operand::Input(1)],
        };
        vec![
            Sample::new(chain(&[]), &shapes),
            Sample::new(chain(&[step(Operand::Input(0)); STEPS + 1]), &shapes),
            Sample::new(chain(&[step(Operand::Step(0))]), &shapes),
            Sample::new(chain(&[step(Operand::Input(4))]), &shapes),
            Sample::new(chain(&[step(Operand::Input(0)), add]), &[&[5], &[3, 5], &[5], &[5]]),
            Sample::new(chain(&[step(Operand::Input(0)), add]), &[&[3, 5], &[4], &[5], &[5]]),
        ]
    }
}
