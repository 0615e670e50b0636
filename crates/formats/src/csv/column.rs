//! The cells of one column while they are read: its kind, its levels, and what becomes of them.

use std::collections::HashMap;

use nabla_error::{Code, Error, Result};

use super::{Kind, Options, Piece, Sink};
use crate::table::no_such_column;
use crate::{Cells, Column, MISSING, push};

/// What the cells so far allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// Only missing cells so far.
    Unknown,
    Number,
    Boolean,
    Text,
}

/// What becomes of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Kept,
    /// To the sink.
    Passed,
    /// Nothing.
    Skipped,
}

pub(super) struct Reader<'a> {
    pub(super) name: String,
    pub(super) guess: Guess,
    way: Way,
    /// Declared or known from the first reading: a cell of another kind is an error.
    fixed: bool,
    /// The guess changed after cells had been stored.
    pub(super) stale: bool,
    /// The first number that is infinite, and where its record begins.
    infinite: Option<(f64, u64)>,
    numbers: Vec<f64>,
    codes: Vec<u32>,
    levels: HashMap<Box<[u8]>, u32>,
    missing: &'a [String],
    /// Whether a missing marker is itself a number, such as -999.
    marked: bool,
}

/// The columns that the first record names, or counts.
pub(super) fn start_columns<'a>(
    first: &::csv::ByteRecord,
    options: &'a Options,
    known: &[Guess],
    sink: &mut dyn Sink,
) -> Result<Vec<Reader<'a>>> {
    let mut names: Vec<String> = Vec::with_capacity(first.len());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (i, cell) in first.iter().enumerate() {
        let text = if options.header { cell.trim_ascii() } else { b"" };
        let text = std::str::from_utf8(text).map_err(|_| not_utf8().at(format!("column {}", i + 1)))?;
        let name = if text.is_empty() {
            format!("column{}", i + 1)
        } else {
            text.to_owned()
        };
        if let Some(before) = seen.insert(name.clone(), i) {
            return Err(Error::new(
                Code::DataFormat,
                format!("columns {} and {} have the same name {name:?}", before + 1, i + 1),
            )
            .hint("Rename one of them in the header line."));
        }
        names.push(name);
    }
    for name in options.kinds.keys() {
        if !seen.contains_key(name) {
            return Err(no_such_column(name, names.iter().map(String::as_str)).at("kinds"));
        }
    }
    let marked = options.missing.iter().any(|marker| number(marker.as_bytes()).is_some());
    let columns = names.into_iter().enumerate().map(|(i, name)| {
        let declared = options.kinds.get(&name).map(|kind| match kind {
            Kind::Number => Guess::Number,
            Kind::Boolean => Guess::Boolean,
            Kind::Category | Kind::Text => Guess::Text,
        });
        let guess = declared.or(known.get(i).copied()).unwrap_or(Guess::Unknown);
        let fixed = declared.is_some() || !known.is_empty();
        let (numbers, codes, levels) = Default::default();
        let way = if options.skip.contains(&name) {
            Way::Skipped
        } else if sink.takes(&name) {
            Way::Passed
        } else {
            Way::Kept
        };
        Reader {
            name,
            guess,
            way,
            fixed,
            stale: false,
            infinite: None,
            numbers,
            codes,
            levels,
            missing: &options.missing,
            marked,
        }
    });
    Ok(columns.collect())
}

impl Reader<'_> {
    /// The cell of a row, counted from the last that was passed on; `byte` is where its record begins.
    #[inline]
    pub(super) fn take(&mut self, cell: &[u8], row: usize, byte: u64) -> Result<()> {
        if self.guess == Guess::Number
            && !self.marked
            && self.way != Way::Skipped
            && let Some(value) = number(cell)
            && value.is_finite()
        {
            return push(&mut self.numbers, value);
        }
        self.take_other(cell, row, byte)
    }

    fn take_other(&mut self, cell: &[u8], row: usize, byte: u64) -> Result<()> {
        if self.way == Way::Skipped {
            return Ok(());
        }
        if cell.is_empty() || self.missing.iter().any(|marker| marker.as_bytes() == cell) {
            return match self.guess {
                Guess::Unknown => Ok(()),
                Guess::Number => push(&mut self.numbers, f64::NAN),
                Guess::Boolean | Guess::Text => push(&mut self.codes, MISSING),
            };
        }
        if self.guess == Guess::Unknown {
            self.guess = if number(cell).is_some() {
                Guess::Number
            } else if boolean(cell).is_some() {
                Guess::Boolean
            } else {
                Guess::Text
            };
            self.numbers = Vec::new();
            match self.guess {
                Guess::Number => self.numbers.resize(row, f64::NAN),
                _ => self.codes.resize(row, MISSING),
            }
        }
        match self.guess {
            Guess::Number => {
                if let Some(value) = number(cell) {
                    if value.is_infinite() {
                        // Maybe a text comes yet, and it was none.
                        self.infinite = self.infinite.or(Some((value, byte)));
                        if self.fixed {
                            return Err(infinite(value));
                        }
                    }
                    return push(&mut self.numbers, value);
                }
            }
            Guess::Boolean => {
                if let Some(value) = boolean(cell) {
                    return push(&mut self.codes, u32::from(value));
                }
            }
            Guess::Text | Guess::Unknown => return self.take_text(cell),
        }
        if self.fixed {
            let kind = if self.guess == Guess::Number { "a number" } else { "true or false" };
            let shown: String = String::from_utf8_lossy(cell).chars().take(40).collect();
            return Err(Error::new(Code::DataFormat, format!("expected {kind}, got {shown:?}"))
                .expected(kind)
                .received(format!("{shown:?}"))
                .hint(format!("If {shown:?} stands for a missing cell, add it to `missing`.")));
        }
        (self.guess, self.stale, self.numbers, self.codes) = (Guess::Text, true, Vec::new(), Vec::new());
        self.take_text(cell)
    }

    fn take_text(&mut self, cell: &[u8]) -> Result<()> {
        let code = match self.levels.get(cell) {
            Some(&code) => code,
            None => {
                std::str::from_utf8(cell).map_err(|_| not_utf8())?;
                let code = self.levels.len() as u32;
                self.levels.insert(cell.into(), code);
                code
            }
        };
        if self.stale { Ok(()) } else { push(&mut self.codes, code) }
    }

    pub(super) fn passes(&self) -> bool {
        self.way == Way::Passed
    }

    pub(super) fn skips(&self) -> bool {
        self.way == Way::Skipped
    }

    /// The error of an infinite number, and where its record begins.
    pub(super) fn infinite(&self) -> Option<(Error, u64)> {
        let (value, byte) = self.infinite.filter(|_| self.guess == Guess::Number)?;
        Some((infinite(value).at(format!("column {:?}", self.name)), byte))
    }

    /// Levels were numbered as they came; here they are sorted (by value when all are numbers) and the codes follow. Of a column that is
    /// passed on also the code that each has now.
    pub(super) fn finish(mut self, rows: usize) -> Result<(Column, Option<Option<Vec<u32>>>)> {
        let mut final_codes = None;
        let cells = match self.guess {
            _ if self.way == Way::Skipped => Cells::Numbers(Vec::new()),
            Guess::Unknown if self.way == Way::Passed => Cells::Numbers(Vec::new()),
            Guess::Unknown => Cells::Numbers(vec![f64::NAN; rows]),
            Guess::Number => Cells::Numbers(self.numbers),
            Guess::Boolean => Cells::Booleans(self.codes),
            Guess::Text => {
                let mut sorted: Vec<(Box<[u8]>, u32)> = self.levels.into_iter().collect();
                let numbers: Option<HashMap<u32, f64>> = sorted.iter().map(|(text, code)| Some((*code, number(text)?))).collect();
                match numbers {
                    Some(values) => sorted.sort_unstable_by(|a, b| values[&a.1].total_cmp(&values[&b.1]).then_with(|| a.cmp(b))),
                    None => sorted.sort_unstable(),
                }
                let mut order = vec![0u32; sorted.len()];
                let mut levels = Vec::with_capacity(sorted.len());
                for (new, (text, old)) in sorted.into_iter().enumerate() {
                    order[old as usize] = new as u32;
                    levels.push(String::from_utf8(text.into_vec()).map_err(|_| not_utf8())?);
                }
                for code in self.codes.iter_mut().filter(|code| **code != MISSING) {
                    *code = order[*code as usize];
                }
                final_codes = Some(order);
                Cells::Texts { levels, codes: self.codes }
            }
        };
        let passed = (self.way == Way::Passed).then_some(final_codes);
        Ok((Column { name: self.name, cells }, passed))
    }
}

/// Hands the cells of so many rows to the sink, and forgets them.
pub(super) fn pass_on(columns: &mut [Reader], rows: usize, sink: &mut dyn Sink) -> Result<()> {
    for column in columns.iter_mut().filter(|column| column.passes()) {
        if column.guess == Guess::Unknown {
            column.numbers.resize(rows, f64::NAN);
        } else if column.stale {
            // Reading begins anew at its end: what is passed on until then counts for nothing.
            column.codes.resize(rows, MISSING);
        }
    }
    let piece = |column: &'_ Reader| match column.guess {
        Guess::Unknown | Guess::Number => column.numbers.len(),
        Guess::Boolean | Guess::Text => column.codes.len(),
    };
    debug_assert!(columns.iter().filter(|column| column.passes()).all(|column| piece(column) == rows));
    let pieces: Vec<Piece> = columns
        .iter()
        .filter(|column| column.passes())
        .map(|column| match column.guess {
            Guess::Unknown | Guess::Number => Piece::Numbers(&column.numbers),
            Guess::Boolean | Guess::Text => Piece::Codes(&column.codes),
        })
        .collect();
    sink.rows(rows, &pieces)?;
    for column in columns.iter_mut().filter(|column| column.passes()) {
        column.numbers.clear();
        column.codes.clear();
    }
    Ok(())
}

fn infinite(value: f64) -> Error {
    Error::new(Code::NotFinite, format!("the number is {value}"))
        .expected("a finite number")
        .received(value.to_string())
        .hint("If it stands for a missing cell, add it to `missing`.")
}

/// A decimal number or ±inf/infinity; `nan` is text unless it is a missing marker.
#[inline]
pub(super) fn number(cell: &[u8]) -> Option<f64> {
    let value: f64 = fast_float2::parse(cell).ok()?;
    (!value.is_nan()).then_some(value)
}

fn boolean(cell: &[u8]) -> Option<bool> {
    match cell {
        b"true" | b"True" | b"TRUE" => Some(true),
        b"false" | b"False" | b"FALSE" => Some(false),
        _ => None,
    }
}

fn not_utf8() -> Error {
    Error::new(Code::DataFormat, "the text is not valid UTF-8")
        .expected("UTF-8")
        .hint("Name its encoding: encoding: 'windows-1252', say.")
}
