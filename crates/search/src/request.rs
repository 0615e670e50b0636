//! What is asked of a sampler, as plain data.

use nabla_error::Result;
use serde::{Deserialize, Serialize};

use crate::coarse_to_fine::{CoarseToFine, Zoom};
use crate::draws::Draws;
use crate::gaussian_process::GaussianProcess;
use crate::grid::Grid;
use crate::population::{Member, Population};
use crate::space::{Point, Space};
use crate::tiers::Tiers;
use crate::tpe::Tpe;
use crate::{coarse_to_fine, sobol};

/// A trial that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Past {
    /// Its number.
    pub number: u64,
    /// What was tried.
    pub values: Point,
    /// Less is better; none if it failed.
    pub score: Option<f64>,
}

/// How the next trials are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Sampler {
    /// Independent draws.
    Random,
    /// Every combination.
    Grid(Grid),
    /// Low-discrepancy draws.
    Sobol,
    /// Random, zoom, repeat.
    CoarseToFine(CoarseToFine),
    /// Where good trials are dense and bad ones are not.
    Tpe(Tpe),
    /// Expected improvement.
    GaussianProcess(GaussianProcess),
    /// Generations that take over each other's weights.
    PopulationBased(Population),
    /// What matters most first.
    Tiers(Tiers),
}

/// Which trials are asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Where to look.
    pub space: Space,
    /// How.
    pub sampler: Sampler,
    /// Of all random numbers.
    pub seed: u64,
    /// Number of the first trial wanted.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// Draws of the first one that a constraint has refused.
    #[serde(default)]
    pub attempt: u64,
    /// How many trials the study is meant to have.
    pub trials: u64,
    /// What is known; the order does not matter.
    #[serde(default)]
    pub past: Vec<Past>,
}

/// The points of trials `from` to `from + count`: fewer where the sampler has no more.
pub fn suggest(request: &Request) -> Result<Vec<Point>> {
    let Request { space, seed, .. } = request;
    space.validate()?;
    let mut past = request.past.clone();
    past.sort_by_key(|p| p.number);
    let numbers = request.from..request.from + request.count;
    let attempt = |number: u64| if number == request.from { request.attempt } else { 0 };
    let random = |number: u64| space.fill(|_, d| d.kind.decode(Draws::of(*seed, d, number, attempt(number)).uniform()));
    Ok(match &request.sampler {
        Sampler::Random => numbers.map(random).collect(),
        Sampler::Sobol => {
            sobol::expect_possible(space)?;
            let one = |number| match attempt(number) {
                0 if number < sobol::POINTS => sobol::point(space, *seed, number),
                _ => random(number),
            };
            numbers.map(one).collect()
        }
        Sampler::Grid(grid) => {
            let points = grid.points(space, *seed)?;
            numbers.map_while(|n| points.get(n as usize).cloned()).collect()
        }
        Sampler::Tpe(tpe) => {
            tpe.validate()?;
            match past.len() < tpe.startup.max(1) || space.dimensions.is_empty() {
                true => numbers.map(random).collect(),
                false => tpe.suggest(space, *seed, &past, request.from, request.count, request.attempt),
            }
        }
        Sampler::GaussianProcess(process) => {
            process.validate()?;
            match past.iter().filter(|p| p.score.is_some_and(f64::is_finite)).count() < process.startup.max(2) {
                true => numbers.map(random).collect(),
                false => process.suggest(space, *seed, &past, request.from, request.count, request.attempt),
            }
        }
        Sampler::PopulationBased(population) => {
            population.validate()?;
            let one = |number| population.member(space, *seed, &past, number, attempt(number)).values;
            numbers.map(one).collect()
        }
        Sampler::Tiers(tiers) => {
            tiers.validate(space)?;
            let one = |number| tiers.point(space, *seed, &past, number, request.trials, attempt(number));
            numbers.map(one).collect()
        }
        Sampler::CoarseToFine(options) => {
            options.validate()?;
            let zooms = coarse_to_fine::zooms(options, space, &past, request.trials, request.from + request.count);
            let one = |number| {
                let round = options.round_of(number, request.trials);
                zooms
                    .get(round)
                    .map_or_else(|| random(number), |zoom: &Zoom| zoom.draw(space, *seed, number, attempt(number)))
            };
            numbers.map(one).collect()
        }
    })
}

/// Members of a population with the trials whose weights they go on from.
pub fn members(request: &Request) -> Result<Vec<Member>> {
    request.space.validate()?;
    let Sampler::PopulationBased(population) = &request.sampler else {
        return Ok(Vec::new());
    };
    population.validate()?;
    let one = |number| {
        let attempt = if number == request.from { request.attempt } else { 0 };
        population.member(&request.space, request.seed, &request.past, number, attempt)
    };
    Ok((request.from..request.from + request.count).map(one).collect())
}

/// The regions of coarse-to-fine, one a round, for the report.
pub fn regions(request: &Request) -> Result<Vec<Zoom>> {
    request.space.validate()?;
    let Sampler::CoarseToFine(options) = &request.sampler else {
        return Ok(Vec::new());
    };
    let mut past = request.past.clone();
    past.sort_by_key(|p| p.number);
    Ok(coarse_to_fine::zooms(options, &request.space, &past, request.trials, request.from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Dimension, Kind};

    fn space() -> Space {
        let d = |name: &str, kind, under| Dimension {
            name: name.to_owned(),
            kind,
            under,
        };
        Space {
            dimensions: vec![
                d("rate", Kind::LogUniform { low: 1e-4, high: 1e-1 }, None),
                d("units", Kind::Integer { low: 16.0, high: 256.0 }, None),
                d("optimizer", Kind::Choice { count: 2 }, None),
                d("momentum", Kind::Uniform { low: 0.0, high: 1.0 }, Some((2, 0))),
            ],
        }
    }

    fn ask(sampler: Sampler, from: u64, count: u64, past: Vec<Past>) -> Request {
        Request {
            space: space(),
            sampler,
            seed: 7,
            from,
            count,
            attempt: 0,
            trials: 60,
            past,
        }
    }

    #[test]
    fn a_draw_depends_on_its_number_alone() {
        for sampler in [Sampler::Random, Sampler::Sobol, Sampler::Grid(Grid::default())] {
            let all = suggest(&ask(sampler.clone(), 0, 20, vec![])).unwrap();
            for (n, point) in all.iter().enumerate() {
                assert_eq!(suggest(&ask(sampler.clone(), n as u64, 1, vec![])).unwrap()[0], *point);
                assert_eq!(point[3].is_some(), point[2] == Some(0.0));
            }
        }
        let mut again = ask(Sampler::Random, 3, 1, vec![]);
        again.attempt = 1;
        assert_ne!(suggest(&again).unwrap(), suggest(&ask(Sampler::Random, 3, 1, vec![])).unwrap());
    }

    #[test]
    fn a_grid_ends_and_has_each_combination_once() {
        let points = suggest(&ask(Sampler::Grid(Grid { points: 3 }), 0, 1000, vec![])).unwrap();
        // 3 rates × 3 units × (3 momenta + 1)
        assert_eq!(points.len(), 36);
        for (i, a) in points.iter().enumerate() {
            assert!(points[..i].iter().all(|b| a != b));
        }
        assert!(points.iter().any(|p| p[0].is_some_and(|v| (v - 1e-4).abs() < 1e-12)));
        assert!(points.iter().any(|p| p[0].is_some_and(|v| (v - 1e-1).abs() < 1e-12)));
    }

    #[test]
    fn coarse_to_fine_zooms_to_the_best() {
        let sampler = Sampler::CoarseToFine(CoarseToFine::default());
        let loss = |p: &Point| (libm::log10(p[0].unwrap()) + 2.0).powi(2) + ((p[1].unwrap() - 64.0) / 100.0).powi(2) + p[2].unwrap();
        let mut past = Vec::new();
        for round in 0..3u64 {
            for (i, values) in suggest(&ask(sampler.clone(), 20 * round, 20, past.clone()))
                .unwrap()
                .into_iter()
                .enumerate()
            {
                past.push(Past {
                    number: 20 * round + i as u64,
                    score: Some(loss(&values)),
                    values,
                });
            }
        }
        let mean = |from: usize| past[from..from + 20].iter().map(|p| p.score.unwrap()).sum::<f64>() / 20.0;
        assert!(mean(40) < mean(20) && mean(20) < mean(0), "{} {} {}", mean(0), mean(20), mean(40));
        // The order in which the past is told does not matter.
        let mut mixed = past.clone();
        mixed.reverse();
        assert_eq!(
            suggest(&ask(sampler.clone(), 40, 20, mixed)).unwrap(),
            suggest(&ask(sampler, 40, 20, past)).unwrap()
        );
    }
}
