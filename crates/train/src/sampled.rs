//! Monte-Carlo dropout: predictions with the noise of training, their mean and deviation. Gal & Ghahramani 2016, arXiv:1506.02142.

use nabla_data::Dataset;
use nabla_error::{Error, Result, memory};
use nabla_kernels::Real;
use nabla_kernels::denormals::flush_to_zero;

use crate::control::Control;
use crate::examiner::{BATCH, Examiner};
use crate::feed::Feed;
use crate::model::{Model, Weights, team_for};

impl Model {
    /// Mean and standard deviation (of the sample, over n − 1) of each prediction over so many samples, `[rows, output width]` each, in
    /// the target's own units.
    pub fn predict_samples(&self, data: &Dataset, samples: usize, seed: u64, threads: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        if samples < 2 {
            return Err(Error::option("samples", "to be at least 2", samples));
        }
        self.expect_schema(data)?;
        let feed = Feed::new(&self.recipe, data, &self.preparation, &self.target_preparation, false)?;
        feed.check_rows(0..feed.rows.len())?;
        match &self.weights {
            Weights::F32(w) => self.samples_of(w, &feed, samples, seed, threads),
            Weights::F64(w) => self.samples_of(w, &feed, samples, seed, threads),
        }
    }

    fn samples_of<T: Real>(&self, theta: &[T], feed: &Feed, samples: usize, seed: u64, threads: usize) -> Result<(Vec<f64>, Vec<f64>)> {
        let _flush = flush_to_zero();
        let mut examiner = Examiner::<T>::sampling(&self.recipe, feed.rows.len().clamp(1, BATCH), seed)?;
        let mut team = team_for(&examiner, feed.rows.len().saturating_mul(samples), threads);
        let count = feed.rows.len().saturating_mul(self.output_width());
        let bytes = count.checked_mul(3 * size_of::<f64>());
        memory::expect_room(bytes, || format!("means and deviations of {count} predictions")).map_err(|e| e.at("predict"))?;
        let (mut mean, mut squares, mut one) = (vec![0.0; count], vec![0.0; count], Vec::with_capacity(count));
        for sample in 0..samples {
            one.clear();
            examiner.run(&mut team, theta, feed, &Control::default(), |_, _, output| {
                one.extend(output.iter().map(|v| v.to_f64()));
                Ok(())
            })?;
            self.target_preparation_inverse(&mut one)?;
            self.expect_finite(&one)?;
            // Welford 1962.
            for ((x, mean), squares) in one.iter().zip(&mut mean).zip(&mut squares) {
                let off = x - *mean;
                *mean += off / (sample + 1) as f64;
                *squares += off * (x - *mean);
            }
        }
        squares.iter_mut().for_each(|s| *s = (*s / (samples - 1) as f64).sqrt());
        Ok((mean, squares))
    }
}
