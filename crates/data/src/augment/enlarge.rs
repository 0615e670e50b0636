//! A data set with augmented copies of its rows, and a picture of what a recipe does.

use nabla_error::{Error, Result, memory};
use nabla_formats::image::{Image, encode_png};
use nabla_kernels::Real;
use rayon::prelude::*;

use super::{Augmentation, Augmenter, Scratch, unmixable};
use crate::builder::{SourceParts, TargetParts};
use crate::dataset::Dataset;
use crate::rows_file::Storage;
use crate::source::{Matrix, Target};
use crate::windows::Spans;

/// Rows that one task of the pool makes.
const CHUNK: usize = 64;

/// The rows of a data set and so many changed copies of each, the originals first. Copy k is what a fit with this seed would see in epoch k.
/// A copy is of its row's group, so a splitter keeps them together; without groups each row is one.
///
/// # Errors
/// `INVALID_OPTION` as [`Augmenter::new`], and for mixing rows of classes; `OUT_OF_MEMORY`.
pub fn augmented(data: &Dataset, recipe: &[Augmentation], copies: usize, seed: u64) -> Result<Dataset> {
    let rows = data.source_rows();
    let augmenter = Augmenter::new(recipe, seed, data, &rows)?;
    let source = data.source();
    if let (Some(step), Some(Target::Classes { .. } | Target::Several { .. })) = (recipe.iter().find(|s| s.mixes()), source.target()) {
        return Err(unmixable(step));
    }
    let count = rows
        .len()
        .checked_mul(copies + 1)
        .filter(|&n| n <= u32::MAX as usize)
        .ok_or_else(|| Error::option("copies", "to leave at most 4,294,967,295 rows", copies))?;
    let features = match &*source.features().in_memory()? {
        Matrix::F32(values) => Matrix::F32(enlarged::<f32, f32>(&augmenter, values, &rows, copies, |x| x)?),
        Matrix::F64(values) => Matrix::F64(enlarged::<f64, f64>(&augmenter, values, &rows, copies, |x| x)?),
        Matrix::U8(values) => Matrix::U8(enlarged::<f32, u8>(&augmenter, values, &rows, copies, |x| (x + 0.5) as u8)?),
        Matrix::File(_) => return Err(Error::internal("values in memory lie in a file")),
    };
    let repeat = |own: &dyn Fn(u32) -> f64| -> Vec<f64> { (0..=copies).flat_map(|_| rows.iter().map(|&row| own(row))).collect() };
    let mut parts = SourceParts::new(count, features);
    parts.sample_shape = Some(source.sample_shape().to_vec());
    parts.columns = (!source.columns().is_empty()).then(|| source.columns().to_vec());
    parts.images = source.images();
    parts.weights = source.weights().map(|weights| repeat(&|row| weights[row as usize]));
    let each = |codes: &dyn Fn(usize, u32) -> u32| -> Vec<u32> {
        (0..=copies)
            .flat_map(|_| rows.iter().enumerate().map(|(i, &row)| codes(i, row)))
            .collect()
    };
    match source.groups() {
        Some(groups) => {
            parts.groups = Some(each(&|_, row| groups.codes[row as usize]));
            parts.group_names = Some(groups.names.clone());
        }
        None => parts.groups = Some(each(&|i, _| i as u32)),
    }
    parts.parts = Some(source.parts().to_vec());
    parts.spans = source.spans().map(|spans| Spans {
        first: each(&|_, row| spans.first[row as usize]),
        last: each(&|_, row| spans.last[row as usize]),
    });
    parts.target = source.target().map(|target| repeated(target, &augmenter, &rows, copies));
    Ok(parts.build()?.into())
}

/// A target of the rows, then of the copies, where numbers are mixed as the samples are.
fn repeated(target: &Target, augmenter: &Augmenter, rows: &[u32], copies: usize) -> TargetParts {
    let every = || (0..=copies).flat_map(|copy| rows.iter().map(move |&row| (copy, row)));
    match target {
        Target::Classes { names, labels } => TargetParts::Classes {
            names: names.clone(),
            labels: every().map(|(_, row)| labels[row as usize]).collect(),
        },
        Target::Sequence { names, width, labels } => TargetParts::Sequence {
            names: names.clone(),
            width: *width,
            labels: every()
                .flat_map(|(_, row)| labels[row as usize * width..][..*width].iter().copied())
                .collect(),
        },
        Target::Numbers { names, width, values } => {
            let own = |row: u32| &values[row as usize * width..][..*width];
            let mut all = Vec::with_capacity(rows.len() * (copies + 1) * width);
            for (copy, row) in every() {
                match (copy > 0).then(|| augmenter.partner(copy as u64 - 1, row)).flatten() {
                    Some((other, share)) => all.extend(own(row).iter().zip(own(other)).map(|(a, b)| share * a + (1.0 - share) * b)),
                    None => all.extend_from_slice(own(row)),
                }
            }
            TargetParts::Numbers {
                names: Some(names.clone()),
                width: *width,
                values: all,
            }
        }
        Target::Several { targets } => TargetParts::Several {
            targets: targets
                .iter()
                .map(|(name, target)| (name.clone(), repeated(target, augmenter, rows, copies)))
                .collect(),
        },
    }
}

/// The rows themselves, then the copies.
fn enlarged<R: Real, S: Copy + Default + Send + Sync>(
    augmenter: &Augmenter,
    values: &[S],
    rows: &[u32],
    copies: usize,
    store: impl Fn(R) -> S + Sync,
) -> Result<Vec<S>> {
    let width = augmenter.width;
    let length = copies.saturating_add(1).saturating_mul(rows.len()).saturating_mul(width);
    let what = || format!("{copies} copies of {} rows of {width} values", rows.len());
    let mut all: Vec<S> = memory::room_for(length, what).map_err(|e| e.at("augmented"))?;
    for &row in rows {
        all.extend_from_slice(&values[row as usize * width..][..width]);
    }
    all.resize(length, S::default());
    let (_, new) = all.split_at_mut(rows.len() * width);
    let make = |(copy, out): (usize, &mut [S])| {
        out.par_chunks_mut(CHUNK * width).zip(rows.par_chunks(CHUNK)).for_each_init(
            || augmenter.scratch::<R>(),
            |scratch: &mut Scratch<R>, (out, rows)| {
                for (out, &row) in out.chunks_exact_mut(width).zip(rows) {
                    let changed = augmenter.row(copy as u64, row, scratch);
                    out.iter_mut().zip(changed).for_each(|(out, &x)| *out = store(x));
                }
            },
        );
    };
    new.chunks_exact_mut(rows.len() * width).enumerate().for_each(make);
    Ok(all)
}

/// White lines between the pictures of a sheet.
const GAP: usize = 2;
/// Small pictures are drawn at least so large.
const SIDE: usize = 56;

/// A PNG of the first rows: each original, and how it looks in the epochs 0, 1, … of a fit with this seed.
///
/// # Errors
/// `INVALID_OPTION` as [`Augmenter::new`], and for samples that are no images of 1, 3 or 4 channels.
pub fn contact_sheet(data: &Dataset, recipe: &[Augmentation], rows: usize, variants: usize, seed: u64) -> Result<Vec<u8>> {
    let source = data.source();
    let [height, width, channels @ (1 | 3 | 4)] = *source.sample_shape() else {
        return Err(Error::option(
            "contactSheet",
            "of images, [height, width, 1, 3 or 4]",
            format!("samples of shape {:?}", source.sample_shape()),
        ));
    };
    let all = data.source_rows();
    let augmenter = Augmenter::new(recipe, seed, data, &all)?;
    let shown = &all[..rows.min(all.len())];
    let mut scratch = augmenter.scratch::<f64>();
    let mut pictures: Vec<Vec<f64>> = Vec::new();
    for &row in shown {
        let mut original = vec![0.0; source.width()];
        source.features().copy_to(row as usize * source.width(), &mut original);
        pictures.push(original);
        pictures.extend((0..variants).map(|epoch| augmenter.row(epoch as u64, row, &mut scratch).to_vec()));
    }
    // Bytes as they are; other numbers from their least (black) to their greatest (white).
    let (low, high) = match source.features().storage() {
        Storage::U8 => (0.0, 255.0),
        _ => pictures
            .iter()
            .flatten()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x))),
    };
    let factor = if high > low { 255.0 / (high - low) } else { 0.0 };
    let by = SIDE.div_ceil(height.max(width)).max(1);
    let (down, across) = (height * by + GAP, width * by + GAP);
    let (sheet_height, sheet_width) = (shown.len() * down + GAP, (variants + 1) * across + GAP);
    let mut pixels = vec![255u8; sheet_height * sheet_width * channels];
    for (i, picture) in pictures.iter().enumerate() {
        let (top, left) = (i / (variants + 1) * down + GAP, i % (variants + 1) * across + GAP);
        for y in 0..height * by {
            for x in 0..width * by {
                let from = &picture[(y / by * width + x / by) * channels..][..channels];
                let to = ((top + y) * sheet_width + left + x) * channels;
                for (out, value) in pixels[to..][..channels].iter_mut().zip(from) {
                    *out = ((value - low) * factor + 0.5) as u8;
                }
            }
        }
    }
    encode_png(&Image {
        height: sheet_height,
        width: sheet_width,
        channels,
        pixels,
    })
}
