//! The confusion matrix: all that the metrics of classes need.

use nabla_error::{Code, Error, Result};

use crate::Batch;
use crate::rule::State;

/// Weighted counts: `cells[truth · classes + predicted]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Confusion {
    /// Number of classes; 0 before the first batch.
    pub classes: usize,
    /// `[classes, classes]`, truth by prediction.
    pub cells: Vec<f64>,
    /// Whether a class was true or predicted in any row, whatever its weight: scikit-learn averages over these only.
    pub seen: Vec<bool>,
}

/// The class that a row of the prediction stands for: the first largest; of a single column class 1 when above `threshold`.
pub fn predicted_class(row: &[f64], threshold: f64) -> usize {
    match row {
        [p] => usize::from(*p > threshold),
        [] => 0,
        [first, rest @ ..] => {
            // Two selections an element and no branch: which class wins cannot be foretold.
            let (mut best, mut class) = (*first, 0);
            for (j, p) in rest.iter().enumerate() {
                let better = *p > best;
                best = if better { *p } else { best };
                class = if better { j + 1 } else { class };
            }
            class
        }
    }
}

/// Weighted counts of (truth, predicted class), `[classes, classes]` row-major, as scikit-learn's `confusion_matrix`.
///
/// # Errors
/// As [`crate::Metric::update`].
pub fn confusion_matrix(batch: &Batch, threshold: f64) -> Result<Vec<f64>> {
    let mut confusion = Confusion::default();
    confusion.add(batch, threshold)?;
    Ok(confusion.cells)
}

impl Confusion {
    /// Counts the rows of a batch.
    pub(crate) fn add(&mut self, batch: &Batch, threshold: f64) -> Result<()> {
        let (labels, count, width) = batch.classes()?;
        self.expect_classes(count)?;
        for (row, (label, prediction)) in labels.iter().zip(batch.prediction.chunks_exact(width.max(1))).enumerate() {
            let (truth, found) = (*label as usize, predicted_class(prediction, threshold).min(count - 1));
            self.cells[truth * count + found] += batch.weight(row);
            self.seen[truth] = true;
            self.seen[found] = true;
        }
        Ok(())
    }

    fn expect_classes(&mut self, count: usize) -> Result<()> {
        if self.classes == 0 {
            *self = Self {
                classes: count,
                cells: vec![0.0; count * count],
                seen: vec![false; count],
            };
        }
        if self.classes == count {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!("{count} classes, before there were {}", self.classes),
        ))
    }

    /// Weight of the rows of class `k` that were predicted as such.
    pub fn hits(&self, k: usize) -> f64 {
        self.cells[k * self.classes + k]
    }

    /// Weight of the rows of class `k`.
    pub fn truth(&self, k: usize) -> f64 {
        self.cells[k * self.classes..(k + 1) * self.classes].iter().sum()
    }

    /// Weight of the rows predicted as class `k`.
    pub fn predicted(&self, k: usize) -> f64 {
        (0..self.classes).map(|t| self.cells[t * self.classes + k]).sum()
    }

    /// The classes seen.
    pub fn seen(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.classes).filter(|k| self.seen[*k])
    }
}

impl State for Confusion {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.classes == 0 {
            return Ok(());
        }
        self.expect_classes(other.classes)?;
        self.cells.iter_mut().zip(&other.cells).for_each(|(a, b)| *a += b);
        self.seen.iter_mut().zip(&other.seen).for_each(|(a, b)| *a |= b);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_largest_wins() {
        assert_eq!(predicted_class(&[0.2, 0.4, 0.4], 0.5), 1);
        assert_eq!(predicted_class(&[f64::NEG_INFINITY, f64::NEG_INFINITY], 0.5), 0);
        assert_eq!([0.5, 0.50001].map(|p| predicted_class(&[p], 0.5)), [0, 1]);
    }
}
