//! Feature values that stay in a file and are read by position while batches are gathered: for data sets larger than memory.
//!
//! Read, not mapped: a mapped file that another process cuts short ends the process by a signal; a read says so. What cannot be read
//! becomes NaN in the batch and is remembered, and whoever gathered asks [`RowsFile::check`] before using it.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::gather::gather_rows;
use serde::Deserialize;

/// Bytes that are read at once, where rows follow each other.
const PIECE: usize = 1 << 16;
/// Bytes of a pass over the whole file.
const PASS: usize = 1 << 20;

/// How a number lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Number {
    /// A byte.
    U8,
    /// A byte with a sign.
    I8,
    /// Two bytes.
    U16,
    /// Two bytes with a sign.
    I16,
    /// Four bytes.
    U32,
    /// Four bytes with a sign.
    I32,
    /// Eight bytes; beyond 2⁵³ rounded.
    U64,
    /// Eight bytes with a sign; beyond ±2⁵³ rounded.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Number {
    fn size(self) -> usize {
        match self {
            Number::U8 | Number::I8 => 1,
            Number::U16 | Number::I16 => 2,
            Number::U32 | Number::I32 | Number::F32 => 4,
            Number::U64 | Number::I64 | Number::F64 => 8,
        }
    }
}

/// What a value is in memory: as if the file had been read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Storage {
    /// Bytes.
    U8,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Where the values lie.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layout {
    /// The byte of the first value; they follow each other, row-major.
    pub start: u64,
    /// How many values.
    pub length: usize,
    /// How each lies in the file.
    pub number: Number,
    /// Whether the higher byte comes first.
    #[serde(default)]
    pub big_endian: bool,
    /// What each is in memory.
    pub storage: Storage,
}

/// What is known of a file whose rows lie in it.
#[derive(Debug)]
pub struct RowsFile {
    file: File,
    path: PathBuf,
    layout: Layout,
    /// Size and time of change when it was opened.
    stamp: (u64, Option<SystemTime>),
    missing: bool,
    infinite: Option<usize>,
    failed: OnceLock<Error>,
}

/// Values as they would lie in memory.
enum Values<'a> {
    U8(&'a [u8]),
    F32(&'a [f32]),
    F64(&'a [f64]),
}

#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    singles: Vec<f32>,
    doubles: Vec<f64>,
    order: Vec<u32>,
}

thread_local! {
    // Grown at first use: a training step allocates nothing.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl RowsFile {
    /// Opens a file whose values lie as `layout` says, and looks at each once: `watch` hears how many bytes of how many, an error of its
    /// ends it.
    ///
    /// # Errors
    /// `IO` with the path, `DATA_FORMAT` for a file that is shorter than the layout.
    pub fn open(path: &Path, layout: Layout, watch: &dyn Fn(u64, u64) -> Result<()>) -> Result<Self> {
        let file = File::open(path).map_err(|error| io_failed(path, &error))?;
        let mut opened = Self::of(file, path.to_owned(), layout, true, None)?;
        opened.examine(watch)?;
        Ok(opened)
    }

    /// Of a file that was written or checked by us: whether cells are missing is known, and none is infinite.
    pub(crate) fn of(file: File, path: PathBuf, layout: Layout, missing: bool, infinite: Option<usize>) -> Result<Self> {
        let known = file.metadata().map_err(|error| io_failed(&path, &error))?;
        let needed = (layout.length as u64)
            .checked_mul(layout.number.size() as u64)
            .and_then(|bytes| bytes.checked_add(layout.start));
        if needed.is_none_or(|needed| needed > known.len()) {
            return Err(Error::new(Code::DataFormat, "the file ends before its values do")
                .at(path.display().to_string())
                .expected(needed.map_or_else(|| "a size that exists".to_owned(), |needed| format!("at least {needed} bytes")))
                .received(format!("{} bytes", known.len()))
                .hint("It was cut: fetch or write it again."));
        }
        Ok(Self {
            stamp: (known.len(), known.modified().ok()),
            file,
            path,
            layout,
            missing,
            infinite,
            failed: OnceLock::new(),
        })
    }

    fn examine(&mut self, watch: &dyn Fn(u64, u64) -> Result<()>) -> Result<()> {
        self.missing = false;
        if !matches!(self.layout.number, Number::F32 | Number::F64) {
            return Ok(());
        }
        let total = (self.layout.length * self.layout.number.size()) as u64;
        let mut values = vec![0.0; PASS / 8];
        for from in (0..self.layout.length).step_by(values.len()) {
            let count = values.len().min(self.layout.length - from);
            let values = &mut values[..count];
            self.copy_to(from, values);
            self.check()?;
            self.missing |= values.iter().any(|value| value.is_nan());
            if self.infinite.is_none() {
                self.infinite = values.iter().position(|value| value.is_infinite()).map(|at| from + at);
            }
            watch(((from + count) * self.layout.number.size()) as u64, total)?;
        }
        Ok(())
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.layout.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layout.length == 0
    }

    /// What a value is in memory.
    pub fn storage(&self) -> Storage {
        self.layout.storage
    }

    /// Whether any value is NaN.
    pub fn has_missing(&self) -> bool {
        self.missing
    }

    /// The first value that is ±∞.
    pub(crate) fn infinite(&self) -> Option<usize> {
        self.infinite
    }

    /// What reading has run into so far, on any thread: values given since then may be NaN.
    ///
    /// # Errors
    /// `IO`; `DATA_FORMAT` for a file that was changed or cut while in use.
    pub fn check(&self) -> Result<()> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// out[b, j] = (value[rows[b], j] − shift[j])·factor[j], as [`gather_rows`] computes it of values in memory.
    pub fn gather<T: Real>(&self, rows: &[u32], width: usize, scale: Option<(&[f64], &[f64])>, out: &mut [T]) {
        if width == 0 {
            return;
        }
        let mut at = 0;
        let together = (PIECE / (width * self.layout.number.size())).max(1);
        while at < rows.len() {
            // Rows that follow each other are one read.
            let next = |i: &usize| rows[at + i] as u64 == rows[at] as u64 + *i as u64;
            let count = (1..together.min(rows.len() - at)).take_while(next).count() + 1;
            let out = &mut out[at * width..(at + count) * width];
            let read = self.with(rows[at] as usize * width, count * width, |values, order| match values {
                Values::U8(values) => gather_rows(values, width, &order[..count], scale, out),
                Values::F32(values) => gather_rows(values, width, &order[..count], scale, out),
                Values::F64(values) => gather_rows(values, width, &order[..count], scale, out),
            });
            if !read {
                out.fill(T::from_f64(f64::NAN));
            }
            at += count;
        }
    }

    /// The values from `from` on as doubles.
    pub fn copy_to(&self, from: usize, out: &mut [f64]) {
        let together = PASS / self.layout.number.size();
        for (i, out) in out.chunks_mut(together).enumerate() {
            let read = self.with(from + i * together, out.len(), |values, _| match values {
                Values::U8(values) => out.iter_mut().zip(values).for_each(|(out, &v)| *out = v.into()),
                Values::F32(values) => out.iter_mut().zip(values).for_each(|(out, &v)| *out = v.into()),
                Values::F64(values) => out.copy_from_slice(values),
            });
            if !read {
                out.fill(f64::NAN);
            }
        }
    }

    /// Whether the values could be read and were used.
    fn with(&self, from: usize, count: usize, then: impl FnOnce(Values, &[u32])) -> bool {
        SCRATCH.with_borrow_mut(|scratch| {
            let Layout { start, number, .. } = self.layout;
            let size = number.size();
            scratch.bytes.resize(count * size, 0);
            if let Err(error) = self.read(&mut scratch.bytes, start + (from * size) as u64) {
                let _ = self.failed.set(error);
                return false;
            }
            while scratch.order.len() < count {
                scratch.order.push(scratch.order.len() as u32);
            }
            if (number, self.layout.storage) == (Number::U8, Storage::U8) {
                then(Values::U8(&scratch.bytes), &scratch.order);
                return true;
            }
            match self.layout.storage {
                Storage::F32 => {
                    scratch.singles.resize(count, 0.0);
                    self.decode(&scratch.bytes, &mut scratch.singles, |v| v as f32);
                    then(Values::F32(&scratch.singles), &scratch.order);
                }
                Storage::F64 | Storage::U8 => {
                    scratch.doubles.resize(count, 0.0);
                    self.decode(&scratch.bytes, &mut scratch.doubles, |v| v);
                    then(Values::F64(&scratch.doubles), &scratch.order);
                }
            }
            true
        })
    }

    fn decode<T>(&self, bytes: &[u8], out: &mut [T], of: impl Fn(f64) -> T) {
        fn each<T, const N: usize>(bytes: &[u8], out: &mut [T], value: impl Fn([u8; N]) -> T) {
            bytes
                .as_chunks::<N>()
                .0
                .iter()
                .zip(out)
                .for_each(|(&bytes, out)| *out = value(bytes));
        }
        macro_rules! numbers {
            ($($name:ident $t:ty),*) => {
                match (self.layout.number, self.layout.big_endian) {
                    $(
                        (Number::$name, false) => each(bytes, out, |b| of(<$t>::from_le_bytes(b) as f64)),
                        (Number::$name, true) => each(bytes, out, |b| of(<$t>::from_be_bytes(b) as f64)),
                    )*
                }
            };
        }
        numbers!(U8 u8, I8 i8, U16 u16, I16 i16, U32 u32, I32 i32, U64 u64, I64 i64, F32 f32, F64 f64);
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        read_exact_at(&self.file, bytes, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.changed("was cut short"),
            _ => io_failed(&self.path, &error),
        })?;
        let now = self.file.metadata().map_err(|error| io_failed(&self.path, &error))?;
        if (now.len(), now.modified().ok()) != self.stamp {
            return Err(self.changed("was changed"));
        }
        Ok(())
    }

    fn changed(&self, how: &str) -> Error {
        Error::new(Code::DataFormat, format!("the file {how} while its rows were in use"))
            .at(self.path.display().to_string())
            .expected("the file as it was when the data set was made")
            .hint("Write to another file, and rename it when it is whole; or read the rows into memory.")
    }
}

fn io_failed(path: &Path, error: &io::Error) -> Error {
    Error::new(Code::Io, format!("reading failed: {error}")).at(path.display().to_string())
}

#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                bytes = &mut bytes[got..];
                at += got as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
