//! Expected improvement under a Gaussian process.
//!
//! Jones, Schonlau & Welch 1998; Snoek, Larochelle & Adams 2012 (arXiv:1206.2944). Matérn-5/2 kernel with a length a dimension, fitted by
//! L-BFGS to the largest posterior under the priors of Optuna 5. Trials of one round are chosen one after the other, each believed to give
//! its predicted mean (Ginsbourger et al. 2010, "kriging believer").

use libm::{exp, log, sqrt};
use nabla_error::{Error, Result};
use nabla_kernels::elementwise::{Unary, unary_in_place};
use serde::{Deserialize, Serialize};

use crate::acquisition::choose;
use crate::cholesky::{backward, dot, factor, forward, inverse};
use crate::descent::{Limits, minimize};
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
        Self { startup: 10, round: 2 }
    }
}

/// Trials that the process knows at most: half of them the best, half the newest.
const KNOWN: usize = 200;
/// Trials up to which two starts are fitted to the end.
const FEW: usize = 60;
/// The variance of the noise is above this, so that the matrix can be factored.
const LEAST_NOISE: f64 = 1e-6;

pub(crate) type Coordinates = Vec<Option<f64>>;

/// Correlations at squared distances, and their derivatives by them.
fn matern(squares: &[f64], values: &mut Vec<f64>, slopes: &mut Vec<f64>) {
    values.clear();
    values.extend(squares.iter().map(|r2| -(5.0 * r2).sqrt()));
    slopes.clear();
    slopes.extend_from_slice(values);
    unary_in_place(Unary::Exp, slopes);
    for ((value, slope), r2) in values.iter_mut().zip(slopes).zip(squares) {
        let (r, e) = (-*value, *slope);
        *value = (1.0 + r + 5.0 / 3.0 * r2) * e;
        *slope = -5.0 / 6.0 * (1.0 + r) * e;
    }
}

/// Squared distance in one dimension; a choice differs or not, as does a branch that only one of two has.
pub(crate) fn apart(kind: Kind, a: Option<f64>, b: Option<f64>) -> f64 {
    match (a, b) {
        (Some(a), Some(b)) if kind.is_choice() => f64::from(u8::from(a != b)),
        (Some(a), Some(b)) => (a - b) * (a - b),
        (None, None) => 0.0,
        _ => 1.0,
    }
}

/// The process as it is known: what was tried, and the kernel.
pub(crate) struct Process<'a> {
    pub kinds: &'a [Kind],
    /// Logarithms: an inverse squared length a dimension, the scale, the noise above its least.
    logs: Vec<f64>,
    pub xs: Vec<Coordinates>,
    pub ys: Vec<f64>,
    /// Of each dimension with an order that all points have: its coordinates.
    columns: Vec<Option<Vec<f64>>>,
    /// Of each dimension: squared distances of pairs, one row a point with those before and itself.
    squares: Vec<Vec<f64>>,
    /// Of pairs: weighted squared distances, correlations, their derivatives.
    distances: Vec<f64>,
    values: Vec<f64>,
    slopes: Vec<f64>,
    factor: Vec<f64>,
    inverse: Vec<f64>,
    alpha: Vec<f64>,
    /// Inverse squared lengths.
    weights: Vec<f64>,
    scale: f64,
}

/// What is predicted somewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prediction {
    pub mean: f64,
    pub variance: f64,
    distances: Vec<f64>,
    covariance: Vec<f64>,
    slopes: Vec<f64>,
    solved: Vec<f64>,
    /// Derivatives by the coordinates of dimensions with an order.
    pub mean_slopes: Vec<f64>,
    pub variance_slopes: Vec<f64>,
}

impl<'a> Process<'a> {
    fn new(kinds: &'a [Kind]) -> Process<'a> {
        Process {
            kinds,
            logs: vec![0.0; kinds.len() + 2],
            xs: Vec::new(),
            ys: Vec::new(),
            columns: kinds.iter().map(|kind| (!kind.is_choice()).then(Vec::new)).collect(),
            squares: vec![Vec::new(); kinds.len()],
            distances: Vec::new(),
            values: Vec::new(),
            slopes: Vec::new(),
            factor: Vec::new(),
            inverse: Vec::new(),
            alpha: Vec::new(),
            weights: Vec::new(),
            scale: 1.0,
        }
    }

    fn push(&mut self, x: Coordinates, y: f64) {
        self.xs.push(x);
        self.ys.push(y);
        let Some(x) = self.xs.last() else { return };
        for (i, (column, squares)) in self.columns.iter_mut().zip(&mut self.squares).enumerate() {
            squares.extend(self.xs.iter().map(|other| apart(self.kinds[i], x[i], other[i])));
            match (column.as_mut(), x[i]) {
                (Some(values), Some(value)) => values.push(value),
                _ => *column = None,
            }
        }
    }

    /// The length of a dimension: how far apart values are that tell little of each other.
    pub fn length(&self, dimension: usize) -> f64 {
        1.0 / sqrt(self.weights[dimension])
    }

    fn noise(&self) -> f64 {
        exp(self.logs[self.kinds.len() + 1])
    }

    /// Factors the matrix for the parameters as they are; `None` where it is not positive definite.
    fn refresh(&mut self) -> Option<()> {
        let (n, d) = (self.xs.len(), self.kinds.len());
        self.weights = self.logs[..d].iter().map(|&v| exp(v)).collect();
        self.scale = exp(self.logs[d]);
        self.distances.clear();
        self.distances.resize(n * (n + 1) / 2, 0.0);
        for (weight, squares) in self.weights.iter().zip(&self.squares) {
            self.distances.iter_mut().zip(squares).for_each(|(r2, s)| *r2 += weight * s);
        }
        matern(&self.distances, &mut self.values, &mut self.slopes);
        let mut a = vec![0.0; n * n];
        let mut values = self.values.as_slice();
        for i in 0..n {
            let (row, rest) = values.split_at(i + 1);
            values = rest;
            a[i * n..=i * n + i].iter_mut().zip(row).for_each(|(a, k)| *a = self.scale * k);
            a[i * n + i] += self.noise() + LEAST_NOISE;
        }
        factor(&mut a, n)?;
        self.alpha.clone_from(&self.ys);
        forward(&a, n, &mut self.alpha);
        backward(&a, n, &mut self.alpha);
        self.inverse = inverse(&a, n);
        self.factor = a;
        Some(())
    }

    /// Log posterior of the parameters and its gradient.
    fn posterior(&mut self, gradient: &mut [f64]) -> Option<f64> {
        self.refresh()?;
        let (n, d) = (self.xs.len(), self.kinds.len());
        let (scale, noise) = (self.scale, self.noise());
        let mut value = -0.5 * dot(&self.ys, &self.alpha);
        value -= (0..n).map(|i| log(self.factor[i * n + i])).sum::<f64>();
        // ½ tr((ααᵀ − K⁻¹)·dK), each pair off the diagonal twice.
        let mut m = Vec::with_capacity(self.distances.len());
        let mut trace = 0.0;
        for (i, (a, row)) in self.alpha.iter().zip(self.inverse.chunks_exact(n)).enumerate() {
            m.extend(self.alpha[..=i].iter().zip(row).map(|(b, k)| a * b - k));
            if let Some(last) = m.last_mut() {
                *last *= 0.5;
                trace += *last;
            }
        }
        gradient[d] = scale * dot(&m, &self.values);
        gradient[d + 1] = trace * noise;
        m.iter_mut().zip(&self.slopes).for_each(|(m, slope)| *m *= slope);
        for (k, squares) in self.squares.iter().enumerate() {
            gradient[k] = scale * self.weights[k] * dot(&m, squares);
        }
        // Priors: lengths of about the range, a scale of about 1, little noise.
        for (slope, &w) in gradient.iter_mut().zip(&self.weights) {
            value -= 0.1 / w + 0.1 * w;
            *slope += 0.1 / w - 0.1 * w;
        }
        value += self.logs[d] - scale;
        gradient[d] += 1.0 - scale;
        let all = noise + LEAST_NOISE;
        value += 0.1 * log(all) - 30.0 * all;
        gradient[d + 1] += (0.1 / all - 30.0) * noise;
        Some(value)
    }

    /// The largest posterior, from two starts: all lengths the range and much noise, and shorter ones with little.
    fn fit(&mut self) {
        let d = self.kinds.len();
        let start = |length: f64, noise: f64| -> Vec<f64> { std::iter::repeat_n(length, d).chain([0.0, noise]).collect() };
        let mut starts = vec![start(0.0, 0.0), start(1.0, -7.0)];
        let few = self.xs.len() <= FEW;
        let mut bounds = vec![(-9.0, 9.0); d];
        bounds.extend([(-8.0, 5.0), (-16.0, 2.0)]);
        let mut objective = |x: &[f64], gradient: &mut [f64]| {
            self.logs.copy_from_slice(x);
            let value = -self.posterior(gradient)?;
            gradient.iter_mut().for_each(|g| *g = -*g);
            value.is_finite().then_some(value)
        };
        let limits = Limits { steps: 40, gradient: 1e-2 };
        if !few {
            // The better one only.
            let mut gradient = vec![0.0; d + 2];
            let mut at = |x: &[f64]| objective(x, &mut gradient).unwrap_or(f64::INFINITY);
            let (first, second) = (at(&starts[0]), at(&starts[1]));
            starts.remove(usize::from(first <= second));
        }
        let mut best: Option<(f64, Vec<f64>)> = None;
        for mut x in starts {
            if let Some(value) = minimize(&mut x, &bounds, limits, &mut objective)
                && best.as_ref().is_none_or(|(least, _)| value < *least)
            {
                best = Some((value, x));
            }
        }
        if let Some((_, x)) = best {
            self.logs = x;
        }
    }

    /// What is predicted at a point, with its slopes where they are asked for.
    pub fn predict(&self, x: &Coordinates, slopes: bool, into: &mut Prediction) {
        let n = self.xs.len();
        into.distances.clear();
        into.distances.resize(n, 0.0);
        for (i, &weight) in self.weights.iter().enumerate() {
            match (x[i], &self.columns[i]) {
                (Some(a), Some(column)) => {
                    let add = |(r2, b): (&mut f64, &f64)| *r2 += weight * ((a - b) * (a - b));
                    into.distances.iter_mut().zip(column).for_each(add);
                }
                (a, _) => {
                    for (r2, other) in into.distances.iter_mut().zip(&self.xs) {
                        *r2 += weight * apart(self.kinds[i], a, other[i]);
                    }
                }
            }
        }
        matern(&into.distances, &mut into.covariance, &mut into.slopes);
        for (value, slope) in into.covariance.iter_mut().zip(&mut into.slopes) {
            *value *= self.scale;
            *slope *= self.scale;
        }
        into.solved.clear();
        into.solved
            .extend(self.inverse.chunks_exact(n).map(|row| dot(row, &into.covariance)));
        into.mean = dot(&into.covariance, &self.alpha);
        into.variance = (self.scale - dot(&into.covariance, &into.solved)).max(0.0) + 1e-12;
        if !slopes {
            return;
        }
        let d = self.kinds.len();
        for list in [&mut into.mean_slopes, &mut into.variance_slopes] {
            list.clear();
            list.resize(d, 0.0);
        }
        for (j, other) in self.xs.iter().enumerate() {
            let (by_mean, by_variance) = (into.slopes[j] * self.alpha[j], -2.0 * into.slopes[j] * into.solved[j]);
            for i in 0..d {
                if let (Some(a), Some(b), false) = (x[i], other[i], self.kinds[i].is_choice()) {
                    let apart = 2.0 * self.weights[i] * (a - b);
                    into.mean_slopes[i] += by_mean * apart;
                    into.variance_slopes[i] += by_variance * apart;
                }
            }
        }
    }
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
        let mut process = Process::new(&kinds);
        xs.into_iter().zip(ys).for_each(|(x, y)| process.push(x, y));
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
            if process.inverse.len() == process.xs.len() * process.xs.len() {
                let mut believed = Prediction::default();
                process.predict(&x, false, &mut believed);
                process.push(x, believed.mean);
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
