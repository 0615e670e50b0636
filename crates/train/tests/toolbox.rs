//! What the training toolbox promises: schedules, clipping, penalties, groups, class weights, averages, wrappers, starting weights,
//! gradient checks; each against what it says, and on any number of threads.

mod networks;

use std::collections::BTreeMap;
use std::sync::Arc;

use nabla_error::Code;
use nabla_graph::passes::differentiate::planted;
use nabla_train::gradient_check::check_gradients;
use nabla_train::range_test::{Range, range_test};
use nabla_train::start::weights_from;
use nabla_train::{Control, Job, Model};
use networks::*;
use serde_json::{Value, json};

fn weights(model: &Model) -> BTreeMap<String, Vec<f64>> {
    let all = model.weight_shapes();
    all.into_iter()
        .map(|(name, _)| (name.clone(), model.weight(&name).unwrap()))
        .collect()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Full batches of a small regression in double precision, plain gradient descent; `changes` on top.
fn small(changes: &Value) -> Arc<nabla_train::Recipe> {
    let graph = network(&[4, 9, 2], &["tanh"], 0.0, "meanSquaredError");
    let mut all = json!({
        "precision": "f64", "output": "identity", "batchSize": "full", "epochs": 1, "optimizer": { "kind": "sgd", "learningRate": 0.1 },
    });
    for (key, value) in changes.as_object().unwrap() {
        all[key] = value.clone();
    }
    recipe(&graph, all)
}

fn fitted(changes: Value) -> Model {
    train(&small(&changes), &Job::new(number_data(30, 4, 2)), 1).model
}

/// The first weights.
fn first() -> BTreeMap<String, Vec<f64>> {
    weights(&fitted(json!({ "optimizer": { "kind": "sgd", "learningRate": 0 } })))
}

/// Weights before and after one step, and so the gradient.
fn gradient() -> BTreeMap<String, Vec<f64>> {
    let (before, after) = (first(), weights(&fitted(json!({}))));
    before
        .iter()
        .map(|(n, b)| (n.clone(), b.iter().zip(&after[n]).map(|(b, a)| (b - a) / 0.1).collect()))
        .collect()
}

fn all_options() -> Vec<(&'static str, Value)> {
    let decay = json!({ "kind": "adamw", "learningRate": 0.01, "weightDecay": 0.1 });
    vec![
        ("decay", json!({ "optimizer": decay })),
        ("lamb", json!({ "optimizer": { "kind": "lamb", "learningRate": 0.01 } })),
        ("clip value", json!({ "clip": { "value": 0.001 } })),
        ("clip norm", json!({ "clip": { "norm": 0.01 } })),
        ("clip global norm", json!({ "clip": { "globalNorm": 0.01 } })),
        ("clip adaptive", json!({ "clip": { "adaptive": 0.01 } })),
        (
            "gradient noise",
            json!({ "gradientNoise": { "variance": 0.01 }, "clip": { "globalNorm": 0.1 } }),
        ),
        ("l1", json!({ "regularizers": [{ "penalty": { "kind": "l1", "lambda": 0.01 } }] })),
        (
            "lq",
            json!({ "regularizers": [{ "penalty": { "kind": "lq", "lambda": 0.01, "q": 0.5 } }, { "penalty": { "kind": "lq", "lambda": 0.01, "q": 3 } }] }),
        ),
        (
            "max norm",
            json!({ "regularizers": [{ "penalty": { "kind": "maxNorm", "limit": 0.5 } }] }),
        ),
        (
            "groups",
            json!({ "optimizer": decay, "groups": [{ "match": "dense", "learningRate": 0.001, "weightDecay": 0 }, { "match": "*bias", "freeze": true }] }),
        ),
        ("class weights", json!({ "classWeights": "balanced" })),
        ("swa", json!({ "averaging": { "kind": "swa", "start": 0.3 }, "epochs": 3 })),
        ("ema", json!({ "averaging": { "kind": "ema", "decay": 0.9 } })),
        (
            "sam",
            json!({ "optimizer": { "kind": "sam", "rho": 0.1, "base": { "kind": "adam" } } }),
        ),
        (
            "nesterov that looks ahead",
            json!({ "optimizer": { "kind": "sgd", "momentum": 0.9, "nesterov": true, "lookAhead": true }, "groups": [{ "match": "dense2", "learningRate": 0.001 }] }),
        ),
        (
            "adaptive sam in lookahead",
            json!({ "optimizer": { "kind": "lookahead", "steps": 2, "base": { "kind": "sam", "adaptive": true, "base": { "kind": "sgd", "momentum": 0.9 } } } }),
        ),
        (
            "schedule",
            json!({ "schedule": { "kind": "warmup", "steps": 2, "next": { "kind": "cosine", "by": "step" } } }),
        ),
        (
            "everything",
            json!({
                "optimizer": { "kind": "lookahead", "steps": 2, "base": { "kind": "sam", "base": { "kind": "lamb" } } },
                "clip": { "globalNorm": 0.1 }, "averaging": { "kind": "ema", "decay": 0.9 }, "classWeights": "balanced",
                "regularizers": [{ "penalty": { "kind": "elasticNet", "l1": 0.001, "l2": 0.01 } }, { "penalty": { "kind": "maxNorm", "limit": 0.5 } }],
                "groups": [{ "match": "dense2", "learningRate": 0.1 }], "schedule": { "kind": "oneCycle" },
            }),
        ),
    ]
}

#[test]
fn threads_change_no_bit() {
    // Wide enough for a team to share it, and more than one block of a sum a parameter.
    let graph = network(&[200, 160, 10], &["relu"], 0.1, "crossEntropy");
    let data = class_data(130, 200, 10);
    for (name, changes) in all_options() {
        let mut all = json!({ "epochs": 2, "batchSize": 64 });
        for (key, value) in changes.as_object().unwrap() {
            all[key] = value.clone();
        }
        let recipe = recipe(&graph, all);
        let expected = weight_bits(&train(&recipe, &Job::new(data.clone()), 1).model);
        for threads in [2, 3] {
            let found = weight_bits(&train(&recipe, &Job::new(data.clone()), threads).model);
            assert!(found == expected, "{name} on {threads} threads");
        }
    }
}

#[test]
fn options_that_do_nothing_change_no_bit() {
    let plain = weight_bits(&fitted(json!({ "epochs": 3 })));
    for nothing in [
        json!({ "epochs": 3, "clip": { "globalNorm": 1e9 } }),
        json!({ "epochs": 3, "clip": { "value": 1e9 } }),
        json!({ "epochs": 3, "clip": { "adaptive": 1e9 } }),
        json!({ "epochs": 3, "regularizers": [{ "penalty": { "kind": "l1", "lambda": 0 } }, { "penalty": { "kind": "maxNorm", "limit": 1e9 } }] }),
        json!({ "epochs": 3, "schedule": { "kind": "constant" } }),
        json!({ "epochs": 3, "groups": [{ "match": "dense*", "learningRate": 0.1 }] }),
    ] {
        assert!(weight_bits(&fitted(nothing.clone())) == plain, "{nothing}");
    }
}

#[test]
fn noise_on_the_gradient_has_its_deviation_whatever_the_clip() {
    let variance = 4.0;
    let moved = |extra: Value, seed: u64| -> Vec<f64> {
        let mut changes = json!({ "gradientNoise": { "variance": variance }, "seed": seed });
        extra.as_object().unwrap().iter().for_each(|(k, v)| changes[k] = v.clone());
        let mut still = changes.clone();
        still.as_object_mut().unwrap().remove("gradientNoise");
        let (noisy, plain) = (weights(&fitted(changes)), weights(&fitted(still)));
        noisy
            .iter()
            .flat_map(|(n, w)| w.iter().zip(&plain[n]).map(|(a, b)| (a - b) / -0.1))
            .collect()
    };
    let noise: Vec<f64> = (0..20).flat_map(|seed| moved(json!({}), seed)).collect();
    // 20 fits of 65 weights: within four standard errors.
    let (n, mean) = (noise.len() as f64, noise.iter().sum::<f64>() / noise.len() as f64);
    let square = noise.iter().map(|x| x * x).sum::<f64>() / n;
    assert!(mean.abs() < 4.0 * (variance / n).sqrt(), "{mean}");
    assert!((square / variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{square}");
    let clipped = moved(json!({ "clip": { "globalNorm": 1e-3 } }), 0);
    for (a, b) in clipped.iter().zip(&moved(json!({}), 0)) {
        assert!((a - b).abs() < 1e-12, "the noise comes after the clip");
    }
}

#[test]
fn clipped_gradients_are_as_short_as_they_should_be() {
    let (g, before) = (gradient(), first());
    let global = norm(&g.values().flatten().copied().collect::<Vec<_>>());
    let step = |clip: Value| {
        let after = weights(&fitted(json!({ "clip": clip, "optimizer": { "kind": "sgd", "learningRate": 1 } })));
        before
            .iter()
            .map(|(n, b)| (n.clone(), b.iter().zip(&after[n]).map(|(b, a)| b - a).collect::<Vec<f64>>()))
            .collect::<BTreeMap<_, _>>()
    };
    for (name, found) in step(json!({ "globalNorm": 0.01 })) {
        let expected: Vec<f64> = g[&name].iter().map(|x| x * 0.01 / global).collect();
        assert_near(&name, &found, &expected, 1e-9);
    }
    for (name, found) in step(json!({ "norm": 0.01 })) {
        let factor = (0.01 / norm(&g[&name])).min(1.0);
        assert_near(&name, &found, &g[&name].iter().map(|x| x * factor).collect::<Vec<_>>(), 1e-9);
    }
    for (name, found) in step(json!({ "value": 0.01 })) {
        assert_near(
            &name,
            &found,
            &g[&name].iter().map(|x| x.clamp(-0.01, 0.01)).collect::<Vec<_>>(),
            1e-9,
        );
    }
    // by column of a kernel, a bias as a whole
    for (name, found) in step(json!({ "adaptive": 0.02 })) {
        let (w, g) = (&before[&name], &g[&name]);
        let columns = if name.ends_with("bias") {
            1
        } else {
            if name.starts_with("dense2") { 2 } else { 9 }
        };
        let column = |x: &[f64], j: usize| norm(&x.iter().skip(j).step_by(columns).copied().collect::<Vec<_>>());
        let expected: Vec<f64> = (0..g.len())
            .map(|i| {
                let limit = 0.02 * column(w, i % columns).max(1e-3);
                g[i] * (limit / column(g, i % columns)).min(1.0)
            })
            .collect();
        assert_near(&name, &found, &expected, 1e-9);
    }
}

#[test]
fn penalties_act_on_weights_and_leave_biases_alone() {
    let (g, before) = (gradient(), first());
    let after = |penalty: Value| weights(&fitted(json!({ "regularizers": [penalty] })));
    let named = after(json!({ "penalty": { "kind": "l2", "lambda": 0.3 }, "parameters": ["dense2/kernel"] }));
    for (penalty, step) in [
        (
            json!({ "kind": "l2", "lambda": 0.3 }),
            (|w: f64, g: f64| w - 0.1 * (g + 0.3 * w)) as fn(f64, f64) -> f64,
        ),
        (json!({ "kind": "l1", "lambda": 0.3 }), |w, g| {
            let w = w - 0.1 * g;
            w.signum() * (w.abs() - 0.03).max(0.0)
        }),
        (json!({ "kind": "elasticNet", "l1": 0.3, "l2": 0.2 }), |w, g| {
            let w = w - 0.1 * (g + 0.2 * w);
            w.signum() * (w.abs() - 0.03).max(0.0)
        }),
        (json!({ "kind": "lq", "lambda": 0.3, "q": 4 }), |w, g| {
            w - 0.1 * (g + 0.15 * 4.0 * w * w * w)
        }),
    ] {
        for (name, found) in after(json!({ "penalty": penalty })) {
            let plain = name.ends_with("bias");
            let expected: Vec<f64> = before[&name]
                .iter()
                .zip(&g[&name])
                .map(|(&w, &g)| if plain { w - 0.1 * g } else { step(w, g) })
                .collect();
            assert_near(&format!("{penalty} {name}"), &found, &expected, 1e-12);
            if penalty["kind"] == "l2" && name == "dense2/kernel" {
                assert_near("named", &named[&name], &expected, 1e-12);
            }
        }
    }
    let sparse = fitted(json!({ "epochs": 300, "regularizers": [{ "penalty": { "kind": "lq", "lambda": 0.1, "q": 0.5 } }] }));
    let zeros = sparse.weight("dense/kernel").unwrap().iter().filter(|w| **w == 0.0).count();
    assert!(zeros > 5, "{zeros} of 36 weights are exactly 0");
    let short = fitted(json!({ "epochs": 20, "regularizers": [{ "penalty": { "kind": "maxNorm", "limit": 0.2 } }] }));
    let kernel = short.weight("dense/kernel").unwrap();
    for j in 0..9 {
        let length = norm(&kernel.iter().skip(j).step_by(9).copied().collect::<Vec<_>>());
        assert!(length <= 0.2 + 1e-12, "{length}");
    }
}

#[test]
fn decay_and_l2_are_one_for_plain_descent() {
    let decayed = fitted(json!({ "epochs": 5, "optimizer": { "kind": "sgd", "learningRate": 0.1, "weightDecay": 0.2 } }));
    let penalized = fitted(json!({ "epochs": 5, "regularizers": [{ "penalty": { "kind": "l2", "lambda": 0.2 } }] }));
    for (name, values) in weights(&decayed) {
        assert_near(&name, &values, &penalized.weight(&name).unwrap(), 1e-13);
    }
}

#[test]
fn groups_freeze_and_have_rates_of_their_own() {
    let before = first();
    let frozen = fitted(json!({ "epochs": 3, "groups": [{ "match": "dense", "freeze": true }] }));
    assert_eq!(frozen.weight("dense/kernel").unwrap(), before["dense/kernel"]);
    assert_ne!(frozen.weight("dense2/kernel").unwrap(), before["dense2/kernel"]);
    let g = gradient();
    let slow =
        fitted(json!({ "groups": [{ "match": "dense2", "learningRate": 0.01 }], "schedule": { "kind": "constant", "factor": 0.5 } }));
    for (name, rate) in [("dense/kernel", 0.05), ("dense2/kernel", 0.005), ("dense2/bias", 0.005)] {
        let expected: Vec<f64> = before[name].iter().zip(&g[name]).map(|(w, g)| w - rate * g).collect();
        assert_near(name, &slow.weight(name).unwrap(), &expected, 1e-12);
    }
    let graph = network(&[4, 9, 2], &["tanh"], 0.0, "meanSquaredError");
    for (changes, place) in [
        (json!({ "groups": [{ "match": "conv*", "freeze": true }] }), "groups.match"),
        (
            json!({ "groups": [{ "match": "dense*", "learningRate": 0.1 }, { "match": "dense2/bias", "freeze": true }] }),
            "groups.match",
        ),
        (json!({ "groups": [{ "match": "*", "freeze": true }] }), "groups.freeze"),
        (
            json!({ "groups": [{ "match": "dense", "weightDecay": 0.1 }] }),
            "groups.weightDecay",
        ),
        (
            json!({ "regularizers": [{ "penalty": { "kind": "l2", "lambda": 1 }, "parameters": ["nothing"] }] }),
            "regularizers.parameters",
        ),
        (json!({ "clip": { "norm": 0 } }), "clip.norm"),
        (
            json!({ "schedule": { "kind": "reduceOnPlateau", "monitor": "auc", "maximize": true } }),
            "schedule.monitor",
        ),
        (json!({ "averaging": { "kind": "ema", "decay": 1 } }), "averaging.decay"),
    ] {
        let error = try_recipe(&graph, changes).unwrap_err();
        assert_eq!((error.code, error.place.as_deref()), (Code::InvalidOption, Some(place)), "{error}");
    }
}

#[test]
fn the_rate_follows_its_schedule() {
    let rates = |changes: Value| -> Vec<f64> { fitted(changes).history.iter().map(|e| e.learning_rate).collect() };
    assert_near(
        "step",
        &rates(json!({ "epochs": 4, "schedule": { "kind": "step", "every": 2, "factor": 0.5 } })),
        &[0.1, 0.1, 0.05, 0.05],
        1e-15,
    );
    assert_near(
        "rates",
        &rates(json!({ "epochs": 3, "schedule": { "kind": "rates", "rates": [0.3, 0.2, 0.1] } })),
        &[0.3, 0.2, 0.1],
        0.0,
    );
    // Nothing gets better by a million, so each epoch after the first waits.
    let plateau = json!({ "kind": "reduceOnPlateau", "monitor": "loss", "maximize": false, "factor": 0.5, "patience": 1, "minDelta": 1e6 });
    assert_near(
        "plateau",
        &rates(json!({ "epochs": 6, "schedule": plateau })),
        &[0.1, 0.1, 0.1, 0.05, 0.05, 0.025],
        1e-15,
    );
    let error = try_train(
        &small(&json!({ "epochs": 3, "schedule": { "kind": "rates", "rates": [1.0, 1.0] } })),
        &Job::new(number_data(30, 4, 2)),
        1,
    )
    .unwrap_err();
    assert_eq!((error.code, error.place.as_deref()), (Code::InvalidOption, Some("schedule")));
}

#[test]
fn averages_are_those_of_the_weights_on_the_way() {
    let steps: Vec<_> = (1..=4).map(|epochs| weights(&fitted(json!({ "epochs": epochs })))).collect();
    let swa = fitted(json!({ "epochs": 4, "averaging": { "kind": "swa", "start": 0.5 } }));
    let ema = fitted(json!({ "epochs": 4, "averaging": { "kind": "ema", "decay": 0.25 } }));
    for (name, start) in first() {
        let mean: Vec<f64> = (0..start.len()).map(|i| (steps[2][&name][i] + steps[3][&name][i]) / 2.0).collect();
        assert_near(&name, &swa.weight(&name).unwrap(), &mean, 1e-13);
        let mut mean = start;
        for (t, weights) in steps.iter().enumerate() {
            let decay = 0.25f64.min((t + 1) as f64 / (t + 10) as f64);
            mean.iter_mut()
                .zip(&weights[&name])
                .for_each(|(m, w)| *m = decay * *m + (1.0 - decay) * w);
        }
        assert_near(&name, &ema.weight(&name).unwrap(), &mean, 1e-13);
    }
}

#[test]
fn lookahead_and_sam_do_as_their_papers_say() {
    let steps: Vec<_> = (1..=2).map(|epochs| weights(&fitted(json!({ "epochs": epochs })))).collect();
    let ahead = fitted(
        json!({ "epochs": 2, "optimizer": { "kind": "lookahead", "steps": 2, "alpha": 0.3, "base": { "kind": "sgd", "learningRate": 0.1 } } }),
    );
    for (name, start) in first() {
        let expected: Vec<f64> = start.iter().zip(&steps[1][&name]).map(|(s, w)| s + 0.3 * (w - s)).collect();
        assert_near(&name, &ahead.weight(&name).unwrap(), &expected, 1e-13);
    }
    // The gradient at the worst point: a plain fit that starts there.
    let (g, before) = (gradient(), first());
    for adaptive in [false, true] {
        let toward = |w: f64, g: f64| if adaptive { w * w * g } else { g };
        let all: Vec<f64> = before
            .iter()
            .flat_map(|(n, w)| w.iter().zip(&g[n]).map(|(w, g)| if adaptive { w * g } else { *g }))
            .collect();
        let length = norm(&all);
        let there: BTreeMap<String, Vec<f64>> = before
            .iter()
            .map(|(n, w)| {
                (
                    n.clone(),
                    w.iter().zip(&g[n]).map(|(&w, &g)| w + 0.05 * toward(w, g) / length).collect(),
                )
            })
            .collect();
        let job = Job {
            from: Some(Arc::new(there.clone())),
            ..Job::new(number_data(30, 4, 2))
        };
        let moved = train(&small(&json!({})), &job, 1).model;
        let sam = fitted(
            json!({ "optimizer": { "kind": "sam", "rho": 0.05, "adaptive": adaptive, "base": { "kind": "sgd", "learningRate": 0.1 } } }),
        );
        for (name, w) in &before {
            let expected: Vec<f64> = w
                .iter()
                .zip(&there[name])
                .zip(moved.weight(name).unwrap())
                .map(|((w, from), to)| w + (to - from))
                .collect();
            assert_near(name, &sam.weight(name).unwrap(), &expected, 1e-12);
        }
    }
}

#[test]
fn class_weights_are_weights_of_rows() {
    let graph = network(&[4, 9, 3], &["tanh"], 0.0, "crossEntropy");
    let parts = class_parts(30, 4, 3);
    let labels = nabla_data::Dataset::from(class_parts(30, 4, 3).build().unwrap()).labels().unwrap();
    let fitted = |changes: Value, rows: Option<Vec<f64>>| {
        let mut all = json!({ "precision": "f64", "epochs": 3 });
        for (key, value) in changes.as_object().unwrap() {
            all[key] = value.clone();
        }
        let data = nabla_data::SourceParts {
            weights: rows,
            ..parts.clone()
        }
        .build()
        .unwrap()
        .into();
        weights(&train(&recipe(&graph, all), &Job::new(data), 1).model)
    };
    let named = fitted(json!({ "classWeights": { "class 1": 3.0 } }), None);
    let rows = fitted(json!({}), Some(labels.iter().map(|&l| if l == 1 { 3.0 } else { 1.0 }).collect()));
    let counts = [0, 1, 2].map(|c| labels.iter().filter(|&&l| l == c).count() as f64);
    let balanced = fitted(json!({ "classWeights": "balanced" }), None);
    let by_count = fitted(json!({}), Some(labels.iter().map(|&l| 10.0 / counts[l as usize]).collect()));
    for name in named.keys() {
        assert_near(name, &named[name], &rows[name], 1e-13);
        assert_near(name, &balanced[name], &by_count[name], 1e-13);
    }
    let wrong = recipe(&graph, json!({ "classWeights": { "clas 1": 3.0 } }));
    let error = try_train(&wrong, &Job::new(class_data(30, 4, 3)), 1).unwrap_err();
    assert_eq!((error.code, error.place.as_deref()), (Code::InvalidOption, Some("classWeights")));
    assert!(error.hint.unwrap().contains("class 1"));
}

#[test]
fn starts_from_another_model_by_name() {
    let old = fitted(json!({ "epochs": 3 }));
    let next = small(&json!({ "optimizer": { "kind": "sgd", "learningRate": 0 } }));
    let started = |take: Option<&[String]>| {
        let from = weights_from(&next, &old, take).unwrap();
        let job = Job {
            from: Some(Arc::new(from)),
            ..Job::new(number_data(30, 4, 2))
        };
        train(&next, &job, 1)
    };
    let whole = started(None);
    assert_eq!(weight_bits(&whole.model), weight_bits(&old));
    assert_eq!(whole.taken.len(), 4);
    let part = started(Some(&["dense".to_owned()]));
    assert_eq!(part.taken, ["dense/bias", "dense/kernel"]);
    assert_eq!(part.model.weight("dense/kernel").unwrap(), old.weight("dense/kernel").unwrap());
    assert_eq!(part.model.weight("dense2/kernel").unwrap(), first()["dense2/kernel"]);
    assert_eq!(
        weights_from(&next, &old, Some(&["conv".to_owned()])).unwrap_err().code,
        Code::InvalidOption
    );
    let wider = recipe(
        &network(&[4, 9, 3], &["tanh"], 0.0, "meanSquaredError"),
        json!({ "output": "identity" }),
    );
    assert_eq!(weights_from(&wider, &old, None).unwrap_err().code, Code::ShapeMismatch);
}

#[test]
fn gradients_are_checked_in_one_call() {
    for (sizes, activations, dropout, loss, output) in [
        (vec![4, 20, 3], vec!["tanh"], 0.0, "crossEntropy", "softmax"),
        (vec![4, 20, 18, 3], vec!["relu", "gelu"], 0.3, "crossEntropy", "softmax"),
        (vec![4, 7, 3], vec!["sigmoid"], 0.0, "meanSquaredError", "identity"),
    ] {
        let recipe = recipe(
            &network(&sizes, &activations, dropout, loss),
            json!({ "output": output, "prepare": [{ "kind": "standardize" }] }),
        );
        let data = if loss == "crossEntropy" {
            class_data(8, 4, 3)
        } else {
            number_data(8, 4, 3)
        };
        let found = check_gradients(&recipe, &data, 1e-5, 50).unwrap();
        assert!(found.max_relative_error < 1e-6, "{found:?}");
        assert_eq!(found.parameters.len(), 2 * (sizes.len() - 1));
        assert!(found.checked > 50);
    }
}

#[test]
fn a_wrong_derivative_of_an_operator_is_found_and_its_parameters_named() {
    // Of other sizes each time: a program that is compiled already would not be made again.
    let check = |units: usize| {
        let graph = network(&[4, 9, units, 3], &["sigmoid", "tanh"], 0.0, "crossEntropy");
        check_gradients(&recipe(&graph, json!({})), &class_data(8, 4, 3), 1e-5, 50).unwrap()
    };
    let share = |factor: f64| (factor - 1.0).abs() / (factor + 1.0);
    assert!(check(7).max_relative_error < 1e-6);
    // What lies before the operator is wrong by its factor, what lies after it is right.
    for (operator, factor, wrong) in [("sigmoid", 1.01, 1), ("tanh", 1.1, 2), ("softmaxCrossEntropy", 0.5, 3)] {
        let found = planted::with(operator, factor, || check(7 + wrong));
        for (i, parameter) in ["dense", "dense2", "dense3"].iter().enumerate() {
            for p in found.parameters.iter().filter(|p| p.name.split_once('/').unwrap().0 == *parameter) {
                if i < wrong {
                    assert!((p.max_relative_error / share(factor) - 1.0).abs() < 1e-3, "{operator}: {p:?}");
                } else {
                    assert!(p.max_relative_error < 1e-6, "{operator}: {p:?}");
                }
            }
        }
        assert!(wrong == 3 || !found.worst_parameter.starts_with("dense3"), "{found:?}");
        assert!((found.max_relative_error / share(factor) - 1.0).abs() < 1e-3, "{found:?}");
    }
}

#[test]
fn the_range_test_ends_where_the_loss_breaks_out() {
    let graph = network(&[4, 9, 3], &["tanh"], 0.0, "crossEntropy");
    let recipe = recipe(&graph, json!({ "optimizer": { "kind": "sgd" } }));
    let job = Job::new(class_data(60, 4, 3));
    let range = Range {
        from: 1e-4,
        to: 1e3,
        steps: 100,
    };
    let found = range_test(&recipe, &job, range, 1, &Control::default()).unwrap();
    assert!(found.rates.len() >= 10 && found.rates.len() == found.losses.len());
    assert!(found.suggestion >= 1e-3 && found.suggestion < 30.0, "{}", found.suggestion);
    for wrong in [
        Range { from: 0.0, ..range },
        Range { to: 1e-5, ..range },
        Range { steps: 3, ..range },
    ] {
        assert_eq!(
            range_test(&recipe, &job, wrong, 1, &Control::default()).unwrap_err().code,
            Code::InvalidOption
        );
    }
}

/// At one rate the look-ahead form takes its gradients where the rewritten form stands, so the losses agree and the weights do not.
#[test]
fn nesterov_looks_ahead_or_is_rewritten() {
    let run = |look: bool, inside: bool| {
        let sgd =
            json!({ "kind": "sgd", "learningRate": 0.1, "momentum": 0.9, "nesterov": true, "lookAhead": look, "rateInVelocity": inside });
        fitted(json!({ "epochs": 8, "optimizer": sgd }))
    };
    let losses = |model: &Model| -> Vec<f64> { model.history.iter().map(|e| e.train.get("loss").unwrap()).collect() };
    let rewritten = run(false, false);
    for (look, inside) in [(true, false), (true, true), (false, true)] {
        let other = run(look, inside);
        assert_near("losses", &losses(&other), &losses(&rewritten), 1e-13);
        let apart = weights(&other)["dense/kernel"]
            .iter()
            .zip(&weights(&rewritten)["dense/kernel"])
            .any(|(a, b)| (a - b).abs() > 1e-4);
        assert_eq!(apart, look);
    }
}

#[test]
fn lbfgs_goes_down_to_the_bottom() {
    let changes = json!({ "epochs": 60, "optimizer": { "kind": "lbfgs" } });
    let (found, plain) = (fitted(changes.clone()), fitted(json!({ "epochs": 60 })));
    let last = |model: &Model| model.history.last().unwrap().train.get("loss").unwrap();
    assert!(last(&found) < 0.1 * last(&plain), "{} {}", last(&found), last(&plain));
    let losses: Vec<f64> = found.history.iter().map(|e| e.train.get("loss").unwrap()).collect();
    assert!(losses.windows(2).all(|w| w[1] <= w[0]), "a search never goes up: {losses:?}");
    let job = Job::new(number_data(30, 4, 2));
    assert_eq!(weight_bits(&train(&small(&changes), &job, 3).model), weight_bits(&found));
    let graph = network(&[4, 9, 2], &["tanh"], 0.0, "meanSquaredError");
    for (more, place) in [
        (json!({}), "batchSize"),
        (json!({ "batchSize": "full", "clip": { "norm": 1 } }), "clip"),
        (
            json!({ "batchSize": "full", "averaging": { "kind": "ema", "decay": 0.9 } }),
            "averaging",
        ),
        (
            json!({ "batchSize": "full", "groups": [{ "match": "*", "learningRate": 1 }] }),
            "groups.learningRate",
        ),
        (
            json!({ "batchSize": "full", "regularizers": [{ "penalty": { "kind": "l1", "lambda": 1 } }] }),
            "regularizers",
        ),
    ] {
        let mut all = json!({ "output": "identity", "optimizer": { "kind": "lbfgs" } });
        more.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
        assert_eq!(try_recipe(&graph, all).unwrap_err().place.as_deref(), Some(place));
    }
}
