//! NumPy's `.npz` archives of four arrays: training images and labels, test images and labels.
//!
//! The arrays are `x_train`, `y_train`, `x_test` and `y_test`, as in Keras, or `train_images`, `train_labels`,
//! `test_images` and `test_labels`, as in the archives of `medmnist`. Images are unsigned bytes,
//! `[count, height, width]`, with 1 or 3 channels last or before the height. Labels are whole numbers, `[count]` or
//! `[count, 1]`. An optional array `classes` of text names the classes. An archive is a zip file of `.npy` arrays,
//! stored or deflated. Other arrays are refused, with the NumPy code that fixes them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use unlearn_files::Form;
use unlearn_samples::npy::{self, Header};
use unlearn_samples::{Dataset, ImageSet};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::entry::{check_labels, check_numbering};
use crate::error::{Error, Result, damaged};
use crate::formats::numpy_advice::{self, Use};
use crate::formats::proportion;
use crate::place::Place;

/// Maximum bytes of an array: 16 GiB.
const LIMIT: u64 = 1 << 34;
/// The same for the names of classes.
const CLASSES_LIMIT: u64 = 1 << 20;

const CLASSES: &str = "classes";

/// Training images, training labels, test images and test labels.
const NAMES: [[&str; 4]; 2] =
    [["x_train", "y_train", "x_test", "y_test"], ["train_images", "train_labels", "test_images", "test_labels"]];

/// A result whose error is the fault of an archive.
type Checked<T> = std::result::Result<T, String>;

/// Opens an archive.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    let path = &place.path;
    place.refuse_size()?;
    let failed = |source| Error::Io { action: "open", path: path.into(), source };
    let file = unlearn_files::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let parts = decode(BufReader::new(file), len).map_err(|problem| damaged(path, problem))?;
    let count = |labels: &[i64]| labels.iter().max().map_or(0, |&label| label.max(0) as usize + 1);
    for (part, ((shape, pixels), labels)) in parts.images.iter().zip(&parts.labels).enumerate() {
        let images = pixels.len() / shape.iter().product::<usize>().max(1);
        let names = [parts.names[2 * part], parts.names[2 * part + 1]];
        check_pairs(names, images, labels).map_err(|problem| damaged(path, problem))?;
    }
    if !parts.unread.is_empty() {
        tracing::warn!("{}: arrays that are not read: {}", path.display(), parts.unread.join(", "));
    }
    let images = parts.labels[0].len();
    check_numbering(path, &parts.labels[0], images)?;
    let classes = match parts.classes {
        Some(classes) => classes,
        None => (0..count(&parts.labels[0])).map(|class| class.to_string()).collect(),
    };
    let set = |(shape, pixels): ([usize; 3], Vec<u8>), labels: Vec<i64>, name: &str| -> Result<ImageSet> {
        // An archive has two arrays of labels.
        let array = PathBuf::from(format!("{}, array `{name}`,", path.display()));
        check_labels(&array, &labels, classes.len())?;
        let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
        Ok(ImageSet::new(shape, pixels, labels)?)
    };
    let ([train, test], [train_labels, test_labels]) = (parts.images, parts.labels);
    let [_, train_name, _, test_name] = parts.names;
    let (train, test) = (set(train, train_labels, train_name)?, set(test, test_labels, test_name)?);
    let shape = |set: &ImageSet| [set.channels, set.height, set.width];
    if shape(&train) != shape(&test) {
        let problem = format!("training images are {:?}, but test images {:?}", shape(&train), shape(&test));
        return Err(damaged(path, problem));
    }
    place.dataset_of_images(classes, train, test)
}

/// The arrays of an archive, for training and for testing.
struct Parts {
    /// `[channels, height, width]`, and pixels in that order.
    images: [([usize; 3], Vec<u8>); 2],
    labels: [Vec<i64>; 2],
    classes: Option<Vec<String>>,
    /// The names of the four arrays.
    names: [&'static str; 4],
    /// The names of other arrays.
    unread: Vec<String>,
}

/// Checks that there is a label for each image, and none is negative. `names` are the names of both arrays.
fn check_pairs([images_name, name]: [&str; 2], images: usize, labels: &[i64]) -> Checked<()> {
    if labels.len() != images {
        let (found, least) = (labels.len(), labels.len().min(images));
        return Err(format!(
            "array `{name}` has {found} labels, but `{images_name}` {images} images; save as many of both, in the same order: if the \
             last are the ones too many, `{images_name}, {name} = {images_name}[:{least}], {name}[:{least}]`"
        ));
    }
    match labels.iter().position(|&label| label < 0) {
        None => Ok(()),
        Some(at) => {
            let label = labels[at];
            Err(format!(
                "array `{name}` gives image {at} the label {label}; classes are numbered from 0: \
                 `{name} = np.unique({name}, return_inverse=True)[1]` numbers the existing ones"
            ))
        }
    }
}

fn decode(mut file: impl Read + Seek, len: u64) -> Checked<Parts> {
    let mut head = Vec::new();
    file.by_ref().take(1024).read_to_end(&mut head).map_err(|error| error.to_string())?;
    let mut archive = ZipArchive::new(file).map_err(|error| match Form::of(&head) {
        Form::Zip | Form::Unknown => format!("it is no whole `.npz` ({error}); write it again with `numpy.savez`"),
        other => format!(
            "it is {other}, not an `.npz`{}",
            other.advice().map_or(String::new(), |advice| format!("; {advice}"))
        ),
    })?;
    let has = |name: &str| archive.index_for_name(&format!("{name}.npy")).is_some();
    let names = NAMES.iter().find(|names| names.iter().all(|name| has(name))).ok_or_else(|| {
        let choices = NAMES.map(|names| names.join(", ")).join("; or ");
        let found: Vec<_> = archive.file_names().filter_map(std::result::Result::ok).take(8).collect();
        format!("its arrays must be {choices}; it holds {}", found.join(", "))
    })?;
    let limits = Limits { most: LIMIT, len };
    let mut images = |name: &str| named(name, array(&mut archive, name, limits, Use::Images).and_then(planes));
    let images = [images(names[0])?, images(names[2])?];
    let mut labels = |name: &str| named(name, array(&mut archive, name, limits, Use::Labels).and_then(numbers));
    let labels = [labels(names[1])?, labels(names[3])?];
    let classes = match archive.index_for_name(&format!("{CLASSES}.npy")) {
        Some(_) => {
            let limits = Limits { most: CLASSES_LIMIT, len };
            Some(named(CLASSES, array(&mut archive, CLASSES, limits, Use::Classes).and_then(texts))?)
        }
        None => None,
    };
    let read = |name: &str| names.contains(&name) || name == CLASSES;
    let all = archive.file_names().filter_map(std::result::Result::ok);
    let unread = all.map(|name| name.trim_end_matches(".npy").to_owned()).filter(|name| !read(name)).take(8).collect();
    Ok(Parts { images, labels, classes, names: *names, unread })
}

fn named<T>(array: &str, result: Checked<T>) -> Checked<T> {
    result.map_err(|problem| format!("array `{array}`: {problem}"))
}

/// The limits of an array.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Maximum bytes.
    most: u64,
    /// Bytes of the archive, which limit the array's size in proportion.
    len: u64,
}

/// An array's header and bytes.
fn array(
    archive: &mut ZipArchive<impl Read + Seek>,
    name: &str,
    limits: Limits,
    purpose: Use,
) -> Checked<(Header, Vec<u8>)> {
    let index = archive.index_for_name(&format!("{name}.npy")).ok_or("it is missing")?;
    let mut entry = archive.by_index_raw(index).map_err(|error| error.to_string())?;
    let (crc, compression) = (entry.crc32(), entry.compression());
    if compression == CompressionMethod::Stored {
        elements(&mut entry, crc, name, limits, purpose)
    } else if compression == CompressionMethod::DEFLATE {
        elements(&mut DeflateDecoder::new(&mut entry), crc, name, limits, purpose)
    } else {
        Err(format!("it is packed by {compression:?}; use `numpy.savez` or `numpy.savez_compressed`"))
    }
}

fn elements(reader: &mut impl Read, crc: u32, name: &str, limits: Limits, purpose: Use) -> Checked<(Header, Vec<u8>)> {
    let mut summing = Summing { reader, crc: Crc::new() };
    let header = npy::header(&mut summing)?;
    numpy_advice::check(&header, name, purpose, &mut summing)?;
    let announced =
        header.data_len().ok_or_else(|| format!("elements are '{}', which are not read", header.descr))? as u64;
    if announced > limits.most {
        return Err(format!("it announces {announced} bytes; at most {} are read", limits.most));
    }
    proportion::check(announced, limits.len, "save it with `numpy.savez`, which does not pack")?;
    // A stored array is not longer than the file. For a packed one, memory grows with what arrives.
    let mut bytes = Vec::with_capacity(announced.min(limits.len) as usize);
    let read = summing.by_ref().take(announced + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 != announced {
        let shape = npy::tuple(&header.shape);
        return Err(format!("{} bytes do not fill the shape {shape} of '{}'", bytes.len(), header.descr));
    }
    if summing.crc.sum() != crc {
        return Err("its checksum is wrong; fetch the file again".into());
    }
    Ok((header, bytes))
}

/// A reader that computes a checksum of the bytes that pass.
struct Summing<'a, R> {
    reader: &'a mut R,
    crc: Crc,
}

impl<R: Read> Read for Summing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.crc.update(&buffer[..len]);
        Ok(len)
    }
}

/// Images as `[count, channels, height, width]`, from any layout.
fn planes((header, mut bytes): (Header, Vec<u8>)) -> Checked<([usize; 3], Vec<u8>)> {
    let colours = |channels: usize| channels == 1 || channels == 3;
    let (shape, last) = match header.shape[..] {
        [_, height, width] => ([1, height, width], false),
        [_, a, b, c] if colours(a) != colours(c) => {
            if colours(a) {
                ([a, b, c], false)
            } else {
                ([c, a, b], true)
            }
        }
        _ => {
            let shape = npy::tuple(&header.shape);
            return Err(format!(
                "its shape {shape} is not (count, height, width), with 1 or 3 channels last or second"
            ));
        }
    };
    if shape.contains(&0) {
        return Err(format!("its shape {} has an empty side", npy::tuple(&header.shape)));
    }
    let [channels, height, width] = shape;
    if !last || channels == 1 {
        return Ok((shape, bytes));
    }
    // Image by image, in place.
    let plane = height * width;
    let mut image = vec![0; channels * plane];
    for out in bytes.chunks_exact_mut(channels * plane) {
        image.copy_from_slice(out);
        for (at, pixel) in image.chunks_exact(channels).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                out[channel * plane + at] = value;
            }
        }
    }
    Ok((shape, bytes))
}

fn numbers((header, bytes): (Header, Vec<u8>)) -> Checked<Vec<i64>> {
    if !matches!(header.shape[..], [_] | [_, 1]) {
        return Err(format!("its shape {} is not (count,) or (count, 1)", npy::tuple(&header.shape)));
    }
    let refuse = || format!("elements are '{}'; convert to whole numbers, such as `int64`", header.descr);
    header.integers(&bytes).ok_or_else(refuse)
}

/// Texts in UTF-32, each padded with zeros.
fn texts((header, bytes): (Header, Vec<u8>)) -> Checked<Vec<String>> {
    let refuse = || format!("'{}' of the shape {} is no list of texts", header.descr, npy::tuple(&header.shape));
    let len = header.element_len().filter(|&len| len > 0 && header.descr.starts_with("<U")).ok_or_else(refuse)?;
    let letter = |bytes: &[u8; 4]| char::from_u32(u32::from_le_bytes(*bytes));
    let text = |bytes: &[u8]| -> Option<String> {
        let text: String = bytes.as_chunks().0.iter().map(letter).collect::<Option<_>>()?;
        Some(text.trim_end_matches('\0').to_owned())
    };
    if header.shape.len() != 1 {
        return Err(refuse());
    }
    bytes.chunks_exact(len).map(text).collect::<Option<_>>().ok_or_else(refuse)
}

/// Writes a dataset to the file `path`: `x_train`, `y_train`, `x_test`, `y_test` and `classes`, images with channels
/// last. Equal datasets give equal bytes. The file is written in one step: if that fails, an older one stays.
///
/// # Errors
/// If the file cannot be written, or an image cannot be read.
pub fn write(dataset: &Dataset, path: &Path) -> Result<()> {
    let mut unread = None;
    let written = unlearn_files::write_atomic_with(path, |file| match fill(dataset, file, path) {
        Err(Error::Io { source, .. }) => Err(source),
        Err(error) => {
            unread = Some(error);
            Err(std::io::Error::other("an image cannot be read"))
        }
        Ok(()) => Ok(()),
    });
    match unread {
        Some(error) => Err(error),
        None => written.map_err(|source| Error::Io { action: "write", path: path.into(), source }),
    }
}

/// Writes the archive into an open file. `path` is for messages.
fn fill(dataset: &Dataset, file: &mut File, path: &Path) -> Result<()> {
    let failed = |source| Error::Io { action: "write", path: path.into(), source };
    let mut archive = ZipWriter::new(Quiet { file: BufWriter::new(file), failed: false, at: 0 });
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let mut array = |name: &str, descr: &str, shape: Vec<usize>, bytes: &[u8]| -> std::io::Result<()> {
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&Header { descr: descr.into(), column_major: false, shape }.encode())?;
        archive.write_all(bytes)
    };
    let [names, _] = NAMES;
    for (set, [images, labels]) in [(&dataset.train, [names[0], names[1]]), (&dataset.test, [names[2], names[3]])] {
        let count = set.len();
        let (shape, bytes) = channels_last(set)?;
        array(images, "|u1", shape, &bytes).map_err(failed)?;
        let bytes: Vec<u8> = set.labels.iter().flat_map(|&label| i64::from(label).to_le_bytes()).collect();
        array(labels, "<i8", vec![count], &bytes).map_err(failed)?;
    }
    let letters = dataset.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(1);
    let filled = |class: &String| -> Vec<u8> {
        let text = class.chars().chain(std::iter::repeat('\0')).take(letters);
        text.flat_map(|letter| u32::from(letter).to_le_bytes()).collect()
    };
    let bytes: Vec<u8> = dataset.classes.iter().flat_map(filled).collect();
    array(CLASSES, &format!("<U{letters}"), vec![dataset.classes.len()], &bytes).map_err(failed)?;
    let mut writer = archive.finish().map_err(|error| failed(error.into()))?;
    writer.flush().map_err(failed)
}

/// A file that accepts everything after its first failure. `ZipWriter` tries to finish its archive when it is dropped, and
/// prints what goes wrong then to standard error.
struct Quiet<'a> {
    file: BufWriter<&'a mut File>,
    failed: bool,
    /// The position in the archive, as if no write had failed: `ZipWriter` relies on it.
    at: u64,
}

impl Quiet<'_> {
    fn note<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        self.failed |= result.is_err();
        result
    }
}

impl Write for Quiet<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = if self.failed { Ok(bytes.len()) } else { self.file.write(bytes) };
        self.at += *written.as_ref().unwrap_or(&0) as u64;
        self.note(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.failed {
            return Ok(());
        }
        let flushed = self.file.flush();
        self.note(flushed)
    }
}

impl Seek for Quiet<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        if self.failed {
            self.at = match to {
                SeekFrom::Start(at) => at,
                SeekFrom::Current(by) | SeekFrom::End(by) => self.at.saturating_add_signed(by),
            };
            return Ok(self.at);
        }
        let at = self.file.seek(to);
        self.at = *at.as_ref().unwrap_or(&self.at);
        self.note(at)
    }
}

/// Images as `[count, height, width, channels]`, or `[count, height, width]` if they are grey.
fn channels_last(set: &ImageSet) -> Result<(Vec<usize>, Vec<u8>)> {
    let (count, plane) = (set.len(), set.height * set.width);
    let mut bytes = Vec::with_capacity(count * set.image_len());
    for i in 0..count {
        let image = set.image(i)?;
        for at in 0..plane {
            bytes.extend(image.iter().skip(at).step_by(plane));
        }
    }
    let mut shape = vec![count, set.height, set.width];
    if set.channels != 1 {
        shape.push(set.channels);
    }
    Ok((shape, bytes))
}
