//! The random numbers of one trial.

use libm::{cos, log, sqrt};
use nabla_kernels::philox::{Stream, hash_path};

use crate::space::Dimension;

/// Numbers of one purpose of one trial, one after the other. The stream is keyed by seed, purpose and the trial's number.
#[derive(Clone, Debug)]
pub struct Draws {
    stream: Stream,
    next: u64,
}

impl Draws {
    /// Of a purpose such as a parameter's name.
    pub fn new(seed: u64, purpose: &str, trial: u64) -> Draws {
        Draws {
            stream: Stream::new(seed, hash_path(purpose), trial),
            next: 0,
        }
    }

    /// Of a dimension; `attempt` counts draws that a constraint has refused.
    pub fn of(seed: u64, dimension: &Dimension, trial: u64, attempt: u64) -> Draws {
        let mut draws = Draws::new(seed, &format!("search/{}", dimension.name), trial);
        draws.next = attempt << 16;
        draws
    }

    /// Passes over so many numbers.
    pub fn skip(&mut self, count: u64) {
        self.next += count;
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.next += 1;
        self.stream.uniform(self.next - 1)
    }

    /// Standard normal (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        sqrt(-2.0 * log(1.0 - a)) * cos(std::f64::consts::TAU * b)
    }

    /// Index by weights that are not all 0.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.uniform() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.iter().rposition(|&w| w > 0.0).unwrap_or(0)
    }
}
