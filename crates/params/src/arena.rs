//! Named rows of one flat buffer. The arena owns no numbers: it says where in a buffer of `len` values a parameter lies.

use std::collections::HashSet;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use crate::fan::volume;
use crate::initializer::Initializer;

/// Rows start and end at multiples of this many values, so that a row starts on a cache line (64 bytes in f32) and a
/// vector loop needs no tail.
pub const ALIGNMENT: usize = 16;

/// How the values of a row lie in the buffer. Outside of it, values are always row-major.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layout {
    /// The last axis is contiguous.
    #[default]
    RowMajor,
    /// Rank 2 only: column panels 16 wide, as the product reads its right side. Value (k, j) of `[rows, cols]` lies at
    /// `(j/16)·rows·16 + k·16 + j%16`; the lanes past the last column are 0.
    Panels,
}

/// What a parameter is: all that must be known to place and to initialize it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// Its path, such as `dense/kernel`; unique in an arena.
    pub name: String,
    /// Its shape, row-major; `[]` is one number.
    pub shape: Vec<usize>,
    /// Where its first values come from.
    pub initializer: Initializer,
    /// Whether the optimizer changes it.
    #[serde(default = "yes")]
    pub trainable: bool,
    /// How it lies in the buffer.
    #[serde(default)]
    pub layout: Layout,
}

fn yes() -> bool {
    true
}

/// A placed parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is.
    pub spec: Spec,
    /// Where its first value lies, a multiple of 16.
    pub offset: usize,
    /// Stored length, a multiple of 16; what is not a value is padding and stays 0.
    pub len: usize,
}

impl Row {
    /// Number of values, without padding.
    pub fn values(&self) -> usize {
        self.spec.shape.iter().product()
    }

    /// Where one of its values, counted row-major, lies in the arena.
    pub fn stored(&self, index: usize) -> usize {
        match (self.spec.layout, &self.spec.shape[..]) {
            (Layout::Panels, &[rows, columns]) => {
                let (k, j) = (index / columns, index % columns);
                self.offset + j / 16 * rows * 16 + k * 16 + j % 16
            }
            _ => self.offset + index,
        }
    }

    /// Where it lies in the buffer, padding included.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }

    /// Calls `f(logical, stored)` for each run of contiguous values: both ranges have one length, `logical` counts
    /// row-major values, `stored` counts from the row's start.
    fn runs(&self, mut f: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>)) {
        match (self.spec.layout, &self.spec.shape[..]) {
            (Layout::Panels, &[rows, cols]) => {
                for k in 0..rows {
                    for j in (0..cols).step_by(ALIGNMENT) {
                        let width = (cols - j).min(ALIGNMENT);
                        let (logical, stored) = (k * cols + j, j * rows + k * ALIGNMENT);
                        f(logical..logical + width, stored..stored + width);
                    }
                }
            }
            _ => f(0..self.values(), 0..self.values()),
        }
    }
}

/// Where every parameter lies. Trainable rows come first in the buffer, so the optimizer and the norms pass over
/// `..trained` and running statistics and frozen weights lie behind; `rows` keeps the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arena {
    /// The parameters, in the order given.
    pub rows: Vec<Row>,
    /// Length of a buffer, a multiple of 16.
    pub len: usize,
    /// Length of its trainable part, a multiple of 16.
    pub trained: usize,
}

impl Arena {
    /// Places the parameters.
    ///
    /// # Errors
    /// `INVALID_OPTION`: a name twice, an initializer's option out of range; `SHAPE_MISMATCH`: panels of a rank other than 2,
    /// a shape that the initializer cannot fill; `OUT_OF_MEMORY`: more than the address range.
    pub fn new(specs: Vec<Spec>) -> Result<Self> {
        let mut names = HashSet::new();
        for spec in &specs {
            if !names.insert(&spec.name) {
                return Err(
                    Error::new(Code::InvalidOption, format!("two parameters have the name \"{}\"", spec.name))
                        .at(&spec.name)
                        .hint("give one of the layers a name of its own"),
                );
            }
            spec.initializer.validate(&spec.shape).map_err(|e| e.at(&spec.name))?;
        }
        let too_large = || Error::new(Code::OutOfMemory, "all parameters together do not fit in memory");
        let mut rows: Vec<Row> = specs
            .into_iter()
            .map(|spec| stored_len(&spec).map(|len| Row { spec, offset: 0, len }))
            .collect::<Result<_>>()?;
        let mut len = 0usize;
        let mut trained = 0;
        for trainable in [true, false] {
            for row in rows.iter_mut().filter(|r| r.spec.trainable == trainable) {
                row.offset = len;
                len = len
                    .checked_add(row.len)
                    .filter(|&n| n <= isize::MAX as usize / 16)
                    .ok_or_else(too_large)?;
            }
            if trainable {
                trained = len;
            }
        }
        Ok(Self { rows, len, trained })
    }

    /// The row of this name.
    pub fn find(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|r| r.spec.name == name)
    }

    /// Number of values, padding not counted.
    pub fn values(&self) -> usize {
        self.rows.iter().map(Row::values).sum()
    }

    /// Fills a buffer with first values. A parameter's values depend on the seed, its name, shape and initializer only:
    /// not on the other parameters, their order, the layout, or the precision (f32 values are the rounded f64 ones).
    pub fn initialize<T: Real>(&self, seed: u64, theta: &mut [T]) -> Result<()> {
        self.expect_len(theta.len())?;
        for row in &self.rows {
            let values = row.spec.initializer.sample(&row.spec.shape, seed, &row.spec.name)?;
            let stored = &mut theta[row.range()];
            stored.fill(T::ZERO);
            row.runs(|from, to| {
                for (to, from) in stored[to].iter_mut().zip(&values[from]) {
                    *to = T::from_f64(*from);
                }
            });
        }
        Ok(())
    }

    /// The values of a row, row-major.
    ///
    /// # Panics
    /// When `theta` is shorter than the arena.
    pub fn read<T: Real>(&self, row: &Row, theta: &[T]) -> Vec<T> {
        let mut values = vec![T::ZERO; row.values()];
        let stored = &theta[row.range()];
        row.runs(|to, from| values[to].copy_from_slice(&stored[from]));
        values
    }

    /// Replaces the values of a row by row-major ones; padding becomes 0.
    ///
    /// # Errors
    /// `SHAPE_MISMATCH` when the number of values differs.
    pub fn write<T: Real>(&self, row: &Row, values: &[T], theta: &mut [T]) -> Result<()> {
        self.expect_len(theta.len())?;
        if values.len() != row.values() {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("parameter of shape {:?} can't take {} values", row.spec.shape, values.len()),
            )
            .at(&row.spec.name)
            .expected(format!("{} values", row.values()))
            .received(format!("{} values", values.len())));
        }
        let stored = &mut theta[row.range()];
        stored.fill(T::ZERO);
        row.runs(|from, to| stored[to].copy_from_slice(&values[from]));
        Ok(())
    }

    fn expect_len(&self, len: usize) -> Result<()> {
        if len == self.len {
            Ok(())
        } else {
            Err(Error::internal(format!("arena of {} values, buffer of {len}", self.len)))
        }
    }
}

fn stored_len(spec: &Spec) -> Result<usize> {
    let values = volume(&spec.name, &spec.shape)?;
    match (spec.layout, &spec.shape[..]) {
        (Layout::RowMajor, _) => Ok(values.next_multiple_of(ALIGNMENT)),
        (Layout::Panels, &[rows, cols]) => volume(&spec.name, &[rows, cols.div_ceil(ALIGNMENT), ALIGNMENT]),
        (Layout::Panels, shape) => Err(
            Error::new(Code::ShapeMismatch, format!("panels need a matrix, got shape {shape:?}"))
                .at(&spec.name)
                .expected("two axes"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(name: &str, shape: &[usize], layout: Layout) -> Spec {
        Spec {
            name: name.into(),
            shape: shape.into(),
            initializer: Initializer::normal(0.0, 1.0),
            trainable: true,
            layout,
        }
    }

    #[test]
    fn rows_are_aligned_disjoint_and_trainable_first() {
        let mut frozen = spec("norm/mean", &[5], Layout::RowMajor);
        frozen.trainable = false;
        let arena = Arena::new(vec![
            spec("dense/kernel", &[3, 17], Layout::Panels),
            frozen,
            spec("dense/bias", &[17], Layout::RowMajor),
            spec("scale", &[], Layout::RowMajor),
        ])
        .unwrap();
        let places: Vec<_> = arena.rows.iter().map(|r| (r.offset, r.len)).collect();
        assert_eq!(places, [(0, 96), (144, 16), (96, 32), (128, 16)]);
        assert_eq!((arena.len, arena.trained, arena.values()), (160, 144, 51 + 5 + 17 + 1));
        assert_eq!(arena.find("scale").unwrap().offset, 128);
        assert!(arena.find("other").is_none());
    }

    #[test]
    fn names_what_is_wrong() {
        let twice = Arena::new(vec![spec("a", &[1], Layout::RowMajor), spec("a", &[1], Layout::RowMajor)]).unwrap_err();
        assert_eq!((twice.code, twice.place.as_deref()), (Code::InvalidOption, Some("a")));
        assert_eq!(
            Arena::new(vec![spec("a", &[1, 2, 3], Layout::Panels)]).unwrap_err().code,
            Code::ShapeMismatch
        );
        assert_eq!(
            Arena::new(vec![spec("a", &[usize::MAX, 2], Layout::RowMajor)]).unwrap_err().code,
            Code::OutOfMemory
        );
        let arena = Arena::new(vec![spec("a", &[2, 3], Layout::Panels)]).unwrap();
        let mut theta = vec![0f32; arena.len];
        assert_eq!(
            arena.write(&arena.rows[0], &[0f32; 5], &mut theta).unwrap_err().code,
            Code::ShapeMismatch
        );
        assert_eq!(arena.initialize(1, &mut theta[1..]).unwrap_err().code, Code::Internal);
    }

    #[test]
    fn panels_lie_where_the_product_reads_them() {
        let arena = Arena::new(vec![spec("w", &[3, 20], Layout::Panels)]).unwrap();
        let values: Vec<f64> = (1..=60).map(f64::from).collect();
        let mut theta = vec![9.0; arena.len];
        arena.write(&arena.rows[0], &values, &mut theta).unwrap();
        for k in 0..3 {
            for j in 0..32 {
                let expected = if j < 20 { values[k * 20 + j] } else { 0.0 };
                assert_eq!(theta[(j / 16) * 48 + k * 16 + j % 16], expected);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in 0usize..6, cols in 0usize..40, panels: bool, seed: u64) {
            let layout = if panels { Layout::Panels } else { Layout::RowMajor };
            let arena = Arena::new(vec![spec("before", &[3], Layout::RowMajor), spec("w", &[rows, cols], layout), spec("after", &[1], Layout::RowMajor)]).unwrap();
            let mut theta = vec![0f64; arena.len];
            arena.initialize(seed, &mut theta).unwrap();
            let before = theta.clone();
            let values = arena.read(&arena.rows[1], &theta);
            prop_assert_eq!(values.len(), rows * cols);
            arena.write(&arena.rows[1], &values, &mut theta).unwrap();
            prop_assert_eq!(before, theta.clone());
            // padding is zero: the values are all that is not
            prop_assert_eq!(theta.iter().filter(|x| **x != 0.0).count(), rows * cols + 4);
        }

        #[test]
        fn values_depend_on_seed_and_name_only(seed: u64) {
            let alone = Arena::new(vec![spec("w", &[5, 18], Layout::RowMajor)]).unwrap();
            let among = Arena::new(vec![spec("v", &[4], Layout::RowMajor), spec("w", &[5, 18], Layout::Panels)]).unwrap();
            let (mut a, mut b, mut c) = (vec![0f64; alone.len], vec![0f64; among.len], vec![0f32; alone.len]);
            alone.initialize(seed, &mut a).unwrap();
            among.initialize(seed, &mut b).unwrap();
            alone.initialize(seed, &mut c).unwrap();
            let a = alone.read(&alone.rows[0], &a);
            prop_assert_eq!(&a, &among.read(&among.rows[1], &b));
            prop_assert_eq!(a.iter().map(|x| *x as f32).collect::<Vec<_>>(), alone.read(&alone.rows[0], &c));
        }
    }
}
