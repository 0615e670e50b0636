//! Loss and metrics over batches.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_metrics::{Batch, Metric, MetricSpec};

use crate::feed::Feed;
use crate::history::Scores;

/// Running loss and metrics. Buffers grow to the largest batch once; after that an update allocates nothing.
pub struct Scorer {
    metrics: Vec<Metric>,
    loss: f64,
    weight: f64,
    labels: Vec<u32>,
    numbers: Vec<f64>,
    prediction: Vec<f64>,
    weights: Vec<f64>,
}

impl Scorer {
    /// Of the recipe's metrics.
    pub fn new(specs: &[MetricSpec]) -> Result<Scorer> {
        let metrics = specs.iter().cloned().map(Metric::new).collect::<Result<_>>()?;
        Ok(Scorer {
            metrics,
            loss: 0.0,
            weight: 0.0,
            labels: Vec::new(),
            numbers: Vec::new(),
            prediction: Vec::new(),
            weights: Vec::new(),
        })
    }

    /// Takes in a batch: one loss a row, and predictions where there are metrics.
    pub fn update<T: Real>(&mut self, feed: &Feed, rows: &[u32], losses: &[T], output: Option<&[T]>) -> Result<()> {
        let weighted = feed.weights(rows, &mut self.weights);
        if weighted {
            for (loss, weight) in losses.iter().zip(&self.weights) {
                self.loss += loss.to_f64() * weight;
                self.weight += weight;
            }
        } else {
            self.loss += losses.iter().map(|l| l.to_f64()).sum::<f64>();
            self.weight += losses.len() as f64;
        }
        let Some(output) = output.filter(|_| !self.metrics.is_empty()) else {
            return Ok(());
        };
        self.prediction.clear();
        self.prediction.extend(output.iter().map(|v| v.to_f64()));
        feed.to_own_units(&mut self.prediction)?;
        let Some(truth) = feed.truth(rows, &mut self.labels, &mut self.numbers) else {
            return Ok(());
        };
        let positions = feed.positions();
        if weighted && positions > 1 {
            let own = std::mem::take(&mut self.weights);
            self.weights = own.iter().flat_map(|&w| std::iter::repeat_n(w, positions)).collect();
        }
        let batch = Batch {
            truth,
            prediction: &self.prediction,
            weights: weighted.then_some(&self.weights),
        };
        self.metrics.iter_mut().try_for_each(|m| m.update(&batch))
    }

    /// Loss and metrics so far, and starts anew.
    pub fn take(&mut self) -> Scores {
        let loss = self.loss / self.weight;
        let metrics = self.metrics.iter().map(|m| (m.name().to_owned(), m.value()));
        let scores = Scores(std::iter::once(("loss".to_owned(), loss)).chain(metrics).collect());
        self.metrics.iter_mut().for_each(Metric::reset);
        (self.loss, self.weight) = (0.0, 0.0);
        scores
    }
}
