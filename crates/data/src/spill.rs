//! Rows on their way into a file: nabla's own, temporary, gone with the data set.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use nabla_error::{Code, Error, Result};
use nabla_formats::MISSING;
use nabla_formats::csv::{Piece, Sink};

use crate::rows_file::{Layout, Number, RowsFile, Storage, read_exact_at};

/// Values that are written at once.
const PIECE: usize = 1 << 15;

/// A file that grows by rows of doubles.
pub(crate) struct RowsWriter {
    file: File,
    path: PathBuf,
    waiting: Vec<u8>,
    written: u64,
    values: usize,
    missing: bool,
}

impl RowsWriter {
    /// In the system's folder for temporary files (`TMPDIR`). Where the system allows it the file has no name any more when this
    /// returns, so that even a killed process leaves nothing behind.
    pub fn create() -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("nabla-rows-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| failed(&path, &error))?;
        if cfg!(unix) {
            std::fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
        Ok(Self {
            file,
            path,
            waiting: Vec::with_capacity(PIECE * 8),
            written: 0,
            values: 0,
            missing: false,
        })
    }

    /// The next values, row-major, none infinite.
    pub fn push(&mut self, values: impl Iterator<Item = f64>) -> Result<()> {
        for value in values {
            self.missing |= value.is_nan();
            self.values += 1;
            self.waiting.extend_from_slice(&value.to_le_bytes());
            if self.waiting.len() >= PIECE * 8 {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        write_all_at(&self.file, &self.waiting, self.written).map_err(|error| failed(&self.path, &error))?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Gives codes of some columns their final number.
    fn recode(&mut self, width: usize, orders: &[Option<Vec<u32>>]) -> Result<()> {
        self.flush()?;
        let row = width * 8;
        let mut bytes = vec![0; (PIECE * 8 / row).max(1) * row];
        let mut at = 0;
        while at < self.written {
            let here = bytes.len().min((self.written - at) as usize);
            let bytes = &mut bytes[..here];
            read_exact_at(&self.file, bytes, at).map_err(|error| failed(&self.path, &error))?;
            for row in bytes.chunks_exact_mut(row) {
                for (cell, order) in row.as_chunks_mut::<8>().0.iter_mut().zip(orders) {
                    let code = f64::from_le_bytes(*cell);
                    if let (Some(order), false) = (order, code.is_nan()) {
                        *cell = f64::from(order[code as usize]).to_le_bytes();
                    }
                }
            }
            write_all_at(&self.file, bytes, at).map_err(|error| failed(&self.path, &error))?;
            at += here as u64;
        }
        Ok(())
    }

    /// The rows, to be read.
    pub fn finish(mut self) -> Result<RowsFile> {
        self.flush()?;
        let layout = Layout {
            start: 0,
            length: self.values,
            number: Number::F64,
            big_endian: false,
            storage: Storage::F64,
        };
        RowsFile::of(self.file, self.path, layout, self.missing, None)
    }
}

/// The feature columns of a table, row by row into a file.
pub(crate) struct FeatureSink<'a> {
    /// Columns that are no features.
    others: &'a [&'a str],
    columns: usize,
    /// The file.
    pub writer: RowsWriter,
}

impl<'a> FeatureSink<'a> {
    pub fn new(others: &'a [&'a str]) -> Result<Self> {
        Ok(Self {
            others,
            columns: 0,
            writer: RowsWriter::create()?,
        })
    }
}

impl Sink for FeatureSink<'_> {
    fn takes(&mut self, column: &str) -> bool {
        let takes = !self.others.contains(&column);
        self.columns += usize::from(takes);
        takes
    }

    fn restart(&mut self) -> Result<()> {
        self.columns = 0;
        if self.writer.values > 0 {
            self.writer = RowsWriter::create()?;
        }
        Ok(())
    }

    fn rows(&mut self, rows: usize, pieces: &[Piece]) -> Result<()> {
        let value = |piece: &Piece, row: usize| match piece {
            Piece::Numbers(values) => values[row],
            Piece::Codes(codes) if codes[row] == MISSING => f64::NAN,
            Piece::Codes(codes) => f64::from(codes[row]),
        };
        (0..rows).try_for_each(|row| self.writer.push(pieces.iter().map(|piece| value(piece, row))))
    }

    fn finish(&mut self, orders: &[Option<Vec<u32>>]) -> Result<()> {
        if orders.iter().all(Option::is_none) {
            return Ok(());
        }
        self.writer.recode(self.columns, orders)
    }
}

fn failed(path: &std::path::Path, error: &io::Error) -> Error {
    let failed = Error::new(Code::Io, format!("rows could not be written to a temporary file: {error}")).at(path.display().to_string());
    failed.hint("Temporary files lie in the folder that TMPDIR names.")
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}
