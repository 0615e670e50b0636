//! Convolution (cross-correlation) over one, two or three axes, channels last:
//! y[o, f] = Σ x[o·stride + t·dilation − before, c]·w[t, c, f] over taps t and the channels c of f's group.
//!
//! Shapes: x [n, size…, in] · w [k…, in/groups, filters] → [n, out…, filters], out = ⌊(size + before + after − dilation·(k − 1) − 1)/stride⌋ + 1.
//! The three operators are the partial derivatives of one trilinear form Σ y·conv(x, w), so they are closed under differentiation:
//! `conv` (by y), `convInput` (by x, the transposed convolution) and `convKernel` (by w).
//!
//! Three ways to compute each, chosen by the shapes alone: directly (`direct`), with a kernel for each channel by itself (`depthwise`), or
//! by Winograd's F(4×4, 3×3) for kernels of 3×3 with enough channels (`winograd`; in f32 only, so that gradient checks stay exact).

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::matmul::Activation;
use serde::{Deserialize, Serialize};

use super::linear::Rides;
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde, by_decomposition};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::BinaryKind;
use crate::shape::Shape;

mod depthwise;
mod direct;
mod geometry;
mod winograd;

use geometry::Geometry;

/// What all three share. Empty lists mean 1 (stride, dilation) and 0 (padding) on each axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Conv {
    /// From a window to the next, one an axis.
    pub stride: Vec<usize>,
    /// Zeros before and after, two an axis: `[before₀, after₀, before₁, …]`.
    pub padding: Vec<usize>,
    /// From a tap to the next, one an axis.
    pub dilation: Vec<usize>,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// x: sizes of the spatial axes (`convInput`); w: sizes of the kernel (`convKernel`).
    pub size: Vec<usize>,
}

impl Default for Conv {
    fn default() -> Self {
        Conv {
            stride: Vec::new(),
            padding: Vec::new(),
            dilation: Vec::new(),
            groups: 1,
            size: Vec::new(),
        }
    }
}

/// A way to compute a convolution, where there are two. (Each reads windows where they lie: the direct one is what others call an implicit
/// product of matrices.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the definition.
    Direct,
    /// By F(4×4, 3×3), for kernels of 3×3 in steps of 1.
    Winograd,
}

static FORCED: AtomicU8 = AtomicU8::new(0);

/// Programs compiled from now on, in the whole process, compute convolutions this way where they can, whatever the table says; `None`: as the
/// table says. For comparisons: the bits of training follow from the table.
pub fn force(way: Option<Way>) {
    FORCED.store(way.map_or(0, |way| 1 + way as u8), Ordering::Relaxed);
}

fn forced() -> Option<Way> {
    [None, Some(Way::Direct), Some(Way::Winograd)][usize::from(FORCED.load(Ordering::Relaxed))]
}

fn sizes(shape: &Shape, range: Range<usize>) -> Vec<usize> {
    shape.0[range].iter().map(|d| d.size).collect()
}

impl Geometry {
    /// Winograd's way only where rounding is single anyway.
    fn chosen<T: Real>(&self, backward: bool) -> bool {
        self.is_winograd(backward) && size_of::<T>() == 4
    }

    fn conv<T: Real>(&self, io: &Io<T>, bias: Option<&[T]>, activation: Activation) {
        if self.chosen::<T>(false) {
            self.winograd_forward(io, bias, activation);
        } else {
            self.run_forward(io, bias, activation);
        }
    }

    /// Scratch for either way.
    fn either(&self, backward: bool, direct: usize, winograd: impl Fn() -> usize) -> usize {
        if self.is_winograd(backward) {
            direct.max(winograd())
        } else {
            direct
        }
    }
}

/// ∂Σ y·conv/∂x and ∂w as nodes.
fn input_gradient(b: &mut Builder, op: &Conv, x: &Shape, w: Id, y: Id) -> Result<Id> {
    let size = sizes(x, 1..x.rank() - 1);
    b.apply(ConvInput(op.sized(size)).into(), &[y, w])
}

fn kernel_gradient(b: &mut Builder, op: &Conv, x: Id, w: &Shape, y: Id) -> Result<Id> {
    let size = sizes(w, 0..w.rank() - 2);
    b.apply(ConvKernel(op.sized(size)).into(), &[x, y])
}

/// Sizes and attributes that every one of the operators is tested on: x, w, and the attributes.
fn cases() -> Vec<(Vec<i64>, Vec<i64>, Conv)> {
    let conv = |stride: &[usize], padding: &[usize], dilation: &[usize], groups| Conv {
        stride: stride.to_vec(),
        padding: padding.to_vec(),
        dilation: dilation.to_vec(),
        groups,
        size: Vec::new(),
    };
    vec![
        (vec![-1, 5, 3], vec![3, 3, 4], conv(&[], &[], &[], 1)),
        (vec![-1, 7, 2], vec![3, 2, 17], conv(&[2], &[1, 1], &[2], 1)),
        (vec![2, 6, 5, 3], vec![3, 3, 3, 5], conv(&[], &[1, 1, 1, 1], &[], 1)),
        (vec![-1, 6, 7, 4], vec![3, 2, 2, 6], conv(&[2, 3], &[1, 0, 2, 1], &[1, 2], 2)),
        (vec![-1, 5, 5, 3], vec![1, 1, 3, 20], conv(&[], &[], &[], 1)),
        (vec![-1, 5, 5, 2], vec![1, 1, 2, 3], conv(&[2, 2], &[], &[], 1)),
        (vec![-1, 4, 4, 3], vec![3, 3, 1, 6], conv(&[], &[1, 1, 1, 1], &[], 3)),
        (
            vec![-1, 3, 4, 3, 2],
            vec![2, 3, 2, 2, 3],
            conv(&[1, 2, 1], &[0, 1, 1, 1, 0, 0], &[], 1),
        ),
        (vec![-1, 9, 8, 1], vec![5, 5, 1, 33], conv(&[2, 2], &[2, 2, 2, 2], &[], 1)),
        (vec![1, 1, 1, 1], vec![1, 1, 1, 1], conv(&[], &[], &[], 1)),
        (vec![0, 4, 4, 2], vec![3, 3, 2, 4], conv(&[], &[], &[], 1)),
        (vec![-1, 12, 40], vec![3, 40, 3], conv(&[4], &[], &[], 1)),
        (vec![-1, 6, 16], vec![2, 16, 16], conv(&[3], &[1, 2], &[3], 1)),
        (vec![-1, 5, 6, 19], vec![3, 3, 1, 19], conv(&[2, 1], &[1, 0, 1, 1], &[1, 2], 19)),
        (vec![-1, 5, 3, 4, 16], vec![2, 2, 3, 1, 16], conv(&[1, 2, 1], &[], &[], 16)),
        // By Winograd's way in f32, with tiles over the edge and panels that are not full.
        (vec![-1, 9, 6, 17], vec![3, 3, 17, 20], conv(&[], &[1, 1, 0, 1], &[], 1)),
        (vec![2, 8, 7, 16], vec![3, 3, 16, 16], conv(&[], &[3, 0, 1, 2], &[], 1)),
        // The input's gradient alone.
        (vec![-1, 8, 7, 3], vec![3, 3, 3, 12], conv(&[], &[1, 1, 1, 1], &[], 1)),
    ]
}

fn borrowed(shapes: &[Vec<i64>]) -> Vec<&[i64]> {
    shapes.iter().map(Vec::as_slice).collect()
}

/// The operators that share the attributes of [`Conv`].
macro_rules! sharing {
    ($name:ident) => {
        impl Default for $name {
            fn default() -> Self {
                $name(Conv::default())
            }
        }
    };
}

/// ∂Σ y·conv(x, w)/∂x: the transposed convolution. Inputs y and w; `size` are x's spatial sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConvInput(pub Conv);
sharing!(ConvInput);

/// ∂Σ y·conv(x, w)/∂w. Inputs x and y; `size` are the kernel's spatial sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConvKernel(pub Conv);
sharing!(ConvKernel);

impl Op for Conv {
    const NAMES: &'static [&'static str] = &["conv"];
    const HINT: &'static str = "x is [batch, size…, channels] and the kernel [k…, channels/groups, filters]; reshape([height, width, 1]) gives images an axis of channels.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let g = self.forward(x[0], x[1])?;
        Ok(g.shape(Some(x[0].0[0]), |s| s.out, &[g.filters]))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (x, w) = (at.inputs[0], at.inputs[1]);
        let (sx, sw) = (b.shape(x).clone(), b.shape(w).clone());
        let dx = at.wants[0].then(|| input_gradient(b, self, &sx, w, at.dy)).transpose()?;
        let dw = at.wants[1].then(|| kernel_gradient(b, self, x, &sw, at.dy)).transpose()?;
        Ok(vec![dx, dw])
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        self.forward(x[0], x[1])
            .map_or(0, |g| g.either(false, g.forward_scratch(), || g.winograd_scratch(false)))
    }

    fn kept(&self, x: &[&Shape]) -> usize {
        self.forward(x[0], x[1]).map_or(0, |g| g.winograd_kept())
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        self.forward(x[0], x[1]).map_or(0, |g| g.work(x[0].0[0].at(batch)))
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.forward(io.shape(0), io.shape(1)) {
            g.conv(io, None, Activation::Identity);
        }
    }

    fn samples() -> Vec<Sample> {
        cases().into_iter().map(|(x, w, op)| Sample::new(op, &[&x, &w])).collect()
    }

    fn bad_samples() -> Vec<Sample> {
        let with = |stride: &[usize], padding: &[usize], dilation: &[usize], groups| Conv {
            stride: stride.to_vec(),
            padding: padding.to_vec(),
            dilation: dilation.to_vec(),
            groups,
            size: Vec::new(),
        };
        vec![
            Sample::new(Conv::default(), &[&[-1, 5], &[3, 5]]),
            Sample::new(Conv::default(), &[&[-1, 5, 3], &[3, 4, 4]]),
            Sample::new(Conv::default(), &[&[-1, 2, 3], &[3, 3, 4]]),
            Sample::new(Conv::default(), &[&[-1, 5, 5, 3], &[3, 3, 4]]),
            Sample::new(Conv::default(), &[&[-1, 5, 3], &[0, 3, 4]]),
            Sample::new(with(&[0], &[], &[], 1), &[&[-1, 5, 3], &[3, 3, 4]]),
            Sample::new(with(&[1, 1], &[], &[], 1), &[&[-1, 5, 3], &[3, 3, 4]]),
            Sample::new(with(&[], &[1], &[], 1), &[&[-1, 5, 3], &[3, 3, 4]]),
            Sample::new(with(&[], &[], &[usize::MAX], 1), &[&[-1, 5, 3], &[3, 3, 4]]),
            Sample::new(with(&[], &[], &[], 2), &[&[-1, 5, 3], &[3, 3, 4]]),
            Sample::new(with(&[], &[], &[], 0), &[&[-1, 5, 3], &[3, 3, 4]]),
        ]
    }
}

impl Op for ConvInput {
    const NAMES: &'static [&'static str] = &["convInput"];
    const HINT: &'static str =
        "the gradient is [batch, size…, filters] and the kernel [k…, channels/groups, filters], with the sizes that the convolution gives.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let g = self.0.backward(x[0], x[1])?;
        Ok(g.shape(Some(x[0].0[0]), |s| s.size, &[g.channels]))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (y, w) = (at.inputs[0], at.inputs[1]);
        let sw = b.shape(w).clone();
        let plain = self.0.sized(Vec::new());
        let dy = at.wants[0].then(|| b.apply(plain.clone().into(), &[at.dy, w])).transpose()?;
        let dw = at.wants[1].then(|| kernel_gradient(b, &plain, at.dy, &sw, y)).transpose()?;
        Ok(vec![dy, dw])
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        self.0
            .backward(x[0], x[1])
            .map_or(0, |g| g.either(true, g.backward_scratch(), || g.winograd_scratch(true)))
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        self.0.backward(x[0], x[1]).map_or(0, |g| g.work(x[0].0[0].at(batch)))
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.0.backward(io.shape(0), io.shape(1)) {
            if g.chosen::<T>(true) {
                g.winograd_backward(io);
            } else {
                g.run_backward(io);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let sample = |(x, w, op): (Vec<i64>, Vec<i64>, Conv)| {
            let shapes: [Shape; 2] = [x.clone().into(), w.clone().into()];
            let y: Vec<i64> = op.shape(&[&shapes[0], &shapes[1]]).map(Vec::from).unwrap_or_default();
            let size = sizes(&shapes[0], 1..x.len() - 1);
            Sample::new(ConvInput(op.sized(size)), &borrowed(&[y, w]))
        };
        cases().into_iter().map(sample).collect()
    }

    fn bad_samples() -> Vec<Sample> {
        let of = |size: &[usize]| ConvInput(Conv::default().sized(size.to_vec()));
        vec![
            Sample::new(of(&[]), &[&[-1, 3, 4], &[3, 3, 4]]),
            Sample::new(of(&[6]), &[&[-1, 3, 4], &[3, 3, 4]]),
            Sample::new(of(&[5]), &[&[-1, 3, 5], &[3, 3, 4]]),
            Sample::new(of(&[5, 5]), &[&[-1, 3, 4], &[3, 3, 4]]),
        ]
    }
}

impl Op for ConvKernel {
    const NAMES: &'static [&'static str] = &["convKernel"];
    const HINT: &'static str =
        "x is [batch, size…, channels] and the gradient [batch, out…, filters], with the sizes that the convolution gives.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let g = self.0.of_kernel(x[0], x[1])?;
        Ok(g.shape(None, |s| s.kernel, &[g.group_channels(), g.filters]))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (x, y) = (at.inputs[0], at.inputs[1]);
        let sx = b.shape(x).clone();
        let plain = self.0.sized(Vec::new());
        let dx = at.wants[0].then(|| input_gradient(b, &plain, &sx, at.dy, y)).transpose()?;
        let dy = at.wants[1].then(|| b.apply(plain.clone().into(), &[x, at.dy])).transpose()?;
        Ok(vec![dx, dy])
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        let images = x[0].0[0].at(batch);
        self.0.of_kernel(x[0], x[1]).map_or(0, |g| match g.is_depthwise() {
            true => g.depthwise_kernel_scratch(),
            false => g.either(false, g.kernel_scratch(), || g.winograd_kernel_scratch(images)),
        })
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        self.0.of_kernel(x[0], x[1]).map_or(0, |g| g.work(x[0].0[0].at(batch)))
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.0.of_kernel(io.shape(0), io.shape(1)) {
            if g.chosen::<T>(false) {
                g.winograd_kernel(io);
            } else if g.is_depthwise() {
                g.depthwise_kernel(io);
            } else {
                g.run_kernel(io);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let sample = |(x, w, op): (Vec<i64>, Vec<i64>, Conv)| {
            let shapes: [Shape; 2] = [x.clone().into(), w.clone().into()];
            let y: Vec<i64> = op.shape(&[&shapes[0], &shapes[1]]).map(Vec::from).unwrap_or_default();
            let size = sizes(&shapes[1], 0..w.len() - 2);
            Sample::new(ConvKernel(op.sized(size)), &borrowed(&[x, y]))
        };
        cases().into_iter().map(sample).collect()
    }

    fn bad_samples() -> Vec<Sample> {
        let of = |size: &[usize]| ConvKernel(Conv::default().sized(size.to_vec()));
        vec![
            Sample::new(of(&[]), &[&[-1, 5, 3], &[-1, 3, 4]]),
            Sample::new(of(&[2]), &[&[-1, 5, 3], &[-1, 3, 4]]),
            Sample::new(of(&[3]), &[&[-1, 5, 3], &[2, 3, 4]]),
        ]
    }
}

/// A convolution with bias and activation in its epilogue: y = f(conv(x, w) + b). Made by the fusion pass, as `linear` is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ConvLinear {
    /// f
    pub activation: Rides,
    /// The convolution.
    pub conv: Conv,
}

impl Op for ConvLinear {
    const NAMES: &'static [&'static str] = &["convLinear"];
    const HINT: &'static str = "as a convolution, with a bias of [filters].";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let y = self.conv.shape(&x[..2])?;
        if x[2].0[..] != y.0[y.rank() - 1..] {
            return Err(
                Error::new(Code::ShapeMismatch, format!("a bias of shape {} does not fit {y}", x[2]))
                    .expected(format!("[{}]", y.0[y.rank() - 1]))
                    .received(x[2].to_string()),
            );
        }
        Ok(y)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        by_decomposition(self, b, at)
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        let mut build = || {
            let y = b.apply(self.conv.clone().into(), &inputs[..2])?;
            let sum = b.binary(BinaryKind::Add, y, inputs[2])?;
            b.unary(self.activation.unary(), sum)
        };
        Some(build())
    }

    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        self.conv.scratch(&x[..2], batch)
    }

    fn kept(&self, x: &[&Shape]) -> usize {
        self.conv.kept(&x[..2])
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        self.conv.work(&x[..2], y, batch) + 4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.conv.forward(io.shape(0), io.shape(1)) {
            g.conv(io, Some(io.input(2)), self.activation.epilogue());
        }
    }

    fn samples() -> Vec<Sample> {
        let kinds = [Rides::Identity, Rides::Relu, Rides::Tanh, Rides::Sigmoid, Rides::Gelu];
        let sample = |(i, (x, w, conv)): (usize, (Vec<i64>, Vec<i64>, Conv))| {
            let bias = vec![w[w.len() - 1]];
            let activation = kinds[i % kinds.len()];
            Sample::new(ConvLinear { activation, conv }, &borrowed(&[x, w, bias]))
        };
        cases().into_iter().enumerate().map(sample).collect()
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(ConvLinear::default(), &[&[-1, 5, 3], &[3, 3, 4], &[3]])]
    }
}
