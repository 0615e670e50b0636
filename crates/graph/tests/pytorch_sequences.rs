//! The sequence operators, put together as the layers put them, against PyTorch (`__test__/fixtures/sequences.json`).

use std::collections::HashMap;
use std::path::Path;

use nabla_graph::ops::attention::Attention;
use nabla_graph::ops::concat::Concat;
use nabla_graph::ops::elementwise::{BinaryKind, UnaryKind};
use nabla_graph::ops::gather::Gather;
use nabla_graph::ops::matmul::Matmul;
use nabla_graph::ops::recurrent::gru::Gru;
use nabla_graph::ops::recurrent::lstm::Lstm;
use nabla_graph::ops::recurrent::simple::SimpleRnn;
use nabla_graph::ops::slice::Slice;
use nabla_graph::passes::differentiate::gradients;
use nabla_graph::program::evaluate;
use nabla_graph::{Builder, Id, Mode, Purpose, Shape};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/sequences.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let json: Value = serde_json::from_str(&text).unwrap();
    json["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|n| n as usize).collect()
}

/// The values of a case by name, as inputs of a graph.
struct Case<'a> {
    b: Builder,
    values: HashMap<String, Vec<f64>>,
    json: &'a Value,
}

impl Case<'_> {
    fn read(&mut self, part: &str, name: &str) -> Id {
        let entry = &self.json[part][name];
        self.values.insert(name.to_owned(), numbers(&entry["values"]));
        self.b.input(name, Shape::fixed(&sizes(&entry["shape"]))).unwrap()
    }

    fn product(&mut self, x: Id, kernel: Id, bias: Id) -> Id {
        let product = self.b.apply(Matmul::default().into(), &[x, kernel]).unwrap();
        self.b.binary(BinaryKind::Add, product, bias).unwrap()
    }

    /// A state [1, batch, units] as [batch, units].
    fn state(&mut self, name: &str) -> (Id, Id) {
        let id = self.read("inputs", name);
        let shape = self.b.shape(id).0[1..].to_vec();
        (id, self.b.reshape(id, Shape(shape)).unwrap())
    }

    fn slice(&mut self, x: Id, from: i64, to: Option<i64>) -> Id {
        self.b.apply(Slice { axis: -1, from, to }.into(), &[x]).unwrap()
    }
}

/// y, and what a gradient is compared for.
fn build(case: &mut Case) -> (Id, Vec<(&'static str, Id)>) {
    let kind = case.json["kind"].as_str().unwrap();
    let x = case.read("inputs", "x");
    if kind == "embedding" {
        let table = case.read("weights", "table");
        let rows = case.b.apply(Gather.into(), &[table, x]).unwrap();
        let h = case.b.unary(UnaryKind::Tanh, rows).unwrap();
        let tied = Matmul {
            transpose_a: false,
            transpose_b: true,
        };
        return (case.b.apply(tied.into(), &[h, table]).unwrap(), vec![("table", table)]);
    }
    let (kernel, bias) = (case.read("weights", "kernel"), case.read("weights", "bias"));
    let mut wanted = vec![("x", x), ("kernel", kernel), ("bias", bias)];
    if kind == "attention" {
        let options = &case.json["options"];
        let qkv = case.product(x, kernel, bias);
        let op = Attention {
            heads: options["heads"].as_u64().unwrap() as usize,
            causal: options["causal"].as_bool().unwrap(),
            ..Attention::default()
        };
        let mixed = case.b.apply(op.into(), &[qkv]).unwrap();
        let (kernel, bias) = (case.read("weights", "outputKernel"), case.read("weights", "outputBias"));
        wanted.extend([("outputKernel", kernel), ("outputBias", bias)]);
        return (case.product(mixed, kernel, bias), wanted);
    }
    let (u, second) = (case.read("weights", "recurrentKernel"), case.read("weights", "second"));
    let reverse = case.json["options"]["reverse"].as_bool().unwrap();
    let (h0, h) = case.state("h");
    wanted.extend([("recurrentKernel", u), ("second", second), ("h", h0)]);
    let units = case.b.shape(u).0[0].size as i64;
    let product = case.product(x, kernel, bias);
    let y = match kind {
        "gru" => {
            // Of the second bias, the part of n stays inside the reset gate.
            let gates = case.slice(second, 0, Some(2 * units));
            let zero = case.b.constant(vec![0.0; units as usize], &[units as usize]).unwrap();
            let gates = case.b.apply(Concat { axis: 0 }.into(), &[gates, zero]).unwrap();
            let inner = case.slice(second, 2 * units, None);
            let input = case.b.binary(BinaryKind::Add, product, gates).unwrap();
            let record = case.b.apply(Gru { reverse }.into(), &[input, u, h, inner]).unwrap();
            case.slice(record, -units, None)
        }
        _ => {
            let input = case.b.binary(BinaryKind::Add, product, second).unwrap();
            if kind == "lstm" {
                let (c0, c) = case.state("c");
                wanted.push(("c", c0));
                let state = case.b.apply(Concat { axis: 1 }.into(), &[h, c]).unwrap();
                let record = case.b.apply(Lstm { reverse }.into(), &[input, u, state]).unwrap();
                case.slice(record, -units, None)
            } else {
                let op = SimpleRnn {
                    reverse,
                    ..SimpleRnn::default()
                };
                case.b.apply(op.into(), &[input, u, h]).unwrap()
            }
        }
    };
    (y, wanted)
}

#[test]
fn values_and_gradients_are_pytorchs() {
    let mut seen = 0;
    for json in cases() {
        let mut case = Case {
            b: Builder::default(),
            values: HashMap::new(),
            json: &json,
        };
        let (y, wanted) = build(&mut case);
        let shape = case.b.shape(y).clone();
        assert_eq!(shape, Shape::fixed(&sizes(&json["yShape"])));
        let r = case.b.input("r", shape).unwrap();
        case.values.insert("r".to_owned(), numbers(&json["r"]));
        let ids: Vec<Id> = wanted.iter().map(|w| w.1).collect();
        let found = gradients(&mut case.b, y, r, &ids).unwrap();
        let mut outputs = vec![("y".to_owned(), y)];
        outputs.extend(wanted.iter().zip(&found).map(|((name, _), id)| (format!("d {name}"), id.unwrap())));
        let named: Vec<(&str, Id)> = outputs.iter().map(|(n, id)| (n.as_str(), *id)).collect();
        let purpose = Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs: outputs.iter().map(|(n, _)| n.clone()).collect(),
            capacity: 1,
        };
        let result = evaluate(&case.b.finish(&named), &purpose, &HashMap::new(), &case.values, 0).unwrap();
        let near = |what: &str, found: &[f64], expected: &[f64]| {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= 1e-10 * b.abs().max(1.0), "{} {what}: {a} is not {b}", json["kind"]);
            }
        };
        near("y", &result["y"], &numbers(&json["y"]));
        for (name, _) in &wanted {
            near(name, &result[&format!("d {name}")], &numbers(&json["gradients"][name]["values"]));
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} gradients were compared");
}
