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

    fn pixel(&self, at: [usize; 3]) -> usize {
        ((at[0] * self.spans[1].size + at[1]) * self.spans[2].size + at[2]) * self.channels
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

/// dx of whole images: dy of each window goes to the first of its largest elements (the last NaN where it holds one).
///
/// # Panics
/// If the slices are not the same number of images.
pub fn max_gradient<T: Real>(pooling: &Pooling, x: &[T], dy: &[T], dx: &mut [T]) {
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
    });
}

/// The larger, NaN if one is.
#[inline(always)]
fn better<T: Real, L: Lanes<T>>(x: L, best: L) -> L {
    L::select(x.equal(x), L::select(best.less(x), x, best), x)
}

pub(crate) struct Max<'a, T> {
    pooling: &'a Pooling,
    x: &'a [T],
    lines: Range<usize>,
    y: &'a mut [T],
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
            for o2 in 0..s2.out {
                let w2 = s2.inside(o2);
                for j in (0..c).step_by(PANEL) {
                    let width = PANEL.min(c - j);
                    let mut best = L::splat(-T::INFINITY);
                    for i0 in w0.clone() {
                        for i1 in w1.clone() {
                            for i2 in w2.clone() {
                                let at = p.pixel([i0, i1, i2]) + j;
                                // SAFETY: the pixel lies inside the image, and has `width` channels from j.
                                let value = unsafe {
                                    if width == PANEL {
                                        L::load_at(x.add(at))
                                    } else {
                                        L::load_first_at(x.add(at), width)
                                    }
                                };
                                best = better::<T, L>(value, best);
                            }
                        }
                    }
                    best.store_first(&mut y[o2 * c + j..o2 * c + j + width]);
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
}

impl<T: Real> MaxGradient<'_, T> {
    /// One window of `width` channels: `x` and `dx` point to the image's first of them.
    ///
    /// # Safety
    /// The window lies inside the image, which has `width` channels from there.
    #[inline(always)]
    unsafe fn window<L: Lanes<T>, const FULL: bool>(&self, w: &[Range<usize>; 3], x: *const T, dx: *mut T, dy: L, width: usize) {
        let p = self.pooling;
        let mut best = L::zero();
        let mut place = L::zero();
        let mut number = T::ZERO;
        for i0 in w[0].clone() {
            for i1 in w[1].clone() {
                for i2 in w[2].clone() {
                    // SAFETY: inside, as the caller vouches.
                    let value = unsafe {
                        let at = x.add(p.pixel([i0, i1, i2]));
                        if FULL { L::load_at(at) } else { L::load_first_at(at, width) }
                    };
                    let here = L::splat(number);
                    if number == T::ZERO {
                        best = value;
                    } else {
                        let number = value.equal(value);
                        place = L::select(number, L::select(best.less(value), here, place), here);
                        best = better::<T, L>(value, best);
                    }
                    number += T::ONE;
                }
            }
        }
        number = T::ZERO;
        for i0 in w[0].clone() {
            for i1 in w[1].clone() {
                for i2 in w[2].clone() {
                    let mut value = L::select(place.equal(L::splat(number)), dy, L::zero());
                    number += T::ONE;
                    // SAFETY: inside, as the caller vouches.
                    unsafe {
                        let at = dx.add(p.pixel([i0, i1, i2]));
                        if !self.tiles {
                            value = value.add(if FULL { L::load_at(at) } else { L::load_first_at(at, width) });
                        }
                        if FULL {
                            value.store_at(at);
                        } else {
                            value.store_first_at(at, width);
                        }
                    }
                }
            }
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
            let (x, dx) = (self.x.wrapping_add(n * image), self.dx.wrapping_add(n * image));
            for o0 in 0..s0.out {
                for o1 in 0..s1.out {
                    for o2 in 0..s2.out {
                        let window = [s0.inside(o0), s1.inside(o1), s2.inside(o2)];
                        for j in (0..c).step_by(PANEL) {
                            let width = PANEL.min(c - j);
                            // SAFETY: the windows' parts lie inside; dy has c values for each window, in this order.
                            unsafe {
                                if width == PANEL {
                                    self.window::<L, true>(&window, x.add(j), dx.add(j), L::load_at(dy.add(j)), width);
                                } else {
                                    let dy = L::load_first_at(dy.add(j), width);
                                    self.window::<L, false>(&window, x.add(j), dx.add(j), dy, width);
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
            for c in [1, 16, 19] {
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
                        dx[place] += dy[at];
                    }
                }
                let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                let found = same_on_all_levels("max pooling", || {
                    let (mut y, mut dx) = (vec![0.0f32; count], vec![9.0f32; x.len()]);
                    let half = p.lines() + 1;
                    let (first, second) = y.split_at_mut(half * b.out * c);
                    max(&p, &x, 0..half, first);
                    max(&p, &x, half..2 * p.lines(), second);
                    max_gradient(&p, &x, &dy, &mut dx);
                    (bits(&y), bits(&dx))
                });
                assert_eq!(found, (bits(&y), bits(&dx)), "{p:?}");
            }
        }
    }
}
