//! Laws that every metric obeys, over the table of samples.

use nabla_error::Code;
use proptest::prelude::*;

use crate::{Batch, Direction, Metric, MetricSpec, Truth, expect_distinct_names};

/// Rows for one kind of metric: class metrics look at `labels` and `scores`, the others at `values` and `guesses`.
#[derive(Clone, Debug)]
struct Rows {
    classes: usize,
    labels: Vec<u32>,
    scores: Vec<f64>,
    values: Vec<f64>,
    guesses: Vec<f64>,
    weights: Vec<f64>,
}

const OUTPUTS: usize = 2;

fn rows() -> impl Strategy<Value = Rows> {
    (2usize..5, 2usize..20).prop_flat_map(|(classes, n)| {
        let vec = |len, range: std::ops::Range<f64>| prop::collection::vec(range, len);
        (
            prop::collection::vec(0..classes as u32, n),
            vec(n * classes, 0.0..1.0),
            vec(n * OUTPUTS, -5.0..5.0),
            vec(n * OUTPUTS, -5.0..5.0),
            prop::collection::vec(0u8..4, n),
        )
            .prop_map(move |(labels, scores, values, guesses, weights)| {
                let mut weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
                weights[0] += 1.0;
                Rows {
                    classes,
                    labels,
                    scores,
                    values,
                    guesses,
                    weights,
                }
            })
    })
}

fn is_of_classes(spec: &MetricSpec) -> bool {
    !matches!(
        spec.kind(),
        "meanSquaredError"
            | "rootMeanSquaredError"
            | "meanAbsoluteError"
            | "medianAbsoluteError"
            | "meanAbsolutePercentageError"
            | "r2"
            | "explainedVariance"
            | "maxError"
            | "pinball"
    )
}

impl Rows {
    fn batch<'a>(&'a self, spec: &MetricSpec, weights: Option<&'a [f64]>) -> Batch<'a> {
        let (truth, prediction) = if is_of_classes(spec) {
            (
                Truth::Classes {
                    labels: &self.labels,
                    count: self.classes,
                },
                &self.scores[..],
            )
        } else {
            (
                Truth::Numbers {
                    values: &self.values,
                    width: OUTPUTS,
                },
                &self.guesses[..],
            )
        };
        Batch {
            truth,
            prediction,
            weights,
        }
    }

    fn pick(&self, rows: &[usize]) -> Self {
        let take = |from: &[f64], width: usize| {
            rows.iter()
                .flat_map(|r| from[r * width..(r + 1) * width].to_vec())
                .collect::<Vec<f64>>()
        };
        Self {
            classes: self.classes,
            labels: rows.iter().map(|r| self.labels[*r]).collect(),
            scores: take(&self.scores, self.classes),
            values: take(&self.values, OUTPUTS),
            guesses: take(&self.guesses, OUTPUTS),
            weights: take(&self.weights, 1),
        }
    }

    fn right(&self) -> Self {
        let mut scores = vec![0.0; self.scores.len()];
        for (row, label) in self.labels.iter().enumerate() {
            scores[row * self.classes + *label as usize] = 1.0;
        }
        Self {
            scores,
            guesses: self.values.clone(),
            ..self.clone()
        }
    }
}

fn value(spec: &MetricSpec, batch: &Batch) -> f64 {
    let mut metric = Metric::new(spec.clone()).unwrap();
    metric.update(batch).unwrap();
    metric.value()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(1.0) || (a.is_nan() && b.is_nan())
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_matter(rows in rows()) {
        let backwards: Vec<usize> = (0..rows.labels.len()).rev().collect();
        let turned = rows.pick(&backwards);
        for spec in MetricSpec::samples() {
            let (a, b) = (value(&spec, &rows.batch(&spec, Some(&rows.weights))), value(&spec, &turned.batch(&spec, Some(&turned.weights))));
            prop_assert!(close(a, b), "{:?}: {} {}", spec, a, b);
        }
    }

    #[test]
    fn a_weight_is_so_many_rows_and_only_ratios_count(rows in rows()) {
        let repeated: Vec<usize> = (0..rows.labels.len()).flat_map(|r| vec![r; rows.weights[r] as usize]).collect();
        let repeated = rows.pick(&repeated);
        let double: Vec<f64> = rows.weights.iter().map(|w| 2.0 * w).collect();
        for spec in MetricSpec::samples() {
            let weighted = value(&spec, &rows.batch(&spec, Some(&rows.weights)));
            prop_assert!(close(weighted, value(&spec, &rows.batch(&spec, Some(&double)))), "{:?}", spec);
            // rows of weight 0 make their classes seen, and count as rows of r2: repeat only where they change neither
            if rows.weights.iter().all(|w| *w > 0.0) {
                prop_assert!(close(weighted, value(&spec, &repeated.batch(&spec, None))), "{:?}", spec);
            }
            let ones = vec![1.0; rows.labels.len()];
            prop_assert!(close(value(&spec, &rows.batch(&spec, Some(&ones))), value(&spec, &rows.batch(&spec, None))), "{:?}", spec);
        }
    }

    #[test]
    fn nothing_beats_being_right(rows in rows()) {
        let right = rows.right();
        for spec in MetricSpec::samples() {
            let (best, other) = (value(&spec, &right.batch(&spec, None)), value(&spec, &rows.batch(&spec, None)));
            match spec.direction() {
                Direction::Max => prop_assert!(best >= other || best.is_nan() || other.is_nan(), "{:?}: {} {}", spec, best, other),
                // The logarithmic loss cuts a probability of 1 to 1 − ε.
                Direction::Min => prop_assert!(best.abs() <= 2.0 * f64::EPSILON && other >= 0.0, "{:?}: {} {}", spec, best, other),
            }
        }
    }

    #[test]
    fn one_column_says_what_two_columns_say(p in prop::collection::vec(0.0..1.0f64, 1..20), ones in 0u32..1000) {
        let labels: Vec<u32> = (0..p.len()).map(|i| (ones >> (i % 10)) & 1).collect();
        let truth = Truth::Classes { labels: &labels, count: 2 };
        let two: Vec<f64> = p.iter().flat_map(|p| [1.0 - p, *p]).collect();
        for spec in MetricSpec::samples().iter().filter(|s| is_of_classes(s) && !s_threshold(s)) {
            let (a, b) = (
                value(spec, &Batch { truth, prediction: &p, weights: None }),
                value(spec, &Batch { truth, prediction: &two, weights: None }),
            );
            prop_assert!(close(a, b), "{:?}: {} {}", spec, a, b);
        }
    }
}

fn s_threshold(spec: &MetricSpec) -> bool {
    serde_json::to_value(spec).unwrap()["threshold"] != 0.5
}

#[test]
fn json_and_back() {
    for spec in MetricSpec::samples() {
        let mut json = serde_json::to_value(&spec).unwrap();
        assert_eq!((json["kind"].as_str(), spec.name()), (Some(spec.kind()), spec.kind()));
        assert_eq!(serde_json::from_value::<MetricSpec>(json.clone()).unwrap(), spec);
        json["name"] = "mine".into();
        assert_eq!(serde_json::from_value::<MetricSpec>(json.clone()).unwrap().name(), "mine");
        json["averge"] = 1.into();
        assert!(serde_json::from_value::<MetricSpec>(json).is_err());
        assert!(serde_json::from_str::<MetricSpec>(&format!("{{\"kind\":\"{}\"}}", spec.kind())).is_ok());
    }
}

#[test]
fn options_out_of_range_are_named() {
    for (json, option) in [
        (r#"{"kind":"accuracy","threshold":1.5}"#, "threshold"),
        (r#"{"kind":"balancedAccuracy","threshold":-1}"#, "threshold"),
        (r#"{"kind":"fBeta","beta":0}"#, "beta"),
        (r#"{"kind":"f1","zeroDivision":2}"#, "zeroDivision"),
        (r#"{"kind":"recall","positive":2}"#, "positive"),
        (r#"{"kind":"rocAuc","average":"binary"}"#, "average"),
        (r#"{"kind":"rocAuc","average":"micro","multiClass":"ovo"}"#, "average"),
        (r#"{"kind":"averagePrecision","average":"binary"}"#, "average"),
        (r#"{"kind":"topKAccuracy","k":0}"#, "k"),
        (r#"{"kind":"matthews","threshold":2}"#, "threshold"),
        (r#"{"kind":"cohenKappa","threshold":2}"#, "threshold"),
        (r#"{"kind":"calibrationError","bins":0}"#, "bins"),
        (r#"{"kind":"pinball","quantile":1}"#, "quantile"),
    ] {
        let error = Metric::new(serde_json::from_str(json).unwrap()).unwrap_err();
        assert_eq!((error.code, error.place.as_deref()), (Code::InvalidOption, Some(option)), "{json}");
    }
    let same: Vec<MetricSpec> = vec![serde_json::from_str(r#"{"kind":"f1"}"#).unwrap(); 2];
    assert_eq!(expect_distinct_names(&same).unwrap_err().code, Code::InvalidOption);
    assert!(expect_distinct_names(&same[..1]).is_ok());
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_no_trace() {
    let (labels, values, third) = ([0u32, 1, 2], [1.0, 2.0, 3.0], 1.0 / 3.0);
    let classes = Batch {
        truth: Truth::Classes { labels: &labels, count: 3 },
        prediction: &[third; 9],
        weights: None,
    };
    let numbers = Batch {
        truth: Truth::Numbers { values: &values, width: 1 },
        prediction: &[1.0, 2.0, 4.0],
        weights: None,
    };
    let nan = [third, f64::NAN, third, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    for spec in MetricSpec::samples() {
        let (good, bad): (Batch, Vec<(Batch, Code)>) = if is_of_classes(&spec) {
            let bad = vec![
                (numbers, Code::InvalidData),
                (
                    Batch {
                        prediction: &[0.5; 8],
                        ..classes
                    },
                    Code::ShapeMismatch,
                ),
                (
                    Batch {
                        truth: Truth::Classes {
                            labels: &[0, 1, 3],
                            count: 3,
                        },
                        ..classes
                    },
                    Code::InvalidData,
                ),
                (
                    Batch {
                        prediction: &nan,
                        ..classes
                    },
                    Code::NotFinite,
                ),
                (
                    Batch {
                        truth: Truth::Classes { labels: &[0], count: 4 },
                        prediction: &[0.25; 4],
                        weights: None,
                    },
                    Code::ShapeMismatch,
                ),
            ];
            (classes, bad)
        } else {
            let bad = vec![
                (classes, Code::InvalidData),
                (
                    Batch {
                        prediction: &[0.5; 2],
                        ..numbers
                    },
                    Code::ShapeMismatch,
                ),
                (
                    Batch {
                        prediction: &[0.5, f64::INFINITY, 0.0],
                        ..numbers
                    },
                    Code::NotFinite,
                ),
                (
                    Batch {
                        truth: Truth::Numbers { values: &values, width: 3 },
                        ..numbers
                    },
                    Code::ShapeMismatch,
                ),
                (
                    Batch {
                        truth: Truth::Numbers { values: &values, width: 0 },
                        ..numbers
                    },
                    Code::ShapeMismatch,
                ),
            ];
            (numbers, bad)
        };
        let weights: [(&[f64], Code); 3] = [
            (&[1.0; 2], Code::ShapeMismatch),
            (&[1.0, -1.0, 1.0], Code::InvalidData),
            (&[1.0, f64::NAN, 1.0], Code::InvalidData),
        ];
        let bad = bad
            .into_iter()
            .chain(weights.map(|(w, code)| (Batch { weights: Some(w), ..good }, code)));
        let mut metric = Metric::new(spec.clone()).unwrap();
        assert!(metric.value().is_nan(), "{spec:?}");
        metric.update(&good).unwrap();
        let before = metric.value();
        for (batch, code) in bad {
            let error = metric.update(&batch).unwrap_err();
            assert_eq!((error.code, error.place.as_deref()), (code, Some(spec.kind())), "{spec:?}: {error}");
            assert_eq!(metric.value(), before);
        }
        metric.reset();
        assert!(metric.value().is_nan(), "{spec:?}");
        assert_eq!(
            metric.merge(&Metric::new(other_than(&spec)).unwrap()).unwrap_err().code,
            Code::Internal
        );
    }
    let binary: MetricSpec = serde_json::from_str(r#"{"kind":"f1","average":"binary"}"#).unwrap();
    assert_eq!(Metric::new(binary).unwrap().update(&classes).unwrap_err().code, Code::InvalidOption);
}

fn other_than(spec: &MetricSpec) -> MetricSpec {
    MetricSpec::samples().into_iter().find(|s| s.kind() != spec.kind()).unwrap()
}
