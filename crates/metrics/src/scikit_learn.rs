//! Equal to scikit-learn (`__test__/fixtures/metrics.json`), in one batch and in several.

use serde::Deserialize;

use crate::{Batch, Metric, MetricSpec, Truth, confusion_matrix};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: Option<Vec<u32>>,
    classes: Option<usize>,
    values: Option<Vec<f64>>,
    width: usize,
    prediction: Vec<f64>,
    weights: Option<Vec<f64>>,
    confusion: Option<Vec<f64>>,
    expected: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    spec: MetricSpec,
    value: Number,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(String),
}

impl Case {
    fn rows(&self) -> usize {
        self.prediction.len() / self.width
    }

    fn batch(&self, from: usize, to: usize) -> Batch<'_> {
        let truth = match (&self.labels, &self.values) {
            (Some(labels), _) => Truth::Classes {
                labels: &labels[from..to],
                count: self.classes.unwrap(),
            },
            (_, Some(values)) => Truth::Numbers {
                values: &values[from * self.width..to * self.width],
                width: self.width,
            },
            _ => panic!("{}: no truth", self.name),
        };
        Batch {
            truth,
            prediction: &self.prediction[from * self.width..to * self.width],
            weights: self.weights.as_ref().map(|w| &w[from..to]),
        }
    }
}

#[test]
fn equals_scikit_learn_in_any_batches() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/metrics.json"));
    let mut kinds = std::collections::HashSet::new();
    for case in serde_json::from_str::<Fixture>(text).unwrap().cases {
        for Expected { spec, value } in &case.expected {
            kinds.insert(spec.kind());
            let expected = match value {
                Number::Finite(x) => *x,
                Number::Other(x) => x.parse().unwrap(),
            };
            for size in [case.rows(), 7, 1] {
                let mut metric = Metric::new(spec.clone()).unwrap();
                let mut merged = metric.clone();
                for from in (0..case.rows()).step_by(size) {
                    let batch = case.batch(from, case.rows().min(from + size));
                    metric.update(&batch).unwrap();
                    let mut part = Metric::new(spec.clone()).unwrap();
                    part.update(&batch).unwrap();
                    merged.merge(&part).unwrap();
                }
                for value in [metric.value(), merged.value()] {
                    let equal = (value - expected).abs() <= 1e-9 * expected.abs().max(1e-3) || (value.is_nan() && expected.is_nan());
                    assert!(equal, "{}: {spec:?}, batches of {size}: {value}, expected {expected}", case.name);
                }
            }
        }
        if let Some(confusion) = &case.confusion {
            for (a, b) in confusion_matrix(&case.batch(0, case.rows()), 0.5).unwrap().iter().zip(confusion) {
                assert!((a - b).abs() <= 1e-12, "{}: {a} {b}", case.name);
            }
        }
    }
    assert_eq!(kinds.len(), MetricSpec::KINDS.len(), "a metric without a reference");
}
