//! Count, mean, sum of squared deviations, least and greatest of each column, in one pass and stable.
//!
//! Blocks of rows by two passes in cache, joined by Chan, Golub, LeVeque 1979 (eq. 2.1):
//! M ← M + M_b + δ²·n·n_b/(n + n_b), mean ← mean + δ·n_b/(n + n_b), δ = mean_b − mean; all on x − (the column's first value),
//! so a column far from zero keeps its digits. Missing cells (NaN) are left out.
//! Chunks of rows are taken by all cores; what is joined with what follows from the rows alone, so the same rows give the same bits.

use nabla_kernels::PANEL;
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

/// Of a block of rows: sixteen columns at a time, whose sums stay in registers over all rows.
struct Block<'a> {
    values: &'a [f64],
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
    fn run<L: Lanes<f64>>(mut self) {
        let width = self.first.len();
        for at in (0..width).step_by(PANEL) {
            // Where the width is no multiple the last sixteen are looked at once more, which gives the same numbers again.
            let at = at.min(width.saturating_sub(PANEL));
            if !self.whole::<L>(at) {
                (at..width.min(at + PANEL)).for_each(|j| self.with_holes(j));
            }
        }
    }
}

impl Block<'_> {
    /// Sixteen columns (fewer where there are no more) without a hole; whether they have none, nor anything infinite.
    #[inline(always)]
    fn whole<L: Lanes<f64>>(&mut self, at: usize) -> bool {
        let width = self.first.len();
        let wide = (width - at).min(PANEL);
        let load = |values: &[f64]| match values[at..].first_chunk::<PANEL>() {
            Some(values) => L::load(values),
            None => L::load_first(&values[at..]),
        };
        let first = load(self.first);
        let (mut min, mut max, mut sum) = (L::splat(f64::INFINITY), L::splat(f64::NEG_INFINITY), L::zero());
        for row in self.values.chunks_exact(width) {
            let x = load(row);
            min = min.min(x);
            max = max.max(x);
            sum = sum.add(x.sub(first));
        }
        // A hole stays in the sum, and so does ∞ less ∞.
        let zero = sum.sub(sum);
        if !L::all(zero.equal(L::zero())) {
            return false;
        }
        let count = (self.values.len() / width.max(1)) as f64;
        let mean = sum.div(L::splat(count));
        let mut squares = L::zero();
        for row in self.values.chunks_exact(width) {
            let deviation = load(row).sub(first).sub(mean);
            squares = squares.add(deviation.mul(deviation));
        }
        let (min, max) = (min.to_array(), max.to_array());
        self.count[at..at + wide].fill(count);
        self.mean[at..at + wide].copy_from_slice(&mean.to_array()[..wide]);
        self.squares[at..at + wide].copy_from_slice(&squares.to_array()[..wide]);
        for j in 0..wide {
            self.min[at + j] = self.min[at + j].min(min[j]);
            self.max[at + j] = self.max[at + j].max(max[j]);
        }
        true
    }

    /// One column, some of whose cells are missing.
    #[inline(always)]
    fn with_holes(&mut self, j: usize) {
        let column = || self.values[j..].iter().step_by(self.first.len());
        let (mut min, mut max, mut count, mut sum) = (self.min[j], self.max[j], 0.0, 0.0);
        for &x in column().filter(|x| !x.is_nan()) {
            (min, max) = (min.min(x), max.max(x));
            count += 1.0;
            sum += x - self.first[j];
        }
        let mean = sum / f64::max(count, 1.0);
        let squares = |x: &f64| (x - self.first[j] - mean) * (x - self.first[j] - mean);
        // ∞ − ∞ is a hole too: whoever asks sees it by the bounds.
        let squares = column()
            .map(squares)
            .filter(|square| !square.is_nan())
            .fold(0.0, |sum, square| sum + square);
        (self.min[j], self.max[j], self.count[j], self.mean[j], self.squares[j]) = (min, max, count, mean, squares);
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
