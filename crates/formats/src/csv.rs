//! Comma-separated values (RFC 4180, read leniently): quotes, CRLF, a byte-order mark and blank lines are accepted.
//!
//! The kind of a column follows from its cells: all numbers, all booleans (`true`/`false` in lower, upper or title
//! case), otherwise text. A kind that turns out wrong late in the file (a text after many numbers) costs a second reading,
//! never a wrong cell. Spaces around a cell are dropped; a cell that is empty or one of `missing` is missing.

mod column;
mod encoding;
mod lines;
mod numbers;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use nabla_error::{Code, Error, Result};
use serde::Deserialize;

use self::column::{Guess, number, start_columns};
pub use self::encoding::Encoding;
use self::encoding::decoded;
use self::lines::line_at;
pub use crate::watched::Watch;
use crate::watched::Watched;
use crate::{MISSING, Table};

/// How to read; `Options::default()` is comma, header line, `NA NaN nan null ?` missing.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Between cells; one ASCII character, `,` by default (`;` and tab are common).
    pub delimiter: char,
    /// Whether the first line names the columns; without one they are `column1`, `column2`, …
    pub header: bool,
    /// Texts that stand for a missing cell, beside the empty cell.
    pub missing: Vec<String>,
    /// The kind of a column where the cells should not decide.
    pub kinds: BTreeMap<String, Kind>,
    /// Columns whose cells are passed over; the table has them without cells.
    pub skip: Vec<String>,
    /// What the bytes are; UTF-8 by default. A byte-order mark says it too, and must not contradict.
    pub encoding: Option<Encoding>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A cell that is no number is an error.
    Number,
    /// A cell that is no boolean is an error.
    Boolean,
    /// Also numbers are levels: house numbers, codes.
    Category,
    /// As category; kept apart by what a data set does with it.
    Text,
}

impl Default for Options {
    fn default() -> Self {
        let missing = ["NA", "NaN", "nan", "null", "?"].map(String::from).to_vec();
        Self {
            delimiter: ',',
            header: true,
            missing,
            kinds: BTreeMap::new(),
            skip: Vec::new(),
            encoding: None,
        }
    }
}

/// Takes the cells of some columns as they are read, so that memory holds a piece of them only.
pub trait Sink {
    /// Whether it takes the cells of this column; the table has it without cells then. Asked once a column and reading, in order.
    fn takes(&mut self, column: &str) -> bool;

    /// Forgets all it took: reading begins anew, or begins.
    ///
    /// # Errors
    /// What it runs into.
    fn restart(&mut self) -> Result<()>;

    /// The next rows of its columns, one piece a column.
    ///
    /// # Errors
    /// What it runs into.
    fn rows(&mut self, rows: usize, pieces: &[Piece]) -> Result<()>;

    /// All is read. `orders[column][code]` is the code that a code of its column has in the end.
    ///
    /// # Errors
    /// What it runs into.
    fn finish(&mut self, orders: &[Option<Vec<u32>>]) -> Result<()>;
}

/// Cells of one column.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// NaN is a missing cell.
    Numbers(&'a [f64]),
    /// Of truth or of levels in the order in which they came; [`MISSING`] is a missing cell.
    Codes(&'a [u32]),
}

/// Takes nothing.
struct Held;

impl Sink for Held {
    fn takes(&mut self, _: &str) -> bool {
        false
    }

    fn restart(&mut self) -> Result<()> {
        Ok(())
    }

    fn rows(&mut self, _: usize, _: &[Piece]) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &[Option<Vec<u32>>]) -> Result<()> {
        Ok(())
    }
}

/// Reads a file, in one pass and with memory for the cells only (two passes when a kind changes late).
pub fn read(path: &Path, options: &Options) -> Result<Table> {
    read_watched(path, options, &|_, _| Ok(()))
}

/// The same, telling `watch` now and then how far it is.
pub fn read_watched(path: &Path, options: &Options, watch: &Watch) -> Result<Table> {
    read_into(path, options, watch, &mut Held)
}

/// The same, with the cells of some columns passed on as they come.
///
/// # Errors
/// As [`read_watched`], and those of the sink.
pub fn read_into(path: &Path, options: &Options, watch: &Watch, sink: &mut dyn Sink) -> Result<Table> {
    let refused = RefCell::new(None);
    let table = read_with(|| Watched::open(path, watch, &refused), path, options, sink);
    refused.take().map_or(table, Err)
}

fn read_with<R: Read>(open: impl Fn() -> Result<R>, path: &Path, options: &Options, sink: &mut dyn Sink) -> Result<Table> {
    sink.restart()?;
    if let Some(table) = open().and_then(|file| numbers::read(file, options, sink))? {
        return Ok(table);
    }
    read_twice_if_needed(open, options, sink).map_err(|mut error| {
        if error.code != Code::Io {
            error.place = Some(match error.place {
                Some(place) => format!("{}, {place}", path.display()),
                None => path.display().to_string(),
            });
        }
        error
    })
}

/// The line on which a row begins, counted from 1; rows are counted from 0. Reads the file again up to it.
pub fn line_of(path: &Path, options: &Options, row: usize) -> Option<u64> {
    let open = || decoded(File::open(path).ok()?, options.encoding).ok();
    let mut records = csv::ReaderBuilder::new()
        .has_headers(options.header)
        .delimiter(options.delimiter as u8)
        .from_reader(open()?);
    let record = records.byte_records().nth(row)?.ok()?;
    line_at(open()?, record.position()?.byte()).ok()
}

/// The same from bytes in memory.
pub fn parse(bytes: &[u8], options: &Options) -> Result<Table> {
    read_twice_if_needed(|| Ok(bytes), options, &mut Held)
}

/// An error, and where the record begins that it is about.
struct Located {
    error: Error,
    byte: Option<u64>,
}

impl From<Error> for Located {
    fn from(error: Error) -> Self {
        Self { error, byte: None }
    }
}

impl Located {
    /// `line 7, column "age"`.
    fn with_line<R: Read>(self, open: impl Fn() -> Result<R>, options: &Options) -> Error {
        let Located { mut error, byte } = self;
        let line = byte.and_then(|byte| line_at(decoded(open().ok()?, options.encoding).ok()?, byte).ok());
        if let Some(line) = line {
            error.place = Some(match error.place {
                Some(place) => format!("line {line}, {place}"),
                None => format!("line {line}"),
            });
        }
        error
    }
}

fn read_twice_if_needed<R: Read>(open: impl Fn() -> Result<R>, options: &Options, sink: &mut dyn Sink) -> Result<Table> {
    let mut once = |known: &[Guess]| {
        sink.restart()?;
        read_once(open()?, options, known, sink).map_err(|error| error.with_line(&open, options))
    };
    let mut reading = once(&[])?;
    if let Reading::KindsChanged(guesses) = &reading.0 {
        let guesses = guesses.clone();
        reading = once(&guesses)?;
    }
    if let Some(last) = reading.1 {
        refuse_open_quote(open()?, last, options).map_err(|error| error.with_line(&open, options))?;
    }
    match reading.0 {
        Reading::Done(table) => Ok(table),
        Reading::KindsChanged(_) => Err(Error::new(Code::DataFormat, "the file changed while it was read")),
    }
}

/// Passes bytes on and counts the quotes among them: an odd number may mean one that is never closed.
struct QuoteParity<R> {
    inner: R,
    odd: bool,
}

impl<R: Read> Read for QuoteParity<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.odd ^= memchr::memchr_iter(b'"', &buffer[..got]).count() % 2 == 1;
        Ok(got)
    }
}

/// Looks at the last record, which begins at the byte `last`, once more, byte by byte: a quote opens at the start of a cell, `""` inside
/// stands for one. csv would take a quote that is never closed as closed by the end of the file, and with it swallow every row after it.
fn refuse_open_quote<R: Read>(source: R, last: u64, options: &Options) -> std::result::Result<(), Located> {
    let delimiter = options.delimiter as u8;
    let (mut source, failed) = (decoded(source, options.encoding)?, |error| {
        Error::new(Code::Io, format!("reading failed: {error}"))
    });
    io::copy(&mut source.by_ref().take(last), &mut io::sink()).map_err(failed)?;
    let (mut quoted, mut closed, mut start) = (false, false, true);
    for byte in BufReader::new(source).bytes() {
        let byte = byte.map_err(failed)?;
        if quoted && !closed {
            closed = byte == b'"';
        } else if quoted && byte == b'"' {
            closed = false;
        } else {
            quoted = start && byte == b'"';
            closed = false;
            start = byte == delimiter || byte == b'\n' || byte == b'\r';
        }
    }
    if quoted && !closed {
        let error = Error::new(Code::DataFormat, "a quote that opens in this record is never closed")
            .hint("The file was cut, or a cell that starts with a quote needs it doubled and the cell quoted.");
        return Err(Located { error, byte: Some(last) });
    }
    Ok(())
}

enum Reading {
    Done(Table),
    /// The kinds that hold for the whole file; the cells have to be read again.
    KindsChanged(Vec<Guess>),
}

/// Rows from one call of a sink to the next.
const PIECE: usize = 8192;

/// What was read, and where its last record begins if a quote may be open there.
fn read_once<R: Read>(
    source: R,
    options: &Options,
    known: &[Guess],
    sink: &mut dyn Sink,
) -> std::result::Result<(Reading, Option<u64>), Located> {
    if !options.delimiter.is_ascii() || matches!(options.delimiter, '"' | '\n' | '\r') {
        let given = format!("{:?}", options.delimiter);
        return Err(Error::option("delimiter", "as one ASCII character other than a quote or line end", given).into());
    }
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(options.delimiter as u8)
        .buffer_capacity(1 << 18)
        .from_reader(QuoteParity {
            inner: decoded(source, options.encoding)?,
            odd: false,
        });
    let mut record = csv::ByteRecord::new();
    let mut more = records.read_byte_record(&mut record).map_err(malformed)?;
    if !more {
        return Err(Error::new(Code::DataFormat, "the file is empty").into());
    }
    let mut columns = start_columns(&record, options, known, sink).map_err(|error| Located {
        error,
        byte: record.position().map(csv::Position::byte),
    })?;
    if options.header {
        more = records.read_byte_record(&mut record).map_err(malformed)?;
    }
    let passes = columns.iter().any(|column| column.passes());
    let (mut rows, mut passed, mut last) = (0usize, 0usize, 0);
    while more {
        last = record.position().map_or(last, csv::Position::byte);
        for (column, cell) in columns.iter_mut().zip(record.iter()) {
            column.take(cell.trim_ascii(), rows - passed, last).map_err(|error| Located {
                error: error.at(format!("column {:?}", column.name)),
                byte: Some(last),
            })?;
        }
        rows += 1;
        if rows >= MISSING as usize {
            return Err(Error::new(Code::DataFormat, "more than 4,294,967,294 rows").into());
        }
        if passes && rows == passed + PIECE {
            column::pass_on(&mut columns, PIECE, sink)?;
            passed = rows;
        }
        more = records.read_byte_record(&mut record).map_err(malformed)?;
    }
    let last = records.get_ref().odd.then_some(last);
    if columns.iter().any(|column| column.stale) {
        return Ok((Reading::KindsChanged(columns.iter().map(|column| column.guess).collect()), last));
    }
    if let Some((error, byte)) = columns.iter().find_map(|column| column.infinite()) {
        return Err(Located { error, byte: Some(byte) });
    }
    if passes {
        column::pass_on(&mut columns, rows - passed, sink)?;
    }
    let finished = columns.into_iter().map(|column| column.finish(rows)).collect::<Result<Vec<_>>>()?;
    let (columns, orders): (Vec<_>, Vec<_>) = finished.into_iter().unzip();
    if passes {
        sink.finish(&orders.into_iter().flatten().collect::<Vec<_>>())?;
    }
    Ok((Reading::Done(Table { rows, columns }), last))
}

fn malformed(error: csv::Error) -> Located {
    let error = match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let error = Error::new(
                Code::DataFormat,
                format!("expected {expected_len} cells as in the first line, got {len}"),
            )
            .expected(expected_len.to_string())
            .received(len.to_string())
            .hint("A cell that contains the delimiter needs quotes, and each quote its end; or another `delimiter` is meant.");
            return Located {
                error,
                byte: pos.as_ref().map(csv::Position::byte),
            };
        }
        csv::ErrorKind::Io(failed) => match failed.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) {
            Some(error) => error.clone(),
            None => Error::new(Code::Io, format!("reading failed: {failed}")),
        },
        _ => Error::new(Code::DataFormat, error.to_string()),
    };
    error.into()
}

#[cfg(test)]
mod tests;
