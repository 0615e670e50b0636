use super::*;
use crate::options::from_json;

/// f32 rows at 1e8 whose neighbours are 8 apart: sums in single precision would keep no digit of the deviation.
fn far_away(rows: usize, width: usize) -> Vec<f32> {
    (0..rows * width).map(|i| 1e8 + 8.0 * ((i * 7919) % 101) as f32).collect()
}

fn steps(json: &str) -> Vec<Step> {
    from_json("prepare", json).unwrap()
}

fn prepared<T: Real + Stored>(fitted: &Prepared, values: &[T]) -> Vec<T> {
    let mut out = vec![T::ZERO; values.len() / fitted.width() * fitted.prepared_width()];
    fitted.transform(values, false, &mut out).unwrap();
    out
}

#[test]
fn single_precision_is_that_of_doubles_rounded_once() {
    for width in [1, 3, 16, 50] {
        let singles = far_away(2000, width);
        let doubles: Vec<f64> = singles.iter().map(|&v| v.into()).collect();
        for json in [
            r#"[{"kind":"standardize"}]"#,
            r#"[{"kind":"minMax","clip":true}]"#,
            r#"[{"kind":"unitNorm"},{"kind":"robust"}]"#,
        ] {
            let (a, b) = (
                fit_values(&steps(json), &singles, width).unwrap(),
                fit_values(&steps(json), &doubles, width).unwrap(),
            );
            assert_eq!(a, b, "{json}, {width} columns");
            let rounded: Vec<f32> = prepared(&b, &doubles).iter().map(|&v| v as f32).collect();
            assert_eq!(prepared(&a, &singles), rounded, "{json}, {width} columns");
        }
    }
}

#[test]
fn columns_far_from_zero_get_mean_0_and_deviation_1() {
    let values = far_away(30_000, 7);
    let out = prepared(&fit_values(&steps(r#"[{"kind":"standardize"}]"#), &values, 7).unwrap(), &values);
    for j in 0..7 {
        let column = || out.iter().skip(j).step_by(7).map(|&v| f64::from(v));
        let mean = column().sum::<f64>() / 30_000.0;
        let variance = column().map(|v| v * v).sum::<f64>() / 30_000.0;
        assert!(mean.abs() < 1e-7 && (variance - 1.0).abs() < 1e-6, "column {j}: {mean}, {variance}");
    }
}

#[test]
fn the_same_bits_on_any_number_of_cores() {
    let values = far_away(40_000, 20);
    let run = || {
        let fitted = fit_values(&steps(r#"[{"kind":"standardize"}]"#), &values, 20).unwrap();
        let out = prepared(&fitted, &values);
        (format!("{fitted:?}"), out.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    assert_eq!(on(1), on(3));
}

#[test]
fn what_is_not_finite_is_named() {
    for wrong in [f32::NAN, f32::INFINITY] {
        let mut values = far_away(4000, 20);
        let fitted = fit_values(&steps(r#"[{"kind":"standardize"}]"#), &values, 20).unwrap();
        values[3999 * 20 + 4] = wrong;
        let mut out = vec![0.0; values.len()];
        let errors = [
            fit_values(&steps(r#"[{"kind":"standardize","mean":false,"deviation":false}]"#), &values, 20).unwrap_err(),
            fitted.transform(&values, false, &mut out).unwrap_err(),
            fitted.inverse(&values, false, &mut out).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code, Code::NotFinite);
            assert_eq!(error.place.as_deref(), Some("column \"x4\", row 3999"));
        }
    }
}
