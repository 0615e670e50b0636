//! Small networks, recipes and data that the tests of this crate share.
#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "../../../graph/benches/sequences/mod.rs"]
pub mod sequences;

use std::sync::Arc;

use nabla_data::{Dataset, Matrix, SourceParts, TargetParts};
use nabla_error::Result;
use nabla_graph::{Builder, Dim, Graph, Id, Shape};
use nabla_kernels::philox::Stream;
use nabla_params::Initializer;
use nabla_train::history::Scores;
use nabla_train::{Control, FitSpec, Job, Model, Outcome, Recipe, fits};
use serde_json::{Value, json};

/// Dense layers (`dense`, `dense2`, …) with an activation, and dropout where it is above 0, after all but the last; with a loss.
pub fn network(sizes: &[usize], activations: &[&str], dropout: f64, loss: &str) -> Graph {
    let mut b = Builder::default();
    let x = b.input("features", Shape::batched(&sizes[..1])).unwrap();
    let prediction = dense_layers(&mut b, x, sizes, activations, dropout);
    finish(b, prediction, loss)
}

/// The layers of [`network`].
pub fn dense_layers(b: &mut Builder, mut x: Id, sizes: &[usize], activations: &[&str], dropout: f64) -> Id {
    for (i, pair) in sizes.windows(2).enumerate() {
        let name = if i == 0 { "dense".to_owned() } else { format!("dense{}", i + 1) };
        b.path.clone_from(&name);
        let kernel = b
            .parameter(
                &format!("{name}/kernel"),
                pair,
                Initializer::XavierUniform { gain: 1.0 },
                true,
                true,
            )
            .unwrap();
        let bias = b
            .parameter(&format!("{name}/bias"), &pair[1..], Initializer::Zeros {}, true, false)
            .unwrap();
        x = b.apply_named("matmul", &[x, kernel], Value::Null).unwrap();
        x = b.apply_named("add", &[x, bias], Value::Null).unwrap();
        let Some(activation) = activations.get(i) else { continue };
        x = b.apply_named(activation, &[x], Value::Null).unwrap();
        if dropout > 0.0 {
            b.path = format!("dropout{}", i + 1);
            x = b.apply_named("dropout", &[x], json!({ "rate": dropout })).unwrap();
        }
    }
    b.path.clear();
    x
}

/// Images of 12×12×2 (as 288 features) through convolution, batch norm with a running mean, ReLU, pooling, a strided convolution in
/// groups, instance norm and a dense layer of so many outputs; with cross-entropy.
pub fn convolutional(classes: usize) -> Graph {
    let mut b = Builder::default();
    let features = b.input("features", Shape::batched(&[288])).unwrap();
    let weight = |b: &mut Builder, name: &str, shape: &[usize], trainable: bool| {
        let initializer = if shape.len() > 1 {
            Initializer::XavierUniform { gain: 1.0 }
        } else {
            Initializer::Ones {}
        };
        b.parameter(name, shape, initializer, trainable, true).unwrap()
    };
    let x = b.apply_named("reshape", &[features], json!({ "shape": [-1, 12, 12, 2] })).unwrap();
    let w = weight(&mut b, "conv/kernel", &[3, 3, 2, 20], true);
    let x = b.apply_named("conv", &[x, w], json!({ "padding": [1, 1, 1, 1] })).unwrap();
    let (scale, shift) = (weight(&mut b, "norm/scale", &[20], true), weight(&mut b, "norm/shift", &[20], true));
    let running = weight(&mut b, "norm/moments", &[2, 20], false);
    let moments = b.apply_named("columnMoments", &[x], Value::Null).unwrap();
    let (old, new) = (b.scale(running, 0.9).unwrap(), b.scale(moments, 0.1).unwrap());
    let update = b.apply_named("add", &[old, new], Value::Null).unwrap();
    let moments = b.apply_named("square", &[running], Value::Null).unwrap();
    let x = b.apply_named("batchNorm", &[x, scale, shift, moments], Value::Null).unwrap();
    let x = b.apply_named("relu", &[x], Value::Null).unwrap();
    let x = b.apply_named("maxPool", &[x], json!({ "window": [2, 2] })).unwrap();
    let w = weight(&mut b, "conv2/kernel", &[3, 3, 5, 24], true);
    let bias = weight(&mut b, "conv2/bias", &[24], true);
    let x = b
        .apply_named("conv", &[x, w], json!({ "stride": [2, 2], "padding": [1, 1, 1, 1], "groups": 4 }))
        .unwrap();
    let x = b.apply_named("add", &[x, bias], Value::Null).unwrap();
    let x = b.apply_named("tanh", &[x], Value::Null).unwrap();
    let x = b.apply_named("normalize", &[x], json!({ "from": 1, "groups": 24 })).unwrap();
    let x = b
        .apply_named("averagePool", &[x], json!({ "window": [2, 2], "stride": [1, 1] }))
        .unwrap();
    let x = b.apply_named("reshape", &[x], json!({ "shape": [-1, 96] })).unwrap();
    let prediction = dense_layers(&mut b, x, &[96, classes], &[], 0.0);
    let targets = b.input("targets", Shape(vec![Dim::BATCH])).unwrap();
    let loss = loss(&mut b, "crossEntropy", prediction, targets);
    b.finish(&[("prediction", prediction), ("loss", loss), ("update:norm/moments", update)])
}

/// Adds the loss and names the outputs.
pub fn finish(mut b: Builder, prediction: Id, kind: &str) -> Graph {
    let shape = if kind == "crossEntropy" {
        Shape(vec![Dim::BATCH])
    } else {
        b.shape(prediction).clone()
    };
    let targets = b.input("targets", shape).unwrap();
    let loss = loss(&mut b, kind, prediction, targets);
    b.finish(&[("prediction", prediction), ("loss", loss)])
}

/// One loss a row, as the TypeScript side traces it.
pub fn loss(b: &mut Builder, kind: &str, prediction: Id, targets: Id) -> Id {
    loss_with(b, kind, prediction, targets, Value::Null)
}

/// The same where the loss is an operator with attributes.
pub fn loss_with(b: &mut Builder, kind: &str, prediction: Id, targets: Id, attributes: Value) -> Id {
    if let "embeddingLoss" | "ctc" = kind {
        return b.apply_named(kind, &[prediction, targets], attributes).unwrap();
    }
    let mut apply = |name: &str, inputs: &[Id]| b.apply_named(name, inputs, Value::Null).unwrap();
    let values = match kind {
        "crossEntropy" => return apply("softmaxCrossEntropy", &[prediction, targets]),
        "binaryCrossEntropy" => {
            let negative = apply("negate", &[prediction]);
            let (right, wrong) = (apply("softplus", &[negative]), apply("softplus", &[prediction]));
            let right = apply("multiply", &[targets, right]);
            let rest = apply("negate", &[targets]);
            let one = b.scalar(1.0);
            let mut apply = |name: &str, inputs: &[Id]| b.apply_named(name, inputs, Value::Null).unwrap();
            let rest = apply("add", &[rest, one]);
            let wrong = apply("multiply", &[rest, wrong]);
            apply("add", &[right, wrong])
        }
        "meanSquaredError" => {
            let difference = apply("subtract", &[prediction, targets]);
            apply("square", &[difference])
        }
        other => panic!("no loss {other}"),
    };
    b.apply_named("mean", &[values], json!({ "axes": [-1] })).unwrap()
}

/// A recipe with Adam, batches of 8, five epochs, seed 7; `changes` replaces parts of it.
pub fn recipe(graph: &Graph, changes: Value) -> Arc<Recipe> {
    try_recipe(graph, changes).unwrap()
}

/// The same where it may be refused.
pub fn try_recipe(graph: &Graph, changes: Value) -> Result<Arc<Recipe>> {
    let mut spec = json!({
        "version": 1, "graph": graph.to_json(), "output": "softmax", "optimizer": { "kind": "adam", "learningRate": 0.01 },
        "epochs": 5, "batchSize": 8, "seed": 7,
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    Recipe::new(FitSpec::from_json(&spec.to_string())?).map(Arc::new)
}

/// `count` numbers in [low, high).
pub fn uniform(purpose: u64, count: usize, low: f64, high: f64) -> Vec<f64> {
    let stream = Stream::new(2024, purpose, 0);
    (0..count).map(|i| low + (high - low) * stream.uniform(i as u64)).collect()
}

/// Rows of a data set, to change before it is built.
pub fn class_parts(rows: usize, width: usize, classes: usize) -> SourceParts {
    let features: Vec<f64> = uniform(1, rows * width, -1.0, 1.0);
    let noise = uniform(2, rows, 0.0, 0.3);
    let label = |row: usize| {
        let sum: f64 = features[row * width..(row + 1) * width].iter().take(3).sum();
        ((sum / 3.0 + 1.0) / 2.0 * classes as f64 + noise[row]) as u32 % classes as u32
    };
    let labels = (0..rows).map(label).collect();
    let names = (0..classes).map(|c| format!("class {c}")).collect();
    SourceParts {
        target: Some(TargetParts::Classes { names, labels }),
        ..SourceParts::new(rows, Matrix::F64(features))
    }
}

/// Windows of random characters, each with the characters after it.
pub fn windows(rows: usize, time: usize) -> Dataset {
    let drawn = uniform(4, rows * time + 1, 0.0, sequences::VOCABULARY as f64);
    let target = TargetParts::Sequence {
        names: (0..sequences::VOCABULARY).map(|c| c.to_string()).collect(),
        width: time,
        labels: drawn[1..].iter().map(|&v| v as u32).collect(),
    };
    let features = drawn[..rows * time].iter().map(|v| v.floor()).collect();
    let parts = SourceParts {
        target: Some(target),
        ..SourceParts::new(rows, Matrix::F64(features))
    };
    parts.build().unwrap().into()
}

/// A data set of classes that can be learnt.
pub fn class_data(rows: usize, width: usize, classes: usize) -> Dataset {
    class_parts(rows, width, classes).build().unwrap().into()
}

/// Rows whose targets are numbers.
pub fn number_parts(rows: usize, width: usize, outputs: usize) -> SourceParts {
    let features: Vec<f64> = uniform(3, rows * width, -1.0, 1.0);
    let value = |i: usize| {
        let row = &features[i / outputs * width..(i / outputs + 1) * width];
        row.iter().sum::<f64>() * (1.0 + (i % outputs) as f64) + row[0] * row[width - 1]
    };
    let values = (0..rows * outputs).map(value).collect();
    let target = TargetParts::Numbers {
        names: None,
        width: outputs,
        values,
    };
    SourceParts {
        target: Some(target),
        ..SourceParts::new(rows, Matrix::F64(features))
    }
}

/// A data set of numbers that can be learnt.
pub fn number_data(rows: usize, width: usize, outputs: usize) -> Dataset {
    number_parts(rows, width, outputs).build().unwrap().into()
}

/// Fits one job.
pub fn try_train(recipe: &Arc<Recipe>, job: &Job, threads: usize) -> Result<Outcome> {
    fits::run(recipe, std::slice::from_ref(job), threads, &Control::default(), &|_| {}).remove(0)
}

/// Fits one job that must succeed.
pub fn train(recipe: &Arc<Recipe>, job: &Job, threads: usize) -> Outcome {
    try_train(recipe, job, threads).unwrap()
}

/// All weights by name, bit by bit.
pub fn weight_bits(model: &Model) -> Vec<(String, Vec<u64>)> {
    let bits = |name: &str| model.weight(name).unwrap().into_iter().map(f64::to_bits).collect();
    model
        .weight_shapes()
        .into_iter()
        .map(|(name, _)| (name.clone(), bits(&name)))
        .collect()
}

/// Index, batches, learning rate and scores of an epoch.
pub type EpochBits = (usize, usize, u64, Vec<(String, u64)>);

/// The history without wall-clock times, bit by bit.
pub fn history_bits(model: &Model) -> Vec<EpochBits> {
    let bits = |scores: &Scores| scores.0.iter().map(|(n, v)| (n.clone(), v.to_bits())).collect::<Vec<_>>();
    let epoch = |e: &nabla_train::history::Epoch| {
        let mut all = bits(&e.train);
        all.extend(e.validation.as_ref().map(bits).unwrap_or_default());
        (e.index, e.batches, e.learning_rate.to_bits(), all)
    };
    model.history.iter().map(epoch).collect()
}

/// Whether all values are near, relative to the larger of 1 and the expected one.
pub fn assert_near(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let same = f.to_bits() == e.to_bits() || (f - e).abs() <= tolerance * e.abs().max(1.0);
        assert!(same, "{what}[{i}]: {f:e} is not {e:e} (off by {:e})", (f - e).abs());
    }
}
