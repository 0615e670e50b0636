//! Cross-entropy of at most 16 classes: 16 rows side by side, one a lane, so that a handful of exponentials and one logarithm serve
//! 16 rows (32×10 on AVX-512: 570 → 150 ns against row after row). The sum over classes follows the same tree as a row in lanes.

use crate::simd::Lanes;
use crate::{PANEL, Real, math};

/// Sixteen rows of logits turned on their side.
pub(super) struct Rows<T, L> {
    /// exp(x − max), by class.
    exponentials: [L; PANEL],
    /// Their sum.
    pub total: L,
    /// x[class] − max.
    pub picked: L,
    /// The class of each row; `None` where the label is none.
    pub classes: [Option<usize>; PANEL],
    _number: std::marker::PhantomData<T>,
}

impl<T: Real, L: Lanes<T>> Rows<T, L> {
    /// Of up to 16 rows of `n ≤ 16` logits.
    #[inline(always)]
    pub fn new(n: usize, logits: &[T], labels: &[T]) -> Self {
        let mut columns = [[T::ZERO; PANEL]; PANEL];
        let mut picked = [T::ZERO; PANEL];
        let mut classes = [None; PANEL];
        for (i, (row, label)) in logits.chunks_exact(n).zip(labels).enumerate() {
            for (column, x) in columns.iter_mut().zip(row) {
                column[i & 15] = *x;
            }
            classes[i & 15] = super::class(*label, n);
            picked[i & 15] = classes[i & 15].map_or(T::NAN, |class| row[class]);
        }
        let mut largest = L::splat(-T::INFINITY);
        for column in &columns[..n] {
            largest = L::load(column).max(largest);
        }
        let mut exponentials = [L::zero(); PANEL];
        for (e, column) in exponentials.iter_mut().zip(&columns[..n]) {
            *e = math::exp::<T, L>(L::load(column).sub(largest));
        }
        let mut sums = exponentials;
        let mut half = PANEL / 2;
        while half > 0 {
            for i in 0..half {
                sums[i] = sums[i].add(sums[i + half]);
            }
            half /= 2;
        }
        Self {
            exponentials,
            total: sums[0],
            picked: L::load(&picked).sub(largest),
            classes,
            _number: std::marker::PhantomData,
        }
    }

    /// lossᵢ = ln total − picked
    #[inline(always)]
    pub fn losses(&self, out: &mut [T]) {
        math::log::<T, L>(self.total).sub(self.picked).store_first(out);
    }

    /// dlogits[i, j] = dlossᵢ·(softmaxᵢⱼ − [j = classᵢ])
    #[inline(always)]
    pub fn gradient(&self, n: usize, dloss: &[T], out: &mut [T]) {
        let inverse = L::splat(T::ONE).div(self.total);
        let slope = L::load_first(dloss);
        let mut probabilities = [[T::ZERO; PANEL]; PANEL];
        let mut columns = [[T::ZERO; PANEL]; PANEL];
        for j in 0..n {
            let p = self.exponentials[j].mul(inverse);
            p.store(&mut probabilities[j]);
            p.mul(slope).store(&mut columns[j]);
        }
        for (i, (row, dloss)) in out.chunks_exact_mut(n).zip(dloss).enumerate() {
            let Some(class) = self.classes[i & 15] else {
                row.fill(T::NAN);
                continue;
            };
            for (x, column) in row.iter_mut().zip(&columns) {
                *x = column[i & 15];
            }
            row[class] = (probabilities[class & 15][i & 15] - T::ONE) * *dloss;
        }
    }
}
