//! Where the expected improvement is largest.
//!
//! Its logarithm is climbed, which has slopes where the improvement itself is flat (Ament et al. 2023, arXiv:2310.20708): many draws, the
//! best and some others of them by chance as starts, L-BFGS in the dimensions with an order, one dimension at a time in the others.

use libm::{erfc, exp, log, sqrt};

use crate::descent::{Limits, minimize};
use crate::draws::Draws;
use crate::gaussian_process::{Coordinates, Prediction, Process};
use crate::space::{Kind, Point, Space};

/// Draws to start from.
const FIRST: usize = 1024;
/// Starts that are climbed from.
const STARTS: usize = 8;
/// Times that one climbs in turns along what is smooth and what is not.
const TURNS: usize = 8;
/// Values up to which all of a whole-numbered dimension are looked at.
const ALL: usize = 16;

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// ln(φ(z) + z·Φ(z)) and its derivative.
fn log_improvement(z: f64) -> (f64, f64) {
    let log_density = -0.5 * z * z - HALF_LOG_TAU;
    if z < -6.0 {
        // The asymptotic series of both.
        let w = 1.0 / (z * z);
        let (h, below) = (1.0 - 3.0 * w + 15.0 * w * w, 1.0 - w + 3.0 * w * w);
        return (log_density + log(w * h), -z * below / h);
    }
    let below = 0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
    let h = (exp(log_density) + z * below).max(1e-300);
    (log(h), below / h)
}

struct Climb<'a> {
    process: &'a Process<'a>,
    space: &'a Space,
    best: f64,
    prediction: Prediction,
}

impl Climb<'_> {
    /// ln E[max(0, best − y)].
    fn gain(&mut self, x: &Coordinates) -> f64 {
        self.process.predict(x, false, &mut self.prediction);
        let deviation = sqrt(self.prediction.variance);
        log(deviation) + log_improvement((self.best - self.prediction.mean) / deviation).0
    }

    fn is_smooth(&self, at: usize) -> bool {
        self.space.dimensions[at].kind.count().is_none()
    }

    /// Up along the dimensions without steps.
    fn smooth(&mut self, x: &mut Coordinates) -> f64 {
        let free: Vec<usize> = (0..x.len()).filter(|&i| self.is_smooth(i) && x[i].is_some()).collect();
        let lengths: Vec<f64> = free.iter().map(|&i| self.process.length(i)).collect();
        // Distances in lengths, so that all dimensions bend alike.
        let mut z: Vec<f64> = free.iter().zip(&lengths).map(|(&i, l)| x[i].unwrap_or(0.5) / l).collect();
        let bounds: Vec<(f64, f64)> = lengths.iter().map(|l| (0.0, 1.0 / l)).collect();
        let mut there = x.clone();
        let limits = Limits { steps: 60, gradient: 1e-2 };
        let value = minimize(&mut z, &bounds, limits, |z, gradient| {
            for ((&i, l), z) in free.iter().zip(&lengths).zip(z) {
                there[i] = Some(z * l);
            }
            self.process.predict(&there, true, &mut self.prediction);
            let p = &self.prediction;
            let deviation = sqrt(p.variance);
            let u = (self.best - p.mean) / deviation;
            let (value, slope) = log_improvement(u);
            for (k, (&i, l)) in free.iter().zip(&lengths).enumerate() {
                let wider = p.variance_slopes[i] / (2.0 * deviation);
                gradient[k] = -l * (wider / deviation + slope * (-p.mean_slopes[i] - u * wider) / deviation);
            }
            Some(-(value + log(deviation)))
        });
        for ((&i, l), z) in free.iter().zip(&lengths).zip(&z) {
            x[i] = Some((z * l).clamp(0.0, 1.0));
        }
        value.map_or(f64::NEG_INFINITY, |v| -v)
    }

    /// The best of the other values of one dimension with steps, if it is better.
    fn stepped(&mut self, x: &mut Coordinates, value: f64, at: usize, draws: &mut Draws) -> Option<f64> {
        let (Some(u), Some(count)) = (x[at], self.space.dimensions[at].kind.count()) else {
            return None;
        };
        let here = ((u * count as f64) as usize).min(count - 1);
        let others: Vec<f64> = if count <= ALL || self.space.dimensions[at].kind.is_choice() {
            let whole = |i: usize| self.coordinate(at, i);
            (0..count).filter(|&i| i != here).map(whole).collect()
        } else {
            let reach = (0..12).map(|i| 0.5 / f64::from(1 << i)).filter(|s| *s >= 0.5 / count as f64);
            reach.flat_map(|s| [u - s, u + s]).filter(|u| (0.0..1.0).contains(u)).collect()
        };
        let mut best: Option<(f64, Coordinates)> = None;
        for u in others {
            let next = self.moved(x, at, u, draws);
            let gain = self.gain(&next);
            if gain > value && best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, next));
            }
        }
        best.map(|(gain, next)| {
            *x = next;
            gain
        })
    }

    /// The coordinate of a whole-numbered value by its rank.
    fn coordinate(&self, at: usize, rank: usize) -> f64 {
        let kind = self.space.dimensions[at].kind;
        match kind {
            Kind::Integer { low, .. } | Kind::LogInteger { low, .. } => kind.encode(low + rank as f64),
            _ => kind.encode(rank as f64),
        }
    }

    /// One dimension moved; what a branch newly has is drawn.
    fn moved(&self, x: &Coordinates, at: usize, to: f64, draws: &mut Draws) -> Coordinates {
        let point = self.space.fill(|i, d| match x[i] {
            _ if i == at => d.kind.decode(to),
            Some(u) => d.kind.decode(u),
            None => d.kind.decode(draws.uniform()),
        });
        self.space.encode(&point)
    }
}

/// The point of largest expected improvement.
pub(crate) fn choose(process: &Process<'_>, space: &Space, seed: u64, number: u64, attempt: u64) -> Point {
    let mut draws = Draws::new(seed, "search/expected improvement", number);
    draws.skip(attempt << 32);
    let mut climb = Climb {
        process,
        space,
        best: process.ys.iter().fold(f64::INFINITY, |a, &b| a.min(b)),
        prediction: Prediction::default(),
    };
    let mut pool: Vec<(f64, Coordinates)> = (0..FIRST)
        .map(|_| {
            let x = space.encode(&space.fill(|_, d| d.kind.decode(draws.uniform())));
            (climb.gain(&x), x)
        })
        .collect();
    pool.sort_by(|a, b| b.0.total_cmp(&a.0));
    // The best, others by chance, the likelier the better; and what is known to be best.
    let most = pool[0].0;
    let mut weights: Vec<f64> = pool.iter().map(|(gain, _)| exp(gain - most)).collect();
    let mut starts = vec![pool[0].1.clone()];
    weights[0] = 0.0;
    while starts.len() < STARTS - 1 && weights.iter().sum::<f64>() > 0.0 {
        let at = draws.weighted(&weights);
        weights[at] = 0.0;
        starts.push(pool[at].1.clone());
    }
    let top = (0..process.ys.len()).min_by(|&a, &b| process.ys[a].total_cmp(&process.ys[b]).then(a.cmp(&b)));
    starts.extend(top.map(|at| process.xs[at].clone()));
    let steps: Vec<usize> = (0..space.dimensions.len()).filter(|&i| !climb.is_smooth(i)).collect();
    let mut best: Option<(f64, Coordinates)> = None;
    for mut x in starts {
        let mut value = climb.smooth(&mut x);
        for _ in 0..TURNS {
            let mut moved = false;
            for &at in &steps {
                if let Some(better) = climb.stepped(&mut x, value, at, &mut draws) {
                    (value, moved) = (better, true);
                }
            }
            if !moved {
                break;
            }
            value = value.max(climb.smooth(&mut x));
        }
        if best.as_ref().is_none_or(|(most, _)| value > *most) {
            best = Some((value, x));
        }
    }
    let x = best.map(|(_, x)| x).unwrap_or_default();
    space.fill(|at, d| d.kind.decode(x.get(at).copied().flatten().unwrap_or(0.5)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_improvement_and_its_slope_agree_with_each_other_and_across_the_series() {
        for z in [-30.0, -8.0, -6.001, -5.999, -3.0, 0.0, 2.0, 9.0] {
            let h = 1e-5;
            let numeric = (log_improvement(z + h).0 - log_improvement(z - h).0) / (2.0 * h);
            let (_, slope) = log_improvement(z);
            // The series is cut after its third term: 1e-3 at −6.
            assert!((numeric - slope).abs() < 3e-3 * slope.abs().max(1e-9), "{z}: {numeric} {slope}");
        }
        assert!((log_improvement(-6.0 + 1e-9).0 - log_improvement(-6.0 - 1e-9).0).abs() < 2e-3);
        // φ(0) = 1/√(2π)
        assert!((exp(log_improvement(0.0).0) - 0.398_942_280_401_432_7).abs() < 1e-15);
    }
}
