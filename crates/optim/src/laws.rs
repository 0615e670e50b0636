//! Laws that every rule obeys, over the table of samples.

use nabla_kernels::{Level, Real, level};
use proptest::prelude::*;

use crate::{Optimizer, Step};

/// θ, then the states, after `steps` updates with made-up gradients; each update goes over `parts` (their lengths).
fn run<T: Real>(rule: &Optimizer, theta: &[f64], steps: u64, parts: &[usize]) -> Vec<Vec<T>> {
    let len = theta.len();
    let mut theta: Vec<T> = theta.iter().map(|x| T::from_f64(*x)).collect();
    let mut state = vec![vec![T::ZERO; len]; rule.state_count()];
    let mut at = Step::first(rule, rule.learning_rate());
    for t in 1..=steps {
        let g: Vec<T> = (0..len)
            .map(|i| T::from_f64(((i * 7 + t as usize * 3) % 11) as f64 * 0.37 - 1.8))
            .collect();
        let mut from = 0;
        for part in parts {
            let range = from..from + part;
            let mut state: Vec<&mut [T]> = state.iter_mut().map(|s| &mut s[range.clone()]).collect();
            rule.update(at, &mut theta[range.clone()], &g[range.clone()], &mut state);
            from += part;
        }
        assert_eq!(from, len);
        at = at.next(rule, rule.learning_rate());
    }
    [vec![theta], state].concat()
}

fn bits<T: Real>(all: &[Vec<T>]) -> Vec<u64> {
    all.iter().flatten().map(|x| x.to_bits64()).collect()
}

/// Rules that look at each number by itself.
fn pointwise() -> Vec<Optimizer> {
    Optimizer::samples().into_iter().filter(|rule| !rule.by_row()).collect()
}

proptest! {
    #[test]
    fn any_partition_gives_the_same_bits(parts in prop::collection::vec(0usize..40, 1..6), scale in 0.1..10.0f64) {
        let len: usize = parts.iter().sum();
        let theta: Vec<f64> = (0..len).map(|i| (i as f64 - 20.0) * scale).collect();
        for rule in pointwise() {
            prop_assert_eq!(bits(&run::<f32>(&rule, &theta, 3, &parts)), bits(&run::<f32>(&rule, &theta, 3, &[len])), "{:?}", rule);
            prop_assert_eq!(bits(&run::<f64>(&rule, &theta, 3, &parts)), bits(&run::<f64>(&rule, &theta, 3, &[len])), "{:?}", rule);
        }
    }
}

#[test]
fn every_level_gives_the_same_bits() {
    let theta: Vec<f64> = (0..101).map(|i| (i as f64 - 50.0) * 0.13).collect();
    let chosen = level::level();
    for rule in Optimizer::samples() {
        level::force(Level::Scalar);
        let (single, double) = (
            bits(&run::<f32>(&rule, &theta, 5, &[101])),
            bits(&run::<f64>(&rule, &theta, 5, &[101])),
        );
        for other in level::available() {
            level::force(other);
            assert_eq!(bits(&run::<f32>(&rule, &theta, 5, &[101])), single, "{rule:?} {other:?}");
            assert_eq!(bits(&run::<f64>(&rule, &theta, 5, &[101])), double, "{rule:?} {other:?}");
        }
    }
    level::force(chosen);
}

#[test]
fn single_precision_follows_double() {
    let theta: Vec<f64> = (0..33).map(|i| (i as f64 - 16.5) * 0.1).collect();
    for rule in Optimizer::samples() {
        let (single, double) = (run::<f32>(&rule, &theta, 20, &[33]), run::<f64>(&rule, &theta, 20, &[33]));
        for (a, b) in single[0].iter().zip(&double[0]) {
            // 20 steps of a few roundings each
            assert!((*a as f64 - b).abs() < 1e-5 * b.abs().max(1.0), "{rule:?}: {a} {b}");
        }
    }
}

#[test]
fn zeros_stay_zeros() {
    for rule in Optimizer::samples() {
        let mut theta = [0f32; 20];
        let mut state = vec![vec![0f32; 20]; rule.state_count()];
        let mut state: Vec<&mut [f32]> = state.iter_mut().map(|s| &mut s[..]).collect();
        let mut at = Step::first(&rule, 1.0);
        for _ in 1..4 {
            rule.update(at, &mut theta, &[0.0; 20], &mut state);
            at = at.next(&rule, 1.0);
        }
        assert_eq!(theta, [0.0; 20], "{rule:?}");
        assert!(state.iter().all(|s| s.iter().all(|x| *x == 0.0)));
    }
}

#[test]
fn rate_zero_moves_nothing_and_the_rate_is_the_steps() {
    for rule in Optimizer::samples() {
        let g = [1.0f64, -2.0, 0.7];
        let moved = |rate: f64| {
            let mut theta = [3.0f64, 4.0, -5.0];
            let mut state = vec![vec![0.0; 3]; rule.state_count()];
            let mut state: Vec<&mut [f64]> = state.iter_mut().map(|s| &mut s[..]).collect();
            rule.update(Step::first(&rule, rate), &mut theta, &g, &mut state);
            [theta[0] - 3.0, theta[1] - 4.0, theta[2] + 5.0]
        };
        assert_eq!(moved(0.0), [0.0; 3], "{rule:?}");
        // the first move is proportional to the rate and goes against the gradient (plus decay)
        for (small, large) in moved(0.01).into_iter().zip(moved(0.02)) {
            assert!((2.0 * small - large).abs() < 1e-14 && small != 0.0, "{rule:?}: {small} {large}");
        }
    }
}

#[test]
fn without_decay_the_size_of_parameters_does_not_matter() {
    for rule in pointwise() {
        let rule = rule.with_decay(0.0);
        let moved = |start: f64| {
            let mut theta = [start; 4];
            let mut state = vec![vec![0.0; 4]; rule.state_count()];
            let mut state: Vec<&mut [f64]> = state.iter_mut().map(|s| &mut s[..]).collect();
            rule.update(Step::first(&rule, 0.5), &mut theta, &[1.0, 2.0, -0.5, 0.0], &mut state);
            theta.map(|x| x - start)
        };
        for (a, b) in moved(0.0).into_iter().zip(moved(64.0)) {
            assert!((a - b).abs() < 1e-13, "{rule:?}: {a} {b}");
        }
    }
}

#[test]
fn not_finite_gradients_are_not_hidden() {
    for rule in Optimizer::samples() {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut theta = [1.0f64; 2];
            let mut state = vec![vec![0.0; 2]; rule.state_count()];
            let mut state: Vec<&mut [f64]> = state.iter_mut().map(|s| &mut s[..]).collect();
            rule.update(Step::first(&rule, 0.1), &mut theta, &[bad, 1.0], &mut state);
            assert!(
                !theta[0].is_finite() && (rule.by_row() || theta[1].is_finite()),
                "{rule:?}: {theta:?}"
            );
        }
    }
}

#[test]
fn json_and_back() {
    for rule in Optimizer::samples() {
        rule.validate().unwrap();
        let json = serde_json::to_value(&rule).unwrap();
        assert_eq!(json["kind"], rule.name());
        assert!(Optimizer::NAMES.contains(&rule.name()));
        assert_eq!(serde_json::from_value::<Optimizer>(json).unwrap(), rule);
        let defaults: Optimizer = serde_json::from_str(&format!("{{\"kind\":\"{}\"}}", rule.name())).unwrap();
        assert!(Optimizer::samples().contains(&defaults));
        let mut misspelled = serde_json::to_value(&rule).unwrap();
        misspelled["lerningRate"] = 1.into();
        assert!(
            serde_json::from_value::<Optimizer>(misspelled)
                .unwrap_err()
                .to_string()
                .contains("lerningRate")
        );
    }
    assert!(serde_json::from_str::<Optimizer>("{\"kind\":\"adamm\"}").is_err());
}

#[test]
fn options_out_of_range_are_named() {
    for (json, option) in [
        (r#"{"kind":"sgd","learningRate":-1}"#, "learningRate"),
        (r#"{"kind":"sgd","momentum":1}"#, "momentum"),
        (r#"{"kind":"sgd","momentum":-0.1}"#, "momentum"),
        (r#"{"kind":"sgd","dampening":1.5}"#, "dampening"),
        (r#"{"kind":"sgd","nesterov":true}"#, "nesterov"),
        (r#"{"kind":"sgd","momentum":0.9,"dampening":0.1,"nesterov":true}"#, "nesterov"),
        (r#"{"kind":"sgd","weightDecay":-1}"#, "weightDecay"),
        (r#"{"kind":"adam","learningRate":-1}"#, "learningRate"),
        (r#"{"kind":"adam","beta1":1}"#, "beta1"),
        (r#"{"kind":"adam","beta2":-0.5}"#, "beta2"),
        (r#"{"kind":"adam","epsilon":0}"#, "epsilon"),
        (r#"{"kind":"adagrad","initialAccumulator":-1}"#, "initialAccumulator"),
        (r#"{"kind":"adagrad","learningRateDecay":-1}"#, "learningRateDecay"),
        (r#"{"kind":"adadelta","rho":1}"#, "rho"),
        (r#"{"kind":"rmsprop","momentum":1}"#, "momentum"),
        (r#"{"kind":"adamax","epsilon":0}"#, "epsilon"),
        (r#"{"kind":"nadam","momentumDecay":-1}"#, "momentumDecay"),
        (r#"{"kind":"radam","beta2":1}"#, "beta2"),
        (r#"{"kind":"adamw","weightDecay":-1}"#, "weightDecay"),
        (r#"{"kind":"lion","beta1":1}"#, "beta1"),
        (r#"{"kind":"lamb","weightDecay":-1}"#, "weightDecay"),
    ] {
        let error = serde_json::from_str::<Optimizer>(json).unwrap().validate().unwrap_err();
        assert_eq!(
            (error.code, error.place.as_deref()),
            (nabla_error::Code::InvalidOption, Some(option)),
            "{json}"
        );
    }
}
