//! A file appears whole or not at all: temporary file in the same folder → write → fsync → rename → fsync the folder.
//!
//! A crash at any point leaves the old file or the new one. The temporary name starts with a dot and ends
//! in `.partial`; one left by a crash is never read, and [`remove_partial`] clears it at the next start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nabla_error::Result;

use crate::io_error;

const SUFFIX: &str = ".partial";

/// Writes `bytes` to `path` so that `path` never holds a part of them.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic_write_with(path, |writer| writer.write_all(bytes))
}

/// The same for content made piece by piece; on an error the old file stays and the temporary one is removed.
pub fn atomic_write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let temporary = temporary_path(path);
    let written = write_and_sync(&temporary, fill).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(io_error("writing", path, &error));
    }
    sync_folder(path).map_err(|error| io_error("syncing the folder of", path, &error))
}

/// Removes what a crash during a write of `path` left behind; returns how many files.
pub fn remove_partial(path: &Path) -> Result<usize> {
    let (Some(name), folder) = (path.file_name().and_then(|n| n.to_str()), folder_of(path)) else {
        return Ok(0);
    };
    let start = format!(".{name}.");
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(|error| io_error("listing", folder, &error))? {
        let entry = entry.map_err(|error| io_error("listing", folder, &error))?;
        let left = entry
            .file_name()
            .to_str()
            .is_some_and(|n| n.starts_with(&start) && n.ends_with(SUFFIX) && !writing(&n[start.len()..]));
        if left && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether the process that made `<process>-<count>.partial` still runs and so may be writing it. Where that cannot be known the
/// file stays.
fn writing(rest: &str) -> bool {
    let process = rest.split('-').next().and_then(|p| p.parse::<u32>().ok());
    process.is_some_and(|p| p == std::process::id() || !cfg!(target_os = "linux") || Path::new(&format!("/proc/{p}")).exists())
}

/// `.<name>.<process>-<count>.partial` beside the target: unique among processes and threads.
fn temporary_path(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder_of(path).join(format!(".{name}.{}-{count}{SUFFIX}", std::process::id()))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn write_and_sync(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut writer = BufWriter::with_capacity(1 << 18, file);
    fill(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// A rename is safe from power loss only after its folder is; Windows has no such call.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder_of(path))?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("nabla-atomic-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn replaces_whole_and_leaves_nothing_else() {
        let folder = folder("replace");
        let path = folder.join("a.txt");
        atomic_write(&path, b"one").unwrap();
        atomic_write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(&folder), ["a.txt"]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = folder("fail");
        let path = folder.join("a.txt");
        atomic_write(&path, b"old").unwrap();
        let error = atomic_write_with(&path, |w| {
            w.write_all(b"half")?;
            Err(io::Error::new(io::ErrorKind::StorageFull, "no space"))
        })
        .unwrap_err();
        assert_eq!(error.code, nabla_error::Code::Io);
        assert!(error.place.unwrap().ends_with("a.txt"));
        assert_eq!((fs::read(&path).unwrap().as_slice(), names(&folder).len()), (b"old".as_slice(), 1));
        assert!(atomic_write(&folder.join("none/b.txt"), b"x").is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn clears_what_a_crash_left() {
        let folder = folder("crash");
        let path = folder.join("a.txt");
        fs::write(folder.join(".a.txt.4000000000-0.partial"), b"half").unwrap();
        fs::write(folder.join(".b.txt.4000000000-0.partial"), b"another's").unwrap();
        assert_eq!(remove_partial(&path).unwrap(), 1);
        assert_eq!(names(&folder), [".b.txt.4000000000-0.partial"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
