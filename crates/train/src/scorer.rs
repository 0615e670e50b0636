//! Loss and metrics over batches.

use nabla_error::Result;
use nabla_kernels::Real;
use nabla_metrics::{Batch, Metric, MetricSpec};

use crate::feed::Feed;
use crate::history::Scores;
use crate::recipe::{OutputPart, Recipe};
use crate::spec::belongs;

/// Running loss and metrics. Buffers grow to the largest batch once; after that an update allocates nothing.
pub struct Scorer {
    metrics: Vec<Metric>,
    /// The outputs that have metrics, and which.
    parts: Vec<(OutputPart, Vec<usize>)>,
    loss: f64,
    weight: f64,
    labels: Vec<u32>,
    numbers: Vec<f64>,
    prediction: Vec<f64>,
    weights: Vec<f64>,
}

impl Scorer {
    /// Of the recipe's outputs.
    pub fn new(recipe: &Recipe, specs: &[MetricSpec]) -> Result<Scorer> {
        let metrics: Vec<Metric> = specs.iter().cloned().map(Metric::new).collect::<Result<_>>()?;
        let own = |part: &OutputPart| -> Vec<usize> {
            let of = |metric: &Metric| part.name.as_ref().is_none_or(|name| belongs(metric.name(), name));
            (0..metrics.len()).filter(|&i| of(&metrics[i])).collect()
        };
        let parts = recipe.parts.iter().map(|part| (part.clone(), own(part)));
        let parts = parts.filter(|(_, metrics)| !metrics.is_empty()).collect();
        Ok(Scorer {
            metrics,
            parts,
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
        let weighted = feed.prediction_weights(rows, &mut self.weights);
        let stride = output.len() / rows.len().max(1);
        for (part, metrics) in &self.parts {
            self.prediction.clear();
            if let Some(name) = &part.name {
                let own = output.chunks_exact(stride.max(1)).flat_map(|row| &row[part.from..][..part.width]);
                self.prediction.extend(own.map(|v| v.to_f64()));
                feed.output_to_own_units(name, &mut self.prediction)?;
            } else {
                self.prediction.extend(output.iter().map(|v| v.to_f64()));
                feed.to_own_units(&mut self.prediction)?;
                feed.without_padding(rows, &mut self.prediction);
            }
            let Some(truth) = feed.truth(part.name.as_deref(), rows, &mut self.labels, &mut self.numbers) else {
                continue;
            };
            let batch = Batch {
                truth,
                prediction: &self.prediction,
                weights: weighted.then_some(&self.weights),
            };
            metrics.iter().try_for_each(|&i| self.metrics[i].update(&batch))?;
        }
        Ok(())
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
