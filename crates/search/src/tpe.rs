//! Tree-structured Parzen estimator: of candidates drawn where good trials are dense, the one where bad ones are least so.
//!
//! Bergstra, Bardenet, Bengio & Kégl 2011, NIPS 24; several dimensions in one kernel as in BOHB (Falkner et al. 2018). The dimensions of a
//! branch are a group of their own, estimated from the trials that had it. Trials of one round are chosen one after the other; each
//! counts as a bad one for the next, so that they spread ("constant liar", Ginsbourger et al. 2010).

use std::collections::BTreeMap;

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::draws::Draws;
use crate::parzen::Parzen;
use crate::request::Past;
use crate::space::{Kind, Point, Space};

/// Options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Tpe {
    /// Random trials before it learns.
    pub startup: usize,
    /// Share of the trials counted as good; without it a tenth, 25 at most.
    pub gamma: Option<f64>,
    /// Draws to choose from.
    pub candidates: usize,
    /// Trials chosen at once.
    pub round: u64,
}

impl Default for Tpe {
    fn default() -> Self {
        Self {
            startup: 10,
            gamma: None,
            candidates: 128,
            round: 2,
        }
    }
}

impl Tpe {
    /// Checks ranges.
    pub fn validate(&self) -> Result<()> {
        if self.gamma.is_some_and(|g| !(g > 0.0 && g < 1.0)) {
            return Err(Error::option("gamma", "to be in (0, 1)", self.gamma.unwrap_or(0.0)));
        }
        if self.candidates == 0 || self.round == 0 {
            return Err(Error::option("candidates", "and round to be at least 1", 0));
        }
        Ok(())
    }

    fn good(&self, trials: usize) -> usize {
        match self.gamma {
            Some(share) => ((share * trials as f64).ceil() as usize).max(1),
            None => trials.div_ceil(10).min(25),
        }
    }

    /// The points of trials `from` to `from + count` of one round. `past` holds the trials before the round, in their order.
    pub fn suggest(&self, space: &Space, seed: u64, past: &[Past], from: u64, count: u64, attempt: u64) -> Vec<Point> {
        let start = from / self.round * self.round;
        let mut ranked: Vec<&Past> = past.iter().collect();
        // Failures last.
        let order = |p: &Past| p.score.filter(|s| !s.is_nan()).unwrap_or(f64::INFINITY);
        ranked.sort_by(|a, b| order(a).total_cmp(&order(b)).then(a.number.cmp(&b.number)));
        let good = self.good(ranked.len());
        let mut is_good: BTreeMap<u64, ()> = BTreeMap::new();
        ranked.iter().take(good).for_each(|p| {
            is_good.insert(p.number, ());
        });
        type Values = Vec<Option<f64>>;
        let (mut above, mut below): (Vec<Values>, Vec<Values>) = (Vec::new(), Vec::new());
        for p in past {
            let list = if is_good.contains_key(&p.number) { &mut below } else { &mut above };
            list.push(space.encode(&p.values));
        }
        let mut points = Vec::new();
        for number in start..from + count {
            let tries = if number == from { attempt } else { 0 };
            let point = self.one(space, seed, &below, &above, number, tries);
            above.push(space.encode(&point));
            if number >= from {
                points.push(point);
            }
        }
        points
    }

    fn one(&self, space: &Space, seed: u64, below: &[Vec<Option<f64>>], above: &[Vec<Option<f64>>], number: u64, attempt: u64) -> Point {
        // Coordinates of groups that are drawn when their first dimension is reached.
        let mut drawn: Vec<Option<f64>> = vec![None; space.dimensions.len()];
        space.fill(|at, dimension| {
            if let Some(u) = drawn[at] {
                return dimension.kind.decode(u);
            }
            let group: Vec<usize> = (at..space.dimensions.len())
                .filter(|&i| space.dimensions[i].under == dimension.under)
                .collect();
            let kinds: Vec<Kind> = group.iter().map(|&i| space.dimensions[i].kind).collect();
            let seen = |all: &[Vec<Option<f64>>]| -> Vec<Vec<f64>> {
                all.iter()
                    .filter_map(|point| group.iter().map(|&i| point[i]).collect::<Option<Vec<f64>>>())
                    .collect()
            };
            let (good, bad) = (Parzen::new(&kinds, &seen(below)), Parzen::new(&kinds, &seen(above)));
            let mut draws = Draws::of(seed, dimension, number, attempt);
            let mut terms = Vec::new();
            let mut best = (f64::NEG_INFINITY, Vec::new());
            for _ in 0..self.candidates {
                let candidate = good.draw(&mut draws);
                let gain = good.log_density(&candidate, &mut terms) - bad.log_density(&candidate, &mut terms);
                if gain > best.0 || best.1.is_empty() {
                    best = (gain, candidate);
                }
            }
            for (&i, &u) in group.iter().zip(&best.1) {
                drawn[i] = Some(u);
            }
            dimension.kind.decode(best.1[0])
        })
    }
}
