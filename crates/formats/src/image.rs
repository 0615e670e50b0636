//! JPEG and PNG as bytes of pixels, by `zune-jpeg` and `png`. Their own sizes are checked before anything is decoded.
//!
//! Grey stays one channel, colour three, with transparency four (grey with transparency becomes RGBA); palettes are looked up, 16 bits cut to
//! their upper 8. Of an animation the first picture counts; the orientation and the profile that a camera notes are not applied, as in
//! Pillow. The JPEG decoder runs without vector instructions, so that the pixels are the same on every processor.

use std::io::Cursor;

use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Pixels of the largest picture that is decoded: more is a mistake, or a file made to fill the memory.
pub const MAX_PIXELS: usize = 1 << 26;

/// A decoded picture: `[height, width, channels]`, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 (grey), 3 (RGB) or 4 (RGBA).
    pub channels: usize,
    /// Row by row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
}

/// How a picture comes to a size of other proportions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fit {
    /// It fills the size; what stands out on two sides is cut off.
    #[default]
    Cover,
    /// All of it is inside; two sides stay black.
    Contain,
    /// It is stretched.
    Fill,
}

fn broken(kind: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(Code::DataFormat, format!("the {kind} cannot be decoded: {reason}"))
}

fn cut(kind: &str) -> Error {
    Error::new(Code::DataFormat, format!("the {kind} ends too early")).hint("Fetch it again: it was cut.")
}

/// Height and width within bounds.
fn expect_size(width: usize, height: usize) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(Error::new(Code::DataFormat, format!("the picture is {height} × {width}")));
    }
    match width.checked_mul(height) {
        Some(pixels) if pixels <= MAX_PIXELS => Ok(()),
        _ => Err(
            Error::new(Code::DataFormat, format!("the picture claims {height} × {width} pixels"))
                .expected(format!("at most {MAX_PIXELS} pixels"))
                .received(format!("{height} × {width}"))
                .hint("Make it smaller before reading it."),
        ),
    }
}

/// A JPEG or PNG, told by its first bytes.
///
/// # Errors
/// `DATA_FORMAT`: neither of them, damaged, cut, or more than [`MAX_PIXELS`].
pub fn decode(bytes: &[u8]) -> Result<Image> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return jpeg(bytes);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return png(bytes);
    }
    let start: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Err(Error::new(Code::DataFormat, "not a JPEG or PNG")
        .expected("ff d8 ff (JPEG) or 89 50 4e 47 (PNG) at the start")
        .received(if start.is_empty() { "no bytes".to_owned() } else { start.join(" ") }))
}

/// Whether the end marker follows the last scan: decoders fill what is missing with grey.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let marker = |code: u8| bytes.windows(2).rposition(|pair| pair == [0xff, code]);
    marker(0xda).zip(marker(0xd9)).is_some_and(|(scan, end)| scan < end)
}

fn jpeg(bytes: &[u8]) -> Result<Image> {
    if !jpeg_is_whole(bytes) {
        return Err(cut("JPEG"));
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_use_unsafe(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| broken("JPEG", error))?;
    let info = decoder.info().ok_or_else(|| broken("JPEG", "it has no header"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    expect_size(width, height)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (space, channels) = if grey { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let pixels = decoder.decode().map_err(|error| broken("JPEG", error))?;
    if pixels.len() != width * height * channels {
        return Err(broken("JPEG", "it has another number of channels than its header says"));
    }
    Ok(Image {
        height,
        width,
        channels,
        pixels,
    })
}

fn png(bytes: &[u8]) -> Result<Image> {
    let explain = |error: png::DecodingError| match error {
        png::DecodingError::IoError(_) => cut("PNG"),
        other => broken("PNG", other),
    };
    let limits = png::Limits { bytes: 8 * MAX_PIXELS };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    let header = decoder.read_header_info().map_err(explain)?;
    let (width, height) = (header.width as usize, header.height as usize);
    expect_size(width, height)?;
    let mut reader = decoder.read_info().map_err(explain)?;
    let size = reader.output_buffer_size().ok_or_else(|| broken("PNG", "its size overflows"))?;
    let mut pixels = Vec::new();
    crate::reserve(&mut pixels, size)?;
    pixels.resize(size, 0);
    let frame = reader.next_frame(&mut pixels).map_err(explain)?;
    pixels.truncate(frame.buffer_size());
    let image = |channels, pixels| Image {
        height,
        width,
        channels,
        pixels,
    };
    let image = match frame.color_type {
        png::ColorType::Grayscale => image(1, pixels),
        png::ColorType::Rgb => image(3, pixels),
        png::ColorType::Rgba => image(4, pixels),
        png::ColorType::GrayscaleAlpha => {
            let wide = pixels
                .as_chunks::<2>()
                .0
                .iter()
                .flat_map(|&[grey, alpha]| [grey, grey, grey, alpha]);
            image(4, wide.collect())
        }
        png::ColorType::Indexed => return Err(broken("PNG", "its palette is missing")),
    };
    if image.pixels.len() != width * height * image.channels {
        return Err(broken("PNG", "its first picture does not fill the whole"));
    }
    Ok(image)
}

/// A picture as the bytes of a PNG.
///
/// # Errors
/// `INTERNAL` when the sizes do not fit the pixels.
pub fn encode_png(image: &Image) -> Result<Vec<u8>> {
    let wrong = |error: png::EncodingError| Error::internal(format!("the picture cannot be encoded: {error}"));
    let side = |size: usize| u32::try_from(size).map_err(|_| Error::option("size", "to be below 2³²", size));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(image.width)?, side(image.height)?);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_color(match image.channels {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    let mut writer = encoder.write_header().map_err(wrong)?;
    writer.write_image_data(&image.pixels).map_err(wrong)?;
    writer.finish().map_err(wrong)?;
    Ok(bytes)
}

impl Image {
    /// The same with 1, 3 or 4 channels. Grey of colour is (19595 R + 38470 G + 7471 B)/2¹⁶ (ITU-R BT.601, as Pillow's); transparency is
    /// dropped, and full where it was not known.
    pub fn with_channels(self, channels: usize) -> Image {
        if channels == self.channels {
            return self;
        }
        let grey = |p: &[u8]| match *p {
            [grey] => grey,
            _ => ((19595 * u32::from(p[0]) + 38470 * u32::from(p[1]) + 7471 * u32::from(p[2]) + 0x8000) >> 16) as u8,
        };
        let colour = |p: &[u8]| match *p {
            [grey] => [grey; 3],
            _ => [p[0], p[1], p[2]],
        };
        let each = self.pixels.chunks_exact(self.channels);
        let pixels = match channels {
            1 => each.map(grey).collect(),
            3 => each.flat_map(colour).collect(),
            _ => each
                .flat_map(|p| {
                    let [r, g, b] = colour(p);
                    [r, g, b, p.get(3).copied().unwrap_or(255)]
                })
                .collect(),
        };
        Image { channels, pixels, ..self }
    }

    /// The same at another size. Of the same size it is itself.
    pub fn fitted(self, height: usize, width: usize, fit: Fit) -> Image {
        if (self.height, self.width) == (height, width) {
            return self;
        }
        let (h, w) = (self.height as f64, self.width as f64);
        let (down, across) = (height as f64 / h, width as f64 / w);
        match fit {
            Fit::Fill => self.resampled([0.0, h], [0.0, w], height, width),
            Fit::Cover => {
                let by = down.max(across);
                let (own_height, own_width) = ((height as f64 / by).min(h), (width as f64 / by).min(w));
                let (top, left) = ((h - own_height) / 2.0, (w - own_width) / 2.0);
                self.resampled([top, top + own_height], [left, left + own_width], height, width)
            }
            Fit::Contain => {
                let by = down.min(across);
                let side = |own: f64, whole: usize| ((own * by).round() as usize).clamp(1, whole);
                let (inner_height, inner_width) = (side(h, height), side(w, width));
                let inner = self.resampled([0.0, h], [0.0, w], inner_height, inner_width);
                let (top, left) = ((height - inner_height) / 2, (width - inner_width) / 2);
                let line = inner_width * inner.channels;
                let mut pixels = vec![0; height * width * inner.channels];
                for (row, from) in inner.pixels.chunks_exact(line).enumerate() {
                    pixels[((top + row) * width + left) * inner.channels..][..line].copy_from_slice(from);
                }
                Image {
                    height,
                    width,
                    pixels,
                    ..inner
                }
            }
        }
    }

    /// Part of the picture at another size: linear weights over the neighbours of a pixel's centre, wide enough to reach every source
    /// pixel where it becomes smaller (Pillow's `BILINEAR`), along the lines first, rounded once.
    fn resampled(&self, rows: [f64; 2], columns: [f64; 2], height: usize, width: usize) -> Image {
        let channels = self.channels;
        let (across, down) = (weights(columns, self.width, width), weights(rows, self.height, height));
        let mut lines = vec![0.0f64; self.height * width * channels];
        for (out, line) in lines
            .chunks_exact_mut(width * channels)
            .zip(self.pixels.chunks_exact(self.width * channels))
        {
            for (pixel, (first, weights)) in out.chunks_exact_mut(channels).zip(&across) {
                for (from, weight) in line[first * channels..].chunks_exact(channels).zip(weights) {
                    pixel
                        .iter_mut()
                        .zip(from)
                        .for_each(|(sum, &value)| *sum += weight * f64::from(value));
                }
            }
        }
        let mut pixels = Vec::with_capacity(height * width * channels);
        let mut sums = vec![0.0f64; width * channels];
        for (first, weights) in &down {
            sums.fill(0.0);
            for (line, weight) in lines[first * width * channels..].chunks_exact(width * channels).zip(weights) {
                sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += weight * value);
            }
            pixels.extend(sums.iter().map(|sum| (sum + 0.5).clamp(0.0, 255.0) as u8));
        }
        Image {
            height,
            width,
            channels,
            pixels,
        }
    }
}

/// For each of `count` pixels that share `range` of `size` pixels: the first that counts, and the weights from there on.
fn weights([from, to]: [f64; 2], size: usize, count: usize) -> Vec<(usize, Vec<f64>)> {
    let scale = (to - from) / count as f64;
    let reach = scale.max(1.0);
    (0..count)
        .map(|i| {
            let centre = from + (i as f64 + 0.5) * scale;
            let first = ((centre - reach + 0.5).floor().max(0.0) as usize).min(size - 1);
            let end = ((centre + reach + 0.5).floor() as usize).clamp(first + 1, size);
            let raw: Vec<f64> = (first..end)
                .map(|x| (1.0 - ((x as f64 + 0.5 - centre) / reach).abs()).max(0.0))
                .collect();
            let sum: f64 = raw.iter().sum();
            (first, raw.iter().map(|weight| weight / sum).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests;
