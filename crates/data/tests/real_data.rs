//! Real files: the three that are packed, and more from the folder that NABLA_DATA names (skipped with a message without it).

use std::path::{Path, PathBuf};

use nabla_data::pipeline::fit;
use nabla_data::prepare::{Standardize, Step};
use nabla_data::split::{HoldOutOptions, hold_out};
use nabla_data::{ColumnSummary, Dataset, IdxOptions, TargetSummary, options, read_csv, read_idx};
use nabla_error::Code;

fn packed(file: &str, json: &str) -> Dataset {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets").join(file);
    read_csv(&path, &options::from_json("fromCsv", json).unwrap()).unwrap()
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("NABLA_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: NABLA_DATA names no folder of data sets");
    }
    folder
}

fn class_counts(data: &Dataset) -> Vec<usize> {
    let Some(TargetSummary::Classes { classes }) = data.describe().target else {
        panic!("no classes")
    };
    classes.iter().map(|class| class.count).collect()
}

fn missing(data: &Dataset) -> Vec<(String, usize)> {
    let columns = data.describe().columns.into_iter().map(|column| match column {
        ColumnSummary::Number { name, missing, .. } | ColumnSummary::Category { name, missing, .. } => (name, missing),
    });
    columns.filter(|(_, missing)| *missing > 0).collect()
}

fn named(pairs: &[(&str, usize)]) -> Vec<(String, usize)> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn digits() {
    let data = packed("digits.csv", r#"{"target":"digit","task":"classification"}"#);
    assert_eq!((data.rows(), data.width(), data.classes()), (1797, 64, Some(10)));
    assert_eq!(class_counts(&data), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let schema = data.schema();
    assert_eq!((schema.columns[9].name.as_str(), schema.columns.len()), ("pixel_1_1", 64));
    let labels = data.labels().unwrap();
    assert_eq!(labels[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    data.check_finite().unwrap();
    let parts = hold_out(
        &HoldOutOptions {
            rows: 1797,
            stratify: true,
            seed: 7,
            ..Default::default()
        },
        Some(&labels),
        None,
    )
    .unwrap();
    assert_eq!([parts.train.len(), parts.validation.len(), parts.test.len()], [1079, 359, 359]);
    let train = data.select(&parts.train).unwrap();
    let fitted = fit(&[Step::Standardize(Standardize::default())], &train).unwrap();
    assert_eq!(fitted.map().factor()[0], 1.0, "pixel_0_0 is always 0");
}

#[test]
fn iris_and_diabetes() {
    let iris = packed("iris.csv", r#"{"target":"species"}"#);
    assert_eq!((iris.rows(), iris.width(), class_counts(&iris)), (150, 4, vec![50; 3]));
    let diabetes = packed("diabetes.csv", r#"{"target":"progression"}"#);
    assert_eq!((diabetes.rows(), diabetes.width()), (442, 10));
    let ColumnSummary::Number {
        mean,
        deviation,
        lower_quartile,
        median,
        upper_quartile,
        ..
    } = &diabetes.describe().columns[2]
    else {
        panic!("bmi is a number")
    };
    // NumPy 2: mean, std(ddof=1), quantile(0.25, 0.5, 0.75).
    for (value, expected) in [mean, deviation, lower_quartile, median, upper_quartile].into_iter().zip([
        26.37579185520362,
        4.4181215606157735,
        23.2,
        25.7,
        29.275,
    ]) {
        assert!((value.unwrap() - expected).abs() < 1e-12);
    }
    assert!((diabetes.targets().unwrap().iter().sum::<f64>() / 442.0 - 152.13348416289594).abs() < 1e-9);
}

#[test]
fn tables_with_gaps_and_categories() {
    let Some(folder) = folder() else { return };
    let read = |file: &str, json: &str| read_csv(&folder.join("tabular").join(file), &options::from_json("fromCsv", json).unwrap());

    let titanic = read("titanic.csv", r#"{"target":"alive","drop":["survived"],"positiveClass":"yes"}"#).unwrap();
    assert_eq!((titanic.rows(), class_counts(&titanic)), (891, vec![549, 342]));
    assert_eq!(
        missing(&titanic),
        named(&[("age", 177), ("embarked", 2), ("deck", 688), ("embark_town", 2)])
    );
    let error = titanic.check_finite().unwrap_err();
    assert_eq!(
        (error.code, error.place.as_deref()),
        (Code::InvalidData, Some("column \"deck\", row 0"))
    );

    let housing = read("california_housing.csv", r#"{"target":"median_house_value"}"#).unwrap();
    assert_eq!(
        (housing.rows(), housing.width(), missing(&housing)),
        (20_640, 9, named(&[("total_bedrooms", 207)]))
    );

    let cars = read("auto_mpg.csv", r#"{"target":"mpg","drop":["name"]}"#).unwrap();
    assert_eq!((cars.rows(), cars.width(), missing(&cars)), (398, 7, named(&[("horsepower", 6)])));

    let adult = read("adult_train.csv", r#"{"target":"income","positiveClass":">50K"}"#).unwrap();
    assert_eq!(
        (adult.rows(), adult.width(), class_counts(&adult)),
        (32_561, 14, vec![24_720, 7_841])
    );
    assert_eq!(
        missing(&adult),
        named(&[("workclass", 1836), ("occupation", 1843), ("native_country", 583)])
    );

    let error = read("adult_train.csv", r#"{"target":"incme"}"#).unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("Did you mean \"income\"?"));
}

#[test]
fn mnist() {
    let Some(folder) = folder() else { return };
    let file = |name: &str| folder.join("mnist").join(name);
    let data = read_idx(
        &file("train-images-idx3-ubyte.gz"),
        Some(&file("train-labels-idx1-ubyte.gz")),
        &IdxOptions::default(),
    )
    .unwrap();
    let schema = data.schema();
    assert_eq!(
        (schema.rows, schema.sample_shape.as_slice(), schema.feature_type.as_str()),
        (60_000, &[28, 28, 1][..], "u8")
    );
    assert_eq!(data.labels().unwrap()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(class_counts(&data), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    let ColumnSummary::Number { mean, deviation, .. } = &data.describe().columns[0] else {
        panic!("pixels are numbers")
    };
    assert!((mean.unwrap() / 255.0 - 0.1307).abs() < 5e-5 && (deviation.unwrap() / 255.0 - 0.3081).abs() < 5e-5);
}
