//! The files of a tar archive, plain or gzip, one after the other, by the crate `tar`. Nothing is written to disk, so names that lead out of
//! the archive's folder do no harm; links and special files are passed over.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use nabla_error::{Code, Error, Result};

use crate::io_error;

/// The largest file that is read out of an archive.
pub const MAX_FILE: u64 = 1 << 28;

/// Calls `each` with the name and a reader of each file, in the archive's order; `each` reads or leaves it.
///
/// # Errors
/// `IO` with the path, `DATA_FORMAT` for what is no archive or ends too early, and what `each` gives.
pub fn files(path: &Path, mut each: impl FnMut(PathBuf, &mut dyn FnMut() -> Result<Vec<u8>>) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(|error| io_error("reading", path, &error))?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let start = reader.fill_buf().map_err(|error| io_error("reading", path, &error))?;
    let reader: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(reader))
    } else {
        Box::new(reader)
    };
    let broken = |error: std::io::Error| {
        Error::new(Code::DataFormat, format!("not a whole tar archive: {error}"))
            .at(path.display().to_string())
            .expected("a tar archive, plain or gzip")
    };
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().map_err(broken)?.into_owned();
        let size = entry.size();
        let shown = name.display().to_string();
        let mut read = || {
            if size > MAX_FILE {
                return Err(Error::new(Code::DataFormat, format!("a file of {size} bytes in the archive"))
                    .at(shown.clone())
                    .expected(format!("at most {MAX_FILE} bytes")));
            }
            let mut bytes = Vec::new();
            crate::reserve(&mut bytes, (size as usize).min(1 << 20))?;
            entry.read_to_end(&mut bytes).map_err(broken)?;
            if bytes.len() as u64 != size {
                return Err(Error::new(Code::DataFormat, format!("the archive ends too early, within {shown}"))
                    .at(path.display().to_string())
                    .hint("Fetch it again: it was cut."));
            }
            Ok(bytes)
        };
        each(name, &mut read)?;
    }
    Ok(())
}
