//! Expected improvement under a Gaussian process.
//!
//! Jones, Schonlau & Welch 1998; Snoek, Larochelle & Adams 2012 (arXiv:1206.2944). Matérn-5/2 kernel with a length a dimension, fitted by
//! the largest posterior under weak priors. Trials of one round are chosen one after the other, each believed to give its predicted mean
//! (Ginsbourger et al. 2010, "kriging believer").

use libm::{erfc, exp, log, sqrt};
use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::cholesky::{backward, factor, forward, inverse};
use crate::draws::Draws;
use crate::request::Past;
use crate::space::{Kind, Point, Space};

/// Options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct GaussianProcess {
    /// Random trials before it learns.
    pub startup: usize,
    /// Trials chosen at once.
    pub round: u64,
}

impl Default for GaussianProcess {
    fn default() -> Self {
        Self { startup: 10, round: 4 }
    }
}

/// Trials that the process knows at most: half of them the best, half the newest.
const KNOWN: usize = 200;
const FIRST: usize = 600;
const STARTS: usize = 5;

type Coordinates = Vec<Option<f64>>;

/// The parameters of the kernel, as logarithms: an inverse squared length a dimension, the scale, the noise.
#[derive(Clone, Debug)]
struct Kernel {
    logs: Vec<f64>,
}

fn matern(r2: f64) -> (f64, f64) {
    let r = sqrt(5.0 * r2);
    let e = exp(-r);
    ((1.0 + r + 5.0 / 3.0 * r2) * e, -5.0 / 6.0 * (1.0 + r) * e)
}

/// Squared distance in one dimension; a choice differs or not, as does a branch that only one of two has.
fn apart(kind: Kind, a: Option<f64>, b: Option<f64>) -> f64 {
    match (a, b) {
        (Some(a), Some(b)) if kind.is_choice() => f64::from(u8::from(a != b)),
        (Some(a), Some(b)) => (a - b) * (a - b),
        (None, None) => 0.0,
        _ => 1.0,
    }
}

struct Process<'a> {
    kinds: &'a [Kind],
    kernel: Kernel,
    xs: Vec<Coordinates>,
    ys: Vec<f64>,
    factor: Vec<f64>,
    alpha: Vec<f64>,
}

impl Process<'_> {
    fn covariance(&self, a: &Coordinates, b: &Coordinates) -> f64 {
        let d = self.kinds.len();
        let r2: f64 = (0..d).map(|i| exp(self.kernel.logs[i]) * apart(self.kinds[i], a[i], b[i])).sum();
        exp(self.kernel.logs[d]) * matern(r2).0
    }

    /// Factors the matrix for the parameters as they are; `None` where it is not positive definite.
    fn refresh(&mut self) -> Option<()> {
        let (n, d) = (self.xs.len(), self.kinds.len());
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                a[i * n + j] = self.covariance(&self.xs[i], &self.xs[j]);
            }
            a[i * n + i] += exp(self.kernel.logs[d + 1]) + 1e-9;
        }
        factor(&mut a, n)?;
        self.alpha = self.ys.clone();
        forward(&a, n, &mut self.alpha);
        backward(&a, n, &mut self.alpha);
        self.factor = a;
        Some(())
    }

    /// Log posterior of the parameters and its gradient.
    fn posterior(&mut self) -> Option<(f64, Vec<f64>)> {
        self.refresh()?;
        let (n, d) = (self.xs.len(), self.kinds.len());
        let logs = &self.kernel.logs;
        let weights: Vec<f64> = logs.iter().map(|&v| exp(v)).collect();
        let (scale, noise) = (weights[d], weights[d + 1]);
        let mut value = -0.5 * self.ys.iter().zip(&self.alpha).map(|(y, a)| y * a).sum::<f64>();
        value -= (0..n).map(|i| log(self.factor[i * n + i])).sum::<f64>();
        let inverse = inverse(&self.factor, n);
        let mut gradient = vec![0.0; d + 2];
        let mut squares = vec![0.0; d];
        for i in 0..n {
            for j in 0..=i {
                // ½ tr((ααᵀ − K⁻¹)·dK), each pair off the diagonal twice.
                let m = (self.alpha[i] * self.alpha[j] - inverse[i * n + j]) * if i == j { 0.5 } else { 1.0 };
                let mut r2 = 0.0;
                for k in 0..d {
                    squares[k] = weights[k] * apart(self.kinds[k], self.xs[i][k], self.xs[j][k]);
                    r2 += squares[k];
                }
                let (k, slope) = matern(r2);
                gradient[d] += m * scale * k;
                for (g, s) in gradient.iter_mut().zip(&squares) {
                    *g += m * scale * slope * s;
                }
                if i == j {
                    gradient[d + 1] += m * noise;
                }
            }
        }
        // Weak priors: lengths of about the range, a scale of about 1, little noise.
        for k in 0..d {
            let w = weights[k];
            value -= 0.1 / w + 0.1 * w;
            gradient[k] += 0.1 / w - 0.1 * w;
        }
        value += logs[d] - scale;
        gradient[d] += 1.0 - scale;
        value += 0.1 * logs[d + 1] - 30.0 * noise;
        gradient[d + 1] += 0.1 - 30.0 * noise;
        Some((value, gradient))
    }

    /// The largest posterior by Rprop (Riedmiller & Braun 1993): only signs, so no scale to tune; the best seen is kept.
    fn fit(&mut self) {
        let p = self.kernel.logs.len();
        let (mut steps, mut last) = (vec![0.3; p], vec![0.0; p]);
        let mut best: Option<(f64, Vec<f64>)> = None;
        for _ in 0..40 {
            let Some((value, gradient)) = self.posterior() else { break };
            if best.as_ref().is_none_or(|(b, _)| value > *b) {
                best = Some((value, self.kernel.logs.clone()));
            }
            for k in 0..p {
                let agree = gradient[k] * last[k];
                if agree > 0.0 {
                    steps[k] = f64::min(steps[k] * 1.2, 1.0);
                } else if agree < 0.0 {
                    steps[k] = f64::max(steps[k] * 0.5, 1e-3);
                }
                last[k] = gradient[k];
                let (low, high) = if k + 1 == p { (-14.0, 0.0) } else { (-7.0, 9.0) };
                if gradient[k] != 0.0 {
                    self.kernel.logs[k] = (self.kernel.logs[k] + steps[k] * gradient[k].signum()).clamp(low, high);
                }
            }
        }
        if let Some((_, logs)) = best {
            self.kernel.logs = logs;
        }
    }

    /// Mean and deviation of the prediction.
    fn predict(&self, x: &Coordinates, column: &mut Vec<f64>) -> (f64, f64) {
        let n = self.xs.len();
        column.clear();
        column.extend(self.xs.iter().map(|other| self.covariance(x, other)));
        let mean = column.iter().zip(&self.alpha).map(|(k, a)| k * a).sum();
        forward(&self.factor, n, column);
        let variance = exp(self.kernel.logs[self.kinds.len()]) - column.iter().map(|v| v * v).sum::<f64>();
        (mean, sqrt(variance.max(1e-12)))
    }
}

/// ln E[max(0, best − y)] for y normal.
fn log_expected_improvement(best: f64, mean: f64, deviation: f64) -> f64 {
    let z = (best - mean) / deviation;
    let log_density = -0.5 * z * z - 0.918_938_533_204_672_8;
    if z < -6.0 {
        // φ(z)·(1/z² − 3/z⁴ + …), the asymptotic series of φ + z·Φ.
        return log(deviation) + log_density - 2.0 * log(-z);
    }
    let below = 0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
    log(deviation) + log((exp(log_density) + z * below).max(1e-300))
}

impl GaussianProcess {
    /// Checks ranges.
    pub fn validate(&self) -> Result<()> {
        if self.round == 0 {
            return Err(Error::option("round", "to be at least 1", 0));
        }
        Ok(())
    }

    /// The points of trials `from` to `from + count` of one round. `past` holds the trials before the round, in their order.
    pub fn suggest(&self, space: &Space, seed: u64, past: &[Past], from: u64, count: u64, attempt: u64) -> Vec<Point> {
        let kinds: Vec<Kind> = space.dimensions.iter().map(|d| d.kind).collect();
        let finite = |p: &Past| p.score.filter(|s| s.is_finite());
        let scores: Vec<f64> = past.iter().filter_map(finite).collect();
        let worst = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let mut order: Vec<usize> = (0..past.len()).collect();
        let score = |i: usize| finite(&past[i]).unwrap_or(worst);
        order.sort_by(|&a, &b| score(a).total_cmp(&score(b)).then(a.cmp(&b)));
        if past.len() > KNOWN {
            let newest = past.len() - KNOWN / 2;
            let mut kept: Vec<usize> = order.iter().copied().filter(|&i| i < newest).take(KNOWN / 2).collect();
            kept.extend(newest..past.len());
            order = kept;
        }
        order.sort_unstable();
        let xs: Vec<Coordinates> = order.iter().map(|&i| space.encode(&past[i].values)).collect();
        let ys = standardized(order.iter().map(|&i| score(i)).collect());
        let d = kinds.len();
        let mut logs = vec![1.0; d];
        logs.extend([0.0, -7.0]);
        let mut process = Process {
            kinds: &kinds,
            kernel: Kernel { logs },
            xs,
            ys,
            factor: Vec::new(),
            alpha: Vec::new(),
        };
        process.fit();
        let start = from / self.round * self.round;
        let mut points = Vec::new();
        for number in start..from + count {
            let tries = if number == from { attempt } else { 0 };
            let point = match process.refresh() {
                Some(()) => choose(&process, space, seed, number, tries),
                None => space.fill(|_, d| d.kind.decode(Draws::of(seed, d, number, tries).uniform())),
            };
            let x = space.encode(&point);
            if !process.factor.is_empty() {
                let (mean, _) = process.predict(&x, &mut Vec::new());
                process.xs.push(x);
                process.ys.push(mean);
            }
            if number >= from {
                points.push(point);
            }
        }
        points
    }
}

/// Mean 0 and deviation 1; what lies far above the median is drawn in, since only the low end matters.
fn standardized(mut ys: Vec<f64>) -> Vec<f64> {
    let mut sorted = ys.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |q: f64| sorted[((sorted.len() - 1) as f64 * q) as usize];
    if let (Some(_), true) = (sorted.first(), sorted.len() >= 4) {
        let (low, middle) = (at(0.0), at(0.5));
        let reach = middle + 2.0 * (middle - low);
        if reach > middle {
            for y in &mut ys {
                if *y > reach {
                    *y = reach + (middle - low) * libm::log1p((*y - reach) / (middle - low));
                }
            }
        }
    }
    let n = ys.len().max(1) as f64;
    let mean = ys.iter().sum::<f64>() / n;
    let deviation = sqrt(ys.iter().map(|y| (y - mean) * (y - mean)).sum::<f64>() / n);
    ys.iter()
        .map(|y| (y - mean) / if deviation > 0.0 { deviation } else { 1.0 })
        .collect()
}

/// The point of largest expected improvement: the best of many draws, then steps that shrink around the best few.
fn choose(process: &Process, space: &Space, seed: u64, number: u64, attempt: u64) -> Point {
    let mut draws = Draws::new(seed, "search/expected improvement", number);
    draws.skip(attempt << 32);
    let best = process.ys.iter().fold(f64::INFINITY, |a, &b| a.min(b));
    let mut column = Vec::new();
    let mut gain = |point: &Point| {
        let (mean, deviation) = process.predict(&space.encode(point), &mut column);
        log_expected_improvement(best, mean, deviation)
    };
    let mut pool: Vec<(f64, Point)> = Vec::new();
    let ranked = {
        let mut order: Vec<usize> = (0..process.xs.len()).collect();
        order.sort_by(|&a, &b| process.ys[a].total_cmp(&process.ys[b]).then(a.cmp(&b)));
        order
    };
    for i in 0..FIRST {
        let point = space.fill(|_, d| d.kind.decode(draws.uniform()));
        pool.push((gain(&point), point));
        // Every sixth beside one of the best three.
        if i % 6 == 0
            && let Some(&top) = ranked.get(i / 6 % 3)
        {
            let point = step(space, &process.xs[top], 0.1, &mut draws);
            pool.push((gain(&point), point));
        }
    }
    pool.sort_by(|a, b| b.0.total_cmp(&a.0));
    pool.truncate(STARTS);
    for (value, point) in &mut pool {
        let mut width = 0.1;
        for _ in 0..60 {
            let next = step(space, &space.encode(point), width, &mut draws);
            let better = gain(&next);
            if better > *value {
                (*value, *point) = (better, next);
            } else {
                width *= 0.93;
            }
        }
    }
    pool.into_iter()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, point)| point)
        .unwrap_or_default()
}

/// A point nearby: one dimension or all of them moved; a choice drawn anew now and then.
fn step(space: &Space, x: &Coordinates, width: f64, draws: &mut Draws) -> Point {
    let only = (draws.uniform() * 2.0 * x.len() as f64) as usize;
    space.fill(|at, dimension| {
        let moves = only >= x.len() || only == at;
        match x[at] {
            None => dimension.kind.decode(draws.uniform()),
            Some(u) if !moves => dimension.kind.decode(u),
            Some(u) if dimension.kind.is_choice() => {
                let again = draws.uniform() < 0.2;
                dimension.kind.decode(if again { draws.uniform() } else { u })
            }
            Some(u) => {
                let count = dimension.kind.count().map_or(0.0, |n| 0.7 / n as f64);
                dimension.kind.decode((u + width.max(count) * draws.normal()).clamp(0.0, 1.0))
            }
        }
    })
}
