//! Pictures as rows of one size: a folder of one folder a class, a tar archive of such a folder (plain or gzip), or bytes in memory.
//!
//! Pictures are decoded side by side on the pool that this runs on, each into its own row, so order and pixels do not depend on how many
//! threads there are. They stay u8 until they are gathered into a batch. The first picture in order that fails is the error.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nabla_error::{Code, Error, Result, memory};
use nabla_formats::image::{self, Fit, Image};
use nabla_formats::tar;
use rayon::prelude::*;
use serde::Deserialize;

use crate::builder::{SourceParts, TargetParts};
use crate::dataset::Dataset;
use crate::source::Matrix;

/// Pictures between two looks at the clock and the abort flag.
const CHUNK: usize = 512;
/// Encoded bytes of an archive that wait to be decoded.
const WAITING: usize = 64 << 20;
/// Folders within folders.
const MAX_DEPTH: usize = 32;

/// Options of `fromImages`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageOptions {
    /// Height and width of a row.
    pub size: [usize; 2],
    /// 1, 3 or 4; by default those of the first picture, and all others must have them too.
    pub channels: Option<usize>,
    /// How other proportions come to this size.
    #[serde(default)]
    pub fit: Fit,
}

/// Where pictures come from.
#[derive(Debug)]
pub enum Pictures {
    /// A folder, or an archive of one.
    Path(PathBuf),
    /// Encoded pictures, and the class of each, if there are classes.
    Bytes(Vec<Vec<u8>>, Option<Vec<String>>),
}

/// Hears how many pictures are done, and of how many where that is known; an error ends the reading.
pub type Watch<'a> = dyn Fn(usize, Option<usize>) -> Result<()> + 'a;

/// Reads pictures as a data set of samples `[height, width, channels]`.
///
/// # Errors
/// `INVALID_OPTION`; `IO` and `DATA_FORMAT` with the file; `INVALID_DATA` for no pictures, one outside of a class folder, or one with other
/// channels than the first while `channels` is not given; `OUT_OF_MEMORY`.
pub fn read_images(from: Pictures, options: &ImageOptions, watch: &Watch) -> Result<Dataset> {
    let mut rows = Rows::new(options)?;
    let (names, order) = match from {
        Pictures::Bytes(pictures, labels) => {
            let named: Vec<(String, Vec<u8>)> = pictures.into_iter().enumerate().map(|(i, b)| (format!("images[{i}]"), b)).collect();
            let total = named.len();
            for chunk in named.chunks(CHUNK) {
                rows.extend(chunk.len(), |i| Ok((chunk[i].0.clone(), chunk[i].1.as_slice().into())))?;
                watch(rows.count, Some(total))?;
            }
            (labels, None)
        }
        Pictures::Path(path) if path.is_dir() => {
            let files = folder(&path)?;
            expect_some(&files, &path)?;
            rows.reserve(files.len())?;
            for chunk in files.chunks(CHUNK) {
                rows.extend(chunk.len(), |i| {
                    let file = path.join(&chunk[i]);
                    let shown = file.display().to_string();
                    let size = fs::metadata(&file).map_err(|error| unreadable(&file, &error))?.len();
                    if size > tar::MAX_FILE {
                        return Err(too_large(&shown, size));
                    }
                    let bytes = fs::read(&file).map_err(|error| unreadable(&file, &error))?;
                    Ok((shown, bytes.into()))
                })?;
                watch(rows.count, Some(files.len()))?;
            }
            let classes = files.iter().map(|file| class_of(file, 0, &path)).collect::<Result<_>>()?;
            (Some(classes), None)
        }
        Pictures::Path(path) => {
            let files = archive(&path, &mut rows, watch)?;
            expect_some(&files, &path)?;
            let shared = shared_folders(&files);
            let classes: Vec<String> = files.iter().map(|file| class_of(file, shared, &path)).collect::<Result<_>>()?;
            // In the order of a folder, whatever the archive's.
            let mut order: Vec<u32> = (0..files.len() as u32).collect();
            order.sort_by(|&a, &b| files[a as usize].cmp(&files[b as usize]));
            let sorted = order.is_sorted();
            (Some(classes), (!sorted).then_some(order))
        }
    };
    let (count, channels) = (rows.count, rows.channels.unwrap_or(1));
    let mut parts = SourceParts::new(count, Matrix::U8(rows.pixels));
    parts.sample_shape = Some(vec![options.size[0], options.size[1], channels]);
    parts.images = Some(options.fit);
    parts.target = names.map(classes_of);
    let data = Dataset::from(parts.build()?);
    match order {
        Some(order) => data.select(&order),
        None => Ok(data),
    }
}

fn classes_of(names: Vec<String>) -> TargetParts {
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let labels = names.iter().map(|name| distinct.partition_point(|d| d < name) as u32).collect();
    TargetParts::Classes { names: distinct, labels }
}

fn expect_some(files: &[PathBuf], path: &Path) -> Result<()> {
    if !files.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::InvalidData, "there are no pictures")
        .at(path.display().to_string())
        .expected("a folder for each class with .jpg, .jpeg or .png files in it")
        .received("none of them"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("reading failed: {error}")).at(path.display().to_string())
}

fn too_large(name: &str, size: u64) -> Error {
    Error::new(Code::DataFormat, format!("a picture of {size} bytes"))
        .at(name)
        .expected(format!("at most {} bytes", tar::MAX_FILE))
}

/// The rows so far.
struct Rows<'a> {
    options: &'a ImageOptions,
    channels: Option<usize>,
    /// The picture whose channels count where none are given.
    first: String,
    pixels: Vec<u8>,
    count: usize,
}

impl<'a> Rows<'a> {
    fn new(options: &'a ImageOptions) -> Result<Rows<'a>> {
        let [height, width] = options.size;
        if height == 0 || width == 0 || height.saturating_mul(width) > image::MAX_PIXELS {
            let expected = format!("with axes of at least 1 and at most {} pixels", image::MAX_PIXELS);
            return Err(Error::option("size", expected, format!("[{height}, {width}]")));
        }
        if let Some(channels) = options.channels
            && ![1, 3, 4].contains(&channels)
        {
            return Err(Error::option("channels", "to be 1 (grey), 3 (RGB) or 4 (RGBA)", channels));
        }
        Ok(Rows {
            options,
            channels: options.channels,
            first: String::new(),
            pixels: Vec::new(),
            count: 0,
        })
    }

    fn reserve(&mut self, more: usize) -> Result<()> {
        let [height, width] = self.options.size;
        let bytes = more.saturating_mul(height.saturating_mul(width).saturating_mul(self.channels.unwrap_or(1)));
        memory::reserve(&mut self.pixels, bytes, || format!("{more} pictures of {height} × {width}"))
    }

    /// Decodes so many more pictures, side by side; `open` gives the name and the bytes of each.
    fn extend<'b>(&mut self, more: usize, open: impl Fn(usize) -> Result<(String, std::borrow::Cow<'b, [u8]>)> + Sync) -> Result<()> {
        if more == 0 {
            return Ok(());
        }
        let channels = match self.channels {
            Some(channels) => channels,
            None => {
                let (name, bytes) = open(0)?;
                let channels = image::decode(&bytes).map_err(|error| error.at(name.clone()))?.channels;
                self.first = name;
                *self.channels.insert(channels)
            }
        };
        self.reserve(more)?;
        let [height, width] = self.options.size;
        let (options, first) = (self.options, &self.first);
        let before = self.pixels.len();
        self.pixels.resize(before + more * height * width * channels, 0);
        let failed: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        self.pixels[before..]
            .par_chunks_exact_mut(height * width * channels)
            .enumerate()
            .for_each(|(i, row)| {
                let decoded = open(i).and_then(|(name, bytes)| {
                    let picture = image::decode(&bytes).map_err(|error| error.at(name.clone()))?;
                    if options.channels.is_none() && picture.channels != channels {
                        return Err(other_channels(&name, &picture, channels, first));
                    }
                    Ok(picture.with_channels(channels).fitted(height, width, options.fit))
                });
                match decoded {
                    Ok(picture) => row.copy_from_slice(&picture.pixels),
                    Err(error) => {
                        let mut failed = failed.lock().unwrap_or_else(|e| e.into_inner());
                        if failed.as_ref().is_none_or(|(other, _)| i < *other) {
                            *failed = Some((i, error));
                        }
                    }
                }
            });
        if let Some((_, error)) = failed.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(error);
        }
        self.count += more;
        Ok(())
    }
}

fn other_channels(name: &str, picture: &Image, channels: usize, first: &str) -> Error {
    Error::new(
        Code::InvalidData,
        format!("the picture has {} channels, {first} has {channels}", picture.channels),
    )
    .at(name)
    .expected(format!("{channels} channels"))
    .received(format!("{} channels", picture.channels))
    .hint("Say which all shall have: channels: 3 makes colour of grey and drops transparency, channels: 1 makes grey.")
}

/// Whether a file is a picture, by its name: hidden files and others are passed over, pictures in other formats refused.
fn wanted(file: &Path) -> Result<bool> {
    let hidden = |part: std::path::Component| {
        let part = part.as_os_str().to_string_lossy();
        (part.starts_with('.') && part != "." && part != "..") || part == "__MACOSX"
    };
    if file.components().any(hidden) {
        return Ok(false);
    }
    let extension = file.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "jpg" | "jpeg" | "png" => Ok(true),
        "gif" | "webp" | "bmp" | "tif" | "tiff" | "avif" | "heic" | "heif" | "jxl" | "jp2" => Err(Error::new(
            Code::DataFormat,
            format!("pictures of the format .{extension} are not read"),
        )
        .at(file.display().to_string())
        .expected("JPEG or PNG")
        .received(format!(".{extension}"))
        .hint("Convert it, or take it out of the folder.")),
        _ => Ok(false),
    }
}

/// The pictures below a folder, relative to it, in the order of their names.
fn folder(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![(PathBuf::new(), 0)];
    while let Some((inside, depth)) = open.pop() {
        let path = root.join(&inside);
        for entry in fs::read_dir(&path).map_err(|error| unreadable(&path, &error))? {
            let entry = entry.map_err(|error| unreadable(&path, &error))?;
            let name = inside.join(entry.file_name());
            let full = root.join(&name);
            // Follows links; one that leads nowhere is passed over unless it is called a picture.
            match fs::metadata(&full) {
                Ok(meta) if meta.is_dir() => {
                    if depth == MAX_DEPTH {
                        return Err(
                            Error::new(Code::InvalidData, format!("more than {MAX_DEPTH} folders within each other"))
                                .at(full.display().to_string())
                                .hint("A link that leads back to its own folder never ends."),
                        );
                    }
                    if !entry.file_name().to_string_lossy().starts_with('.') {
                        open.push((name, depth + 1));
                    }
                }
                Ok(_) => {
                    if wanted(&name).map_err(|error| error.at(full.display().to_string()))? {
                        found.push(name);
                    }
                }
                Err(error) => {
                    if wanted(&name).unwrap_or(false) {
                        return Err(unreadable(&full, &error));
                    }
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Decodes the pictures of an archive; their names in its order.
fn archive(path: &Path, rows: &mut Rows, watch: &Watch) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    let mut waiting: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    let mut size = 0;
    let decode = |waiting: &mut Vec<(PathBuf, Vec<u8>)>, rows: &mut Rows| {
        rows.extend(waiting.len(), |i| {
            let (name, bytes) = &waiting[i];
            Ok((format!("{}, {}", path.display(), name.display()), bytes.as_slice().into()))
        })?;
        waiting.clear();
        watch(rows.count, None)
    };
    tar::files(path, |name, read| {
        if !wanted(&name).map_err(|error| error.at(format!("{}, {}", path.display(), name.display())))? {
            return Ok(());
        }
        let bytes = read()?;
        size += bytes.len();
        names.push(name.clone());
        waiting.push((name, bytes));
        if waiting.len() == CHUNK || size >= WAITING {
            size = 0;
            decode(&mut waiting, rows)?;
        }
        Ok(())
    })?;
    decode(&mut waiting, rows)?;
    Ok(names)
}

/// How many folders at the start all files have in common; the one that holds a file directly stays, for it names a class.
fn shared_folders(files: &[PathBuf]) -> usize {
    let folders = |file: &PathBuf| -> Vec<PathBuf> {
        let parent = file.parent().map(Path::components).into_iter().flatten();
        parent.map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    let Some(first) = files.first().map(folders) else { return 0 };
    files.iter().map(folders).fold(first.len().saturating_sub(1), |shared, other| {
        let same = first.iter().zip(&other).take_while(|(a, b)| a == b).count();
        shared.min(same).min(other.len().saturating_sub(1))
    })
}

/// The class of a file: the folder after `skip` others.
fn class_of(file: &Path, skip: usize, root: &Path) -> Result<String> {
    let folders = file.parent().map(Path::components).into_iter().flatten();
    let class = folders.map(|part| part.as_os_str().to_string_lossy().into_owned()).nth(skip);
    class.filter(|class| class != "." && class != "..").ok_or_else(|| {
        Error::new(Code::InvalidData, "the picture lies in no class folder")
            .at(root.join(file).display().to_string())
            .expected("a folder for each class, and pictures only in those")
            .hint("Pictures without classes are read as bytes: fromImages([{ bytes, label }]).")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_the_folders_after_those_in_common() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let cases: [(&[&str], usize); 5] = [
            (&["train/cat/1.jpg", "train/dog/1.jpg"], 1),
            (&["cat/1.jpg", "dog/1.jpg"], 0),
            (&["train/cat/1.jpg", "train/cat/2.jpg"], 1),
            (&["a/b/cat/x/1.jpg", "a/b/dog/1.jpg"], 2),
            (&["1.jpg"], 0),
        ];
        for (names, shared) in cases {
            assert_eq!(shared_folders(&files(names)), shared, "{names:?}");
        }
        assert_eq!(class_of(Path::new("train/cat/1.jpg"), 1, Path::new("r")).unwrap(), "cat");
        assert_eq!(
            class_of(Path::new("1.jpg"), 0, Path::new("r")).unwrap_err().place.unwrap(),
            "r/1.jpg"
        );
    }

    #[test]
    fn names_tell_what_is_read() {
        assert!(wanted(Path::new("cat/A.JPG")).unwrap() && wanted(Path::new("cat/b.png")).unwrap());
        assert!(!wanted(Path::new("cat/Thumbs.db")).unwrap() && !wanted(Path::new("cat/._a.jpg")).unwrap());
        assert_eq!(wanted(Path::new("cat/a.webp")).unwrap_err().code, Code::DataFormat);
    }
}
