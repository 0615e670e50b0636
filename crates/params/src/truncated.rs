//! The normal distribution cut at ±2: what is outside is drawn again, as in Keras and TensorFlow. Its deviation is 0.8796, √(1 − 4φ(2)/(2Φ(2) − 1)).

use nabla_kernels::philox::{Stream, fill_normal};

/// Fills `out` with standard normal values inside [−2, 2]. Value i depends on (seed, purpose, i) only: a redraw of value i
/// takes element i of the next attempt's stream.
pub(crate) fn fill(seed: u64, purpose: u64, out: &mut [f64]) {
    fill_normal(Stream::new(seed, purpose, 0), 0, out);
    for (i, x) in out.iter_mut().enumerate() {
        let mut attempt = 1; // one in 22 is drawn again
        while x.abs() > 2.0 {
            fill_normal(Stream::new(seed, purpose, attempt), i as u64, std::slice::from_mut(x));
            attempt += 1;
        }
    }
}
