//! Limited-memory BFGS with a strong-Wolfe line search, for full batches. d = −H·g, H from the last pairs s = Δθ, y = Δg by the two-loop
//! recursion, H₀ = (s·y/y·y)·I; θ ← θ + t·d, t from a line search that brackets, then zooms by cubic interpolation (c₁ = 10⁻⁴, c₂ = 0.9).
//! Nocedal & Wright 2006, Algorithms 7.4, 7.5, 3.5 and 3.6, in the form of PyTorch's `LBFGS(line_search_fn="strong_wolfe")` with one
//! iteration a step: the first search begins at min(1, 1/Σ|g|)·η, later ones at η; a pair with s·y ≤ 10⁻¹⁰ is not kept.

use nabla_error::{Error, Result};
use nabla_kernels::{Aligned, Real, reduce};
use serde::{Deserialize, Serialize};

use crate::carry::{Carry, Reader};

/// L-BFGS; see the formula above.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Lbfgs {
    /// η > 0 of the first length that a search tries, default 1.
    pub learning_rate: f64,
    /// Pairs that are remembered, ≥ 1, default 10.
    pub history: usize,
    /// Evaluations within one search at most, ≥ 1, default 25.
    pub max_evaluations: usize,
    /// Nothing moves where no derivative is larger, ≥ 0, default 1e-7.
    pub tolerance: f64,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self {
            learning_rate: 1.0,
            history: 10,
            max_evaluations: 25,
            tolerance: 1e-7,
        }
    }
}

/// A search ends where the bracket is shorter.
const SHORTEST: f64 = 1e-9;

/// Loss and gradient at some weights: writes the gradient, gives the loss.
pub type Evaluate<'a, T> = dyn FnMut(&mut [T], &mut [T]) -> Result<f64> + 'a;

/// A step and the change of the gradient along it, with 1/(s·y).
type Pair<T> = (Aligned<T>, Aligned<T>, f64);

/// What is carried from step to step. Allocated once.
#[derive(Debug)]
pub struct Curvature<T: Real> {
    options: Lbfgs,
    /// η of the next step.
    pub rate: f64,
    /// s, y and 1/(s·y) of the last steps; `kept` counts them, `oldest` is the first.
    pairs: Vec<Pair<T>>,
    kept: usize,
    oldest: usize,
    /// One a pair.
    alphas: Vec<f64>,
    direction: Aligned<T>,
    before: Aligned<T>,
    start: Aligned<T>,
    length: f64,
    scale: f64,
    steps: u64,
}

/// One point of the search.
#[derive(Clone, Copy)]
struct Point {
    t: f64,
    f: f64,
    slope: f64,
}

/// The minimum of the cubic through two points and their slopes, within bounds.
fn interpolate(a: Point, b: Point, bounds: Option<(f64, f64)>) -> f64 {
    let (low, high) = bounds.unwrap_or((a.t.min(b.t), a.t.max(b.t)));
    let d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square.is_nan() || square < 0.0 {
        return (low + high) / 2.0;
    }
    let d2 = square.sqrt();
    let at = if a.t <= b.t {
        b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
    } else {
        a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2))
    };
    if at.is_nan() { (low + high) / 2.0 } else { at.max(low).min(high) }
}

fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    reduce::dot(a, b).to_f64()
}

fn add<T: Real>(x: &mut [T], by: f64, d: &[T]) {
    let by = T::from_f64(by);
    x.iter_mut().zip(d).for_each(|(x, d)| *x = by.mul_add(*d, *x));
}

impl Lbfgs {
    /// Checks the options.
    ///
    /// # Errors
    /// `INVALID_OPTION`, naming the option and its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(Error::option("learningRate", "in (0, ∞)", self.learning_rate));
        }
        if self.history == 0 {
            return Err(Error::option("history", "at least 1", 0));
        }
        if self.max_evaluations == 0 {
            return Err(Error::option("maxEvaluations", "at least 1", 0));
        }
        crate::rule::not_negative("tolerance", self.tolerance)
    }
}

impl<T: Real> Curvature<T> {
    /// A copy.
    pub fn try_clone(&self) -> Result<Self> {
        let pair = |(s, y, rho): &Pair<T>| Ok((s.try_clone()?, y.try_clone()?, *rho));
        Ok(Self {
            options: self.options,
            rate: self.rate,
            pairs: self.pairs.iter().map(pair).collect::<Result<_>>()?,
            kept: self.kept,
            oldest: self.oldest,
            alphas: self.alphas.clone(),
            direction: self.direction.try_clone()?,
            before: self.before.try_clone()?,
            start: self.start.try_clone()?,
            length: self.length,
            scale: self.scale,
            steps: self.steps,
        })
    }

    /// Writes it down.
    pub fn leave(&self, carry: &mut Carry<T>) -> Result<()> {
        carry.number(self.options.learning_rate);
        carry.count(self.options.history as u64);
        carry.count(self.options.max_evaluations as u64);
        carry.number(self.options.tolerance);
        for (s, y, rho) in &self.pairs {
            carry.buffer(s)?;
            carry.buffer(y)?;
            carry.number(*rho);
        }
        self.alphas.iter().for_each(|a| carry.number(*a));
        for buffer in [&self.direction, &self.before, &self.start] {
            carry.buffer(buffer)?;
        }
        carry.count(self.kept as u64);
        carry.count(self.oldest as u64);
        carry.number(self.rate);
        carry.number(self.length);
        carry.number(self.scale);
        carry.count(self.steps);
        Ok(())
    }

    /// As it was written down.
    pub fn read(from: &mut Reader<T>) -> Result<Self> {
        let options = Lbfgs {
            learning_rate: from.number()?,
            history: from.place(1 << 20)?,
            max_evaluations: from.place(1 << 40)?,
            tolerance: from.number()?,
        };
        options.validate()?;
        let pair = |from: &mut Reader<T>| Ok((from.buffer()?, from.buffer()?, from.number()?));
        Ok(Self {
            options,
            pairs: (0..options.history).map(|_| pair(from)).collect::<Result<_>>()?,
            alphas: (0..options.history).map(|_| from.number()).collect::<Result<_>>()?,
            direction: from.buffer()?,
            before: from.buffer()?,
            start: from.buffer()?,
            kept: from.place(options.history + 1)?,
            oldest: from.place(options.history)?,
            rate: from.number()?,
            length: from.number()?,
            scale: from.number()?,
            steps: from.count()?,
        })
    }

    /// How many numbers it holds.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        (3 + 2 * self.pairs.len()) * self.direction.len()
    }

    /// Whether it is of so many parameters.
    pub fn fits(&self, len: usize) -> bool {
        let whole = [&self.direction, &self.before, &self.start].iter().all(|b| b.len() == len);
        whole && self.pairs.iter().all(|(s, y, _)| s.len() == len && y.len() == len)
    }

    /// For so many parameters.
    pub fn new(options: Lbfgs, len: usize) -> Result<Self> {
        let pair = |_| Ok((Aligned::zeroed(len)?, Aligned::zeroed(len)?, 0.0));
        Ok(Self {
            options,
            rate: options.learning_rate,
            pairs: (0..options.history).map(pair).collect::<Result<_>>()?,
            alphas: vec![0.0; options.history],
            kept: 0,
            oldest: 0,
            direction: Aligned::zeroed(len)?,
            before: Aligned::zeroed(len)?,
            start: Aligned::zeroed(len)?,
            length: 0.0,
            scale: 1.0,
            steps: 0,
        })
    }

    /// The k-th pair from the oldest.
    fn place(&self, k: usize) -> usize {
        (self.oldest + k) % self.pairs.len()
    }

    fn remember(&mut self, gradient: &[T]) {
        // The place of the new pair is free or the oldest's.
        let at = self.place(self.kept % self.pairs.len());
        let (s, y, inverse) = &mut self.pairs[at];
        y.iter_mut()
            .zip(gradient)
            .zip(&*self.before)
            .for_each(|((y, g), before)| *y = *g - *before);
        let length = T::from_f64(self.length);
        // A pair that turns out to be no use must not overwrite the oldest, so its product comes first.
        let product = dot(y, &self.direction) * self.length;
        if product <= 1e-10 {
            if self.kept == self.pairs.len() {
                self.oldest = (self.oldest + 1) % self.pairs.len();
                self.kept -= 1;
            }
            return;
        }
        s.iter_mut().zip(&*self.direction).for_each(|(s, d)| *s = length * *d);
        *inverse = 1.0 / product;
        self.scale = product / dot(y, y);
        if self.kept < self.pairs.len() {
            self.kept += 1;
        } else {
            self.oldest = (self.oldest + 1) % self.pairs.len();
        }
    }

    /// d ← −H·g
    fn aim(&mut self, gradient: &[T], alphas: &mut [f64]) {
        self.direction.iter_mut().zip(gradient).for_each(|(d, g)| *d = -*g);
        for k in (0..self.kept).rev() {
            let (s, y, inverse) = &self.pairs[self.place(k)];
            alphas[k] = dot(s, &self.direction) * inverse;
            add(&mut self.direction, -alphas[k], y);
        }
        let scale = T::from_f64(self.scale);
        self.direction.iter_mut().for_each(|d| *d *= scale);
        for (k, alpha) in alphas.iter().enumerate().take(self.kept) {
            let (s, y, inverse) = &self.pairs[(self.oldest + k) % self.pairs.len()];
            let beta = dot(y, &self.direction) * inverse;
            add(&mut self.direction, alpha - beta, s);
        }
    }

    /// One step from `theta`, where the loss and the gradient are known; `evaluate` gives them elsewhere. Afterwards `gradient` is whatever
    /// was evaluated last.
    pub fn step(&mut self, theta: &mut [T], loss: f64, gradient: &mut [T], evaluate: &mut Evaluate<'_, T>) -> Result<()> {
        let largest = gradient.iter().fold(0.0f64, |a, g| a.max(g.to_f64().abs()));
        if largest <= self.options.tolerance {
            return Ok(());
        }
        if self.steps > 0 {
            self.remember(gradient);
        }
        let mut alphas = std::mem::take(&mut self.alphas);
        self.aim(gradient, &mut alphas);
        self.alphas = alphas;
        self.before.copy_from_slice(gradient);
        self.start.copy_from_slice(theta);
        let rate = self.rate;
        let first = if self.steps == 0 {
            rate * (1.0 / reduce::sum_abs(gradient).to_f64()).min(1.0)
        } else {
            rate
        };
        self.steps += 1;
        let origin = Point {
            t: 0.0,
            f: loss,
            slope: dot(gradient, &self.direction),
        };
        if origin.slope > -SHORTEST {
            self.length = 0.0;
            return Ok(());
        }
        let (start, direction) = (&self.start, &self.direction);
        let mut at = |t: f64| -> Result<Point> {
            theta.copy_from_slice(start);
            add(theta, t, direction);
            let f = evaluate(theta, gradient)?;
            Ok(Point {
                t,
                f: if f.is_nan() { f64::INFINITY } else { f },
                slope: dot(gradient, direction),
            })
        };
        let t = search(origin, first, &self.direction, self.options.max_evaluations, &mut at)?;
        theta.copy_from_slice(&self.start);
        add(theta, t, &self.direction);
        self.length = t;
        Ok(())
    }
}

/// A length that satisfies the strong Wolfe conditions, or the best found.
fn search<T: Real>(origin: Point, first: f64, direction: &[T], most: usize, at: &mut dyn FnMut(f64) -> Result<Point>) -> Result<f64> {
    let widest = direction.iter().fold(0.0f64, |a, d| a.max(d.to_f64().abs()));
    let too_high = |p: Point| p.f > origin.f + 1e-4 * p.t * origin.slope;
    let flat = |p: Point| p.slope.abs() <= -0.9 * origin.slope;
    let (mut previous, mut now, mut turns) = (origin, at(first)?, 0);
    let mut bracket = loop {
        if turns == most {
            break [origin, now];
        }
        if too_high(now) || (turns > 1 && now.f >= previous.f) {
            break [previous, now];
        }
        if flat(now) {
            return Ok(now.t);
        }
        if now.slope >= 0.0 {
            break [previous, now];
        }
        let bounds = (now.t + 0.01 * (now.t - previous.t), now.t * 10.0);
        let next = interpolate(previous, now, Some(bounds));
        previous = now;
        now = at(next)?;
        turns += 1;
    };
    let mut stalled = false;
    let mut low = usize::from(bracket[0].f > bracket[1].f);
    while turns < most {
        if (bracket[1].t - bracket[0].t).abs() * widest < SHORTEST {
            break;
        }
        let mut t = interpolate(bracket[0], bracket[1], None);
        let (least, greatest) = (bracket[0].t.min(bracket[1].t), bracket[0].t.max(bracket[1].t));
        let margin = 0.1 * (greatest - least);
        if (greatest - t).min(t - least) < margin {
            // Too near an end twice, or at it: a tenth away from that end.
            if stalled || t >= greatest || t <= least {
                t = if (t - greatest).abs() < (t - least).abs() {
                    greatest - margin
                } else {
                    least + margin
                };
                stalled = false;
            } else {
                stalled = true;
            }
        } else {
            stalled = false;
        }
        let point = at(t)?;
        turns += 1;
        if too_high(point) || point.f >= bracket[low].f {
            bracket[1 - low] = point;
            low = usize::from(bracket[0].f > bracket[1].f);
        } else {
            if flat(point) {
                return Ok(point.t);
            }
            if point.slope * (bracket[1 - low].t - bracket[low].t) >= 0.0 {
                bracket[1 - low] = bracket[low];
            }
            bracket[low] = point;
        }
    }
    Ok(bracket[low].t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        surface: String,
        options: Lbfgs,
        start: Vec<f64>,
        #[serde(default)]
        matrix: Vec<Vec<f64>>,
        #[serde(default)]
        vector: Vec<f64>,
        points: Vec<Vec<f64>>,
    }

    #[test]
    fn follows_pytorch() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/lbfgs.json"));
        for case in serde_json::from_str::<Fixture>(text).unwrap().cases {
            let mut evaluate = |x: &mut [f64], g: &mut [f64]| -> Result<f64> {
                if case.surface == "rosenbrock" {
                    let mut f = 0.0;
                    g.fill(0.0);
                    for i in 0..x.len() - 1 {
                        let slope = x[i + 1] - x[i] * x[i];
                        f += (1.0 - x[i]) * (1.0 - x[i]) + 100.0 * slope * slope;
                        g[i] += -2.0 * (1.0 - x[i]) - 400.0 * x[i] * slope;
                        g[i + 1] += 200.0 * slope;
                    }
                    return Ok(f);
                }
                let ax: Vec<f64> = case
                    .matrix
                    .iter()
                    .map(|row| row.iter().zip(&*x).map(|(a, x)| a * x).sum())
                    .collect();
                g.iter_mut().zip(&ax).zip(&case.vector).for_each(|((g, a), b)| *g = a - b);
                Ok((0..x.len()).map(|i| x[i] * (ax[i] / 2.0 - case.vector[i])).sum())
            };
            let mut theta = case.start.clone();
            let mut state = Curvature::new(case.options, theta.len()).unwrap();
            let mut g = vec![0.0; theta.len()];
            for (i, point) in case.points.iter().enumerate() {
                let loss = evaluate(&mut theta, &mut g).unwrap();
                state.step(&mut theta, loss, &mut g, &mut evaluate).unwrap();
                let size = point.iter().map(|x| x * x).sum::<f64>().sqrt();
                for (a, b) in theta.iter().zip(point) {
                    // as far as PyTorch itself, started 1e-12 away, stays within 1e-7: the fixture ends there
                    assert!(
                        (a - b).abs() <= 1e-6 * size,
                        "{} step {}: {theta:?}, expected {point:?}",
                        case.surface,
                        i + 1
                    );
                }
            }
        }
    }
}
