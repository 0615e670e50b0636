//! A file of lines to which several processes append: nothing whole is lost by a crash at any byte.
//!
//! [`append`] is compare-and-append under the operating system's lock on the file, which the system frees when its owner dies: it appends
//! only if the file still ends where the caller has read to, else it gives the caller what has come since. A line without its end was torn
//! by a crash; it is never read, and the next append cuts it off, unless the whole file is one line that does not begin as ours do.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use nabla_error::{Code, Error, Result};

use crate::io_error;

/// So many bytes in which all lines of a journal are alike: `{"op_code"`.
const ALIKE: u64 = 10;

/// What the file holds from where the caller had read to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Whole lines.
    pub text: String,
    /// Where they end.
    pub end: u64,
    /// Whether the caller's lines were appended; `text` is empty then.
    pub appended: bool,
}

/// The whole lines from byte `at` on; a file that does not exist is empty.
pub fn read(path: &Path, at: u64) -> Result<Tail> {
    match File::open(path) {
        Ok(mut file) => whole_lines(&mut file, path, at),
        Err(error) if error.kind() == io::ErrorKind::NotFound && at == 0 => Ok(Tail {
            text: String::new(),
            end: 0,
            appended: false,
        }),
        Err(error) => Err(io_error("reading", path, &error)),
    }
}

/// Appends `lines` (each with its end) if the file ends at byte `at`; with `sync` they are on the disk when this returns.
pub fn append(path: &Path, at: u64, lines: &str, sync: bool) -> Result<Tail> {
    let failed = |error: io::Error| io_error("writing", path, &error);
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| io_error("opening", path, &error))?;
    file.lock().map_err(|error| io_error("locking", path, &error))?;
    let tail = whole_lines(&mut file, path, at)?;
    if !tail.text.is_empty() {
        return Ok(tail);
    }
    let torn = file.metadata().map_err(failed)?.len() - at;
    if torn > 0 {
        // With whole lines before it, it is of this journal. Alone it may be anything: a note, a key, what someone needs.
        if at == 0 {
            let mut start = vec![0; torn.min(ALIKE) as usize];
            file.seek(SeekFrom::Start(0)).map_err(failed)?;
            file.read_exact(&mut start).map_err(failed)?;
            if !lines.as_bytes().starts_with(&start) && start.iter().any(|&byte| byte != 0) {
                return Err(
                    Error::new(Code::DataFormat, "the file is no journal: it is one line without an end")
                        .at(path.display().to_string())
                        .hint("Give the study a path of its own; nothing was written."),
                );
            }
        }
        file.set_len(at).map_err(failed)?;
    }
    if let Err(error) = file.write_all(lines.as_bytes()) {
        // What was written of it is no line.
        let _ = file.set_len(at);
        return Err(failed(error));
    }
    if sync {
        file.sync_data().map_err(failed)?;
    }
    Ok(Tail {
        text: String::new(),
        end: at + lines.len() as u64,
        appended: true,
    })
}

fn whole_lines(file: &mut File, path: &Path, at: u64) -> Result<Tail> {
    let failed = |error: io::Error| io_error("reading", path, &error);
    let length = file.metadata().map_err(failed)?.len();
    if length < at {
        return Err(Error::new(
            Code::DataFormat,
            format!("the file is shorter than it was: {length} bytes, {at} were read"),
        )
        .at(path.display().to_string())
        .hint("Another program has written to it. Start again, from a copy if there is one."));
    }
    file.seek(SeekFrom::Start(at)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(length - at).read_to_end(&mut bytes).map_err(failed)?;
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |last| last + 1);
    bytes.truncate(whole);
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        let place = if at == 0 {
            format!("{}:{line}", path.display())
        } else {
            path.display().to_string()
        };
        Error::new(Code::DataFormat, format!("line {line} is not text in UTF-8")).at(place)
    })?;
    Ok(Tail {
        text,
        end: at + whole as u64,
        appended: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn path(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("nabla-journal-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn appends_only_where_the_caller_has_read_to() {
        let path = path("compare");
        assert_eq!(read(&path, 0).unwrap().end, 0);
        let first = append(&path, 0, "a\nb\n", true).unwrap();
        assert!(first.appended && first.end == 4);
        let late = append(&path, 0, "c\n", false).unwrap();
        assert_eq!((late.appended, late.text.as_str(), late.end), (false, "a\nb\n", 4));
        assert!(append(&path, 4, "c\n", false).unwrap().appended);
        assert_eq!(read(&path, 4).unwrap().text, "c\n");
        assert_eq!(read(&path, 99).unwrap_err().code, Code::DataFormat);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn survives_a_crash_at_any_byte() {
        let path = path("torn");
        let text = "{\"one\":1}\n{\"two\":\"zwölf\"}\n{\"three\":3}\n";
        let more = "{\"one\":1} and more\n";
        for cut in 0..text.len() {
            fs::write(&path, &text.as_bytes()[..cut]).unwrap();
            let whole = text.as_bytes()[..cut].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
            let tail = read(&path, 0).unwrap();
            assert_eq!(tail.text, text[..whole]);
            assert!(append(&path, tail.end, more, false).unwrap().appended);
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}{more}", &text[..whole]));
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn leaves_a_file_that_is_no_journal_as_it_is() {
        let path = path("foreign");
        for foreign in ["note", "{\"key\":\"a secret of someone\"}", "{\"op_cods", "\0\0x"] {
            fs::write(&path, foreign).unwrap();
            let error = append(&path, 0, "{\"op_code\":0}\n", false).unwrap_err();
            assert_eq!(
                (error.code, fs::read_to_string(&path).unwrap().as_str()),
                (Code::DataFormat, foreign)
            );
        }
        // Zeros are what a file system leaves of a line that the power took.
        fs::write(&path, "\0\0\0").unwrap();
        assert!(append(&path, 0, "{\"op_code\":0}\n", false).unwrap().appended);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn ten_writers_lose_nothing() {
        let path = path("many");
        std::thread::scope(|scope| {
            for writer in 0..10 {
                let path = &path;
                scope.spawn(move || {
                    let mut at = 0;
                    for i in 0..50 {
                        loop {
                            let tail = append(path, at, &format!("{writer} {i}\n"), false).unwrap();
                            at = tail.end;
                            if tail.appended {
                                break;
                            }
                        }
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 500);
        fs::remove_file(path).unwrap();
    }
}
