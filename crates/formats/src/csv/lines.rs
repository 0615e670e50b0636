//! Lines as editors count them.

use std::io::{self, BufRead, BufReader, Read};

/// The line, counted from 1, on which the record begins that a reader has at `byte`; blank lines in front of it are not its own.
/// A line ends with `\n`, `\r\n` or `\r`.
pub(super) fn line_at(source: impl Read, byte: u64) -> io::Result<u64> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let (mut line, mut after_return, mut at) = (1, false, 0u64);
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Ok(line);
        }
        for &byte_here in bytes {
            let ends = byte_here == b'\r' || byte_here == b'\n';
            if at >= byte && !ends {
                return Ok(line);
            }
            line += u64::from(ends && !(byte_here == b'\n' && after_return));
            after_return = byte_here == b'\r';
            at += 1;
        }
        let length = bytes.len();
        source.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_end_of_line_once() {
        let text = b"a\r\nb\rc\n\n\r\nd";
        let line = |byte| line_at(&text[..], byte).unwrap();
        assert_eq!([line(0), line(3), line(5), line(7), line(10)], [1, 2, 3, 6, 6]);
    }
}
