//! Recurrent operators with masks, put together as the layers put them, against PyTorch's packed sequences
//! (`__test__/fixtures/packed-sequences.json`).

use std::collections::HashMap;
use std::path::Path;

use nabla_graph::ops::concat::Concat;
use nabla_graph::ops::elementwise::BinaryKind;
use nabla_graph::ops::matmul::Matmul;
use nabla_graph::ops::recurrent::gru::Gru;
use nabla_graph::ops::recurrent::lstm::Lstm;
use nabla_graph::ops::recurrent::simple::SimpleRnn;
use nabla_graph::ops::slice::Slice;
use nabla_graph::ops::steps::Steps;
use nabla_graph::passes::differentiate::gradients;
use nabla_graph::program::evaluate;
use nabla_graph::{Builder, Id, Mode, Purpose, Shape};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|n| n as usize).collect()
}

/// h of all steps in one direction, 0 where the mask is.
fn direction(b: &mut Builder, kind: &str, at: &HashMap<&str, Id>, mask: Id, reverse: bool) -> Id {
    let name = |n: &'static str| at[if reverse { format!("b{n}") } else { n.to_owned() }.as_str()];
    let (u, second) = (name("recurrentKernel"), name("second"));
    let units = b.shape(u).0[0].size;
    let part = |b: &mut Builder, x: Id, from: i64, to: Option<i64>| b.apply(Slice { axis: -1, from, to }.into(), &[x]).unwrap();
    let product = b.apply(Matmul::default().into(), &[at["x"], name("kernel")]).unwrap();
    let mut x = b.binary(BinaryKind::Add, product, name("bias")).unwrap();
    let mut inner = None;
    if kind == "gru" {
        // Of the second bias, the part of n stays inside the reset gate.
        let gates = part(b, second, 0, Some(2 * units as i64));
        let zero = b.constant(vec![0.0; units], &[units]).unwrap();
        let gates = b.apply(Concat { axis: 0 }.into(), &[gates, zero]).unwrap();
        inner = Some(part(b, second, 2 * units as i64, None));
        x = b.binary(BinaryKind::Add, x, gates).unwrap();
    } else {
        x = b.binary(BinaryKind::Add, x, second).unwrap();
    }
    let x = b.apply(Steps { reverse, back: false }.into(), &[x, mask]).unwrap();
    let rows = b.shape(x).0[0].size;
    let states = if kind == "lstm" { 2 } else { 1 };
    let zero = b.constant(vec![0.0; rows * states * units], &[rows, states * units]).unwrap();
    let record = match (kind, inner) {
        ("lstm", _) => b.apply(Lstm::default().into(), &[x, u, zero]),
        (_, Some(inner)) => b.apply(Gru::default().into(), &[x, u, zero, inner]),
        _ => b.apply(SimpleRnn::default().into(), &[x, u, zero]),
    };
    let h = part(b, record.unwrap(), -(units as i64), None);
    b.apply(Steps { reverse, back: true }.into(), &[h, mask]).unwrap()
}

#[test]
fn masked_sequences_are_packed_sequences() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/packed-sequences.json");
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let mut seen = 0;
    for case in json["cases"].as_array().unwrap() {
        let mut b = Builder::default();
        let mut values = HashMap::new();
        let mut at = HashMap::new();
        for (name, entry) in case["values"].as_object().unwrap() {
            values.insert(name.clone(), numbers(&entry["values"]));
            at.insert(name.as_str(), b.input(name, Shape::fixed(&sizes(&entry["shape"]))).unwrap());
        }
        let shape = Shape::fixed(&sizes(&case["yShape"]));
        let (rows, time) = (shape.0[0].size, shape.0[1].size);
        let mask = b.input("mask", Shape::fixed(&[rows, time])).unwrap();
        let steps = sizes(&case["lengths"]);
        let counts = |row: usize| (0..time).map(move |t| if t < row { 1.0 } else { 0.0 });
        values.insert("mask".to_owned(), steps.iter().flat_map(|&n| counts(n)).collect());
        let kind = case["kind"].as_str().unwrap();
        let there = direction(&mut b, kind, &at, mask, false);
        let back = direction(&mut b, kind, &at, mask, true);
        let y = b.apply(Concat { axis: -1 }.into(), &[there, back]).unwrap();
        assert_eq!(*b.shape(y), shape);
        let r = b.input("r", shape).unwrap();
        values.insert("r".to_owned(), numbers(&case["r"]));
        let names: Vec<&str> = at.keys().copied().collect();
        let ids: Vec<Id> = names.iter().map(|n| at[n]).collect();
        let found = gradients(&mut b, y, r, &ids).unwrap();
        let mut outputs = vec![("y".to_owned(), y)];
        outputs.extend(names.iter().zip(&found).map(|(n, id)| (format!("d {n}"), id.unwrap())));
        let purpose = Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs: outputs.iter().map(|(n, _)| n.clone()).collect(),
            capacity: 1,
        };
        let named: Vec<(&str, Id)> = outputs.iter().map(|(n, id)| (n.as_str(), *id)).collect();
        let result = evaluate(&b.finish(&named), &purpose, &HashMap::new(), &values, 0).unwrap();
        let near = |what: &str, found: &[f64], expected: &[f64]| {
            assert_eq!(found.len(), expected.len(), "{kind} {what}");
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= 1e-10 * b.abs().max(1.0), "{kind} {what}: {a} is not {b}");
            }
        };
        near("y", &result["y"], &numbers(&case["y"]));
        for name in names {
            near(name, &result[&format!("d {name}")], &numbers(&case["gradients"][name]));
            seen += 1;
        }
    }
    assert_eq!(seen, 27);
}
