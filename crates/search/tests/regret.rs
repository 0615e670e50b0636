//! Samplers that learn against random search, on functions whose minimum is known. Median over seeds of the regret after 60 trials.

use nabla_search::coarse_to_fine::CoarseToFine;
use nabla_search::gaussian_process::GaussianProcess;
use nabla_search::tpe::Tpe;
use nabla_search::{Dimension, Kind, Past, Point, Request, Sampler, Space, suggest};

struct Problem {
    name: &'static str,
    space: Space,
    value: fn(&Point) -> f64,
    least: f64,
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

/// Two branches; only the second reaches the minimum.
fn branches(p: &Point) -> f64 {
    match (p[0], p[1], p[2]) {
        (Some(0.0), Some(x), _) => (x - 0.2) * (x - 0.2) + 0.3,
        (_, _, Some(y)) => 4.0 * (y - 0.7) * (y - 0.7) + (p[3].unwrap() - 0.4) * (p[3].unwrap() - 0.4),
        _ => f64::NAN,
    }
}

fn problems() -> Vec<Problem> {
    let unit = Kind::Uniform { low: 0.0, high: 1.0 };
    let d = |name: &str, kind, under| Dimension {
        name: name.to_owned(),
        kind,
        under,
    };
    vec![
        Problem {
            name: "Branin",
            space: ranges(&[(-5.0, 10.0), (0.0, 15.0)]),
            value: branin,
            least: 0.397_887_357_729_739,
        },
        Problem {
            name: "Hartmann-6",
            space: ranges(&[(0.0, 1.0); 6]),
            value: hartmann6,
            least: -3.322_368_011_415_515,
        },
        Problem {
            name: "Rosenbrock-4",
            space: ranges(&[(-2.0, 2.0); 4]),
            value: rosenbrock,
            least: 0.0,
        },
        Problem {
            name: "branches",
            space: Space {
                dimensions: vec![
                    d("branch", Kind::Choice { count: 2 }, None),
                    d("x", unit, Some((0, 0))),
                    d("y", unit, Some((0, 1))),
                    d("z", unit, None),
                ],
            },
            value: branches,
            least: 0.0,
        },
    ]
}

fn regret(problem: &Problem, sampler: &Sampler, round: u64, trials: u64, seed: u64) -> f64 {
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

#[test]
fn learning_beats_random_search() {
    let samplers: [(&str, Sampler, u64); 4] = [
        ("random", Sampler::Random, 20),
        ("coarse to fine", Sampler::CoarseToFine(CoarseToFine::default()), 20),
        ("TPE", Sampler::Tpe(Tpe::default()), 4),
        ("Gaussian process", Sampler::GaussianProcess(GaussianProcess::default()), 4),
    ];
    let mut all = Vec::new();
    for problem in problems() {
        let mut medians = Vec::new();
        for (name, sampler, round) in &samplers {
            // A Gaussian process takes its time, and is far ahead.
            let seeds = if matches!(sampler, Sampler::GaussianProcess(_)) { 5 } else { 41 };
            let mut regrets: Vec<f64> = (0..seeds).map(|seed| regret(&problem, sampler, *round, 60, seed)).collect();
            regrets.sort_by(f64::total_cmp);
            println!("{:14} {name:18} {:.5}", problem.name, regrets[regrets.len() / 2]);
            medians.push(regrets[regrets.len() / 2]);
        }
        all.push((problem.name, medians));
    }
    for (problem, medians) in all {
        for ((name, ..), median) in samplers.iter().zip(&medians).skip(1) {
            assert!(*median < medians[0], "{name} on {problem}: {medians:?}");
        }
    }
}
