use proptest::prelude::*;

use super::fit_affine as fit;
use super::*;
use crate::fit_values;
use crate::options::from_json;
use crate::prepare_targets::fit_targets;
use crate::source::{Column, Matrix};
use crate::{SourceParts, TargetParts};

fn standardize() -> Step {
    Step::Standardize(Standardize::default())
}

fn min_max(low: f64, high: f64, clip: bool) -> Step {
    Step::MinMax(MinMax {
        low,
        high,
        clip,
        columns: None,
    })
}

fn data(values: &[f64], width: usize) -> Dataset {
    SourceParts::new(values.len() / width, Matrix::F64(values.to_vec()))
        .build()
        .unwrap()
        .into()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0)
}

/// StandardScaler and MinMaxScaler of scikit-learn 1.9.1 on the 442 × 10 inputs of diabetes.csv.
#[test]
fn equals_scikit_learn() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/diabetes.csv");
    let options = from_json("fromCsv", r#"{"target":"progression"}"#).unwrap();
    let data = crate::read_csv(&path, &options).unwrap();
    let fitted = fit(&[standardize()], &data).unwrap();
    let mut values = data.features_f64().unwrap();
    fitted.transform(&mut values).unwrap();
    assert!(near(fitted.shift()[2], 26.37579185520364) && near(1.0 / fitted.factor()[2], 4.413120855492464));
    assert!(near(values[2], 1.2970884623909968));
    let mut values = data.features_f64().unwrap();
    fit(&[min_max(-1.0, 1.0, false)], &data).unwrap().transform(&mut values).unwrap();
    assert!(near(values[12], -0.7024793388429749));
    let mut values = data.features_f64().unwrap();
    fit(&[standardize(), min_max(-1.0, 1.0, false)], &data)
        .unwrap()
        .transform(&mut values)
        .unwrap();
    assert!(near(values[54], -0.5882352941176472));
    let mut targets = data.targets().unwrap();
    let fitted = fit_targets(&[standardize()], &data).unwrap();
    fitted.transform(&mut targets).unwrap();
    fitted.inverse(&mut targets).unwrap();
    assert!(targets.iter().zip(data.targets().unwrap()).all(|(&a, b)| near(a, b)));
}

#[test]
fn a_constant_column_keeps_its_unit() {
    let data = data(&[0.1, 5.0, 0.1, 7.0, 0.1, 9.0], 2);
    let mut values = data.features_f64().unwrap();
    let fitted = fit(&[standardize()], &data).unwrap();
    fitted.transform(&mut values).unwrap();
    assert_eq!((fitted.factor()[0], values[0]), (1.0, 0.0));
    let mut values = data.features_f64().unwrap();
    fit(&[min_max(2.0, 3.0, false)], &data).unwrap().transform(&mut values).unwrap();
    assert!(near(values[0], 2.0) && near(values[1], 2.0) && near(values[5], 3.0));
}

#[test]
fn clips_rows_that_were_not_fitted() {
    let fitted = fit(&[min_max(0.0, 1.0, true), min_max(-1.0, 3.0, false)], &data(&[0.0, 10.0], 1)).unwrap();
    let mut values = [-5.0, 0.0, 5.0, 10.0, 20.0];
    fitted.transform(&mut values).unwrap();
    assert_eq!(values, [-1.0, -1.0, 1.0, 3.0, 3.0]);
    let mut gathered = [-1.5f32, 2.0, 7.0];
    fitted.clip_rows_f32(&mut gathered);
    assert_eq!(gathered, [-1.0, 2.0, 3.0]);
    let json = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<Fitted>(&json).unwrap(), fitted);
}

#[test]
fn fits_the_rows_of_the_view_only() {
    let whole = data(&[1.0, 3.0, 1e6], 1);
    let fitted = fit(&[standardize()], &whole.select(&[0, 1]).unwrap()).unwrap();
    assert_eq!((fitted.shift(), fitted.factor()), (&[2.0][..], &[1.0][..]));
}

#[test]
fn errors() {
    let holes = data(&[1.0, 2.0, 3.0, f64::NAN], 2);
    let error = fit(&[standardize()], &holes.select(&[1, 0]).unwrap()).unwrap_err();
    assert_eq!(
        (error.code, error.place.as_deref()),
        (Code::InvalidData, Some("column \"x1\", row 1"))
    );
    let only = |json: &str| fit(&[from_json("prepare", json).unwrap()], &holes);
    assert!(
        only(r#"{"kind":"standardize","columns":["x0"]}"#).is_ok(),
        "a column that is left alone may have holes"
    );
    let error = only(r#"{"kind":"minMax","columns":["x2"]}"#).unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("Did you mean \"x0\"?"));
    assert_eq!(
        only(r#"{"kind":"minMax","columns":["x0"],"low":1,"high":1}"#).unwrap_err().code,
        Code::InvalidOption
    );
    for (json, near) in [
        (r#"{"kind":"standardise"}"#, "standardize"),
        (r#"{"kind":"minMax","hihg":1}"#, "high"),
    ] {
        assert_eq!(
            from_json::<Step>("prepare", json).unwrap_err().hint,
            Some(format!("Did you mean {near:?}?"))
        );
    }
    let huge = data(&[-1e308, 1e308], 1);
    assert_eq!(fit(&[standardize()], &huge).unwrap_err().code, Code::NotFinite);
    let columns = vec![
        Column {
            name: "c".into(),
            kind: Kind::Category {
                levels: vec!["a".into(), "b".into()],
            },
        },
        Column::number("n"),
    ];
    let parts = SourceParts {
        columns: Some(columns),
        ..SourceParts::new(2, Matrix::F64(vec![0.0, 1.0, 1.0, 3.0]))
    };
    let target = TargetParts::Classes {
        names: vec!["a".into()],
        labels: vec![0, 0],
    };
    let mixed: Dataset = SourceParts {
        target: Some(target),
        ..parts
    }
    .build()
    .unwrap()
    .into();
    assert_eq!(fit(&[standardize()], &mixed).unwrap().factor(), [1.0, 1.0], "categories stay");
    assert_eq!(fit(&[standardize()], &mixed).unwrap().shift(), [0.0, 2.0]);
    let named = from_json("prepare", r#"{"kind":"standardize","columns":["c"]}"#).unwrap();
    assert!(fit(&[named], &mixed).unwrap_err().message.contains("does not hold numbers"));
    assert_eq!(fit_targets(&[standardize()], &mixed).unwrap_err().code, Code::InvalidOption);
    assert_eq!(
        fit_values(&[standardize()], &[1.0, f64::INFINITY], 1).unwrap_err().code,
        Code::NotFinite
    );
    assert!(serde_json::from_str::<Fitted>(r#"{"shift":[0],"factor":[0]}"#).is_err());
    assert!(serde_json::from_str::<Fitted>(r#"{"shift":[0],"factor":[1,1]}"#).is_err());
}

proptest! {
    #[test]
    fn standardized_columns_have_mean_0_and_deviation_1(values in proptest::collection::vec(-1e3..1e3f64, 4..400)) {
        let values = &values[..values.len() / 2 * 2];
        let fitted = fit_values(&[min_max(-3.0, 5.0, true), standardize()], values, 2).unwrap();
        let mut prepared = vec![0.0; values.len()];
        fitted.transform(values, false, &mut prepared).unwrap();
        let again = Moments::of(prepared.len() / 2, 2, |row, out| out.copy_from_slice(&prepared[row * 2..][..out.len()]));
        for j in 0..2 {
            prop_assert!(again.mean[j].abs() < 1e-9);
            prop_assert!((again.squares[j] / again.count[j] - 1.0).abs() < 1e-9);
        }
        let mut back = vec![0.0; values.len()];
        fitted.inverse(&prepared, false, &mut back).unwrap();
        prop_assert!(back.iter().zip(values).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
