//! Samples mixed with others of the training rows.

use std::ops::Range;

use nabla_kernels::Real;

use super::{Augmentation, Draws};

/// What was drawn for a row.
pub(crate) struct Mixed {
    /// The other sample, an index into the source.
    pub(crate) partner: u32,
    /// The share of the target that stays the row's own.
    pub(crate) own: f64,
    rows: Range<usize>,
    columns: Range<usize>,
}

/// The other sample may be any of `rows`, however far away, so that a batch says nothing about it.
pub(crate) fn drawn(step: &Augmentation, draws: &mut Draws, rows: &[u32], [height, width, _]: [usize; 3]) -> Option<Mixed> {
    let other = |draws: &mut Draws| rows[draws.index(rows.len())];
    match *step {
        Augmentation::Mixup { alpha } => {
            let (partner, own) = (other(draws), draws.beta(alpha));
            Some(Mixed {
                partner,
                own: own.max(1.0 - own),
                rows: 0..0,
                columns: 0..0,
            })
        }
        Augmentation::Cutmix { alpha } => {
            let (partner, own) = (other(draws), draws.beta(alpha));
            let side = (1.0 - own).sqrt();
            let span = |draws: &mut Draws, whole: usize| {
                let length = (side * whole as f64) as usize;
                let centre = draws.index(whole);
                centre.saturating_sub(length / 2)..(centre + length - length / 2).min(whole)
            };
            let (rows, columns) = (span(draws, height), span(draws, width));
            Some(Mixed {
                partner,
                own: 1.0 - (rows.len() * columns.len()) as f64 / (height * width) as f64,
                rows,
                columns,
            })
        }
        _ => None,
    }
}

/// The other sample into this one.
pub(crate) fn blend<R: Real>(step: &Augmentation, mixed: &Mixed, [_, width, channels]: [usize; 3], values: &mut [R], partner: &[R]) {
    if matches!(step, Augmentation::Mixup { .. }) {
        let (own, other) = (R::from_f64(mixed.own), R::from_f64(1.0 - mixed.own));
        values.iter_mut().zip(partner).for_each(|(x, y)| *x = own * *x + other * *y);
        return;
    }
    for row in mixed.rows.clone() {
        let part = (row * width + mixed.columns.start) * channels..(row * width + mixed.columns.end) * channels;
        values[part.clone()].copy_from_slice(&partner[part]);
    }
}
