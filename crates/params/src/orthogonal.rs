//! A random matrix with orthonormal rows or columns, whichever are fewer, uniform over all such matrices (Haar):
//! the Q of a gaussian matrix's QR with a positive diagonal of R. Saxe, McClelland & Ganguli 2014, arXiv:1312.6120;
//! Mezzadri 2007, "How to generate random matrices from the classical compact groups".

use nabla_error::{Error, Result};

/// Turns a row-major gaussian `[rows, cols]` matrix into an orthogonal one. O(max·min²) time, one copy.
///
/// Modified Gram–Schmidt, each vector twice ("twice is enough", Kahan and Parlett): |QᵀQ − I| stays near 1e-15, and the
/// diagonal of R is a norm, so it is positive and no sign is left to fix.
pub(crate) fn orthogonalize(rows: usize, cols: usize, a: &mut [f64]) -> Result<()> {
    let (count, length) = (rows.min(cols), rows.max(cols));
    if count == 0 {
        return Ok(());
    }
    let tall = rows >= cols;
    let at = |v: usize, i: usize| if tall { i * cols + v } else { v * cols + i };
    let mut q: Vec<f64> = (0..count * length).map(|n| a[at(n / length, n % length)]).collect();
    for v in 0..count {
        let (done, rest) = q.split_at_mut(v * length);
        let x = &mut rest[..length];
        for _ in 0..2 {
            for u in done.chunks_exact(length) {
                let along = dot(u, x);
                x.iter_mut().zip(u).for_each(|(x, u)| *x -= along * u);
            }
            let norm = dot(x, x).sqrt();
            if norm.is_nan() || norm <= 0.0 {
                return Err(Error::internal("orthogonal: the gaussian matrix is singular"));
            }
            x.iter_mut().for_each(|x| *x /= norm);
        }
    }
    for (n, value) in q.into_iter().enumerate() {
        a[at(n / length, n % length)] = value;
    }
    Ok(())
}

/// Eight sums side by side (what the compiler turns into vectors), then a fixed tree.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        for l in 0..8 {
            sums[l] += a[l] * b[l];
        }
    }
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + tail
}
