//! Symmetric positive definite matrices of small size, row-major.

use libm::sqrt;

/// Σ x·y in eight lanes, which are added by a fixed tree.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (x, x_tail) = x.as_chunks::<8>();
    let (y, y_tail) = y.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (x, y) in x.iter().zip(y) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += x * y;
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(x_tail.iter().zip(y_tail)) {
        *lane += x * y;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// The lower factor L of A = L·Lᵀ in place of A's lower half; `None` where A is not positive definite.
pub fn factor(a: &mut [f64], n: usize) -> Option<()> {
    for i in 0..n {
        for j in 0..=i {
            let (before, row) = a.split_at(i * n);
            let other = if j == i { &row[..j] } else { &before[j * n..j * n + j] };
            let value = a[i * n + j] - dot(other, &row[..j]);
            if i == j {
                if value.is_nan() || value <= 0.0 {
                    return None;
                }
                a[i * n + i] = sqrt(value);
            } else {
                a[i * n + j] = value / a[j * n + j];
            }
        }
    }
    Some(())
}

/// x with L·x = b, in place of b.
pub fn forward(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        b[i] = (b[i] - dot(&l[i * n..i * n + i], &b[..i])) / l[i * n + i];
    }
}

/// x with Lᵀ·x = b, in place of b.
pub fn backward(l: &[f64], n: usize, b: &mut [f64]) {
    for i in (0..n).rev() {
        b[i] /= l[i * n + i];
        let x = b[i];
        for (b, l) in b[..i].iter_mut().zip(&l[i * n..i * n + i]) {
            *b -= l * x;
        }
    }
}

/// The inverse of A from its factor, whole: L⁻ᵀ·L⁻¹.
pub fn inverse(l: &[f64], n: usize) -> Vec<f64> {
    // Columns of L⁻¹, one after the other.
    let mut lower = vec![0.0; n * n];
    for (j, column) in lower.chunks_mut(n).enumerate() {
        column[j] = 1.0 / l[j * n + j];
        for i in j + 1..n {
            column[i] = -dot(&l[i * n + j..i * n + i], &column[j..i]) / l[i * n + i];
        }
    }
    let mut inverse = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let value = dot(&lower[i * n + i..(i + 1) * n], &lower[j * n + i..(j + 1) * n]);
            inverse[i * n + j] = value;
            inverse[j * n + i] = value;
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves() {
        let a = [4.0, 2.0, 0.6, 2.0, 5.0, 1.0, 0.6, 1.0, 3.0];
        let mut l = a;
        factor(&mut l, 3).unwrap();
        let mut x = [1.0, -2.0, 0.5];
        let b: Vec<f64> = (0..3).map(|i| (0..3).map(|j| a[3 * i + j] * x[j]).sum()).collect();
        let mut y = b.clone();
        forward(&l, 3, &mut y);
        backward(&l, 3, &mut y);
        x.iter_mut().zip(&y).for_each(|(x, y)| *x -= y);
        assert!(x.iter().all(|d| d.abs() < 1e-12));
        let inverse = inverse(&l, 3);
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| a[3 * i + k] * inverse[3 * k + j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
        assert!(factor(&mut [1.0, 2.0, 2.0, 1.0], 2).is_none());
    }
}
