//! Functions whose minimum is known, and how far from it a sampler ends.

use nabla_search::{Dimension, Kind, Past, Point, Request, Sampler, Space, suggest};

/// A function to be minimized.
pub struct Problem {
    pub name: &'static str,
    pub space: Space,
    pub value: fn(&Point) -> f64,
    pub least: f64,
}

fn ranges(ranges: &[(f64, f64)]) -> Space {
    let dimension = |(i, &(low, high)): (usize, &(f64, f64))| Dimension {
        name: format!("x{i}"),
        kind: Kind::Uniform { low, high },
        under: None,
    };
    Space {
        dimensions: ranges.iter().enumerate().map(dimension).collect(),
    }
}

fn branin(p: &Point) -> f64 {
    let (x, y) = (p[0].unwrap(), p[1].unwrap());
    let pi = std::f64::consts::PI;
    let a = y - 5.1 / (4.0 * pi * pi) * x * x + 5.0 / pi * x - 6.0;
    a * a + 10.0 * (1.0 - 1.0 / (8.0 * pi)) * libm::cos(x) + 10.0
}

fn hartmann6(p: &Point) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let term = |i: usize| {
        let inner: f64 = (0..6)
            .map(|j| A[i][j] * (p[j].unwrap() - P[i][j]) * (p[j].unwrap() - P[i][j]))
            .sum();
        [1.0, 1.2, 3.0, 3.2][i] * libm::exp(-inner)
    };
    -(0..4).map(term).sum::<f64>()
}

fn rosenbrock(p: &Point) -> f64 {
    p.windows(2)
        .map(|w| {
            let (x, y) = (w[0].unwrap(), w[1].unwrap());
            100.0 * (y - x * x) * (y - x * x) + (1.0 - x) * (1.0 - x)
        })
        .sum()
}

/// A choice of three, two of them with parameters of their own, beside a rate and a number of units that all share.
fn conditional(p: &Point) -> f64 {
    let (rate, units) = (libm::log10(p[0].unwrap()), libm::log2(p[1].unwrap()));
    let square = |x: f64| x * x;
    let own = match p[2] {
        Some(0.0) => 0.1 + square(rate + 1.0) + 4.0 * square(p[3].unwrap() - 0.9),
        Some(1.0) => square(rate + 3.0) + 3.0 * square(p[4].unwrap() - 0.35) + 0.05 * square(libm::log10(p[5].unwrap()) + 7.0),
        _ => 0.2 + 0.5 * square(rate + 2.5),
    };
    own + 0.2 * square(units - 7.0)
}

/// The same as in `fixtures/optuna_regret.py`.
pub fn problems() -> Vec<Problem> {
    let unit = Kind::Uniform { low: 0.0, high: 1.0 };
    let d = |name: &str, kind, under| Dimension {
        name: name.to_owned(),
        kind,
        under,
    };
    let conditional_space = vec![
        d("rate", Kind::LogUniform { low: 1e-5, high: 1.0 }, None),
        d("units", Kind::LogInteger { low: 8.0, high: 512.0 }, None),
        d("optimizer", Kind::Choice { count: 3 }, None),
        d("momentum", unit, Some((2, 0))),
        d("beta", unit, Some((2, 1))),
        d("epsilon", Kind::LogUniform { low: 1e-10, high: 1e-2 }, Some((2, 1))),
    ];
    vec![
        Problem {
            name: "Branin",
            space: ranges(&[(-5.0, 10.0), (0.0, 15.0)]),
            value: branin,
            least: 0.397_887_357_729_738_16,
        },
        Problem {
            name: "Hartmann-6",
            space: ranges(&[(0.0, 1.0); 6]),
            value: hartmann6,
            least: -3.322_368_011_415_515,
        },
        Problem {
            name: "Rosenbrock-10",
            space: ranges(&[(-2.048, 2.048); 10]),
            value: rosenbrock,
            least: 0.0,
        },
        Problem {
            name: "conditional",
            space: Space {
                dimensions: conditional_space,
            },
            value: conditional,
            least: 0.0,
        },
    ]
}

/// What the best of so many trials is above the minimum.
pub fn regret(problem: &Problem, sampler: &Sampler, round: u64, trials: u64, seed: u64) -> f64 {
    let mut past: Vec<Past> = Vec::new();
    while (past.len() as u64) < trials {
        let from = past.len() as u64;
        let request = Request {
            space: problem.space.clone(),
            sampler: sampler.clone(),
            seed,
            from,
            count: round.min(trials - from),
            attempt: 0,
            trials,
            past: past.clone(),
        };
        for (i, values) in suggest(&request).unwrap().into_iter().enumerate() {
            past.push(Past {
                number: from + i as u64,
                score: Some((problem.value)(&values)),
                values,
            });
        }
    }
    past.iter().filter_map(|p| p.score).fold(f64::INFINITY, f64::min) - problem.least
}
