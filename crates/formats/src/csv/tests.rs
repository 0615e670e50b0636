use proptest::prelude::*;

use super::*;
use crate::Cells;

fn read_text(text: &str) -> Table {
    parse(text.as_bytes(), &Options::default()).unwrap()
}

fn fail(text: &[u8], options: &Options) -> Error {
    parse(text, options).unwrap_err()
}

fn cells<'a>(table: &'a Table, name: &str) -> &'a Cells {
    &table.columns[table.index(name).unwrap()].cells
}

fn texts(levels: &[&str], codes: &[u32]) -> Cells {
    Cells::Texts {
        levels: levels.iter().map(|l| l.to_string()).collect(),
        codes: codes.to_vec(),
    }
}

#[test]
fn infers_kinds_and_keeps_missing_cells() {
    let table = read_text("a,b,c,d\n1,True,x,\n,?,a,NA\n-2.5e3,false,,null\n");
    assert_eq!(table.rows, 3);
    let Cells::Numbers(a) = cells(&table, "a") else { panic!() };
    assert_eq!((a[0], a[1].is_nan(), a[2]), (1.0, true, -2500.0));
    assert_eq!(cells(&table, "b"), &Cells::Booleans(vec![1, MISSING, 0]));
    assert_eq!(cells(&table, "c"), &texts(&["a", "x"], &[1, 0, MISSING]));
    let Cells::Numbers(d) = cells(&table, "d") else { panic!() };
    assert!(d.iter().all(|v| v.is_nan()));
}

#[test]
fn a_kind_that_changes_late_is_read_again_as_text() {
    let table = read_text("a,b,c\n1.0,true,\n2,1,\n?,false,x\nx,0,7\n");
    assert_eq!(cells(&table, "a"), &texts(&["1.0", "2", "x"], &[0, 1, MISSING, 2]));
    assert_eq!(cells(&table, "b"), &texts(&["0", "1", "false", "true"], &[3, 1, 2, 0]));
    assert_eq!(cells(&table, "c"), &texts(&["7", "x"], &[MISSING, MISSING, 1, 0]));
}

#[test]
fn accepts_what_spreadsheets_write() {
    let table = read_text("\u{feff}\"a \"\"q\"\"\", b \r\n\"1\",\"x, y\nz\"\r\n\r\n 2 , w");
    assert_eq!(cells(&table, "a \"q\""), &Cells::Numbers(vec![1.0, 2.0]));
    assert_eq!(cells(&table, "b"), &texts(&["w", "x, y\nz"], &[1, 0]));
    let options = Options {
        delimiter: ';',
        header: false,
        ..Options::default()
    };
    let table = parse(b"1;2,5\n3;x\n", &options).unwrap();
    assert_eq!(cells(&table, "column2"), &texts(&["2,5", "x"], &[0, 1]));
}

#[test]
fn kinds_and_markers_can_be_declared() {
    let kinds = BTreeMap::from([("zip".to_owned(), Kind::Category), ("n".to_owned(), Kind::Number)]);
    let options = Options {
        kinds,
        missing: vec!["-".into()],
        ..Options::default()
    };
    let table = parse(b"zip,n\n01,-\n2,3\n", &options).unwrap();
    assert_eq!(cells(&table, "zip"), &texts(&["01", "2"], &[0, 1]));
    let error = fail(b"zip,n\n01,1\n2,NA\n", &options);
    assert_eq!(
        (error.code, error.place.as_deref()),
        (Code::DataFormat, Some("line 3, column \"n\""))
    );
    let error = fail(b"zip,m\n01,1\n", &options);
    assert_eq!(
        (error.code, error.hint.as_deref()),
        (Code::InvalidOption, Some("Did you mean \"m\"?"))
    );
}

#[test]
fn errors_say_where() {
    let cases: [(&[u8], &str); 10] = [
        (b"", "empty"),
        (b"a,b\n1,2\n3\n", "line 3: expected 2 cells"),
        (b"a,b\n\"1\n1\",2\n3,4,5\n", "line 4: expected 2 cells"),
        (b"a,a\n1,2\n", "line 1: columns 1 and 2 have the same name \"a\""),
        (b"a,b\n1,x\n2,\xff\xfe\n", "line 3, column \"b\": the text is not valid UTF-8"),
        (b"\xff\xfea\0,\0,", "not valid UTF-16"),
        (b"a,b\n1,2\n\n\n3\n", "line 5: expected 2 cells"),
        (b"a,b\r\n1,2\r\n\r\n3\r\n", "line 4: expected 2 cells"),
        (b"\n\na,b\n1,2\n3,inf\n", "line 5, column \"b\": the number is inf"),
        (b"a,b\n1,2\n-1e999,x\n", "line 3, column \"a\": the number is -inf"),
    ];
    for (bytes, expected) in cases {
        let error = fail(bytes, &Options::default());
        assert!(matches!(error.code, Code::DataFormat | Code::NotFinite));
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(
        fail(
            b"a",
            &Options {
                delimiter: 'é',
                ..Options::default()
            }
        )
        .code,
        Code::InvalidOption
    );
    let error = read(Path::new("/nowhere.csv"), &Options::default()).unwrap_err();
    assert_eq!((error.code, error.place.as_deref()), (Code::Io, Some("/nowhere.csv")));
    assert!(serde_json::from_str::<Options>(r#"{"delimeter":";"}"#).is_err());
}

#[test]
fn a_quote_that_is_never_closed_does_not_swallow_rows() {
    for (text, line) in [
        ("a,b\n1,x\n2,\"y\n3,z\n", 3),
        ("a,b\n1,\"x\"\"", 2),
        ("\u{feff}a,\"b", 1),
        ("a,b\n1,\"", 2),
    ] {
        let error = fail(text.as_bytes(), &Options::default());
        assert_eq!(error.place.as_deref(), Some(format!("line {line}").as_str()), "{error}");
    }
    for text in ["a,b\n1,5\" pipe\n", "a,b\n5\",\"x\"\"y\"", "a,b\n1,\"x\"\n2,y\"\n"] {
        assert!(parse(text.as_bytes(), &Options::default()).is_ok(), "{text}");
    }
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    assert_eq!(read_text("a,b\n").rows, 0);
}

#[test]
fn cuts_and_flipped_bits_never_panic() {
    let whole = "\u{feff}a,\"b\"\"\",c\r\n1,\"x,\ny\",true\n-2.5e-3,é,\n\n3,z,false\n".as_bytes();
    for cut in 0..whole.len() {
        let _ = parse(&whole[..cut], &Options::default());
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let _ = parse(&bytes, &Options::default());
    }
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_table_or_a_coded_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Options::default());
    }

    #[test]
    fn numbers_come_back_bit_for_bit(values in proptest::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 1..50)) {
        let text: String = std::iter::once("x".to_owned()).chain(values.iter().map(|v| format!("{v:?}"))).collect::<Vec<_>>().join("\n");
        let Cells::Numbers(read) = read_text(&text).columns.remove(0).cells else { panic!("kind") };
        prop_assert!(read.iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn quoted_texts_come_back(texts in proptest::collection::vec("[a-z\",\n;é ]{0,8}[a-z]", 1..20)) {
        let text: String = std::iter::once("x,y".to_owned())
            .chain(texts.iter().map(|t| format!("1,\"{}\"", t.replace('"', "\"\""))))
            .collect::<Vec<_>>()
            .join("\r\n");
        let table = read_text(&text);
        let Cells::Texts { levels, codes } = cells(&table, "y") else { panic!("kind") };
        prop_assert_eq!(codes.len(), texts.len());
        for (code, text) in codes.iter().zip(&texts) {
            prop_assert_eq!(levels[*code as usize].as_str(), text.trim_ascii());
        }
        prop_assert!(levels.is_sorted());
    }
}

#[test]
fn an_infinite_number_is_refused_in_columns_that_are_kept() {
    let skip = |names: &[&str]| Options {
        skip: names.iter().map(|name| name.to_string()).collect(),
        ..Options::default()
    };
    for text in ["a,b\n1,2\n3,inf\n", "a,b\n1,2\n3,inf\n\"4\",5\n"] {
        let error = fail(text.as_bytes(), &skip(&["a"]));
        assert_eq!(error.place.as_deref(), Some("line 3, column \"b\""));
        let table = parse(text.as_bytes(), &skip(&["b"])).unwrap();
        assert_eq!(cells(&table, "b"), &Cells::Numbers(vec![]));
        assert!(matches!(cells(&table, "a"), Cells::Numbers(a) if a[..2] == [1.0, 3.0]));
    }
    // Names may look like numbers.
    let table = read_text("name\ninfinity\nAda\n");
    assert_eq!(cells(&table, "name"), &texts(&["Ada", "infinity"], &[1, 0]));
}

#[test]
fn other_encodings_are_read_where_they_are_named() {
    let options = Options {
        encoding: Some(Encoding::Windows1252),
        ..Options::default()
    };
    let table = parse(b"na\xefve,n\n\x80,1\nx,2\n", &options).unwrap();
    assert_eq!(cells(&table, "na\u{ef}ve"), &texts(&["x", "\u{20ac}"], &[1, 0]));
    let error = fail(b"a,b\n\n1,\xe9\n2,\x81,3\n", &options);
    assert_eq!(error.place.as_deref(), Some("line 4"));
    let utf16: Vec<u8> = "\u{feff}a,b\r\n\r\n1,\u{1f980}\r\n2,3,4"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(fail(&utf16, &Options::default()).place.as_deref(), Some("line 4"));
}

/// Notes what it is handed.
#[derive(Default)]
struct Notes {
    taken: Vec<String>,
    rows: Vec<Vec<f64>>,
    begun: usize,
}

impl Sink for Notes {
    fn takes(&mut self, column: &str) -> bool {
        let takes = column != "y";
        if takes {
            self.taken.push(column.to_owned());
        }
        takes
    }

    fn restart(&mut self) -> Result<()> {
        *self = Self {
            begun: self.begun + 1,
            ..Self::default()
        };
        Ok(())
    }

    fn rows(&mut self, rows: usize, pieces: &[Piece]) -> Result<()> {
        let number = |code: u32| if code == MISSING { f64::NAN } else { f64::from(code) };
        self.rows.extend((0..rows).map(|row| {
            let value = |piece: &Piece| match piece {
                Piece::Numbers(cells) => cells[row],
                Piece::Codes(codes) => number(codes[row]),
            };
            pieces.iter().map(value).collect::<Vec<f64>>()
        }));
        Ok(())
    }

    fn finish(&mut self, orders: &[Option<Vec<u32>>]) -> Result<()> {
        for row in &mut self.rows {
            for (value, order) in row.iter_mut().zip(orders) {
                if let (Some(order), false) = (order, value.is_nan()) {
                    *value = f64::from(order[*value as usize]);
                }
            }
        }
        Ok(())
    }
}

#[test]
fn what_is_passed_on_is_what_would_be_held() {
    let numbers: String = (0..20_000).map(|i| format!("{i},{},{}\n", i % 7, i as f64 / 8.0)).collect();
    let mixed: String = (0..20_000)
        .map(|i| match i {
            ..9_000 => format!(",{},\n", i % 5),
            9_000..17_000 => format!("true,{},\n", i % 5),
            _ => format!("maybe,v{},{}\n", i % 3, i % 2),
        })
        .collect();
    for (body, begun) in [(numbers, 1), (mixed, 3)] {
        let text = format!("a,y,b\n{body}");
        let path = std::env::temp_dir().join(format!("nabla-passed-{}-{begun}.csv", std::process::id()));
        std::fs::write(&path, &text).unwrap();
        let (held, mut notes) = (read_text(&text), Notes::default());
        let passed = read_into(&path, &Options::default(), &|_, _| Ok(()), &mut notes).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            (passed.rows, notes.begun, notes.taken),
            (held.rows, begun, vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(cells(&passed, "y"), cells(&held, "y"));
        for (j, name) in ["a", "b"].into_iter().enumerate() {
            let number = |code: u32| if code == MISSING { f64::NAN } else { f64::from(code) };
            let expected: Vec<f64> = match cells(&held, name) {
                Cells::Numbers(values) => values.clone(),
                Cells::Booleans(codes) | Cells::Texts { codes, .. } => codes.iter().map(|&code| number(code)).collect(),
            };
            assert!(
                notes
                    .rows
                    .iter()
                    .zip(&expected)
                    .all(|(row, value)| row[j].to_bits() == value.to_bits()),
                "{name}"
            );
        }
    }
}
