//! IDX, the format of MNIST: big-endian header `0 0 type rank`, one u32 a dimension, then the values, big-endian.
//!
//! Source: LeCun, Cortes, Burges, <http://yann.lecun.com/exdb/mnist/>. Gzip is recognised by its magic bytes.
//! The header's claim is never trusted: memory grows with the bytes that are really there.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use nabla_error::{Code, Error, Result};

use crate::watched::{Watch, Watched};
use crate::{io_error, reserve};

/// No IDX file in the wild has more than four axes.
pub const MAX_RANK: usize = 8;

/// How a compressed file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The type of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Type byte 0x08.
    U8,
    /// Type byte 0x09.
    I8,
    /// Type byte 0x0B.
    I16,
    /// Type byte 0x0C.
    I32,
    /// Type byte 0x0D.
    F32,
    /// Type byte 0x0E.
    F64,
}

/// What a file holds, without its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Sizes of the axes, the rows first.
    pub shape: Vec<usize>,
    /// The type of the values.
    pub kind: Kind,
    /// The byte of the first.
    pub start: u64,
}

/// The values of an IDX file, in their own type.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Type byte 0x08.
    U8(Vec<u8>),
    /// Type byte 0x09.
    I8(Vec<i8>),
    /// Type byte 0x0B.
    I16(Vec<i16>),
    /// Type byte 0x0C.
    I32(Vec<i32>),
    /// Type byte 0x0D.
    F32(Vec<f32>),
    /// Type byte 0x0E.
    F64(Vec<f64>),
}

/// An array read from an IDX file: row-major, `values.len()` is the product of `shape`.
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// Sizes of the axes, the rows first.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Values,
}

impl Values {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Values::U8(v) => v.len(),
            Values::I8(v) => v.len(),
            Values::I16(v) => v.len(),
            Values::I32(v) => v.len(),
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads an IDX file, plain or gzip.
pub fn read(path: &Path) -> Result<Idx> {
    read_watched(path, &|_, _| Ok(()))
}

/// The same, telling `watch` now and then how far it is.
///
/// # Errors
/// As [`read`], and those of `watch`.
pub fn read_watched(path: &Path, watch: &Watch) -> Result<Idx> {
    let refused = RefCell::new(None);
    let file = Watched::open(path, watch, &refused)?;
    let read = from_reader(BufReader::with_capacity(1 << 18, file)).map_err(|error| error.at(path.display().to_string()));
    refused.take().map_or(read, Err)
}

/// What a plain file holds, and from which byte on.
///
/// # Errors
/// `IO`; `DATA_FORMAT` for a file that is no IDX or of another size than it says, `INVALID_OPTION` for one that is compressed.
pub fn header(path: &Path) -> Result<Header> {
    let place = || path.display().to_string();
    let mut file = File::open(path).map_err(|error| io_error("reading", path, &error))?;
    let length = file.metadata().map_err(|error| io_error("reading", path, &error))?.len();
    let mut magic = Vec::new();
    let read = file.by_ref().take(4 + 4 * MAX_RANK as u64).read_to_end(&mut magic);
    read.map_err(|error| io_error("reading", path, &error))?;
    if magic.starts_with(&GZIP) {
        return Err(Error::option(
            "inMemory",
            "to be true for a compressed file, whose rows cannot be read by position",
            false,
        )
        .at(place())
        .hint("Unpack it first (gunzip)."));
    }
    let (kind, shape, bytes) = head(&mut magic.as_slice()).map_err(|error| error.at(place()))?;
    let start = 4 + 4 * shape.len() as u64;
    if length != start + bytes as u64 {
        return Err(Error::new(
            Code::DataFormat,
            format!("the file is longer or shorter than its header {shape:?} says"),
        )
        .at(place())
        .expected(format!("{} bytes", start + bytes as u64))
        .received(format!("{length} bytes")));
    }
    Ok(Header { shape, kind, start })
}

/// The same from bytes in memory.
pub fn parse(bytes: &[u8]) -> Result<Idx> {
    from_reader(bytes)
}

fn from_reader(mut reader: impl BufRead) -> Result<Idx> {
    let start = reader.fill_buf().map_err(|error| broken(&error))?;
    if start.starts_with(&GZIP) {
        decode(MultiGzDecoder::new(reader))
    } else {
        decode(reader)
    }
}

fn broken(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::new(Code::DataFormat, "the file ends too early").hint("Fetch it again: it was cut."),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
            Error::new(Code::DataFormat, format!("the gzip stream is damaged: {error}"))
        }
        _ => Error::new(Code::Io, format!("reading failed: {error}")),
    }
}

/// The type, the shape, and how many bytes of values follow.
fn head(reader: &mut impl Read) -> Result<(Kind, Vec<usize>, usize)> {
    let mut magic = [0u8; 4];
    reader.read_exact(&mut magic).map_err(|error| broken(&error))?;
    let [0, 0, kind, rank] = magic else {
        return Err(Error::new(Code::DataFormat, "not an IDX file")
            .expected("two zero bytes at the start")
            .received(format!("{:02x} {:02x}", magic[0], magic[1])));
    };
    let (kind, size) = match kind {
        0x08 => (Kind::U8, 1),
        0x09 => (Kind::I8, 1),
        0x0b => (Kind::I16, 2),
        0x0c => (Kind::I32, 4),
        0x0d => (Kind::F32, 4),
        0x0e => (Kind::F64, 8),
        _ => {
            return Err(Error::new(Code::DataFormat, format!("unknown IDX type 0x{kind:02x}"))
                .expected("0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), 0x0d (f32) or 0x0e (f64)"));
        }
    };
    let rank = usize::from(rank);
    if rank == 0 || rank > MAX_RANK {
        return Err(Error::new(Code::DataFormat, format!("expected 1 to {MAX_RANK} axes, got {rank}")));
    }
    let mut shape = Vec::with_capacity(rank);
    for _ in 0..rank {
        let mut axis = [0u8; 4];
        reader.read_exact(&mut axis).map_err(|error| broken(&error))?;
        shape.push(u32::from_be_bytes(axis) as usize);
    }
    let bytes = shape
        .iter()
        .try_fold(size, |n: usize, &axis| n.checked_mul(axis))
        .filter(|&n| n <= isize::MAX as usize)
        .ok_or_else(|| {
            Error::new(
                Code::DataFormat,
                format!("the header claims more than this machine can hold: {shape:?}"),
            )
        })?;
    Ok((kind, shape, bytes))
}

fn decode(mut reader: impl Read) -> Result<Idx> {
    let (kind, shape, bytes) = head(&mut reader)?;
    let raw = read_exactly(&mut reader, bytes, &shape)?;
    if reader.read(&mut [0u8; 1]).map_err(|error| broken(&error))? != 0 {
        return Err(Error::new(
            Code::DataFormat,
            format!("bytes follow the {bytes} that the header {shape:?} announces"),
        ));
    }
    let values = match kind {
        Kind::U8 => Values::U8(raw),
        Kind::I8 => Values::I8(raw.iter().map(|&b| b as i8).collect()),
        Kind::I16 => Values::I16(big_endian(&raw, i16::from_be_bytes)?),
        Kind::I32 => Values::I32(big_endian(&raw, i32::from_be_bytes)?),
        Kind::F32 => Values::F32(big_endian(&raw, f32::from_be_bytes)?),
        Kind::F64 => Values::F64(big_endian(&raw, f64::from_be_bytes)?),
    };
    Ok(Idx { shape, values })
}

/// Reads `bytes` bytes in pieces of 16 MiB, so a header that lies costs no more memory than the file has.
fn read_exactly(reader: &mut impl Read, bytes: usize, shape: &[usize]) -> Result<Vec<u8>> {
    const PIECE: usize = 16 << 20;
    let mut raw = Vec::new();
    while raw.len() < bytes {
        let piece = PIECE.min(bytes - raw.len());
        reserve(&mut raw, piece)?;
        let got = reader.take(piece as u64).read_to_end(&mut raw).map_err(|error| broken(&error))?;
        if got < piece {
            return Err(Error::new(Code::DataFormat, format!("the file ends too early: header {shape:?}"))
                .expected(format!("{bytes} bytes of values"))
                .received(format!("{} bytes", raw.len()))
                .hint("Fetch it again: it was cut."));
        }
    }
    Ok(raw)
}

fn big_endian<T, const N: usize>(raw: &[u8], convert: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let mut values = Vec::new();
    reserve(&mut values, raw.len() / N)?;
    values.extend(raw.as_chunks::<N>().0.iter().map(|&bytes| convert(bytes)));
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(kind: u8, shape: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, shape.len() as u8];
        shape.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_every_type_plain_and_gzip() {
        let cases = [
            (file(8, &[2, 2], &[0, 1, 128, 255]), Values::U8(vec![0, 1, 128, 255])),
            (file(9, &[2], &[1, 255]), Values::I8(vec![1, -1])),
            (file(0x0b, &[2], &[0x01, 0x02, 0xff, 0xfe]), Values::I16(vec![258, -2])),
            (file(0x0c, &[1], &(-70000i32).to_be_bytes()), Values::I32(vec![-70000])),
            (file(0x0d, &[1], &1.5f32.to_be_bytes()), Values::F32(vec![1.5])),
            (file(0x0e, &[1], &(-0.1f64).to_be_bytes()), Values::F64(vec![-0.1])),
            (file(8, &[0, 28], &[]), Values::U8(vec![])),
        ];
        for (bytes, values) in cases {
            assert_eq!(parse(&bytes).unwrap().values, values);
            assert_eq!(parse(&gzip(&bytes)).unwrap().values, values);
        }
    }

    #[test]
    fn every_cut_and_every_surplus_byte_is_an_error() {
        let plain = file(0x0b, &[2, 3], &[7; 12]);
        for bytes in [plain.clone(), gzip(&plain)] {
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]).unwrap_err().code, Code::DataFormat, "cut at {cut}");
            }
            let longer = [bytes, vec![0]].concat();
            assert_eq!(parse(&longer).unwrap_err().code, Code::DataFormat);
        }
    }

    #[test]
    fn flipped_bits_never_panic_and_a_lying_header_costs_no_memory() {
        let plain = file(8, &[2, 3], &[1, 2, 3, 4, 5, 6]);
        for bytes in [plain.clone(), gzip(&plain)] {
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let _ = parse(&bytes);
            }
        }
        for shape in [&[u32::MAX, 4][..], &[u32::MAX; 8][..]] {
            assert_eq!(parse(&file(8, shape, &[1])).unwrap_err().code, Code::DataFormat);
        }
        assert_eq!(parse(&file(8, &[1; 9], &[1])).unwrap_err().code, Code::DataFormat);
        assert_eq!(parse(&file(7, &[1], &[1])).unwrap_err().code, Code::DataFormat);
    }

    #[test]
    fn the_path_is_named() {
        let error = read(Path::new("/nowhere/images.gz")).unwrap_err();
        assert_eq!((error.code, error.place.as_deref()), (Code::Io, Some("/nowhere/images.gz")));
    }
}
