use super::*;

/// A PNG of these pixels.
fn encoded(height: u32, width: u32, colour: png::ColorType, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

fn image(height: usize, width: usize, channels: usize, pixels: &[u8]) -> Image {
    Image {
        height,
        width,
        channels,
        pixels: pixels.to_vec(),
    }
}

#[test]
fn png_keeps_its_pixels_and_channels() {
    let cases = [
        (png::ColorType::Grayscale, 1, vec![0, 128, 255, 7, 8, 9], vec![0, 128, 255, 7, 8, 9]),
        (png::ColorType::Rgb, 3, (0..18).collect::<Vec<u8>>(), (0..18).collect::<Vec<u8>>()),
        (png::ColorType::Rgba, 4, (0..24).collect(), (0..24).collect()),
        (
            png::ColorType::GrayscaleAlpha,
            4,
            (0..12).collect(),
            (0..6).flat_map(|i| [2 * i, 2 * i, 2 * i, 2 * i + 1]).collect(),
        ),
    ];
    for (colour, channels, pixels, expected) in cases {
        let decoded = decode(&encoded(2, 3, colour, &pixels)).unwrap();
        assert_eq!(decoded, image(2, 3, channels, &expected));
    }
}

#[test]
fn every_cut_of_a_png_and_foreign_bytes_are_errors() {
    let whole = encoded(4, 4, png::ColorType::Rgb, &[200; 48]);
    // The last 12 bytes only say that it is over.
    for length in 0..whole.len() - 12 {
        let error = decode(&whole[..length]).unwrap_err();
        assert_eq!(error.code, Code::DataFormat, "{length}: {error}");
    }
    assert!(decode(b"GIF89a").unwrap_err().to_string().contains("not a JPEG or PNG"));
    assert!(
        decode(&[0xff, 0xd8, 0xff, 0xe0])
            .unwrap_err()
            .to_string()
            .contains("ends too early")
    );
    let mut flipped = whole;
    for at in 8..flipped.len() {
        flipped[at] ^= 0x55;
        let _ = decode(&flipped);
        flipped[at] ^= 0x55;
    }
}

#[test]
fn a_picture_that_claims_too_much_is_refused_before_it_is_decoded() {
    let mut bomb = Vec::new();
    let encoder = png::Encoder::new(&mut bomb, 60_000, 60_000);
    // The header alone; nothing follows, so an error about the end would mean that decoding had begun.
    let writer = encoder.write_header().unwrap();
    drop(writer);
    let error = decode(&bomb).unwrap_err();
    assert!(error.to_string().contains("60000 × 60000"), "{error}");
}

#[test]
fn channels_come_and_go() {
    let pixels = [255, 0, 0, 0, 255, 0, 10, 20, 30];
    let grey = image(1, 3, 3, &pixels).with_channels(1);
    // Pillow: Image.fromarray(…).convert('L')
    assert_eq!(grey.pixels, [76, 150, 18]);
    assert_eq!(grey.clone().with_channels(3).pixels, [76, 76, 76, 150, 150, 150, 18, 18, 18]);
    assert_eq!(image(1, 1, 3, &[1, 2, 3]).with_channels(4).pixels, [1, 2, 3, 255]);
    assert_eq!(image(1, 1, 4, &[1, 2, 3, 4]).with_channels(3).pixels, [1, 2, 3]);
}

#[test]
fn sizes_fit() {
    let two = image(1, 2, 1, &[0, 100]);
    assert_eq!(two.clone().fitted(1, 4, Fit::Fill).pixels, [0, 25, 75, 100]);
    assert_eq!(two.clone().fitted(1, 1, Fit::Fill).pixels, [50]);
    // One line of two pixels in a square: the middle of it, or all of it between black lines.
    assert_eq!(two.clone().fitted(2, 2, Fit::Contain).pixels, [0, 100, 0, 0]);
    assert_eq!(two.clone().fitted(1, 1, Fit::Cover).pixels, [50]);
    let wide = image(2, 6, 1, &[9, 9, 1, 2, 9, 9, 9, 9, 3, 4, 9, 9]);
    assert_eq!(wide.fitted(2, 2, Fit::Cover).pixels, [1, 2, 3, 4]);
    for fit in [Fit::Cover, Fit::Contain, Fit::Fill] {
        for (height, width) in [(1, 1), (1, 9), (7, 2), (5, 5)] {
            let flat = image(3, 4, 3, &[77; 36]).fitted(height, width, fit);
            assert_eq!(flat.pixels.len(), height * width * 3);
            assert!(flat.pixels.iter().all(|&p| p == 77 || (fit == Fit::Contain && p == 0)));
        }
    }
}
