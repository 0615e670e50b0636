//! Shapes with a symbolic batch axis.

use std::fmt;

use nabla_error::{Code, Error, Result, memory};
use serde::{Deserialize, Serialize};

/// One axis: a fixed size, or a multiple of the batch size (a batch of sequences flattened to rows has `batch · time` of them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dim {
    /// Whether `size` is multiplied by the number of rows in the batch.
    pub batch: bool,
    /// The fixed size, or the factor of the batch.
    pub size: usize,
}

impl Dim {
    /// The batch axis itself.
    pub const BATCH: Dim = Dim { batch: true, size: 1 };

    /// A fixed size.
    pub const fn fixed(size: usize) -> Dim {
        Dim { batch: false, size }
    }

    /// The size for a batch of so many rows.
    #[inline]
    pub fn at(self, batch: usize) -> usize {
        if self.batch { self.size * batch } else { self.size }
    }

    /// As it crosses to JSON and JavaScript: a size, or −factor for a multiple of the batch.
    pub fn code(self) -> i64 {
        let size = self.size as i64;
        if self.batch { -size } else { size }
    }

    /// From the form of [`Dim::code`].
    pub fn from_code(code: i64) -> Dim {
        Dim {
            batch: code < 0,
            size: code.unsigned_abs() as usize,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.batch, self.size) {
            (true, 1) => write!(f, "batch"),
            (true, n) => write!(f, "batch·{n}"),
            (false, n) => write!(f, "{n}"),
        }
    }
}

/// The axes of a value, outermost first. A value without axes is a scalar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<i64>", into = "Vec<i64>")]
pub struct Shape(pub Vec<Dim>);

impl From<Vec<i64>> for Shape {
    fn from(codes: Vec<i64>) -> Shape {
        Shape(codes.into_iter().map(Dim::from_code).collect())
    }
}

impl From<Shape> for Vec<i64> {
    fn from(shape: Shape) -> Vec<i64> {
        shape.0.into_iter().map(Dim::code).collect()
    }
}

impl Shape {
    /// A shape without a batch axis.
    pub fn fixed(sizes: &[usize]) -> Shape {
        Shape(sizes.iter().map(|&n| Dim::fixed(n)).collect())
    }

    /// `[batch, sizes…]`.
    pub fn batched(sizes: &[usize]) -> Shape {
        Shape(std::iter::once(Dim::BATCH).chain(sizes.iter().map(|&n| Dim::fixed(n))).collect())
    }

    /// The number of axes.
    #[inline]
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements for a batch of so many rows.
    #[inline]
    pub fn elements(&self, batch: usize) -> usize {
        self.0.iter().map(|d| d.at(batch)).product()
    }

    /// The size of the last axis (1 for a scalar).
    #[inline]
    pub fn last(&self, batch: usize) -> usize {
        self.0.last().map_or(1, |d| d.at(batch))
    }

    /// Whether any axis grows with the batch.
    pub fn has_batch(&self) -> bool {
        self.0.iter().any(|d| d.batch)
    }

    /// The axes as one dimension: their product, which must hold the batch at most once.
    pub fn product(dims: &[Dim]) -> Result<Dim> {
        let mut out = Dim::fixed(1);
        for d in dims {
            if d.batch && out.batch {
                return Err(Error::new(Code::ShapeMismatch, "the batch axis can occur only once in a shape"));
            }
            let size = out.size.checked_mul(d.size).ok_or_else(|| Shape(dims.to_vec()).too_large())?;
            out = Dim {
                batch: out.batch || d.batch,
                size,
            };
        }
        Ok(out)
    }

    /// An error where a batch of so many rows has more elements than any memory: sizes from a file or a user are checked once, so that
    /// no later product of two of them overflows. (An axis of size 0 does not hide the others.)
    pub fn check_size(&self, batch: usize) -> Result<()> {
        let count = |total: usize, d: &Dim| total.checked_mul(if d.batch { d.size.checked_mul(batch)? } else { d.size }.max(1));
        match self.0.iter().try_fold(1usize, count) {
            Some(total) if total <= Shape::MOST => Ok(()),
            Some(total) => Err(self
                .too_large()
                .received(format!("{self}: {}", memory::size((total as u64).saturating_mul(4))))),
            None => Err(self.too_large()),
        }
    }

    /// The most elements of one value: m·k·n of a product of such matrices still fits in 64 bits.
    const MOST: usize = 1 << 36;

    /// An error where a value of this shape alone, in single precision, is larger than the memory that is there.
    pub fn expect_room(&self, batch: usize, what: &str) -> Result<()> {
        let times = |total: usize, d: &Dim| total.checked_mul(if d.batch { d.size.checked_mul(batch)? } else { d.size });
        let bytes = self.0.iter().try_fold(size_of::<f32>(), times);
        memory::expect_room(bytes, || format!("{what} of shape {self}"))?;
        self.check_size(batch)
    }

    fn too_large(&self) -> Error {
        Error::new(Code::OutOfMemory, format!("a value of shape {self} does not fit in memory"))
            .expected("at most 2³⁶ elements (256 GiB in single precision)")
            .received(self.to_string())
            .hint("Look for a size that was meant for something else: one of units, filters, padding or a reshape.")
    }

    /// The axis that a possibly negative index names.
    pub fn axis(&self, axis: i64) -> Result<usize> {
        let rank = self.rank() as i64;
        let index = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&index) {
            return Ok(index as usize);
        }
        Err(Error::new(Code::ShapeMismatch, format!("axis {axis} does not exist in {self}")).received(self.to_string()))
    }

    /// The shape that two operands broadcast to by NumPy's rules: aligned at the last axis, sizes equal or one of them 1.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape> {
        let rank = self.rank().max(other.rank());
        let at = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(Dim::fixed(1), |j| s.0[j]);
        let mut dims = Vec::with_capacity(rank);
        for i in 0..rank {
            let (a, b) = (at(self, i), at(other, i));
            dims.push(match (a, b) {
                _ if a == b => a,
                (a, Dim { batch: false, size: 1 }) => a,
                (Dim { batch: false, size: 1 }, b) => b,
                _ => {
                    return Err(Error::new(
                        Code::ShapeMismatch,
                        format!("{self} and {other} do not broadcast: on axis {i} the sizes are {a} and {b}"),
                    )
                    .expected("equal sizes, or 1, on every axis, aligned at the last")
                    .received(format!("{self} and {other}")));
                }
            });
        }
        Ok(Shape(dims))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (i, d) in self.0.iter().enumerate() {
            write!(f, "{}{d}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, "]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_by_numpys_rules() {
        type Codes = &'static [i64];
        let cases: &[(Codes, Codes, Option<Codes>)] = &[
            (&[-1, 3], &[3], Some(&[-1, 3])),
            (&[-1, 3], &[-1, 1], Some(&[-1, 3])),
            (&[], &[-1, 2], Some(&[-1, 2])),
            (&[4, 1, 2], &[3, 1], Some(&[4, 3, 2])),
            (&[-1, 3], &[4], None),
            (&[-1, 3], &[2, 3], None),
            (&[0, 3], &[1, 3], Some(&[0, 3])),
        ];
        for (a, b, expected) in cases {
            let (a, b): (Shape, Shape) = (a.to_vec().into(), b.to_vec().into());
            assert_eq!(a.broadcast(&b).ok(), expected.map(|e| e.to_vec().into()), "{a} with {b}");
        }
    }

    #[test]
    fn crosses_as_numbers() {
        let shape = Shape(vec![Dim::BATCH, Dim { batch: true, size: 50 }, Dim::fixed(7)]);
        assert_eq!(serde_json::to_string(&shape).unwrap(), "[-1,-50,7]");
        assert_eq!(serde_json::from_str::<Shape>("[-1,-50,7]").unwrap(), shape);
        assert_eq!(shape.to_string(), "[batch, batch·50, 7]");
    }
}
