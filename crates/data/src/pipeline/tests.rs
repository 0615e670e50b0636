//! Against scikit-learn (`__test__/fixtures/preparation.json`), and laws over the steps.

use serde_json::Value;

use super::*;
use crate::builder::{SourceParts, TargetParts};
use crate::fit_values;
use crate::options::from_json;

fn numbers(value: &Value) -> Vec<f64> {
    let number = |v: &Value| v.as_f64().or_else(|| v.as_str().and_then(|text| text.parse().ok())).unwrap();
    value.as_array().unwrap().iter().map(number).collect()
}

fn near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * b.abs().max(1.0) || a.is_nan() && b.is_nan()
}

#[test]
fn equals_scikit_learn() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/preparation.json"));
    let fixture: Value = serde_json::from_str(text).unwrap();
    for case in fixture["cases"].as_array().unwrap() {
        let width = case["width"].as_u64().unwrap() as usize;
        let steps: Vec<Step> = from_json("prepare", &case["steps"].to_string()).unwrap();
        let (train, later) = (numbers(&case["train"]), numbers(&case["later"]));
        let fitted = match case.get("labels") {
            None => fit_values(&steps, &train, width).unwrap(),
            Some(labels) => fit(&steps, &with_target(&train, width, &numbers(labels), case["classes"].as_u64())).unwrap(),
        };
        let mut prepared = vec![0.0; later.len() / width * fitted.prepared_width()];
        fitted.transform(&later, true, &mut prepared).unwrap();
        let (expected, tolerance) = (numbers(&case["expected"]), case["tolerance"].as_f64().unwrap());
        assert_eq!(prepared.len(), expected.len(), "{}", case["name"]);
        for (i, (a, b)) in prepared.iter().zip(&expected).enumerate() {
            assert!(near(*a, *b, tolerance), "{}, value {i}: {a}, expected {b}", case["name"]);
        }
        if let Some(inverse) = case.get("inverse") {
            let mut back = vec![0.0; later.len()];
            fitted.inverse(&prepared, true, &mut back).unwrap();
            for (i, (a, b)) in back.iter().zip(numbers(inverse)).enumerate() {
                assert!(near(*a, b, tolerance.max(1e-9)), "{}, inverse {i}: {a}, expected {b}", case["name"]);
            }
        }
        let text = serde_json::to_string(&fitted).unwrap();
        let back: Prepared = serde_json::from_str(&text).unwrap();
        let mut again = vec![0.0; expected.len()];
        back.transform(&later, true, &mut again).unwrap();
        assert_eq!(
            again.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            prepared.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
    }
}

fn with_target(train: &[f64], width: usize, target: &[f64], classes: Option<u64>) -> Dataset {
    let mut parts = SourceParts::new(target.len(), Matrix::F64(train.to_vec()));
    parts.target = Some(match classes {
        Some(count) => TargetParts::Classes {
            names: (0..count).map(|k| format!("c{k}")).collect(),
            labels: target.iter().map(|&v| v as u32).collect(),
        },
        None => TargetParts::Numbers {
            names: None,
            width: 1,
            values: target.to_vec(),
        },
    });
    assert_eq!(train.len(), target.len() * width);
    parts.build().unwrap().into()
}
