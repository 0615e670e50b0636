//! 3×3 kernels with stride 1 by Winograd's F(4×4, 3×3), in chunks of tiles whose 36 points stay in a member's cache.

use nabla_kernels::convolution::strip::{Grid, Reduction, Strip, strip};
use nabla_kernels::convolution::winograd::{POINTS, Points, TILE, Tiles, of_gradient, of_input, of_kernel, to_kernel, to_output};
use nabla_kernels::convolution::{Kernel, Windows};
use nabla_kernels::matmul::Activation;
use nabla_kernels::{PANEL, Real, panels_len};

use super::super::Io;
use super::super::io::slots;
use super::geometry::Geometry;
use super::{Way, forced};

/// Tiles a chunk: 36 products of so many rows.
const CHUNK: usize = 24;
/// Tiles a chunk of the kernel's gradient, whose products are summed over tiles.
const DEEP_CHUNK: usize = 48;
/// Below so many channels on either side the transforms cost more than they save.
const CHANNELS: usize = 8;
/// The kernel's gradient is summed in at most so many groups of images, which follow from the shape and are added in order.
const GROUPS: usize = 8;

fn whole_panels(columns: usize) -> usize {
    columns.next_multiple_of(PANEL)
}

/// Of `rows` reduced and `columns` computed channels.
struct Layout {
    /// The kernel's panels, tap by tap
    packed: usize,
    /// From a point of the transformed kernel to the next
    point: usize,
    /// The points of a chunk's input
    from: Points,
    /// … and of its output
    to: Points,
}

impl Layout {
    fn new(rows: usize, columns: usize) -> Layout {
        Layout {
            packed: panels_len(9 * rows, columns),
            point: panels_len(rows, columns) + PANEL,
            from: Points::new(CHUNK, rows),
            to: Points::new(CHUNK, columns),
        }
    }

    fn shared(&self) -> usize {
        self.packed + POINTS * self.point
    }

    fn slot(&self) -> usize {
        self.from.len() + self.to.len()
    }
}

/// Groups of images whose kernel gradients are added in order: a table of sizes, not of threads.
fn groups(images: usize, tiles: usize) -> usize {
    let most = match images * tiles {
        0..192 => 1,
        192..384 => 2,
        384..768 => 4,
        _ => GROUPS,
    };
    most.min(images)
}

impl Geometry {
    /// Whether this way is taken (in f32): 3×3 in steps of 1, enough channels, and tiles that are half full at least; the input's gradient
    /// may have few channels, for it is a sum over the filters. What the other way takes is in `benches/convolution.rs`.
    pub(super) fn is_winograd(&self, backward: bool) -> bool {
        let [s0, s1, s2] = self.spans;
        let trivial = s0.size == 1 && s0.kernel == 1 && s0.out == 1 && s0.before == 0;
        let three = [s1, s2].iter().all(|s| s.kernel == 3 && s.stride == 1 && s.dilation == 1);
        if !trivial || !three || self.groups != 1 {
            return false;
        }
        if let Some(way) = forced() {
            return way == Way::Winograd;
        }
        let full = |of: [usize; 2]| 2 * of[0] * of[1] >= of.iter().map(|n| n.next_multiple_of(TILE)).product();
        let enough = self.filters >= CHANNELS && (backward || self.channels >= CHANNELS);
        enough && full([s1.out, s2.out]) && full([s1.size, s2.size])
    }

    pub(super) fn winograd_scratch(&self, backward: bool) -> usize {
        let (rows, columns) = if backward {
            (self.filters, self.channels)
        } else {
            (self.channels, self.filters)
        };
        let layout = Layout::new(rows, columns);
        layout.shared() + slots() * layout.slot()
    }

    /// Elements of the kernel's points.
    pub(super) fn winograd_kept(&self) -> usize {
        if self.is_winograd(false) {
            POINTS * Layout::new(self.channels, self.filters).point
        } else {
            0
        }
    }

    /// y = activation(conv(x, w) + bias).
    pub(super) fn winograd_forward<T: Real>(&self, io: &Io<T>, bias: Option<&[T]>, activation: Activation) {
        self.winograd(io, &self.windows(0), &self.kernel(0), bias, activation);
    }

    /// dx from dy and w: the same with the taps in reverse.
    pub(super) fn winograd_backward<T: Real>(&self, io: &Io<T>) {
        let phase = self.phase(0, 0);
        self.winograd(io, &phase.windows, &phase.kernel, None, Activation::Identity);
    }

    /// The kernel's points; members have met after it.
    fn transform<T: Real>(io: &Io<T>, kernel: &Kernel, layout: &Layout, points: *mut T) {
        let w = io.input(1);
        let (rows, columns) = (kernel.rows.0, kernel.columns.0);
        // A kernel whose taps come in order is read where it lies, as far as its columns fill panels.
        let in_order = kernel.columns.1 == 1
            && kernel.tap_stride == rows * kernel.rows.1
            && kernel.taps.iter().all(|t| t.first == 0 && (t.step == 1 || t.count == 1));
        for panel in io.part(columns.div_ceil(PANEL)) {
            let len = 9 * rows * PANEL;
            let to = points.wrapping_add(panel * rows * PANEL);
            // SAFETY: w holds all taps; scratch has room for the panels, and it or what is kept for their points; members take disjoint panels.
            unsafe {
                if in_order && (panel + 1) * PANEL <= columns {
                    let from = w.as_ptr().add(kernel.from + panel * PANEL);
                    of_kernel(from, kernel.rows.1, rows, layout.point, to);
                } else {
                    let packed = std::slice::from_raw_parts_mut(io.scratch_start().add(panel * len), len);
                    kernel.pack_panel(w, panel, packed);
                    of_kernel(packed.as_ptr(), PANEL, rows, layout.point, to);
                }
            }
        }
        io.barrier();
    }

    fn winograd<T: Real>(&self, io: &Io<T>, windows: &Windows, kernel: &Kernel, bias: Option<&[T]>, activation: Activation) {
        let x = io.input(0);
        let (rows, columns) = (kernel.rows.0, kernel.columns.0);
        let layout = Layout::new(rows, columns);
        let points = io.kept_start().unwrap_or_else(|| io.scratch_start().wrapping_add(layout.packed));
        if !io.is_kept() {
            Self::transform(io, kernel, &layout, points);
        }
        let [_, a1, a2] = windows.axes;
        let counts = [a1.positions.div_ceil(TILE), a2.positions.div_ceil(TILE)];
        let sources = Tiles {
            counts,
            first: [a1.first, a2.first],
            sizes: [a1.source, a2.source],
            channels: rows,
        };
        let targets = Tiles {
            counts,
            first: [0; 2],
            sizes: [a1.positions, a2.positions],
            channels: columns,
        };
        let total = io.len().checked_div(targets.image()).unwrap_or(0) * targets.count();
        let step = CHUNK.min(total.div_ceil(io.members())).max(1);
        // SAFETY: scratch has a slot for each member that has a part.
        let from = unsafe { io.scratch_start().add(layout.shared() + io.slot() * layout.slot()) };
        let to = from.wrapping_add(layout.from.len());
        let product = Strip {
            rows: Grid::line(layout.from.row),
            reduction: Reduction::line(rows, 1),
            right: (PANEL, rows * PANEL),
            out: Grid::line(layout.to.row),
            n: whole_panels(columns),
            padded: true,
            accumulate: false,
            activation: Activation::Identity,
            repeat: (POINTS, [layout.from.point, layout.point, layout.to.point]),
        };
        for unit in io.part_with_slot(total.div_ceil(step)) {
            let range = unit * step..total.min((unit + 1) * step);
            let count = range.len();
            // SAFETY: x holds all images and the slot a chunk; members write disjoint tiles of the output.
            unsafe {
                of_input(&sources, range.clone(), x.as_ptr(), layout.from, from);
                strip(&product, from, points, to, None, 0..count);
                to_output(&targets, range, to, layout.to, bias, activation, io.output_start());
            }
        }
    }

    /// Points of a group's gradient: from one to the next, and of all.
    fn kernel_points(&self) -> (usize, usize) {
        let point = self.channels * whole_panels(self.filters) + PANEL;
        (point, POINTS * point)
    }

    fn deep_slot(&self) -> [Points; 2] {
        [Points::new(DEEP_CHUNK, self.channels), Points::new(DEEP_CHUNK, self.filters)]
    }

    pub(super) fn winograd_kernel_scratch(&self, images: usize) -> usize {
        let tiles = self.spans[1].out.div_ceil(TILE) * self.spans[2].out.div_ceil(TILE);
        let slot: usize = self.deep_slot().iter().map(Points::len).sum();
        groups(images, tiles) * self.kernel_points().1 + slots() * slot
    }

    /// dw from x and dy.
    pub(super) fn winograd_kernel<T: Real>(&self, io: &Io<T>) {
        let (x, dy) = (io.input(0), io.input(1));
        let windows = self.windows(0);
        let [_, a1, a2] = windows.axes;
        let counts = [a1.positions.div_ceil(TILE), a2.positions.div_ceil(TILE)];
        let sources = Tiles {
            counts,
            first: [a1.first, a2.first],
            sizes: [a1.source, a2.source],
            channels: self.channels,
        };
        let targets = Tiles {
            counts,
            first: [0; 2],
            sizes: [a1.positions, a2.positions],
            channels: self.filters,
        };
        let images = dy.len().checked_div(targets.image()).unwrap_or(0);
        let groups = groups(images, targets.count());
        let (point, all) = self.kernel_points();
        let [from, to] = self.deep_slot();
        // SAFETY: scratch has the groups' points, then a slot for each member that has a part.
        let slot = unsafe { io.scratch_start().add(groups * all + io.slot() * (from.len() + to.len())) };
        let second = slot.wrapping_add(from.len());
        for group in io.part_with_slot(groups) {
            let tiles = group * images / groups * targets.count()..(group + 1) * images / groups * targets.count();
            for start in tiles.clone().step_by(DEEP_CHUNK) {
                let range = start..tiles.end.min(start + DEEP_CHUNK);
                let product = Strip {
                    rows: Grid::line(1),
                    reduction: Reduction::line(range.len(), from.row),
                    right: (to.row, PANEL),
                    out: Grid::line(whole_panels(self.filters)),
                    n: whole_panels(self.filters),
                    padded: true,
                    accumulate: start > tiles.start,
                    activation: Activation::Identity,
                    repeat: (POINTS, [from.point, to.point, point]),
                };
                // SAFETY: x and dy hold all images and the slot a chunk of both; members write the points of disjoint groups.
                unsafe {
                    of_input(&sources, range.clone(), x.as_ptr(), from, slot);
                    of_gradient(&targets, range, dy.as_ptr(), to, second);
                    let sums = io.scratch_start().add(group * all);
                    strip(&product, slot, second, sums, None, 0..self.channels);
                }
            }
        }
        io.barrier();
        for row in io.part(self.channels) {
            // SAFETY: the members have met, and they write disjoint rows of dw.
            unsafe {
                let sums = io.scratch_start().add(row * whole_panels(self.filters));
                let out = io.output_start().add(row * self.filters);
                to_kernel(self.filters, sums, (groups, all), point, self.channels * self.filters, out);
            }
        }
    }
}
