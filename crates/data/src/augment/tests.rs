use super::*;
use crate::builder::{SourceParts, TargetParts};

const SHAPE: [usize; 3] = [6, 5, 2];

/// Images of bytes that tell where they come from, in two classes.
fn images(rows: usize) -> Dataset {
    let width = SHAPE.iter().product::<usize>();
    let values = (0..rows * width).map(|i| (1 + (i * 7) % 250) as u8).collect();
    let mut parts = SourceParts::new(rows, Matrix::U8(values));
    parts.sample_shape = Some(SHAPE.to_vec());
    parts.target = Some(TargetParts::Classes {
        names: vec!["a".into(), "b".into()],
        labels: (0..rows as u32).map(|i| i % 2).collect(),
    });
    parts.build().unwrap().into()
}

fn table(rows: usize) -> Dataset {
    let values = (0..rows).flat_map(|i| [i as f64, 1000.0 * ((i * 13) % 7) as f64, 5.0]).collect();
    let mut parts = SourceParts::new(rows, Matrix::F64(values));
    parts.target = Some(TargetParts::Numbers {
        names: None,
        width: 1,
        values: (0..rows).map(|i| i as f64).collect(),
    });
    parts.build().unwrap().into()
}

fn augmenter(recipe: &[Augmentation], data: &Dataset) -> Augmenter {
    Augmenter::new(recipe, 3, data, &data.source_rows()).unwrap()
}

fn row_of(augmenter: &Augmenter, epoch: u64, row: u32) -> Vec<f32> {
    let mut scratch = augmenter.scratch::<f32>();
    augmenter.row(epoch, row, &mut scratch).to_vec()
}

fn original(data: &Dataset, row: u32) -> Vec<f32> {
    let mut out = vec![0.0; data.width()];
    data.source().features().copy_to(row as usize * data.width(), &mut out);
    out.iter().map(|&x| x as f32).collect()
}

const FLIP: Augmentation = Augmentation::Flip {
    horizontal: true,
    vertical: false,
};

/// One of each, within their ranges.
fn all() -> Vec<Augmentation> {
    vec![
        FLIP,
        Augmentation::Crop { padding: 2, size: None },
        Augmentation::Crop {
            padding: 1,
            size: Some([4, 4]),
        },
        Augmentation::Rotate { degrees: 20.0 },
        Augmentation::Translate { share: 0.2 },
        Augmentation::Scale { low: 0.8, high: 1.25 },
        Augmentation::Shear { degrees: 10.0 },
        Augmentation::Elastic {
            strength: 5.0,
            smoothness: 2.0,
        },
        Augmentation::Brightness { amount: 0.3 },
        Augmentation::Contrast { amount: 0.5 },
        Augmentation::Noise { deviation: 0.1 },
        Augmentation::Cutout { size: 3 },
        Augmentation::Cutmix { alpha: 1.0 },
    ]
}

#[test]
fn a_row_depends_on_seed_epoch_and_itself_alone() {
    let data = images(8);
    let every: Vec<Vec<Augmentation>> = all().into_iter().map(|step| vec![step]).chain([all()]).collect();
    for recipe in every {
        let augmenter = augmenter(&recipe, &data);
        let mut shared = augmenter.scratch::<f32>();
        let one: Vec<Vec<f32>> = (0..8).map(|row| augmenter.row(1, row, &mut shared).to_vec()).collect();
        for row in (0..8).rev() {
            let alone = row_of(&augmenter, 1, row);
            assert_eq!(alone, one[row as usize], "{recipe:?}");
            assert!(
                alone.iter().all(|x| (0.0..=255.0).contains(x)),
                "bytes stay in their range: {recipe:?}"
            );
        }
        let other = |augmenter: &Augmenter, epoch| (0..8).map(|row| row_of(augmenter, epoch, row)).collect::<Vec<_>>();
        assert_ne!(other(&augmenter, 2), one, "{recipe:?}");
        let seeded = Augmenter::new(&recipe, 4, &data, &data.source_rows()).unwrap();
        assert_ne!(other(&seeded, 1), one, "{recipe:?}");
    }
}

#[test]
fn crops_are_all_windows_of_the_padded_image_and_flips_mirror_half_of_them() {
    let data = images(1);
    let image = original(&data, 0);
    let [height, width, channels] = SHAPE;
    let augmenter = augmenter(&[FLIP, Augmentation::Crop { padding: 1, size: None }], &data);
    let mut seen = std::collections::BTreeMap::new();
    for epoch in 0..2000 {
        let got = row_of(&augmenter, epoch, 0);
        let found = (0..18).find(|&k| {
            let (down, across, mirrored) = (k / 3 % 3, k % 3, k >= 9);
            (0..height * width * channels).all(|at| {
                let (y, x, c) = (at / channels / width + down, at / channels % width + across, at % channels);
                let inside = (1..=height).contains(&y) && (1..=width).contains(&x);
                let expected = if inside {
                    let x = if mirrored { width - x } else { x - 1 };
                    image[((y - 1) * width + x) * channels + c]
                } else {
                    0.0
                };
                got[at] == expected
            })
        });
        *seen.entry(found.expect("a window of the padded image")).or_insert(0) += 1;
    }
    // 2000/18 = 111 of each, deviation 10.2.
    assert!(seen.len() == 18 && seen.values().all(|&n| (65..165).contains(&n)), "{seen:?}");
}

#[test]
fn values_change_within_their_bounds() {
    let data = images(1);
    let image = original(&data, 0);
    let mean = |x: &[f32]| x.iter().sum::<f32>() / x.len() as f32;
    let (brighter, contrasted) = (
        augmenter(&[Augmentation::Brightness { amount: 0.01 }], &data),
        augmenter(&[Augmentation::Contrast { amount: 0.5 }], &data),
    );
    for epoch in 0..50 {
        let got = row_of(&brighter, epoch, 0);
        // A grey in the middle, which nothing cuts off.
        let by = got[18] - image[18];
        assert!(
            by.abs() <= 2.55
                && got
                    .iter()
                    .zip(&image)
                    .all(|(a, b)| (a - b - by).abs() < 1e-3 || *a == 0.0 || *a == 255.0)
        );
        let got = row_of(&contrasted, epoch, 0);
        let factors: Vec<f32> = got
            .iter()
            .zip(&image)
            .filter(|(a, b)| **a > 0.0 && **a < 255.0 && (**b - mean(&image)).abs() > 10.0)
            .map(|(a, b)| (a - mean(&image)) / (b - mean(&image)))
            .collect();
        assert!(factors.iter().all(|f| (0.499..1.501).contains(f) && (f - factors[0]).abs() < 1e-3));
    }
    let noisy = augmenter(&[Augmentation::Noise { deviation: 0.02 }], &data);
    let far: Vec<f64> = (0..200)
        .flat_map(|epoch| {
            let got = row_of(&noisy, epoch, 0);
            let inner = got.iter().zip(&image).filter(|(_, b)| **b > 30.0 && **b < 225.0);
            inner.map(|(a, b)| f64::from(a - b)).collect::<Vec<_>>()
        })
        .collect();
    let deviation = (far.iter().map(|x| x * x).sum::<f64>() / far.len() as f64).sqrt();
    assert!((deviation / 5.1 - 1.0).abs() < 0.03, "{deviation}");
    let cut = augmenter(&[Augmentation::Cutout { size: 3 }], &data);
    for epoch in 0..50 {
        let zeros = row_of(&cut, epoch, 0).iter().filter(|x| **x == 0.0).count();
        // At a corner a square of 3 keeps 2 × 2 pixels.
        assert!((8..=18).contains(&zeros), "{zeros}");
    }
}

#[test]
fn beta_has_its_moments() {
    for alpha in [0.1, 0.2, 1.0, 4.0] {
        let n = 20_000;
        let draws: Vec<f64> = (0..n).map(|row| Draws::new(1, 0, 0, row).beta(alpha)).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.012, "{alpha}: {mean}");
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance} for {expected}");
    }
}

#[test]
fn mixing_takes_the_share_of_the_target_that_it_takes_of_the_sample() {
    let data = images(9);
    let (mixed, cut) = (
        augmenter(&[Augmentation::Mixup { alpha: 0.7 }], &data),
        augmenter(&[Augmentation::Cutmix { alpha: 1.0 }], &data),
    );
    let mut partners = std::collections::BTreeSet::new();
    for epoch in 0..20 {
        for row in 0..9 {
            let image = original(&data, row);
            let (partner, own) = mixed.partner(epoch, row).unwrap();
            partners.insert(partner);
            assert!((0.5..=1.0).contains(&own));
            let other = original(&data, partner);
            for ((got, a), b) in row_of(&mixed, epoch, row).iter().zip(&image).zip(&other) {
                assert!((got - (own as f32 * a + (1.0 - own) as f32 * b)).abs() < 1e-3);
            }
            let (partner, own) = cut.partner(epoch, row).unwrap();
            let other = original(&data, partner);
            let got = row_of(&cut, epoch, row);
            assert!(got.iter().zip(&image).zip(&other).all(|((got, a), b)| got == a || got == b));
            if partner != row {
                let same = got.iter().zip(&image).filter(|(a, b)| a == b).count();
                assert!(
                    same as f64 >= own * image.len() as f64 - 1e-9,
                    "what is pasted is the share that is taken"
                );
            }
        }
    }
    assert_eq!(partners.len(), 9);
}

#[test]
fn jitter_goes_by_the_deviation_of_each_column() {
    let data = table(50);
    let augmenter = augmenter(&[Augmentation::Jitter { share: 0.1 }], &data);
    let expected = deviations(&data, &data.source_rows());
    assert!((expected[0] - 14.430).abs() < 1e-3 && expected[2] == 0.0, "{expected:?}");
    let mut squares = [0.0f64; 3];
    let mut scratch = augmenter.scratch::<f64>();
    for epoch in 0..200 {
        for row in 0..50 {
            let mut from = [0.0; 3];
            data.source().features().copy_to(row as usize * 3, &mut from);
            let got = augmenter.row(epoch, row, &mut scratch);
            squares
                .iter_mut()
                .zip(got)
                .zip(from)
                .for_each(|((sum, a), b)| *sum += (a - b) * (a - b));
        }
    }
    for (squares, deviation) in squares.iter().zip(&expected) {
        let got = (squares / 10_000.0).sqrt();
        assert!((got - 0.1 * deviation).abs() <= 0.03 * 0.1 * deviation, "{got} for {deviation}");
    }
}

#[test]
fn enlarged_sets_keep_the_originals_and_group_the_copies() {
    let data = images(7).select(&[5, 1, 2]).unwrap();
    let more = augmented(&data, &[FLIP, Augmentation::Rotate { degrees: 30.0 }], 2, 3).unwrap();
    assert_eq!((more.rows(), more.labels().unwrap()), (9, [1, 1, 0].repeat(3)));
    assert_eq!(more.groups().unwrap(), [0, 1, 2].repeat(3));
    assert_eq!(more.source().sample_shape(), SHAPE);
    for row in 0..3 {
        assert_eq!(original(&more, row), original(&data, data.row_index(row as usize)));
    }
    let augmenter = augmenter(&[FLIP, Augmentation::Rotate { degrees: 30.0 }], &data);
    let expected: Vec<f32> = row_of(&augmenter, 1, 1).iter().map(|x| f32::from((x + 0.5) as u8)).collect();
    assert_eq!(original(&more, 7), expected, "copy 1 of the second row is what epoch 1 shows");
    let mixed = augmented(&table(4), &[Augmentation::Mixup { alpha: 1.0 }], 3, 1).unwrap();
    let (features, targets) = (mixed.features_f64().unwrap(), mixed.targets().unwrap());
    // The first column is the target.
    assert!(features.chunks(3).zip(&targets).all(|(row, target)| (row[0] - target).abs() < 1e-9));
    assert!(targets[4..].iter().any(|t| t.fract() != 0.0));
    let error = augmented(&data, &[Augmentation::Cutmix { alpha: 1.0 }], 1, 0).unwrap_err();
    assert_eq!(error.code, Code::InvalidOption);
}

#[test]
fn what_cannot_be_is_refused() {
    let mixup = Augmentation::Mixup { alpha: 1.0 };
    let (pictures, numbers) = (images(2), table(3));
    let cases: [(&[Augmentation], &Dataset); 9] = [
        (&[Augmentation::Rotate { degrees: 0.0 }], &pictures),
        (&[Augmentation::Scale { low: 1.2, high: 0.8 }], &pictures),
        (
            &[Augmentation::Flip {
                horizontal: false,
                vertical: false,
            }],
            &pictures,
        ),
        (&[mixup.clone(), FLIP], &pictures),
        (&[mixup.clone(), mixup.clone()], &pictures),
        (&[Augmentation::Jitter { share: 0.1 }], &pictures),
        (
            &[Augmentation::Crop {
                padding: 1,
                size: Some([9, 4]),
            }],
            &pictures,
        ),
        (&[FLIP], &numbers),
        (&[Augmentation::Noise { deviation: f64::NAN }], &numbers),
    ];
    for (recipe, data) in cases {
        let error = Augmenter::new(recipe, 0, data, &data.source_rows()).unwrap_err();
        assert_eq!(error.code, Code::InvalidOption, "{recipe:?}");
    }
}
