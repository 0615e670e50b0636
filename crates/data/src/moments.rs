//! Count, mean, sum of squared deviations, least and greatest of each column, in one pass and stable.
//!
//! Blocks of rows by two passes in cache, joined by Chan, Golub, LeVeque 1979 (eq. 2.1):
//! M ← M + M_b + δ²·n·n_b/(n + n_b), mean ← mean + δ·n_b/(n + n_b), δ = mean_b − mean; all on x − (the column's first value),
//! so a column far from zero keeps its digits. Missing cells (NaN) are left out.
//! The order is fixed, so the same rows give the same bits.

/// Rows a block: 64 × 64 columns of f64 stay in the first-level cache.
const BLOCK: usize = 64;

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
    /// Of `rows` rows of `width` values; `row_to(i, out)` gives row i.
    pub fn of(rows: usize, width: usize, mut row_to: impl FnMut(usize, &mut [f64])) -> Self {
        let zeros = vec![0.0; width];
        let (min, max) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
        let mut all = Self {
            count: zeros.clone(),
            mean: zeros.clone(),
            squares: zeros.clone(),
            min,
            max,
        };
        let mut block = vec![0.0; BLOCK.min(rows) * width];
        let mut first = vec![0.0; width];
        if rows > 0 {
            row_to(0, &mut first);
            first.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = 0.0);
        }
        let (mut count, mut sum, mut squares) = (zeros.clone(), zeros.clone(), zeros);
        for start in (0..rows).step_by(BLOCK) {
            let here = BLOCK.min(rows - start);
            let block = &mut block[..here * width];
            block
                .chunks_exact_mut(width)
                .enumerate()
                .for_each(|(i, out)| row_to(start + i, out));
            count.fill(0.0);
            sum.fill(0.0);
            squares.fill(0.0);
            for row in block.chunks_exact_mut(width) {
                for (j, x) in row.iter_mut().enumerate() {
                    // NaN fails both comparisons, so it changes neither bound.
                    all.min[j] = if *x < all.min[j] { *x } else { all.min[j] };
                    all.max[j] = if *x > all.max[j] { *x } else { all.max[j] };
                    *x -= first[j];
                    let there = !x.is_nan();
                    count[j] += f64::from(there);
                    sum[j] += if there { *x } else { 0.0 };
                }
            }
            for (sum, count) in sum.iter_mut().zip(&count) {
                *sum /= count.max(1.0);
            }
            for row in block.chunks_exact(width) {
                for (j, &x) in row.iter().enumerate() {
                    let deviation = if x.is_nan() { 0.0 } else { x - sum[j] };
                    squares[j] += deviation * deviation;
                }
            }
            for j in 0..width {
                join(
                    &mut all.count[j],
                    &mut all.mean[j],
                    &mut all.squares[j],
                    count[j],
                    sum[j],
                    squares[j],
                );
            }
        }
        all.mean.iter_mut().zip(&first).for_each(|(mean, first)| *mean += first);
        all
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_digits_far_from_zero() {
        // Values 1e9 + {0, 1, 2}: the variance 2/3 would drown in a sum of squares of 1e18.
        let m = Moments::of(3000, 1, |i, out| out[0] = 1e9 + (i % 3) as f64);
        assert!((m.mean[0] - (1e9 + 1.0)).abs() < 1e-6);
        assert!((m.squares[0] / 3000.0 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((m.min[0], m.max[0]), (1e9, 1e9 + 2.0));
    }

    #[test]
    fn leaves_missing_cells_out() {
        let m = Moments::of(200, 2, |i, out| {
            out.copy_from_slice(&[if i % 2 == 0 { f64::NAN } else { i as f64 }, f64::NAN])
        });
        assert_eq!((m.count[0], m.mean[0], m.min[0], m.max[0]), (100.0, 100.0, 1.0, 199.0));
        assert_eq!((m.count[1], m.squares[1]), (0.0, 0.0));
        assert_eq!(m.joined().count[0], 100.0);
    }
}
