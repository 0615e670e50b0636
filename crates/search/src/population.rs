//! Generations of a population that is trained: the worst take over the weights and values of the best and vary the values.
//!
//! Jaderberg et al. 2017, arXiv:1711.09846, with truncation selection and in step: a generation is judged as a whole, so the result does
//! not depend on which member was faster. Only ranges vary (by 0.8 or 1.2, a quarter of them drawn anew), since weights must keep their
//! shapes: whole numbers and choices, such as a number of units, come with the weights.

use nabla_error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::draws::Draws;
use crate::request::Past;
use crate::space::{Kind, Point, Space};

/// Options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Population {
    /// Members.
    pub size: u64,
    /// Share of the worst that is replaced, by as many of the best.
    pub replace: f64,
    /// Trials chosen at once: a generation.
    pub round: u64,
    /// Epochs of a generation.
    pub every: u64,
}

impl Default for Population {
    fn default() -> Self {
        Self {
            size: 16,
            replace: 0.25,
            round: 16,
            every: 5,
        }
    }
}

/// A member of a generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The trial whose weights it goes on from; none in the first generation.
    pub parent: Option<u64>,
    /// Its values.
    pub values: Point,
}

const RESAMPLED: f64 = 0.25;

impl Population {
    /// Checks ranges.
    pub fn validate(&self) -> Result<()> {
        if self.size < 2 || self.round != self.size {
            return Err(Error::option("size", "to be at least 2", self.size));
        }
        if !(self.replace > 0.0 && self.replace <= 0.5) {
            return Err(Error::option("replace", "to be in (0, 0.5]", self.replace));
        }
        Ok(())
    }

    /// Trial `number`, from all trials of the generation before.
    pub fn member(&self, space: &Space, seed: u64, past: &[Past], number: u64, attempt: u64) -> Member {
        let (generation, place) = (number / self.size, number % self.size);
        let drawn = |d: &crate::space::Dimension| d.kind.decode(Draws::of(seed, d, number, attempt).uniform());
        let anew = || Member {
            parent: None,
            values: space.fill(|_, d| drawn(d)),
        };
        let Some(before) = generation.checked_sub(1) else {
            return anew();
        };
        let first = before * self.size;
        let mut ranked: Vec<&Past> = past.iter().filter(|p| (first..first + self.size).contains(&p.number)).collect();
        // Failures last.
        let order = |p: &Past| p.score.filter(|s| !s.is_nan()).unwrap_or(f64::INFINITY);
        ranked.sort_by(|a, b| order(a).total_cmp(&order(b)).then(a.number.cmp(&b.number)));
        let own = ranked.iter().position(|p| p.number == first + place);
        let (Some(rank), Some(best)) = (own, ranked.first()) else {
            return anew();
        };
        if !order(best).is_finite() {
            return anew();
        }
        let share = ((self.replace * ranked.len() as f64).ceil() as usize).min(ranked.len() / 2);
        if rank < ranked.len() - share && order(ranked[rank]).is_finite() {
            return Member {
                parent: Some(first + place),
                values: ranked[rank].values.clone(),
            };
        }
        let finite = ranked.iter().take(share.max(1)).filter(|p| order(p).is_finite()).count();
        let chosen = Draws::new(seed, "search/population", number).uniform() * finite as f64;
        let parent = ranked[(chosen as usize).min(finite - 1)];
        let values = space.fill(|at, d| {
            let Some(value) = parent.values[at] else { return drawn(d) };
            let mut draws = Draws::new(seed, &format!("search/population/{}", d.name), number);
            draws.skip(attempt << 16);
            match d.kind {
                Kind::Uniform { low, high } | Kind::LogUniform { low, high } => {
                    if draws.uniform() < RESAMPLED {
                        return d.kind.decode(draws.uniform());
                    }
                    let factor = if draws.uniform() < 0.5 { 0.8 } else { 1.2 };
                    (value * factor).clamp(low, high)
                }
                _ => value,
            }
        });
        Member {
            parent: Some(parent.number),
            values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Dimension;

    #[test]
    fn the_worst_take_over_from_the_best() {
        let d = |name: &str, kind| Dimension {
            name: name.to_owned(),
            kind,
            under: None,
        };
        let space = Space {
            dimensions: vec![
                d("rate", Kind::LogUniform { low: 1e-4, high: 1.0 }),
                d("units", Kind::Integer { low: 4.0, high: 64.0 }),
            ],
        };
        let population = Population {
            size: 8,
            round: 8,
            ..Population::default()
        };
        let first: Vec<Past> = (0..8)
            .map(|number| Past {
                number,
                values: population.member(&space, 3, &[], number, 0).values,
                // The last one failed.
                score: (number < 7).then_some(number as f64),
            })
            .collect();
        let next: Vec<Member> = (8..16).map(|number| population.member(&space, 3, &first, number, 0)).collect();
        for (place, member) in next.iter().enumerate().take(6) {
            assert_eq!(member.parent, Some(place as u64));
            assert_eq!(member.values, first[place].values);
        }
        for member in &next[6..] {
            let parent = member.parent.unwrap() as usize;
            assert!(parent < 2);
            // What gives weights their shape comes with them; the rate varies within its range.
            assert_eq!(member.values[1], first[parent].values[1]);
            assert_ne!(member.values[0], first[parent].values[0]);
            assert!((1e-4..=1.0).contains(&member.values[0].unwrap()));
        }
        // The order in which the past is told does not matter.
        let mut mixed = first.clone();
        mixed.reverse();
        assert_eq!(population.member(&space, 3, &mixed, 15, 0), next[7]);
        assert!(
            Population {
                replace: 0.6,
                ..population
            }
            .validate()
            .is_err()
        );
    }
}
