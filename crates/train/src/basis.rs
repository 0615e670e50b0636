//! Basis functions φ of the inputs for least squares: fitted on the training rows, then the same for all.

use nabla_error::{Error, Result, memory};
use serde::Deserialize;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Basis {
    /// The inputs themselves.
    Identity,
    /// All products of the inputs of a total degree from 1 to `degree`: by degree, then as scikit-learn's `PolynomialFeatures` orders them.
    Polynomial {
        /// At least 1.
        degree: usize,
    },
    /// exp(−(x − c)²/2s²) about `count` places c of each input, evenly from the least to the greatest.
    Gaussian {
        /// Places an input.
        count: usize,
        /// s; the distance of two places by default.
        width: Option<f64>,
    },
    /// 1/(1 + exp(−(x − c)/s)), placed the same way.
    Sigmoid {
        /// Places an input.
        count: usize,
        /// s; the distance of two places by default.
        width: Option<f64>,
    },
    /// sin(2πkx/period) and cos(2πkx/period), k from 1 to `harmonics`, of each input.
    Fourier {
        /// At least 1.
        harmonics: usize,
        /// Above 0.
        period: f64,
    },
    /// B-splines of each input between `knots` even knots from the least to the greatest, constant beyond; all but the last, which the
    /// others and the intercept say. scikit-learn's `SplineTransformer(include_bias=False, extrapolation="constant")`.
    Spline {
        /// At least 2.
        knots: usize,
        /// Of the pieces.
        degree: usize,
    },
    /// L⁻¹k(x) with k(x)ᵢ = exp(−γ‖x − zᵢ‖²) for `count` training rows zᵢ and LLᵀ = K their own kernel: ‖w‖² is then the penalty of kernel
    /// ridge regression, exact where all rows are taken, else Nyström's approximation (Williams & Seeger 2001).
    Kernel {
        /// Above 0; 1/inputs by default.
        gamma: Option<f64>,
        /// Rows to compare with, spread evenly; at most as many as there are.
        count: usize,
    },
}

/// A fitted basis: a function of one row.
#[derive(Clone, Debug)]
pub enum Expansion {
    /// The inputs.
    Identity {
        /// How many.
        width: usize,
    },
    /// The factors of each product.
    Products(Vec<Vec<u32>>),
    /// Low end, step and size of each input.
    Placed {
        /// Whether by bells, not by steps.
        gaussian: bool,
        /// An input.
        count: usize,
        /// An input each.
        places: Vec<(f64, f64, f64)>,
    },
    /// Waves.
    Fourier {
        /// Inputs.
        width: usize,
        /// An input.
        harmonics: usize,
        /// Of the first.
        period: f64,
    },
    /// Low and high end of each input.
    Spline {
        /// Of each input.
        knots: usize,
        /// Of the pieces.
        degree: usize,
        /// An input each.
        ranges: Vec<(f64, f64)>,
    },
    /// Rows to compare with, and the lower triangle L by rows.
    Kernel {
        /// Inputs.
        width: usize,
        /// Of the kernel.
        gamma: f64,
        /// Row-major.
        rows: Vec<f64>,
        /// `[count, count]`.
        lower: Vec<f64>,
    },
}

/// More functions than this would not fit beside their rows.
const MOST: usize = 100_000;

impl Basis {
    /// Fits to rows of `width` inputs.
    ///
    /// # Errors
    /// `INVALID_OPTION` for more than 100,000 functions.
    pub fn fit(&self, features: &[f64], width: usize) -> Result<Expansion> {
        let range = |j: usize| {
            let column = features.iter().skip(j).step_by(width.max(1));
            column.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
        };
        let placed = |count: usize, size: Option<f64>, gaussian: bool| Expansion::Placed {
            gaussian,
            count,
            places: (0..width)
                .map(|j| {
                    let (low, high) = range(j);
                    let step = if count > 1 && high > low {
                        (high - low) / (count - 1) as f64
                    } else {
                        1.0
                    };
                    (if count > 1 { low } else { (low + high) / 2.0 }, step, size.unwrap_or(step))
                })
                .collect(),
        };
        let expansion = match *self {
            Basis::Identity => Expansion::Identity { width },
            Basis::Polynomial { degree } => Expansion::Products(products(width, degree)?),
            Basis::Gaussian { count, width } => placed(count, width, true),
            Basis::Sigmoid { count, width } => placed(count, width, false),
            Basis::Fourier { harmonics, period } => Expansion::Fourier { width, harmonics, period },
            Basis::Spline { knots, degree } => Expansion::Spline {
                knots,
                degree,
                ranges: (0..width).map(range).collect(),
            },
            Basis::Kernel { gamma, count } => kernel(features, width, gamma.unwrap_or(1.0 / width.max(1) as f64), count)?,
        };
        if expansion.size() == 0 || expansion.size() > MOST {
            return Err(Error::option(
                "basis",
                format!("to give from 1 to {MOST} functions"),
                expansion.size(),
            ));
        }
        Ok(expansion)
    }
}

fn products(width: usize, degree: usize) -> Result<Vec<Vec<u32>>> {
    let mut all: Vec<Vec<u32>> = Vec::new();
    let mut last: Vec<Vec<u32>> = vec![Vec::new()];
    for _ in 0..degree {
        let mut next = Vec::new();
        for factors in &last {
            for j in factors.last().copied().unwrap_or(0)..width as u32 {
                next.push([factors.as_slice(), &[j]].concat());
            }
            if all.len() + next.len() > MOST {
                return Err(Error::option(
                    "basis.degree",
                    format!("to give at most {MOST} products of {width} inputs"),
                    degree,
                ));
            }
        }
        all.extend(next.iter().cloned());
        last = next;
    }
    Ok(all)
}

fn kernel(features: &[f64], width: usize, gamma: f64, count: usize) -> Result<Expansion> {
    let n = features.len() / width.max(1);
    let count = count.min(n);
    if count > 4_000 {
        return Err(Error::option(
            "basis.count",
            "to be at most 4,000 rows: their kernel is kept whole",
            count,
        ));
    }
    let rows: Vec<f64> = (0..count)
        .flat_map(|i| features[i * n / count * width..][..width].iter().copied())
        .collect();
    let mut lower = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..=i {
            lower[i * count + j] = similarity(&rows[i * width..][..width], &rows[j * width..][..width], gamma);
        }
        // Rows that occur twice make the kernel singular; what rounding leaves is far below this.
        lower[i * count + i] += 1e-10;
    }
    for j in 0..count {
        for i in j..count {
            let known: f64 = (0..j).map(|k| lower[i * count + k] * lower[j * count + k]).sum();
            let value = lower[i * count + j] - known;
            lower[i * count + j] = if i == j {
                value.max(1e-12).sqrt()
            } else {
                value / lower[j * count + j]
            };
        }
    }
    Ok(Expansion::Kernel { width, gamma, rows, lower })
}

fn similarity(x: &[f64], z: &[f64], gamma: f64) -> f64 {
    let square: f64 = x.iter().zip(z).map(|(x, z)| (x - z) * (x - z)).sum();
    libm::exp(-gamma * square)
}

impl Expansion {
    /// How many functions.
    pub fn size(&self) -> usize {
        match self {
            Expansion::Identity { width } => *width,
            Expansion::Products(products) => products.len(),
            Expansion::Placed { count, places, .. } => count * places.len(),
            Expansion::Fourier { width, harmonics, .. } => 2 * width * harmonics,
            Expansion::Spline { knots, degree, ranges } => ranges.len() * (knots + degree - 2),
            Expansion::Kernel { width, rows, .. } => rows.len() / (*width).max(1),
        }
    }

    /// φ of one row into `out`, which has `size()` places.
    pub fn expand(&self, row: &[f64], out: &mut [f64]) {
        match self {
            Expansion::Identity { .. } => out.copy_from_slice(row),
            Expansion::Products(products) => {
                for (out, factors) in out.iter_mut().zip(products) {
                    *out = factors.iter().map(|&j| row[j as usize]).product();
                }
            }
            Expansion::Placed { gaussian, count, places } => {
                for ((&(low, step, size), x), out) in places.iter().zip(row).zip(out.chunks_exact_mut(*count)) {
                    for (k, out) in out.iter_mut().enumerate() {
                        let z = (x - low - k as f64 * step) / size;
                        *out = if *gaussian {
                            libm::exp(-z * z / 2.0)
                        } else {
                            1.0 / (1.0 + libm::exp(-z))
                        };
                    }
                }
            }
            Expansion::Fourier { harmonics, period, .. } => {
                for (x, out) in row.iter().zip(out.chunks_exact_mut(2 * harmonics)) {
                    for (k, pair) in out.chunks_exact_mut(2).enumerate() {
                        let (sin, cos) = libm::sincos(2.0 * std::f64::consts::PI * (k + 1) as f64 * x / period);
                        pair.copy_from_slice(&[sin, cos]);
                    }
                }
            }
            Expansion::Spline { knots, degree, ranges } => {
                for ((x, range), out) in row.iter().zip(ranges).zip(out.chunks_exact_mut(knots + degree - 2)) {
                    splines(*x, *range, *knots, *degree, out);
                }
            }
            Expansion::Kernel { width, gamma, rows, lower } => {
                let count = out.len();
                for i in 0..count {
                    let known: f64 = (0..i).map(|k| lower[i * count + k] * out[k]).sum();
                    out[i] = (similarity(row, &rows[i * width..][..*width], *gamma) - known) / lower[i * count + i];
                }
            }
        }
    }

    /// φ of many rows of `width` inputs.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn expand_all(&self, features: &[f64], width: usize) -> Result<Vec<f64>> {
        let (size, rows) = (self.size(), features.len() / width.max(1));
        let mut out = memory::room_for(rows.saturating_mul(size), || format!("{rows} rows of {size} basis functions"))?;
        out.resize(rows * size, 0.0);
        for (row, out) in features.chunks_exact(width).zip(out.chunks_exact_mut(size)) {
            self.expand(row, out);
        }
        Ok(out)
    }
}

/// The B-splines at x, all but the last, by the recursion of Cox and de Boor on even knots that go on beyond both ends.
fn splines(x: f64, (low, high): (f64, f64), knots: usize, degree: usize, out: &mut [f64]) {
    let step = if high > low { (high - low) / (knots - 1) as f64 } else { 1.0 };
    let place = ((x.clamp(low, high) - low) / step).clamp(0.0, (knots - 1) as f64);
    let piece = (place as usize).min(knots - 2);
    // values[i] is spline piece + i; knot t is at t in units of steps.
    let mut values = vec![0.0; degree + 1];
    values[0] = 1.0;
    for d in 1..=degree {
        for i in (0..=d).rev() {
            let knot = (piece + i) as f64 - d as f64;
            let from_left = if i > 0 { values[i - 1] * (place - knot) / d as f64 } else { 0.0 };
            let from_right = if i < d {
                values[i] * (knot + d as f64 + 1.0 - place) / d as f64
            } else {
                0.0
            };
            values[i] = from_left + from_right;
        }
    }
    out.fill(0.0);
    for (i, value) in values.into_iter().enumerate() {
        if let Some(out) = out.get_mut(piece + i) {
            *out = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_sum_to_one_and_are_the_cardinal_cubic() {
        let basis = Basis::Spline { knots: 5, degree: 3 };
        let features: Vec<f64> = (0..=40).map(f64::from).collect();
        let expansion = basis.fit(&features, 1).unwrap();
        assert_eq!(expansion.size(), 6);
        let mut out = [0.0; 6];
        // At a knot the cubic splines are 1/6, 4/6, 1/6.
        expansion.expand(&[10.0], &mut out);
        for (found, expected) in out.iter().zip([0.0, 1.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-15, "{out:?}");
        }
        // Left of the last spline all sum to 1; beyond the ends nothing changes.
        expansion.expand(&[3.7], &mut out);
        assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let (mut at, mut beyond) = ([0.0; 6], [0.0; 6]);
        expansion.expand(&[40.0], &mut at);
        expansion.expand(&[99.0], &mut beyond);
        assert_eq!(at, beyond);
    }

    #[test]
    fn a_kernel_of_all_rows_gives_back_itself() {
        let features: Vec<f64> = (0..12).map(|i| f64::from(i * i % 7) + 0.1 * f64::from(i)).collect();
        let expansion = Basis::Kernel {
            gamma: Some(0.5),
            count: 100,
        }
        .fit(&features, 2)
        .unwrap();
        let phi = expansion.expand_all(&features, 2).unwrap();
        let size = expansion.size();
        for i in 0..6 {
            for j in 0..6 {
                let dot: f64 = (0..size).map(|k| phi[i * size + k] * phi[j * size + k]).sum();
                let expected = similarity(&features[2 * i..][..2], &features[2 * j..][..2], 0.5);
                assert!((dot - expected).abs() < 1e-8, "{i} {j}: {dot} {expected}");
            }
        }
    }

    #[test]
    fn products_are_ordered_as_scikit_learn_does() {
        assert_eq!(products(2, 2).unwrap(), vec![vec![0], vec![1], vec![0, 0], vec![0, 1], vec![1, 1]]);
        assert!(products(1000, 3).is_err());
    }
}
