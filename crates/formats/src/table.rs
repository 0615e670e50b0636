//! A table as a file gives it: named columns of one kind each, missing cells kept.

use nabla_error::{Code, Error, Result};

use crate::nearest;

/// The code of a missing cell in a boolean or text column.
pub const MISSING: u32 = u32::MAX;

/// The cells of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Numbers; NaN is a missing cell.
    Numbers(Vec<f64>),
    /// 0 false, 1 true, [`MISSING`].
    Booleans(Vec<u32>),
    /// Each cell is an index into `levels`, or [`MISSING`]; `levels` are the distinct texts, sorted by code point,
    /// or by value when all of them are numbers.
    Texts {
        /// The distinct texts, sorted.
        levels: Vec<String>,
        /// One index a row.
        codes: Vec<u32>,
    },
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Unique in its table.
    pub name: String,
    /// One a row.
    pub cells: Cells,
}

/// Columns of equal length.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// How many cells each column has.
    pub rows: usize,
    /// In the order of the file.
    pub columns: Vec<Column>,
}

impl Table {
    /// The index of the column called `name`, or an error that offers the nearest name.
    pub fn index(&self, name: &str) -> Result<usize> {
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| no_such_column(name, self.columns.iter().map(|column| column.name.as_str())))
    }
}

/// `no column "spieces"; did you mean "species"?`, listing the columns when none is near.
pub fn no_such_column<'a>(name: &str, columns: impl Iterator<Item = &'a str> + Clone) -> Error {
    let hint = match nearest(name, columns.clone()) {
        Some(near) => format!("Did you mean {near:?}?"),
        None => {
            let shown: Vec<String> = columns.clone().take(12).map(|column| format!("{column:?}")).collect();
            let more = columns.count() - shown.len();
            let end = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("The columns are {}{end}.", shown.join(", "))
        }
    };
    Error::new(Code::InvalidOption, format!("there is no column {name:?}"))
        .received(format!("{name:?}"))
        .hint(hint)
}
