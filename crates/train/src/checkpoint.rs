//! Checkpoints: the state of a fit after an epoch in a file, from which the same fit goes on after a crash, to the same bits.
//!
//! A file is `epoch-<epochs>-<fingerprint>.fit`, sealed by a checksum and written whole or not at all. The fingerprint is of the recipe
//! (but for its number of epochs), of the rows and of the weights it started from: what another fit has left is refused, never taken.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nabla_data::Dataset;
use nabla_error::{Code, Error, Result};
use nabla_formats::atomic_write::{atomic_write, remove_partial};
use nabla_kernels::philox::{hash_path, mix};

use crate::job::Job;
use crate::spec::FitSpec;
use crate::stage::Paused;

/// Where and how often.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The folder; made if it is not there.
    pub directory: PathBuf,
    /// Written at the end of the first epoch that ends so long after the last one was.
    pub every: Duration,
    /// So many files stay, the latest.
    pub keep: usize,
    /// Goes on from the latest, if there is one.
    pub resume: bool,
}

/// The checkpoints of one fit.
pub(crate) struct Keeper<'a> {
    to: &'a Checkpoint,
    fingerprint: String,
    last: Instant,
    /// Files of this fit; those of one before it are removed once it has one of its own.
    own: Vec<PathBuf>,
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(Code::Io, format!("{action} failed: {error}")).at(path.display().to_string())
}

/// What a file is called: its epochs and its fingerprint.
fn parts(path: &Path) -> Option<(usize, &str)> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let (epochs, fingerprint) = name.strip_prefix("epoch-")?.strip_suffix(".fit")?.split_once('-')?;
    Some((epochs.parse().ok()?, fingerprint))
}

impl<'a> Keeper<'a> {
    pub fn new(to: &'a Checkpoint, spec: &FitSpec, job: &Job) -> Result<Keeper<'a>> {
        fs::create_dir_all(&to.directory).map_err(|e| failed("making the folder of checkpoints", &to.directory, &e))?;
        let mut recipe = serde_json::to_value(spec).map_err(|e| Error::internal(format!("a recipe cannot be written: {e}")))?;
        if let Some(fields) = recipe.as_object_mut() {
            // More epochs of the same are the same fit; a schedule over all of them is in the recipe by itself.
            fields.remove("epochs");
        }
        let of = |data: &Dataset| data.fingerprint();
        let rows = (of(&job.train)?, job.validation.as_ref().map(of).transpose()?.unwrap_or_default());
        let start = job.from.iter().flat_map(|from| from.iter()).fold(0, |hash, (name, values)| {
            let named = mix(hash ^ hash_path(name));
            values.iter().fold(named, |hash, value| mix(hash ^ value.to_bits()))
        });
        Ok(Keeper {
            to,
            fingerprint: format!("{:016x}", hash_path(&format!("{recipe}\n{}\n{}\n{start:x}", rows.0, rows.1))),
            last: Instant::now(),
            own: Vec::new(),
        })
    }

    /// What is in the folder, the latest first; what a crash left half-written is removed.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let directory = &self.to.directory;
        let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(|e| failed("listing", directory, &e))?;
        let mut files = Vec::new();
        for path in entries.iter().map(fs::DirEntry::path) {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if let Some(end) = name
                .strip_prefix('.')
                .and_then(|n| n.starts_with("epoch-").then(|| n.find(".fit.")))
                .flatten()
            {
                remove_partial(&directory.join(&name[1..end + 5]))?;
            }
            if parts(&path).is_some() {
                files.push(path);
            }
        }
        files.sort_by_key(|path| std::cmp::Reverse(parts(path).map(|(epochs, _)| epochs)));
        Ok(files)
    }

    /// The latest that is whole, where it is asked for and there is one; `warn` hears of those that are not.
    pub fn latest(&mut self, warn: &dyn Fn(&str)) -> Result<Option<Paused>> {
        let files = self.files()?;
        if !self.to.resume || files.is_empty() {
            return Ok(None);
        }
        let (own, others): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|path| parts(path).is_some_and(|(_, f)| f == self.fingerprint));
        if own.is_empty() {
            let other = others
                .first()
                .and_then(|path| parts(path))
                .map_or("", |(_, fingerprint)| fingerprint);
            return Err(Error::new(
                Code::InvalidOption,
                "the checkpoints there are of a fit with another recipe, other rows or another start",
            )
            .at(self.to.directory.display().to_string())
            .expected(format!("the fingerprint {}", self.fingerprint))
            .received(other)
            .hint("Give each fit a directory of its own; only the number of epochs may change between kill and resume."));
        }
        let mut first = None;
        for path in &own {
            let read = fs::read(path).map_err(|e| failed("reading", path, &e)).and_then(Paused::from_bytes);
            match read {
                Ok(paused) => {
                    self.own = own.into_iter().rev().collect();
                    return Ok(Some(paused));
                }
                Err(error) => {
                    let error = Error {
                        place: Some(path.display().to_string()),
                        ..error
                    };
                    warn(&format!(
                        "the checkpoint {} cannot be used ({}); the one before it is taken",
                        path.display(),
                        error.message
                    ));
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(error) => {
                Err(error.hint("No checkpoint in the folder can be used: without resume the fit begins anew and replaces them."))
            }
            None => Ok(None),
        }
    }

    /// Whether it is time.
    pub fn is_due(&self) -> bool {
        self.last.elapsed() >= self.to.every
    }

    /// Writes one after so many epochs, and removes those that are not kept.
    pub fn write(&mut self, epochs: usize, paused: &Paused) -> Result<()> {
        let path = self.to.directory.join(format!("epoch-{epochs:06}-{}.fit", self.fingerprint));
        atomic_write(&path, &paused.to_bytes()?)?;
        self.own.retain(|old| *old != path);
        self.own.push(path);
        let kept = self.own.len().saturating_sub(self.to.keep.max(1));
        self.own.drain(..kept);
        for old in self.files()? {
            if !self.own.contains(&old) {
                fs::remove_file(&old).map_err(|e| failed("removing an old checkpoint", &old, &e))?;
            }
        }
        self.last = Instant::now();
        Ok(())
    }
}
