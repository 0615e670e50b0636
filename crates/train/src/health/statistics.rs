//! What is said of many numbers: mean, deviation, norm, extremes, the share of zeros, and a histogram of at most 1,024 of them.
//!
//! Moments are taken around a shift near the mean (the mean of 64 of the numbers), in 16 lanes over blocks of 1,024, and the blocks'
//! sums are added in double precision: one reading, and the same bits on any machine.

use nabla_kernels::Real;
use serde::Serialize;

/// Bins of a histogram.
pub const BINS: usize = 30;
/// Numbers that a histogram counts at most.
const SAMPLED: usize = 1024;
const LANES: usize = 16;
const BLOCK: usize = 1024;

/// Numbers in words of statistics.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// √(Σ x²)
    pub norm: f64,
    /// The smallest.
    pub smallest: f64,
    /// The largest.
    pub largest: f64,
    /// The share that is exactly 0.
    pub zeros: f64,
    /// Of at most 1,024, evenly chosen.
    pub histogram: Histogram,
}

/// How often numbers fall into each of 30 bins of one width; what lies outside is in the first or last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Where the first bin begins.
    pub from: f64,
    /// Where the last one ends.
    pub to: f64,
    /// Numbers in each.
    pub counts: Vec<u32>,
}

/// Sums over numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    count: usize,
    shift: f64,
    sum: f64,
    squares: f64,
    zeros: usize,
    smallest: f64,
    largest: f64,
}

impl Sums {
    /// Of numbers, some of whose zeros (`padding`) are no numbers.
    pub fn of<T: Real>(x: &[T], padding: usize) -> Sums {
        let every = (x.len() / 64).max(1);
        let some = x.iter().step_by(every).take(64);
        let (mut mean, mut number) = (0.0, 0.0);
        if padding == 0 {
            for v in some {
                number += 1.0;
                mean += (v.to_f64() - mean) / number;
            }
        }
        // A number of the lanes' precision.
        let shift = T::from_f64(if mean.is_finite() { mean } else { 0.0 });
        let mut found = Sums {
            count: x.len() - padding,
            shift: shift.to_f64(),
            sum: 0.0,
            squares: 0.0,
            zeros: 0,
            smallest: f64::INFINITY,
            largest: f64::NEG_INFINITY,
        };
        let (mut smallest, mut largest) = ([T::INFINITY; LANES], [-T::INFINITY; LANES]);
        for block in x.chunks(BLOCK) {
            let (mut sum, mut squares, mut zeros) = ([T::ZERO; LANES], [T::ZERO; LANES], [T::ZERO; LANES]);
            let mut add = |lane: usize, v: T| {
                let d = v - shift;
                sum[lane] += d;
                squares[lane] += d * d;
                zeros[lane] += if v == T::ZERO { T::ONE } else { T::ZERO };
                smallest[lane] = v.min(smallest[lane]);
                largest[lane] = v.max(largest[lane]);
            };
            let (lines, rest) = block.as_chunks::<LANES>();
            for line in lines {
                for (lane, &v) in line.iter().enumerate() {
                    add(lane, v);
                }
            }
            for (lane, &v) in rest.iter().enumerate() {
                add(lane, v);
            }
            let total = |lanes: &[T; LANES]| lanes.iter().map(|v| v.to_f64()).sum::<f64>();
            found.sum += total(&sum);
            // What overflows as a square in single precision does not in double.
            let squared = total(&squares);
            found.squares += if squared.is_finite() {
                squared
            } else {
                block.iter().map(|v| (v.to_f64() - found.shift) * (v.to_f64() - found.shift)).sum()
            };
            found.zeros += total(&zeros) as usize;
        }
        found.smallest = smallest.iter().fold(f64::INFINITY, |a, v| a.min(v.to_f64()));
        found.largest = largest.iter().fold(f64::NEG_INFINITY, |a, v| a.max(v.to_f64()));
        found.zeros = found.zeros.saturating_sub(padding);
        found
    }

    fn mean(&self) -> f64 {
        self.shift + self.sum / self.count.max(1) as f64
    }

    fn variance(&self) -> f64 {
        let offset = self.sum / self.count.max(1) as f64;
        (self.squares / self.count.max(1) as f64 - offset * offset).max(0.0)
    }

    /// Of both together (Chan's formula).
    pub fn and(self, other: Sums) -> Sums {
        let (a, b) = (self.count as f64, other.count as f64);
        let (mean, count) = ((self.mean() * a + other.mean() * b) / (a + b).max(1.0), self.count + other.count);
        let around = |s: &Sums| (s.variance() + (s.mean() - mean) * (s.mean() - mean)) * s.count as f64;
        Sums {
            count,
            shift: mean,
            sum: 0.0,
            squares: around(&self) + around(&other),
            zeros: self.zeros + other.zeros,
            smallest: self.smallest.min(other.smallest),
            largest: self.largest.max(other.largest),
        }
    }

    /// With a histogram over `range`, or over five deviations around the mean, of the numbers that `at` gives by their place.
    pub fn statistics(&self, range: Option<(f64, f64)>, at: impl Fn(usize) -> f64) -> Statistics {
        let (mean, deviation) = (self.mean(), self.variance().sqrt());
        let (from, to) = range.unwrap_or_else(|| (self.smallest.max(mean - 5.0 * deviation), self.largest.min(mean + 5.0 * deviation)));
        let mut counts = vec![0; BINS];
        let (sampled, scale) = (self.count.min(SAMPLED), BINS as f64 / (to - from));
        if self.count > 0 && scale.is_finite() {
            for i in 0..sampled {
                let bin = (at(i * self.count / sampled) - from) * scale;
                counts[(bin.max(0.0) as usize).min(BINS - 1)] += 1;
            }
        } else {
            // All numbers are one.
            counts[BINS / 2] = sampled as u32;
        }
        let count = self.count;
        Statistics {
            count,
            mean: short(mean),
            deviation: short(deviation),
            norm: short((count as f64 * (self.variance() + mean * mean)).sqrt()),
            smallest: short(self.smallest),
            largest: short(self.largest),
            zeros: short(self.zeros as f64 / count.max(1) as f64),
            histogram: Histogram {
                from: short(from),
                to: short(to),
                counts,
            },
        }
    }
}

/// Six digits say it all, and cross in half the bytes.
pub(super) fn short(x: f64) -> f64 {
    if x.is_finite() {
        format!("{x:.5e}").parse().unwrap_or(x)
    } else {
        x
    }
}

/// √(Σ x²) of a weight, and of its difference from another.
pub(super) fn norms<T: Real>(x: &[T], before: &[T]) -> (f64, f64) {
    let (mut own, mut moved) = (0.0, 0.0);
    for (x, before) in x.chunks(BLOCK).zip(before.chunks(BLOCK)) {
        let (mut squares, mut differences) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let mut add = |lane: usize, x: T, before: T| {
            let d = x - before;
            squares[lane] += x * x;
            differences[lane] += d * d;
        };
        let ((lines, rest), (old, old_rest)) = (x.as_chunks::<LANES>(), before.as_chunks::<LANES>());
        for (line, old) in lines.iter().zip(old) {
            for (lane, (&x, &before)) in line.iter().zip(old).enumerate() {
                add(lane, x, before);
            }
        }
        for (lane, (&x, &before)) in rest.iter().zip(old_rest).enumerate() {
            add(lane, x, before);
        }
        let total = |lanes: &[T; LANES]| lanes.iter().map(|v| v.to_f64()).sum::<f64>();
        let (squared, difference) = (total(&squares), total(&differences));
        if squared.is_finite() && difference.is_finite() {
            own += squared;
            moved += difference;
        } else {
            for (x, before) in x.iter().zip(before) {
                let d = x.to_f64() - before.to_f64();
                own += x.to_f64() * x.to_f64();
                moved += d * d;
            }
        }
    }
    (own.sqrt(), moved.sqrt())
}

/// Of numbers by themselves.
pub fn statistics<T: Real>(x: &[T]) -> Statistics {
    Sums::of(x, 0).statistics(None, |i| x[i].to_f64())
}

#[cfg(test)]
mod tests {
    use nabla_kernels::philox::Stream;

    use super::*;

    #[test]
    fn moments_are_those_of_two_passes() {
        let stream = Stream::new(3, 1, 4);
        for (n, offset) in [(1, 0.0), (5, 2.0), (1000, -3.0), (70_001, 500.0)] {
            let mut x: Vec<f32> = (0..n).map(|i| (stream.uniform(i as u64) + offset) as f32).collect();
            if n > 20 {
                x[7] = 0.0;
                x[n - 1] = 0.0;
            }
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
            let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
            let norm = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let found = statistics(&x);
            let close = |a: f64, b: f64| (a - b).abs() <= 2e-5 * (a.abs() + b.abs()) + 1e-12;
            assert!(
                close(found.mean, mean) && close(found.deviation, variance.sqrt()) && close(found.norm, norm),
                "{n}: {found:?}"
            );
            assert_eq!(found.zeros, short(x.iter().filter(|v| **v == 0.0).count() as f64 / n as f64));
            assert_eq!(found.histogram.counts.iter().sum::<u32>() as usize, n.min(SAMPLED));
            let parts = Sums::of(&x[..n / 2], 0)
                .and(Sums::of(&x[n / 2..], 0))
                .statistics(None, |i| f64::from(x[i]));
            assert!(close(parts.mean, mean) && close(parts.deviation, variance.sqrt()), "{parts:?}");
        }
    }

    #[test]
    fn squares_beyond_single_precision_and_padding() {
        let found = statistics(&[1e30f32, -1e30, 1e30, -1e30]);
        assert!((found.norm / 2e30 - 1.0).abs() < 1e-4, "{found:?}");
        let padded = Sums::of(&[1.0f64, 0.0, -1.0, 0.0, 0.0, 0.0], 3).statistics(None, |_| 0.0);
        assert_eq!((padded.count, padded.zeros), (3, short(1.0 / 3.0)));
        assert_eq!(norms(&[3.0f32, 4.0], &[3.0, 2.0]), (5.0, 2.0));
        let (own, moved) = norms(&[1e25f32], &[-1e25]);
        assert!((own / 1e25 - 1.0).abs() < 1e-6 && (moved / 2e25 - 1.0).abs() < 1e-6);
    }
}
