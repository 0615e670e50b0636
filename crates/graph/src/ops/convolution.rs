//! Convolution (cross-correlation) over one, two or three axes, channels last:
//! y[o, f] = Σ x[o·stride + t·dilation − before, c]·w[t, c, f] over taps t and the channels c of f's group.
//!
//! Shapes: x [n, size…, in] · w [k…, in/groups, filters] → [n, out…, filters], out = ⌊(size + before + after − dilation·(k − 1) − 1)/stride⌋ + 1.
//! The three operators are the partial derivatives of one trilinear form Σ y·conv(x, w), so they are closed under differentiation:
//! `conv` (by y), `convInput` (by x, the transposed convolution) and `convKernel` (by w).
//!
//! Each is a product by the one microkernel: a block of windows is copied into a member's scratch, where it stays in the cache (a 1×1
//! kernel needs no copy), and the kernel's panels are packed once a run. Each output element is one chain in ascending window order
//! (a kernel's gradient: ascending position), so neither blocks nor threads change a bit. The input's gradient runs once for each
//! residue of the position by the stride, with the taps that meet it: no multiplication by a zero between strides.

use std::ops::Range;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::convolution::{Axis, Kernel, Taps, Windows};
use nabla_kernels::matmul::{Activation, Epilogue, Left, Product, Right, matmul, panels_len};
use serde::{Deserialize, Serialize};

use super::io::slots;
use super::linear::Rides;
use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::ir::Id;
use crate::ops::elementwise::BinaryKind;
use crate::shape::{Dim, Shape};

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

/// One axis of a convolution.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    size: usize,
    out: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
}

/// All sizes of a convolution but the number of images.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    spans: [Span; 3],
    rank: usize,
    channels: usize,
    filters: usize,
    groups: usize,
}

/// The largest stride, dilation or padding: sums and products of these stay far from overflow.
const LARGEST: usize = 1 << 20;

impl Conv {
    fn geometry(&self, sizes: &[Dim], kernel: &[Dim], channels: Dim, filters: Dim) -> Result<Geometry> {
        let rank = sizes.len();
        let wrong = |message: String| Error::new(Code::ShapeMismatch, message);
        let option = |name: &str, expected: &str, list: &[usize]| Error::option(name, expected, format!("{list:?}"));
        if kernel.len() != rank || !(1..=3).contains(&rank) {
            return Err(
                wrong(format!("a convolution over {rank} axes does not fit a kernel of {}", kernel.len()))
                    .expected("[batch, size…, channels] with one to three sizes, and a kernel with as many"),
            );
        }
        if sizes.iter().chain(kernel).chain([&channels, &filters]).any(|d| d.batch) {
            return Err(wrong("only the first axis of a convolution can be the batch".to_owned()));
        }
        for (name, list, low) in [("stride", &self.stride, 1), ("dilation", &self.dilation, 1)] {
            if !(list.is_empty() || list.len() == rank) || list.iter().any(|v| !(low..=LARGEST).contains(v)) {
                return Err(option(name, "one whole number of at least 1 for each axis", list));
            }
        }
        if !(self.padding.is_empty() || self.padding.len() == 2 * rank) || self.padding.iter().any(|&v| v > LARGEST) {
            return Err(option("padding", "two whole numbers of at least 0 for each axis", &self.padding));
        }
        let (channels, filters, groups) = (channels.size, filters.size, self.groups);
        if groups == 0 || !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            return Err(
                wrong(format!("{groups} groups do not divide {channels} channels and {filters} filters"))
                    .at("groups")
                    .expected("a divisor of both"),
            );
        }
        let one = Span {
            size: 1,
            out: 1,
            kernel: 1,
            stride: 1,
            dilation: 1,
            before: 0,
        };
        let mut spans = [one; 3];
        for i in 0..rank {
            let at = |list: &[usize], index: usize, default: usize| list.get(index).copied().unwrap_or(default);
            let (size, kernel) = (sizes[i].size, kernel[i].size);
            let (before, after) = (at(&self.padding, 2 * i, 0), at(&self.padding, 2 * i + 1, 0));
            let (stride, dilation) = (at(&self.stride, i, 1), at(&self.dilation, i, 1));
            let reach = kernel.saturating_sub(1).saturating_mul(dilation).saturating_add(1);
            let padded = size.saturating_add(before + after);
            if kernel == 0 || padded < reach {
                return Err(wrong(format!(
                    "a window that reaches over {reach} does not fit in size {size} with {before} + {after} zeros of padding"
                ))
                .expected(format!("at least {reach}"))
                .received(format!("{padded}"))
                .hint("Pad with padding: 'same', or use a smaller kernel or fewer pooling layers before."));
            }
            spans[3 - rank + i] = Span {
                size,
                out: (padded - reach) / stride + 1,
                kernel,
                stride,
                dilation,
                before,
            };
        }
        Ok(Geometry {
            spans,
            rank,
            channels,
            filters,
            groups,
        })
    }

    /// From x and w.
    fn forward(&self, x: &Shape, w: &Shape) -> Result<Geometry> {
        let (rank, wide) = (x.rank(), w.rank());
        if rank < 3 || wide < 3 {
            return Err(Error::new(Code::ShapeMismatch, format!("x {x} and kernel {w} are no convolution"))
                .expected("x [batch, size…, channels], kernel [k…, channels/groups, filters]")
                .received(format!("{x} and {w}"))
                .hint("Images need an axis of channels, even of one: reshape([height, width, 1])."));
        }
        let g = self.geometry(&x.0[1..rank - 1], &w.0[..wide - 2], x.0[rank - 1], w.0[wide - 1])?;
        g.expect_kernel(w)?;
        Ok(g)
    }

    /// From y and w; `size` says how large x is.
    fn backward(&self, y: &Shape, w: &Shape) -> Result<Geometry> {
        let (rank, wide) = (y.rank(), w.rank());
        if rank < 3 || wide < 3 || self.size.len() + 2 != rank {
            return Err(
                Error::new(Code::ShapeMismatch, format!("{y} and kernel {w} are no transposed convolution"))
                    .expected("[batch, size…, filters], kernel [k…, channels/groups, filters]")
                    .received(format!("{y} and {w}")),
            );
        }
        let channels = Dim::fixed(w.0[wide - 2].size.saturating_mul(self.groups));
        let mut sizes = [Dim::fixed(0); 8];
        sizes.iter_mut().zip(&self.size).for_each(|(d, &n)| *d = Dim::fixed(n));
        let sizes = sizes.get(..self.size.len()).unwrap_or_default();
        let g = self.geometry(sizes, &w.0[..wide - 2], channels, w.0[wide - 1])?;
        g.expect_kernel(w)?;
        g.expect_output(y)?;
        Ok(g)
    }

    /// From x and y; `size` says how large the kernel is.
    fn of_kernel(&self, x: &Shape, y: &Shape) -> Result<Geometry> {
        let rank = x.rank();
        if rank < 3 || y.rank() != rank || self.size.len() + 2 != rank || x.0[0] != y.0[0] {
            return Err(
                Error::new(Code::ShapeMismatch, format!("{x} and {y} are no input and output of a convolution"))
                    .expected("[batch, size…, channels] and [batch, out…, filters]")
                    .received(format!("{x} and {y}")),
            );
        }
        let mut sizes = [Dim::fixed(0); 8];
        sizes.iter_mut().zip(&self.size).for_each(|(d, &n)| *d = Dim::fixed(n));
        let sizes = sizes.get(..self.size.len()).unwrap_or_default();
        let g = self.geometry(&x.0[1..rank - 1], sizes, x.0[rank - 1], y.0[rank - 1])?;
        g.expect_output(y)?;
        Ok(g)
    }

    fn sized(&self, size: Vec<usize>) -> Conv {
        Conv { size, ..self.clone() }
    }
}

/// Positions copied at a time: as many windows as stay in the nearer caches. It follows from the shape, and changes no bit.
fn block(elements: usize, within: usize, unit: usize) -> usize {
    (within / elements.max(1)).clamp(unit, 20 * unit) / unit * unit
}

/// A leading dimension whose rows do not all fall into the same lines of the cache.
fn spread(columns: usize) -> usize {
    let lines = columns.div_ceil(16);
    (lines + usize::from(lines.is_multiple_of(2))) * 16
}

impl Geometry {
    fn expect_kernel(&self, w: &Shape) -> Result<()> {
        let (expected, found) = (self.channels / self.groups, w.0[w.rank() - 2]);
        if found == Dim::fixed(expected) {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!("a kernel {w} reads {found} channels a group, but there are {expected}"),
        )
        .expected(expected.to_string())
        .received(found.to_string()))
    }

    fn expect_output(&self, y: &Shape) -> Result<()> {
        let outs = self.own().iter().map(|s| Dim::fixed(s.out)).chain([Dim::fixed(self.filters)]);
        if y.0[1..].iter().copied().eq(outs) {
            return Ok(());
        }
        let sizes: Vec<usize> = self.own().iter().map(|s| s.out).chain([self.filters]).collect();
        Err(Error::new(
            Code::ShapeMismatch,
            format!("a convolution of these sizes gives {sizes:?}, not {y}"),
        )
        .expected(format!("{sizes:?}"))
        .received(y.to_string()))
    }

    fn own(&self) -> &[Span] {
        &self.spans[3 - self.rank..]
    }

    /// `[lead, one of each span…, last]`.
    fn shape(&self, lead: Option<Dim>, of: impl Fn(&Span) -> usize, last: &[usize]) -> Shape {
        let spans = self.own().iter().map(|s| Dim::fixed(of(s)));
        Shape(lead.into_iter().chain(spans).chain(last.iter().map(|&n| Dim::fixed(n))).collect())
    }

    fn product(&self, of: impl Fn(&Span) -> usize) -> usize {
        self.spans.iter().map(of).product()
    }

    fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// Elements of a window of one group.
    fn window(&self) -> usize {
        self.product(|s| s.kernel) * self.group_channels()
    }

    fn work(&self, images: usize) -> usize {
        2 * images * self.product(|s| s.out) * self.window() * self.filters.next_multiple_of(8)
    }

    /// The windows of x that a group of filters reads.
    fn windows(&self, group: usize) -> Windows {
        let axis = |s: Span| Axis {
            positions: s.out,
            step: s.stride,
            first: -(s.before as isize),
            taps: s.kernel,
            tap_step: s.dilation,
            source: s.size,
        };
        Windows {
            axes: self.spans.map(axis),
            channels: self.channels,
            from: group * self.group_channels(),
            width: self.group_channels(),
        }
    }

    fn kernel(&self, group: usize) -> Kernel {
        let (c, f) = (self.group_channels(), self.group_filters());
        let all = |s: Span| Taps {
            first: 0,
            step: 1,
            count: s.kernel,
        };
        Kernel {
            sizes: self.spans.map(|s| s.kernel),
            taps: self.spans.map(all),
            tap_stride: c * self.filters,
            from: group * f,
            rows: (c, self.filters),
            columns: (f, 1),
        }
    }

    /// How many residues of the position by the stride there are.
    fn phases(&self) -> usize {
        self.product(|s| s.stride.min(s.size))
    }

    /// One of them: the positions, and the windows of y and taps of the kernel that meet them.
    fn phase(&self, mut index: usize, group: usize) -> Phase {
        let (c, f) = (self.group_channels(), self.group_filters());
        let mut axes = [Axis::default(); 3];
        let mut taps = [Taps::default(); 3];
        let mut origin = [0; 3];
        for (i, s) in self.spans.iter().enumerate().rev() {
            let count = s.stride.min(s.size);
            let p = index % count;
            index /= count;
            origin[i] = p;
            // Tap k of the window at o reads o·stride + k·dilation − before: those with o whole, the last first, so that o ascends.
            let from = (p + s.before) as isize;
            let meets = |k: usize| (from - (k * s.dilation) as isize).rem_euclid(s.stride as isize) == 0;
            let mut found = (0..s.kernel).rev().filter(|&k| meets(k));
            let (last, next) = (found.next(), found.next());
            let apart = last.zip(next).map_or(1, |(a, b)| a - b);
            axes[i] = Axis {
                positions: (s.size - p).div_ceil(s.stride),
                step: 1,
                first: last.map_or(0, |k| (from - (k * s.dilation) as isize).div_euclid(s.stride as isize)),
                taps: last.map_or(0, |k| if next.is_some() { k / apart + 1 } else { 1 }),
                tap_step: (apart * s.dilation / s.stride).max(1),
                source: s.out,
            };
            taps[i] = Taps {
                first: last.unwrap_or(0),
                step: -(apart as isize),
                count: axes[i].taps,
            };
        }
        Phase {
            windows: Windows {
                axes,
                channels: self.filters,
                from: group * f,
                width: f,
            },
            kernel: Kernel {
                sizes: self.spans.map(|s| s.kernel),
                taps,
                tap_stride: c * self.filters,
                from: group * f,
                rows: (f, 1),
                columns: (c, self.filters),
            },
            origin,
        }
    }

    fn forward_scratch(&self) -> usize {
        let k = self.window();
        self.groups * panels_len(k, self.group_filters()) + slots() * block(k, WINDOWS, 12) * spread(k)
    }

    fn backward_scratch(&self) -> usize {
        let k = self.product(|s| s.kernel) * self.group_filters();
        self.groups * panels_len(k, self.group_channels()) + slots() * block(k, WINDOWS, 12) * spread(k)
    }

    fn kernel_scratch(&self) -> usize {
        slots() * block(self.window(), POSITIONS, 16) * spread(self.window())
    }

    /// y = activation(conv(x, w) + bias).
    fn run_forward<T: Real>(&self, io: &Io<T>, bias: Option<&[T]>, activation: Activation) {
        let (x, w) = (io.input(0), io.input(1));
        let (k, f) = (self.window(), self.group_filters());
        let panels = f.div_ceil(16);
        // SAFETY: scratch has room for each group's panels, then for the members' windows (`forward_scratch`).
        let windows_start = unsafe { io.scratch_start().add(self.groups * panels * k * 16) };
        for unit in io.part(self.groups * panels) {
            // SAFETY: members pack disjoint panels.
            let out = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(unit * k * 16), k * 16) };
            self.kernel(unit / panels).pack_panel(w, unit % panels, out);
        }
        io.barrier();
        let positions = self.product(|s| s.out);
        let rows = if positions * self.filters == 0 {
            0
        } else {
            io.len() / self.filters
        };
        let (step, ld) = (block(k, WINDOWS, 12), spread(k));
        // SAFETY: as above; each member that has a part has a slot of its own.
        let slot = unsafe { std::slice::from_raw_parts_mut(windows_start.add(io.slot() * step * ld), step * ld) };
        for unit in io.part_with_slot(rows.div_ceil(step)) {
            let part = unit * step..rows.min((unit + 1) * step);
            for group in 0..self.groups {
                let windows = self.windows(group);
                let direct = windows.are_pixels();
                if !direct {
                    windows.copy(x, part.clone(), 0..k, slot, ld);
                }
                let (a, row) = if direct {
                    (x[part.start * self.channels + windows.from..].as_ptr(), self.channels)
                } else {
                    (slot.as_ptr(), ld)
                };
                let product = Product {
                    m: part.len(),
                    n: f,
                    k,
                    left: Left::row_major(row),
                    right: Right::panels(k),
                    out: Right::row_major(self.filters),
                };
                let epilogue = Epilogue {
                    bias: bias.map(|b| &b[group * f..(group + 1) * f]),
                    activation,
                    accumulate: false,
                };
                // SAFETY: windows and panels were written for these sizes; members write disjoint rows of the output, [rows, filters].
                unsafe {
                    let b = io.scratch_start().add(group * panels * k * 16);
                    let c = io.output_start().add(part.start * self.filters + group * f);
                    matmul(&product, a, b, c, &epilogue, 0..part.len(), 0..panels);
                }
            }
        }
    }

    /// dx from dy and w.
    fn run_backward<T: Real>(&self, io: &Io<T>) {
        let (dy, w) = (io.input(0), io.input(1));
        let c = self.group_channels();
        let panels = c.div_ceil(16);
        let whole = self.product(|s| s.kernel) * self.group_filters();
        // SAFETY: scratch has room for all panels of all phases, whose taps are disjoint, then for the members' windows.
        let windows_start = unsafe { io.scratch_start().add(self.groups * panels * whole * 16) };
        let mut start = 0;
        for phase in 0..self.phases() {
            let k = self.phase(phase, 0).kernel.height();
            for unit in io.part(self.groups * panels) {
                // SAFETY: members pack disjoint panels.
                let out = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add((start + unit * k) * 16), k * 16) };
                self.phase(phase, unit / panels).kernel.pack_panel(w, unit % panels, out);
            }
            start += self.groups * panels * k;
        }
        io.barrier();
        let pixels = self.product(|s| s.size) * self.channels;
        let images = io.len().checked_div(pixels).unwrap_or(0);
        let (step, ld) = (block(whole, WINDOWS, 12), spread(whole));
        // SAFETY: as above; each member that has a part has a slot of its own.
        let slot = unsafe { std::slice::from_raw_parts_mut(windows_start.add(io.slot() * step * ld), step * ld) };
        let contiguous = self.spans.iter().all(|s| s.stride == 1);
        let mut start = 0;
        for phase in 0..self.phases() {
            let Phase { windows, kernel, .. } = self.phase(phase, 0);
            let (k, rows) = (kernel.height(), images * windows.positions());
            for unit in io.part_with_slot(rows.div_ceil(step)) {
                let part = unit * step..rows.min((unit + 1) * step);
                for group in 0..self.groups {
                    let Phase { windows, origin, .. } = self.phase(phase, group);
                    let direct = windows.are_pixels();
                    if !direct {
                        windows.copy(dy, part.clone(), 0..k, slot, ld);
                    }
                    // Rows of the product that lie side by side in dx: all without strides, else those of one line.
                    let mut row = part.start;
                    while row < part.end {
                        let line = windows.axes[2].positions;
                        let end = if contiguous {
                            part.end
                        } else {
                            part.end.min((row / line + 1) * line)
                        };
                        let (a, left) = if direct {
                            (dy[row * self.filters + windows.from..].as_ptr(), self.filters)
                        } else {
                            (slot[(row - part.start) * ld..].as_ptr(), ld)
                        };
                        let product = Product {
                            m: end - row,
                            n: c,
                            k,
                            left: Left::row_major(left),
                            right: Right::panels(k),
                            out: Right::row_major(self.spans[2].stride * self.channels),
                        };
                        // SAFETY: windows and panels were written for these sizes; members write disjoint pixels of dx.
                        unsafe {
                            let b = io.scratch_start().add((start + group * panels * k) * 16);
                            let to = io.output_start().add(self.pixel(row, &windows, origin) * self.channels + group * c);
                            matmul(&product, a, b, to, &Epilogue::default(), 0..end - row, 0..panels);
                        }
                        row = end;
                    }
                }
            }
            start += self.groups * panels * k;
        }
    }

    /// The pixel of x, over all images, that a phase's position is.
    fn pixel(&self, row: usize, windows: &Windows, origin: [usize; 3]) -> usize {
        let mut rest = row;
        let mut at = [0; 3];
        for i in (0..3).rev() {
            at[i] = origin[i] + rest % windows.axes[i].positions * self.spans[i].stride;
            rest /= windows.axes[i].positions;
        }
        let [s0, s1, s2] = self.spans.map(|s| s.size);
        ((rest * s0 + at[0]) * s1 + at[1]) * s2 + at[2]
    }

    /// dw from x and dy: each member computes its own rows of dw, and copies its own columns of the windows only.
    fn run_kernel<T: Real>(&self, io: &Io<T>) {
        let (x, dy) = (io.input(0), io.input(1));
        let (k, f) = (self.window(), self.group_filters());
        let positions = dy.len().checked_div(self.filters).unwrap_or(0);
        let (step, room) = (block(k, POSITIONS, 16), spread(k));
        // SAFETY: scratch has a slot for each member that has a part (`kernel_scratch`).
        let slot = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(io.slot() * step * room), step * room) };
        let blocks = k.div_ceil(8);
        let units = io.part_with_slot(self.groups * blocks);
        for group in units.start / blocks.max(1)..units.end.div_ceil(blocks.max(1)) {
            let first = (units.start.max(group * blocks) - group * blocks) * 8;
            let last = ((units.end.min((group + 1) * blocks) - group * blocks) * 8).min(k);
            let windows = self.windows(group);
            let direct = windows.are_pixels();
            let own = last - first;
            let mut start = 0;
            loop {
                let rows = start..positions.min(start + step);
                let ld = spread(own);
                if !direct {
                    windows.copy(x, rows.clone(), first..last, slot, ld);
                }
                let (a, ld) = if direct {
                    (
                        x.as_ptr().wrapping_add(rows.start * self.channels + windows.from + first),
                        self.channels,
                    )
                } else {
                    (slot.as_ptr(), ld)
                };
                let product = Product {
                    m: own,
                    n: f,
                    k: rows.len(),
                    left: Left::transposed(ld),
                    right: Right::row_major(self.filters),
                    out: Right::row_major(self.filters),
                };
                let epilogue = Epilogue {
                    accumulate: start > 0,
                    ..Epilogue::default()
                };
                // SAFETY: the windows were written for these sizes; members write disjoint rows of dw, [groups of columns of k rows].
                unsafe {
                    let b = dy.as_ptr().wrapping_add(rows.start * self.filters + group * f);
                    let to = io.output_start().add(first * self.filters + group * f);
                    matmul(&product, a, b, to, &epilogue, 0..own, 0..f.div_ceil(16));
                }
                start = rows.end;
                if start >= positions {
                    break;
                }
            }
        }
    }
}

/// Elements of windows that stay in the cache beside the kernel's panels …
const WINDOWS: usize = 16 * 1024;
/// … and in the product over positions, which goes over its output once a block.
const POSITIONS: usize = 32 * 1024;

struct Phase {
    windows: Windows,
    kernel: Kernel,
    origin: [usize; 3],
}

fn sizes(shape: &Shape, range: Range<usize>) -> Vec<usize> {
    shape.0[range].iter().map(|d| d.size).collect()
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
        self.forward(x[0], x[1]).map_or(0, |g| g.forward_scratch())
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        self.forward(x[0], x[1]).map_or(0, |g| g.work(x[0].0[0].at(batch)))
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.forward(io.shape(0), io.shape(1)) {
            g.run_forward(io, None, Activation::Identity);
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
        self.0.backward(x[0], x[1]).map_or(0, |g| g.backward_scratch())
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        self.0.backward(x[0], x[1]).map_or(0, |g| g.work(x[0].0[0].at(batch)))
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.0.backward(io.shape(0), io.shape(1)) {
            g.run_backward(io);
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

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        self.0.of_kernel(x[0], x[1]).map_or(0, |g| g.kernel_scratch())
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        self.0.of_kernel(x[0], x[1]).map_or(0, |g| g.work(x[0].0[0].at(batch)))
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.0.of_kernel(io.shape(0), io.shape(1)) {
            g.run_kernel(io);
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

    fn gradient(&self, _b: &mut Builder, _at: &At) -> Result<Gradients> {
        Err(Error::new(
            Code::NoGradient,
            "the operator \"convLinear\" has no derivative: it is made after differentiation",
        )
        .at("convLinear"))
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

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        self.conv.work(&x[..2], y, batch) + 4 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if let Ok(g) = self.conv.forward(io.shape(0), io.shape(1)) {
            g.run_forward(io, Some(io.input(2)), self.activation.epilogue());
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
