//! The normal distribution cut at ±2: what is outside is drawn again, as in Keras and TensorFlow.

use crate::pending::philox::{Stream, fill_normal};

/// Deviation of the standard normal distribution cut at ±2: √(1 − 4φ(2)/(2Φ(2) − 1)).
/// Xavier, He and LeCun divide by it in Keras; here `truncatedNormal` does not (its `deviation` is that of the uncut normal).
#[cfg(test)]
pub(crate) const DEVIATION: f64 = 0.879_625_661_034_239_8;

/// Fills `out` with standard normal values inside [−2, 2]. Value i depends on (seed, purpose, i) only: a redraw of value i
/// takes element i of the next attempt's stream.
pub(crate) fn fill(seed: u64, purpose: u64, out: &mut [f64]) {
    fill_normal(&Stream::new(seed, purpose, 0), 0, out);
    for (i, x) in out.iter_mut().enumerate() {
        let mut attempt = 1; // one in 22 is drawn again
        while x.abs() > 2.0 {
            fill_normal(&Stream::new(seed, purpose, attempt), i as u64, std::slice::from_mut(x));
            attempt += 1;
        }
    }
}
