//! How much of the score's variance each hyperparameter explains by itself: functional ANOVA over a random forest.
//!
//! Hutter, Hoos & Leyton-Brown 2014, ICML 32. Each tree is a piecewise constant function on the unit cube; the variance of its mean over all
//! other dimensions, divided by its whole variance, is the importance of a dimension. The shares are means over the trees, scaled to a sum
//! of 1. A hyperparameter of a branch counts as in the middle of its range where it does not exist.

use serde::{Deserialize, Serialize};

use crate::draws::Draws;
use crate::request::Past;
use crate::space::{Kind, Space};

const TREES: u64 = 64;
const DEEPEST: usize = 64;

/// Whose importance is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The hyperparameters.
    pub space: Space,
    /// Of the bootstrap.
    pub seed: u64,
    /// Trials; those without a score are left out.
    pub past: Vec<Past>,
}

/// The part of one dimension that a leaf covers: an interval, or a set of choices.
#[derive(Clone, Debug)]
enum Part {
    Interval(f64, f64),
    Choices(Vec<bool>),
}

impl Part {
    fn whole(kind: Kind) -> Part {
        match kind {
            Kind::Choice { count } => Part::Choices(vec![true; count]),
            _ => Part::Interval(0.0, 1.0),
        }
    }

    fn size(&self) -> f64 {
        match self {
            Part::Interval(a, b) => b - a,
            Part::Choices(set) => set.iter().filter(|&&s| s).count() as f64 / set.len() as f64,
        }
    }

    fn holds(&self, u: f64) -> bool {
        match self {
            Part::Interval(a, b) => *a <= u && u < *b,
            Part::Choices(set) => set[((u * set.len() as f64) as usize).min(set.len() - 1)],
        }
    }

    /// Below a threshold, or one choice; and the rest.
    fn split(&self, at: f64) -> (Part, Part) {
        match self {
            Part::Interval(a, b) => (Part::Interval(*a, at), Part::Interval(at, *b)),
            Part::Choices(set) => {
                let one = ((at * set.len() as f64) as usize).min(set.len() - 1);
                let pick = |this: bool| set.iter().enumerate().map(|(i, &s)| s && (i == one) == this).collect();
                (Part::Choices(pick(true)), Part::Choices(pick(false)))
            }
        }
    }
}

struct Leaf {
    parts: Vec<Part>,
    value: f64,
}

/// The sum of squares about the mean, from a count, a sum and a sum of squares.
fn spread(n: f64, sum: f64, squares: f64) -> f64 {
    if n > 0.0 { (squares - sum * sum / n).max(0.0) } else { 0.0 }
}

fn grow(xs: &[Vec<f64>], ys: &[f64], rows: Vec<usize>, parts: Vec<Part>, depth: usize, leaves: &mut Vec<Leaf>) {
    let n = rows.len() as f64;
    let (sum, squares) = rows.iter().fold((0.0, 0.0), |(s, q), &i| (s + ys[i], q + ys[i] * ys[i]));
    let whole = spread(n, sum, squares);
    let mut best: Option<(f64, usize, f64)> = None;
    if depth < DEEPEST && whole > 1e-12 * squares.max(1e-300) {
        for (d, part) in parts.iter().enumerate() {
            let mut consider = |left: (f64, f64, f64), at: f64| {
                if left.0 > 0.0 && left.0 < n {
                    let after = spread(left.0, left.1, left.2) + spread(n - left.0, sum - left.1, squares - left.2);
                    if best.is_none_or(|(least, ..)| after < least - 1e-12 * whole) {
                        best = Some((after, d, at));
                    }
                }
            };
            match part {
                Part::Choices(set) => {
                    for (choice, _) in set.iter().enumerate().filter(|(_, s)| **s) {
                        let u = (choice as f64 + 0.5) / set.len() as f64;
                        let mut left = (0.0, 0.0, 0.0);
                        for &i in rows.iter().filter(|&&i| (xs[i][d] * set.len() as f64) as usize == choice) {
                            left = (left.0 + 1.0, left.1 + ys[i], left.2 + ys[i] * ys[i]);
                        }
                        consider(left, u);
                    }
                }
                Part::Interval(..) => {
                    let mut order = rows.clone();
                    order.sort_by(|&a, &b| xs[a][d].total_cmp(&xs[b][d]).then(a.cmp(&b)));
                    let mut left = (0.0, 0.0, 0.0);
                    for pair in order.windows(2) {
                        let (i, j) = (pair[0], pair[1]);
                        left = (left.0 + 1.0, left.1 + ys[i], left.2 + ys[i] * ys[i]);
                        if xs[i][d] < xs[j][d] {
                            consider(left, 0.5 * (xs[i][d] + xs[j][d]));
                        }
                    }
                }
            }
        }
    }
    let Some((_, d, at)) = best else {
        leaves.push(Leaf { parts, value: sum / n });
        return;
    };
    let (a, b) = parts[d].split(at);
    let (left, right): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|&i| a.holds(xs[i][d]));
    let with = |part: Part| {
        let mut parts = parts.clone();
        parts[d] = part;
        parts
    };
    let (one, other) = (with(a), with(b));
    grow(xs, ys, left, one, depth + 1, leaves);
    grow(xs, ys, right, other, depth + 1, leaves);
}

/// The variance of a tree, and of its mean over all dimensions but one, for each.
fn variances(leaves: &[Leaf], kinds: &[Kind]) -> (f64, Vec<f64>) {
    let size = |leaf: &Leaf| leaf.parts.iter().map(Part::size).product::<f64>();
    let mean: f64 = leaves.iter().map(|l| size(l) * l.value).sum();
    let whole = leaves.iter().map(|l| size(l) * (l.value - mean) * (l.value - mean)).sum();
    let one = |(d, kind): (usize, &Kind)| {
        // Pieces on which the mean over the other dimensions is constant: (middle, length).
        let pieces: Vec<(f64, f64)> = match *kind {
            Kind::Choice { count } => (0..count).map(|i| ((i as f64 + 0.5) / count as f64, 1.0 / count as f64)).collect(),
            _ => {
                let mut edges: Vec<f64> = leaves
                    .iter()
                    .flat_map(|l| match l.parts[d] {
                        Part::Interval(a, b) => [a, b],
                        Part::Choices(_) => [0.0, 1.0],
                    })
                    .collect();
                edges.sort_by(f64::total_cmp);
                edges.dedup();
                edges.windows(2).map(|e| (0.5 * (e[0] + e[1]), e[1] - e[0])).collect()
            }
        };
        let there = |u: f64| -> f64 {
            let inside = leaves.iter().filter(|l| l.parts[d].holds(u));
            inside.map(|l| size(l) / l.parts[d].size() * l.value).sum()
        };
        pieces
            .iter()
            .map(|&(u, length)| {
                let m = there(u) - mean;
                length * m * m
            })
            .sum()
    };
    (whole, kinds.iter().enumerate().map(one).collect())
}

/// One share a dimension; all 0 where there is nothing to explain.
pub fn importance(question: &Question) -> Vec<f64> {
    let kinds: Vec<Kind> = question.space.dimensions.iter().map(|d| d.kind).collect();
    let mut known: Vec<&Past> = question.past.iter().filter(|p| p.score.is_some_and(f64::is_finite)).collect();
    known.sort_by_key(|p| p.number);
    let clamp = |u: Option<f64>| u.unwrap_or(0.5).clamp(0.0, 1.0 - 1e-12);
    let xs: Vec<Vec<f64>> = known
        .iter()
        .map(|p| question.space.encode(&p.values).into_iter().map(clamp).collect())
        .collect();
    let ys: Vec<f64> = known.iter().filter_map(|p| p.score).collect();
    let mut sums = vec![0.0; kinds.len()];
    if ys.len() < 2 {
        return sums;
    }
    for tree in 0..TREES {
        let mut draws = Draws::new(question.seed, "search/importance", tree);
        let rows = (0..ys.len()).map(|_| (draws.uniform() * ys.len() as f64) as usize).collect();
        let mut leaves = Vec::new();
        grow(&xs, &ys, rows, kinds.iter().map(|&k| Part::whole(k)).collect(), 0, &mut leaves);
        let (whole, parts) = variances(&leaves, &kinds);
        if whole > 0.0 {
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part / whole);
        }
    }
    let total: f64 = sums.iter().sum();
    if total > 0.0 {
        sums.iter_mut().for_each(|s| *s /= total);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Dimension;

    #[test]
    fn finds_what_matters() {
        let kinds = [
            Kind::Uniform { low: -1.0, high: 1.0 },
            Kind::Uniform { low: -1.0, high: 1.0 },
            Kind::Choice { count: 3 },
        ];
        let space = Space {
            dimensions: kinds
                .iter()
                .enumerate()
                .map(|(i, &kind)| Dimension {
                    name: format!("x{i}"),
                    kind,
                    under: None,
                })
                .collect(),
        };
        // Variances: 4·Var(x) = 4/3, nothing, Var of 0, 1, 2 = 2/3.
        let past = (0..300)
            .map(|number| {
                let values = space.fill(|_, d| d.kind.decode(Draws::of(3, d, number, 0).uniform()));
                Past {
                    number,
                    score: Some(2.0 * values[0].unwrap() + values[2].unwrap()),
                    values,
                }
            })
            .collect();
        let shares = importance(&Question { space, seed: 0, past });
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((shares[0] - 2.0 / 3.0).abs() < 0.06, "{shares:?}");
        assert!(shares[1] < 0.02, "{shares:?}");
        assert!((shares[2] - 1.0 / 3.0).abs() < 0.06, "{shares:?}");
    }
}
