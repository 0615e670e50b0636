//! What a convolution needs beside the product: windows of a channels-last image as rows of a matrix, a few rows at a time, so that
//! a block of them stays in the cache and the full matrix of windows never exists.
//!
//! Three spatial axes always; missing ones have size 1.

use std::ops::Range;

use crate::{PANEL, Real};

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

impl Axis {
    #[inline(always)]
    fn at(&self, position: usize, tap: usize) -> Option<usize> {
        let index = (position * self.step + tap * self.tap_step) as isize + self.first;
        (0..self.source as isize).contains(&index).then_some(index as usize)
    }

    /// Whether position o reads source o and nothing else.
    fn is_identity(&self) -> bool {
        self.taps == 1 && self.step == 1 && self.first == 0 && self.positions == self.source
    }

    /// The taps of a position that lie inside, if taps are side by side.
    #[inline(always)]
    fn inside(&self, position: usize) -> Range<usize> {
        let start = (position * self.step) as isize + self.first;
        let low = (-start).clamp(0, self.taps as isize) as usize;
        let high = (self.source as isize - start).clamp(low as isize, self.taps as isize) as usize;
        low..high
    }
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

    /// Whether each window is the pixel at its position, so that the source is the matrix of windows already.
    pub fn are_pixels(&self) -> bool {
        self.axes.iter().all(Axis::is_identity)
    }

    /// Writes elements `columns` of windows `rows` (counted over all images) as rows of a matrix with leading dimension `ld`.
    ///
    /// # Panics
    /// If the source does not hold the images, or `out` not the rows.
    pub fn copy<T: Real>(&self, source: &[T], rows: Range<usize>, columns: Range<usize>, out: &mut [T], ld: usize) {
        let [a0, a1, a2] = self.axes;
        if rows.is_empty() || self.positions() == 0 {
            return;
        }
        let image = a0.source * a1.source * a2.source * self.channels;
        let whole_rows = a2.tap_step == 1 && self.width == self.channels;
        let segment = a2.taps * self.width;
        // Where the first row is; the others follow by counting, since divisions would cost as much as a short copy.
        let (rest, mut o2) = (rows.start / a2.positions, rows.start % a2.positions);
        let (rest, mut o1) = (rest / a1.positions, rest % a1.positions);
        let (mut n, mut o0) = (rest / a0.positions, rest % a0.positions);
        for (_, out) in rows.zip(out.chunks_mut(ld.max(1))) {
            let mut column = 0;
            // Copies `len` elements from `start`, or zeros, as far as they are asked for.
            let mut put = |start: Option<usize>, len: usize| {
                let low = column.max(columns.start);
                let high = (column + len).min(columns.end);
                if low < high {
                    let to = &mut out[low - columns.start..high - columns.start];
                    match start {
                        Some(start) => {
                            let from = &source[start + low - column..start + high - column];
                            if to.len() < PANEL {
                                // Shorter than the call of a copy.
                                to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                            } else {
                                to.copy_from_slice(from);
                            }
                        }
                        None => to.fill(T::ZERO),
                    }
                }
                column += len;
            };
            for t0 in 0..a0.taps {
                let i0 = a0.at(o0, t0);
                for t1 in 0..a1.taps {
                    let (Some(i0), Some(i1)) = (i0, a1.at(o1, t1)) else {
                        put(None, segment);
                        continue;
                    };
                    let line = n * image + (i0 * a1.source + i1) * a2.source * self.channels + self.from;
                    if whole_rows {
                        let inside = a2.inside(o2);
                        put(None, inside.start * self.width);
                        let start = (o2 * a2.step + inside.start) as isize + a2.first;
                        put(Some(line + start.max(0) as usize * self.channels), inside.len() * self.width);
                        put(None, (a2.taps - inside.end) * self.width);
                        continue;
                    }
                    for t2 in 0..a2.taps {
                        put(a2.at(o2, t2).map(|i2| line + i2 * self.channels), self.width);
                    }
                }
            }
            o2 += 1;
            if o2 == a2.positions {
                (o2, o1) = (0, o1 + 1);
            }
            if o1 == a1.positions {
                (o1, o0) = (0, o0 + 1);
            }
            if o0 == a0.positions {
                (o0, n) = (0, n + 1);
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

    /// Writes one 16-wide panel, `[height, 16]`, padded with zeros.
    pub fn pack_panel<T: Real>(&self, kernel: &[T], panel: usize, out: &mut [T]) {
        let columns = panel * PANEL..self.columns.0.min((panel + 1) * PANEL);
        let mut rows = out.as_chunks_mut::<PANEL>().0.iter_mut();
        let at = |t: &Taps, i: usize| (t.first as isize + i as isize * t.step) as usize;
        let [t0, t1, t2] = &self.taps;
        for i0 in 0..t0.count {
            for i1 in 0..t1.count {
                for i2 in 0..t2.count {
                    let tap = (at(t0, i0) * self.sizes[1] + at(t1, i1)) * self.sizes[2] + at(t2, i2);
                    let start = self.from + tap * self.tap_stride;
                    for (i, out) in (0..self.rows.0).zip(&mut rows) {
                        let start = start + i * self.rows.1;
                        for (lane, out) in out.iter_mut().enumerate() {
                            let j = columns.start + lane;
                            *out = if j < columns.end {
                                kernel[start + j * self.columns.1]
                            } else {
                                T::ZERO
                            };
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_copied_with_zeros_outside() {
        let axis = |positions, step, first, taps, tap_step, source| Axis {
            positions,
            step,
            first,
            taps,
            tap_step,
            source,
        };
        let one = axis(1, 1, 0, 1, 1, 1);
        for (tap_step, width, from) in [(1, 2, 0), (2, 2, 0), (1, 1, 1)] {
            let windows = Windows {
                axes: [one, axis(3, 1, -1, 3, 1, 3), axis(2, 2, -1, 3, tap_step, 4)],
                channels: 2,
                from,
                width,
            };
            let source: Vec<f64> = (1..=48).map(f64::from).collect();
            let k = windows.elements();
            let mut out = vec![9.0; 12 * k];
            windows.copy(&source, 0..12, 0..k, &mut out, k);
            let mut part = vec![9.0; 12 * (k - 3)];
            windows.copy(&source, 0..12, 2..k - 1, &mut part, k - 3);
            for row in 0..12 {
                let (n, oy, ox) = (row / 6, row / 2 % 3, row % 2);
                for column in 0..k {
                    let (ty, tx, c) = (column / (3 * width), column / width % 3, column % width);
                    let (y, x) = (oy as isize + ty as isize - 1, (ox * 2 + tx * tap_step) as isize - 1);
                    let inside = (0..3).contains(&y) && (0..4).contains(&x);
                    let index = || n * 24 + (y as usize * 4 + x as usize) * 2 + from + c;
                    let expected = if inside { source[index()] } else { 0.0 };
                    assert_eq!(out[row * k + column], expected);
                    if (2..k - 1).contains(&column) {
                        assert_eq!(part[row * (k - 3) + column - 2], expected);
                    }
                }
            }
        }
    }
}
