//! Images and labels from a pair of IDX files (MNIST and its kin).

use std::path::Path;
use std::sync::Arc;

use nabla_error::{Code, Error, Result};
use nabla_formats::idx::{self, Idx, Values};
use serde::Deserialize;

use crate::builder::{SourceParts, TargetParts};
use crate::dataset::Dataset;
use crate::rows_file::{Layout, Number, RowsFile, Storage};
use crate::source::Matrix;

/// Options of `fromIdx`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct IdxOptions {
    /// Names of the classes by label: `names[i]` for label i. By default the distinct labels as text, in numerical order.
    pub classes: Option<Vec<String>>,
    /// Whether samples are held in memory; otherwise they stay in the file, which must be plain. True by default.
    pub in_memory: Option<bool>,
}

/// Reads images, and labels if there are any; both plain or gzip.
pub fn read_idx(images: &Path, labels: Option<&Path>, options: &IdxOptions) -> Result<Dataset> {
    read_idx_watched(images, labels, options, &|_, _| Ok(()))
}

/// The same, telling `watch` how many bytes of how many are read; an error of its ends the reading.
///
/// # Errors
/// As [`read_idx`], and those of `watch`.
pub fn read_idx_watched(
    images: &Path,
    labels: Option<&Path>,
    options: &IdxOptions,
    watch: &dyn Fn(u64, u64) -> Result<()>,
) -> Result<Dataset> {
    let read_labels = || labels.map(idx::read).transpose();
    if options.in_memory != Some(false) {
        return from_idx(idx::read_watched(images, watch)?, read_labels()?, options);
    }
    let idx::Header { shape, kind, start } = idx::header(images)?;
    let (number, storage) = match kind {
        idx::Kind::U8 => (Number::U8, Storage::U8),
        idx::Kind::I8 => (Number::I8, Storage::F32),
        idx::Kind::I16 => (Number::I16, Storage::F32),
        idx::Kind::I32 => (Number::I32, Storage::F64),
        idx::Kind::F32 => (Number::F32, Storage::F32),
        idx::Kind::F64 => (Number::F64, Storage::F64),
    };
    let layout = Layout {
        start,
        length: shape.iter().product(),
        number,
        big_endian: true,
        storage,
    };
    let rows = RowsFile::open(images, layout, watch)?;
    of_shape(&shape, Matrix::File(Arc::new(rows)), read_labels()?, options)
}

/// A pair of arrays as a data set: `[n, 28, 28]` bytes become samples `[28, 28, 1]`, other ranks keep their shape.
///
/// # Errors
/// `SHAPE_MISMATCH` when the numbers of rows differ, `DATA_FORMAT` when labels are no integers of one axis.
pub fn from_idx(images: Idx, labels: Option<Idx>, options: &IdxOptions) -> Result<Dataset> {
    let features = match images.values {
        Values::U8(values) => Matrix::U8(values),
        Values::F32(values) => Matrix::F32(values),
        Values::F64(values) => Matrix::F64(values),
        Values::I8(values) => Matrix::F32(values.iter().map(|&v| f32::from(v)).collect()),
        Values::I16(values) => Matrix::F32(values.iter().map(|&v| f32::from(v)).collect()),
        Values::I32(values) => Matrix::F64(values.iter().map(|&v| f64::from(v)).collect()),
    };
    of_shape(&images.shape, features, labels, options)
}

fn of_shape(shape: &[usize], features: Matrix, labels: Option<Idx>, options: &IdxOptions) -> Result<Dataset> {
    let (&rows, sample) = shape.split_first().ok_or_else(|| Error::internal("an IDX array without axes"))?;
    let sample_shape = match *sample {
        [] => vec![1],
        [height, width] => vec![height, width, 1],
        _ => sample.to_vec(),
    };
    let target = labels.map(|labels| classes_of(labels, rows, options)).transpose()?;
    let parts = SourceParts {
        sample_shape: Some(sample_shape),
        target,
        ..SourceParts::new(rows, features)
    };
    Ok(parts.build()?.into())
}

fn classes_of(labels: Idx, rows: usize, options: &IdxOptions) -> Result<TargetParts> {
    if labels.shape.as_slice() != [rows] {
        return Err(Error::new(
            Code::ShapeMismatch,
            format!("{rows} images, but labels of shape {:?}", labels.shape),
        )
        .at("labels")
        .expected(format!("[{rows}]"))
        .received(format!("{:?}", labels.shape))
        .hint("The two files belong to different sets, or are in the wrong order."));
    }
    let labels: Vec<i64> = match labels.values {
        Values::U8(values) => values.iter().map(|&v| v.into()).collect(),
        Values::I8(values) => values.iter().map(|&v| v.into()).collect(),
        Values::I16(values) => values.iter().map(|&v| v.into()).collect(),
        Values::I32(values) => values.iter().map(|&v| v.into()).collect(),
        Values::F32(_) | Values::F64(_) => return Err(Error::new(Code::DataFormat, "labels are not integers").at("labels")),
    };
    if let Some(names) = &options.classes {
        let in_range = |&label: &i64| u32::try_from(label).ok().filter(|&label| (label as usize) < names.len());
        if let Some(row) = labels.iter().position(|label| in_range(label).is_none()) {
            let message = format!("label {} in row {row}, but `classes` has {} names", labels[row], names.len());
            return Err(Error::new(Code::InvalidData, message).at("labels"));
        }
        return Ok(TargetParts::Classes {
            names: names.clone(),
            labels: labels.iter().filter_map(in_range).collect(),
        });
    }
    let mut distinct = labels.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let labels = labels.iter().map(|label| distinct.partition_point(|d| d < label) as u32).collect();
    Ok(TargetParts::Classes {
        names: distinct.iter().map(i64::to_string).collect(),
        labels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[u8]) -> Option<Idx> {
        Some(Idx {
            shape: vec![values.len()],
            values: Values::U8(values.to_vec()),
        })
    }

    #[test]
    fn images_get_a_channel_axis_and_labels_names() {
        let images = || Idx {
            shape: vec![3, 1, 2],
            values: Values::U8(vec![0, 1, 2, 3, 4, 255]),
        };
        let data = from_idx(images(), labels(&[7, 3, 7]), &IdxOptions::default()).unwrap();
        let schema = serde_json::to_value(data.schema()).unwrap();
        assert_eq!(schema["sampleShape"], serde_json::json!([1, 2, 1]));
        assert_eq!(schema["target"], serde_json::json!({ "kind": "classes", "names": ["3", "7"] }));
        assert_eq!((schema["featureType"].as_str(), data.labels()), (Some("u8"), Some(vec![1, 0, 1])));
        assert_eq!(
            from_idx(images(), labels(&[1]), &IdxOptions::default()).unwrap_err().code,
            Code::ShapeMismatch
        );
        let options = IdxOptions {
            classes: Some(vec!["a".into(), "b".into()]),
            ..IdxOptions::default()
        };
        assert_eq!(
            from_idx(images(), labels(&[0, 1, 2]), &options).unwrap_err().code,
            Code::InvalidData
        );
        assert_eq!(from_idx(images(), labels(&[0, 0, 0]), &options).unwrap().classes(), Some(2));
    }
}
