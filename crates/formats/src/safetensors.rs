//! safetensors, the format of weights: 8 bytes little-endian header length, a JSON header, the values.
//!
//! Source: Hugging Face, <https://github.com/huggingface/safetensors> (*Format*). The writer is ours: it goes through
//! [`atomic_write`](crate::atomic_write) and adds a CRC-32 of everything as metadata, so a torn or rotten file is found.
//! The reader uses their crate and is stricter: a header of at most 16 MiB (theirs: 100 MB), no name twice, no tensor
//! without elements (two of those could share an offset); overlaps, gaps and trailing bytes are refused by both.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

use flate2::Crc;
use nabla_error::{Code, Error, Result};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use crate::atomic_write::atomic_write_with;
use crate::{io_error, nearest, reserve};

/// The longest header that is read or written.
pub const MAX_HEADER: usize = 16 << 20;

const CHECKSUM: &str = "nabla.crc32";
const UNSET: &str = "00000000";

/// The values of a tensor to be written.
#[derive(Clone, Copy, Debug)]
pub enum Data<'a> {
    /// `F32`.
    F32(&'a [f32]),
    /// `F64`.
    F64(&'a [f64]),
    /// `U8`.
    U8(&'a [u8]),
    /// `U32`.
    U32(&'a [u32]),
    /// `U64`.
    U64(&'a [u64]),
    /// Values that are not in memory at once.
    Stream(Stream<'a>),
}

/// Calls what it is given with one piece of bytes after the other.
pub type Pieces<'a> = dyn Fn(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> + 'a;

/// Values that come in pieces, the same each time.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    /// Name of the type in the file, and its bytes.
    pub kind: (&'static str, usize),
    /// How many.
    pub length: usize,
    /// Their bytes, little-endian.
    pub pieces: &'a Pieces<'a>,
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} values of type {}", self.length, self.kind.0)
    }
}

/// A tensor to be written, row-major.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// Unique in its file.
    pub name: &'a str,
    /// `[]` for a single number; no axis may be 0.
    pub shape: &'a [usize],
    /// As many values as the shape says.
    pub data: Data<'a>,
}

impl Data<'_> {
    fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::U8(values) => values.len(),
            Data::U32(values) => values.len(),
            Data::U64(values) => values.len(),
            Data::Stream(stream) => stream.length,
        }
    }

    fn kind(&self) -> (&'static str, usize) {
        match self {
            Data::F32(_) => ("F32", 4),
            Data::F64(_) => ("F64", 8),
            Data::U8(_) => ("U8", 1),
            Data::U32(_) => ("U32", 4),
            Data::U64(_) => ("U64", 8),
            Data::Stream(stream) => stream.kind,
        }
    }

    /// The values, little-endian, in pieces.
    fn pieces(&self, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        fn each<T: Copy, const N: usize>(
            values: &[T],
            bytes: impl Fn(T) -> [u8; N],
            take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
        ) -> io::Result<()> {
            let mut piece = Vec::with_capacity(8192 * N);
            for values in values.chunks(8192) {
                piece.clear();
                values.iter().for_each(|&value| piece.extend_from_slice(&bytes(value)));
                take(&piece)?;
            }
            Ok(())
        }
        match self {
            Data::F32(values) => each(values, f32::to_le_bytes, take),
            Data::F64(values) => each(values, f64::to_le_bytes, take),
            Data::U8(values) => take(values),
            Data::U32(values) => each(values, u32::to_le_bytes, take),
            Data::U64(values) => each(values, u64::to_le_bytes, take),
            Data::Stream(stream) => (stream.pieces)(take),
        }
    }
}

/// Writes a file whole or not at all; `metadata` are texts of the caller's.
///
/// # Errors
/// `INVALID_DATA` for names twice, shapes that do not fit, tensors without elements; `IO` with path and cause.
pub fn write(path: &Path, tensors: &[Tensor], metadata: &BTreeMap<String, String>) -> Result<()> {
    let (tensors, header) = checked_header(tensors, metadata).map_err(|error| error.at(path.display().to_string()))?;
    atomic_write_with(path, |out| write_to(out, &tensors, &header))
}

/// The same into memory.
pub fn to_bytes(tensors: &[Tensor], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let (tensors, header) = checked_header(tensors, metadata)?;
    let mut bytes = Vec::new();
    write_to(&mut bytes, &tensors, &header).map_err(|error| Error::new(Code::Io, error.to_string()))?;
    Ok(bytes)
}

/// The widest types first, so every tensor starts aligned; the header with its checksum already in it.
fn checked_header<'a, 'b>(tensors: &'b [Tensor<'a>], metadata: &BTreeMap<String, String>) -> Result<(Vec<&'b Tensor<'a>>, Vec<u8>)> {
    let mut sorted: Vec<&Tensor> = tensors.iter().collect();
    sorted.sort_by_key(|tensor| std::cmp::Reverse(tensor.data.kind().1));
    let mut names = HashSet::new();
    let mut metadata = metadata.clone();
    metadata.insert(CHECKSUM.to_owned(), UNSET.to_owned());
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), serde_json::json!(metadata));
    let mut start = 0usize;
    for tensor in &sorted {
        let elements = tensor.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
        let fits = elements == Some(tensor.data.len()) && elements != Some(0);
        if !fits || tensor.name == "__metadata__" || !names.insert(tensor.name) {
            let message = format!(
                "tensor {:?} of shape {:?} with {} values",
                tensor.name,
                tensor.shape,
                tensor.data.len()
            );
            return Err(
                Error::new(Code::InvalidData, message).expected("names that differ, shapes that hold their values, no empty tensor")
            );
        }
        let (dtype, size) = tensor.data.kind();
        let end = start + tensor.data.len() * size;
        header.insert(
            tensor.name.to_owned(),
            serde_json::json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end] }),
        );
        start = end;
    }
    let mut header = serde_json::to_vec(&header).map_err(|error| Error::internal(error.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() > MAX_HEADER {
        return Err(Error::new(
            Code::InvalidData,
            format!("a header of {} bytes is more than the 16 MiB allowed", header.len()),
        ));
    }
    let at = checksum_position(&header).ok_or_else(|| Error::internal("a header without its checksum"))?;
    let mut crc = Crc::new();
    crc.update(&header);
    for tensor in &sorted {
        let summed = tensor.data.pieces(&mut |bytes| {
            crc.update(bytes);
            Ok(())
        });
        summed.map_err(|error| Error::new(Code::Io, error.to_string()))?;
    }
    header[at].copy_from_slice(format!("{:08x}", crc.sum()).as_bytes());
    Ok((sorted, header))
}

fn write_to(out: &mut dyn Write, tensors: &[&Tensor], header: &[u8]) -> io::Result<()> {
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    tensors
        .iter()
        .try_for_each(|tensor| tensor.data.pieces(&mut |bytes| out.write_all(bytes)))
}

/// Where the checksum's eight digits stand. Quotes inside a JSON string are escaped, so the pattern is found as a key only.
fn checksum_position(header: &[u8]) -> Option<Range<usize>> {
    let pattern = format!("\"{CHECKSUM}\":\"");
    let start = memchr::memmem::find(header, pattern.as_bytes())? + pattern.len();
    (header.get(start + UNSET.len()) == Some(&b'"')).then_some(start..start + UNSET.len())
}

/// A file that was read and checked.
#[derive(Clone, Debug)]
pub struct Archive {
    metadata: BTreeMap<String, String>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    sealed: bool,
}

/// What the header says of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// `F32`, `F64`, `I64`, …
    pub dtype: String,
    range: Range<usize>,
}

/// Reads a whole file.
///
/// # Errors
/// `DATA_FORMAT` for anything the format or this reader does not allow, or a checksum that differs.
pub fn read(path: &Path) -> Result<Archive> {
    let place = || path.display().to_string();
    let mut file = File::open(path).map_err(|error| io_error("reading", path, &error))?;
    let length = file.metadata().map_err(|error| io_error("reading", path, &error))?.len();
    let mut bytes = Vec::new();
    reserve(&mut bytes, usize::try_from(length).unwrap_or(usize::MAX)).map_err(|error| error.at(place()))?;
    file.read_to_end(&mut bytes).map_err(|error| io_error("reading", path, &error))?;
    parse(bytes).map_err(|error| error.at(place()))
}

/// The same from bytes in memory.
pub fn parse(bytes: Vec<u8>) -> Result<Archive> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged("the file ends within its first 8 bytes"));
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_HEADER {
        return Err(damaged(format!("the header claims {length} bytes, at most {MAX_HEADER} are read")));
    }
    let Some(header) = rest.get(..length) else {
        return Err(damaged(format!("the header claims {length} bytes, the file has {}", rest.len())));
    };
    serde_json::from_slice::<UniqueKeys>(header).map_err(|error| damaged(format!("the header: {error}")))?;
    let sealed = verify(header, &rest[length..])?;
    let (_, described) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
    let views = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    let base = bytes.as_ptr().addr();
    let mut entries = Vec::with_capacity(views.len());
    for (name, view) in views.iter() {
        if view.data().is_empty() {
            return Err(damaged(format!("tensor {name:?} has no elements")));
        }
        let start = view.data().as_ptr().addr() - base;
        let (shape, dtype) = (view.shape().to_vec(), format!("{:?}", view.dtype()));
        entries.push(Entry {
            name: name.to_owned(),
            shape,
            dtype,
            range: start..start + view.data().len(),
        });
    }
    entries.sort_by_key(|entry| entry.range.start);
    let metadata = described.metadata().iter().flatten().filter(|(key, _)| key.as_str() != CHECKSUM);
    let metadata = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(Archive {
        metadata,
        entries,
        bytes,
        sealed,
    })
}

/// What a file holds and where, without its values.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The texts beside the tensors.
    pub metadata: BTreeMap<String, String>,
    /// The tensors, by the bytes of the file.
    pub entries: Vec<Entry>,
}

impl Directory {
    /// The entry of a tensor.
    ///
    /// # Errors
    /// `DATA_FORMAT` when there is none.
    pub fn entry(&self, name: &str) -> Result<&Entry> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        found.ok_or_else(|| damaged(format!("there is no tensor {name:?}")))
    }
}

impl Entry {
    /// Where its bytes lie in the file.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

/// Reads the header and compares the checksum, which a file must have, in one pass with little memory; `watch` hears how many bytes of how
/// many, an error of its ends it.
///
/// # Errors
/// As [`read`], and those of `watch`.
pub fn directory(path: &Path, watch: &dyn Fn(u64, u64) -> Result<()>) -> Result<Directory> {
    let failed = |error: io::Error| io_error("reading", path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let mut directory = || -> Result<Directory> {
        let mut header = vec![0; 8];
        file.read_exact(&mut header)
            .map_err(|_| damaged("the file ends within its first 8 bytes"))?;
        let length = header.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if length > MAX_HEADER as u64 || length + 8 > total {
            return Err(damaged(format!("the header claims {length} bytes, at most {MAX_HEADER} are read")));
        }
        header.resize(length as usize + 8, 0);
        file.read_exact(&mut header[8..]).map_err(failed)?;
        serde_json::from_slice::<UniqueKeys>(&header[8..]).map_err(|error| damaged(format!("the header: {error}")))?;
        let (metadata, entries) = described(&header[8..], header.len())?;
        let end = entries.last().map_or(header.len(), |entry| entry.range.end);
        if end as u64 != total {
            return Err(damaged("the file is longer or shorter than its header says")
                .expected(format!("{end} bytes"))
                .received(format!("{total} bytes")));
        }
        let at = checksum_position(&header[8..]).ok_or_else(|| damaged("it has no checksum of nabla's"))?;
        let mut crc = Crc::new();
        crc.update(&header[8..][..at.start]);
        crc.update(UNSET.as_bytes());
        crc.update(&header[8..][at.end..]);
        let mut piece = vec![0; 1 << 20];
        let mut done = header.len() as u64;
        loop {
            let got = file.read(&mut piece).map_err(failed)?;
            if got == 0 {
                break;
            }
            crc.update(&piece[..got]);
            done += got as u64;
            watch(done, total)?;
        }
        compare(&header[8..][at], crc.sum())?;
        Ok(Directory { metadata, entries })
    };
    directory().map_err(|error| error.at(path.display().to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The texts and the tensors of a header, whose values begin at `start`: without gaps and overlaps, each as large as its shape says.
fn described(header: &[u8], start: usize) -> Result<(BTreeMap<String, String>, Vec<Entry>)> {
    let wrong = |error: serde_json::Error| damaged(format!("the header: {error}"));
    let mut all: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).map_err(wrong)?;
    let metadata = all.remove("__metadata__").unwrap_or_else(|| serde_json::json!({}));
    let mut metadata: BTreeMap<String, String> = serde_json::from_value(metadata).map_err(wrong)?;
    metadata.remove(CHECKSUM);
    let mut entries = Vec::with_capacity(all.len());
    for (name, value) in all {
        let Described {
            dtype,
            shape,
            data_offsets,
        } = serde_json::from_value(value).map_err(wrong)?;
        let size = match dtype.as_str() {
            "U8" => 1,
            "F32" | "U32" => 4,
            "F64" | "U64" => 8,
            _ => return Err(damaged(format!("tensor {name:?} has type {dtype}"))),
        };
        let [from, to] = data_offsets;
        let bytes = shape.iter().try_fold(size, |n: usize, &axis| n.checked_mul(axis));
        if bytes.is_none_or(|bytes| bytes == 0 || from.checked_add(bytes) != Some(to) || to.checked_add(start).is_none()) {
            return Err(damaged(format!("tensor {name:?} of shape {shape:?} does not fill its bytes")));
        }
        let range = start + from..start + to;
        entries.push(Entry { name, shape, dtype, range });
    }
    entries.sort_by_key(|entry| entry.range.start);
    let mut at = start;
    for entry in &entries {
        if entry.range.start != at {
            return Err(damaged(format!("tensor {:?} does not begin where the one before ends", entry.name)));
        }
        at = entry.range.end;
    }
    Ok((metadata, entries))
}

/// Whether there is a checksum; an error when it differs.
fn verify(header: &[u8], data: &[u8]) -> Result<bool> {
    let Some(at) = checksum_position(header) else { return Ok(false) };
    let mut crc = Crc::new();
    crc.update(&header[..at.start]);
    crc.update(UNSET.as_bytes());
    crc.update(&header[at.end..]);
    crc.update(data);
    compare(&header[at], crc.sum())?;
    Ok(true)
}

fn compare(written: &[u8], found: u32) -> Result<()> {
    let found = format!("{found:08x}");
    if written != found.as_bytes() {
        return Err(damaged("the checksum differs: the file was cut or changed after it was written")
            .expected(String::from_utf8_lossy(written))
            .received(found));
    }
    Ok(())
}

fn damaged(message: impl Into<String>) -> Error {
    Error::new(Code::DataFormat, format!("not a sound safetensors file: {}", message.into()))
}

impl Archive {
    /// The texts beside the tensors.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The tensors in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether the file carries our checksum (and then it was right); one from elsewhere has none.
    pub fn sealed(&self) -> bool {
        self.sealed
    }

    /// The entry of a tensor.
    ///
    /// # Errors
    /// `DATA_FORMAT` with the nearest name when there is none.
    pub fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let error = Error::new(Code::DataFormat, format!("there is no tensor {name:?}"));
            match nearest(name, self.entries.iter().map(|entry| entry.name.as_str())) {
                Some(near) => error.hint(format!("The nearest is {near:?}.")),
                None => error,
            }
        })
    }

    /// The little-endian bytes of a tensor.
    pub fn bytes(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.range.clone()).unwrap_or_default()
    }

    /// The values of an `F32`, `F64`, `U8`, `U32` or `U64` tensor as f64 (integers beyond 2⁵³ are rounded).
    ///
    /// # Errors
    /// `DATA_FORMAT` when there is no such tensor or it has another type; `OUT_OF_MEMORY`.
    pub fn f64(&self, name: &str) -> Result<Vec<f64>> {
        let entry = self.entry(name)?;
        let bytes = self.bytes(entry);
        match entry.dtype.as_str() {
            "F32" => convert(bytes, |b| f64::from(f32::from_le_bytes(b))),
            "F64" => convert(bytes, f64::from_le_bytes),
            "U8" => convert(bytes, |[b]: [u8; 1]| f64::from(b)),
            "U32" => convert(bytes, |b| f64::from(u32::from_le_bytes(b))),
            "U64" => convert(bytes, |b| u64::from_le_bytes(b) as f64),
            _ => Err(wrong_type(entry, "F32, F64, U8, U32 or U64")),
        }
    }

    /// The values of an `F32` tensor.
    ///
    /// # Errors
    /// As [`Archive::f64`].
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        let entry = self.entry(name)?;
        if entry.dtype == "F32" {
            convert(self.bytes(entry), f32::from_le_bytes)
        } else {
            Err(wrong_type(entry, "F32"))
        }
    }

    /// The values of a `U64` tensor.
    ///
    /// # Errors
    /// As [`Archive::f64`].
    pub fn u64(&self, name: &str) -> Result<Vec<u64>> {
        let entry = self.entry(name)?;
        if entry.dtype == "U64" {
            convert(self.bytes(entry), u64::from_le_bytes)
        } else {
            Err(wrong_type(entry, "U64"))
        }
    }
}

fn wrong_type(entry: &Entry, expected: &str) -> Error {
    Error::new(Code::DataFormat, format!("tensor {:?} has type {}", entry.name, entry.dtype))
        .expected(expected)
        .received(entry.dtype.clone())
}

fn convert<T, const N: usize>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let mut values = Vec::new();
    reserve(&mut values, bytes.len() / N)?;
    values.extend(bytes.as_chunks::<N>().0.iter().map(|&bytes| from(bytes)));
    Ok(values)
}

/// The keys of the header; serde's maps would silently keep the last of two equal ones.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = UniqueKeys;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<UniqueKeys, A::Error> {
                let mut keys = HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "__metadata__" {
                        map.next_value::<UniqueTexts>()?;
                    } else {
                        map.next_value::<Info>()?;
                    }
                    if let Some(twice) = keys.replace(key) {
                        return Err(serde::de::Error::custom(format!("the name {twice:?} occurs twice")));
                    }
                }
                Ok(UniqueKeys)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Metadata with no key twice.
struct UniqueTexts;

impl<'de> Deserialize<'de> for UniqueTexts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = UniqueTexts;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<UniqueTexts, A::Error> {
                let mut keys = HashSet::new();
                while let Some((key, _)) = map.next_entry::<String, String>()? {
                    if let Some(twice) = keys.replace(key) {
                        return Err(serde::de::Error::custom(format!("the metadata {twice:?} occurs twice")));
                    }
                }
                Ok(UniqueTexts)
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

/// One tensor of the header; a field twice is an error of serde's derive.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its checks only; the crate reads it again")]
struct Info {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

#[cfg(test)]
mod tests;
