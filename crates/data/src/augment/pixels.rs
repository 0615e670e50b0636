//! Changes of the values themselves.

use nabla_kernels::Real;

use super::Draws;

pub(crate) fn brightness<R: Real>(values: &mut [R], by: f64) {
    let by = R::from_f64(by);
    values.iter_mut().for_each(|x| *x += by);
}

pub(crate) fn contrast<R: Real>(values: &mut [R], factor: f64) {
    let mean = R::from_f64(values.iter().map(|x| x.to_f64()).sum::<f64>() / values.len().max(1) as f64);
    let factor = R::from_f64(factor);
    values.iter_mut().for_each(|x| *x = mean + factor * (*x - mean));
}

/// x += deviation(j)·noise.
pub(crate) fn add_noise<R: Real>(values: &mut [R], noise: &[R], deviation: impl Fn(usize) -> f64) {
    for (j, (x, noise)) in values.iter_mut().zip(noise).enumerate() {
        *x += R::from_f64(deviation(j)) * *noise;
    }
}

pub(crate) fn clamp<R: Real>(values: &mut [R]) {
    let most = R::from_f64(255.0);
    values.iter_mut().for_each(|x| *x = x.max(R::ZERO).min(most));
}

/// Zeros in a square around any pixel.
pub(crate) fn cutout<R: Real>(values: &mut [R], [height, width, channels]: [usize; 3], size: usize, draws: &mut Draws) {
    let (y, x) = (draws.index(height), draws.index(width));
    let span = |centre: usize, whole: usize| centre.saturating_sub(size / 2)..(centre + size - size / 2).min(whole);
    let columns = span(x, width);
    for row in span(y, height) {
        values[(row * width + columns.start) * channels..(row * width + columns.end) * channels].fill(R::ZERO);
    }
}
