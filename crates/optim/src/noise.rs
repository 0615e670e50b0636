//! Gradient noise: g ← g + n, n ~ N(0, η/(1 + t)^γ) for each number on its own, t the step from 0. Neelakantan et al. 2015, arXiv:1511.06807,
//! equation 1, whose γ is 0.55 and whose η is one of 0.01, 0.3 and 1. Here it is added to the clipped gradient.

use nabla_error::{Error, Result};
use nabla_kernels::Real;
use nabla_kernels::philox::{Stream, fill_normal};
use serde::{Deserialize, Serialize};

/// Noise that fades.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GradientNoise {
    /// η > 0, the variance in the first step.
    pub variance: f64,
    /// γ ≥ 0, default 0.55; 0 keeps the variance.
    #[serde(default = "usual")]
    pub decay: f64,
}

fn usual() -> f64 {
    0.55
}

/// Numbers drawn together.
const DRAWN: usize = 256;

impl GradientNoise {
    /// Checks the options.
    ///
    /// # Errors
    /// `INVALID_OPTION`, naming the option and its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.variance > 0.0 && self.variance.is_finite()) {
            return Err(Error::option("gradientNoise.variance", "in (0, ∞)", self.variance));
        }
        if !(self.decay >= 0.0 && self.decay.is_finite()) {
            return Err(Error::option("gradientNoise.decay", "in [0, ∞)", self.decay));
        }
        Ok(())
    }

    /// √(η/(1 + t)^γ).
    pub fn deviation(&self, t: u64) -> f64 {
        (self.variance / libm::pow(1.0 + t as f64, self.decay)).sqrt()
    }

    /// Adds the elements `first ..` of the stream, times a deviation.
    pub fn add<T: Real>(stream: Stream, deviation: f64, first: u64, g: &mut [T]) {
        let deviation = T::from_f64(deviation);
        let mut drawn = [T::ZERO; DRAWN];
        for (i, g) in g.chunks_mut(DRAWN).enumerate() {
            let drawn = &mut drawn[..g.len()];
            fill_normal(stream, first + (i * DRAWN) as u64, drawn);
            g.iter_mut().zip(drawn).for_each(|(g, n)| *g += deviation * *n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fades_as_the_paper_says() {
        let noise = GradientNoise {
            variance: 0.3,
            decay: 0.55,
        };
        for t in [0u64, 1, 99, 1_000_000] {
            let expected = (0.3 / (1.0 + t as f64).powf(0.55)).sqrt();
            assert!((noise.deviation(t) - expected).abs() < 1e-14 * expected, "{t}");
        }
        assert_eq!(GradientNoise { variance: 4.0, decay: 0.0 }.deviation(77), 2.0);
        let read: GradientNoise = serde_json::from_str(r#"{"variance":1}"#).unwrap();
        assert_eq!(read.decay, 0.55);
    }

    #[test]
    fn parts_are_the_whole_with_its_moments() {
        let stream = Stream::new(3, 5, 7);
        let mut whole = vec![1.0f64; 10_000];
        GradientNoise::add(stream, 0.5, 0, &mut whole);
        let mut parts = vec![1.0f64; 10_000];
        let (a, b) = parts.split_at_mut(4_321);
        GradientNoise::add(stream, 0.5, 0, a);
        GradientNoise::add(stream, 0.5, 4_321, b);
        assert_eq!(whole, parts);
        let mean = whole.iter().sum::<f64>() / 1e4;
        let variance = whole.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1e4;
        // Four standard errors: 0.5/100, and 0.25·√(2/10⁴).
        assert!((mean - 1.0).abs() < 0.02 && (variance - 0.25).abs() < 0.0142, "{mean} {variance}");
    }

    #[test]
    fn options_out_of_range_are_named() {
        for (variance, decay, option) in [
            (0.0, 0.5, "variance"),
            (f64::NAN, 0.5, "variance"),
            (1.0, -0.1, "decay"),
            (1.0, f64::INFINITY, "decay"),
        ] {
            let error = GradientNoise { variance, decay }.validate().unwrap_err();
            assert_eq!(error.place.as_deref(), Some(format!("gradientNoise.{option}").as_str()));
        }
    }
}
