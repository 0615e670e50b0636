//! The same recipe, data and seed give the same bits on any number of threads, at any SIMD level, alone or beside other fits.

mod networks;

use std::sync::Arc;

use nabla_data::{Dataset, Matrix, SourceParts};
use nabla_graph::{Builder, Graph, Shape};
use nabla_kernels::level;
use nabla_params::Initializer;
use nabla_train::{Control, Job, Paused, Recipe, fits};
use networks::{
    EpochBits, class_data, class_parts, convolutional, dense_layers, finish, history_bits, network, number_data, recipe, sequences, train,
    uniform, weight_bits, windows,
};
use serde_json::{Value, json};

type Bits = (Vec<(String, Vec<u64>)>, Vec<EpochBits>, Vec<u64>);

fn bits(recipe: &Arc<Recipe>, job: &Job, threads: usize) -> Bits {
    let model = train(recipe, job, threads).model;
    let predictions = model.predict(&job.train, threads).unwrap().into_iter().map(f64::to_bits).collect();
    (weight_bits(&model), history_bits(&model), predictions)
}

struct Case {
    name: &'static str,
    graph: Graph,
    changes: Value,
    job: Job,
    /// Whether a step is meant to be large enough for a team.
    shared: bool,
}

fn cases() -> Vec<Case> {
    let weighted = |rows: usize, width: usize, classes: usize| -> Dataset {
        let mut weights = uniform(9, rows, 0.2, 2.0);
        weights[1] = 0.0;
        SourceParts {
            weights: Some(weights),
            ..class_parts(rows, width, classes)
        }
        .build()
        .unwrap()
        .into()
    };
    let accuracy = json!([{ "kind": "accuracy", "name": "accuracy" }]);
    vec![
        Case {
            name: "small, everything on",
            graph: network(&[6, 20, 17, 3], &["tanh", "gelu"], 0.2, "crossEntropy"),
            changes: json!({
                "prepare": [{ "kind": "standardize" }], "metrics": accuracy, "epochs": 12, "batchSize": 7,
                "earlyStopping": { "monitor": "loss", "mode": "min", "patience": 3, "minDelta": 0, "restoreBest": true, "validationFraction": 0.2 },
            }),
            job: Job::new(weighted(61, 6, 3)),
            shared: false,
        },
        Case {
            name: "large, everything on",
            graph: network(&[200, 160, 10], &["relu"], 0.1, "crossEntropy"),
            changes: json!({ "prepare": [{ "kind": "standardize" }], "metrics": accuracy, "epochs": 2, "batchSize": 64 }),
            job: Job {
                validation: Some(class_data(90, 200, 10)),
                ..Job::new(weighted(150, 200, 10))
            },
            shared: true,
        },
        Case {
            name: "large, double precision, odd sizes",
            graph: network(&[70, 131, 93, 5], &["sigmoid", "tanh"], 0.3, "meanSquaredError"),
            changes: json!({
                "precision": "f64", "output": "identity", "epochs": 2, "batchSize": 33, "prepareTargets": [{ "kind": "standardize" }],
                "metrics": [{ "kind": "meanSquaredError", "name": "mse" }], "optimizer": { "kind": "sgd", "learningRate": 0.05, "momentum": 0.9 },
            }),
            job: Job::new(number_data(100, 70, 5)),
            shared: true,
        },
        Case {
            name: "convolution, norms, pooling, running statistics",
            graph: convolutional(4),
            changes: json!({ "metrics": accuracy, "epochs": 2, "batchSize": 32 }),
            job: Job::new(class_data(50, 288, 4)),
            shared: true,
        },
        Case {
            name: "LSTM over gathered rows, clipped",
            graph: sequences::lstm(9, 12, 37),
            changes: json!({ "epochs": 2, "batchSize": 32, "clip": { "globalNorm": 0.5 } }),
            job: Job::new(windows(50, 9)),
            shared: true,
        },
        Case {
            name: "transformer, a block and a bit of queries",
            graph: sequences::transformer(37, 36, 3),
            changes: json!({ "epochs": 2, "batchSize": 8, "optimizer": { "kind": "adamw" } }),
            job: Job::new(windows(13, 37)),
            shared: true,
        },
    ]
}

#[test]
fn threads_change_no_bit() {
    for case in cases() {
        let recipe = recipe(&case.graph, case.changes.clone());
        let capacity = recipe.spec.batch_size.of(case.job.train.rows());
        let program = recipe.training(capacity).unwrap();
        let parallel = program.instructions().iter().filter(|i| i.parallel).count();
        assert_eq!(
            case.shared,
            program.work() >= 500_000 && parallel > 3,
            "{}: {} operations, {parallel} shared",
            case.name,
            program.work()
        );
        let expected = bits(&recipe, &case.job, 1);
        for threads in [2, 3, 8] {
            assert!(bits(&recipe, &case.job, threads) == expected, "{} on {threads} threads", case.name);
        }
        assert!(bits(&recipe, &case.job, 1) == expected, "{}: again", case.name);
    }
}

#[test]
fn looking_at_gradients_changes_no_bit() {
    for case in cases() {
        for every in [1, 3] {
            let recipe = recipe(&case.graph, case.changes.clone());
            let watched = Job {
                health: Some(every),
                ..case.job.clone()
            };
            let records = |threads: usize| -> Vec<nabla_train::health::Record> {
                let history = train(&recipe, &watched, threads).model.history;
                history.into_iter().flat_map(|epoch| epoch.health).collect()
            };
            let expected = bits(&recipe, &case.job, 1);
            for threads in [1, 2] {
                assert!(bits(&recipe, &watched, threads) == expected, "{} on {threads} threads", case.name);
            }
            let found = records(1);
            assert_eq!(found, records(2), "{}: what is found does not depend on threads", case.name);
            assert!(found.len() > 2 / every, "{}", case.name);
            for record in &found {
                assert!(record.layers.iter().any(|l| l.signal.is_some()), "{}: {record:?}", case.name);
                let parameters: usize = record.layers.iter().map(|l| l.parameters.len()).sum();
                assert_eq!(
                    parameters,
                    recipe.arena.rows.iter().filter(|r| r.spec.trainable).count(),
                    "{}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn simd_levels_change_no_bit() {
    let natural = level::level();
    for case in cases() {
        let recipe = recipe(&case.graph, case.changes.clone());
        level::force(level::Level::Scalar);
        let expected = bits(&recipe, &case.job, 2);
        for level in level::available() {
            level::force(level);
            assert!(bits(&recipe, &case.job, 2) == expected, "{} at {level:?}", case.name);
        }
        level::force(natural);
    }
}

#[test]
fn fits_side_by_side_equal_fits_one_by_one() {
    let graph = network(&[6, 20, 3], &["relu"], 0.1, "crossEntropy");
    let recipe = recipe(&graph, json!({ "prepare": [{ "kind": "standardize" }], "epochs": 4 }));
    let data = class_data(70, 6, 3);
    let fold = |k: u32| -> Job {
        let (score, train): (Vec<u32>, Vec<u32>) = (0..70).partition(|row| row % 5 == k);
        Job {
            score: Some(data.select(&score).unwrap()),
            ..Job::new(data.select(&train).unwrap())
        }
    };
    let jobs: Vec<Job> = (0..5).map(fold).collect();
    let alone: Vec<_> = jobs.iter().map(|job| train(&recipe, job, 1)).collect();
    for threads in [1, 2, 3, 8] {
        let found = fits::run(&recipe, &jobs, threads, &Control::default(), &|_| {});
        assert_eq!(found.len(), jobs.len());
        for (k, (found, alone)) in found.into_iter().zip(&alone).enumerate() {
            let found = found.unwrap();
            assert!(
                weight_bits(&found.model) == weight_bits(&alone.model),
                "fold {k}, {threads} threads"
            );
            assert!(
                history_bits(&found.model) == history_bits(&alone.model),
                "fold {k}, {threads} threads"
            );
            assert_eq!(found.scores, alone.scores, "fold {k}, {threads} threads");
        }
    }
}

/// A prediction of few rows keeps what it makes of a convolution's kernels; scores while training, by weights that change, do not.
#[test]
fn kept_kernels_are_those_of_the_weights() {
    let mut b = Builder::default();
    let x = b.input("features", Shape::batched(&[288])).unwrap();
    let x = b.apply_named("reshape", &[x], json!({ "shape": [-1, 6, 6, 8] })).unwrap();
    let initializer = Initializer::XavierUniform { gain: 1.0 };
    let w = b.parameter("conv/kernel", &[3, 3, 8, 12], initializer, true, true).unwrap();
    let x = b.apply_named("conv", &[x, w], Value::Null).unwrap();
    let x = b.apply_named("relu", &[x], Value::Null).unwrap();
    let x = b.apply_named("reshape", &[x], json!({ "shape": [-1, 192] })).unwrap();
    let prediction = dense_layers(&mut b, x, &[192, 3], &[], 0.0);
    let graph = finish(b, prediction, "crossEntropy");
    let (data, held_out) = (class_data(24, 288, 3), class_data(5, 288, 3));
    let mut job = Job::new(data.clone());
    job.validation = Some(held_out.clone());
    let fitted = |epochs: usize| train(&recipe(&graph, json!({ "epochs": epochs })), &job, 1).model;
    let (early, late) = (fitted(1), fitted(3));
    for (model, epoch) in [(&early, 0), (&late, 0), (&late, 2)] {
        let by_itself = if epoch == 0 { &early } else { &late };
        let scores = by_itself.evaluate(&held_out, None, 1).unwrap();
        assert_eq!(model.history[epoch].validation, Some(scores), "epoch {epoch}");
    }
    let all = [&early, &late].map(|model| model.predict(&data, 1).unwrap());
    assert_ne!(all[0], all[1]);
    let features = match class_parts(24, 288, 3).features {
        Matrix::F32(x) => x.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>(),
        Matrix::F64(x) => x,
        _ => unreachable!("class_parts are numbers"),
    };
    // In turns, so that one model's programs would show in the other's.
    for row in 0..24 {
        for (model, all) in [&early, &late].into_iter().zip(&all) {
            let mut out = [0.0; 3];
            model.predict_rows(&features[288 * row..288 * (row + 1)], None, &mut out).unwrap();
            assert_eq!(out, all[3 * row..3 * (row + 1)], "row {row}");
        }
    }
}

/// More rows than one thread takes at once, and few that a large team shares; a missing cell is the first one, whoever meets it.
#[test]
fn predictions_are_the_same_on_any_number_of_threads() {
    let graph = network(&[200, 160, 10], &["relu"], 0.0, "crossEntropy");
    let recipe = recipe(
        &graph,
        json!({ "prepare": [{ "kind": "standardize" }], "epochs": 1, "batchSize": 64 }),
    );
    let model = train(&recipe, &Job::new(class_data(100, 200, 10)), 1).model;
    for (rows, teams) in [(700, [2, 3, 8]), (300, [2, 7, 40])] {
        let whole = class_data(rows, 200, 10);
        let expected = model.predict(&whole, 1).unwrap();
        assert_eq!(expected.len(), 10 * rows);
        for threads in teams {
            assert!(
                model.predict(&whole, threads).unwrap() == expected,
                "{rows} rows, {threads} threads"
            );
        }
        for (row, lone) in (0..rows as u32)
            .step_by(97)
            .map(|row| (row as usize, whole.select(&[row]).unwrap()))
        {
            assert!(
                model.predict(&lone, 1).unwrap() == expected[10 * row..10 * row + 10],
                "row {row} by itself"
            );
        }
        let mut parts = class_parts(rows, 200, 10);
        for cell in [200 * (rows - 3) + 5, 200 * (rows / 2) + 7] {
            match &mut parts.features {
                Matrix::F32(values) => values[cell] = f32::NAN,
                Matrix::F64(values) => values[cell] = f64::NAN,
                Matrix::U8(_) | Matrix::File(_) => unreachable!("numbers"),
            }
        }
        let broken: Dataset = parts.build().unwrap().into();
        for threads in [1, teams[0], teams[2]] {
            let error = model.predict(&broken, threads).unwrap_err().to_string();
            assert!(error.contains(&format!("row {}", rows / 2)), "{error}");
        }
    }
}

#[test]
fn another_seed_gives_other_weights() {
    let graph = network(&[6, 20, 3], &["relu"], 0.0, "crossEntropy");
    let job = Job::new(class_data(40, 6, 3));
    let [a, b] = [1u64, 2].map(|seed| weight_bits(&train(&recipe(&graph, json!({ "seed": seed })), &job, 1).model));
    assert!(a != b);
}

/// Fits that are left and gone on from, with everything that is carried from step to step.
#[test]
fn a_fit_that_is_left_goes_on_to_the_same_bits() {
    let graph = network(&[6, 20, 3], &["relu"], 0.2, "crossEntropy");
    let optimizers = [
        json!({ "kind": "adam", "learningRate": 0.01 }),
        json!({ "kind": "lookahead", "steps": 5, "alpha": 0.5, "base": { "kind": "nadam", "learningRate": 0.01 } }),
        json!({ "kind": "sgd", "learningRate": 0.05, "momentum": 0.9 }),
        json!({ "kind": "lbfgs", "history": 3 }),
    ];
    let others = [
        json!({}),
        json!({ "schedule": { "kind": "reduceOnPlateau", "monitor": "loss", "maximize": false, "patience": 0, "minDelta": 0.2 } }),
        json!({ "averaging": { "kind": "ema", "decay": 0.99 }, "schedule": { "kind": "cosine" } }),
        json!({ "averaging": { "kind": "swa", "start": 0.4 }, "precision": "f64" }),
        json!({ "earlyStopping": { "monitor": "loss", "mode": "min", "patience": 2, "minDelta": 0.0, "restoreBest": true, "validationFraction": 0.2 } }),
    ];
    let data = class_data(70, 6, 3);
    for (optimizer, other) in optimizers.iter().flat_map(|o| others.iter().map(move |x| (o, x))) {
        let mut spec = json!({ "prepare": [{ "kind": "standardize" }], "epochs": 7, "optimizer": optimizer });
        spec.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        if optimizer["kind"] == "lbfgs" {
            if other["averaging"]["kind"] == "ema" {
                continue;
            }
            spec["batchSize"] = json!("full");
        }
        let recipe = recipe(&graph, spec);
        let job = Job {
            score: Some(data.clone()),
            ..Job::new(data.clone())
        };
        let whole = train(&recipe, &job, 1);
        let mut resume = None;
        for until in [1, 3, 4, 7] {
            let part = Job {
                resume: resume.take(),
                until: Some(until),
                ..job.clone()
            };
            let outcome = train(&recipe, &part, 1);
            assert!(outcome.model.history.len() <= until);
            // A fit that ends there by itself is not the whole one, but what it was is not changed by going on from it.
            if until == 7 {
                assert!(weight_bits(&outcome.model) == weight_bits(&whole.model), "{optimizer} {other}");
                assert!(history_bits(&outcome.model) == history_bits(&whole.model), "{optimizer} {other}");
                assert_eq!(outcome.scores, whole.scores);
                assert_eq!(outcome.stopped, whole.stopped);
            }
            // Once as it is, once by way of another process.
            let paused = outcome.paused.unwrap();
            resume = Some(if until == 3 {
                paused
            } else {
                Arc::new(Paused::from_bytes(paused.to_bytes().unwrap()).unwrap())
            });
        }
    }
    // Another model does not go on from it.
    let small = recipe(&network(&[6, 5, 3], &["relu"], 0.2, "crossEntropy"), json!({ "epochs": 2 }));
    let left = train(
        &small,
        &Job {
            until: Some(1),
            ..Job::new(data.clone())
        },
        1,
    );
    // Damage anywhere is found.
    let bytes = left.paused.as_ref().unwrap().to_bytes().unwrap();
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Paused::from_bytes(damaged).is_err(), "byte {at}");
        assert!(Paused::from_bytes(bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
    let job = Job {
        resume: left.paused,
        ..Job::new(data)
    };
    let large = recipe(&graph, json!({ "epochs": 2 }));
    let error = fits::run(&large, &[job], 1, &Control::default(), &|_| {}).remove(0).unwrap_err();
    assert_eq!(error.code, nabla_error::Code::ShapeMismatch);
}
