//! Gradient clipping and the norm it needs. Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063.
//!
//! The norm is summed in f64: blocks of [`BLOCK`] values, in each 16 sums side by side and a tree, then a tree over the
//! blocks. Blocks and trees depend on the length only, so threads may share the blocks and the bits stay the same.

use nabla_kernels::Real;

/// Values in a block: 32 KiB in f64, one first-level cache.
pub const BLOCK: usize = 4096;

/// Σ g² of one block, in f64.
pub fn block_sum_squares<T: Real>(block: &[T]) -> f64 {
    scaled_sum_squares(block, 1.0)
}

fn scaled_sum_squares<T: Real>(block: &[T], scale: f64) -> f64 {
    let mut sums = [0.0f64; 16];
    let mut add = |part: &[T]| {
        for (sum, g) in sums.iter_mut().zip(part) {
            let g = g.to_f64() * scale;
            *sum += g * g;
        }
    };
    let whole = block.chunks_exact(16);
    let tail = whole.remainder();
    whole.for_each(&mut add);
    add(tail);
    tree_sum(&sums)
}

/// Sum by a tree whose left side is the largest power of two below the length.
pub fn tree_sum(sums: &[f64]) -> f64 {
    tree(0, sums.len(), &|i| sums[i])
}

/// The same sum over leaves that are computed.
pub fn tree_of(leaves: usize, leaf: &dyn Fn(usize) -> f64) -> f64 {
    tree(0, leaves, leaf)
}

fn tree(from: usize, to: usize, leaf: &dyn Fn(usize) -> f64) -> f64 {
    match to - from {
        0 => 0.0,
        1 => leaf(from),
        n => {
            let middle = from + n.next_power_of_two() / 2;
            tree(from, middle, leaf) + tree(middle, to, leaf)
        }
    }
}

/// Euclidean norm of a slice; the same as [`norm_of_blocks`] of its blocks' sums. Allocates nothing.
pub fn norm<T: Real>(g: &[T]) -> f64 {
    let block = |i: usize| &g[i * BLOCK..g.len().min((i + 1) * BLOCK)];
    let blocks = g.len().div_ceil(BLOCK);
    let sum = tree(0, blocks, &|i| block_sum_squares(block(i)));
    if sum.is_nan() || (sum > 1e-280 && sum < f64::INFINITY) {
        return sum.sqrt();
    }
    // squares beyond f64: the largest becomes 1
    let largest = g.iter().fold(0.0f64, |a, g| a.max(g.to_f64().abs()));
    if largest == 0.0 || largest == f64::INFINITY {
        return largest;
    }
    // two factors, for 1/largest of a subnormal number is ∞
    let scale = 1.0 / largest.max(f64::MIN_POSITIVE);
    tree(0, blocks, &|i| scaled_sum_squares(block(i), scale)).sqrt() / scale
}

/// The norm from the blocks' sums of squares, block i at place i.
pub fn norm_of_blocks(sums: &[f64]) -> f64 {
    tree_sum(sums).sqrt()
}

/// Norm of several slices as of one vector: √Σ‖g‖².
pub fn global_norm<T: Real>(parts: &[&[T]]) -> f64 {
    let norms: Vec<f64> = parts.iter().map(|g| norm(g)).collect();
    norm(&norms)
}

/// What a gradient of this norm is multiplied by so that its norm is at most `max`; none when it stays as it is.
/// max/norm, as TensorFlow; PyTorch divides by norm + 1e-6. A norm that is not finite gives none: the caller must look at it.
pub fn factor(norm: f64, max: f64) -> Option<f64> {
    (norm.is_finite() && norm > max).then(|| max / norm)
}

/// g ← min(max(g, −limit), limit), value by value. NaN stays NaN.
pub fn clip_by_value<T: Real>(g: &mut [T], limit: f64) {
    let (low, high) = (T::from_f64(-limit), T::from_f64(limit));
    for g in g {
        if *g > high {
            *g = high;
        } else if *g < low {
            *g = low;
        }
    }
}

/// Scales one parameter's gradient to a norm of at most `max`; returns the norm it had.
pub fn clip_by_norm<T: Real>(g: &mut [T], max: f64) -> f64 {
    let norm = norm(g);
    if let Some(factor) = factor(norm, max) {
        scale(g, factor);
    }
    norm
}

/// Scales all gradients by one factor so that their common norm is at most `max`; returns the norm they had. The direction stays.
/// With one flat gradient it is [`clip_by_norm`] of the whole.
pub fn clip_by_global_norm<T: Real>(parts: &mut [&mut [T]], max: f64) -> f64 {
    let norms: Vec<f64> = parts.iter().map(|g| norm(g)).collect();
    let norm = norm(&norms);
    if let Some(factor) = factor(norm, max) {
        parts.iter_mut().for_each(|g| scale(g, factor));
    }
    norm
}

/// g ← factor·g.
pub fn scale<T: Real>(g: &mut [T], factor: f64) {
    let factor = T::from_f64(factor);
    g.iter_mut().for_each(|g| *g *= factor);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_of_any_threads_give_the_whole_norm(len in 0usize..20_000, seed in 1u64..1000) {
            let g: Vec<f32> = (0..len as u64).map(|i| ((i * seed * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0).collect();
            let sums: Vec<f64> = g.chunks(BLOCK).map(block_sum_squares).collect();
            prop_assert_eq!(norm_of_blocks(&sums).to_bits(), norm(&g).to_bits());
            let plain = g.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt();
            prop_assert!((norm(&g) - plain).abs() <= 1e-12 * plain);
        }

        #[test]
        fn clipped_norms_are_at_most_max(g in prop::collection::vec(-100.0..100.0f64, 1..50), max in 0.01..200.0f64) {
            let mut clipped = g.clone();
            let before = clip_by_norm(&mut clipped, max);
            prop_assert!(norm(&clipped) <= max * (1.0 + 1e-14));
            if before <= max {
                prop_assert_eq!(&clipped, &g);
            } else {
                let factor = max / before;
                for (c, g) in clipped.iter().zip(&g) {
                    prop_assert_eq!(*c, g * factor);
                }
            }
            let (mut a, mut b) = (g[..g.len() / 2].to_vec(), g[g.len() / 2..].to_vec());
            let global = clip_by_global_norm(&mut [&mut a, &mut b], max);
            prop_assert!((global - before).abs() <= 1e-13 * before);
            prop_assert!((global_norm(&[&a, &b]) - norm(&clipped)).abs() <= 1e-13 * before);
        }

        #[test]
        fn clipped_values_lie_within(mut g in prop::collection::vec(-3.0..3.0f32, 0..50), limit in 0.0..2.0f64) {
            let before = g.clone();
            clip_by_value(&mut g, limit);
            for (after, before) in g.iter().zip(before) {
                prop_assert_eq!(*after, before.clamp(-(limit as f32), limit as f32));
            }
        }
    }

    #[test]
    fn norms_survive_where_squares_do_not() {
        for scale in [5e-324, 1e-310, 1e-250, 1e-160, 1.0, 1e120, 1e160, 1e300] {
            let (a, b) = (3.0 * scale, 4.0 * scale);
            assert!((norm(&[a, -b]) - 5.0 * scale).abs() <= 1e-13 * 5.0 * scale, "{scale:e}");
        }
        assert_eq!(norm(&[3e38f32, 0.0]), f64::from(3e38f32));
        assert_eq!((norm::<f64>(&[]), norm(&[0.0, -0.0])), (0.0, 0.0));
    }

    #[test]
    fn what_is_not_finite_shows_and_clips_nothing() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut g = [1.0, bad];
            assert!(!clip_by_norm(&mut g, 0.1).is_finite());
            assert_eq!(g[0], 1.0);
        }
    }
}
