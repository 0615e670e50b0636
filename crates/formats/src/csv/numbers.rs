//! The quick way through a file of nothing but numbers: blocks of lines, the halves of a block on two threads.
//!
//! Whatever is not plain (a quote, a text, a row of another length, a name twice, …) gives up, and the file is read from its start the careful way,
//! which is the one that knows what to say. So both give the same table. Memory: one block and the cells.

use std::io::Read;

use memchr::{memchr, memchr_iter, memrchr};
use nabla_error::{Code, Error, Result};

use super::column::Reader;
use super::{Encoding, Kind, MISSING, Options, Piece, Sink, number, start_columns};
use crate::{Cells, Column, Table, reserve};

/// Bytes read at once.
const BLOCK: usize = 8 << 20;
/// The most threads that parse.
const THREADS: usize = 4;

/// The table, or `None` where the careful way is needed.
///
/// # Errors
/// `IO`, `OUT_OF_MEMORY`.
pub(super) fn read(mut file: impl Read, options: &Options, sink: &mut dyn Sink) -> Result<Option<Table>> {
    // A marker that is itself a number has to be looked for in each cell.
    let marked = options.missing.iter().any(|marker| number(marker.as_bytes()).is_some());
    let plain = matches!(options.encoding, None | Some(Encoding::Utf8));
    if marked || !plain || !options.delimiter.is_ascii() || options.kinds.values().any(|kind| *kind != Kind::Number) {
        return Ok(None);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let mut block: Vec<u8> = Vec::new();
    let mut columns: Option<Vec<Cut>> = None;
    let mut rows = 0usize;
    // Whether a column has had a number yet: one of missing cells alone may be of any kind.
    let mut seen: Vec<bool> = Vec::new();
    loop {
        let kept = block.len();
        reserve(&mut block, BLOCK)?;
        let read = file.by_ref().take(BLOCK as u64).read_to_end(&mut block);
        read.map_err(|error| Error::new(Code::Io, format!("reading failed: {error}")))?;
        let at_end = block.len() < kept + BLOCK;
        let end = if at_end {
            block.len()
        } else {
            memrchr(b'\n', &block).map_or(0, |at| at + 1)
        };
        if memchr(b'"', &block[kept..]).is_some() || end == 0 && !at_end {
            return Ok(None);
        }
        let mut from = 0;
        if columns.is_none() {
            let Some((start, found)) = header(&block[..end], options, sink) else {
                return Ok(None);
            };
            from = start;
            seen = found.iter().map(|column| column.skipped).collect();
            columns = Some(found);
        }
        let Some(columns) = columns.as_mut() else { return Ok(None) };
        let mut pieces = Vec::with_capacity(threads);
        for left in (1..=threads).rev() {
            let half = from + (end - from) / left;
            let to = if left == 1 {
                end
            } else {
                memchr(b'\n', &block[half..end]).map_or(end, |at| half + at + 1)
            };
            pieces.push(&block[from..to]);
            from = to;
        }
        let shared: &[Cut] = columns;
        let parsed: Vec<Option<Vec<Vec<f64>>>> = std::thread::scope(|scope| {
            let spawned: Vec<_> = pieces
                .iter()
                .skip(1)
                .map(|piece| scope.spawn(move || parse(piece, shared, options)))
                .collect();
            let mut parsed = vec![parse(pieces[0], shared, options)];
            parsed.extend(spawned.into_iter().map(|thread| thread.join().ok().flatten()));
            parsed
        });
        for piece in parsed {
            let Some(piece) = piece else { return Ok(None) };
            for ((cells, seen), column) in piece.iter().zip(&mut seen).zip(columns.iter_mut()) {
                if !column.passed {
                    reserve(&mut column.cells, cells.len())?;
                    column.cells.extend_from_slice(cells);
                }
                *seen = *seen || cells.iter().any(|cell| !cell.is_nan());
            }
            let count = piece.iter().map(Vec::len).max().unwrap_or(0);
            rows += count;
            let passed = piece.iter().zip(columns.iter()).filter(|(_, column)| column.passed);
            let passed: Vec<Piece> = passed.map(|(cells, _)| Piece::Numbers(cells)).collect();
            if !passed.is_empty() {
                sink.rows(count, &passed)?;
            }
        }
        if at_end {
            break;
        }
        block.drain(..end);
    }
    let columns = columns.unwrap_or_default();
    if rows == 0 || rows >= MISSING as usize || seen.contains(&false) {
        return Ok(None);
    }
    let passed = columns.iter().filter(|column| column.passed).count();
    if passed > 0 {
        sink.finish(&vec![None; passed])?;
    }
    let column = |column: Cut| Column {
        name: column.name,
        cells: Cells::Numbers(column.cells),
    };
    Ok(Some(Table {
        rows,
        columns: columns.into_iter().map(column).collect(),
    }))
}

/// A column of numbers.
struct Cut {
    name: String,
    /// Its cells go to the sink.
    passed: bool,
    /// Its cells go nowhere.
    skipped: bool,
    cells: Vec<f64>,
}

/// Where the rows start, and the columns.
fn header(block: &[u8], options: &Options, sink: &mut dyn Sink) -> Option<(usize, Vec<Cut>)> {
    // A byte-order mark, whichever, is for the careful way.
    if block.first().is_none_or(|&byte| byte >= 0x80 || byte == b'\n' || byte == b'\r') {
        return None;
    }
    let line = memchr(b'\n', block)?;
    let mut record = csv::ByteRecord::new();
    let text = block[..line].strip_suffix(b"\r").unwrap_or(&block[..line]);
    text.split(|&byte| byte == options.delimiter as u8)
        .for_each(|cell| record.push_field(cell));
    let column = |column: Reader| Cut {
        passed: column.passes(),
        skipped: column.skips(),
        name: column.name,
        cells: Vec::new(),
    };
    let columns = start_columns(&record, options, &[], sink).ok()?.into_iter().map(column).collect();
    Some((if options.header { line + 1 } else { 0 }, columns))
}

/// The columns of whole lines; `None` for anything but numbers and missing cells.
fn parse(lines: &[u8], wanted: &[Cut], options: &Options) -> Option<Vec<Vec<f64>>> {
    let delimiter = options.delimiter as u8;
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let rows = memchr_iter(b'\n', lines).count() + 1;
    for wanted in wanted {
        let mut column: Vec<f64> = Vec::new();
        column.try_reserve_exact(if wanted.skipped { 0 } else { rows }).ok()?;
        columns.push(column);
    }
    let mut rest = lines;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let mut line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or(&[]);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let last = wanted.len() - 1;
        for (j, column) in columns.iter_mut().enumerate() {
            let length = if wanted[j].skipped {
                memchr(delimiter, line).unwrap_or(line.len())
            } else {
                // A number is mostly read up to its end at once; what is not is looked at again as a cell.
                let (value, length) = match fast_float2::parse_partial::<f64, _>(line) {
                    Ok((value, length)) if value.is_finite() && is_end(line, length, delimiter) => (value, length),
                    _ => {
                        let length = memchr(delimiter, line).unwrap_or(line.len());
                        (other(&line[..length], options)?, length)
                    }
                };
                column.push(value);
                length
            };
            if (j == last) != (length == line.len()) {
                return None;
            }
            line = line.get(length + 1..).unwrap_or(&[]);
        }
    }
    Some(columns)
}

fn is_end(line: &[u8], at: usize, delimiter: u8) -> bool {
    line.get(at).is_none_or(|&byte| byte == delimiter)
}

/// A cell with spaces around it, or a missing one.
fn other(cell: &[u8], options: &Options) -> Option<f64> {
    // A carriage return alone ends a line, for the careful way.
    if memchr(b'\r', cell).is_some() {
        return None;
    }
    let cell = cell.trim_ascii();
    if cell.is_empty() || options.missing.iter().any(|marker| marker.as_bytes() == cell) {
        return Some(f64::NAN);
    }
    number(cell).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quick and careful reading of the same text agree, or only the careful one reads it.
    #[test]
    fn is_the_careful_way_or_none() {
        let options = Options::default();
        let quick = |text: &str| read(text.as_bytes(), &options, &mut super::super::Held).unwrap();
        let same = |text: &str| {
            let careful = super::super::parse(text.as_bytes(), &options).unwrap();
            let Some(found) = quick(text) else { return false };
            // NaN differs from itself: compared as text.
            assert_eq!(format!("{careful:?}"), format!("{found:?}"));
            true
        };
        for text in [
            "a,b\n1,2\n3,4\n",
            "a,b\r\n1,2\r\n\r\n3, 4\r\n",
            "a,b\n,1e3\n-5.25,NA\n0.1,+7",
            "a\n1\n\n2\n",
        ] {
            assert!(same(text), "{text:?}");
        }
        for text in [
            "a,b\n1,x\n",
            "a,b\n1,inf\n",
            "a,b\n1e999,1\n",
            "a,b\n1,\"2\"\n",
            "a,b\n1,2\n\u{fe}3,4\n",
            "a,b\nNA,1\n,2\n",
            "\u{feff}a\n1\n",
            "a\n1\r2\n",
        ] {
            assert!(quick(text).is_none(), "{text:?}");
        }
        assert!(quick("a,b\n1\n").is_none() && quick("a,b\n1,2,3\n").is_none() && quick("a,a\n1,2\n").is_none());
        let many: String = (0..300_000).fold("a,b,c\n".into(), |text, i| {
            text + &format!("{i},{}.5,{}e-3\n", i * 7 % 1000, i % 13)
        });
        assert!(many.len() < BLOCK && same(&many));
    }

    #[test]
    fn blocks_join_at_lines() {
        let text: String = (0..1_500_000).fold("a\n".into(), |text: String, i| text + &i.to_string() + "\n");
        assert!(text.len() > BLOCK);
        let table = read(text.as_bytes(), &Options::default(), &mut super::super::Held)
            .unwrap()
            .unwrap();
        let Cells::Numbers(cells) = &table.columns[0].cells else { panic!() };
        assert!(cells.iter().enumerate().all(|(i, &cell)| cell == i as f64));
    }
}
