use proptest::prelude::*;

use super::*;
use crate::source::{Column, Kind};
use crate::{SourceParts, TargetParts};

fn sample() -> Dataset {
    let target = TargetParts::Classes {
        names: vec!["no".into(), "yes".into()],
        labels: vec![0, 1, 1, 0],
    };
    let columns = vec![
        Column::number("age"),
        Column {
            name: "port".into(),
            kind: Kind::Category {
                levels: vec!["C".into(), "S".into()],
            },
        },
    ];
    let features = Matrix::F64(vec![1.0, 0.0, 2.0, 1.0, f64::NAN, 1.0, 6.0, f64::NAN]);
    let parts = SourceParts {
        columns: Some(columns),
        target: Some(target),
        weights: Some(vec![1.0, 2.0, 3.0, 4.0]),
        ..SourceParts::new(4, features)
    };
    SourceParts {
        groups: Some(vec![5, 5, 9, 9]),
        ..parts
    }
    .build()
    .unwrap()
    .into()
}

#[test]
fn selecting_copies_no_rows_and_composes() {
    let data = sample();
    let view = data.select(&[3, 1, 1]).unwrap().select(&[2, 0]).unwrap();
    assert!(Arc::ptr_eq(view.source(), data.source()));
    assert_eq!((view.rows(), view.source_rows(), view.row_index(1)), (2, vec![1, 3], 3));
    assert_eq!(
        (view.labels(), view.weights(), view.groups()),
        (Some(vec![1, 0]), Some(vec![2.0, 4.0]), Some(vec![0, 1]))
    );
    assert_eq!(view.features_f64().unwrap()[..3], [2.0, 1.0, 6.0]);
    assert_eq!(data.take(2).source_rows(), [0, 1]);
    assert_eq!(
        (data.take(9).rows(), view.take(1).source_rows(), data.targets()),
        (4, vec![1], None)
    );
    let error = view.select(&[0, 2]).unwrap_err();
    assert_eq!((error.code, error.place.as_deref()), (Code::InvalidData, Some("indices[1]")));
}

#[test]
fn missing_cells_are_refused_by_name() {
    let data = sample();
    let place = |data: &Dataset| data.check_finite().unwrap_err().place.unwrap();
    assert_eq!(place(&data), "column \"age\", row 2");
    assert_eq!(place(&data.select(&[1, 3, 2]).unwrap()), "column \"port\", row 3");
    assert!(data.take(2).check_finite().is_ok());
}

#[test]
fn schema_and_description_are_plain_json() {
    let data = sample().select(&[0, 1, 2, 3, 3]).unwrap();
    let schema = serde_json::json!({
        "rows": 5, "width": 2, "sampleShape": [2], "featureType": "f64",
        "columns": [{ "name": "age", "kind": "number" }, { "name": "port", "kind": "category", "levels": ["C", "S"] }],
        "target": { "kind": "classes", "names": ["no", "yes"] }, "weights": true, "groups": true,
        "windows": false
    });
    assert_eq!(serde_json::to_value(data.schema()).unwrap(), schema);
    assert_eq!(serde_json::from_value::<Schema>(schema).unwrap(), data.schema());
    let description = serde_json::json!({
        "rows": 5,
        "columns": [
            { "name": "age", "kind": "number", "count": 4, "missing": 1, "mean": 3.75, "deviation": 2.6299556396765835,
              "min": 1.0, "lowerQuartile": 1.75, "median": 4.0, "upperQuartile": 6.0, "max": 6.0 },
            { "name": "port", "kind": "category", "count": 3, "missing": 2, "levels": [{ "name": "C", "count": 1 }, { "name": "S", "count": 2 }] }
        ],
        "target": { "kind": "classes", "classes": [{ "name": "no", "count": 3 }, { "name": "yes", "count": 2 }] }
    });
    assert_eq!(serde_json::to_value(data.describe()).unwrap(), description);
    let none = serde_json::to_value(data.select(&[2]).unwrap().describe()).unwrap();
    assert_eq!(
        (&none["columns"][0]["mean"], &none["columns"][0]["count"]),
        (&serde_json::Value::Null, &0.into())
    );
}

#[test]
fn an_image_is_described_by_all_its_values() {
    let image: Dataset = SourceParts {
        sample_shape: Some(vec![2, 2, 1]),
        ..SourceParts::new(2, Matrix::U8(vec![0, 0, 0, 0, 255, 255, 255, 1]))
    }
    .build()
    .unwrap()
    .into();
    let description = serde_json::to_value(image.describe()).unwrap();
    let all = &description["columns"][0];
    assert_eq!(
        (&all["name"], &all["count"], &all["median"]),
        (&"features".into(), &8.into(), &0.5.into())
    );
    assert_eq!(
        (&all["lowerQuartile"], &all["upperQuartile"], &all["mean"]),
        (&0.0.into(), &255.0.into(), &95.75.into())
    );
}

#[test]
fn a_fingerprint_notices_every_change() {
    let data = sample();
    let mut seen = std::collections::HashSet::from([data.fingerprint().unwrap()]);
    assert_eq!(data.fingerprint().unwrap(), sample().fingerprint().unwrap());
    assert_eq!(
        data.select(&[0, 1, 2, 3]).unwrap().fingerprint().unwrap(),
        data.fingerprint().unwrap()
    );
    assert!(seen.insert(data.take(3).fingerprint().unwrap()) && seen.insert(data.select(&[1, 0, 2, 3]).unwrap().fingerprint().unwrap()));
    let changed = |change: &dyn Fn(&mut Source)| {
        let mut source = (**data.source()).clone();
        change(&mut source);
        Dataset::from(source).fingerprint().unwrap()
    };
    assert!(seen.insert(changed(&|s| s.columns[0].name = "years".into())));
    assert!(seen.insert(changed(&|s| s.weights = None)));
    assert!(seen.insert(changed(
        &|s| s.features = Matrix::F64(vec![1.0, 0.0, 2.0, 1.0, f64::NAN, 1.0, 6.000000000000001, f64::NAN])
    )));
}

proptest! {
    #[test]
    fn a_view_of_a_view_is_a_view(first in proptest::collection::vec(0u32..4, 1..20), picks in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20)) {
        let second: Vec<u32> = picks.iter().map(|pick| pick.index(first.len()) as u32).collect();
        let twice = sample().select(&first).unwrap().select(&second).unwrap();
        let once: Vec<u32> = second.iter().map(|&i| first[i as usize]).collect();
        prop_assert_eq!(twice.source_rows(), once);
    }
}

#[test]
fn padding_of_a_sequence_is_not_described() {
    let parts = SourceParts {
        sample_shape: Some(vec![3, 1]),
        lengths: Some(vec![1, 3]),
        target: Some(TargetParts::Sequence {
            names: vec!["a".into(), "b".into()],
            width: 3,
            labels: vec![1, 0, 0, 1, 1, 0],
        }),
        ..SourceParts::new(2, Matrix::F64(vec![4.0, 0.0, 0.0, 1.0, 3.0, 8.0]))
    };
    let description = serde_json::to_value(Dataset::from(parts.build().unwrap()).describe()).unwrap();
    let column = &description["columns"][0];
    assert_eq!(
        (&column["count"], &column["missing"], &column["mean"], &column["min"]),
        (&4.into(), &0.into(), &4.0.into(), &1.0.into())
    );
    assert_eq!(description["target"]["classes"][0]["count"], 1);
    assert_eq!(description["target"]["classes"][1]["count"], 3);
}
