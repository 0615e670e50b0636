//! Convolution, pooling and norms against PyTorch: values and gradients in double precision.

use std::collections::HashMap;

use nabla_graph::passes::differentiate::gradients;
use nabla_graph::program::evaluate;
use nabla_graph::{Builder, Id, Mode, Purpose, Shape};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct Case {
    op: String,
    attributes: Value,
    inputs: Vec<Tensor>,
    y: Tensor,
    r: Tensor,
    gradients: Vec<Tensor>,
}

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

fn expect_close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        // Both sum some hundred products in another order.
        assert!((a - b).abs() <= 1e-11 * b.abs().max(1.0), "{what}[{i}]: {a} is not {b}");
    }
}

#[test]
fn values_and_gradients_are_pytorchs() {
    let text = std::fs::read_to_string("../../__test__/fixtures/images.json").unwrap();
    let fixture: Fixture = serde_json::from_str(&text).unwrap();
    assert!(fixture.cases.len() > 20);
    for case in fixture.cases {
        let mut b = Builder::default();
        let mut inputs = HashMap::new();
        let mut x = Vec::new();
        for (i, tensor) in case.inputs.into_iter().enumerate() {
            x.push(b.input(&format!("x{i}"), Shape::fixed(&tensor.shape)).unwrap());
            inputs.insert(format!("x{i}"), tensor.values);
        }
        let y = b.apply_named(&case.op, &x, case.attributes.clone()).unwrap();
        let what = format!("{} {}", case.op, case.attributes);
        assert_eq!(*b.shape(y), Shape::fixed(&case.y.shape), "{what}");
        let r = b.input("r", Shape::fixed(&case.r.shape)).unwrap();
        inputs.insert("r".to_owned(), case.r.values);
        let found: Vec<Id> = gradients(&mut b, y, r, &x).unwrap().into_iter().map(Option::unwrap).collect();
        let names: Vec<String> = (0..found.len()).map(|i| format!("d{i}")).collect();
        let mut outputs: Vec<(&str, Id)> = names.iter().map(String::as_str).zip(found).collect();
        outputs.push(("y", y));
        let purpose = Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs: outputs.iter().map(|(n, _)| (*n).to_owned()).collect(),
            capacity: 1,
        };
        let values = evaluate(&b.finish(&outputs), &purpose, &HashMap::new(), &inputs, 0).unwrap();
        expect_close(&what, &values["y"], &case.y.values);
        for (name, gradient) in names.iter().zip(&case.gradients) {
            expect_close(&format!("{name} of {what}"), &values[name], &gradient.values);
        }
    }
}
