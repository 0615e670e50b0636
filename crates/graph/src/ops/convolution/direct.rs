//! By definition: windows are read where they lie, through strides; only an image with padding is copied, once, into a member's scratch
//! with zeros around it. The kernel's panels are packed once a run.
//!
//! Each output element is one chain of fused multiply-adds in ascending window order (a kernel's gradient: ascending position), so
//! neither blocks nor threads change a bit. The input's gradient runs once for each residue of the position by the stride, with the
//! taps that meet it: no multiplication by a zero between strides.

use nabla_kernels::convolution::depthwise::{Depthwise, depthwise as run_depthwise};
use nabla_kernels::convolution::strip::{Grid, Reduction, Strip, strip};
use nabla_kernels::convolution::{Halo, Windows};
use nabla_kernels::elementwise::{self, Unary};
use nabla_kernels::matmul::{Activation, panels_len};
use nabla_kernels::{PANEL, Real};

use super::super::Io;
use super::super::io::slots;
use super::depthwise::taps;
use super::geometry::{Geometry, Phase};

/// Elements of an image, with zeros around it, that stay in the nearer caches: larger images are computed in bands of lines.
const BAND: usize = 24 * 1024;

/// Where the positions of a phase lie in the output.
struct Target {
    /// From a position to the next along each axis, in pixels
    strides: [usize; 3],
    /// Pixels along each axis
    sizes: [usize; 3],
    channels: usize,
}

/// Lines of axis 1 that are computed at a time.
pub(super) fn band(windows: &Windows, halo: &Halo) -> usize {
    let axis = windows.axes[1];
    let line = halo.padded[0] * halo.padded[2] * windows.channels;
    (BAND / (line * axis.step).max(1)).clamp(1, axis.positions.max(1))
}

/// Elements of a band.
pub(super) fn room(windows: &Windows, halo: &Halo) -> usize {
    if halo.is_empty() {
        return 0;
    }
    halo.padded[0] * lines_read(windows, band(windows, halo)) * halo.padded[2] * windows.channels
}

/// Lines of the source that so many lines of positions read.
fn lines_read(windows: &Windows, lines: usize) -> usize {
    let axis = windows.axes[1];
    lines.saturating_sub(1) * axis.step + axis.taps.saturating_sub(1) * axis.tap_step + 1
}

/// The taps of a window as a reduction; taps of the last axis that lie side by side are one run.
fn over_taps(windows: &Windows, strides: [usize; 2]) -> Reduction {
    let [a0, a1, a2] = windows.axes;
    let (plane, line) = (a0.tap_step * strides[0], a1.tap_step * strides[1]);
    if side_by_side(windows) {
        return Reduction {
            outer: [(1, 0), (a0.taps, plane), (a1.taps, line)],
            len: a2.taps * windows.width,
            step: 1,
        };
    }
    Reduction {
        outer: [(a0.taps, plane), (a1.taps, line), (a2.taps, a2.tap_step * windows.channels)],
        len: windows.width,
        step: 1,
    }
}

fn side_by_side(windows: &Windows) -> bool {
    windows.axes[2].tap_step == 1 && windows.width == windows.channels
}

/// The source of a band of lines: the image itself, or a copy with zeros around it.
pub(super) struct Source<T> {
    /// Where the window of position (0, first line, 0) starts
    pub start: *const T,
    /// From a line to the next, and from a plane to the next
    pub strides: [usize; 2],
}

impl<T: Real> Source<T> {
    pub fn of(x: &[T], image: usize, windows: &Windows, halo: &Halo, first: usize, lines: usize, slot: &mut [T]) -> Source<T> {
        let [a0, a1, a2] = windows.axes;
        let size = a0.source * a1.source * a2.source * windows.channels;
        let x = &x[image * size..(image + 1) * size];
        let start = |a: usize| (windows.axes[a].first + halo.low[a] as isize).max(0) as usize;
        let from = first * a1.step + start(1);
        if halo.is_empty() {
            let strides = halo.strides(a1.source);
            let at = start(0) * strides[0] + from * strides[1] + start(2) * windows.channels + windows.from;
            return Source {
                start: x.as_ptr().wrapping_add(at),
                strides,
            };
        }
        let count = lines_read(windows, lines);
        halo.copy(x, from..from + count, slot);
        let strides = halo.strides(count);
        let at = start(0) * strides[0] + start(2) * windows.channels + windows.from;
        Source {
            start: slot.as_ptr().wrapping_add(at),
            strides,
        }
    }
}

impl Geometry {
    pub(super) fn halo(&self, phases: usize, backward: bool) -> Halo {
        let windows = (0..phases).map(|p| if backward { self.phase(p, 0).windows } else { self.windows(0) });
        let sizes = self.spans.map(|s| if backward { s.out } else { s.size });
        Halo::of(windows, sizes, if backward { self.filters } else { self.channels })
    }

    pub(super) fn forward_scratch(&self) -> usize {
        self.groups * panels_len(self.window(), self.group_filters()) + slots() * room(&self.windows(0), &self.halo(1, false))
    }

    pub(super) fn backward_scratch(&self) -> usize {
        let k = self.product(|s| s.kernel) * self.group_filters();
        let halo = self.halo(self.phases(), true);
        let most = (0..self.phases()).map(|p| room(&self.phase(p, 0).windows, &halo)).max();
        self.groups * panels_len(k, self.group_channels()) + slots() * most.unwrap_or(0)
    }

    pub(super) fn kernel_scratch(&self) -> usize {
        slots() * room(&self.windows(0), &self.halo(1, false))
    }

    /// y = activation(conv(x, w) + bias).
    pub(super) fn run_forward<T: Real>(&self, io: &Io<T>, bias: Option<&[T]>, activation: Activation) {
        let target = Target {
            strides: [1; 3],
            sizes: self.spans.map(|s| s.out),
            channels: self.filters,
        };
        let phase = |_, group| Phase {
            windows: self.windows(group),
            kernel: self.kernel(group),
            origin: [0; 3],
        };
        self.run(io, &self.halo(1, false), 1, phase, &target, bias, activation);
    }

    /// dx from dy and w.
    pub(super) fn run_backward<T: Real>(&self, io: &Io<T>) {
        let target = Target {
            strides: self.spans.map(|s| s.stride),
            sizes: self.spans.map(|s| s.size),
            channels: self.channels,
        };
        let phases = self.phases();
        let phase = |phase, group| self.phase(phase, group);
        self.run(io, &self.halo(phases, true), phases, phase, &target, None, Activation::Identity);
    }

    #[allow(clippy::too_many_arguments, reason = "both directions share it")]
    fn run<T: Real>(
        &self,
        io: &Io<T>,
        halo: &Halo,
        phases: usize,
        phase_of: impl Fn(usize, usize) -> Phase,
        target: &Target,
        bias: Option<&[T]>,
        activation: Activation,
    ) {
        let (x, w) = (io.input(0), io.input(1));
        let n = phase_of(0, 0).kernel.columns.0;
        let panels = n.div_ceil(PANEL);
        let depthwise = self.is_depthwise();
        let mut start = 0;
        for p in 0..phases {
            let k = phase_of(p, 0).kernel.height();
            for _ in io.part(usize::from(depthwise)) {
                // SAFETY: as below; one member packs the taps of all channels.
                let out = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(start * PANEL), k * self.groups) };
                phase_of(p, 0).kernel.copy_taps(w, self.groups, out);
            }
            for unit in io.part(if depthwise { 0 } else { self.groups * panels }) {
                // SAFETY: scratch has room for all panels of all phases, whose taps are disjoint; members pack disjoint panels.
                let out = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add((start + unit * k) * PANEL), k * PANEL) };
                phase_of(p, unit / panels).kernel.pack_panel(w, unit % panels, out);
            }
            start += self.groups * panels * k;
        }
        io.barrier();
        let image = target.sizes.iter().product::<usize>() * target.channels;
        let images = io.len().checked_div(image).unwrap_or(0);
        let most = (0..phases).map(|p| room(&phase_of(p, 0).windows, halo)).max().unwrap_or(0);
        // SAFETY: after the panels, each member that has a part has a slot of its own.
        let slot = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(start * PANEL + io.slot() * most), most) };
        // ReLU rides in the microkernel; the others follow over each line, still in the cache.
        let after = match activation {
            Activation::Identity | Activation::Relu => None,
            Activation::Tanh => Some(Unary::Tanh),
            Activation::Sigmoid => Some(Unary::Sigmoid),
            Activation::Gelu => Some(Unary::Gelu),
        };
        let mut packed = 0;
        for p in 0..phases {
            let Phase { windows, kernel, origin } = phase_of(p, 0);
            let (k, [a0, a1, a2]) = (kernel.height(), windows.axes);
            let step = band(&windows, halo);
            let bands = a1.positions.div_ceil(step);
            for unit in io.part_with_slot(images * bands) {
                let (n_image, first) = (unit / bands, unit % bands * step);
                let lines = step.min(a1.positions - first);
                let source = Source::of(x, n_image, &windows, halo, first, lines, slot);
                for group in 0..if depthwise { 1 } else { self.groups } {
                    let last = depthwise || group + 1 == self.groups;
                    let Phase { windows: own, .. } = phase_of(p, group);
                    for o0 in 0..a0.positions {
                        let [_, s1, s2] = target.sizes;
                        let (y0, y1) = (origin[0] + o0 * target.strides[0], origin[1] + first * target.strides[1]);
                        let to = n_image * image + ((y0 * s1 + y1) * s2 + origin[2]) * target.channels + group * n;
                        let out = Grid {
                            width: a2.positions,
                            step: target.strides[2] * target.channels,
                            line: target.strides[1] * s2 * target.channels,
                        };
                        let rows = Grid {
                            width: a2.positions,
                            step: a2.step * windows.channels,
                            line: a1.step * source.strides[1],
                        };
                        let rides = if after.is_none() { activation } else { Activation::Identity };
                        let s = Strip {
                            rows,
                            reduction: over_taps(&own, source.strides),
                            right: (PANEL, k * PANEL),
                            out,
                            n,
                            padded: true,
                            accumulate: false,
                            activation: rides,
                            repeat: (1, [0; 3]),
                        };
                        let a = source
                            .start
                            .wrapping_add(own.from - windows.from + o0 * a0.step * source.strides[0]);
                        // SAFETY: the band holds every pixel that its windows read, the panels were packed for these sizes, and
                        // members write disjoint positions of the output.
                        unsafe {
                            let b = io.scratch_start().add((packed + group * panels * k) * PANEL);
                            let (c, count) = (io.output_start().wrapping_add(to), 0..lines * a2.positions);
                            if depthwise {
                                let d = Depthwise {
                                    rows,
                                    taps: taps(&windows, source.strides),
                                    out,
                                    channels: windows.channels,
                                    activation: rides,
                                };
                                run_depthwise(&d, a, b, c, bias, count);
                            } else {
                                strip(&s, a, b, c, bias.map(|b| &b[group * n..(group + 1) * n]), count);
                            }
                        }
                        let (Some(unary), true) = (after, last) else {
                            continue;
                        };
                        for line in 0..lines {
                            let from = to - group * n + line * out.line;
                            // SAFETY: this line was just written by this member, all groups of it.
                            elementwise::unary_in_place(unary, unsafe { io.output(from..from + a2.positions * target.channels) });
                        }
                    }
                }
            }
            packed += self.groups * panels * k;
        }
    }

    /// dw from x and dy: each member computes its own rows of dw.
    pub(super) fn run_kernel<T: Real>(&self, io: &Io<T>) {
        let (x, dy) = (io.input(0), io.input(1));
        let (k, f) = (self.window(), self.group_filters());
        let halo = self.halo(1, false);
        let windows = self.windows(0);
        let [a0, a1, a2] = windows.axes;
        let outs = self.product(|s| s.out) * self.filters;
        let images = dy.len().checked_div(outs).unwrap_or(0);
        let (step, most) = (band(&windows, &halo), room(&windows, &halo));
        // SAFETY: scratch has a slot for each member that has a part (`kernel_scratch`).
        let slot = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(io.slot() * most), most) };
        // Few rows are shared one by one, many in whole tiles.
        let tile = if k < 64 { 1 } else { 8 };
        let blocks = k.div_ceil(tile);
        let units = io.part_with_slot(self.groups * blocks);
        if units.is_empty() {
            return;
        }
        // Rows of dw that are a grid over the image: taps of the inner axes and channels.
        let slab = if side_by_side(&windows) {
            a1.taps * a2.taps * windows.width
        } else {
            a2.taps * windows.width
        };
        for image in 0..images.max(1) {
            for first in (0..a1.positions.max(1)).step_by(step) {
                let lines = if images == 0 { 0 } else { step.min(a1.positions - first) };
                let source = if lines == 0 {
                    Source {
                        start: x.as_ptr(),
                        strides: [0; 2],
                    }
                } else {
                    Source::of(x, image, &windows, &halo, first, lines, slot)
                };
                for group in units.start / blocks..units.end.div_ceil(blocks) {
                    let from = (units.start.max(group * blocks) - group * blocks) * tile;
                    let end = ((units.end.min((group + 1) * blocks) - group * blocks) * tile).min(k);
                    let mut row = from;
                    while row < end {
                        let (t, next) = (row / slab, end.min((row / slab + 1) * slab));
                        let (line, plane) = (a1.tap_step * source.strides[1], a0.tap_step * source.strides[0]);
                        let (at, rows) = if side_by_side(&windows) {
                            let width = a2.taps * windows.width;
                            (t * plane, Grid { width, step: 1, line })
                        } else {
                            let grid = Grid {
                                width: windows.width,
                                step: 1,
                                line: a2.tap_step * windows.channels,
                            };
                            (t / a1.taps * plane + t % a1.taps * line, grid)
                        };
                        for o0 in 0..a0.positions.max(1) {
                            let s = Strip {
                                rows,
                                reduction: Reduction {
                                    outer: [(1, 0), (1, 0), (lines, a1.step * source.strides[1])],
                                    len: a2.positions,
                                    step: a2.step * windows.channels,
                                },
                                right: (self.filters, PANEL),
                                out: Grid::line(self.filters),
                                n: f,
                                padded: false,
                                accumulate: image + first + o0 > 0,
                                activation: Activation::Identity,
                                repeat: (1, [0; 3]),
                            };
                            let a = at + o0 * a0.step * source.strides[0] + group * windows.width;
                            let b = image * outs + (o0 * a1.positions + first) * a2.positions * self.filters + group * f;
                            let c = t * slab * self.filters + group * f;
                            // SAFETY: the band holds every pixel that its windows read; members write disjoint rows of dw.
                            unsafe {
                                let (a, b) = (source.start.wrapping_add(a), dy.as_ptr().wrapping_add(b));
                                strip(&s, a, b, io.output_start().wrapping_add(c), None, row - t * slab..next - t * slab);
                            }
                        }
                        row = next;
                    }
                }
            }
        }
    }
}
