//! What is said of many numbers: mean, deviation, norm, extremes, the share of zeros, and a histogram of at most 1,024 of them. One reading
//! (`nabla_kernels::statistics`), around a shift near the mean: the mean of 64 of the numbers.

use nabla_kernels::Real;
use nabla_kernels::statistics::moments;
use serde::Serialize;

/// Bins of a histogram.
pub const BINS: usize = 30;
/// Numbers that a histogram counts at most.
const SAMPLED: usize = 1024;

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
        let found = moments(x, shift);
        Sums {
            count: x.len() - padding,
            shift: shift.to_f64(),
            sum: found.sum,
            squares: found.squares,
            zeros: found.zeros.saturating_sub(padding),
            smallest: found.smallest,
            largest: found.largest,
        }
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

    /// With a histogram over `range`, or over five deviations around the mean, of the numbers that `at` gives for the places of
    /// [`evenly`].
    pub fn statistics(&self, range: Option<(f64, f64)>, at: impl Iterator<Item = f64>) -> Statistics {
        let (mean, deviation) = (self.mean(), self.variance().sqrt());
        let (from, to) = range.unwrap_or_else(|| (self.smallest.max(mean - 5.0 * deviation), self.largest.min(mean + 5.0 * deviation)));
        let mut counts = vec![0; BINS];
        let (sampled, scale) = (self.count.min(SAMPLED), BINS as f64 / (to - from));
        if self.count > 0 && scale.is_finite() {
            for x in at {
                counts[(((x - from) * scale).max(0.0) as usize).min(BINS - 1)] += 1;
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

/// The places of at most 1,024 of so many numbers.
pub(super) fn evenly(count: usize) -> impl Iterator<Item = usize> {
    evenly_of(count, SAMPLED)
}

/// The places of at most so many numbers: ⌊i·count/most⌋, without the divisions.
pub(super) fn evenly_of(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let sampled = count.min(most);
    let (step, rest) = (count / sampled.max(1), count % sampled.max(1));
    let (mut at, mut part) = (0, 0);
    (0..sampled).map(move |_| {
        let place = at;
        (at, part) = (at + step, part + rest);
        if part >= sampled {
            (at, part) = (at + 1, part - sampled);
        }
        place
    })
}

/// Six digits say it all, and cross in half the bytes.
pub(super) fn short(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    // A power of ten up to 1e22 is a number, so one division rounds to the number that prints in six digits.
    let digits = 5 - x.abs().log10().floor() as i32;
    match digits {
        0..=22 => (x * 10f64.powi(digits)).round() / 10f64.powi(digits),
        -22..0 => (x / 10f64.powi(-digits)).round() * 10f64.powi(-digits),
        _ => format!("{x:.5e}").parse().unwrap_or(x),
    }
}

/// Of numbers by themselves.
pub fn statistics<T: Real>(x: &[T]) -> Statistics {
    Sums::of(x, 0).statistics(None, evenly(x.len()).map(|i| x[i].to_f64()))
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
                .statistics(None, evenly(n).map(|i| f64::from(x[i])));
            assert!(close(parts.mean, mean) && close(parts.deviation, variance.sqrt()), "{parts:?}");
        }
    }

    #[test]
    fn six_digits_are_those_that_are_printed() {
        let stream = Stream::new(5, 2, 0);
        for i in 0..4000 {
            let x = (stream.uniform(i) - 0.5) * 10f64.powi((i % 61) as i32 - 30);
            let printed: f64 = format!("{x:.5e}").parse().unwrap();
            assert!((short(x) / printed - 1.0).abs() < 1.1e-5, "{x}");
            let digits = format!("{:e}", short(x));
            assert!(
                digits.split('e').next().unwrap().trim_start_matches('-').len() <= 7,
                "{x} became {digits}"
            );
        }
        assert_eq!((short(0.0), short(-2.0), short(1e6)), (0.0, -2.0, 1e6));
        assert!(short(f64::NAN).is_nan());
    }

    #[test]
    fn places_are_even() {
        for count in [0, 1, 5, 1023, 1024, 1025, 5000, 100_352] {
            let expected: Vec<usize> = (0..count.min(SAMPLED)).map(|i| i * count / count.min(SAMPLED)).collect();
            assert_eq!(evenly(count).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn squares_beyond_single_precision_and_padding() {
        let found = statistics(&[1e30f32, -1e30, 1e30, -1e30]);
        assert!((found.norm / 2e30 - 1.0).abs() < 1e-4, "{found:?}");
        let padded = Sums::of(&[1.0f64, 0.0, -1.0, 0.0, 0.0, 0.0], 3).statistics(None, std::iter::repeat_n(0.0, 3));
        assert_eq!((padded.count, padded.zeros), (3, short(1.0 / 3.0)));
    }
}
