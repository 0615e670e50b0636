//! A file that tells how far it is read.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nabla_error::{Error, Result};

use crate::io_error;

/// Called with the bytes read so far and all there are; an error ends the reading.
pub type Watch<'a> = dyn Fn(u64, u64) -> Result<()> + 'a;

/// Bytes from one call of a watch to the next.
const WATCHED: u64 = 8 << 20;

/// A file with a watch.
pub(crate) struct Watched<'a> {
    file: File,
    done: u64,
    said: u64,
    total: u64,
    watch: &'a Watch<'a>,
    /// What the watch said, which an error of reading cannot carry.
    refused: &'a RefCell<Option<Error>>,
}

impl<'a> Watched<'a> {
    pub fn open(path: &Path, watch: &'a Watch<'a>, refused: &'a RefCell<Option<Error>>) -> Result<Self> {
        let file = File::open(path).map_err(|error| io_error("reading", path, &error))?;
        let total = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(Self {
            file,
            done: 0,
            said: 0,
            total,
            watch,
            refused,
        })
    }
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
