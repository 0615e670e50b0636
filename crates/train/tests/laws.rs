//! The laws of a fit and of a fitted model.

mod networks;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nabla_data::split::{HoldOutOptions, Ratios, Shares, hold_out};
use nabla_data::{Dataset, Matrix, SourceParts, TargetParts};
use nabla_error::{Code, Error};
use nabla_graph::{Builder, Shape};
use nabla_params::Initializer;
use nabla_train::history::Stopped;
use nabla_train::{Control, Event, Job, Model, fits};
use networks::*;
use serde_json::{Value, json};

/// A data set of given rows.
fn rows_of(parts: &SourceParts, rows: &[usize], weights: Option<Vec<f64>>) -> Dataset {
    let Matrix::F64(values) = &parts.features else {
        panic!("features are f64 here")
    };
    let width = values.len() / parts.rows;
    let features = rows
        .iter()
        .flat_map(|&r| values[r * width..(r + 1) * width].iter().copied())
        .collect();
    let target = match &parts.target {
        Some(TargetParts::Classes { names, labels }) => Some(TargetParts::Classes {
            names: names.clone(),
            labels: rows.iter().map(|&r| labels[r]).collect(),
        }),
        _ => panic!("classes here"),
    };
    SourceParts {
        target,
        weights,
        ..SourceParts::new(rows.len(), Matrix::F64(features))
    }
    .build()
    .unwrap()
    .into()
}

fn assert_same_weights(what: &str, a: &Model, b: &Model, tolerance: f64) {
    for (name, _) in a.weight_shapes() {
        assert_near(
            &format!("{what}: {name}"),
            &a.weight(&name).unwrap(),
            &b.weight(&name).unwrap(),
            tolerance,
        );
    }
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("nabla-train-laws-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

fn early(patience: usize, restore_best: bool) -> Value {
    json!({ "monitor": "loss", "mode": "min", "patience": patience, "minDelta": 0, "restoreBest": restore_best, "validationFraction": 0.2 })
}

#[test]
fn weights_count_rows() {
    let graph = network(&[4, 9, 3], &["tanh"], 0.0, "crossEntropy");
    let recipe = recipe(&graph, json!({ "precision": "f64", "batchSize": "full", "epochs": 10 }));
    let parts = class_parts(12, 4, 3);
    let all: Vec<usize> = (0..12).collect();
    let fitted = |rows: &[usize], weights: Option<Vec<f64>>| train(&recipe, &Job::new(rows_of(&parts, rows, weights)), 1).model;

    let mut weights = vec![1.0; 12];
    (weights[3], weights[11]) = (0.0, 0.0);
    let without: Vec<usize> = all.iter().copied().filter(|r| ![3, 11].contains(r)).collect();
    let (zero, absent) = (fitted(&all, Some(weights)), fitted(&without, None));
    assert_eq!(weight_bits(&zero), weight_bits(&absent), "weight 0 is a row that is absent");
    assert_eq!(history_bits(&zero), history_bits(&absent));

    let mut weights = vec![1.0; 12];
    weights[5] = 2.0;
    let twice: Vec<usize> = all.iter().copied().chain([5]).collect();
    assert_same_weights("weight 2 is a row twice", &fitted(&all, Some(weights)), &fitted(&twice, None), 1e-9);
    assert_same_weights(
        "weights are relative",
        &fitted(&all, Some(vec![3.5; 12])),
        &fitted(&all, None),
        1e-9,
    );
}

#[test]
fn a_row_of_weight_0_takes_no_place_in_a_batch() {
    let graph = network(&[4, 9, 3], &["tanh"], 0.2, "crossEntropy");
    let recipe = recipe(&graph, json!({ "batchSize": 3, "shuffle": false }));
    let parts = class_parts(12, 4, 3);
    let mut weights = vec![1.0; 12];
    weights[1] = 0.0;
    let without: Vec<usize> = (0..12).filter(|&r| r != 1).collect();
    let a = train(&recipe, &Job::new(rows_of(&parts, &(0..12).collect::<Vec<_>>(), Some(weights))), 1).model;
    let b = train(&recipe, &Job::new(rows_of(&parts, &without, None)), 1).model;
    assert_eq!((a.history[0].batches, b.history[0].batches), (4, 4));
    assert_eq!(weight_bits(&a), weight_bits(&b));
}

#[test]
fn every_batch_size_is_defined() {
    let graph = network(&[4, 9, 3], &["relu"], 0.0, "crossEntropy");
    let data = class_data(10, 4, 3);
    let fitted = |size: Value| {
        let changes = json!({ "batchSize": size, "shuffle": false, "metrics": [{ "kind": "accuracy", "name": "accuracy" }] });
        train(&recipe(&graph, changes), &Job::new(data.clone()), 1).model
    };
    for (size, batches) in [(1, 10), (3, 4), (4, 3), (9, 2), (10, 1), (11, 1), (1000, 1)] {
        let model = fitted(json!(size));
        assert!(
            model.history.iter().all(|e| e.batches == batches),
            "batches of {size}: {:?}",
            model.history
        );
        assert!(model.history.iter().all(|e| e.train.get("loss").unwrap().is_finite()));
    }
    let full = weight_bits(&fitted(json!("full")));
    assert!(
        [10, 11, 1000].iter().all(|&size| weight_bits(&fitted(json!(size))) == full),
        "a batch of all rows is the full batch"
    );
    let refused = try_recipe(&graph, json!({ "batchSize": 0 })).unwrap_err();
    assert_eq!(refused.code, Code::InvalidOption);
}

#[test]
fn tiny_data_has_a_defined_result() {
    let prepared = json!({ "prepare": [{ "kind": "standardize" }], "metrics": [{ "kind": "accuracy", "name": "accuracy" }] });
    let finite = |what: &str, model: &Model, data: &Dataset| {
        assert!(model.history.iter().all(|e| e.train.get("loss").unwrap().is_finite()), "{what}");
        let predictions = model.predict(data, 1).unwrap();
        assert!(predictions.iter().all(|p| p.is_finite()), "{what}: {predictions:?}");
        assert_eq!(predictions.len(), data.rows() * model.output_width(), "{what}");
    };
    let one_row = class_data(1, 4, 3);
    finite(
        "one row",
        &train(
            &recipe(&network(&[4, 9, 3], &["relu"], 0.0, "crossEntropy"), prepared.clone()),
            &Job::new(one_row.clone()),
            2,
        )
        .model,
        &one_row,
    );

    let one_feature = class_data(20, 1, 2);
    finite(
        "one feature",
        &train(
            &recipe(&network(&[1, 9, 2], &["relu"], 0.0, "crossEntropy"), prepared.clone()),
            &Job::new(one_feature.clone()),
            1,
        )
        .model,
        &one_feature,
    );

    let one_class = class_data(20, 4, 1);
    let without_metrics = json!({ "prepare": [{ "kind": "standardize" }] });
    let model = train(
        &recipe(&network(&[4, 9, 1], &["relu"], 0.0, "crossEntropy"), without_metrics),
        &Job::new(one_class.clone()),
        1,
    )
    .model;
    finite("one class", &model, &one_class);
    assert!(model.predict(&one_class, 1).unwrap().iter().all(|&p| p == 1.0));

    let mut parts = class_parts(20, 3, 2);
    let Matrix::F64(values) = &mut parts.features else { panic!() };
    values.iter_mut().skip(1).step_by(3).for_each(|v| *v = 0.1);
    let constant: Dataset = parts.build().unwrap().into();
    finite(
        "a constant feature",
        &train(
            &recipe(&network(&[3, 9, 2], &["relu"], 0.0, "crossEntropy"), prepared),
            &Job::new(constant.clone()),
            1,
        )
        .model,
        &constant,
    );

    let none = class_data(20, 4, 3).select(&[]).unwrap();
    let error = try_train(
        &recipe(&network(&[4, 9, 3], &["relu"], 0.0, "crossEntropy"), json!({})),
        &Job::new(none),
        1,
    )
    .unwrap_err();
    assert_eq!(error.code, Code::InvalidData, "{error}");
}

#[test]
fn one_class_has_a_defined_accuracy() {
    let recipe = recipe(
        &network(&[4, 9, 1], &["relu"], 0.0, "crossEntropy"),
        json!({ "metrics": [{ "kind": "accuracy", "name": "accuracy" }] }),
    );
    let model = train(&recipe, &Job::new(class_data(20, 4, 1)), 1).model;
    assert_eq!(model.history.last().unwrap().train.get("accuracy"), Some(1.0));
}

#[test]
fn early_stopping_restores_exactly_the_best_epoch() {
    let graph = network(&[5, 40, 3], &["relu"], 0.1, "crossEntropy");
    let changes = |extra: Value| {
        let mut all = json!({ "epochs": 200, "batchSize": 4, "optimizer": { "kind": "adam", "learningRate": 0.03 } });
        extra.as_object().unwrap().iter().for_each(|(k, v)| all[k] = v.clone());
        all
    };
    let job = Job {
        validation: Some(class_data(17, 5, 3)),
        ..Job::new(class_data(60, 5, 3).select(&(20..60).collect::<Vec<_>>()).unwrap())
    };
    let stopped = train(&recipe(&graph, changes(json!({ "earlyStopping": early(4, true) }))), &job, 1);
    let history = &stopped.model.history;
    let losses: Vec<f64> = history
        .iter()
        .map(|e| e.validation.as_ref().unwrap().get("loss").unwrap())
        .collect();
    let best = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(
        (stopped.stopped, stopped.model.best_epoch),
        (Stopped::Early, Some(best)),
        "{losses:?}"
    );
    assert_eq!(history.len(), best + 1 + 4, "ends after four epochs without a better value");
    assert!(history.len() < 200 && best > 0);

    let only = train(&recipe(&graph, changes(json!({ "epochs": best + 1 }))), &job, 1);
    assert_eq!(
        weight_bits(&stopped.model),
        weight_bits(&only.model),
        "restoreBest brings the weights of the best epoch"
    );
    let found = stopped.model.evaluate(job.validation.as_ref().unwrap(), None, 1).unwrap();
    assert_eq!(found.get("loss").unwrap().to_bits(), losses[best].to_bits());

    let last = train(&recipe(&graph, changes(json!({ "earlyStopping": early(4, false) }))), &job, 1);
    let all = train(&recipe(&graph, changes(json!({ "epochs": history.len() }))), &job, 1);
    assert_eq!(
        weight_bits(&last.model),
        weight_bits(&all.model),
        "without restoreBest the last weights stay"
    );
}

#[test]
fn early_stopping_holds_out_rows_by_class_where_none_are_given() {
    let graph = network(&[5, 8, 3], &["relu"], 0.0, "crossEntropy");
    let recipe = recipe(&graph, json!({ "earlyStopping": early(3, true), "epochs": 8 }));
    let data = class_data(60, 5, 3);
    let labels = data.labels().unwrap();
    let options = HoldOutOptions {
        rows: 60,
        ratios: Some(Ratios::Shares(Shares {
            validation: Some(0.2),
            ..Shares::default()
        })),
        stratify: true,
        seed: 7,
        ..HoldOutOptions::default()
    };
    let split = hold_out(&options, Some(&labels), None).unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (48, 12));
    for class in 0..3 {
        let count = |rows: &[u32]| rows.iter().filter(|&&r| labels[r as usize] == class).count() as f64;
        assert!((count(&split.validation) - 0.2 * labels.iter().filter(|&&l| l == class).count() as f64).abs() <= 1.0);
    }
    let inner = train(&recipe, &Job::new(data.clone()), 1);
    let given = Job {
        validation: Some(data.select(&split.validation).unwrap()),
        ..Job::new(data.select(&split.train).unwrap())
    };
    let given = train(&recipe, &given, 1);
    assert_eq!(history_bits(&inner.model), history_bits(&given.model));
    assert_eq!(weight_bits(&inner.model), weight_bits(&given.model));
}

#[test]
fn stop_keeps_what_is_there() {
    let graph = network(&[5, 8, 3], &["relu"], 0.0, "crossEntropy");
    let job = Job {
        score: Some(class_data(9, 5, 3)),
        ..Job::new(class_data(40, 5, 3))
    };
    let control = Control::default();
    let listener = |event: Event| {
        if let Event::Epoch(_, epoch) = event
            && epoch.index == 2
        {
            control.stop();
        }
    };
    let long = recipe(&graph, json!({ "epochs": 1000 }));
    let outcome = fits::run(&long, std::slice::from_ref(&job), 1, &control, &listener)
        .remove(0)
        .unwrap();
    assert_eq!((outcome.stopped, outcome.model.history.len()), (Stopped::Stop, 3));
    let three = train(&recipe(&graph, json!({ "epochs": 3 })), &job, 1);
    assert_eq!(weight_bits(&outcome.model), weight_bits(&three.model));
    assert_eq!(outcome.scores, three.scores);

    // Before the first batch: the first weights.
    let outcome = fits::run(&long, std::slice::from_ref(&job), 1, &control, &|_| {})
        .remove(0)
        .unwrap();
    assert_eq!(
        (outcome.stopped, outcome.model.history.len(), outcome.model.best_epoch),
        (Stopped::Stop, 0, None)
    );
    assert!(outcome.model.predict(&job.train, 1).unwrap().iter().all(|p| p.is_finite()));
}

#[test]
fn abort_ends_within_a_batch() {
    let graph = network(&[5, 8, 3], &["relu"], 0.0, "crossEntropy");
    let recipe = recipe(&graph, json!({ "epochs": 1_000_000, "batchSize": 1 }));
    let job = Job::new(class_data(2000, 5, 3));
    for jobs in [vec![job.clone()], vec![job; 3]] {
        let control = Control::default();
        let (outcomes, waited) = std::thread::scope(|scope| {
            let fit = scope.spawn(|| fits::run(&recipe, &jobs, 2, &control, &|_| {}));
            std::thread::sleep(Duration::from_millis(50));
            control.abort();
            let started = Instant::now();
            (fit.join().unwrap(), started.elapsed())
        });
        assert!(outcomes.into_iter().all(|o| o.unwrap_err().code == Code::Aborted));
        assert!(waited < Duration::from_secs(2), "{waited:?}");
    }
}

#[test]
fn what_is_not_finite_is_named() {
    // The third layer takes the logarithm of a feature that is negative in one row.
    let mut b = Builder::default();
    let x = b.input("features", Shape::batched(&[4])).unwrap();
    b.path = "logarithm".into();
    let x = b.apply_named("log", &[x], Value::Null).unwrap();
    let prediction = dense_layers(&mut b, x, &[4, 6, 3], &["relu"], 0.0);
    let graph = finish(b, prediction, "crossEntropy");
    let mut parts = class_parts(20, 4, 3);
    let Matrix::F64(values) = &mut parts.features else { panic!() };
    values.iter_mut().for_each(|v| *v = v.abs() + 0.1);
    values[13 * 4 + 2] = -1.0;
    let data: Dataset = parts.build().unwrap().into();
    for threads in [1, 2] {
        let error = try_train(
            &recipe(&graph, json!({ "shuffle": false, "batchSize": 5 })),
            &Job::new(data.clone()),
            threads,
        )
        .unwrap_err();
        assert_eq!(error.code, Code::NotFinite, "{error}");
        let text = error.to_string();
        for word in ["logarithm", "\"log\"", "row 13", "step 2", "epoch 0"] {
            assert!(text.contains(word), "{text} lacks {word}");
        }
    }
    // A view still names the row of the source; a shuffled order too.
    let view = data.select(&[19, 13, 2]).unwrap();
    let error = try_train(&recipe(&graph, json!({ "batchSize": 1 })), &Job::new(view), 1).unwrap_err();
    assert!(error.to_string().contains("row 13"), "{error}");
}

#[test]
fn a_huge_learning_rate_is_an_error_not_a_broken_model() {
    let data = number_data(30, 4, 2);
    let graph = network(&[4, 8, 2], &["tanh"], 0.0, "meanSquaredError");
    for precision in ["f32", "f64"] {
        for (rate, epochs) in [(1e20, 30), (1e300, 5), (1e300, 1)] {
            let changes = json!({
                "precision": precision, "output": "identity", "epochs": epochs, "batchSize": "full",
                "optimizer": { "kind": "sgd", "learningRate": rate },
            });
            match try_train(&recipe(&graph, changes), &Job::new(data.clone()), 1) {
                Err(error) => {
                    assert_eq!(error.code, Code::NotFinite, "{error}");
                    assert!(error.to_string().contains("step") && error.hint.is_some(), "{error}");
                }
                Ok(outcome) => {
                    let finite = |(_, bits): &(String, Vec<u64>)| bits.iter().all(|&b| f64::from_bits(b).is_finite());
                    assert!(
                        weight_bits(&outcome.model).iter().all(finite),
                        "{precision}, {rate}, {epochs} epochs: weights are not finite"
                    );
                }
            }
        }
    }
}

/// A network with one more parameter: `scale` multiplies the prediction, or is not used at all.
fn with_scale(used: bool, trainable: bool) -> nabla_graph::Graph {
    let mut b = Builder::default();
    let x = b.input("features", Shape::batched(&[4])).unwrap();
    let mut prediction = dense_layers(&mut b, x, &[4, 6, 3], &["relu"], 0.0);
    let scale = b
        .parameter("scale/factor", &[3], Initializer::Constant { value: 1.5 }, trainable, true)
        .unwrap();
    if used {
        prediction = b.apply_named("multiply", &[prediction, scale], Value::Null).unwrap();
    }
    finish(b, prediction, "crossEntropy")
}

#[test]
fn frozen_parameters_do_not_change() {
    let job = Job::new(class_data(30, 4, 3));
    for optimizer in [
        json!({ "kind": "adam", "learningRate": 0.05 }),
        json!({ "kind": "sgd", "learningRate": 0.1, "momentum": 0.9 }),
    ] {
        let frozen = train(&recipe(&with_scale(true, false), json!({ "optimizer": optimizer })), &job, 1).model;
        assert_eq!(frozen.weight("scale/factor").unwrap(), [1.5; 3]);
        let free = train(&recipe(&with_scale(true, true), json!({ "optimizer": optimizer })), &job, 1).model;
        assert_ne!(free.weight("scale/factor").unwrap(), [1.5; 3]);
        assert!(frozen.history.last().unwrap().train.get("loss") < frozen.history[0].train.get("loss"));
    }
}

#[test]
fn a_parameter_that_no_gradient_reaches_is_named() {
    let job = Job::new(class_data(30, 4, 3));
    let error = try_train(&recipe(&with_scale(false, true), json!({})), &job, 1).unwrap_err();
    assert_eq!(
        (error.code, error.place.as_deref()),
        (Code::NoGradient, Some("scale/factor")),
        "{error}"
    );
    assert!(try_train(&recipe(&with_scale(false, false), json!({})), &job, 1).is_ok());
}

#[test]
fn targets_that_do_not_fit_are_refused() {
    let cross = network(&[4, 8, 2], &["relu"], 0.0, "crossEntropy");
    let binary = network(&[4, 8, 1], &["relu"], 0.0, "binaryCrossEntropy");
    let squared = network(&[4, 8, 2], &["relu"], 0.0, "meanSquaredError");
    let one_output = network(&[4, 8, 1], &["relu"], 0.0, "crossEntropy");
    let without: Dataset = SourceParts {
        target: None,
        ..class_parts(20, 4, 2)
    }
    .build()
    .unwrap()
    .into();
    let (three, two) = (class_data(20, 4, 3), class_data(20, 4, 2));
    let cases: Vec<(&str, &nabla_graph::Graph, Dataset, Code)> = vec![
        ("three classes for two outputs", &cross, three.clone(), Code::ShapeMismatch),
        ("two classes for one output", &one_output, two.clone(), Code::ShapeMismatch),
        ("a number for class indices", &cross, number_data(20, 4, 1), Code::ShapeMismatch),
        ("two numbers for class indices", &cross, number_data(20, 4, 2), Code::ShapeMismatch),
        ("three classes for a binary loss", &binary, three.clone(), Code::ShapeMismatch),
        ("two numbers for a binary loss", &binary, number_data(20, 4, 2), Code::ShapeMismatch),
        (
            "three numbers for two outputs",
            &squared,
            number_data(20, 4, 3),
            Code::ShapeMismatch,
        ),
        ("three classes for two numbers", &squared, three, Code::ShapeMismatch),
        ("no targets", &cross, without, Code::InvalidData),
        ("five features for four", &cross, class_data(20, 5, 2), Code::ShapeMismatch),
    ];
    for (what, graph, data, code) in cases {
        let good: Dataset = if std::ptr::eq(graph, &squared) {
            number_data(20, 4, 2)
        } else {
            two.clone()
        };
        let recipe = recipe(graph, json!({ "output": "identity" }));
        let error = try_train(&recipe, &Job::new(data.clone()), 1)
            .map(|o| o.model.history)
            .expect_err(what);
        assert_eq!(error.code, code, "{what}: {error}");
        assert!(error.place.is_some(), "{what}: {error}");
        if !std::ptr::eq(graph, &one_output) {
            let error = try_train(
                &recipe,
                &Job {
                    validation: Some(data),
                    ..Job::new(good)
                },
                1,
            )
            .map(|_| ())
            .expect_err(what);
            assert_eq!(error.code, code, "{what} in validation: {error}");
        }
    }
    let recipe = recipe(&cross, json!({ "prepareTargets": [{ "kind": "standardize" }] }));
    assert_eq!(try_train(&recipe, &Job::new(two), 1).unwrap_err().code, Code::InvalidOption);
}

#[test]
fn starts_from_given_weights() {
    let graph = network(&[4, 8, 3], &["relu"], 0.0, "crossEntropy");
    let recipe = recipe(
        &graph,
        json!({ "optimizer": { "kind": "sgd", "learningRate": 0 }, "precision": "f64" }),
    );
    let data = class_data(20, 4, 3);
    let from = |from: &[(&str, Vec<f64>)]| {
        let from = from.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect::<BTreeMap<_, _>>();
        Job {
            from: Some(Arc::new(from)),
            ..Job::new(data.clone())
        }
    };
    let values = uniform(5, 32, -1.0, 1.0);
    let model = train(&recipe, &from(&[("dense/kernel", values.clone())]), 1).model;
    assert_eq!(model.weight("dense/kernel").unwrap(), values);
    let plain = train(&recipe, &Job::new(data.clone()), 1).model;
    assert_eq!(model.weight("dense2/kernel").unwrap(), plain.weight("dense2/kernel").unwrap());
    for (job, code) in [
        (from(&[("dense/kernal", values.clone())]), Code::InvalidOption),
        (from(&[("dense/kernel", values[1..].to_vec())]), Code::ShapeMismatch),
        (from(&[("dense/bias", vec![f64::NAN; 8])]), Code::NotFinite),
    ] {
        let error = try_train(&recipe, &job, 1).unwrap_err();
        assert_eq!(error.code, code, "{error}");
    }
}

/// A small model with preparation of features and targets.
fn saved_model(seed: u64, precision: &str) -> (Model, Dataset) {
    let graph = network(&[3, 5, 2], &["tanh"], 0.1, "meanSquaredError");
    let recipe = recipe(
        &graph,
        json!({
            "output": "identity", "epochs": 2, "seed": seed, "precision": precision,
            "prepare": [{ "kind": "standardize" }], "prepareTargets": [{ "kind": "minMax" }],
        }),
    );
    let data = number_data(20, 3, 2);
    (train(&recipe, &Job::new(data.clone()), 1).model, data)
}

#[test]
fn a_saved_model_predicts_the_same_bits() {
    for precision in ["f32", "f64"] {
        let at = folder(&format!("save-{precision}"));
        for seed in [1, 2] {
            // The second save replaces the first.
            let (model, data) = saved_model(seed, precision);
            model.save(&at, &json!({ "seed": seed })).unwrap();
            let (loaded, extra) = Model::load(&at).unwrap();
            assert_eq!(extra, json!({ "seed": seed }));
            assert_eq!(weight_bits(&loaded), weight_bits(&model));
            assert_eq!(loaded.history, model.history);
            let bits = |m: &Model| m.predict(&data, 1).unwrap().into_iter().map(f64::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(&loaded), bits(&model));
            assert_eq!(loaded.evaluate(&data, None, 1).unwrap(), model.evaluate(&data, None, 1).unwrap());
        }
        let mut files: Vec<_> = std::fs::read_dir(&at).unwrap().map(|f| f.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["model.json", "model.safetensors"]);
        std::fs::remove_dir_all(&at).unwrap();
    }
}

#[test]
fn damaged_files_are_coded_errors() {
    let at = folder("damaged");
    let (model, _) = saved_model(1, "f32");
    model.save(&at, &Value::Null).unwrap();
    let path = at.join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let load = |bytes: &[u8]| -> Result<(), Error> {
        std::fs::write(&path, bytes).unwrap();
        Model::load(&at).map(|_| ())
    };
    let mut tried = 0;
    for cut in 0..whole.len() {
        let error = load(&whole[..cut]).expect_err("a file that was cut");
        assert!(error.code != Code::Internal, "cut at {cut}: {error}");
        tried += 1;
    }
    let mut undetected = Vec::new();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        match load(&bytes) {
            Err(error) => assert!(error.code != Code::Internal, "flipped byte {at}: {error}"),
            Ok(()) => undetected.push(at),
        }
        tried += 1;
    }
    let context = |&at: &usize| String::from_utf8_lossy(&whole[at.saturating_sub(12)..(at + 12).min(whole.len())]).into_owned();
    // A flip in the name of the checksum's key makes the file look like one without it; the rest is checked as ever.
    assert!(
        undetected.len() <= 16,
        "{} of {} flips went unseen: {:?}",
        undetected.len(),
        whole.len(),
        undetected.iter().take(10).map(context).collect::<Vec<_>>()
    );
    assert!(load(&[&whole[..], &[0]].concat()).is_err(), "a byte too many");
    assert!(tried > 2000);
    load(&whole).unwrap();
    std::fs::remove_dir_all(&at).unwrap();
    let missing = Model::load(&at).unwrap_err();
    assert_eq!(missing.code, Code::Io, "{missing}");
}

#[test]
fn a_row_is_predicted_alone_as_in_a_batch() {
    let graph = network(&[6, 20, 17, 4], &["gelu", "relu"], 0.3, "crossEntropy");
    let changes = json!({ "prepare": [{ "kind": "minMax", "clip": true }, { "kind": "standardize" }] });
    for precision in ["f32", "f64"] {
        let mut changes = changes.clone();
        changes["precision"] = json!(precision);
        let data = class_data(600, 6, 4);
        let model = train(
            &recipe(&graph, changes),
            &Job::new(data.select(&(0..60).collect::<Vec<_>>()).unwrap()),
            1,
        )
        .model;
        let all = model.predict(&data, 2).unwrap();
        let Matrix::F64(features) = data.source().features() else {
            panic!()
        };
        for row in (0..600).step_by(7) {
            let alone = model.predict(&data.select(&[row as u32]).unwrap(), 1).unwrap();
            assert_near("alone", &alone, &all[row * 4..(row + 1) * 4], 1e-6);
        }
        for rows in (1..=17).chain([255, 256, 257, 600]) {
            let mut small = vec![0.0; rows * 4];
            model.predict_rows(&features[..rows * 6], None, &mut small).unwrap();
            assert_near(&format!("{rows} rows"), &small, &all[..rows * 4], 1e-6);
        }
    }
}

#[test]
fn bad_rows_to_predict_are_refused() {
    let (model, _) = saved_model(1, "f32");
    let mut out = [0.0; 2];
    assert_eq!(
        model.predict_rows(&[1.0, 2.0], None, &mut out).unwrap_err().code,
        Code::ShapeMismatch
    );
    for bad in [f64::NAN, f64::INFINITY] {
        assert_eq!(
            model.predict_rows(&[1.0, bad, 2.0], None, &mut out).unwrap_err().code,
            Code::NotFinite
        );
    }
    // Room for fewer or more predictions than rows must not go unnoticed.
    assert!(model.predict_rows(&[1.0; 6], None, &mut out).is_err());
    assert!(model.predict_rows(&[1.0; 3], None, &mut [0.0; 4]).is_err());
    assert_eq!(model.predict(&number_data(5, 4, 2), 1).unwrap_err().code, Code::ShapeMismatch);
    assert_eq!(model.weight("dense/kernl").unwrap_err().code, Code::InvalidOption);
}

#[test]
fn a_fit_changes_neither_data_nor_recipe() {
    let graph = network(&[5, 8, 3], &["relu"], 0.2, "crossEntropy");
    let recipe = recipe(&graph, json!({ "prepare": [{ "kind": "standardize" }] }));
    let data = class_data(30, 5, 3);
    let before = (recipe.spec.clone(), format!("{:?}", data.source().features()), data.labels());
    let first = train(&recipe, &Job::new(data.clone()), 2);
    let second = train(&recipe, &Job::new(data.clone()), 2);
    assert_eq!(weight_bits(&first.model), weight_bits(&second.model));
    assert_eq!(
        before,
        (recipe.spec.clone(), format!("{:?}", data.source().features()), data.labels())
    );
}

/// Every number of the plain data replaced by hostile ones, one at a time.
fn with_hostile_numbers(value: &Value, change: &mut impl FnMut(Value)) {
    fn numbers(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Number(_) => found.push(at.to_owned()),
            Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| numbers(v, &format!("{at}/{i}"), found)),
            Value::Object(items) => items
                .iter()
                .for_each(|(k, v)| numbers(v, &format!("{at}/{}", k.replace('~', "~0").replace('/', "~1")), found)),
            _ => {}
        }
    }
    let mut places = Vec::new();
    numbers(value, "", &mut places);
    for place in places {
        for hostile in [
            json!(0),
            json!(-1),
            json!(7),
            json!(1u64 << 31),
            json!(1u64 << 62),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1.5),
            json!(1e300),
        ] {
            let mut changed = value.clone();
            *changed.pointer_mut(&place).expect("a place just found") = hostile;
            change(changed);
        }
    }
}

#[test]
fn hostile_recipes_are_coded_errors() {
    let graph = network(&[4, 5, 3], &["relu"], 0.1, "crossEntropy");
    let refused = |what: &Value, work: &dyn Fn() -> Result<(), Error>| {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        match outcome {
            Ok(Ok(())) => 0,
            Ok(Err(error)) => {
                assert!(error.code != Code::Internal, "{error}: {what}");
                1
            }
            Err(_) => panic!("a panic from {what}"),
        }
    };
    let (mut tried, mut errors) = (0, 0);
    let mut check = |json: Value| {
        tried += 1;
        errors += refused(&json, &|| {
            let graph = nabla_graph::Graph::from_json(&json)?;
            let recipe = try_recipe(&graph, json!({}))?;
            recipe.training(8).and(recipe.inference(8, true)).map(|_| ())
        });
    };
    let json = graph.to_json();
    with_hostile_numbers(&json, &mut check);
    // The same sizes in several places at once, so that the shape rules agree.
    let text = json.to_string();
    for (from, to) in [
        ("4", "4611686018427387904"),
        ("5", "4611686018427387904"),
        ("3", "4294967296"),
        ("5", "0"),
        ("4", "0"),
    ] {
        for size in ["[-1,N]", "[N]", "[N,", ",N]"] {
            let (old, new) = (size.replace('N', from), size.replace('N', to));
            check(serde_json::from_str(&text.replace(&old, &new)).unwrap());
        }
        let all = ["[-1,N]", "[N]", "[N,", ",N]"]
            .iter()
            .fold(text.clone(), |t, size| t.replace(&size.replace('N', from), &size.replace('N', to)));
        check(serde_json::from_str(&all).unwrap());
    }
    // Sizes that no weight has, a huge row that is summed and a huge broadcast, past the tracer: by the plain data.
    let mut b = Builder::default();
    let x = b.input("features", Shape::batched(&[12345])).unwrap();
    let sum = b.apply_named("sum", &[x], json!({ "axes": [-1], "keepDims": true })).unwrap();
    let one = b.scalar(1.0);
    let wide = b.apply_named("broadcast", &[one], json!({ "shape": [12345, 2] })).unwrap();
    let all = b.apply_named("sum", &[wide], json!({ "axes": null })).unwrap();
    let x = b.apply_named("multiply", &[sum, all], Value::Null).unwrap();
    let prediction = dense_layers(&mut b, x, &[1, 3], &[], 0.0);
    let text = finish(b, prediction, "crossEntropy").to_json().to_string();
    check(serde_json::from_str(&text).unwrap());
    for size in [1u64 << 31, 1 << 36, 1 << 40, 1 << 61, i64::MAX as u64] {
        check(serde_json::from_str(&text.replace("12345", &size.to_string())).unwrap());
        let refused = catch_unwind(|| Builder::default().input("features", Shape::batched(&[size as usize])).is_err())
            .expect("no panic while tracing");
        // Smaller ones are refused where they do not fit into memory.
        assert!(refused || size <= 1 << 36, "a row of {size} values");
    }
    assert!(errors > tried / 3, "{errors} of {tried} were refused");
}
