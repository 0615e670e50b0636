use super::*;

const KERNEL: [f32; 6] = [1.0, -2.5, f32::MIN_POSITIVE, 0.0, -0.0, 3.0e38];

fn sample() -> Vec<u8> {
    let tensors = [
        Tensor {
            name: "dense/kernel",
            shape: &[2, 3],
            data: Data::F32(&KERNEL),
        },
        Tensor {
            name: "mask",
            shape: &[3],
            data: Data::U8(&[1, 0, 255]),
        },
        Tensor {
            name: "step",
            shape: &[],
            data: Data::U64(&[u64::MAX]),
        },
        Tensor {
            name: "norm",
            shape: &[1],
            data: Data::F64(&[0.1]),
        },
    ];
    to_bytes(
        &tensors,
        &BTreeMap::from([("format".to_owned(), "say \"nabla.crc32\":\"12345678\"".to_owned())]),
    )
    .unwrap()
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn code(bytes: Vec<u8>) -> Code {
    parse(bytes).unwrap_err().code
}

#[test]
fn comes_back_bit_for_bit() {
    let archive = parse(sample()).unwrap();
    assert!(archive.sealed());
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&archive.f32("dense/kernel").unwrap()), bits(&KERNEL));
    assert_eq!(archive.entry("dense/kernel").unwrap().shape, [2, 3]);
    assert_eq!(archive.u64("step").unwrap(), [u64::MAX]);
    assert_eq!(archive.f64("norm").unwrap(), [0.1]);
    assert_eq!(archive.f64("mask").unwrap(), [1.0, 0.0, 255.0]);
    assert_eq!(archive.metadata().len(), 1);
    let error = archive.f32("dense/kernal").unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("The nearest is \"dense/kernel\"."));
    assert_eq!(archive.f32("norm").unwrap_err().code, Code::DataFormat);
}

#[test]
fn another_reader_understands_it() {
    let bytes = sample();
    let theirs = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(theirs.tensor("norm").unwrap().data(), 0.1f64.to_le_bytes());
    assert_eq!(bytes.len() % 8, 3, "three u8 at the end, all before aligned");
}

#[test]
fn every_cut_flip_and_surplus_byte_is_found() {
    let whole = sample();
    for cut in 0..whole.len() {
        assert_eq!(code(whole[..cut].to_vec()), Code::DataFormat, "cut at {cut}");
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // A flip in the checksum's own name hides it: then the file counts as one from elsewhere.
        assert!(parse(bytes).map_or(true, |archive| !archive.sealed()), "bit {bit}");
    }
    assert_eq!(code([whole, vec![0]].concat()), Code::DataFormat);
}

#[test]
fn hostile_headers_are_refused() {
    let info = |from: usize, to: usize| {
        format!(
            r#"{{"dtype":"U8","shape":[{}],"data_offsets":[{from},{to}]}}"#,
            to.wrapping_sub(from)
        )
    };
    let cases = [
        (format!(r#"{{"a":{},"a":{}}}"#, info(0, 2), info(0, 2)), 2),
        (format!(r#"{{"a":{},"b":{}}}"#, info(0, 2), info(1, 3)), 3),
        (format!(r#"{{"a":{},"b":{}}}"#, info(0, 2), info(2, 2)), 2),
        (format!(r#"{{"a":{}}}"#, info(0, 2)), 3),
        (format!(r#"{{"a":{}}}"#, info(0, 3)), 2),
        (r#"{"a":{"dtype":"U8","shape":[2],"shape":[2],"data_offsets":[0,2]}}"#.to_owned(), 2),
        (
            r#"{"a":{"dtype":"U8","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#.to_owned(),
            0,
        ),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#.to_owned(), 8),
        (r#"{"__metadata__":{"x":"1","x":"2"}}"#.to_owned(), 0),
        (r#"{"__metadata__":{"x":1}}"#.to_owned(), 0),
        ("[".repeat(100_000), 0),
        ("{}".to_owned(), 1),
    ];
    for (header, bytes) in cases {
        assert_eq!(
            code(file(&header, &vec![0; bytes])),
            Code::DataFormat,
            "{}",
            &header[..header.len().min(100)]
        );
    }
    assert_eq!(code([&u64::MAX.to_le_bytes()[..], b"{}"].concat()), Code::DataFormat);
    assert_eq!(code(file(&" ".repeat(MAX_HEADER + 1), &[])), Code::DataFormat);
    assert!(!parse(file(&format!(r#"{{"a":{}}}"#, info(0, 2)), &[1, 2])).unwrap().sealed());
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let bad = |tensors: &[Tensor]| to_bytes(tensors, &BTreeMap::new()).unwrap_err().code;
    let one = |name, shape| Tensor {
        name,
        shape,
        data: Data::U8(&[1]),
    };
    assert_eq!(bad(&[one("a", &[1]), one("a", &[1])]), Code::InvalidData);
    assert_eq!(bad(&[one("a", &[2])]), Code::InvalidData);
    assert_eq!(
        bad(&[Tensor {
            name: "a",
            shape: &[0],
            data: Data::F32(&[])
        }]),
        Code::InvalidData
    );
    let path = std::env::temp_dir().join(format!("nabla-{}.safetensors", std::process::id()));
    write(&path, &[one("a", &[1])], &BTreeMap::new()).unwrap();
    assert_eq!(read(&path).unwrap().f64("a").unwrap(), [1.0]);
    std::fs::remove_file(path).unwrap();
}
