//! Noise on the gradient of a parameter as it lies in the arena. A number depends on the seed, the parameter's name, the step and the place
//! where it lies, so neither on the other parameters nor on the team; padding stays 0.

use std::ops::Range;

use nabla_kernels::philox::{Stream, hash_path};
use nabla_kernels::{PANEL, Real};
use nabla_optim::GradientNoise;
use nabla_params::{Layout, Row};

/// Adds to part of a row, `range` of the arena, which begins at a multiple of 16.
pub fn add<T: Real>(row: &Row, range: Range<usize>, (seed, t): (u64, u64), deviation: f64, gradient: &mut [T]) {
    let stream = Stream::new(seed, hash_path("gradient noise") ^ hash_path(&row.spec.name), t);
    let from = range.start - row.offset;
    let noisy = |from: usize, gradient: &mut [T]| GradientNoise::add(stream, deviation, from as u64, gradient);
    // Up to here every place holds a value; beyond, each sixteen hold so many.
    let (full, held) = match (row.spec.layout, &row.spec.shape[..]) {
        (Layout::Panels, &[rows, columns]) => (columns / PANEL * PANEL * rows, columns % PANEL),
        _ => (row.values() / PANEL * PANEL, row.values() % PANEL),
    };
    let (whole, rest) = gradient.split_at_mut(full.saturating_sub(from).min(range.len()));
    noisy(from, whole);
    let from = from + whole.len();
    for (i, sixteen) in rest.chunks_mut(PANEL).enumerate() {
        noisy(from + i * PANEL, &mut sixteen[..held]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nabla_params::{Arena, Initializer, Spec};

    #[test]
    fn every_value_gets_noise_and_no_padding() {
        for (shape, layout) in [
            (vec![3, 37], Layout::Panels),
            (vec![5, 16], Layout::Panels),
            (vec![2, 7], Layout::Panels),
            (vec![37], Layout::RowMajor),
            (vec![4, 9], Layout::RowMajor),
            (vec![], Layout::RowMajor),
            (vec![0, 4], Layout::Panels),
        ] {
            let spec = Spec {
                name: "dense/kernel".into(),
                shape,
                initializer: Initializer::normal(0.0, 1.0),
                trainable: true,
                layout,
            };
            let arena = Arena::new(vec![spec]).unwrap();
            let row = &arena.rows[0];
            let mut whole = vec![0f32; arena.len];
            add(row, row.range(), (1, 0), 1.0, &mut whole);
            let values = arena.read(row, &whole);
            assert!(values.iter().all(|x| *x != 0.0));
            assert_eq!(whole.iter().filter(|x| **x != 0.0).count(), values.len());
            // Sixteen by sixteen, as members might.
            let mut parts = vec![0f32; arena.len];
            for (i, part) in parts.chunks_mut(PANEL).enumerate() {
                add(row, i * PANEL..(i + 1) * PANEL, (1, 0), 1.0, part);
            }
            assert_eq!(whole, parts);
            let mut later = vec![0f32; arena.len];
            add(row, row.range(), (1, 1), 1.0, &mut later);
            assert!(values.is_empty() || later != whole);
        }
    }
}
