//! Samplers that learn against random search, and against the same samplers of Optuna, on functions whose minimum is known.
//!
//! `fixtures/optuna_regret.jsonl` holds what Optuna reaches, by its script beside it. The whole comparison takes minutes and is run by
//! `cargo test --release -p nabla-search --test regret -- --ignored --nocapture` (`SAMPLERS=tpe,gp` and `SEEDS=30` make it smaller); its
//! table is kept in `fixtures/regret.md`. The seeds, from 2000, are none that the samplers were tuned on.

mod problems;

use std::collections::BTreeMap;

use nabla_search::Sampler;
use nabla_search::coarse_to_fine::CoarseToFine;
use nabla_search::gaussian_process::GaussianProcess;
use nabla_search::tpe::Tpe;
use problems::{problems, regret};

const TRIALS: u64 = 100;

/// As they are by default, with the size of their rounds.
fn samplers() -> [(&'static str, Sampler, u64); 4] {
    let (tpe, process) = (Tpe::default(), GaussianProcess::default());
    [
        ("random", Sampler::Random, TRIALS),
        ("coarse to fine", Sampler::CoarseToFine(CoarseToFine::default()), TRIALS.div_ceil(3)),
        ("tpe", Sampler::Tpe(tpe), tpe.round),
        ("gp", Sampler::GaussianProcess(process), process.round),
    ]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    0.5 * (values[(n - 1) / 2] + values[n / 2])
}

/// The chance of so high ranks of `ours` if both were the same: Mann & Whitney 1947, one-sided, normal approximation with ties.
fn chance_of_worse(ours: &[f64], theirs: &[f64]) -> f64 {
    let (n, m) = (ours.len() as f64, theirs.len() as f64);
    let u: f64 = ours
        .iter()
        .flat_map(|a| {
            theirs
                .iter()
                .map(move |b| if a > b { 1.0 } else { 0.5 * f64::from(u8::from(a == b)) })
        })
        .sum();
    let z = (u - 0.5 * n * m - 0.5) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Regrets of Optuna by problem and sampler.
fn optuna() -> BTreeMap<(String, String), Vec<f64>> {
    let mut all: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/optuna_regret.jsonl");
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let study: serde_json::Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| study[name].as_str().unwrap().to_owned();
        all.entry((word("problem"), word("sampler")))
            .or_default()
            .push(study["regret"].as_f64().unwrap());
    }
    all
}

#[test]
fn learning_beats_random_search() {
    for problem in problems() {
        let mut medians = Vec::new();
        for (name, sampler, round) in &samplers() {
            // A Gaussian process takes its time, and is far ahead.
            let seeds = if matches!(sampler, Sampler::GaussianProcess(_)) { 3 } else { 11 };
            let one = |seed| regret(&problem, sampler, *round, 60, seed);
            medians.push((*name, median((0..seeds).map(one).collect())));
        }
        for (name, value) in &medians[1..] {
            assert!(*value < medians[0].1, "{name} on {}: {medians:?}", problem.name);
        }
    }
}

#[test]
#[ignore = "minutes: the whole comparison with Optuna"]
fn no_sampler_is_behind_optunas() {
    let asked = std::env::var("SAMPLERS").unwrap_or_default();
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(100);
    // Where the samplers are tuned, other seeds than those that test them.
    let first: u64 = std::env::var("FIRST").ok().and_then(|s| s.parse().ok()).unwrap_or(2000);
    let theirs = optuna();
    println!(
        "| problem | sampler | median regret | Optuna | ratio | chance of being so far behind by luck | of beating random so by luck |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut behind = Vec::new();
    let only = std::env::var("PROBLEM").unwrap_or_default();
    for problem in problems().into_iter().filter(|p| p.name.contains(&only)) {
        let mut random: Vec<f64> = Vec::new();
        for (name, sampler, round) in samplers() {
            if !asked.is_empty() && !asked.split(',').any(|a| a == name) {
                continue;
            }
            let ours: Vec<f64> = (first..first + seeds)
                .map(|seed| regret(&problem, &sampler, round, TRIALS, seed))
                .collect();
            let mine = median(ours.clone());
            let better = if random.is_empty() { 1.0 } else { chance_of_worse(&random, &ours) };
            if name != "random" && !random.is_empty() && better > 0.01 {
                behind.push(format!("{name} on {}: random search", problem.name));
            }
            let rivals = theirs
                .iter()
                .filter(|((p, s), _)| p == problem.name && s.split(' ').next() == Some(name));
            let mut compared = 0;
            for ((_, rival), regrets) in rivals {
                compared += 1;
                let (yours, chance) = (median(regrets.clone()), chance_of_worse(&ours, regrets));
                let n = regrets.len();
                println!(
                    "| {} | {name} | {mine:.4e} | {rival} {yours:.4e} ({n}) | {:.2} | {chance:.3} | {better:.4} |",
                    problem.name,
                    mine / yours
                );
                if mine > 1.1 * yours || chance < 0.01 {
                    behind.push(format!("{name} on {}: Optuna's {rival}", problem.name));
                }
            }
            if compared == 0 {
                println!("| {} | {name} | {mine:.4e} | | | | {better:.4} |", problem.name);
            }
            if name == "random" {
                random = ours;
            }
        }
    }
    assert!(behind.is_empty(), "behind: {behind:#?}");
}
