//! What a convolution needs beside the product: which pixels of a channels-last image a window reads, an image with zeros around it
//! (so that windows are read where they lie and the matrix of windows never exists), and the kernel in panels.
//!
//! Three spatial axes always; missing ones have size 1.

use std::ops::Range;

use crate::{PANEL, Real};

pub mod depthwise;
pub mod strip;
pub mod winograd;

/// One spatial axis: position o and tap t read the source at `o·step + first + t·tap_step`, or 0 where that lies outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axis {
    /// Positions along this axis
    pub positions: usize,
    /// From a position's window to the next one's
    pub step: usize,
    /// Where the first window starts, perhaps outside
    pub first: isize,
    /// Taps of a window
    pub taps: usize,
    /// From a tap to the next
    pub tap_step: usize,
    /// Size of the source
    pub source: usize,
}

/// The windows of `[images, source…, channels]` over some of its channels.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Outermost first
    pub axes: [Axis; 3],
    /// Channels of the source
    pub channels: usize,
    /// First channel that is read
    pub from: usize,
    /// How many are read
    pub width: usize,
}

impl Windows {
    /// Windows an image.
    pub fn positions(&self) -> usize {
        self.axes.iter().map(|a| a.positions).product()
    }

    /// Elements of one window: taps of the three axes, then channels.
    pub fn elements(&self) -> usize {
        self.axes.iter().map(|a| a.taps).product::<usize>() * self.width
    }
}

/// An image with zeros around it: as wide as some windows reach beyond it.
#[derive(Clone, Copy, Debug)]
pub struct Halo {
    /// Zeros before, along each axis
    pub low: [usize; 3],
    /// Pixels with the zeros
    pub padded: [usize; 3],
    source: [usize; 3],
    channels: usize,
}

impl Halo {
    /// What all of these windows of one source need.
    pub fn of(windows: impl Iterator<Item = Windows> + Clone, source: [usize; 3], channels: usize) -> Halo {
        let mut halo = Halo {
            low: [0; 3],
            padded: source,
            source,
            channels,
        };
        for (a, size) in source.into_iter().enumerate() {
            let axes = windows
                .clone()
                .map(|w| w.axes[a])
                .filter(|axis| axis.taps > 0 && axis.positions > 0);
            let (mut low, mut high) = (0, size as isize);
            for axis in axes {
                low = low.min(axis.first);
                let last = (axis.positions - 1) * axis.step + (axis.taps - 1) * axis.tap_step;
                high = high.max(axis.first + last as isize + 1);
            }
            halo.low[a] = low.unsigned_abs();
            halo.padded[a] = (high - low) as usize;
        }
        halo
    }

    /// Whether there are no zeros, so that the image can be read where it lies.
    pub fn is_empty(&self) -> bool {
        self.padded == self.source
    }

    /// Elements from a padded line to the next, and from a plane of `lines` of them to the next.
    pub fn strides(&self, lines: usize) -> [usize; 2] {
        let line = self.padded[2] * self.channels;
        [lines * line, line]
    }

    /// Writes these padded lines of every padded plane.
    ///
    /// # Panics
    /// If the image or `out` is too short.
    pub fn copy<T: Real>(&self, image: &[T], lines: Range<usize>, out: &mut [T]) {
        let [s0, s1, s2] = self.source;
        let (wide, before, count) = (self.padded[2] * self.channels, self.low[2] * self.channels, s2 * self.channels);
        let inside = |at: usize, low: usize, size: usize| at.checked_sub(low).filter(|&at| at < size);
        let mut out = out.chunks_exact_mut(wide.max(1));
        for p0 in 0..self.padded[0] {
            for (p1, out) in lines.clone().zip(&mut out) {
                let line = inside(p0, self.low[0], s0).and_then(|i0| inside(p1, self.low[1], s1).map(|i1| i0 * s1 + i1));
                let Some(line) = line else {
                    out.fill(T::ZERO);
                    continue;
                };
                out[..before].fill(T::ZERO);
                out[before..before + count].copy_from_slice(&image[line * count..(line + 1) * count]);
                out[before + count..].fill(T::ZERO);
            }
        }
    }
}

/// Which taps of a kernel a product reads: `first + t·step` along each axis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taps {
    /// The first
    pub first: usize,
    /// To the next
    pub step: isize,
    /// How many
    pub count: usize,
}

/// How a kernel `[taps…, …]` becomes the right side of a product: element (tap, i, j) lies at `tap·tap_stride + i·row + j·column`.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Sizes of the kernel's spatial axes
    pub sizes: [usize; 3],
    /// Those that are read
    pub taps: [Taps; 3],
    /// From a tap to the next
    pub tap_stride: usize,
    /// Where element (0, 0, 0) lies
    pub from: usize,
    /// Rows a tap, and the step between them
    pub rows: (usize, usize),
    /// Columns, and the step between them
    pub columns: (usize, usize),
}

impl Kernel {
    /// Rows of the product's right side.
    pub fn height(&self) -> usize {
        self.taps.iter().map(|t| t.count).product::<usize>() * self.rows.0
    }

    /// Where each tap starts.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let at = |t: &Taps, i: usize| (t.first as isize + i as isize * t.step) as usize;
        let [t0, t1, t2] = self.taps;
        (0..t0.count * t1.count * t2.count).map(move |i| {
            let (i0, i1, i2) = (i / (t1.count * t2.count), i / t2.count % t1.count, i % t2.count);
            let tap = (at(&t0, i0) * self.sizes[1] + at(&t1, i1)) * self.sizes[2] + at(&t2, i2);
            self.from + tap * self.tap_stride
        })
    }

    /// Writes one 16-wide panel, `[height, 16]`, padded with zeros.
    pub fn pack_panel<T: Real>(&self, kernel: &[T], panel: usize, out: &mut [T]) {
        let columns = panel * PANEL..self.columns.0.min((panel + 1) * PANEL);
        let mut rows = out.as_chunks_mut::<PANEL>().0.iter_mut();
        for start in self.starts() {
            for (i, out) in (0..self.rows.0).zip(&mut rows) {
                let start = start + i * self.rows.1;
                let (own, padding) = out.split_at_mut(columns.len());
                let from = &kernel[start + columns.start * self.columns.1..];
                if self.columns.1 == 1 {
                    own.copy_from_slice(&from[..own.len()]);
                } else {
                    let strided = from.iter().step_by(self.columns.1);
                    own.iter_mut().zip(strided).for_each(|(out, &value)| *out = value);
                }
                padding.fill(T::ZERO);
            }
        }
    }

    /// Writes `width` numbers of each tap, one tap after the other.
    pub fn copy_taps<T: Real>(&self, kernel: &[T], width: usize, out: &mut [T]) {
        for (start, out) in self.starts().zip(out.chunks_exact_mut(width)) {
            out.copy_from_slice(&kernel[start..start + width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halo_is_as_wide_as_the_windows_reach() {
        let axis = |positions, step, first, taps, tap_step, source| Axis {
            positions,
            step,
            first,
            taps,
            tap_step,
            source,
        };
        let windows = |first| Windows {
            axes: [axis(1, 1, 0, 1, 1, 1), axis(3, 1, first, 3, 1, 3), axis(2, 2, -1, 2, 3, 4)],
            channels: 2,
            from: 0,
            width: 2,
        };
        let halo = Halo::of([windows(0), windows(-2)].into_iter(), [1, 3, 4], 2);
        assert_eq!((halo.low, halo.padded), ([0, 2, 1], [1, 7, 6]));
        let image: Vec<f64> = (1..=24).map(f64::from).collect();
        let mut out = vec![9.0; 3 * 12];
        halo.copy(&image, 1..4, &mut out);
        for (i, &value) in out.iter().enumerate() {
            let (y, x, c) = (i / 12 + 1, i / 2 % 6, i % 2);
            let inside = (2..5).contains(&y) && (1..5).contains(&x);
            let expected = if inside { image[((y - 2) * 4 + x - 1) * 2 + c] } else { 0.0 };
            assert_eq!(value, expected, "line {y}, pixel {x}");
        }
        assert!(Halo::of([windows(0)].into_iter().filter(|_| false), [1, 3, 4], 2).is_empty());
    }
}
