//! Importance against Optuna's fANOVA on stored studies (`fixtures/optuna_importance.py`).

use nabla_search::importance::{Question, importance};
use nabla_search::{Past, Space};
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/optuna_importance.json")).unwrap()
}

fn question(space: &Value, trials: &Value, dimensions: usize) -> Question {
    let mut space: Space = serde_json::from_value(space.clone()).unwrap();
    space.dimensions.truncate(dimensions);
    let trial = |(number, trial): (usize, &Value)| {
        let mut values: Vec<Option<f64>> = serde_json::from_value(trial[0].clone()).unwrap();
        values.truncate(dimensions);
        let (number, score) = (number as u64, trial[1].as_f64());
        Past { number, values, score }
    };
    let past = trials.as_array().unwrap().iter().enumerate().map(trial).collect();
    Question { space, seed: 0, past }
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn expect_near(name: &Value, ours: &[f64], theirs: &[f64], tolerance: f64) {
    println!("{name}: {ours:.3?} {theirs:.3?}");
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < tolerance, "{name}: {ours} {theirs}");
    }
}

#[test]
fn agrees_with_optunas_fanova() {
    let fixture = fixture();
    for case in fixture["cases"].as_array().unwrap() {
        let ours = importance(&question(&fixture["space"], &case["trials"], 4));
        let theirs = numbers(&case["shares"]);
        // Two kinds of forest: theirs cuts a choice by one column a value, ours into one value and the rest; 0.303, 0.167, 0 and 0.531 are
        // the exact shares of "mixed", which ours are nearer to.
        expect_near(&case["name"], &ours, &theirs, 0.05 + case["apart"].as_f64().unwrap());
        let most = |shares: &[f64]| (0..shares.len()).max_by(|&a, &b| shares[a].total_cmp(&shares[b]));
        assert_eq!(most(&ours), most(&theirs), "{}", case["name"]);
    }
}

#[test]
fn a_choice_counts_with_its_branches() {
    let fixture = &fixture()["conditional"];
    for case in fixture["cases"].as_array().unwrap() {
        // Optuna's question: what all trials have, without the branches.
        let apart = case["apart"].as_f64().unwrap();
        let shared = importance(&question(&fixture["space"], &case["trials"], 3));
        expect_near(&case["name"], &shared, &numbers(&case["shares"]), 0.05 + apart);
        // Ours: the truth, as nearly as Optuna's forest meets it on "mixed", a space without branches (0.590 for 0.531).
        let ours = importance(&question(&fixture["space"], &case["trials"], 5));
        expect_near(&case["name"], &ours, &numbers(&case["exact"]), 0.06);
    }
}
