//! Mixtures of kernels on the unit cube: one kernel an observation, and a wide one for what has not been seen.

use libm::{erf, exp, log};

use crate::draws::Draws;
use crate::space::Kind;

/// Where a kernel lies in one dimension.
#[derive(Clone, Debug)]
enum Kernels {
    /// Normals cut off at 0 and 1: means, one deviation each, logarithms of their mass within.
    Normal {
        means: Vec<f64>,
        deviations: Vec<f64>,
        inverse: Vec<f64>,
    },
    /// Probabilities of the choices, one row a kernel; their logarithms, one row a choice.
    Choice { rows: Vec<Vec<f64>>, logs: Vec<Vec<f64>> },
}

/// A density over the coordinates of a group of dimensions.
#[derive(Clone, Debug)]
pub struct Parzen {
    weights: Vec<f64>,
    /// Of each kernel: ln of its weight over the areas of its normals.
    log_factors: Vec<f64>,
    dimensions: Vec<Kernels>,
}

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// The larger of the distances to the neighbours; the outermost know one neighbour only.
fn gaps(means: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by(|&a, &b| means[a].total_cmp(&means[b]).then(a.cmp(&b)));
    let at = |rank: usize| means[order[rank]];
    let mut gaps = vec![0.0; means.len()];
    let last = means.len().saturating_sub(1);
    for (rank, &index) in order.iter().enumerate() {
        gaps[index] = match (rank, last) {
            (0, 0) => means[0].max(1.0 - means[0]),
            (0, _) => at(1) - at(0),
            (r, l) if r == l => at(l) - at(l - 1),
            (r, _) => f64::max(at(r) - at(r - 1), at(r + 1) - at(r)),
        };
    }
    gaps
}

fn below(z: f64) -> f64 {
    0.5 * (1.0 + erf(z * std::f64::consts::FRAC_1_SQRT_2))
}

impl Parzen {
    /// Of observations in the order of their trials, each with one coordinate a dimension. The newest 25 count fully, older ones less
    /// (Bergstra et al. 2013); a kernel is as wide as the larger gap to its neighbours, with a floor that sinks as observations come in, as in
    /// Optuna 5.
    pub fn new(kinds: &[Kind], observations: &[Vec<f64>]) -> Parzen {
        let n = observations.len();
        let old = n.saturating_sub(25);
        let ramp = |i: usize| {
            let n = n as f64;
            if old <= 1 {
                1.0 / n
            } else {
                1.0 / n + (1.0 - 1.0 / n) * i as f64 / (old - 1) as f64
            }
        };
        let mut weights: Vec<f64> = (0..n).map(|i| if i < old { ramp(i) } else { 1.0 }).collect();
        weights.push(1.0);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        let floor = 1.0 / (2.0 + n as f64).min(100.0);
        let mut log_factors: Vec<f64> = weights.iter().map(|&w| log(w)).collect();
        let dimension = |(at, kind): (usize, &Kind)| match *kind {
            Kind::Choice { count } => {
                let row = |chosen: Option<usize>| {
                    let prior = 1.0 / (n + 1) as f64;
                    let sum = prior * count as f64 + f64::from(u8::from(chosen.is_some()));
                    (0..count)
                        .map(|i| (prior + if chosen == Some(i) { 1.0 } else { 0.0 }) / sum)
                        .collect()
                };
                let index = |o: &Vec<f64>| Some(((o[at] * count as f64) as usize).min(count - 1));
                let rows: Vec<Vec<f64>> = observations.iter().map(|o| row(index(o))).chain([row(None)]).collect();
                let logs = (0..count).map(|i| rows.iter().map(|r: &Vec<f64>| log(r[i])).collect()).collect();
                Kernels::Choice { rows, logs }
            }
            _ => {
                let means: Vec<f64> = observations.iter().map(|o| o[at]).chain([0.5]).collect();
                let deviations: Vec<f64> = gaps(&means[..n])
                    .into_iter()
                    .map(|gap| gap.clamp(floor, 1.0))
                    .chain([1.0])
                    .collect();
                for ((m, s), factor) in means.iter().zip(&deviations).zip(&mut log_factors) {
                    *factor -= log((below((1.0 - m) / s) - below(-m / s)) * s) + HALF_LOG_TAU;
                }
                Kernels::Normal {
                    inverse: deviations.iter().map(|s| 1.0 / s).collect(),
                    means,
                    deviations,
                }
            }
        };
        let dimensions = kinds.iter().enumerate().map(dimension).collect();
        Parzen {
            log_factors,
            weights,
            dimensions,
        }
    }

    /// A draw.
    pub fn draw(&self, draws: &mut Draws) -> Vec<f64> {
        let kernel = draws.weighted(&self.weights);
        let one = |dimension: &Kernels| match dimension {
            Kernels::Choice { rows, .. } => {
                let row = &rows[kernel];
                (draws.weighted(row) as f64 + 0.5) / row.len() as f64
            }
            Kernels::Normal { means, deviations, .. } => {
                // A third of the draws at least lie within, since the mean does.
                for _ in 0..256 {
                    let u = means[kernel] + deviations[kernel] * draws.normal();
                    if (0.0..1.0).contains(&u) {
                        return u;
                    }
                }
                means[kernel].clamp(0.0, 1.0)
            }
        };
        self.dimensions.iter().map(one).collect()
    }

    /// The logarithm of the density.
    pub fn log_density(&self, point: &[f64], terms: &mut Vec<f64>) -> f64 {
        terms.clear();
        terms.extend_from_slice(&self.log_factors);
        for (dimension, &u) in self.dimensions.iter().zip(point) {
            match dimension {
                Kernels::Choice { logs, .. } => {
                    let row = &logs[((u * logs.len() as f64) as usize).min(logs.len() - 1)];
                    terms.iter_mut().zip(row).for_each(|(term, log)| *term += log);
                }
                Kernels::Normal { means, inverse, .. } => {
                    for ((term, mean), inverse) in terms.iter_mut().zip(means).zip(inverse) {
                        let z = (u - mean) * inverse;
                        *term -= 0.5 * z * z;
                    }
                }
            }
        }
        let largest = terms.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        // What is e⁻⁴⁰ of the largest is lost in the rounding of the sum.
        largest + log(terms.iter().filter(|t| **t > largest - 40.0).map(|t| exp(t - largest)).sum::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_density_integrates_to_one() {
        let kinds = [Kind::Uniform { low: 0.0, high: 1.0 }, Kind::Choice { count: 3 }];
        let observations = [vec![0.1, 0.5 / 3.0], vec![0.2, 0.5 / 3.0], vec![0.9, 2.5 / 3.0]];
        let parzen = Parzen::new(&kinds, &observations);
        let mut terms = Vec::new();
        let mut sum = 0.0;
        for i in 0..2000 {
            for c in 0..3 {
                let point = [(f64::from(i) + 0.5) / 2000.0, (f64::from(c) + 0.5) / 3.0];
                sum += exp(parzen.log_density(&point, &mut terms)) / 2000.0;
            }
        }
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn draws_follow_the_density() {
        let parzen = Parzen::new(&[Kind::Uniform { low: 0.0, high: 1.0 }], &[vec![0.2], vec![0.25]]);
        let mut draws = Draws::new(1, "test", 0);
        let low = (0..4000).filter(|_| parzen.draw(&mut draws)[0] < 0.5).count() as f64 / 4000.0;
        let mut terms = Vec::new();
        let mass: f64 = (0..1000)
            .map(|i| exp(parzen.log_density(&[(f64::from(i) + 0.5) / 2000.0], &mut terms)) / 2000.0)
            .sum();
        assert!((low - mass).abs() < 0.03, "{low} {mass}");
    }
}
