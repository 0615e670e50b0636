//! What a metric sees at a time.

use nabla_error::{Code, Error, Result};

/// The targets of the rows.
#[derive(Clone, Copy, Debug)]
pub enum Truth<'a> {
    /// A class index for each row, each below `count`.
    Classes {
        /// Class of each row.
        labels: &'a [u32],
        /// Number of classes.
        count: usize,
    },
    /// `width` numbers for each row.
    Numbers {
        /// `[rows, width]`, row-major.
        values: &'a [f64],
        /// Outputs of a row, at least 1.
        width: usize,
    },
}

/// Rows of targets and predictions.
///
/// Shapes: `prediction: [rows, width]`. For classes: `width` = number of classes (probabilities or any scores whose largest counts), or 1
/// for two classes (the probability of class 1). For numbers: the width of the truth.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The targets.
    pub truth: Truth<'a>,
    /// The predictions, row-major.
    pub prediction: &'a [f64],
    /// A weight ≥ 0 for each row; 1 when none.
    pub weights: Option<&'a [f64]>,
}

impl<'a> Batch<'a> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self.truth {
            Truth::Classes { labels, .. } => labels.len(),
            Truth::Numbers { values, width } => values.len().checked_div(width).unwrap_or(0),
        }
    }

    /// Weight of a row.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[row])
    }

    /// Labels, number of classes, width of the prediction; checks them all.
    pub(crate) fn classes(&self) -> Result<(&'a [u32], usize, usize)> {
        let Truth::Classes { labels, count } = self.truth else {
            return Err(Error::new(Code::InvalidData, "this metric needs classes, the targets are numbers")
                .expected("class targets")
                .received("number targets")
                .hint("use meanSquaredError, meanAbsoluteError or r2"));
        };
        self.check_weights(labels.len())?;
        // One column is the probability of class 1 of two; with a single class it is that class's own.
        let width = if self.prediction.len() == labels.len() && count <= 2 {
            1
        } else {
            count
        };
        if Some(self.prediction.len()) != labels.len().checked_mul(width) {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!(
                    "{} predictions don't fit {} rows of {count} classes",
                    self.prediction.len(),
                    labels.len()
                ),
            )
            .expected(format!("[{}, {count}]", labels.len()))
            .received(format!("{} values", self.prediction.len())));
        }
        if let Some(row) = labels.iter().position(|l| *l as usize >= count) {
            return Err(Error::new(
                Code::InvalidData,
                format!("row {row} has class {}, there are {count} classes", labels[row]),
            )
            .expected(format!("classes 0 to {}", count.saturating_sub(1)))
            .received(labels[row].to_string()));
        }
        if let Some(i) = self.prediction.iter().position(|p| p.is_nan()) {
            return Err(Error::new(Code::NotFinite, format!("the prediction of row {} is NaN", i / width)));
        }
        Ok((labels, count, width))
    }

    /// True values, number of outputs; checks them all.
    pub(crate) fn numbers(&self) -> Result<(&'a [f64], usize)> {
        let Truth::Numbers { values, width } = self.truth else {
            return Err(Error::new(Code::InvalidData, "this metric needs numbers, the targets are classes")
                .expected("number targets")
                .received("class targets")
                .hint("use accuracy, f1, precision or recall"));
        };
        if width == 0 || values.len() % width != 0 || values.len() != self.prediction.len() {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!(
                    "{} predictions don't fit {} targets of width {width}",
                    self.prediction.len(),
                    values.len()
                ),
            )
            .expected(format!("{} values", values.len()))
            .received(format!("{} values", self.prediction.len())));
        }
        self.check_weights(values.len() / width)?;
        for (what, values) in [("prediction", self.prediction), ("target", values)] {
            if let Some(i) = values.iter().position(|p| !p.is_finite()) {
                return Err(Error::new(
                    Code::NotFinite,
                    format!("the {what} of row {} is {}", i / width, values[i]),
                ));
            }
        }
        Ok((values, width))
    }

    fn check_weights(&self, rows: usize) -> Result<()> {
        let Some(weights) = self.weights else { return Ok(()) };
        if weights.len() != rows {
            return Err(
                Error::new(Code::ShapeMismatch, format!("{} weights for {rows} rows", weights.len()))
                    .expected(format!("{rows} weights"))
                    .received(format!("{} weights", weights.len())),
            );
        }
        match weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            None => Ok(()),
            Some(row) => {
                Err(Error::new(Code::InvalidData, format!("the weight of row {row} is {}", weights[row])).expected("a number in [0, ∞)"))
            }
        }
    }
}
