//! Losses, activations and whole trajectories against PyTorch (`__test__/fixtures`), in double precision.

mod networks;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use nabla_data::{Dataset, Matrix, SourceParts, TargetParts};
use nabla_graph::passes::differentiate::gradients;
use nabla_graph::program::evaluate;
use nabla_graph::{Builder, Dim, Graph, Mode, Purpose, Shape};
use nabla_optim::Optimizer;
use nabla_train::Job;
use networks::{assert_near, loss, loss_with, network, recipe, train};
use serde_json::{Value, json};

fn cases(file: &str) -> Vec<Value> {
    fixture(file)["cases"].as_array().unwrap().clone()
}

fn fixture(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|n| n as usize).collect()
}

fn run(
    graph: &Graph,
    mode: Mode,
    gradients: bool,
    outputs: &[&str],
    capacity: usize,
    weights: &HashMap<String, Vec<f64>>,
    inputs: Vec<(&str, Vec<f64>)>,
) -> HashMap<String, Vec<f64>> {
    let purpose = Purpose {
        mode,
        gradients,
        outputs: outputs.iter().map(|&o| o.to_owned()).collect(),
        capacity,
    };
    let inputs = inputs.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    evaluate(graph, &purpose, weights, &inputs, 0).unwrap()
}

#[test]
fn activations() {
    let mut seen = 0;
    for case in cases("activations.json") {
        let (name, shape) = (case["name"].as_str().unwrap(), sizes(&case["shape"]));
        let mut b = Builder::default();
        let x = b.input("x", Shape::fixed(&shape)).unwrap();
        let y = b.apply_named(name, &[x], Value::Null).unwrap();
        let dy = b.input("dy", Shape::fixed(&shape)).unwrap();
        let dx = gradients(&mut b, y, dy, &[x]).unwrap()[0].unwrap();
        let graph = b.finish(&[("y", y), ("dx", dx)]);
        let inputs = vec![("x", numbers(&case["x"])), ("dy", numbers(&case["dy"]))];
        let found = run(&graph, Mode::Infer, false, &["y", "dx"], 1, &HashMap::new(), inputs);
        assert_near(&format!("{name} {shape:?} y"), &found["y"], &numbers(&case["y"]), 1e-12);
        assert_near(&format!("{name} {shape:?} dx"), &found["dx"], &numbers(&case["dx"]), 1e-12);
        seen += 1;
    }
    assert!(seen >= 12, "only {seen} cases");
}

#[test]
fn losses() {
    let mut seen = 0;
    for case in cases("losses.json") {
        let (kind, shape) = (case["loss"].as_str().unwrap(), sizes(&case["shape"]));
        let what = format!("{kind}, {}", case["name"]);
        let mut b = Builder::default();
        let x = b.input("x", Shape::batched(&shape[1..])).unwrap();
        let targets = match kind {
            "crossEntropy" | "triplet" | "contrastive" => Shape(vec![Dim::BATCH]),
            "ctc" => Shape::batched(&sizes(&case["targetShape"])[1..]),
            _ => Shape::batched(&shape[1..]),
        };
        let targets = b.input("targets", targets).unwrap();
        let rows = match kind {
            "triplet" | "contrastive" => {
                let attributes = json!({ "kind": kind, "margin": case["margin"] });
                loss_with(&mut b, "embeddingLoss", x, targets, attributes)
            }
            "ctc" => loss_with(&mut b, "ctc", x, targets, json!({ "blank": case["blank"] })),
            _ => loss(&mut b, kind, x, targets),
        };
        let weights = b.input("weights", Shape(vec![Dim::BATCH])).unwrap();
        let dx = gradients(&mut b, rows, weights, &[x]).unwrap()[0].unwrap();
        let graph = b.finish(&[("rows", rows), ("dx", dx)]);
        let plain = case.get("weights").map_or_else(|| vec![1.0; shape[0]], numbers);
        let total: f64 = plain.iter().sum();
        let shares: Vec<f64> = plain.iter().map(|w| w / total).collect();
        let inputs = vec![
            ("x", numbers(&case["prediction"])),
            ("targets", numbers(&case["target"])),
            ("weights", shares.clone()),
        ];
        let found = run(&graph, Mode::Infer, false, &["rows", "dx"], shape[0], &HashMap::new(), inputs);
        assert!(found.values().flatten().all(|v| v.is_finite()), "{what}: {found:?}");
        assert_near(&format!("{what}: rows"), &found["rows"], &numbers(&case["rows"]), 1e-12);
        let value: f64 = found["rows"].iter().zip(&shares).map(|(l, w)| l * w).sum();
        assert_near(&format!("{what}: value"), &[value], &[number(&case["value"])], 1e-12);
        assert_near(&format!("{what}: gradient"), &found["dx"], &numbers(&case["gradient"]), 1e-12);
        seen += 1;
    }
    assert!(seen >= 44, "only {seen} cases");
}

fn data(case: &Value) -> Dataset {
    let (rows, outputs) = (number(&case["rows"]) as usize, number(&case["outputs"]) as usize);
    let targets = numbers(&case["targets"]);
    let classes = |count: usize| TargetParts::Classes {
        names: (0..count).map(|c| c.to_string()).collect(),
        labels: targets.iter().map(|&t| t as u32).collect(),
    };
    let target = match case["loss"].as_str().unwrap() {
        "crossEntropy" => classes(outputs),
        "binaryCrossEntropy" => classes(2),
        _ => TargetParts::Numbers {
            names: None,
            width: outputs,
            values: targets,
        },
    };
    let features = Matrix::F64(numbers(&case["features"]));
    SourceParts {
        target: Some(target),
        ..SourceParts::new(rows, features)
    }
    .build()
    .unwrap()
    .into()
}

#[test]
fn trajectories() {
    let mut seen = 0;
    for case in cases("training.json") {
        let (name, kind, rows) = (
            case["name"].as_str().unwrap(),
            case["loss"].as_str().unwrap(),
            number(&case["rows"]) as usize,
        );
        let activations: Vec<&str> = case["activations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a.as_str().unwrap())
            .collect();
        let mut layers = vec![number(&case["width"]) as usize];
        layers.extend(activations.iter().map(|_| 10));
        layers.push(number(&case["outputs"]) as usize);
        let graph = network(&layers, &activations, 0.0, kind);
        let first = case["first"].as_object().unwrap();
        let weights: HashMap<String, Vec<f64>> = first.iter().map(|(n, w)| (n.clone(), numbers(&w["values"]))).collect();

        let inputs = vec![
            ("features", numbers(&case["features"])),
            ("targets", numbers(&case["targets"])),
            ("rowWeights", vec![1.0 / rows as f64; rows]),
        ];
        let found = run(&graph, Mode::Train, true, &["loss"], rows, &weights, inputs);
        for (weight, expected) in case["firstGradient"].as_object().unwrap() {
            assert_near(
                &format!("{name}: gradient of {weight}"),
                &found[&format!("gradient:{weight}")],
                &numbers(expected),
                1e-12,
            );
        }

        let losses = numbers(&case["losses"]);
        let output = match kind {
            "crossEntropy" => "softmax",
            "binaryCrossEntropy" => "sigmoid",
            _ => "identity",
        };
        let recipe = recipe(
            &graph,
            json!({
                "precision": "f64", "batchSize": "full", "epochs": losses.len(), "optimizer": case["optimizer"], "output": output,
            }),
        );
        let data = data(&case);
        let job = Job {
            from: Some(Arc::new(weights.into_iter().collect())),
            ..Job::new(data.clone())
        };
        let model = train(&recipe, &job, 1).model;
        let found: Vec<f64> = model.history.iter().map(|e| e.train.get("loss").unwrap()).collect();
        assert_near(&format!("{name}: losses"), &found, &losses, 1e-10);
        for (weight, expected) in case["last"].as_object().unwrap() {
            assert_near(
                &format!("{name}: {weight}"),
                &model.weight(weight).unwrap(),
                &numbers(expected),
                1e-10,
            );
        }
        assert_near(
            &format!("{name}: prediction"),
            &model.predict(&data, 1).unwrap(),
            &numbers(&case["prediction"]),
            1e-10,
        );
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} cases");
}

/// 100 steps of every rule, wrapper and option on one small network: the loss before each step, and the last weights.
#[test]
fn every_optimizer_on_a_network() {
    let all = fixture("optimizers-network.json");
    let graph = network(&sizes(&all["sizes"]), &["tanh"], 0.0, "meanSquaredError");
    let first = all["first"].as_object().unwrap();
    let weights: BTreeMap<String, Vec<f64>> = first.iter().map(|(n, w)| (n.clone(), numbers(&w["values"]))).collect();
    let data = data(&json!({
        "rows": all["rows"], "outputs": 2, "loss": "meanSquaredError", "features": all["features"], "targets": all["targets"],
    }));
    let mut kinds = BTreeSet::new();
    for case in all["cases"].as_array().unwrap() {
        let (spec, losses) = (&case["spec"], numbers(&case["losses"]));
        let changes = json!({
            "precision": "f64", "batchSize": "full", "epochs": losses.len(), "optimizer": spec, "output": "identity",
        });
        let job = Job {
            from: Some(Arc::new(weights.clone())),
            ..Job::new(data.clone())
        };
        let model = train(&recipe(&graph, changes), &job, 1).model;
        let found: Vec<f64> = model.history.iter().map(|e| e.train.get("loss").unwrap()).collect();
        // SAM reports the loss at the worst point nearby.
        if !spec.to_string().contains("\"sam\"") {
            let near = found.iter().zip(&losses).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs());
            assert!(near, "{spec}: {found:?}, expected {losses:?}");
        }
        for (name, expected) in case["last"].as_object().unwrap() {
            let (found, expected) = (model.weight(name).unwrap(), numbers(expected));
            let size = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
            let error = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / size).fold(0.0, f64::max);
            // mission: 1e-6 relative; L-BFGS as far as PyTorch itself stays within 1e-7
            assert!(error < 1e-6, "{spec} {name}: off by {error:e}");
        }
        kinds.insert(spec["kind"].as_str().unwrap().to_owned());
    }
    let wrappers = ["lbfgs", "lookahead", "sam"];
    let expected: BTreeSet<String> = Optimizer::NAMES.iter().chain(&wrappers).map(|&n| n.to_owned()).collect();
    assert_eq!(kinds, expected);
}
