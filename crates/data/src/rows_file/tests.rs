use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::source::Matrix;
use crate::{Dataset, SourceParts, TargetParts};

fn scratch(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("nabla-rows-file-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn opened(path: &Path, number: Number, storage: Storage, length: usize, big_endian: bool) -> Result<RowsFile> {
    let layout = Layout {
        start: 3,
        length,
        number,
        big_endian,
        storage,
    };
    RowsFile::open(path, layout, &|_, _| Ok(()))
}

#[test]
fn gathers_the_bits_that_memory_gives() {
    let values: Vec<f32> = (0..5_000 * 7).map(|i| (i as f32 * 0.37).sin() * 1e3).collect();
    for big_endian in [false, true] {
        let bytes = values
            .iter()
            .flat_map(|v| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() });
        let bytes: Vec<u8> = [1, 2, 3].into_iter().chain(bytes).collect();
        let path = scratch(&format!("bits-{big_endian}"), &bytes);
        let file = opened(&path, Number::F32, Storage::F32, values.len(), big_endian).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!file.has_missing());
        let rows: Vec<u32> = (0..4_000).map(|i| i * 7919 % 5_000).chain(100..4_900).collect();
        let scale: (Vec<f64>, Vec<f64>) = (0..7).map(|j| (j as f64 / 3.0, 1.0 + j as f64 / 7.0)).unzip();
        let scale = Some((scale.0.as_slice(), scale.1.as_slice()));
        for scale in [None, scale] {
            let (mut expected, mut found) = (vec![0f32; rows.len() * 7], vec![1f32; rows.len() * 7]);
            gather_rows(&values, 7, &rows, scale, &mut expected);
            file.gather(&rows, 7, scale, &mut found);
            assert!(expected.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
        assert!(file.check().is_ok());
        assert!(matches!(&*Matrix::File(Arc::new(file)).in_memory().unwrap(), Matrix::F32(found) if *found == values));
    }
}

#[test]
fn every_type_is_the_number_it_says() {
    macro_rules! case {
        ($number:ident $t:ty, $($value:expr),*) => {
            for big_endian in [false, true] {
                let values: Vec<$t> = vec![$($value),*];
                let bytes = values.iter().flat_map(|v| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() });
                let path = scratch(stringify!($number), &[1, 2, 3].into_iter().chain(bytes).collect::<Vec<u8>>());
                let file = opened(&path, Number::$number, Storage::F64, values.len(), big_endian).unwrap();
                let mut out = vec![0.0; values.len()];
                file.copy_to(0, &mut out);
                std::fs::remove_file(&path).unwrap();
                assert_eq!(out, values.iter().map(|&v| v as f64).collect::<Vec<_>>());
            }
        };
    }
    case!(U8 u8, 0, 255);
    case!(I8 i8, -128, 127);
    case!(U16 u16, 1, 65_535);
    case!(I16 i16, -2, 300);
    case!(U32 u32, 1, u32::MAX);
    case!(I32 i32, -70_000, 1);
    case!(U64 u64, 1, 1 << 53);
    case!(I64 i64, -1, i64::MIN);
    case!(F32 f32, -1.5, 3e38);
    case!(F64 f64, 0.1, -1e300);
}

#[test]
fn a_file_that_is_cut_or_changed_is_an_error_and_no_signal() {
    let bytes = [&[1, 2, 3][..], &1.5f64.to_le_bytes().repeat(40_000)].concat();
    let path = scratch("cut", &bytes);
    assert_eq!(
        opened(&path, Number::F64, Storage::F64, 40_001, false).unwrap_err().code,
        Code::DataFormat
    );
    let rows = |file: &RowsFile| {
        let mut out = vec![0f32; 4];
        file.gather(&[19_999, 3], 2, None, &mut out);
        out
    };
    let file = opened(&path, Number::F64, Storage::F64, 40_000, false).unwrap();
    assert_eq!(rows(&file), [1.5; 4]);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1000).unwrap();
    assert!(rows(&file)[0].is_nan());
    let error = file.check().unwrap_err();
    assert_eq!((error.code, error.place.as_deref()), (Code::DataFormat, path.to_str()));
    std::fs::write(&path, &bytes).unwrap();
    let file = opened(&path, Number::F64, Storage::F64, 40_000, false).unwrap();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"more")
        .unwrap();
    let source = SourceParts::new(20_000, Matrix::File(Arc::new(file))).build().unwrap();
    assert_eq!(Dataset::from(source).fingerprint().unwrap_err().code, Code::DataFormat);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn missing_and_infinite_values_are_found_when_it_is_opened() {
    let with = |value: f64| {
        let mut values = vec![0.25; 300_000];
        values[200_001] = value;
        let bytes: Vec<u8> = [1, 2, 3]
            .into_iter()
            .chain(values.iter().flat_map(|v: &f64| v.to_le_bytes()))
            .collect();
        let path = scratch(&format!("value-{value}"), &bytes);
        let file = opened(&path, Number::F64, Storage::F64, 300_000, false).unwrap();
        std::fs::remove_file(&path).unwrap();
        SourceParts::new(100_000, Matrix::File(Arc::new(file))).build().map(Dataset::from)
    };
    assert!(with(1.0).unwrap().check_finite().is_ok());
    let error = with(f64::NAN).unwrap().check_finite().unwrap_err();
    assert_eq!(
        (error.code, error.place.as_deref()),
        (Code::InvalidData, Some("column \"x0\", row 66667"))
    );
    let error = with(f64::INFINITY).unwrap_err();
    assert_eq!(
        (error.code, error.place.as_deref()),
        (Code::NotFinite, Some("column \"x0\", row 66667"))
    );
}

#[test]
fn a_saved_data_set_is_loaded_as_it_was() {
    let features: Vec<f32> = (0..600).map(|i| if i == 7 { f32::NAN } else { i as f32 / 3.0 }).collect();
    let parts = SourceParts {
        target: Some(TargetParts::Several {
            targets: vec![
                (
                    "kind".into(),
                    TargetParts::Classes {
                        names: vec!["a".into(), "b".into()],
                        labels: (0..200).map(|i| i % 2).collect(),
                    },
                ),
                (
                    "size".into(),
                    TargetParts::Numbers {
                        names: None,
                        width: 1,
                        values: (0..200).map(f64::from).collect(),
                    },
                ),
            ],
        }),
        weights: Some((0..200).map(f64::from).collect()),
        groups: Some((0..200).map(|i| i / 50).collect()),
        ..SourceParts::new(200, Matrix::F32(features))
    };
    let data = Dataset::from(parts.build().unwrap());
    let view = data.select(&(0..200).rev().collect::<Vec<_>>()).unwrap();
    let path = scratch("saved", b"");
    crate::save(&path, &view, &|_, _| Ok(())).unwrap();
    for in_memory in [true, false] {
        let loaded = crate::load(&path, in_memory, &|_, _| Ok(())).unwrap();
        assert_eq!(loaded.schema(), view.schema());
        assert_eq!(loaded.fingerprint().unwrap(), view.fingerprint().unwrap());
        assert_eq!(format!("{:?}", loaded.describe()), format!("{:?}", view.describe()));
        let at = view.select(&[5, 0, 199]).unwrap();
        assert_eq!(
            loaded.select(&[5, 0, 199]).unwrap().fingerprint().unwrap(),
            at.fingerprint().unwrap()
        );
        // From a file into another, in another order.
        let again = scratch("again", b"");
        crate::save(&again, &loaded.select(&(0..200).rev().collect::<Vec<_>>()).unwrap(), &|_, _| Ok(())).unwrap();
        let back = crate::load(&again, in_memory, &|_, _| Ok(())).unwrap();
        assert_eq!(back.fingerprint().unwrap(), data.fingerprint().unwrap());
        std::fs::remove_file(&again).unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    for (at, bit) in [(3, 1), (40, 2), (whole.len() - 1, 1), (whole.len() / 2, 4)] {
        let mut bytes = whole.clone();
        bytes[at] ^= bit;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(
            crate::load(&path, false, &|_, _| Ok(())).unwrap_err().code,
            Code::DataFormat,
            "byte {at}"
        );
    }
    for length in [0, 7, 100, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(
            crate::load(&path, false, &|_, _| Ok(())).unwrap_err().code,
            Code::DataFormat,
            "{length} bytes"
        );
    }
    std::fs::remove_file(&path).unwrap();
}
