//! What statistics of many numbers need, each in one pass: sums around a shift with zeros and extremes, the size of a move, the shares
//! beyond two limits. In 16 lanes over blocks of 1,024; the blocks' sums are added in double precision, in order.

use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

const BLOCK: usize = 1024;

/// Sums over numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Σ (x − shift)
    pub sum: f64,
    /// Σ (x − shift)²
    pub squares: f64,
    /// How many are exactly 0.
    pub zeros: usize,
    /// The smallest; +∞ of nothing.
    pub smallest: f64,
    /// The largest; −∞ of nothing.
    pub largest: f64,
}

/// Sums around a shift, zeros, extremes. Squares that overflow in single precision do not in double.
pub fn moments<T: Real>(x: &[T], shift: T) -> Moments {
    T::run_moments(Around { x, shift })
}

/// √(Σ before²) and √(Σ (x − before)²).
///
/// # Panics
/// If the lengths differ.
pub fn moved<T: Real>(x: &[T], before: &[T]) -> (f64, f64) {
    assert_eq!(x.len(), before.len(), "moved: lengths differ");
    let (own, difference) = T::run_moved(Moved { x, before });
    (own.sqrt(), difference.sqrt())
}

/// What of many numbers lies where.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Beyond {
    /// Σ x
    pub sum: f64,
    /// How many are below the lower limit.
    pub below: usize,
    /// How many are above the upper one.
    pub above: usize,
}

impl Beyond {
    /// Of both together.
    pub fn and(self, other: Beyond) -> Beyond {
        Beyond {
            sum: self.sum + other.sum,
            below: self.below + other.below,
            above: self.above + other.above,
        }
    }
}

/// How many numbers lie beyond two limits, and their sum: of `width` numbers at the start of each line of `stride`.
///
/// # Panics
/// If a line is shorter than its part.
pub fn beyond<T: Real>(x: &[T], (width, stride): (usize, usize), (low, high): (f64, f64)) -> Beyond {
    assert!(width <= stride, "beyond: {width} of lines of {stride}");
    if width == 0 {
        return Beyond::default();
    }
    T::run_beyond(Sides {
        x,
        width,
        stride,
        low: T::from_f64(low),
        high: T::from_f64(high),
    })
}

#[inline(always)]
fn total<T: Real, L: Lanes<T>>(lanes: L) -> f64 {
    let mut sum = 0.0;
    for v in lanes.to_array() {
        sum += v.to_f64();
    }
    sum
}

pub(crate) struct Around<'a, T> {
    x: &'a [T],
    shift: T,
}

impl<T: Real> Kernel<T> for Around<'_, T> {
    type Output = Moments;

    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> Moments {
        let (shift, zero, one) = (L::splat(self.shift), L::zero(), L::splat(T::ONE));
        let (mut smallest, mut largest) = (L::splat(T::INFINITY), L::splat(-T::INFINITY));
        let around = self.shift.to_f64();
        let mut found = Moments {
            sum: 0.0,
            squares: 0.0,
            zeros: 0,
            smallest: f64::INFINITY,
            largest: f64::NEG_INFINITY,
        };
        for block in self.x.chunks(BLOCK) {
            let (mut sum, mut squares, mut zeros) = (zero, zero, zero);
            let (lines, tail) = block.as_chunks::<PANEL>();
            for line in lines {
                let v = L::load(line);
                let d = v.sub(shift);
                sum = sum.add(d);
                squares = d.mul_add(d, squares);
                zeros = zeros.add(L::select(v.equal(zero), one, zero));
                smallest = v.min(smallest);
                largest = v.max(largest);
            }
            found.sum += total::<T, L>(sum);
            found.zeros += total::<T, L>(zeros) as usize;
            let mut squared = total::<T, L>(squares);
            if !squared.is_finite() {
                squared = 0.0;
                for v in lines.as_flattened() {
                    let d = v.to_f64() - around;
                    squared += d * d;
                }
            }
            found.squares += squared;
            for v in tail {
                let d = v.to_f64() - around;
                found.sum += d;
                found.squares += d * d;
                found.zeros += usize::from(*v == T::ZERO);
                found.smallest = v.to_f64().min(found.smallest);
                found.largest = v.to_f64().max(found.largest);
            }
        }
        found.smallest = smallest.smallest().to_f64().min(found.smallest);
        found.largest = largest.largest().to_f64().max(found.largest);
        found
    }
}

pub(crate) struct Moved<'a, T> {
    x: &'a [T],
    before: &'a [T],
}

impl<T: Real> Kernel<T> for Moved<'_, T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> (f64, f64) {
        let (mut own, mut moved) = (0.0, 0.0);
        for (x, before) in self.x.chunks(BLOCK).zip(self.before.chunks(BLOCK)) {
            let ((lines, tail), (old_lines, old_tail)) = (x.as_chunks::<PANEL>(), before.as_chunks::<PANEL>());
            let (mut squares, mut differences) = (L::zero(), L::zero());
            for (line, old) in lines.iter().zip(old_lines) {
                let old = L::load(old);
                let d = L::load(line).sub(old);
                squares = old.mul_add(old, squares);
                differences = d.mul_add(d, differences);
            }
            let (squared, difference) = (total::<T, L>(squares), total::<T, L>(differences));
            // What overflows as a square in single precision does not in double.
            let (again, old_again) = if squared.is_finite() && difference.is_finite() {
                own += squared;
                moved += difference;
                (tail, old_tail)
            } else {
                (x, before)
            };
            for (x, old) in again.iter().zip(old_again) {
                let d = x.to_f64() - old.to_f64();
                own += old.to_f64() * old.to_f64();
                moved += d * d;
            }
        }
        (own, moved)
    }
}

pub(crate) struct Sides<'a, T> {
    x: &'a [T],
    width: usize,
    stride: usize,
    low: T,
    high: T,
}

impl<T: Real> Kernel<T> for Sides<'_, T> {
    type Output = Beyond;

    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> Beyond {
        let (low, high, zero, one) = (L::splat(self.low), L::splat(self.high), L::zero(), L::splat(T::ONE));
        let (mut sum, mut below, mut above) = (zero, zero, zero);
        let mut found = Beyond::default();
        let mut pending = 0;
        for line in self.x.chunks(self.stride) {
            for block in line[..self.width].chunks(BLOCK) {
                let (vectors, tail) = block.as_chunks::<PANEL>();
                for v in vectors {
                    let v = L::load(v);
                    sum = sum.add(v);
                    below = below.add(L::select(v.less(low), one, zero));
                    above = above.add(L::select(high.less(v), one, zero));
                }
                pending += block.len();
                for v in tail {
                    found.sum += v.to_f64();
                    found.below += usize::from(*v < self.low);
                    found.above += usize::from(*v > self.high);
                }
                if pending >= BLOCK {
                    found.sum += total::<T, L>(sum);
                    found.below += total::<T, L>(below) as usize;
                    found.above += total::<T, L>(above) as usize;
                    (sum, below, above, pending) = (zero, zero, zero, 0);
                }
            }
        }
        found.sum += total::<T, L>(sum);
        found.below += total::<T, L>(below) as usize;
        found.above += total::<T, L>(above) as usize;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::testing::same_on_all_levels;
    use crate::philox::{Stream, fill_normal};

    fn normal<T: Real>(len: usize, seed: u64) -> Vec<T> {
        let mut x = vec![T::ZERO; len];
        fill_normal(Stream::new(seed, 0, 0), 0, &mut x);
        x
    }

    fn laws<T: Real>() {
        for n in [0, 1, 15, 16, 17, 1000, 1024, 1025, if cfg!(miri) { 1100 } else { 9999 }] {
            let (mut x, before) = (normal::<T>(n, 1), normal::<T>(n, 2));
            x.iter_mut().step_by(7).for_each(|v| *v = T::ZERO);
            let shift = T::from_f64(0.25);
            let close = |a: f64, b: f64| (a - b).abs() <= 64.0 * T::EPSILON.to_f64() * (n as f64 + 1.0);
            let (m, (own, difference)) = same_on_all_levels("moments", || (moments(&x, shift), moved(&x, &before)));
            let wide: Vec<f64> = x.iter().map(|v| v.to_f64()).collect();
            assert!(close(m.sum, wide.iter().map(|v| v - 0.25).sum()), "{m:?}");
            assert!(close(m.squares, wide.iter().map(|v| (v - 0.25).powi(2)).sum()), "{m:?}");
            assert_eq!(m.zeros, wide.iter().filter(|v| **v == 0.0).count());
            assert_eq!(m.smallest, wide.iter().copied().fold(f64::INFINITY, f64::min));
            assert_eq!(m.largest, wide.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            assert!(close(own * own, before.iter().map(|v| v.to_f64().powi(2)).sum()));
            let apart = wide.iter().zip(&before).map(|(x, b)| (x - b.to_f64()).powi(2)).sum();
            assert!(close(difference * difference, apart));
            for (width, stride) in [(n.max(1), n.max(1)), (3, 5), (33, 40)].into_iter().filter(|(_, s)| n % s == 0) {
                let b = same_on_all_levels("beyond", || beyond(&x, (width, stride), (-0.5, 1.0)));
                let part: Vec<f64> = wide.chunks(stride).flat_map(|line| line[..width].to_vec()).collect();
                assert!(close(b.sum, part.iter().sum()));
                assert_eq!(b.below, part.iter().filter(|v| **v < -0.5).count());
                assert_eq!(b.above, part.iter().filter(|v| **v > 1.0).count());
            }
        }
    }

    #[test]
    fn sums_are_those_of_double_precision() {
        laws::<f32>();
        laws::<f64>();
    }

    #[test]
    fn squares_beyond_single_precision() {
        let large = vec![1e30f32; 40];
        assert!((moments(&large, 0.0).squares / 40e60 - 1.0).abs() < 1e-6);
        let (own, apart) = moved(&large, &[-1e30; 40]);
        assert!((own / 40f64.sqrt() / 1e30 - 1.0).abs() < 1e-6 && (apart / 40f64.sqrt() / 2e30 - 1.0).abs() < 1e-6);
    }
}
