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

/// Numbers and categories with holes, in a view that leaves rows out, repeats some and turns the order round.
fn mixed() -> Dataset {
    let holed = |row: usize, j: usize| match j {
        0 if row % 7 == 3 => f64::NAN,
        0 => (row * 7919 % 101) as f64 / 8.0 - 3.0,
        1 => 1e8 + (row * 31 % 17) as f64,
        _ if row % 11 == 5 => f64::NAN,
        _ => (row % 3) as f64,
    };
    let features = (0..120).flat_map(|row| (0..3).map(move |j| holed(row, j))).collect();
    let levels = ["a", "b", "c"].map(str::to_owned).to_vec();
    let parts = SourceParts {
        columns: Some(vec![
            Column::number("size"),
            Column::number("far"),
            Column {
                name: "kind".to_owned(),
                kind: Kind::Category { levels },
            },
        ]),
        target: Some(TargetParts::Numbers {
            names: Some(vec!["y".to_owned()]),
            width: 1,
            values: (0..120).map(|row| f64::from(row % 13)).collect(),
        }),
        ..SourceParts::new(120, Matrix::F64(features))
    };
    let rows: Vec<u32> = (0..110).rev().chain([4, 4, 9]).collect();
    Dataset::from(parts.build().unwrap()).select(&rows).unwrap()
}

/// What a fold gathers is what a copy of its prepared rows would hold, to the bit, whatever the steps.
#[test]
fn rows_are_prepared_alike_one_by_one_as_a_copy_and_as_a_matrix() {
    let data = mixed();
    let filled = r#"{"kind":"impute","strategy":"median"},{"kind":"impute","columns":["kind"],"strategy":"mode"}"#;
    let lists = [
        r#"{"kind":"oneHot"}"#.to_owned(),
        r#"{"kind":"ordinal"},{"kind":"standardize"}"#.to_owned(),
        r#"{"kind":"oneHot","drop":"first"},{"kind":"unitNorm"}"#.to_owned(),
        r#"{"kind":"power"},{"kind":"oneHot"}"#.to_owned(),
        r#"{"kind":"power","standardize":false},{"kind":"minMax","clip":true}"#.to_owned(),
        r#"{"kind":"quantile","quantiles":9,"output":"normal"},{"kind":"robust"},{"kind":"oneHot"}"#.to_owned(),
        r#"{"kind":"impute","columns":["far"],"indicator":true},{"kind":"selectBest","k":2}"#.to_owned(),
    ];
    for list in lists {
        let steps: Vec<Step> = from_json("prepare", &format!("[{filled},{list}]")).unwrap();
        let fitted = fit(&steps, &data).unwrap();
        assert!(fitted.changes(&data).unwrap(), "{list}");
        let copy = fitted.materialise(&data).unwrap();
        let matrix = fitted.stage_rows(&data.features_f64().unwrap()).unwrap();
        assert_eq!(copy.features_f64().unwrap(), matrix, "{list}");
        for row in 0..data.rows() {
            let wide = matrix.len() / data.rows();
            fitted.staged(&data, data.row_index(row), |staged| {
                assert_eq!(staged, &matrix[row * wide..][..wide], "{list}")
            });
        }
    }
}

#[test]
fn what_is_still_missing_is_named_before_any_row_is_gathered() {
    let data = mixed();
    let steps: Vec<Step> = from_json("prepare", r#"[{"kind":"impute","columns":["size"]}]"#).unwrap();
    let fitted = fit(&steps, &data).unwrap();
    // Counted in the source: the view begins with its row 109.
    let error = fitted.changes(&data).unwrap_err();
    assert_eq!(
        (error.code, error.place.as_deref()),
        (Code::InvalidData, Some("column \"kind\", row 104"))
    );
    let whole = data.select(&[0, 2]).unwrap();
    assert!(!fitted.changes(&whole).unwrap(), "nothing is missing: nothing to fill");
}
