//! A parameter's units: the columns of its last axis, each with all its incoming weights; a bias or a number is one unit. Sums run over a
//! unit in ascending order in f64, whole units to a member, so that the bits do not depend on the team.

use nabla_error::{Error, Result};
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

/// A parameter's units over axes of the user's choice: where the values of each lie, one unit after the other.
#[derive(Clone, Debug)]
pub struct Along {
    places: Vec<usize>,
    length: usize,
    limit: f64,
}

impl Along {
    /// With the largest norm that a unit may have.
    ///
    /// # Errors
    /// `INVALID_OPTION`: an axis that the parameter does not have.
    pub fn of(row: &Row, axes: &[i64], limit: f64) -> Result<Along> {
        let shape = &row.spec.shape;
        let rank = shape.len() as i64;
        if axes.iter().any(|axis| !(-rank..rank).contains(axis)) {
            let error = Error::option(
                "regularizers.axes",
                format!("to be axes of a weight of shape {shape:?}"),
                format!("{axes:?}"),
            );
            return Err(error.hint(format!(
                "\"{}\" has {rank} axes; a layer's own `regularizer` acts on its kernel alone.",
                row.spec.name
            )));
        }
        let over: Vec<bool> = (0..rank).map(|i| axes.contains(&i) || axes.contains(&(i - rank))).collect();
        // Its unit, and its place in it, of each value in row-major order.
        let mut keyed: Vec<(usize, usize)> = (0..row.values())
            .map(|index| {
                let (mut rest, mut unit, mut stride) = (index, 0, 1);
                for (size, over) in shape.iter().zip(&over).rev() {
                    if !over {
                        unit += rest % size * stride;
                        stride *= size;
                    }
                    rest /= size;
                }
                (unit, row.stored(index))
            })
            .collect();
        keyed.sort_by_key(|(unit, _)| *unit);
        let lengths = shape.iter().zip(&over).filter(|(_, over)| **over).map(|(size, _)| size);
        Ok(Along {
            places: keyed.into_iter().map(|(_, place)| place).collect(),
            length: lengths.product::<usize>().max(1),
            limit,
        })
    }

    /// How many units.
    pub fn count(&self) -> usize {
        self.places.len() / self.length
    }

    /// Scales one unit back to the largest norm; `value` gives the value at a place, to read and write.
    pub fn shorten<'a, T: Real + 'a>(&self, unit: usize, value: impl Fn(usize) -> &'a mut T) {
        let places = &self.places[unit * self.length..(unit + 1) * self.length];
        let square = places.iter().fold(0.0, |sum, &at| {
            let value = value(at).to_f64();
            sum + value * value
        });
        if square.sqrt() > self.limit {
            let factor = T::from_f64(self.limit / square.sqrt());
            places.iter().for_each(|&at| *value(at) *= factor);
        }
    }
}
