//! Step by step along PyTorch's trajectories (`__test__/fixtures/optimizers-*.json`).

use serde::Deserialize;

use crate::{Optimizer, Step};

#[derive(Deserialize)]
struct Fixture {
    start: Vec<f64>,
    #[serde(default)]
    matrix: Vec<Vec<f64>>,
    #[serde(default)]
    vector: Vec<f64>,
    /// Which steps' points there are; all, where nothing is said.
    #[serde(default)]
    steps: Vec<usize>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: Optimizer,
    points: Vec<Vec<f64>>,
}

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Fixture>(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../__test__/fixtures/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

/// Largest error relative to the norm of the point, over all steps and cases.
fn follow(fixture: &Fixture, gradient: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    let mut worst = 0.0f64;
    for case in &fixture.cases {
        case.spec.validate().unwrap();
        let mut theta = fixture.start.clone();
        let mut state = vec![vec![0.0; theta.len()]; case.spec.state_count()];
        let mut at = Step::first(&case.spec, case.spec.learning_rate());
        let steps = fixture.steps.last().copied().unwrap_or(case.points.len());
        let mut points = case.points.iter();
        for i in 0..steps {
            let g = gradient(&theta);
            let mut state: Vec<&mut [f64]> = state.iter_mut().map(|s| &mut s[..]).collect();
            case.spec.update(at, &mut theta, &g, &mut state);
            at = at.next(&case.spec, case.spec.learning_rate());
            if !fixture.steps.is_empty() && !fixture.steps.contains(&(i + 1)) {
                continue;
            }
            let point = points.next().expect("a point for each step");
            let size = point.iter().map(|x| x * x).sum::<f64>().sqrt();
            let error = theta.iter().zip(point).map(|(a, b)| (a - b).abs() / size).fold(0.0, f64::max);
            // mission: 1e-6; rounding alone stays far below
            assert!(error < 1e-6, "{:?} step {}: {theta:?}, expected {point:?}", case.spec, i + 1);
            worst = worst.max(error);
        }
    }
    worst
}

fn quadratic(fixture: &Fixture) -> f64 {
    follow(fixture, |x| {
        fixture
            .matrix
            .iter()
            .zip(&fixture.vector)
            .map(|(row, b)| row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>() - b)
            .collect()
    })
}

fn rosenbrock(fixture: &Fixture) -> f64 {
    follow(fixture, |x| {
        let slope = x[1] - x[0] * x[0];
        vec![-2.0 * (1.0 - x[0]) - 400.0 * x[0] * slope, 200.0 * slope]
    })
}

#[test]
fn on_a_quadratic() {
    for fixture in [fixture!("optimizers-quadratic"), fixture!("optimizers-adaptive-quadratic")] {
        let worst = quadratic(&fixture);
        // The roots of small squares pass rounding on enlarged.
        assert!(worst < 1e-10, "worst relative error {worst:e}");
    }
}

#[test]
fn in_rosenbrocks_valley() {
    let worst = rosenbrock(&fixture!("optimizers-rosenbrock"));
    assert!(worst < 1e-11, "worst relative error {worst:e}");
    // Some of these swing from wall to wall, which enlarges rounding: `follow` holds them to the mission's 1e-6.
    rosenbrock(&fixture!("optimizers-adaptive-rosenbrock"));
}

#[test]
fn with_every_combination_of_options() {
    let fixture = fixture!("optimizers-combinations");
    // `follow` holds all to the mission's 1e-6.
    quadratic(&fixture);
    for name in Optimizer::NAMES {
        assert!(fixture.cases.iter().filter(|c| c.spec.name() == *name).count() >= 4, "{name}");
    }
}

#[test]
fn every_rule_has_a_trajectory() {
    let fixtures = [fixture!("optimizers-quadratic"), fixture!("optimizers-adaptive-quadratic")];
    for name in Optimizer::NAMES {
        assert!(fixtures.iter().flat_map(|f| &f.cases).any(|c| c.spec.name() == *name), "{name}");
    }
}
