//! Random search, then again in the region of the best, and again.
//!
//! The region of a round is the box around the best share of all trials before it, padded by the mean gap between them and at most half as
//! wide as the one before, where the best is; where the best of all lies at its edge it grows on that side. A choice keeps the values that the best have, as often as they have them; a hyperparameter
//! of a branch looks at the trials in which it existed.

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::draws::Draws;
use crate::request::Past;
use crate::space::{Kind, Point, Space};

/// Options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CoarseToFine {
    /// How often it looks: at random first, then one zoom each.
    pub rounds: u64,
    /// Share of the best trials that the next region encloses.
    pub keep: f64,
    /// Whether a region may leave the range where the best lies at its edge.
    pub widen: bool,
}

impl Default for CoarseToFine {
    fn default() -> Self {
        Self {
            rounds: 3,
            keep: 0.25,
            widen: false,
        }
    }
}

/// The share of a region's width that counts as its edge.
const EDGE: f64 = 0.05;

impl CoarseToFine {
    /// Checks ranges.
    pub fn validate(&self) -> Result<()> {
        if self.rounds == 0 {
            return Err(Error::option("rounds", "to be at least 1", 0));
        }
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            return Err(Error::option("keep", "to be in (0, 1]", self.keep));
        }
        Ok(())
    }

    /// The first trial of a round: rounds are of equal size, the first ones larger by one where they do not divide.
    pub fn starts_at(&self, round: u64, trials: u64) -> u64 {
        (trials * round).div_ceil(self.rounds)
    }

    /// The round of a trial; trials beyond the plan belong to the last.
    pub fn round_of(&self, number: u64, trials: u64) -> usize {
        let round = (0..self.rounds).rev().find(|&r| self.starts_at(r, trials) <= number);
        round.unwrap_or(0) as usize
    }
}

/// The part of one dimension that a round looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Part {
    /// Coordinates.
    Range {
        /// From.
        low: f64,
        /// To.
        high: f64,
    },
    /// How likely each choice is, relatively.
    Weights {
        /// One a choice.
        weights: Vec<f64>,
    },
}

/// The region of a round, one part a dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Zoom(pub Vec<Part>);

impl Zoom {
    fn whole(space: &Space) -> Zoom {
        let part = |kind: Kind| match kind {
            Kind::Choice { count } => Part::Weights { weights: vec![1.0; count] },
            _ => Part::Range { low: 0.0, high: 1.0 },
        };
        Zoom(space.dimensions.iter().map(|d| part(d.kind)).collect())
    }

    /// A point of the region. In the first round it is what random search draws.
    pub fn draw(&self, space: &Space, seed: u64, number: u64, attempt: u64) -> Point {
        space.fill(|at, dimension| {
            let mut draws = Draws::of(seed, dimension, number, attempt);
            match &self.0[at] {
                Part::Range { low, high } => dimension.kind.decode(low + draws.uniform() * (high - low)),
                Part::Weights { weights } => draws.weighted(weights) as f64,
            }
        })
    }

    /// The region around the best.
    fn around(&self, space: &Space, best: &[&Past], options: &CoarseToFine) -> Zoom {
        let coordinates: Vec<_> = best.iter().map(|p| space.encode(&p.values)).collect();
        let part = |(at, before): (usize, &Part)| {
            // Best first.
            let there: Vec<f64> = coordinates.iter().filter_map(|c| c[at]).collect();
            let Some(&top) = there.first() else { return before.clone() };
            match before {
                Part::Weights { weights } => {
                    let mut counts = vec![0.0; weights.len()];
                    for u in &there {
                        counts[(u * weights.len() as f64) as usize] += 1.0;
                    }
                    Part::Weights { weights: counts }
                }
                Part::Range { low, high } => {
                    let (width, n) = (high - low, there.len() as f64);
                    let (a, b) = there
                        .iter()
                        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &u| (a.min(u), b.max(u)));
                    let pad = (width / (n + 1.0)).min(0.25 * width);
                    let (mut from, mut to) = (a - pad, b + pad);
                    // Half as wide at most, on the side of the best: several optima far apart are not all kept.
                    if to - from > 0.5 * width {
                        let left = (top - 0.25 * width).clamp(from, to - 0.5 * width);
                        (from, to) = (left, left + 0.5 * width);
                    }
                    // The best at the edge of what was looked at: look beyond.
                    if top - low < EDGE * width {
                        from = from.min(low - 0.25 * width);
                    }
                    if high - top < EDGE * width {
                        to = to.max(high + 0.25 * width);
                    }
                    let (least, most) = if options.widen { (-0.5, 1.5) } else { (0.0, 1.0) };
                    Part::Range {
                        low: from.max(least),
                        high: to.min(most),
                    }
                }
            }
        };
        Zoom(self.0.iter().enumerate().map(part).collect())
    }
}

/// The regions of all rounds that have begun before trial `until`.
pub fn zooms(options: &CoarseToFine, space: &Space, past: &[Past], trials: u64, until: u64) -> Vec<Zoom> {
    let mut zooms = vec![Zoom::whole(space)];
    for round in 1..options.rounds {
        let start = options.starts_at(round, trials);
        if start >= until {
            break;
        }
        let mut known: Vec<&Past> = past
            .iter()
            .filter(|p| p.number < start && p.score.is_some_and(f64::is_finite))
            .collect();
        known.sort_by(|a, b| {
            a.score
                .partial_cmp(&b.score)
                .unwrap_or(std::cmp::Ordering::Equal)
                .then(a.number.cmp(&b.number))
        });
        // A share of one round, so that regions shrink however many rounds there were.
        let share = (options.keep * (trials as f64 / options.rounds as f64)).ceil() as usize;
        known.truncate(share.max(2));
        let last = &zooms[zooms.len() - 1];
        let next = if known.is_empty() {
            last.clone()
        } else {
            last.around(space, &known, options)
        };
        zooms.push(next);
    }
    zooms
}
