//! How much of the score's variance each hyperparameter explains by itself: functional ANOVA over a random forest.
//!
//! Hutter, Hoos & Leyton-Brown 2014, ICML 32. Each tree is a piecewise constant function on the unit cube; the variance of its mean over all
//! other dimensions, divided by its whole variance, is the importance of a dimension. The shares are means over the trees, scaled to a sum
//! of 1.
//!
//! A choice with branches counts together with what is in them: the variance of the mean over everything else, given the choice and the
//! values of its branch. (Optuna's fANOVA leaves out what not all trials have, so it takes the effect of a branch's values for noise.) A
//! tree cuts a hyperparameter of a branch only within that branch, so nothing has to be made up for the trials that lack it.

use serde::{Deserialize, Serialize};

use crate::draws::Draws;
use crate::request::Past;
use crate::space::{Kind, Space};

const TREES: u64 = 64;
const DEEPEST: usize = 64;
/// What two cuts gain together counts so much beside one: by ½, as by 1, shares of branches come out wrong by a tenth (too small, too
/// large) where all effects lie within them; see `branches_matter_most` in the fixture.
const PAIR: f64 = 0.7;

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

    /// Whether nothing but that choice is left.
    fn is_only(&self, choice: usize) -> bool {
        matches!(self, Part::Choices(set) if set.iter().enumerate().all(|(i, &there)| there == (i == choice)))
    }

    /// The size of what two parts of one dimension share.
    fn shared(&self, other: &Part) -> f64 {
        match (self, other) {
            (Part::Interval(a, b), Part::Interval(c, d)) => (b.min(*d) - a.max(*c)).max(0.0),
            (Part::Choices(one), Part::Choices(two)) => one.iter().zip(two).filter(|&(&a, &b)| a && b).count() as f64 / one.len() as f64,
            _ => 0.0,
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

/// Coordinates and scores of trials, and the leaves of the tree that is grown on them.
struct Grower<'a> {
    space: &'a Space,
    xs: &'a [Vec<Option<f64>>],
    ys: &'a [f64],
    leaves: Vec<Leaf>,
}

impl Grower<'_> {
    /// Count, sum and sum of squares.
    fn sums(&self, rows: &[usize]) -> (f64, f64, f64) {
        let ys = rows.iter().map(|&i| self.ys[i]);
        ys.fold((0.0, 0.0, 0.0), |(n, s, q), y| (n + 1.0, s + y, q + y * y))
    }

    /// The choice nearest the top, and its branch, that must be chosen before a dimension exists in all of a box.
    fn waits_for(&self, d: usize, parts: &[Part]) -> Option<(usize, usize)> {
        let (mut open, mut at) = (None, d);
        while let Some((choice, branch)) = self.space.dimensions[at].under {
            if !parts[choice].is_only(branch) {
                open = Some((choice, branch));
            }
            at = choice;
        }
        open
    }

    /// The cut of one dimension that leaves least spread about the means: that spread, and where it is. All rows have the dimension.
    fn cut(&self, d: usize, part: &Part, rows: &[usize]) -> Option<(f64, f64)> {
        let (n, sum, squares) = self.sums(rows);
        let slack = 1e-12 * spread(n, sum, squares);
        let mut best: Option<(f64, f64)> = None;
        let mut consider = |left: (f64, f64, f64), at: f64| {
            if left.0 > 0.0 && left.0 < n {
                let after = spread(left.0, left.1, left.2) + spread(n - left.0, sum - left.1, squares - left.2);
                if best.is_none_or(|(least, _)| after < least - slack) {
                    best = Some((after, at));
                }
            }
        };
        let x = |i: usize| self.xs[i][d].unwrap_or(0.5);
        match part {
            Part::Choices(set) => {
                for (choice, _) in set.iter().enumerate().filter(|(_, s)| **s) {
                    let mut left = (0.0, 0.0, 0.0);
                    for &i in rows.iter().filter(|&&i| (x(i) * set.len() as f64) as usize == choice) {
                        left = (left.0 + 1.0, left.1 + self.ys[i], left.2 + self.ys[i] * self.ys[i]);
                    }
                    consider(left, (choice as f64 + 0.5) / set.len() as f64);
                }
            }
            Part::Interval(..) => {
                let mut order = rows.to_vec();
                order.sort_by(|&a, &b| x(a).total_cmp(&x(b)).then(a.cmp(&b)));
                let mut left = (0.0, 0.0, 0.0);
                for pair in order.windows(2) {
                    let (i, j) = (pair[0], pair[1]);
                    left = (left.0 + 1.0, left.1 + self.ys[i], left.2 + self.ys[i] * self.ys[i]);
                    if x(i) < x(j) {
                        consider(left, 0.5 * (x(i) + x(j)));
                    }
                }
            }
        }
        best
    }

    /// The dimension and place of the best cut of a box. Where a dimension exists in a part of it only, the two cuts to get there (into its
    /// branch, then within) are weighed together, and the first of them is made.
    fn best(&self, rows: &[usize], parts: &[Part]) -> Option<(usize, f64)> {
        let (n, sum, squares) = self.sums(rows);
        let whole = spread(n, sum, squares);
        if whole <= 1e-12 * squares.max(1e-300) {
            return None;
        }
        let mut best: Option<(f64, usize, f64)> = None;
        for (d, part) in parts.iter().enumerate() {
            let found = match self.waits_for(d, parts) {
                None => self.cut(d, part, rows).map(|(after, at)| (whole - after, d, at)),
                Some((choice, branch)) => {
                    let (there, others): (Vec<usize>, Vec<usize>) = rows.iter().partition(|&&i| self.xs[i][d].is_some());
                    let (n, sum, squares) = self.sums(&others);
                    let at = self.space.dimensions[choice].kind.encode(branch as f64);
                    let cut = self.cut(d, part, &there).filter(|_| !others.is_empty());
                    cut.map(|(after, _)| (PAIR * (whole - after - spread(n, sum, squares)), choice, at))
                }
            };
            if let Some(found) = found
                && best.is_none_or(|(most, ..)| found.0 > most + 1e-12 * whole)
            {
                best = Some(found);
            }
        }
        best.map(|(_, d, at)| (d, at))
    }

    fn grow(&mut self, rows: Vec<usize>, parts: Vec<Part>, depth: usize) {
        let best = if depth < DEEPEST { self.best(&rows, &parts) } else { None };
        let Some((d, at)) = best else {
            let (n, sum, _) = self.sums(&rows);
            self.leaves.push(Leaf { parts, value: sum / n });
            return;
        };
        let (a, b) = parts[d].split(at);
        let (left, right): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|&i| self.xs[i][d].is_some_and(|u| a.holds(u)));
        let with = |part: Part| {
            let mut parts = parts.clone();
            parts[d] = part;
            parts
        };
        let (one, other) = (with(a), with(b));
        self.grow(left, one, depth + 1);
        self.grow(right, other, depth + 1);
    }
}

/// The variance of a tree, and of its mean over all dimensions but those of a group, for each group.
fn variances(leaves: &[Leaf], kinds: &[Kind], groups: &[Vec<usize>]) -> (f64, Vec<f64>) {
    let size = |leaf: &Leaf| leaf.parts.iter().map(Part::size).product::<f64>();
    let mean: f64 = leaves.iter().map(|l| size(l) * l.value).sum();
    let whole = leaves.iter().map(|l| size(l) * (l.value - mean) * (l.value - mean)).sum();
    let one = |d: usize| -> f64 {
        // Pieces on which the mean over the other dimensions is constant: (middle, length).
        let pieces: Vec<(f64, f64)> = match kinds[d] {
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
    // Σᵢⱼ (vᵢ − mean)(vⱼ − mean) · the sizes of both outside of the group · what they share within it.
    let several = |group: &[usize]| -> f64 {
        let outside = |leaf: &Leaf| size(leaf) / group.iter().map(|&d| leaf.parts[d].size()).product::<f64>();
        let weights: Vec<f64> = leaves.iter().map(|l| outside(l) * (l.value - mean)).collect();
        let shared = |a: &Leaf, b: &Leaf| group.iter().map(|&d| a.parts[d].shared(&b.parts[d])).product::<f64>();
        let row = |(a, wa): (&Leaf, &f64)| wa * leaves.iter().zip(&weights).map(|(b, wb)| wb * shared(a, b)).sum::<f64>();
        leaves.iter().zip(&weights).map(row).sum::<f64>().max(0.0)
    };
    let of = |group: &Vec<usize>| if let [d] = group[..] { one(d) } else { several(group) };
    (whole, groups.iter().map(of).collect())
}

/// The dimensions of each hyperparameter that lies in no branch: itself, and all that is under it.
fn groups(space: &Space) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for d in 0..space.dimensions.len() {
        let mut top = d;
        while let Some((choice, _)) = space.dimensions[top].under {
            top = choice;
        }
        match groups.iter_mut().find(|group| group[0] == top) {
            Some(group) => group.push(d),
            None => groups.push(vec![d]),
        }
    }
    groups
}

/// One share for each hyperparameter that lies in no branch, in their order; all 0 where there is nothing to explain.
pub fn importance(question: &Question) -> Vec<f64> {
    let Question { space, seed, past } = question;
    let kinds: Vec<Kind> = space.dimensions.iter().map(|d| d.kind).collect();
    let groups = groups(space);
    let mut known: Vec<&Past> = past.iter().filter(|p| p.score.is_some_and(f64::is_finite)).collect();
    known.sort_by_key(|p| p.number);
    let clamp = |u: Option<f64>| u.map(|u| u.clamp(0.0, 1.0 - 1e-12));
    let xs: Vec<Vec<Option<f64>>> = known
        .iter()
        .map(|p| space.encode(&p.values).into_iter().map(clamp).collect())
        .collect();
    let ys: Vec<f64> = known.iter().filter_map(|p| p.score).collect();
    let mut sums = vec![0.0; groups.len()];
    if ys.len() < 2 {
        return sums;
    }
    for tree in 0..TREES {
        let mut draws = Draws::new(*seed, "search/importance", tree);
        let rows = (0..ys.len()).map(|_| (draws.uniform() * ys.len() as f64) as usize).collect();
        let mut grower = Grower {
            space,
            xs: &xs,
            ys: &ys,
            leaves: Vec::new(),
        };
        grower.grow(rows, kinds.iter().map(|&k| Part::whole(k)).collect(), 0);
        let (whole, parts) = variances(&grower.leaves, &kinds, &groups);
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
