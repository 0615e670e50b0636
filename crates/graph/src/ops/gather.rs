//! Rows of a table by index, and its adjoint. gather: y[i, ..] = table[index[i], ..]; [n, w…], [k…] → [k…, w…].
//! scatterAdd: y[r, ..] = Σ over i with index[i] = r of dy[i, ..], in ascending i: the same bits on any number of threads.
//! An index that is no row gives NaN in gather (which the check for finite values names), and is left out in scatterAdd.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde, no_attributes};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// The row that an index names: a whole number below `rows`. Half of one is none: it would be a table read by what is no code of it.
#[inline]
pub(super) fn row_of<T: Real>(index: T, rows: usize) -> Option<usize> {
    let index = index.to_f64();
    let row = index as usize;
    (row as f64 == index && row < rows).then_some(row)
}

/// Rows by index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gather;

impl Op for Gather {
    const NAMES: &'static [&'static str] = &["gather"];
    const HINT: &'static str =
        "the table is [rows, …] of fixed size, indices have any shape: take elements of rows in a batch by takeAlong.";
    const INPUTS: usize = 2;

    fn parse(name: &str, attributes: Value) -> Result<Self> {
        no_attributes(name, &attributes).map(|()| Gather)
    }

    fn attributes(&self) -> Value {
        Value::Null
    }

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (table, index) = (x[0], x[1]);
        if table.rank() == 0 || table.has_batch() {
            return Err(Error::new(
                Code::ShapeMismatch,
                format!("rows are taken from a table of fixed size, got {table}"),
            )
            .expected("[rows, ..] without the batch axis")
            .received(table.to_string()));
        }
        let shape = Shape(index.0.iter().chain(&table.0[1..]).copied().collect());
        shape.check_size(1)?;
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        if !at.wants[0] {
            return Ok(vec![None, None]);
        }
        let rows = b.shape(at.inputs[0]).0[0].size;
        let add = ScatterAdd { rows };
        Ok(vec![Some(b.apply(add.into(), &[at.inputs[1], at.dy])?), None])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (table, index) = (io.input(0), io.input(1));
        let rows = io.shape(0).0[0].size;
        let width = io.shape(0).0[1..].iter().map(|d| d.size).product::<usize>();
        for i in io.part(index.len()) {
            // SAFETY: members take disjoint rows.
            let y = unsafe { io.output(i * width..(i + 1) * width) };
            match row_of(index[i], rows) {
                Some(row) => y.copy_from_slice(&table[row * width..(row + 1) * width]),
                None => y.fill(T::NAN),
            }
        }
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::new(Gather, &[&[5, 3], &[-1]]).indices(1, 5),
            Sample::new(Gather, &[&[4, 20], &[-1, 7]]).indices(1, 4),
            Sample::new(Gather, &[&[3], &[2, 2]]).indices(1, 3),
            Sample::new(Gather, &[&[2, 1, 2], &[6]]).indices(1, 2),
            Sample::new(Gather, &[&[2, 3], &[0]]).indices(1, 2),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(Gather, &[&[], &[3]]), Sample::new(Gather, &[&[-1, 3], &[3]])]
    }
}

/// Rows added up by index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScatterAdd {
    /// Rows of the result.
    pub rows: usize,
}

impl Op for ScatterAdd {
    const NAMES: &'static [&'static str] = &["scatterAdd"];
    const HINT: &'static str = "values have the axes of the indices, then those of a row.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (index, dy) = (x[0], x[1]);
        let fits = dy.rank() >= index.rank() && dy.0[..index.rank()] == index.0[..];
        let width = &dy.0[index.rank().min(dy.rank())..];
        if !fits || width.iter().any(|d| d.batch) {
            return Err(Error::new(Code::ShapeMismatch, format!("values {dy} do not fit indices {index}"))
                .expected("values [index axes.., ..]")
                .received(format!("{dy} and {index}")));
        }
        let shape = Shape([Dim::fixed(self.rows)].iter().chain(width).copied().collect());
        shape.check_size(1)?;
        Ok(shape)
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let dy = if at.wants[1] {
            Some(b.apply(Gather.into(), &[at.dy, at.inputs[0]])?)
        } else {
            None
        };
        Ok(vec![None, dy])
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        4 * x[1].elements(batch) + y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let (index, dy) = (io.input(0), io.input(1));
        let width = io.out_shape().0[1..].iter().map(|d| d.size).product::<usize>();
        // Members take columns, so that each sum is one member's, over all indices in order.
        let columns = io.part_in_blocks(width, 16);
        if columns.is_empty() {
            return;
        }
        let part = |row: usize| row * width + columns.start..row * width + columns.end;
        for row in 0..self.rows {
            // SAFETY: members take disjoint columns.
            unsafe { io.output(part(row)) }.fill(T::ZERO);
        }
        for (i, &at) in index.iter().enumerate() {
            if let Some(row) = row_of(at, self.rows) {
                // SAFETY: as above.
                let y = unsafe { io.output(part(row)) };
                y.iter_mut().zip(&dy[part(i)]).for_each(|(y, &d)| *y += d);
            }
        }
    }

    fn samples() -> Vec<Sample> {
        let into = |rows| ScatterAdd { rows };
        vec![
            Sample::new(into(5), &[&[-1], &[-1, 3]]).indices(0, 5),
            Sample::new(into(4), &[&[-1, 7], &[-1, 7, 40]]).indices(0, 4),
            Sample::new(into(3), &[&[2, 2], &[2, 2]]).indices(0, 3),
            Sample::new(into(2), &[&[0], &[0, 3]]).indices(0, 2),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        let into = |rows| ScatterAdd { rows };
        vec![
            Sample::new(into(5), &[&[3], &[4, 3]]),
            Sample::new(into(5), &[&[3, 2], &[3]]),
            Sample::new(into(5), &[&[3], &[3, -1]]),
        ]
    }
}
