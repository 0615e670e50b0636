//! A parameter's units: the columns of its last axis, each with all its incoming weights; a bias or a number is one unit. Sums run over a
//! unit in ascending order in f64, whole units to a member, so that the bits do not depend on the team.

use nabla_kernels::{PANEL, Real};
use nabla_params::{Layout, Row};

/// Up to sixteen neighbouring units of a parameter.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    /// The row of the arena.
    pub row: usize,
    start: usize,
    stride: usize,
    width: usize,
    length: usize,
}

impl Units {
    /// All units of a parameter.
    pub fn of(index: usize, row: &Row) -> impl Iterator<Item = Units> + use<> {
        let values = row.values();
        let matrix = row.spec.shape.len() >= 2;
        let columns = if matrix {
            row.spec.shape.last().copied().unwrap_or(1)
        } else {
            usize::from(values > 0)
        };
        let length = values.checked_div(columns).unwrap_or(0);
        let (offset, panels) = (row.offset, row.spec.layout == Layout::Panels);
        (0..columns).step_by(PANEL).map(move |column| Units {
            row: index,
            start: offset + if panels { column * length } else { column },
            stride: if panels { PANEL } else { columns },
            width: (columns - column).min(PANEL),
            length,
        })
    }

    /// The norm of each.
    pub fn norms<T: Real>(&self, values: impl Fn(usize) -> T) -> [f64; PANEL] {
        let mut sums = [0.0; PANEL];
        for k in 0..self.length {
            let at = self.start + k * self.stride;
            for (j, sum) in sums[..self.width].iter_mut().enumerate() {
                let value = values(at + j).to_f64();
                *sum += value * value;
            }
        }
        sums.map(f64::sqrt)
    }

    /// Multiplies each by its factor.
    pub fn scale(&self, factors: [f64; PANEL], mut each: impl FnMut(usize, f64)) {
        if factors[..self.width].iter().all(|f| *f == 1.0) {
            return;
        }
        for k in 0..self.length {
            for (j, factor) in factors[..self.width].iter().enumerate() {
                each(self.start + k * self.stride + j, *factor);
            }
        }
    }
}
