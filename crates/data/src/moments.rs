//! Count, mean, sum of squared deviations, least and greatest of each column, in one pass and stable.
//!
//! Blocks of rows by two passes in cache, joined by Chan, Golub, LeVeque 1979 (eq. 2.1):
//! M ← M + M_b + δ²·n·n_b/(n + n_b), mean ← mean + δ·n_b/(n + n_b), δ = mean_b − mean; all on x − (the column's first value),
//! so a column far from zero keeps its digits. Missing cells (NaN) are left out.
//! Chunks of rows are taken by all cores; what is joined with what follows from the rows alone, so the same rows give the same bits.

use nabla_kernels::simd::{self, Kernel, Lanes};
use rayon::prelude::*;

/// Values a block: they and the sums of their columns stay in the first-level cache.
const BLOCK: usize = 3072;
/// Rows a block at least, so that joining costs little.
const LEAST: usize = 16;
/// Values a chunk, which one core takes.
const CHUNK: usize = 1 << 18;
/// Chunks that are kept until they are joined.
const TOGETHER: usize = 64;

/// One entry a column.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    pub count: Vec<f64>,
    pub mean: Vec<f64>,
    /// Σ (x − mean)².
    pub squares: Vec<f64>,
    pub min: Vec<f64>,
    pub max: Vec<f64>,
}

impl Moments {
    /// Of `rows` rows of `width` values; `rows_to(i, out)` gives the rows from i on, as many as there is room for.
    pub fn of(rows: usize, width: usize, rows_to: impl Fn(usize, &mut [f64]) + Sync) -> Self {
        let mut first = vec![0.0; width];
        if rows > 0 && width > 0 {
            rows_to(0, &mut first);
            first.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.0);
        }
        let mut all = Self::none(width);
        let chunk = (CHUNK / width.max(1)).max(1);
        let starts: Vec<usize> = (0..rows).step_by(chunk).collect();
        for starts in starts.chunks(TOGETHER) {
            let one = |&start: &usize| Self::of_chunk(start..rows.min(start + chunk), &first, &rows_to);
            let parts: Vec<Self> = match starts {
                [start] => vec![one(start)],
                _ => starts.par_iter().map(one).collect(),
            };
            parts.iter().for_each(|part| all.join(part));
        }
        all.mean.iter_mut().zip(&first).for_each(|(mean, first)| *mean += first);
        all
    }

    fn none(width: usize) -> Self {
        Self {
            count: vec![0.0; width],
            mean: vec![0.0; width],
            squares: vec![0.0; width],
            min: vec![f64::INFINITY; width],
            max: vec![f64::NEG_INFINITY; width],
        }
    }

    /// Of some rows, the mean less the first row's values.
    fn of_chunk(rows: std::ops::Range<usize>, first: &[f64], rows_to: &(impl Fn(usize, &mut [f64]) + Sync)) -> Self {
        let width = first.len();
        let mut all = Self::none(width);
        let together = (BLOCK / width.max(1)).max(LEAST);
        let mut values = vec![0.0; together.min(rows.len()) * width];
        let mut sums = vec![0.0; 3 * width];
        for start in rows.clone().step_by(together) {
            let values = &mut values[..together.min(rows.end - start) * width];
            rows_to(start, values);
            sums.fill(0.0);
            let (count, rest) = sums.split_at_mut(width);
            let (mean, squares) = rest.split_at_mut(width);
            simd::dispatch::<f64, _>(Block {
                values,
                first,
                min: &mut all.min,
                max: &mut all.max,
                count,
                mean,
                squares,
            });
            for j in 0..width {
                join(
                    &mut all.count[j],
                    &mut all.mean[j],
                    &mut all.squares[j],
                    count[j],
                    mean[j],
                    squares[j],
                );
            }
        }
        all
    }

    fn join(&mut self, part: &Self) {
        for j in 0..self.count.len() {
            join(
                &mut self.count[j],
                &mut self.mean[j],
                &mut self.squares[j],
                part.count[j],
                part.mean[j],
                part.squares[j],
            );
            self.min[j] = self.min[j].min(part.min[j]);
            self.max[j] = self.max[j].max(part.max[j]);
        }
    }

    /// All columns as one: what an image's values are, taken together.
    pub fn joined(&self) -> Moments {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for j in 0..self.count.len() {
            join(&mut count, &mut mean, &mut squares, self.count[j], self.mean[j], self.squares[j]);
        }
        let min = self.min.iter().copied().fold(f64::INFINITY, f64::min);
        let max = self.max.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Moments {
            count: vec![count],
            mean: vec![mean],
            squares: vec![squares],
            min: vec![min],
            max: vec![max],
        }
    }
}

fn join(count: &mut f64, mean: &mut f64, squares: &mut f64, count_b: f64, mean_b: f64, squares_b: f64) {
    let total = *count + count_b;
    if count_b == 0.0 || total == 0.0 {
        return;
    }
    let delta = mean_b - *mean;
    *mean += delta * (count_b / total);
    *squares += squares_b + delta * delta * (*count * count_b / total);
    *count = total;
}

/// Adds a block of rows; plain loops over columns, of which the compiler makes vectors. `values` become deviations from `first`.
struct Block<'a> {
    values: &'a mut [f64],
    first: &'a [f64],
    min: &'a mut [f64],
    max: &'a mut [f64],
    count: &'a mut [f64],
    mean: &'a mut [f64],
    squares: &'a mut [f64],
}

impl Kernel<f64> for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<f64>>(self) {
        let Block {
            values,
            first,
            min,
            max,
            count,
            mean,
            squares,
        } = self;
        let width = first.len();
        let (min, max, count, mean, squares) = (
            &mut min[..width],
            &mut max[..width],
            &mut count[..width],
            &mut mean[..width],
            &mut squares[..width],
        );
        for row in values.chunks_exact_mut(width) {
            for j in 0..width {
                let x = row[j];
                // NaN fails both comparisons, so it changes neither bound.
                min[j] = if x < min[j] { x } else { min[j] };
                max[j] = if x > max[j] { x } else { max[j] };
                let far = x - first[j];
                row[j] = far;
                let there = !far.is_nan();
                count[j] += if there { 1.0 } else { 0.0 };
                mean[j] += if there { far } else { 0.0 };
            }
        }
        for (mean, count) in mean.iter_mut().zip(count.iter()) {
            *mean /= count.max(1.0);
        }
        for row in values.chunks_exact(width) {
            for j in 0..width {
                let deviation = row[j] - mean[j];
                let deviation = if deviation.is_nan() { 0.0 } else { deviation };
                squares[j] += deviation * deviation;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_digits_far_from_zero() {
        // Values 1e9 + {0, 1, 2}: the variance 2/3 would drown in a sum of squares of 1e18.
        let m = Moments::of(3000, 1, |i, out| {
            out.iter_mut().enumerate().for_each(|(at, out)| *out = 1e9 + ((i + at) % 3) as f64)
        });
        assert!((m.mean[0] - (1e9 + 1.0)).abs() < 1e-6);
        assert!((m.squares[0] / 3000.0 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((m.min[0], m.max[0]), (1e9, 1e9 + 2.0));
    }

    #[test]
    fn leaves_missing_cells_out() {
        let m = Moments::of(200, 2, |i, out| {
            for (at, out) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                let i = i + at;
                *out = [if i % 2 == 0 { f64::NAN } else { i as f64 }, f64::NAN];
            }
        });
        assert_eq!((m.count[0], m.mean[0], m.min[0], m.max[0]), (100.0, 100.0, 1.0, 199.0));
        assert_eq!((m.count[1], m.squares[1]), (0.0, 0.0));
        assert_eq!(m.joined().count[0], 100.0);
    }

    #[test]
    fn is_the_same_on_one_core_and_on_many() {
        let (rows, width) = (200_000, 5);
        let of = || {
            Moments::of(rows, width, |i, out| {
                out.iter_mut()
                    .enumerate()
                    .for_each(|(at, out)| *out = 1e8 + (((i * width + at) * 7919) % 1013) as f64 / 8.0)
            })
        };
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(of);
        let many = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap().install(of);
        assert_eq!(format!("{alone:?}"), format!("{many:?}"));
        // Against two passes.
        let column: Vec<f64> = (0..rows).map(|i| (((i * width) * 7919) % 1013) as f64 / 8.0).collect();
        let mean = column.iter().sum::<f64>() / rows as f64;
        let squares: f64 = column.iter().map(|x| (x - mean) * (x - mean)).sum();
        assert!((many.mean[0] - 1e8 - mean).abs() < 2e-8 && (many.squares[0] / squares - 1.0).abs() < 1e-12);
    }
}
