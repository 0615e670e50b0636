//! Bytes of other encodings as UTF-8, while they are read.

use std::io::{self, Cursor, Read};

use nabla_error::{Code, Error, Result};
use serde::Deserialize;

/// What the bytes of a text are. Names as of the WHATWG's Encoding Standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Encoding {
    /// Passed on as they are.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Two bytes a unit, the lower first: what Excel calls Unicode text.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// The higher first.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// One byte a character: Latin-1 (ISO 8859-1) with `€ ‚ ƒ „ …` from 0x80 to 0x9f, as the standard reads Latin-1 too.
    #[serde(rename = "windows-1252", alias = "latin1", alias = "iso-8859-1")]
    Windows1252,
}

/// 0x80 to 0x9f of windows-1252; of the five that it leaves out, the control characters of the same number (WHATWG, index-windows-1252).
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The source as UTF-8, without a byte-order mark.
///
/// # Errors
/// `DATA_FORMAT` for a mark that contradicts the encoding.
pub(super) fn decoded<R: Read>(mut source: R, encoding: Option<Encoding>) -> Result<Decoded<R>> {
    let mut start = Vec::with_capacity(3);
    let read = source.by_ref().take(3).read_to_end(&mut start);
    read.map_err(|error| Error::new(Code::Io, format!("reading failed: {error}")))?;
    let marked = match start.as_slice() {
        [0xef, 0xbb, 0xbf] => Some((Encoding::Utf8, 3)),
        [0xff, 0xfe, ..] => Some((Encoding::Utf16Le, 2)),
        [0xfe, 0xff, ..] => Some((Encoding::Utf16Be, 2)),
        _ => None,
    };
    // Of one byte a character, a mark is a text like any other.
    let marked = marked.filter(|_| encoding != Some(Encoding::Windows1252));
    if let (Some((found, _)), Some(said)) = (marked, encoding)
        && found != said
    {
        return Err(Error::new(Code::DataFormat, format!("the file begins with the mark of {found:?}"))
            .expected(format!("{said:?}, as `encoding` says"))
            .received(format!("{found:?}"))
            .hint("Leave `encoding` out: the mark says it."));
    }
    start.drain(..marked.map_or(0, |(_, length)| length));
    Ok(Decoded {
        source: Cursor::new(start).chain(source),
        encoding: marked.map(|(found, _)| found).or(encoding).unwrap_or(Encoding::Utf8),
        bytes: Vec::new(),
        ready: Vec::new(),
        given: 0,
    })
}

/// Reads one encoding and gives UTF-8.
pub(super) struct Decoded<R> {
    source: io::Chain<Cursor<Vec<u8>>, R>,
    encoding: Encoding,
    /// Bytes that are not a whole character yet.
    bytes: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.encoding == Encoding::Utf8 {
            return self.source.read(buffer);
        }
        while self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            let kept = self.bytes.len();
            let got = self.source.by_ref().take(1 << 16).read_to_end(&mut self.bytes)?;
            if got == 0 {
                return match kept {
                    0 => Ok(0),
                    _ => Err(broken()),
                };
            }
            self.decode()?;
        }
        let count = buffer.len().min(self.ready.len() - self.given);
        buffer[..count].copy_from_slice(&self.ready[self.given..][..count]);
        self.given += count;
        Ok(count)
    }
}

impl<R> Decoded<R> {
    fn decode(&mut self) -> io::Result<()> {
        let mut put = |c: char| self.ready.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        let unit = |pair: [u8; 2]| match self.encoding {
            Encoding::Utf16Be => u16::from_be_bytes(pair),
            _ => u16::from_le_bytes(pair),
        };
        if self.encoding == Encoding::Windows1252 {
            for &byte in &self.bytes {
                put(if (0x80..0xa0).contains(&byte) {
                    HIGH[byte as usize - 0x80]
                } else {
                    char::from(byte)
                });
            }
            self.bytes.clear();
            return Ok(());
        }
        let (pairs, _) = self.bytes.as_chunks::<2>();
        // The first half of a character waits for the second.
        let open = pairs.last().is_some_and(|&pair| (0xd800..0xdc00).contains(&unit(pair)));
        let whole = pairs.len() - usize::from(open);
        for c in char::decode_utf16(pairs[..whole].iter().map(|&pair| unit(pair))) {
            put(c.map_err(|_| broken())?);
        }
        self.bytes.drain(..whole * 2);
        Ok(())
    }
}

/// As an error of reading, which csv passes on.
fn broken() -> io::Error {
    let error = Error::new(Code::DataFormat, "the text is not valid UTF-16")
        .expected("UTF-16")
        .hint("The file was cut, or has another encoding.");
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], encoding: Option<Encoding>) -> String {
        let mut out = String::new();
        decoded(bytes, encoding).unwrap().read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn reads_what_a_mark_or_an_option_says() {
        let words = "naïve €5, 日本 🦀";
        let le: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = words.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(text(&le, Some(Encoding::Utf16Le)), words);
        assert_eq!(text(&[&[0xfe, 0xff][..], &be].concat(), None), words);
        assert_eq!(text(&[&[0xff, 0xfe][..], &le].concat(), Some(Encoding::Utf16Le)), words);
        assert_eq!(text(&[&[0xef, 0xbb, 0xbf][..], words.as_bytes()].concat(), None), words);
        assert_eq!(text(b"na\xefve \x805\x99", Some(Encoding::Windows1252)), "naïve €5™");
        assert_eq!(text(b"", None), "");
        // Halves of characters at the end of a block.
        let long = "🦀".repeat(40_000);
        let units: Vec<u8> = [0x61u16]
            .into_iter()
            .chain(long.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(text(&units, Some(Encoding::Utf16Le)), format!("a{long}"));
    }

    #[test]
    fn cut_or_contradicting_text_is_refused() {
        let mut out = String::new();
        for bytes in [&[0x61, 0, 0x62][..], &[0x61, 0, 0x3e, 0xd8], &[0x00, 0xdc]] {
            assert!(
                decoded(bytes, Some(Encoding::Utf16Le)).unwrap().read_to_string(&mut out).is_err(),
                "{bytes:?}"
            );
        }
        let error = decoded(&[0xff, 0xfe, 0x61, 0][..], Some(Encoding::Utf8)).err().unwrap();
        assert_eq!(error.code, Code::DataFormat);
    }
}
