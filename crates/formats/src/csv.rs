//! Comma-separated values (RFC 4180, read leniently): quotes, CRLF, a byte-order mark and blank lines are accepted.
//!
//! The kind of a column follows from its cells: all numbers, all booleans (`true`/`false` in lower, upper or title
//! case), otherwise text. A kind that turns out wrong late in the file (a text after many numbers) costs a second reading,
//! never a wrong cell. Spaces around a cell are dropped; a cell that is empty or one of `missing` is missing.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use nabla_error::{Code, Error, Result};
use serde::Deserialize;

use crate::table::no_such_column;
use crate::{Cells, Column, MISSING, Table, io_error, push};

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
        }
    }
}

/// Reads a file, in one pass and with memory for the cells only (two passes when a kind changes late).
pub fn read(path: &Path, options: &Options) -> Result<Table> {
    read_watched(path, options, &|_, _| Ok(()))
}

/// Called with the bytes read so far and all there are; an error ends the reading.
pub type Watch<'a> = dyn Fn(u64, u64) -> Result<()> + 'a;

/// Bytes from one call of a watch to the next.
const WATCHED: u64 = 8 << 20;

/// A file that tells how far it is.
struct Watched<'a> {
    file: File,
    done: u64,
    said: u64,
    total: u64,
    watch: &'a Watch<'a>,
    /// What the watch said, which an error of reading cannot carry.
    refused: &'a RefCell<Option<Error>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(buffer)?;
        self.done += got as u64;
        if self.done >= self.said + WATCHED {
            self.said = self.done;
            if let Err(error) = (self.watch)(self.done, self.total.max(self.done)) {
                *self.refused.borrow_mut() = Some(error);
                return Err(io::Error::other("stopped"));
            }
        }
        Ok(got)
    }
}

/// The same, telling `watch` now and then how far it is.
pub fn read_watched(path: &Path, options: &Options, watch: &Watch) -> Result<Table> {
    let refused = RefCell::new(None);
    let open = || {
        let file = File::open(path).map_err(|error| io_error("reading", path, &error))?;
        let total = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(Watched {
            file,
            done: 0,
            said: 0,
            total,
            watch,
            refused: &refused,
        })
    };
    let table = read_with(open, path, options);
    refused.take().map_or(table, Err)
}

fn read_with<R: Read>(open: impl Fn() -> Result<R>, path: &Path, options: &Options) -> Result<Table> {
    if let Some(table) = open().and_then(|file| numbers::read(file, options))? {
        return Ok(table);
    }
    read_twice_if_needed(open, options).map_err(|error| error.within(path))
}

/// The line on which a row begins, counted from 1; rows are counted from 0. Reads the file again up to it.
pub fn line_of(path: &Path, options: &Options, row: usize) -> Option<u64> {
    let mut records = csv::ReaderBuilder::new()
        .has_headers(options.header)
        .delimiter(options.delimiter as u8)
        .from_reader(File::open(path).ok()?);
    let record = records.byte_records().nth(row)?.ok()?;
    record.position().map(csv::Position::line)
}

/// The same from bytes in memory.
pub fn parse(bytes: &[u8], options: &Options) -> Result<Table> {
    read_twice_if_needed(|| Ok(bytes), options).map_err(|error| error.within(Path::new("")))
}

/// An error whose place is `line 7, column "age"` and gets the path in front of it.
struct Located(Error);

impl Located {
    fn within(self, path: &Path) -> Error {
        let mut error = self.0;
        if error.code != Code::Io && !path.as_os_str().is_empty() {
            error.place = Some(match error.place {
                Some(place) => format!("{}, {place}", path.display()),
                None => path.display().to_string(),
            });
        }
        error
    }
}

impl From<Error> for Located {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

fn read_twice_if_needed<R: Read>(open: impl Fn() -> Result<R>, options: &Options) -> std::result::Result<Table, Located> {
    let mut reading = read_once(open()?, options, &[])?;
    if let Reading::KindsChanged(guesses) = &reading.0 {
        let guesses = guesses.clone();
        reading = read_once(open()?, options, &guesses)?;
    }
    if let Some(last) = reading.1 {
        refuse_open_quote(open()?, last, options.delimiter as u8)?;
    }
    match reading.0 {
        Reading::Done(table) => Ok(table),
        Reading::KindsChanged(_) => Err(Error::new(Code::DataFormat, "the file changed while it was read").into()),
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

/// Where the last record starts; csv would take a quote that is never closed as closed by the end of the file, and with it
/// swallow every row that follows it.
struct LastRecord {
    byte: u64,
    line: u64,
}

/// Looks at the last record once more, byte by byte: a quote opens at the start of a cell, `""` inside stands for one.
fn refuse_open_quote<R: Read>(source: R, last: LastRecord, delimiter: u8) -> Result<()> {
    let (mut source, failed) = (without_mark(source)?, |error| {
        Error::new(Code::Io, format!("reading failed: {error}"))
    });
    io::copy(&mut source.by_ref().take(last.byte), &mut io::sink()).map_err(failed)?;
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
        return Err(Error::new(Code::DataFormat, "a quote that opens in this record is never closed")
            .at(format!("line {}", last.line))
            .hint("The file was cut, or a cell that starts with a quote needs it doubled and the cell quoted."));
    }
    Ok(())
}

enum Reading {
    Done(Table),
    /// The kinds that hold for the whole file; the cells have to be read again.
    KindsChanged(Vec<Guess>),
}

/// What the cells so far allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guess {
    /// Only missing cells so far.
    Unknown,
    Number,
    Boolean,
    Text,
}

struct Reader<'a> {
    name: String,
    guess: Guess,
    /// Declared or known from the first reading: a cell of another kind is an error.
    fixed: bool,
    /// The guess changed after cells had been stored.
    stale: bool,
    numbers: Vec<f64>,
    codes: Vec<u32>,
    levels: HashMap<Box<[u8]>, u32>,
    missing: &'a [String],
    /// Whether a missing marker is itself a number, such as -999.
    marked: bool,
}

fn read_once<R: Read>(source: R, options: &Options, known: &[Guess]) -> Result<(Reading, Option<LastRecord>)> {
    if !options.delimiter.is_ascii() || matches!(options.delimiter, '"' | '\n' | '\r') {
        return Err(Error::option(
            "delimiter",
            "as one ASCII character other than a quote or line end",
            format!("{:?}", options.delimiter),
        ));
    }
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(options.delimiter as u8)
        .buffer_capacity(1 << 18)
        .from_reader(QuoteParity {
            inner: without_mark(source)?,
            odd: false,
        });
    let mut record = csv::ByteRecord::new();
    let mut more = records.read_byte_record(&mut record).map_err(malformed)?;
    if !more {
        return Err(Error::new(Code::DataFormat, "the file is empty"));
    }
    let mut columns = start_columns(&record, options, known)?;
    let mut last = (0, 1);
    if options.header {
        more = records.read_byte_record(&mut record).map_err(malformed)?;
    }
    let mut rows = 0usize;
    while more {
        for (column, cell) in columns.iter_mut().zip(record.iter()) {
            column.take(cell.trim_ascii(), rows).map_err(|error| {
                let line = record.position().map_or(0, csv::Position::line);
                error.at(format!("line {line}, column {:?}", column.name))
            })?;
        }
        last = record.position().map_or(last, |position| (position.byte(), position.line()));
        rows += 1;
        if rows >= MISSING as usize {
            return Err(Error::new(Code::DataFormat, "more than 4,294,967,294 rows"));
        }
        more = records.read_byte_record(&mut record).map_err(malformed)?;
    }
    let last = records.get_ref().odd.then_some(LastRecord {
        byte: last.0,
        line: last.1,
    });
    if columns.iter().any(|column| column.stale) {
        return Ok((Reading::KindsChanged(columns.iter().map(|column| column.guess).collect()), last));
    }
    let columns = columns.into_iter().map(|column| column.finish(rows)).collect::<Result<_>>()?;
    Ok((Reading::Done(Table { rows, columns }), last))
}

/// The source without a UTF-8 byte-order mark; a UTF-16 one is an error.
fn without_mark<R: Read>(mut source: R) -> Result<impl Read> {
    let mut start = Vec::with_capacity(3);
    let read = source.by_ref().take(3).read_to_end(&mut start);
    read.map_err(|error| Error::new(Code::Io, format!("reading failed: {error}")))?;
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(Error::new(Code::DataFormat, "the file is UTF-16")
            .expected("UTF-8")
            .hint("Save it as UTF-8."));
    }
    if start == [0xef, 0xbb, 0xbf] {
        start.clear();
    }
    Ok(io::Cursor::new(start).chain(source))
}

fn malformed(error: csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let error = Error::new(
                Code::DataFormat,
                format!("expected {expected_len} cells as in the first line, got {len}"),
            )
            .expected(expected_len.to_string())
            .received(len.to_string())
            .hint("A cell that contains the delimiter needs quotes; or another `delimiter` is meant.");
            error.at(pos.as_ref().map_or_else(String::new, |pos| format!("line {}", pos.line())))
        }
        csv::ErrorKind::Io(error) => Error::new(Code::Io, format!("reading failed: {error}")),
        _ => Error::new(Code::DataFormat, error.to_string()),
    }
}

fn not_utf8() -> Error {
    Error::new(Code::DataFormat, "the text is not valid UTF-8")
        .expected("UTF-8")
        .hint("Save the file as UTF-8 (it may be Latin-1).")
}

fn start_columns<'a>(first: &csv::ByteRecord, options: &'a Options, known: &[Guess]) -> Result<Vec<Reader<'a>>> {
    let mut names: Vec<String> = Vec::with_capacity(first.len());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (i, cell) in first.iter().enumerate() {
        let text = if options.header { cell.trim_ascii() } else { b"" };
        let text = std::str::from_utf8(text).map_err(|_| not_utf8().at(format!("line 1, column {}", i + 1)))?;
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
            .at("line 1")
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
        Reader {
            name,
            guess,
            fixed,
            stale: false,
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
    #[inline]
    fn take(&mut self, cell: &[u8], row: usize) -> Result<()> {
        if self.guess == Guess::Number
            && !self.marked
            && let Some(value) = number(cell)
        {
            return push(&mut self.numbers, value);
        }
        self.take_other(cell, row)
    }

    fn take_other(&mut self, cell: &[u8], row: usize) -> Result<()> {
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

    /// Levels were numbered as they came; here they are sorted (by value when all are numbers) and the codes follow.
    fn finish(mut self, rows: usize) -> Result<Column> {
        let cells = match self.guess {
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
                Cells::Texts { levels, codes: self.codes }
            }
        };
        Ok(Column { name: self.name, cells })
    }
}

/// A decimal number or ±inf/infinity; `nan` is text unless it is a missing marker.
#[inline]
fn number(cell: &[u8]) -> Option<f64> {
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

mod numbers;
#[cfg(test)]
mod tests;
