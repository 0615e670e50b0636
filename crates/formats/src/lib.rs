//! Bytes in and out, one file a format. Knows nothing of models.
//!
//! Readers take paths or bytes, cap what a header may claim, and answer every malformed input with a
//! coded error that names the path and the place in it; they never panic. Writers go through
//! [`atomic_write`], so a reader sees the old file or the new one, never a part.

pub mod atomic_write;
pub mod csv;
pub mod idx;
pub mod image;
pub mod journal;
pub mod nearest;
pub mod safetensors;
pub mod table;
pub mod tar;
mod watched;

pub use nearest::nearest;
pub use table::{Cells, Column, MISSING, Table, no_such_column};

use std::io;
use std::path::Path;

use nabla_error::{Code, Error, Result, memory};

/// An operating-system error as ours: `IO`, with the path as the place.
pub(crate) fn io_error(action: &str, path: &Path, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => Some("Relative paths start at the working directory of the process."),
        io::ErrorKind::PermissionDenied => Some("The process may not do this with that path."),
        io::ErrorKind::StorageFull => Some("The disk is full."),
        _ => None,
    };
    let error = Error::new(Code::Io, format!("{action} failed: {error}")).at(path.display().to_string());
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Room for `extra` more elements, or `OUT_OF_MEMORY`: sizes that come from a file must not end the process.
pub(crate) fn reserve<T>(values: &mut Vec<T>, extra: usize) -> Result<()> {
    memory::reserve(values, extra, || "the contents of a file")
}

/// `push` that reports a failed allocation.
#[inline]
pub(crate) fn push<T>(values: &mut Vec<T>, value: T) -> Result<()> {
    if values.len() == values.capacity() {
        reserve(values, values.len().max(256))?;
    }
    values.push(value);
    Ok(())
}
