//! Seeded changes of training samples, beside the training step: never of rows that are scored.
//!
//! They act on the values as the data set stores them, before preparation: on the pixels 0…255 of images, on a table's own units. What
//! happens to a row depends on the seed, the epoch and the row's index in its source, so neither on its place in a batch, nor on threads, nor
//! on the instruction set; every step of a recipe draws from a stream of its own. Everything is computed in f32 (f64 where the data set
//! stores that), and the transcendentals are those of `libm`.

mod draws;
mod enlarge;
mod geometry;
mod mix;
mod pixels;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

pub use enlarge::{augmented, contact_sheet};

use crate::dataset::Dataset;
use crate::rows_file::Storage;
use crate::source::{Kind, Matrix, Target};
use draws::Draws;
use geometry::Affine;

fn yes() -> bool {
    true
}

/// One change. Ranges are uniform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Augmentation {
    /// Mirrors along an axis with probability ½.
    Flip {
        /// Left and right.
        #[serde(default = "yes")]
        horizontal: bool,
        /// Top and bottom.
        #[serde(default)]
        vertical: bool,
    },
    /// A window at a random place of the image with a border of zeros around it.
    Crop {
        /// Width of the border.
        padding: usize,
        /// Height and width of the window, the image's own by default; of another size it is brought back to the image's.
        size: Option<[usize; 2]>,
    },
    /// About the centre.
    Rotate {
        /// Either way at most.
        degrees: f64,
    },
    /// Along both axes.
    Translate {
        /// Of height and width at most, either way.
        share: f64,
    },
    /// About the centre, both axes alike.
    Scale {
        /// The smallest factor.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// Lines move along themselves, by tan φ times their distance from the centre.
    Shear {
        /// Of φ either way at most.
        degrees: f64,
    },
    /// Each pixel comes from elsewhere: strength times noise in [−1, 1), smoothed by a Gaussian. Simard, Steinkraus & Platt 2003.
    Elastic {
        /// α.
        strength: f64,
        /// σ in pixels.
        smoothness: f64,
    },
    /// One number added to all values.
    Brightness {
        /// Either way at most, in shares of 255 for bytes.
        amount: f64,
    },
    /// m + f·(x − m), m the mean of the image.
    Contrast {
        /// f is in 1 ± amount.
        amount: f64,
    },
    /// Normal noise.
    Noise {
        /// Its deviation, in shares of 255 for bytes.
        deviation: f64,
    },
    /// A square of zeros whose centre is anywhere in the image. DeVries & Taylor 2017, arXiv:1708.04552.
    Cutout {
        /// Its side; what lies outside is cut off.
        size: usize,
    },
    /// λ of the sample and 1 − λ of another one, λ ~ Beta(α, α). Zhang et al. 2018, arXiv:1710.09412. As pairs are symmetric, the larger
    /// share is the sample's own.
    Mixup {
        /// α.
        alpha: f64,
    },
    /// A window of another sample, its sides √(1 − λ) of the image's, pasted around a random centre. Yun et al. 2019, arXiv:1905.04899.
    Cutmix {
        /// λ ~ Beta(α, α).
        alpha: f64,
    },
    /// Normal noise with a share of each column's deviation over the training rows; of a sequence the columns are its features.
    Jitter {
        /// Of the deviation.
        share: f64,
    },
}

impl Augmentation {
    /// As users call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Flip { .. } => "flip",
            Self::Crop { .. } => "crop",
            Self::Rotate { .. } => "rotate",
            Self::Translate { .. } => "translate",
            Self::Scale { .. } => "scale",
            Self::Shear { .. } => "shear",
            Self::Elastic { .. } => "elastic",
            Self::Brightness { .. } => "brightness",
            Self::Contrast { .. } => "contrast",
            Self::Noise { .. } => "noise",
            Self::Cutout { .. } => "cutout",
            Self::Mixup { .. } => "mixup",
            Self::Cutmix { .. } => "cutmix",
            Self::Jitter { .. } => "jitter",
        }
    }

    /// Whether it takes another sample, and its target.
    pub fn mixes(&self) -> bool {
        matches!(self, Self::Mixup { .. } | Self::Cutmix { .. })
    }

    fn of_images(&self) -> bool {
        !matches!(self, Self::Noise { .. } | Self::Mixup { .. } | Self::Jitter { .. })
    }

    fn validate(&self) -> Result<()> {
        let within = |option: &str, x: f64, above: f64, max: f64| {
            if x > above && x <= max {
                return Ok(());
            }
            let expected = if max.is_finite() {
                format!("in ({above}, {max}]")
            } else {
                format!("above {above}")
            };
            Err(Error::option(&format!("{}: {option}", self.name()), expected, x))
        };
        match *self {
            Self::Flip { horizontal, vertical } if !horizontal && !vertical => {
                Err(Error::option("flip", "to be horizontal, vertical or both", "neither"))
            }
            Self::Flip { .. } => Ok(()),
            Self::Crop { size, .. } => match size {
                Some([0, _] | [_, 0]) => Err(Error::option("crop: size", "with axes of at least 1", "0")),
                _ => Ok(()),
            },
            Self::Rotate { degrees } => within("degrees", degrees, 0.0, 180.0),
            Self::Translate { share } => within("share", share, 0.0, 1.0),
            Self::Scale { low, high } => {
                within("low", low, 0.0, 100.0)?;
                within("high", high, 0.0, 100.0)?;
                if low <= high {
                    return Ok(());
                }
                Err(Error::option("scale: high", format!("to be at least {low}"), high))
            }
            Self::Shear { degrees } => within("degrees", degrees, 0.0, 89.0),
            Self::Elastic { strength, smoothness } => {
                within("strength", strength, 0.0, f64::INFINITY)?;
                within("smoothness", smoothness, 0.0, 100.0)
            }
            Self::Brightness { amount } => within("amount", amount, 0.0, f64::MAX),
            Self::Contrast { amount } => within("amount", amount, 0.0, 1.0),
            Self::Noise { deviation } => within("deviation", deviation, 0.0, f64::MAX),
            Self::Cutout { size: 0 } => Err(Error::option("cutout: size", "to be at least 1", 0)),
            Self::Cutout { .. } => Ok(()),
            Self::Mixup { alpha } | Self::Cutmix { alpha } => within("alpha", alpha, 0.0, 1e6),
            Self::Jitter { share } => within("share", share, 0.0, f64::MAX),
        }
    }
}

/// Checks ranges, and that what mixes comes last.
pub fn validate(recipe: &[Augmentation]) -> Result<()> {
    recipe.iter().try_for_each(Augmentation::validate)?;
    match recipe.iter().position(Augmentation::mixes) {
        Some(at) if at + 1 < recipe.len() => Err(Error::option(
            "augment",
            format!("to have {} last", recipe[at].name()),
            format!("{} after it", recipe[at + 1].name()),
        )
        .hint("It mixes samples as the other steps left them; of mixup and cutmix a recipe has one.")),
        _ => Ok(()),
    }
}

/// A recipe for the rows of one data set.
#[derive(Debug)]
pub struct Augmenter {
    recipe: Vec<Augmentation>,
    seed: u64,
    data: Dataset,
    /// Height, width and channels of an image; of other samples the last axis counts as channels.
    shape: [usize; 3],
    width: usize,
    /// What an amount of 1 is: 255 for bytes, which are also kept in 0…255.
    unit: f64,
    bytes: bool,
    /// Of the columns, for jitter.
    deviations: Vec<f64>,
    /// Columns of categories, which stay as they are.
    fixed: Vec<usize>,
    /// The rows that may be mixed in, as indices into the source.
    rows: Vec<u32>,
}

/// Buffers for one row at a time; they are made once.
#[derive(Clone, Debug, Default)]
pub struct Scratch<R> {
    pub(crate) now: Vec<R>,
    pub(crate) next: Vec<R>,
    pub(crate) partner: Vec<R>,
    /// Displacements along the axes, and room to smooth them.
    pub(crate) field: Vec<f32>,
}

impl Augmenter {
    /// For rows (indices into the data set's source) of a data set.
    ///
    /// # Errors
    /// `INVALID_OPTION` for what these samples cannot go through: steps of images on other shapes, windows larger than the image, text.
    pub fn new(recipe: &[Augmentation], seed: u64, data: &Dataset, rows: &[u32]) -> Result<Augmenter> {
        validate(recipe)?;
        let source = data.source();
        let refuse = |step: &Augmentation, expected: &str| {
            Err(Error::option(
                &format!("augment: {}", step.name()),
                expected,
                format!("samples of shape {:?}", source.sample_shape()),
            ))
        };
        let text = matches!(source.target(), Some(Target::Sequence { .. })) || source.text.is_some();
        if let (Some(step), true) = (recipe.first(), text) {
            return refuse(step, "on numbers, not on the indices of a text");
        }
        if let (Some(step), Some(_)) = (recipe.first(), source.lengths()) {
            return refuse(step, "on rows of one length, not on sequences of different lengths");
        }
        let shape = match *source.sample_shape() {
            [height, width, channels] => [height, width, channels],
            _ => [1, 1, source.width()],
        };
        for step in recipe {
            if step.of_images() && source.sample_shape().len() != 3 {
                return refuse(step, "on images, [height, width, channels]");
            }
            if matches!(step, Augmentation::Jitter { .. }) && source.sample_shape().len() > 2 {
                return refuse(step, "on tables and sequences; noise is for images");
            }
            if let Augmentation::Crop { padding, size: Some(size) } = step
                && (size[0] > shape[0] + 2 * padding || size[1] > shape[1] + 2 * padding)
            {
                return refuse(step, "with a window that fits into the padded image");
            }
        }
        let is_category = |kind: &Kind| matches!(kind, Kind::Category { .. });
        let jitters = recipe.iter().any(|step| matches!(step, Augmentation::Jitter { .. }));
        Ok(Augmenter {
            recipe: recipe.to_vec(),
            seed,
            shape,
            width: source.width(),
            unit: if source.features().storage() == Storage::U8 { 255.0 } else { 1.0 },
            bytes: source.features().storage() == Storage::U8,
            deviations: if jitters { deviations(data, rows) } else { Vec::new() },
            fixed: (0..source.columns().len())
                .filter(|&j| is_category(&source.columns()[j].kind))
                .collect(),
            rows: rows.to_vec(),
            data: data.clone(),
        })
    }

    /// Buffers of the right size.
    pub fn scratch<R: Real>(&self) -> Scratch<R> {
        let elastic = self.recipe.iter().any(|step| matches!(step, Augmentation::Elastic { .. }));
        let mixes = self.recipe.iter().any(Augmentation::mixes);
        Scratch {
            now: vec![R::ZERO; self.width],
            next: vec![R::ZERO; self.width],
            partner: vec![R::ZERO; if mixes { self.width } else { 0 }],
            field: vec![0.0; if elastic { 3 * self.shape[0] * self.shape[1] } else { 0 }],
        }
    }

    /// Whether samples are mixed with others.
    pub fn mixes(&self) -> bool {
        self.recipe.last().is_some_and(Augmentation::mixes)
    }

    fn draws(&self, step: usize, epoch: u64, row: u32) -> Draws {
        Draws::new(self.seed, step, epoch, row)
    }

    /// One row as it is in an epoch, in the units of the source.
    pub fn row<'s, R: Real>(&self, epoch: u64, row: u32, scratch: &'s mut Scratch<R>) -> &'s [R] {
        if let Some((mixed, step)) = self.mix(epoch, row).zip(self.recipe.last()) {
            self.change(epoch, mixed.partner, scratch);
            std::mem::swap(&mut scratch.now, &mut scratch.partner);
            self.change(epoch, row, scratch);
            mix::blend(step, &mixed, self.shape, &mut scratch.now, &scratch.partner);
            self.keep_categories(row, scratch);
        } else {
            self.change(epoch, row, scratch);
        }
        &scratch.now
    }

    /// The sample that a row is mixed with in an epoch, and the row's own share of the target.
    pub fn partner(&self, epoch: u64, row: u32) -> Option<(u32, f64)> {
        self.mix(epoch, row).map(|mixed| (mixed.partner, mixed.own))
    }

    fn mix(&self, epoch: u64, row: u32) -> Option<mix::Mixed> {
        let step = self.recipe.len().checked_sub(1)?;
        mix::drawn(&self.recipe[step], &mut self.draws(step, epoch, row), &self.rows, self.shape)
    }

    fn keep_categories<R: Real>(&self, row: u32, scratch: &mut Scratch<R>) {
        let from = row as usize * self.width;
        for &j in &self.fixed {
            scratch.now[j] = R::from_f64(self.data.source().features().get(from + j));
        }
    }

    /// All steps but the mixing into `scratch.now`.
    fn change<R: Real>(&self, epoch: u64, row: u32, scratch: &mut Scratch<R>) {
        let from = row as usize * self.width..(row as usize + 1) * self.width;
        match self.data.source().features() {
            Matrix::F32(values) => fill(&mut scratch.now, &values[from]),
            Matrix::F64(values) => fill(&mut scratch.now, &values[from]),
            Matrix::U8(values) => fill(&mut scratch.now, &values[from]),
            Matrix::File(file) => file.gather(&[row], self.width, None, &mut scratch.now),
        }
        let mut pending = Affine::IDENTITY;
        for (index, step) in self.recipe.iter().enumerate() {
            let mut draws = self.draws(index, epoch, row);
            if let Some(inverse) = geometry::inverse(step, &mut draws, self.shape) {
                // The steps' inverses, the last one first: where in the image so far does a pixel come from.
                pending = pending.after(&inverse);
                continue;
            }
            if step.mixes() {
                continue;
            }
            if let Augmentation::Elastic { strength, smoothness } = *step {
                geometry::displace(&mut scratch.field, &draws, self.shape, strength, smoothness);
                geometry::resample_displaced(&pending, self.shape, scratch);
                pending = Affine::IDENTITY;
                continue;
            }
            self.flush(&mut pending, scratch);
            let (now, next) = (&mut scratch.now[..], &mut scratch.next[..]);
            match *step {
                Augmentation::Brightness { amount } => pixels::brightness(now, draws.within(amount) * self.unit),
                Augmentation::Contrast { amount } => pixels::contrast(now, 1.0 + draws.within(amount)),
                Augmentation::Noise { deviation } => {
                    draws.normal(next);
                    pixels::add_noise(now, next, |_| deviation * self.unit);
                }
                Augmentation::Jitter { share } => {
                    draws.normal(next);
                    let columns = self.deviations.len().max(1);
                    pixels::add_noise(now, next, |j| share * self.deviations[j % columns]);
                }
                Augmentation::Cutout { size } => pixels::cutout(now, self.shape, size, &mut draws),
                _ => {}
            }
            if self.bytes {
                pixels::clamp(now);
            }
            self.keep_categories(row, scratch);
        }
        self.flush(&mut pending, scratch);
    }

    fn flush<R: Real>(&self, pending: &mut Affine, scratch: &mut Scratch<R>) {
        if *pending != Affine::IDENTITY {
            geometry::resample(pending, self.shape, scratch);
            *pending = Affine::IDENTITY;
        }
    }
}

fn fill<S: nabla_kernels::gather::Stored, R: Real>(out: &mut [R], from: &[S]) {
    out.iter_mut().zip(from).for_each(|(out, x)| *out = x.to_real());
}

/// √(Σ(x − mean)²/n) of each column over some rows; of sequences each feature over time too. Categories and missing cells count as 0.
fn deviations(data: &Dataset, rows: &[u32]) -> Vec<f64> {
    let source = data.source();
    let columns = source.sample_shape().last().copied().unwrap_or(1);
    let number = |j: usize| source.columns().get(j).is_none_or(|c| !matches!(c.kind, Kind::Category { .. }));
    let mut moments = vec![(0.0f64, 0.0f64, 0.0f64); columns];
    let mut values = vec![0.0; source.width()];
    for &row in rows {
        source.features().copy_to(row as usize * source.width(), &mut values);
        for (at, &x) in values.iter().enumerate().filter(|(_, x)| x.is_finite()) {
            // Welford 1962.
            let (n, mean, squares) = &mut moments[at % columns];
            *n += 1.0;
            let far = x - *mean;
            *mean += far / *n;
            *squares += far * (x - *mean);
        }
    }
    let deviation = |(j, &(n, _, squares)): (usize, &(f64, f64, f64))| if number(j) && n > 0.0 { (squares / n).sqrt() } else { 0.0 };
    moments.iter().enumerate().map(deviation).collect()
}

/// A target that only a loss of two targets could mix.
pub(crate) fn unmixable(step: &Augmentation) -> Error {
    Error::new(
        Code::InvalidOption,
        format!("{} makes samples between two classes, and a row of a data set has one", step.name()),
    )
    .at(format!("augmented: {}", step.name()))
    .expected("number targets")
    .received("classes")
    .hint("In the trainer's `augment` it mixes the loss of both classes.")
}

#[cfg(test)]
mod tests;
