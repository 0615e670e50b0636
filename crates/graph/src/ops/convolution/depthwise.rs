//! Each channel with a kernel of its own, directly: vectors over channels. Chains are as in `direct`; a kernel's gradient is summed in
//! eight fixed groups of images, which are added in order.

use nabla_kernels::Real;
use nabla_kernels::convolution::depthwise::{Depthwise, depthwise_gradient};
use nabla_kernels::convolution::strip::Grid;
use nabla_kernels::convolution::{Halo, Windows};
use nabla_kernels::matmul::Activation;

use super::super::Io;
use super::super::io::slots;
use super::direct::{Source, band, room};
use super::geometry::Geometry;

const GROUPS: usize = 8;

/// Taps of the windows in a source with these strides.
pub(super) fn taps(windows: &Windows, strides: [usize; 2]) -> [(usize, usize); 3] {
    let [a0, a1, a2] = windows.axes;
    [
        (a0.taps, a0.tap_step * strides[0]),
        (a1.taps, a1.tap_step * strides[1]),
        (a2.taps, a2.tap_step * windows.channels),
    ]
}

impl Geometry {
    /// Whether this way is taken.
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.channels && self.groups == self.filters
    }

    fn taps(&self) -> usize {
        self.product(|s| s.kernel)
    }

    pub(super) fn depthwise_kernel_scratch(&self) -> usize {
        GROUPS * self.taps() * self.channels + slots() * room(&self.windows(0), &self.halo(1, false))
    }

    /// dw from x and dy.
    pub(super) fn depthwise_kernel<T: Real>(&self, io: &Io<T>) {
        let (x, dy) = (io.input(0), io.input(1));
        let halo: Halo = self.halo(1, false);
        let windows = self.windows(0);
        let [a0, a1, a2] = windows.axes;
        let outs = self.product(|s| s.out) * self.filters;
        let images = dy.len().checked_div(outs).unwrap_or(0);
        let (step, most) = (band(&windows, &halo), room(&windows, &halo));
        let groups = GROUPS.min(images);
        let size = self.taps() * self.channels;
        // SAFETY: scratch has the groups' sums, then a slot for each member that has a part.
        let slot = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(GROUPS * size + io.slot() * most), most) };
        for group in io.part_with_slot(groups) {
            // SAFETY: members write disjoint groups.
            let sums = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(group * size), size) };
            sums.fill(T::ZERO);
            for image in group * images / groups..(group + 1) * images / groups {
                for first in (0..a1.positions).step_by(step) {
                    let lines = step.min(a1.positions - first);
                    let source = Source::of(x, image, &windows, &halo, first, lines, slot);
                    for o0 in 0..a0.positions {
                        let d = Depthwise {
                            rows: Grid {
                                width: a2.positions,
                                step: a2.step * self.channels,
                                line: a1.step * source.strides[1],
                            },
                            taps: taps(&windows, source.strides),
                            out: Grid::line(self.filters),
                            channels: self.channels,
                            activation: Activation::Identity,
                        };
                        let from = image * outs + (o0 * a1.positions + first) * a2.positions * self.filters;
                        // SAFETY: the band holds every pixel that its windows read, and dy these positions.
                        unsafe {
                            let x = source.start.wrapping_add(o0 * a0.step * source.strides[0]);
                            let dy = dy.as_ptr().wrapping_add(from);
                            depthwise_gradient(&d, x, dy, sums.as_mut_ptr(), 0..lines * a2.positions);
                        }
                    }
                }
            }
        }
        io.barrier();
        // SAFETY: the members have met; the sums are only read now.
        let sums = unsafe { std::slice::from_raw_parts(io.scratch_start(), groups * size) };
        let part = io.part_in_blocks(size, 16);
        // SAFETY: members take disjoint parts.
        let out = unsafe { io.output(part.clone()) };
        out.fill(T::ZERO);
        for group in sums.chunks_exact(size.max(1)) {
            out.iter_mut().zip(&group[part.clone()]).for_each(|(out, &sum)| *out += sum);
        }
    }
}
