//! How many inputs and outputs one unit of a weight has: what Xavier, He and LeCun scale by.

use nabla_error::{Code, Error, Result};

/// fan-in and fan-out of a weight.
///
/// | shape | fan-in | fan-out |
/// |---|---|---|
/// | `[]` | 1 | 1 |
/// | `[n]` | n | n |
/// | `[in, out]` | in | out |
/// | `[spatial…, in, out]` (convolution) | in·Πspatial | out·Πspatial |
///
/// The rule of Keras and TensorFlow (whose weights have our axis order); PyTorch stores `[out, in, spatial…]` and counts the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fan {
    /// Weights that feed one output unit.
    pub input: usize,
    /// Weights that one input unit feeds.
    pub output: usize,
}

impl Fan {
    /// The fans of a weight of this shape.
    pub fn of(shape: &[usize]) -> Self {
        match *shape {
            [] => Self { input: 1, output: 1 },
            [n] => Self { input: n, output: n },
            [ref spatial @ .., input, output] => {
                let field: usize = spatial.iter().product();
                Self {
                    input: input * field,
                    output: output * field,
                }
            }
        }
    }

    /// (fan-in + fan-out)/2, at least one half so that an empty weight divides nothing by zero.
    pub(crate) fn mean(self) -> f64 {
        ((self.input + self.output).max(1)) as f64 / 2.0
    }

    pub(crate) fn input_or_one(self) -> f64 {
        self.input.max(1) as f64
    }

    pub(crate) fn output_or_one(self) -> f64 {
        self.output.max(1) as f64
    }
}

/// Number of values of a shape; an error when it does not fit in memory's address range.
pub(crate) fn volume(name: &str, shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= isize::MAX as usize / 16)
        .ok_or_else(|| Error::new(Code::OutOfMemory, format!("a parameter of shape {shape:?} does not fit in memory")).at(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_keras_does() {
        for (shape, input, output) in [
            (&[][..], 1, 1),
            (&[7][..], 7, 7),
            (&[784, 300][..], 784, 300),
            (&[3, 16, 32][..], 48, 96),
            (&[3, 3, 16, 32][..], 144, 288),
            (&[2, 3, 4, 5, 6][..], 120, 144),
        ] {
            assert_eq!(Fan::of(shape), Fan { input, output }, "{shape:?}");
        }
    }

    #[test]
    fn refuses_what_no_memory_holds() {
        assert_eq!(volume("w", &[usize::MAX, 2]).unwrap_err().code, Code::OutOfMemory);
        assert_eq!(volume("w", &[3, 0, 5]).unwrap(), 0);
    }
}
