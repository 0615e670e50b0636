use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::options;

fn sizes(json: &str) -> Result<[usize; 3]> {
    hold_out_sizes(&options::from_json("split", json)?)
}

#[test]
fn sizes_of_the_automatic_hold_out() {
    // n → train, validation, test; the last three with tuning 'light'.
    let table = [
        (5, [3, 1, 1]),
        (100, [60, 20, 20]),
        (1797, [1079, 359, 359]),
        (50_000, [30_000, 10_000, 10_000]),
    ];
    for (n, expected) in table.into_iter().chain([(70_000, [50_000, 10_000, 10_000])]) {
        assert_eq!(sizes(&format!(r#"{{"rows":{n},"ratios":"auto"}}"#)).unwrap(), expected);
        let [_, validation, test] = expected;
        assert_eq!(sizes(&format!(r#"{{"rows":{n},"tuning":"none"}}"#)).unwrap(), [n - test, 0, test]);
        let half = validation.div_ceil(2);
        assert_eq!(
            sizes(&format!(r#"{{"rows":{n},"tuning":"light"}}"#)).unwrap(),
            [n - test - half, half, test]
        );
    }
}

#[test]
fn sizes_by_ratio_and_count() {
    let table = [
        (r#"{"rows":1797,"ratios":{"train":0.8,"test":0.2}}"#, [1438, 0, 359]),
        (r#"{"rows":10,"ratios":{"train":0.7,"validation":0.2,"test":0.1}}"#, [7, 2, 1]),
        (r#"{"rows":10,"ratios":{"test":0.25}}"#, [7, 0, 3]),
        (r#"{"rows":10,"ratios":{"train":0.5,"test":0.2}}"#, [5, 0, 2]),
        (r#"{"rows":10,"ratios":{}}"#, [10, 0, 0]),
        (r#"{"rows":10,"counts":{"validation":3}}"#, [7, 3, 0]),
        (r#"{"rows":10,"counts":{"train":2,"validation":3,"test":1}}"#, [2, 3, 1]),
    ];
    for (json, expected) in table {
        assert_eq!(sizes(json).unwrap(), expected, "{json}");
    }
    let bad = [
        (r#"{"rows":0}"#, "rows"),
        (r#"{"rows":1,"ratios":{"test":0.5}}"#, "no row is left"),
        (r#"{"rows":9,"ratios":{"train":0.8,"test":0.3}}"#, "sum of at most 1"),
        (r#"{"rows":9,"ratios":{"test":-0.1}}"#, "in [0, 1]"),
        (r#"{"rows":9,"ratios":{"test":20}}"#, "in [0, 1]"),
        (r#"{"rows":9,"counts":{"test":10}}"#, "at most the 9 rows"),
        (
            r#"{"rows":9,"counts":{"test":18446744073709551615,"validation":5}}"#,
            "at most the 9 rows",
        ),
        (r#"{"rows":9,"counts":{},"ratios":"auto"}"#, "not both"),
        (r#"{"rows":9,"counts":{},"tuning":"full"}"#, "tuning"),
        (r#"{"rows":9,"ratios":{"valdation":0.1}}"#, "Did you mean \"validation\"?"),
        (r#"{"rows":9,"ratios":"atuo"}"#, "'auto'"),
        (r#"{"rows":9,"stratfy":true}"#, "Did you mean \"stratify\"?"),
        (r#"{"rows":9,"tuning":"ful"}"#, "Did you mean \"full\"?"),
    ];
    for (json, text) in bad {
        let error = sizes(json).unwrap_err();
        assert!(
            error.code == Code::InvalidOption && error.to_string().contains(text),
            "{json}: {error}"
        );
    }
}

#[test]
fn too_few_rows_to_stratify() {
    let options = HoldOutOptions {
        rows: 10,
        stratify: true,
        ..Default::default()
    };
    let labels = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    let error = hold_out(&options, Some(&labels), None).unwrap_err();
    assert_eq!((error.code, error.place.as_deref()), (Code::InvalidData, Some("stratify")));
    assert_eq!(hold_out(&options, None, None).unwrap_err().code, Code::InvalidOption);
    assert_eq!(hold_out(&options, Some(&[0]), None).unwrap_err().code, Code::InvalidData);
    assert!(hold_out(&options, None, Some(&[7; 10])).is_err());
    let options = HoldOutOptions {
        stratify: false,
        ..options
    };
    assert_eq!(hold_out(&options, None, Some(&[7; 10])).unwrap_err().code, Code::InvalidData);
}

#[test]
fn unshuffled_keeps_time_in_order() {
    let parts = hold_out(
        &HoldOutOptions {
            rows: 10,
            shuffle: false,
            ..Default::default()
        },
        None,
        None,
    )
    .unwrap();
    assert_eq!(
        (parts.train, parts.validation, parts.test),
        (vec![0, 1, 2, 3, 4, 5], vec![6, 7], vec![8, 9])
    );
}

/// Rows with labels, groups and a seed.
fn rows() -> impl Strategy<Value = (Vec<u32>, Vec<u32>, u64)> {
    (4usize..200, 1u32..6, 1u32..20, any::<u64>()).prop_flat_map(|(n, classes, groups, seed)| {
        let labels = proptest::collection::vec(0..classes, n);
        (labels, proptest::collection::vec(0..groups, n), Just(seed))
    })
}

fn shares() -> impl Strategy<Value = (f64, f64, f64)> {
    (0.05..0.6f64, 0.0..0.4f64, 0.0..0.4f64).prop_map(|(a, b, c)| (a, b.min(1.0 - a), c.min(0.999 - a - b.min(1.0 - a)).max(0.0)))
}

fn as_auto_or_shares(auto: bool, (train, validation, test): (f64, f64, f64)) -> Option<Ratios> {
    let shares = Shares {
        train: Some(train),
        validation: Some(validation),
        test: Some(test),
    };
    Some(if auto { Ratios::Auto } else { Ratios::Shares(shares) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hold_out_laws((labels, groups, seed) in rows(), auto in any::<bool>(), shares in shares(), stratify in any::<bool>(), whole in any::<bool>()) {
        let n = labels.len();
        let options = HoldOutOptions { rows: n, ratios: as_auto_or_shares(auto, shares), stratify, seed, ..Default::default() };
        let groups = whole.then_some(groups.as_slice());
        let parts = match hold_out(&options, Some(&labels), groups) {
            Ok(parts) => parts,
            Err(error) => {
                prop_assert!(matches!(error.code, Code::InvalidData | Code::InvalidOption), "{}", error);
                return Ok(());
            }
        };
        let sizes = hold_out_sizes(&options).unwrap();
        prop_assert_eq!(&parts, &hold_out(&options, Some(&labels), groups).unwrap(), "the same seed, the same rows");
        let all = [&parts.train, &parts.validation, &parts.test];
        let mut part_of = vec![None; n];
        for (p, rows) in all.iter().enumerate() {
            for &row in rows.iter() {
                prop_assert!(part_of[row as usize].replace(p).is_none(), "a row in two parts");
            }
        }
        if let Some(groups) = groups {
            for a in 0..n {
                prop_assert!((0..n).all(|b| groups[a] != groups[b] || part_of[a] == part_of[b]), "a torn group");
            }
            return Ok(());
        }
        for (rows, size) in all.iter().zip(sizes) {
            prop_assert_eq!(rows.len(), size, "sizes are exact");
            for class in 0..6 {
                let total = labels.iter().filter(|&&label| label == class).count();
                let here = rows.iter().filter(|&&row| labels[row as usize] == class).count();
                let share = total as f64 * size as f64 / n as f64;
                prop_assert!(!stratify || (here as f64 - share).abs() < 1.0, "class {} has {} rows for {}", class, here, share);
            }
        }
    }

    #[test]
    fn k_fold_laws((labels, groups, seed) in rows(), k in 2usize..12, shuffle in any::<bool>(), stratify in any::<bool>(), whole in any::<bool>(), by_count in any::<bool>()) {
        let n = labels.len();
        let balance = if by_count { Balance::Groups } else { Balance::Rows };
        let options = KFoldOptions { rows: n, k: Folds::Count(k), shuffle, seed, balance };
        let (labels_given, groups_given) = (stratify.then_some(labels.as_slice()), whole.then_some(groups.as_slice()));
        let fold = match k_fold(&options, labels_given, groups_given) {
            Ok(fold) => fold,
            Err(error) => {
                prop_assert!(matches!(error.code, Code::InvalidData | Code::InvalidOption), "{}", error);
                return Ok(());
            }
        };
        prop_assert_eq!(&fold, &k_fold(&options, labels_given, groups_given).unwrap());
        let count = |rows: &dyn Fn(usize) -> bool| -> Vec<usize> { (0..k).map(|f| (0..n).filter(|&i| fold[i] as usize == f && rows(i)).count()).collect() };
        let spread = |counts: Vec<usize>| counts.iter().max().unwrap() - counts.iter().min().unwrap();
        prop_assert!(fold.iter().all(|&f| (f as usize) < k));
        if whole {
            for a in 0..n {
                prop_assert!((0..n).all(|b| groups[a] != groups[b] || fold[a] == fold[b]), "a torn group");
            }
            if by_count {
                prop_assert!(spread(count(&|i| groups[..i].iter().all(|g| *g != groups[i]))) <= 1, "groups a fold");
            }
            return Ok(());
        }
        prop_assert!(spread(count(&|_| true)) <= 1);
        if stratify {
            for class in 0..6 {
                prop_assert!(spread(count(&|i| labels[i] == class)) <= 1);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    n: usize,
    k: usize,
    labels: Vec<u32>,
    groups: Vec<u32>,
    class_counts: Vec<Vec<usize>>,
    stratified: Vec<u32>,
    plain: Vec<u32>,
    group_fold_sizes: Option<Vec<usize>>,
}

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

/// Allocations of scikit-learn 1.9.1, made by fixtures/folds.py.
#[test]
fn folds_are_those_of_scikit_learn() {
    let fixture: Fixture = serde_json::from_str(include_str!("../../fixtures/folds.json")).unwrap();
    assert_eq!(fixture.cases.len(), 6);
    for case in fixture.cases {
        let options = KFoldOptions {
            rows: case.n,
            k: Folds::Count(case.k),
            shuffle: false,
            ..KFoldOptions::default()
        };
        assert_eq!(k_fold(&options, None, None).unwrap(), case.plain);
        assert_eq!(k_fold(&options, Some(&case.labels), None).unwrap(), case.stratified);
        let shuffled = KFoldOptions {
            shuffle: true,
            seed: 5,
            ..options.clone()
        };
        let fold = k_fold(&shuffled, Some(&case.labels), None).unwrap();
        for (class, expected) in case.class_counts.iter().enumerate() {
            let of_class = |f: usize| {
                (0..case.n)
                    .filter(|&i| fold[i] as usize == f && case.labels[i] as usize == class)
                    .count()
            };
            assert_eq!(&(0..case.k).map(of_class).collect::<Vec<_>>(), expected);
        }
        match case.group_fold_sizes {
            None => assert_eq!(k_fold(&options, None, Some(&case.groups)).unwrap_err().code, Code::InvalidData),
            Some(expected) => {
                let fold = k_fold(&options, None, Some(&case.groups)).unwrap();
                let mut sizes: Vec<usize> = (0..case.k).map(|f| fold.iter().filter(|&&g| g as usize == f).count()).collect();
                sizes.sort_unstable();
                assert_eq!(sizes, expected);
            }
        }
    }
}

#[test]
fn how_many_folds() {
    let folds = |json: &str| options::from_json::<KFoldOptions>("kFold", json).and_then(|options| options.folds());
    for (rows, k) in [
        (19, 19),
        (199, 20),
        (200, 10),
        (10_000, 10),
        (10_001, 5),
        (100_000, 5),
        (100_001, 3),
    ] {
        assert_eq!(folds(&format!(r#"{{"rows":{rows},"k":"auto"}}"#)).unwrap(), k);
    }
    assert_eq!(folds(r#"{"rows":100}"#).unwrap(), 10);
    for bad in [
        r#"{"rows":9}"#,
        r#"{"rows":9,"k":1}"#,
        r#"{"rows":9,"k":2.5}"#,
        r#"{"rows":9,"k":-1}"#,
        r#"{"rows":9,"folds":3}"#,
    ] {
        assert_eq!(folds(bad).unwrap_err().code, Code::InvalidOption, "{bad}");
    }
    let options = KFoldOptions {
        rows: 6,
        k: Folds::Count(4),
        ..Default::default()
    };
    assert_eq!(
        k_fold(&options, Some(&[0, 0, 0, 1, 1, 1]), None).unwrap_err().code,
        Code::InvalidData
    );
}

#[test]
fn groups_of_equal_size_fill_the_parts_exactly() {
    let groups: Vec<u32> = (0..100).map(|i| i / 5).collect();
    let parts = hold_out(
        &HoldOutOptions {
            rows: 100,
            ..Default::default()
        },
        None,
        Some(&groups),
    )
    .unwrap();
    assert_eq!([parts.train.len(), parts.validation.len(), parts.test.len()], [60, 20, 20]);
    let other = hold_out(
        &HoldOutOptions {
            rows: 100,
            seed: 1,
            ..Default::default()
        },
        None,
        Some(&groups),
    )
    .unwrap();
    assert_ne!(parts, other, "which groups depends on the seed");
}

#[test]
fn labels_and_groups_may_be_any_numbers() {
    let labels: Vec<u32> = (0..40).map(|i| if i % 4 == 0 { u32::MAX } else { 7 }).collect();
    let groups: Vec<u32> = (0..40).map(|i| u32::MAX - i / 2).collect();
    let options = HoldOutOptions {
        rows: 40,
        stratify: true,
        ..Default::default()
    };
    let parts = hold_out(&options, Some(&labels), None).unwrap();
    assert_eq!(parts.test.iter().filter(|&&row| row % 4 == 0).count(), 2);
    assert!(hold_out(&options, Some(&labels), Some(&groups)).is_ok());
    let folds = KFoldOptions {
        rows: 40,
        ..Default::default()
    };
    assert!(k_fold(&folds, Some(&labels), Some(&groups)).is_ok());
    // 20,000 labels that all differ by 10,000 groups: an error, not a table of 1.6 GB.
    let ids: Vec<u32> = (0..20_000).collect();
    let pairs: Vec<u32> = (0..20_000).map(|i| i / 2).collect();
    let folds = KFoldOptions {
        rows: 20_000,
        ..Default::default()
    };
    assert_eq!(k_fold(&folds, Some(&ids), Some(&pairs)).unwrap_err().code, Code::InvalidData);
}

#[test]
fn rows_of_a_fold_and_the_others() {
    // More than one core's share, and an end that is no whole block.
    for rows in [1usize, 1023, 300_001] {
        let folds: Vec<u32> = (0..rows as u32).map(|row| row.wrapping_mul(2_654_435_761) >> 29).collect();
        let expected = |held: bool| {
            (0..rows as u32)
                .filter(|&row| (folds[row as usize] == 3) == held)
                .collect::<Vec<_>>()
        };
        let (mut train, mut validation) = (vec![0; expected(false).len()], vec![0; expected(true).len()]);
        fold_rows(&folds, 3, &mut train, &mut validation).unwrap();
        assert_eq!((&train, &validation), (&expected(false), &expected(true)));
        assert_eq!(fold_rows(&folds, 3, &mut train, &mut [0; 7]).unwrap_err().code, Code::Internal);
    }
}
