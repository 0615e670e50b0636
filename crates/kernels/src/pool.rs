//! Pooling over three spatial axes, channels last, in vectors of channels.

use std::ops::Range;

use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

/// One axis: position o looks at `o·stride − before .. o·stride − before + window`, as far as that lies inside.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Size of the source
    pub size: usize,
    /// Positions
    pub out: usize,
    /// Size of a window
    pub window: usize,
    /// From a window to the next
    pub stride: usize,
    /// Padding before, which is not looked at
    pub before: usize,
}

impl Span {
    /// The part of a window that lies inside.
    #[inline(always)]
    pub fn inside(&self, at: usize) -> Range<usize> {
        let start = at * self.stride;
        start.saturating_sub(self.before)..(start + self.window).saturating_sub(self.before).min(self.size)
    }

    /// Whether every element is in exactly one window.
    fn tiles(&self) -> bool {
        self.stride == self.window && self.before == 0 && self.out * self.window == self.size
    }
}

/// Windows over images.
#[derive(Clone, Copy, Debug)]
pub struct Pooling {
    /// Outermost first
    pub spans: [Span; 3],
    /// Values a pixel
    pub channels: usize,
}

impl Pooling {
    /// Pixels of an image.
    pub fn pixels(&self) -> usize {
        self.spans.iter().map(|s| s.size).product()
    }

    /// Windows of an image.
    pub fn outs(&self) -> usize {
        self.spans.iter().map(|s| s.out).product()
    }

    /// Lines of windows of an image.
    pub fn lines(&self) -> usize {
        self.spans[0].out * self.spans[1].out
    }

    #[inline(always)]
    fn pixel(&self, at: [usize; 3]) -> usize {
        ((at[0] * self.spans[1].size + at[1]) * self.spans[2].size + at[2]) * self.channels
    }

    /// From a line of pixels to the next, and from a plane to the next.
    #[inline(always)]
    fn strides(&self) -> [usize; 2] {
        let line = self.spans[2].size * self.channels;
        [line, self.spans[1].size * line]
    }
}

/// The largest value of each window, or NaN where it holds one, of these lines of windows (counted over all images).
///
/// # Panics
/// If `y` is not those lines, or `x` too short.
pub fn max<T: Real>(pooling: &Pooling, x: &[T], lines: Range<usize>, y: &mut [T]) {
    assert_eq!(y.len(), lines.len() * pooling.spans[2].out * pooling.channels);
    assert!(x.len() >= lines.end.div_ceil(pooling.lines().max(1)) * pooling.pixels() * pooling.channels);
    T::run_max_pool(Max { pooling, x, lines, y });
}

/// dx of whole images: dy of each window goes to the first of its largest elements (the last NaN where it holds one). With `relu`, x is
/// what a ReLU gave and dx is wanted before it: nothing goes to an element that is not above 0.
///
/// # Panics
/// If the slices are not the same number of images.
pub fn max_gradient<T: Real>(pooling: &Pooling, x: &[T], dy: &[T], dx: &mut [T], relu: bool) {
    let (pixels, outs) = (pooling.pixels() * pooling.channels, pooling.outs() * pooling.channels);
    assert!(x.len() == dx.len() && dx.len() * outs == dy.len() * pixels);
    if pixels == 0 {
        return;
    }
    let tiles = pooling.spans.iter().all(Span::tiles);
    if !tiles {
        dx.fill(T::ZERO);
    }
    T::run_max_pool_gradient(MaxGradient {
        pooling,
        x: x.as_ptr(),
        dy: dy.as_ptr(),
        images: dx.len() / pixels,
        dx: dx.as_mut_ptr(),
        tiles,
        relu,
    });
}

/// The larger, NaN if one is.
#[inline(always)]
fn better<T: Real, L: Lanes<T>>(x: L, best: L) -> L {
    L::select(x.equal(x), x.max(best), x)
}

/// The part of a window that lies inside: pixels along each axis, from its first one. Most are 2×2, which is written out.
#[derive(Clone, Copy)]
struct Part {
    counts: [usize; 3],
    /// From a pixel, a line, a plane to the next
    steps: [usize; 3],
}

impl Part {
    #[inline(always)]
    fn of(pooling: &Pooling, w: &[Range<usize>; 3]) -> Part {
        let [line, plane] = pooling.strides();
        Part {
            counts: [w[0].len(), w[1].len(), w[2].len()],
            steps: [plane, line, pooling.channels],
        }
    }

    /// Whether it is one plane of 2×2.
    #[inline(always)]
    fn is_square(&self) -> bool {
        self.counts == [1, 2, 2]
    }
}

/// Reads 16 channels, or the first `width`.
///
/// # Safety
/// They exist.
#[inline(always)]
unsafe fn read<T: Real, L: Lanes<T>, const FULL: bool>(x: *const T, width: usize) -> L {
    // SAFETY: as the caller vouches.
    unsafe { if FULL { L::load_at(x) } else { L::load_first_at(x, width) } }
}

/// Writes 16 channels, or the first `width`.
///
/// # Safety
/// They exist, and nobody else touches them.
#[inline(always)]
unsafe fn write<T: Real, L: Lanes<T>, const FULL: bool>(value: L, x: *mut T, width: usize) {
    // SAFETY: as the caller vouches.
    unsafe {
        if FULL {
            value.store_at(x);
        } else {
            value.store_first_at(x, width);
        }
    }
}

pub(crate) struct Max<'a, T> {
    pooling: &'a Pooling,
    x: &'a [T],
    lines: Range<usize>,
    y: &'a mut [T],
}

/// The largest of a part of a window, whose first pixel is `x`.
///
/// # Safety
/// The part lies inside an image that has `width` channels from there.
#[inline(always)]
unsafe fn largest<T: Real, L: Lanes<T>, const FULL: bool>(part: Part, x: *const T, width: usize) -> L {
    let [plane, line, pixel] = part.steps;
    let mut best = L::splat(-T::INFINITY);
    // SAFETY: only pixels of the part are read.
    unsafe {
        if part.is_square() {
            best = better::<T, L>(read::<T, L, FULL>(x, width), best);
            best = better::<T, L>(read::<T, L, FULL>(x.add(pixel), width), best);
            best = better::<T, L>(read::<T, L, FULL>(x.add(line), width), best);
            return better::<T, L>(read::<T, L, FULL>(x.add(line + pixel), width), best);
        }
        for i0 in 0..part.counts[0] {
            for i1 in 0..part.counts[1] {
                for i2 in 0..part.counts[2] {
                    let at = x.add(i0 * plane + i1 * line + i2 * pixel);
                    best = better::<T, L>(read::<T, L, FULL>(at, width), best);
                }
            }
        }
    }
    best
}

impl<T: Real> Kernel<T> for Max<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let (p, c) = (self.pooling, self.pooling.channels);
        let [s0, s1, s2] = p.spans;
        let image = p.pixels() * c;
        for (line, y) in self.lines.clone().zip(self.y.chunks_exact_mut((s2.out * c).max(1))) {
            let x = self.x[line / p.lines() * image..][..image].as_ptr();
            let (w0, w1) = (s0.inside(line % p.lines() / s1.out), s1.inside(line % s1.out));
            for (o2, y) in y.chunks_exact_mut(c).enumerate() {
                let w = [w0.clone(), w1.clone(), s2.inside(o2)];
                let part = Part::of(p, &w);
                let x = x.wrapping_add(p.pixel([w[0].start, w[1].start, w[2].start]));
                for j in (0..c).step_by(PANEL) {
                    let width = PANEL.min(c - j);
                    // SAFETY: the part lies inside the image and has `width` channels from j, and so has y.
                    unsafe {
                        let (x, y) = (x.add(j), y.as_mut_ptr().add(j));
                        if width == PANEL {
                            write::<T, L, true>(largest::<T, L, true>(part, x, width), y, width);
                        } else {
                            write::<T, L, false>(largest::<T, L, false>(part, x, width), y, width);
                        }
                    }
                }
            }
        }
    }
}

pub(crate) struct MaxGradient<'a, T> {
    pooling: &'a Pooling,
    x: *const T,
    dy: *const T,
    dx: *mut T,
    images: usize,
    /// Is every pixel in exactly one window? Then each is written once, and nothing is added.
    tiles: bool,
    /// Is x what a ReLU gave, and dx wanted before it? Then nothing goes to what is not above 0.
    relu: bool,
}

/// The largest so far, and its number in the window.
#[derive(Clone, Copy)]
struct Found<L> {
    best: L,
    place: L,
}

impl<L: Copy> Found<L> {
    /// One more value, of this number.
    #[inline(always)]
    fn with<T: Real>(self, value: L, number: f64) -> Found<L>
    where
        L: Lanes<T>,
    {
        let here = L::splat(T::from_f64(number));
        let place = L::select(self.best.less(value), here, self.place);
        Found {
            place: L::select(value.equal(value), place, here),
            best: better::<T, L>(value, self.best),
        }
    }
}

impl<T: Real> MaxGradient<'_, T> {
    /// One part of a window, whose first pixel `x` and `dx` point to.
    ///
    /// # Safety
    /// The part lies inside an image that has `width` channels from there, and nobody else touches dx.
    #[inline(always)]
    unsafe fn window<L: Lanes<T>, const FULL: bool>(&self, part: Part, x: *const T, dx: *mut T, dy: L, width: usize) {
        let [plane, line, pixel] = part.steps;
        // SAFETY: only pixels of the part are read.
        let first = unsafe { read::<T, L, FULL>(x, width) };
        let mut found = Found {
            best: first,
            place: L::zero(),
        };
        if part.is_square() {
            let at = [pixel, line, line + pixel];
            // SAFETY: as above.
            let [a, b, c] = unsafe {
                [
                    read::<T, L, FULL>(x.add(at[0]), width),
                    read::<T, L, FULL>(x.add(at[1]), width),
                    read::<T, L, FULL>(x.add(at[2]), width),
                ]
            };
            found = found.with::<T>(a, 1.0).with::<T>(b, 2.0).with::<T>(c, 3.0);
            let dy = self.passed::<L>(found.best, dy);
            // SAFETY: only pixels of the part are written.
            unsafe {
                self.give::<L, FULL>(found.place, 0.0, dy, dx, width);
                self.give::<L, FULL>(found.place, 1.0, dy, dx.add(at[0]), width);
                self.give::<L, FULL>(found.place, 2.0, dy, dx.add(at[1]), width);
                self.give::<L, FULL>(found.place, 3.0, dy, dx.add(at[2]), width);
            }
            return;
        }
        let [n0, n1, n2] = part.counts;
        for number in 1..n0 * n1 * n2 {
            let (i0, i1, i2) = (number / (n1 * n2), number / n2 % n1, number % n2);
            // SAFETY: as above.
            let value = unsafe { read::<T, L, FULL>(x.add(i0 * plane + i1 * line + i2 * pixel), width) };
            found = found.with::<T>(value, number as f64);
        }
        let dy = self.passed::<L>(found.best, dy);
        for number in 0..n0 * n1 * n2 {
            let (i0, i1, i2) = (number / (n1 * n2), number / n2 % n1, number % n2);
            // SAFETY: as above.
            unsafe { self.give::<L, FULL>(found.place, number as f64, dy, dx.add(i0 * plane + i1 * line + i2 * pixel), width) };
        }
    }

    /// What of dy goes on through the ReLU, if there is one.
    #[inline(always)]
    fn passed<L: Lanes<T>>(&self, best: L, dy: L) -> L {
        if self.relu {
            L::select(L::zero().less(best), dy, L::zero())
        } else {
            dy
        }
    }

    /// dy where the largest has this number, 0 elsewhere.
    ///
    /// # Safety
    /// The pixel exists, and nobody else touches it.
    #[inline(always)]
    unsafe fn give<L: Lanes<T>, const FULL: bool>(&self, place: L, number: f64, dy: L, dx: *mut T, width: usize) {
        let mut value = L::select(place.equal(L::splat(T::from_f64(number))), dy, L::zero());
        // SAFETY: as the caller vouches.
        unsafe {
            if !self.tiles {
                value = value.add(read::<T, L, FULL>(dx, width));
            }
            write::<T, L, FULL>(value, dx, width);
        }
    }
}

impl<T: Real> Kernel<T> for MaxGradient<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let (p, c) = (self.pooling, self.pooling.channels);
        let [s0, s1, s2] = p.spans;
        let image = p.pixels() * c;
        let mut dy = self.dy;
        for n in 0..self.images {
            for o0 in 0..s0.out {
                for o1 in 0..s1.out {
                    for o2 in 0..s2.out {
                        let w = [s0.inside(o0), s1.inside(o1), s2.inside(o2)];
                        let part = Part::of(p, &w);
                        let from = n * image + p.pixel([w[0].start, w[1].start, w[2].start]);
                        let (x, dx) = (self.x.wrapping_add(from), self.dx.wrapping_add(from));
                        for j in (0..c).step_by(PANEL) {
                            let width = PANEL.min(c - j);
                            // SAFETY: the windows' parts lie inside; dy has c values for each window, in this order.
                            unsafe {
                                if width == PANEL {
                                    self.window::<L, true>(part, x.add(j), dx.add(j), L::load_at(dy.add(j)), width);
                                } else {
                                    let dy = L::load_first_at(dy.add(j), width);
                                    self.window::<L, false>(part, x.add(j), dx.add(j), dy, width);
                                }
                            }
                        }
                        dy = dy.wrapping_add(c);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::testing::same_on_all_levels;

    fn span(size: usize, window: usize, stride: usize, before: usize) -> Span {
        Span {
            size,
            out: (size + 2 * before - window) / stride + 1,
            window,
            stride,
            before,
        }
    }

    #[test]
    fn the_first_of_the_largest_takes_the_gradient() {
        let one = span(1, 1, 1, 0);
        for (a, b) in [(span(4, 2, 2, 0), span(6, 2, 2, 0)), (span(5, 3, 1, 1), span(6, 2, 3, 0))] {
            for (c, relu) in [(1, false), (16, false), (19, false), (16, true), (19, true)] {
                let p = Pooling {
                    spans: [one, a, b],
                    channels: c,
                };
                // Many equal values, and a NaN.
                let mut x: Vec<f32> = (0..2 * p.pixels() * c).map(|i| (i * 7 % 5) as f32 - 9.0).collect();
                x[3] = f32::NAN;
                let count = 2 * p.outs() * c;
                let dy: Vec<f32> = (0..count).map(|i| i as f32 + 1.0).collect();
                let (mut y, mut dx) = (vec![0.0f32; count], vec![0.0f32; x.len()]);
                for o in 0..2 * p.outs() {
                    let (image, o) = (o / p.outs(), o % p.outs());
                    for channel in 0..c {
                        let (mut best, mut place) = (f32::NEG_INFINITY, usize::MAX);
                        for i1 in a.inside(o / b.out) {
                            for i2 in b.inside(o % b.out) {
                                let at = image * p.pixels() * c + p.pixel([0, i1, i2]) + channel;
                                if x[at] > best || x[at].is_nan() || place == usize::MAX {
                                    (best, place) = (x[at], at);
                                }
                            }
                        }
                        let at = (image * p.outs() + o) * c + channel;
                        y[at] = best;
                        if !relu || best > 0.0 {
                            dx[place] += dy[at];
                        }
                    }
                }
                let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                let found = same_on_all_levels("max pooling", || {
                    let (mut y, mut dx) = (vec![0.0f32; count], vec![9.0f32; x.len()]);
                    let half = p.lines() + 1;
                    let (first, second) = y.split_at_mut(half * b.out * c);
                    max(&p, &x, 0..half, first);
                    max(&p, &x, half..2 * p.lines(), second);
                    max_gradient(&p, &x, &dy, &mut dx, relu);
                    (bits(&y), bits(&dx))
                });
                assert_eq!(found, (bits(&y), bits(&dx)), "{p:?}");
            }
        }
    }
}
