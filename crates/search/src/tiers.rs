//! What matters most first: one tier of hyperparameters after the other, each at random while the others stand still.
//!
//! Trials are divided evenly among the tiers. Those of tiers before have the values of the best trial so far, those of tiers after it the
//! middle of their range (the first of a choice). Deep-learning practice since Ng: the learning rate, then optimizer settings, units and
//! batch size, then depth and decay.

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::draws::Draws;
use crate::request::Past;
use crate::space::{Point, Space};

/// Options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Tiers {
    /// How many.
    pub rounds: u64,
    /// The tier of each dimension, from 0.
    pub tiers: Vec<u64>,
}

impl Tiers {
    /// Checks that each dimension has a tier.
    pub fn validate(&self, space: &Space) -> Result<()> {
        if self.tiers.len() == space.dimensions.len() && self.tiers.iter().all(|tier| *tier < self.rounds) {
            return Ok(());
        }
        Err(Error::option(
            "tiers",
            "to give each hyperparameter one",
            format!("{:?}", self.tiers),
        ))
    }

    fn round_of(&self, number: u64, trials: u64) -> u64 {
        let start = |round: u64| (trials * round).div_ceil(self.rounds);
        (0..self.rounds).rev().find(|&r| start(r) <= number).unwrap_or(0)
    }

    /// Trial `number`.
    pub fn point(&self, space: &Space, seed: u64, past: &[Past], number: u64, trials: u64, attempt: u64) -> Point {
        let round = self.round_of(number, trials);
        let start = (trials * round).div_ceil(self.rounds);
        let known = past.iter().filter(|p| p.number < start && p.score.is_some_and(f64::is_finite));
        let best = known.min_by(|a, b| {
            let order = |p: &Past| p.score.unwrap_or(f64::INFINITY);
            order(a).total_cmp(&order(b)).then(a.number.cmp(&b.number))
        });
        space.fill(|at, d| {
            let tier = self.tiers[at];
            if tier < round
                && let Some(value) = best.and_then(|b| b.values[at])
            {
                return value;
            }
            if tier > round {
                return d.kind.decode(if d.kind.is_choice() { 0.0 } else { 0.5 });
            }
            d.kind.decode(Draws::of(seed, d, number, attempt).uniform())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Dimension, Kind};

    #[test]
    fn one_tier_moves_at_a_time() {
        let d = |name: &str| Dimension {
            name: name.to_owned(),
            kind: Kind::Uniform { low: 0.0, high: 1.0 },
            under: None,
        };
        let space = Space {
            dimensions: vec![d("depth"), d("rate")],
        };
        let tiers = Tiers {
            rounds: 2,
            tiers: vec![1, 0],
        };
        let mut past: Vec<Past> = Vec::new();
        for number in 0..40 {
            let values = tiers.point(&space, 1, &past, number, 40, 0);
            let (depth, rate) = (values[0].unwrap(), values[1].unwrap());
            past.push(Past {
                number,
                values,
                score: Some((rate - 0.3).powi(2) + (depth - 0.8).powi(2)),
            });
        }
        assert!(past[..20].iter().all(|p| p.values[0] == Some(0.5)));
        let best = past[..20]
            .iter()
            .min_by(|a, b| a.score.unwrap().total_cmp(&b.score.unwrap()))
            .unwrap();
        assert!(past[20..].iter().all(|p| p.values[1] == best.values[1]));
        assert!(past[20..].iter().any(|p| (p.values[0].unwrap() - 0.8).abs() < 0.1));
        assert!(tiers.validate(&space).is_ok());
        assert!(Tiers { rounds: 2, tiers: vec![0] }.validate(&space).is_err());
    }
}
