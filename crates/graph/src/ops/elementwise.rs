//! The element-wise operators: rows of two tables, one for one operand and one for two (broadcast by NumPy's rules).

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::elementwise::{self, Source};
use serde_json::Value;

use super::{At, Gradients, Io, Op, Sample, no_attributes};
use crate::builder::Builder;
use crate::ir::Id;
use crate::shape::Shape;

pub use nabla_kernels::elementwise::{Binary as BinaryKind, Unary as UnaryKind};

/// Name, function, cost in operations an element, the range in which it is tested.
type UnaryRow = (&'static str, UnaryKind, usize, (f64, f64));

const UNARY: &[UnaryRow] = &[
    ("identity", UnaryKind::Identity, 2, (-2.0, 2.0)),
    ("negate", UnaryKind::Negate, 2, (-2.0, 2.0)),
    ("abs", UnaryKind::Abs, 2, (0.1, 2.0)),
    ("sign", UnaryKind::Sign, 2, (0.1, 2.0)),
    ("exp", UnaryKind::Exp, 20, (-2.0, 2.0)),
    ("log", UnaryKind::Log, 20, (0.2, 3.0)),
    ("sqrt", UnaryKind::Sqrt, 10, (0.2, 3.0)),
    ("square", UnaryKind::Square, 2, (-2.0, 2.0)),
    ("reciprocal", UnaryKind::Reciprocal, 10, (0.3, 3.0)),
    ("relu", UnaryKind::Relu, 2, (-2.0, 2.0)),
    ("tanh", UnaryKind::Tanh, 25, (-3.0, 3.0)),
    ("sigmoid", UnaryKind::Sigmoid, 25, (-3.0, 3.0)),
    ("gelu", UnaryKind::Gelu, 35, (-3.0, 3.0)),
    ("erf", UnaryKind::Erf, 30, (-2.0, 2.0)),
    ("softplus", UnaryKind::Softplus, 40, (-3.0, 3.0)),
    ("log1p", UnaryKind::Log1p, 25, (-0.5, 3.0)),
    ("expm1", UnaryKind::Expm1, 25, (-2.0, 2.0)),
    ("step", UnaryKind::Step, 2, (0.1, 2.0)),
];

const UNARY_NAMES: [&str; UNARY.len()] = {
    let mut names = [""; UNARY.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = UNARY[i].0;
        i += 1;
    }
    names
};

/// y = f(x), element by element. Shapes: any → the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary(pub UnaryKind);

fn unary_row(kind: UnaryKind) -> &'static UnaryRow {
    UNARY.iter().find(|row| row.1 == kind).unwrap_or(&UNARY[0])
}

impl Unary {
    /// Operations an element.
    pub(crate) fn cost(&self) -> usize {
        unary_row(self.0).2
    }
}

impl Op for Unary {
    const NAMES: &'static [&'static str] = &UNARY_NAMES;
    const HINT: &'static str = "one value of any shape.";
    const INPUTS: usize = 1;

    fn name(&self) -> &'static str {
        unary_row(self.0).0
    }

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes)?;
        UNARY
            .iter()
            .find(|row| row.0 == name)
            .map(|row| Unary(row.1))
            .ok_or_else(|| Error::internal(format!("no element-wise {name}")))
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        Ok(x[0].clone())
    }

    /// Rules that need y only are preferred: x is then free, and the function can ride in the product before it.
    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        use BinaryKind::{Divide, GeluGradient, Multiply, ReluGradient, SigmoidGradient, TanhGradient};
        let (x, y, dy) = (at.inputs[0], at.y, at.dy);
        let dx = match self.0 {
            UnaryKind::Identity => dy,
            UnaryKind::Negate => b.unary(UnaryKind::Negate, dy)?,
            UnaryKind::Abs => {
                let s = b.unary(UnaryKind::Sign, x)?;
                b.binary(Multiply, dy, s)?
            }
            UnaryKind::Exp => b.binary(Multiply, dy, y)?,
            UnaryKind::Log => b.binary(Divide, dy, x)?,
            UnaryKind::Sqrt => {
                let q = b.binary(Divide, dy, y)?;
                b.scale(q, 0.5)?
            }
            UnaryKind::Square => {
                let t = b.binary(Multiply, dy, x)?;
                b.scale(t, 2.0)?
            }
            UnaryKind::Reciprocal => {
                let s = b.unary(UnaryKind::Square, y)?;
                let t = b.binary(Multiply, dy, s)?;
                b.unary(UnaryKind::Negate, t)?
            }
            UnaryKind::Relu => b.binary(ReluGradient, y, dy)?,
            UnaryKind::Tanh => b.binary(TanhGradient, y, dy)?,
            UnaryKind::Sigmoid => b.binary(SigmoidGradient, y, dy)?,
            UnaryKind::Gelu => b.binary(GeluGradient, x, dy)?,
            UnaryKind::Erf => {
                // erf′(x) = 2/√π · exp(−x²)
                let s = b.unary(UnaryKind::Square, x)?;
                let n = b.unary(UnaryKind::Negate, s)?;
                let e = b.unary(UnaryKind::Exp, n)?;
                let c = b.scale(e, std::f64::consts::FRAC_2_SQRT_PI)?;
                b.binary(Multiply, dy, c)?
            }
            UnaryKind::Softplus => {
                let s = b.unary(UnaryKind::Sigmoid, x)?;
                b.binary(Multiply, dy, s)?
            }
            UnaryKind::Log1p => {
                let one = b.scalar(1.0);
                let d = b.binary(BinaryKind::Add, x, one)?;
                b.binary(Divide, dy, d)?
            }
            UnaryKind::Expm1 => {
                let one = b.scalar(1.0);
                let e = b.binary(BinaryKind::Add, y, one)?;
                b.binary(Multiply, dy, e)?
            }
            UnaryKind::Sign | UnaryKind::Step => return Ok(vec![None]),
            #[allow(unreachable_patterns, reason = "kinds without a row have no name, so no graph holds them")]
            _ => return Err(no_derivative(self.name())),
        };
        Ok(vec![Some(dx)])
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        x[0].elements(batch) * self.cost()
    }

    fn in_place(&self, _x: &[&Shape], _y: &Shape, _input: usize) -> bool {
        true
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let part = io.part_in_blocks(io.len().min(io.input_len(0)), 64);
        // SAFETY: the part lies inside input and output, which are the same memory or apart; members take disjoint parts.
        unsafe {
            elementwise::unary_at(
                self.0,
                io.input_start(0).add(part.start),
                io.output_start().add(part.start),
                part.len(),
            );
        }
    }

    fn samples() -> Vec<Sample> {
        let shapes: [&[i64]; 4] = [&[3, 5], &[1, 1], &[2, 0, 4], &[-1, 37]];
        UNARY
            .iter()
            .flat_map(|&(_, kind, _, (low, high))| shapes.iter().map(move |s| Sample::new(Unary(kind), &[s]).within(low, high)))
            .collect()
    }

    fn bad_samples() -> Vec<Sample> {
        Vec::new()
    }
}

fn no_derivative(name: &str) -> Error {
    Error::new(Code::NoGradient, format!("the operator \"{name}\" has no derivative")).at(name)
}

/// Name, function, cost in operations an element, whether its first operand's gradient is tested.
type BinaryRow = (&'static str, BinaryKind, usize);

const BINARY: &[BinaryRow] = &[
    ("add", BinaryKind::Add, 3),
    ("subtract", BinaryKind::Subtract, 3),
    ("multiply", BinaryKind::Multiply, 3),
    ("divide", BinaryKind::Divide, 10),
    ("maximum", BinaryKind::Maximum, 3),
    ("minimum", BinaryKind::Minimum, 3),
    ("greater", BinaryKind::Greater, 3),
    ("less", BinaryKind::Less, 3),
    ("equal", BinaryKind::Equal, 3),
    ("reluGradient", BinaryKind::ReluGradient, 3),
    ("tanhGradient", BinaryKind::TanhGradient, 4),
    ("sigmoidGradient", BinaryKind::SigmoidGradient, 4),
    ("geluGradient", BinaryKind::GeluGradient, 60),
];

const BINARY_NAMES: [&str; BINARY.len()] = {
    let mut names = [""; BINARY.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = BINARY[i].0;
        i += 1;
    }
    names
};

/// y = f(a, b), element by element. Shapes: any two that broadcast → their broadcast shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary(pub BinaryKind);

fn binary_row(kind: BinaryKind) -> &'static BinaryRow {
    BINARY.iter().find(|row| row.1 == kind).unwrap_or(&BINARY[0])
}

impl Binary {
    /// Operations an element.
    pub(crate) fn cost(&self) -> usize {
        binary_row(self.0).2
    }
}

impl Op for Binary {
    const NAMES: &'static [&'static str] = &BINARY_NAMES;
    const HINT: &'static str = "sizes are equal, or one of them is 1, axis by axis from the last one: reshape() or sum(axis, { keepDims: true }) makes an axis of size 1.";
    const INPUTS: usize = 2;

    fn name(&self) -> &'static str {
        binary_row(self.0).0
    }

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes)?;
        BINARY
            .iter()
            .find(|row| row.0 == name)
            .map(|row| Binary(row.1))
            .ok_or_else(|| Error::internal(format!("no element-wise {name}")))
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        x[0].broadcast(x[1])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        use BinaryKind::{Add, Divide, Equal, GeluGradient, Greater, Multiply, ReluGradient, SigmoidGradient, Subtract, TanhGradient};
        let (p, q, y, dy) = (at.inputs[0], at.inputs[1], at.y, at.dy);
        let mut left = None;
        let mut right = None;
        let (want_left, want_right) = (at.wants[0], at.wants[1]);
        match self.0 {
            Add => (left, right) = (Some(dy), Some(dy)),
            Subtract => {
                left = Some(dy);
                if want_right {
                    right = Some(b.unary(UnaryKind::Negate, dy)?);
                }
            }
            Multiply => {
                if want_left {
                    left = Some(b.binary(Multiply, dy, q)?);
                }
                if want_right {
                    right = Some(b.binary(Multiply, dy, p)?);
                }
            }
            Divide => {
                if want_left {
                    left = Some(b.binary(Divide, dy, q)?);
                }
                if want_right {
                    // ∂(p/q)/∂q = −y/q
                    let t = b.binary(Multiply, dy, y)?;
                    let u = b.binary(Divide, t, q)?;
                    right = Some(b.unary(UnaryKind::Negate, u)?);
                }
            }
            BinaryKind::Maximum | BinaryKind::Minimum => {
                // Where both are equal each takes half.
                let same = b.binary(Equal, p, q)?;
                let half = b.scale(same, 0.5)?;
                let (first, second) = if self.0 == BinaryKind::Maximum { (p, q) } else { (q, p) };
                if want_left {
                    let wins = b.binary(Greater, first, second)?;
                    let share = b.binary(Add, wins, half)?;
                    left = Some(b.binary(Multiply, dy, share)?);
                }
                if want_right {
                    let wins = b.binary(Greater, second, first)?;
                    let share = b.binary(Add, wins, half)?;
                    right = Some(b.binary(Multiply, dy, share)?);
                }
            }
            BinaryKind::Greater | BinaryKind::Less | Equal => return Ok(vec![None, None]),
            ReluGradient => {
                if want_right {
                    right = Some(b.binary(ReluGradient, p, dy)?);
                }
            }
            TanhGradient => {
                // q·(1 − p²)
                if want_left {
                    let t = b.binary(Multiply, dy, q)?;
                    let u = b.binary(Multiply, t, p)?;
                    left = Some(b.scale(u, -2.0)?);
                }
                if want_right {
                    right = Some(b.binary(TanhGradient, p, dy)?);
                }
            }
            SigmoidGradient => {
                // q·p·(1 − p)
                if want_left {
                    let t = b.binary(Multiply, dy, q)?;
                    let twice = b.scale(p, -2.0)?;
                    let one = b.scalar(1.0);
                    let u = b.binary(Add, twice, one)?;
                    left = Some(b.binary(Multiply, t, u)?);
                }
                if want_right {
                    right = Some(b.binary(SigmoidGradient, p, dy)?);
                }
            }
            GeluGradient => {
                // gelu″(x) = φ(x)·(2 − x²)
                if want_left {
                    let s = b.unary(UnaryKind::Square, p)?;
                    let h = b.scale(s, -0.5)?;
                    let e = b.unary(UnaryKind::Exp, h)?;
                    let phi = b.scale(e, 0.398_942_280_401_432_7)?;
                    let two = b.scalar(2.0);
                    let f = b.binary(Subtract, two, s)?;
                    let second = b.binary(Multiply, phi, f)?;
                    let t = b.binary(Multiply, dy, q)?;
                    left = Some(b.binary(Multiply, t, second)?);
                }
                if want_right {
                    right = Some(b.binary(GeluGradient, p, dy)?);
                }
            }
            #[allow(unreachable_patterns, reason = "kinds without a row have no name, so no graph holds them")]
            _ => return Err(no_derivative(self.name())),
        }
        let shapes = [b.shape(p).clone(), b.shape(q).clone()];
        let left = left.filter(|_| want_left).map(|g| b.sum_to(g, &shapes[0])).transpose()?;
        let right = right.filter(|_| want_right).map(|g| b.sum_to(g, &shapes[1])).transpose()?;
        Ok(vec![left, right])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        use BinaryKind::{Add, Multiply, Subtract};
        let (p, q) = (inputs[0], inputs[1]);
        let mut build = || -> Result<Option<Id>> {
            Ok(Some(match self.0 {
                BinaryKind::ReluGradient => {
                    let s = b.unary(UnaryKind::Step, p)?;
                    b.binary(Multiply, q, s)?
                }
                BinaryKind::TanhGradient => {
                    let s = b.unary(UnaryKind::Square, p)?;
                    let one = b.scalar(1.0);
                    let d = b.binary(Subtract, one, s)?;
                    b.binary(Multiply, q, d)?
                }
                BinaryKind::SigmoidGradient => {
                    let one = b.scalar(1.0);
                    let d = b.binary(Subtract, one, p)?;
                    let d = b.binary(Multiply, p, d)?;
                    b.binary(Multiply, q, d)?
                }
                BinaryKind::GeluGradient => {
                    // gelu′(x) = Φ(x) + x·φ(x), Φ(x) = (1 + erf(x/√2))/2
                    let t = b.scale(p, std::f64::consts::FRAC_1_SQRT_2)?;
                    let e = b.unary(UnaryKind::Erf, t)?;
                    let one = b.scalar(1.0);
                    let e = b.binary(Add, e, one)?;
                    let cdf = b.scale(e, 0.5)?;
                    let s = b.unary(UnaryKind::Square, p)?;
                    let h = b.scale(s, -0.5)?;
                    let pdf = b.unary(UnaryKind::Exp, h)?;
                    let pdf = b.scale(pdf, 0.398_942_280_401_432_7)?;
                    let xp = b.binary(Multiply, p, pdf)?;
                    let d = b.binary(Add, cdf, xp)?;
                    b.binary(Multiply, q, d)?
                }
                _ => return Ok(None),
            }))
        };
        build().transpose()
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        y.elements(batch) * self.cost()
    }

    fn in_place(&self, x: &[&Shape], y: &Shape, input: usize) -> bool {
        x[input] == y
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let total = io.len();
        if total == 0 {
            return;
        }
        let whole = |input: usize| io.input_len(input) == total;
        if (whole(0) || io.input_len(0) == 1) && (whole(1) || io.input_len(1) == 1) {
            let part = io.part_in_blocks(total, 64);
            // SAFETY: an operand has as many elements as the output, or one; members take disjoint parts.
            unsafe {
                let source = |input: usize| {
                    let start = io.input_start(input);
                    if whole(input) {
                        Source::Slice(start.add(part.start))
                    } else {
                        Source::Scalar(start.read())
                    }
                };
                elementwise::binary_at(self.0, source(0), source(1), io.output_start().add(part.start), part.len());
            }
            return;
        }
        self.run_broadcast(io);
    }

    fn samples() -> Vec<Sample> {
        let pairs: [[&[i64]; 2]; 8] = [
            [&[3, 5], &[3, 5]],
            [&[3, 5], &[5]],
            [&[-1, 5], &[-1, 1]],
            [&[], &[2, 3]],
            [&[2, 1, 4], &[3, 1]],
            [&[1, 1], &[1, 1]],
            [&[0, 3], &[3]],
            [&[-1, 20], &[]],
        ];
        BINARY
            .iter()
            .flat_map(|&(_, kind, _)| {
                pairs.iter().map(move |p| {
                    let sample = Sample::new(Binary(kind), &p[..]);
                    match kind {
                        BinaryKind::Divide => sample.within(0.3, 2.0),
                        _ => sample,
                    }
                })
            })
            .collect()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(Binary(BinaryKind::Add), &[&[3, 5], &[4]]),
            Sample::new(Binary(BinaryKind::Multiply), &[&[-1, 5], &[2, 5]]),
        ]
    }
}

impl Binary {
    /// Row by row along the last axis; each operand gives a row or one number repeated.
    fn run_broadcast<T: Real>(&self, io: &Io<T>) {
        let batch = io.batch();
        let out = io.out_shape();
        let last = out.last(batch);
        let rows = io.len() / last.max(1);
        let strides = [Strides::of(io.shape(0), out, batch), Strides::of(io.shape(1), out, batch)];
        for row in io.part(rows) {
            // SAFETY: an operand has a row, or one number, for each row of the output; members take disjoint rows.
            unsafe {
                let source = |input: usize| {
                    let start = io.input_start(input).add(strides[input].start(row, out, batch));
                    if strides[input].repeats_last {
                        Source::Scalar(start.read())
                    } else {
                        Source::Slice(start)
                    }
                };
                elementwise::binary_at(self.0, source(0), source(1), io.output_start().add(row * last), last);
            }
        }
    }
}

/// How an operand is walked while the output's rows are: its stride on each of the output's axes (at most eight), 0 where it repeats.
pub(super) struct Strides {
    outer: [usize; 8],
    pub(super) repeats_last: bool,
}

impl Strides {
    pub(super) fn of(shape: &Shape, out: &Shape, batch: usize) -> Strides {
        let mut outer = [0; 8];
        let rank = out.rank();
        let mut stride = 1;
        for (i, dim) in shape.0.iter().enumerate().rev() {
            let n = dim.at(batch);
            let axis = i + rank - shape.rank();
            outer[axis.min(7)] = if n == 1 { 0 } else { stride };
            stride *= n;
        }
        let repeats_last = shape.rank() == 0 || (shape.last(batch) == 1 && out.last(batch) != 1);
        Strides { outer, repeats_last }
    }

    /// The operand's offset at the start of an output row.
    pub(super) fn start(&self, mut row: usize, out: &Shape, batch: usize) -> usize {
        let mut offset = 0;
        for axis in (0..out.rank().saturating_sub(1)).rev() {
            let n = out.0[axis].at(batch);
            offset += (row % n) * self.outer[axis];
            row /= n;
        }
        offset
    }
}
