//! What a step and a small fit cost: the works W1a, W1b, W4 to W7 of the benchmarks, through the crates.
//! `cargo bench -p nabla-train --bench step -- [words of names]`; figures are medians. `REPEATS=n` sets the number of epochs.
//! Where a step goes, operator by operator: `cargo bench -p nabla-graph --bench operators`.

#[path = "../../graph/benches/sequences/mod.rs"]
mod sequences;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nabla_data::split::{KFoldOptions, k_fold};
use nabla_data::{CsvOptions, Dataset, Matrix, SourceParts, TargetParts, read_csv};
use nabla_graph::{Builder, Dim, Graph, Shape};
use nabla_kernels::philox::Stream;
use nabla_params::Initializer;
use nabla_train::{Control, Event, FitSpec, Job, Recipe, fits};
use serde_json::{Value, json};

fn network(sizes: &[usize], activation: &str) -> Graph {
    let mut b = Builder::default();
    let mut x = b.input("features", Shape::batched(&sizes[..1])).expect("an input");
    for (i, pair) in sizes.windows(2).enumerate() {
        let name = format!("dense{i}");
        let kernel = b
            .parameter(
                &format!("{name}/kernel"),
                pair,
                Initializer::XavierUniform { gain: 1.0 },
                true,
                true,
            )
            .expect("a kernel");
        let bias = b
            .parameter(&format!("{name}/bias"), &pair[1..], Initializer::Zeros {}, true, false)
            .expect("a bias");
        x = b.apply_named("matmul", &[x, kernel], Value::Null).expect("a product");
        x = b.apply_named("add", &[x, bias], Value::Null).expect("a sum");
        if i + 2 < sizes.len() {
            x = b.apply_named(activation, &[x], Value::Null).expect("an activation");
        }
    }
    let targets = b.input("targets", Shape(vec![Dim::BATCH])).expect("an input");
    let loss = b.apply_named("softmaxCrossEntropy", &[x, targets], Value::Null).expect("a loss");
    b.finish(&[("prediction", x), ("loss", loss)])
}

/// The works on sequences: name, graph, length, the rest of the recipe.
fn sequence_works() -> [(&'static str, Graph, usize, Value); 2] {
    let adam = json!({ "optimizer": { "kind": "adam", "learningRate": 0.001 }, "clip": { "globalNorm": 1.0 } });
    let adamw = json!({ "optimizer": { "kind": "adamw", "learningRate": 0.001 } });
    [
        ("W4", sequences::lstm(50, 64, 128), 50, adam),
        ("W5", sequences::transformer(64, 128, 4), 64, adamw),
    ]
}

fn sequence_recipe(graph: &Graph, epochs: usize, changes: &Value) -> Arc<Recipe> {
    let mut spec = json!({ "version": 1, "graph": graph.to_json(), "output": "softmax", "epochs": epochs, "batchSize": 32, "seed": 7 });
    for (key, value) in changes.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    Arc::new(Recipe::new(FitSpec::from_json(&spec.to_string()).expect("a recipe")).expect("a graph"))
}

fn recipe(graph: &Graph, batch: usize, epochs: usize, metrics: Value, prepare: Value) -> Arc<Recipe> {
    let spec = json!({
        "version": 1, "graph": graph.to_json(), "output": "softmax", "optimizer": { "kind": "adam", "learningRate": 0.001 },
        "epochs": epochs, "batchSize": batch, "seed": 7, "metrics": metrics, "prepare": prepare,
    });
    Arc::new(Recipe::new(FitSpec::from_json(&spec.to_string()).expect("a recipe")).expect("a graph"))
}

fn random(rows: usize, width: usize, classes: u32) -> Dataset {
    let stream = Stream::new(1, 2, 3);
    let features = (0..rows * width).map(|i| stream.uniform(i as u64) as f32).collect();
    let labels = (0..rows as u32).map(|r| r * 7 % classes).collect();
    let names = (0..classes).map(|c| c.to_string()).collect();
    let parts = SourceParts {
        target: Some(TargetParts::Classes { names, labels }),
        ..SourceParts::new(rows, Matrix::F32(features))
    };
    parts.build().expect("data").into()
}

/// Windows of random characters and the characters after them.
fn windows(rows: usize, time: usize) -> Dataset {
    let stream = Stream::new(3, 2, 1);
    let draw = |i: usize| (stream.uniform(i as u64) * sequences::VOCABULARY as f64) as u32;
    let parts = SourceParts {
        target: Some(TargetParts::Sequence {
            names: (0..sequences::VOCABULARY).map(|c| c.to_string()).collect(),
            width: time,
            labels: (0..rows * time).map(|i| draw(i + 1)).collect(),
        }),
        ..SourceParts::new(rows, Matrix::F32((0..rows * time).map(|i| draw(i) as f32).collect()))
    };
    parts.build().expect("data").into()
}

fn csv(name: &str, target: &str) -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").join(name);
    let options: CsvOptions = serde_json::from_value(json!({ "target": target, "task": "classification" })).expect("options");
    read_csv(&path, &options).expect("a data set of the project")
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Seconds of each epoch after the first, from one long fit.
fn epochs(recipe: &Arc<Recipe>, job: &Job, threads: usize) -> f64 {
    let seconds = std::sync::Mutex::new(Vec::new());
    let listener = |event: Event| {
        if let Event::Epoch(_, epoch) = event {
            seconds.lock().expect("one listener").push(epoch.seconds);
        }
    };
    fits::run(recipe, std::slice::from_ref(job), threads, &Control::default(), &listener)
        .remove(0)
        .expect("a fit");
    median(seconds.into_inner().expect("one listener").split_off(1))
}

/// Seconds of a whole call.
fn whole(repeats: usize, mut work: impl FnMut()) -> f64 {
    work();
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    median((0..repeats).map(once).collect())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wants = |name: &str| words.is_empty() || words.iter().any(|w| name.contains(w.as_str()));
    let repeats: usize = std::env::var("REPEATS").ok().and_then(|r| r.parse().ok()).unwrap_or(9);
    for threads in [1, 2] {
        for (name, graph, time, changes) in sequence_works() {
            let label = format!("{name} threads {threads}");
            if wants(&label) {
                let recipe = sequence_recipe(&graph, repeats + 1, &changes);
                let step = epochs(&recipe, &Job::new(windows(640, time)), threads) * 1e3 / 20.0;
                println!("{label}: {step:.2} ms a step");
            }
        }
        for (name, batch) in [("W1a", 32), ("W1b", 128)] {
            let name = format!("{name} threads {threads}");
            if !wants(&name) {
                continue;
            }
            let (rows, sizes) = (6000, [784, 128, 10]);
            let recipe = recipe(&network(&sizes, "relu"), batch, repeats + 1, json!([]), json!([]));
            let steps = rows / batch;
            let step = epochs(&recipe, &Job::new(random(rows, 784, 10)), threads) * 1e6 / (rows as f64 / batch as f64);
            // Forward, the weights' gradients, and the input's gradient of all layers but the first.
            let operations = 2.0 * batch as f64 * (2 * 784 * 128 + 3 * 128 * 10) as f64;
            println!(
                "{name}: {step:.1} µs a step ({steps} steps an epoch), {:.1} GFLOP/s",
                operations / step / 1e3
            );
        }
        let name = format!("W6 threads {threads}");
        if wants(&name) {
            let recipe = recipe(
                &network(&[4, 16, 3], "tanh"),
                16,
                100,
                json!([]),
                json!([{ "kind": "standardize" }]),
            );
            let job = Job::new(csv("iris.csv", "species"));
            let run = || {
                drop(
                    fits::run(&recipe, std::slice::from_ref(&job), threads, &Control::default(), &|_| {})
                        .remove(0)
                        .expect("a fit"),
                )
            };
            let seconds = whole(repeats * 5, run);
            println!("{name}: {:.2} ms a fit, {:.2} µs a step", seconds * 1e3, seconds * 1e6 / 1000.0);
        }
        let name = format!("W7 threads {threads}");
        if wants(&name) {
            let metrics = json!([{ "kind": "accuracy", "name": "accuracy" }]);
            let data = csv("digits.csv", "digit");
            let labels = data.labels();
            let recipe = recipe(&network(&[64, 64, 10], "relu"), 32, 30, metrics, json!([{ "kind": "standardize" }]));
            let options = KFoldOptions {
                rows: data.rows(),
                ..KFoldOptions::default()
            };
            let mut accuracy = 0.0;
            let seconds = whole(repeats.min(5), || {
                let fold_of = k_fold(&options, labels.as_deref(), None).expect("folds");
                let fold = |k: u32| {
                    let (score, train): (Vec<u32>, Vec<u32>) = (0..data.rows() as u32).partition(|&r| fold_of[r as usize] == k);
                    Job {
                        score: Some(data.select(&score).expect("a view")),
                        ..Job::new(data.select(&train).expect("a view"))
                    }
                };
                let jobs: Vec<Job> = (0..10).map(fold).collect();
                let outcomes = fits::run(&recipe, &jobs, threads, &Control::default(), &|_| {});
                let scores = outcomes
                    .into_iter()
                    .map(|o| o.expect("a fit").scores.and_then(|s| s.get("accuracy")).unwrap_or(0.0));
                accuracy = scores.sum::<f64>() / 10.0;
            });
            let steps = 10.0 * 30.0 * 51.0;
            println!(
                "{name}: {seconds:.3} s for ten folds ({:.2} µs a step and core), accuracy {accuracy:.4}",
                seconds * threads as f64 * 1e6 / steps
            );
        }
    }
}
