use proptest::prelude::*;

use super::*;

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
    let cases: [(&[u8], &str); 6] = [
        (b"", "empty"),
        (b"a,b\n1,2\n3\n", "line 3: expected 2 cells"),
        (b"a,b\n\"1\n1\",2\n3,4,5\n", "line 4: expected 2 cells"),
        (b"a,a\n1,2\n", "line 1: columns 1 and 2 have the same name \"a\""),
        (b"a,b\n1,x\n2,\xff\xfe\n", "line 3, column \"b\": the text is not valid UTF-8"),
        (b"\xff\xfea\0,\0", "UTF-16"),
    ];
    for (bytes, expected) in cases {
        let error = fail(bytes, &Options::default());
        assert_eq!(error.code, Code::DataFormat);
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
    fn numbers_come_back_bit_for_bit(values in proptest::collection::vec(any::<f64>().prop_filter("missing", |v| !v.is_nan()), 1..50)) {
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
