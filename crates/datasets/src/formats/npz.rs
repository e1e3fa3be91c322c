//! NumPy's `.npz` archives of four arrays: images and labels to train on, images and labels to test on.
//!
//! The arrays are `x_train`, `y_train`, `x_test` and `y_test`, as Keras names them, or `train_images`, `train_labels`,
//! `test_images` and `test_labels`, as the archives of `medmnist` do. Images are unsigned bytes, `[count, height, width]`, with 1 or 3
//! channels last, or with the channels before the height; labels whole numbers, `[count]` or `[count, 1]`. An array
//! `classes` of text, if there is one, names the classes. An archive is a zip file of `.npy` arrays, stored or deflated.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use unlearn_samples::npy::{self, Header};
use unlearn_samples::{Dataset, ImageSet};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::entry::check_labels;
use crate::error::{Error, Result, damaged};
use crate::place::Place;

/// Most bytes of an array: 16 GiB.
const LIMIT: u64 = 1 << 34;
/// The same of the names of classes.
const CLASSES_LIMIT: u64 = 1 << 20;

const CLASSES: &str = "classes";

/// Training images, training labels, test images and test labels.
const NAMES: [[&str; 4]; 2] =
    [["x_train", "y_train", "x_test", "y_test"], ["train_images", "train_labels", "test_images", "test_labels"]];

/// What is wrong with an archive.
type Checked<T> = std::result::Result<T, String>;

/// Opens an archive.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    let path = &place.path;
    if place.size.is_some() {
        return Err(damaged(path, "arrays of images have their size; leave out what follows the `?`"));
    }
    let file = File::open(path).map_err(|source| Error::Io { action: "open", path: path.into(), source })?;
    let parts = decode(BufReader::new(file)).map_err(|problem| damaged(path, problem))?;
    let count = |labels: &[i64]| labels.iter().max().map_or(0, |&label| label.max(0) as usize + 1);
    let images = parts.labels[0].len();
    check_labels(path, &parts.labels[0], images.max(1))?;
    let classes = match parts.classes {
        Some(classes) => classes,
        None => (0..count(&parts.labels[0])).map(|class| class.to_string()).collect(),
    };
    let set = |(shape, pixels): ([usize; 3], Vec<u8>), labels: Vec<i64>| -> Result<ImageSet> {
        check_labels(path, &labels, classes.len())?;
        let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
        Ok(ImageSet::new(shape, pixels, labels)?)
    };
    let ([train, test], [train_labels, test_labels]) = (parts.images, parts.labels);
    let (train, test) = (set(train, train_labels)?, set(test, test_labels)?);
    let shape = |set: &ImageSet| [set.channels, set.height, set.width];
    if shape(&train) != shape(&test) {
        let problem = format!("training images are {:?}, but test images {:?}", shape(&train), shape(&test));
        return Err(damaged(path, problem));
    }
    place.dataset_of_images(classes, train, test)
}

/// An archive's arrays, of training and of test.
struct Parts {
    /// `[channels, height, width]`, and pixels in that order.
    images: [([usize; 3], Vec<u8>); 2],
    labels: [Vec<i64>; 2],
    classes: Option<Vec<String>>,
}

fn decode(file: impl Read + Seek) -> Checked<Parts> {
    let mut archive = ZipArchive::new(file).map_err(|error| error.to_string())?;
    let has = |name: &str| archive.index_for_name(&format!("{name}.npy")).is_some();
    let names = NAMES.iter().find(|names| names.iter().all(|name| has(name))).ok_or_else(|| {
        let choices = NAMES.map(|names| names.join(", ")).join("; or ");
        let found: Vec<_> = archive.file_names().filter_map(std::result::Result::ok).take(8).collect();
        format!("its arrays must be {choices}; it holds {}", found.join(", "))
    })?;
    let mut images = |name: &str| named(name, array(&mut archive, name, LIMIT).and_then(planes));
    let images = [images(names[0])?, images(names[2])?];
    let mut labels = |name: &str| named(name, array(&mut archive, name, LIMIT).and_then(numbers));
    let labels = [labels(names[1])?, labels(names[3])?];
    let classes = match archive.index_for_name(&format!("{CLASSES}.npy")) {
        Some(_) => Some(named(CLASSES, array(&mut archive, CLASSES, CLASSES_LIMIT).and_then(texts))?),
        None => None,
    };
    Ok(Parts { images, labels, classes })
}

fn named<T>(array: &str, result: Checked<T>) -> Checked<T> {
    result.map_err(|problem| format!("array `{array}`: {problem}"))
}

/// An array's header and bytes.
fn array(archive: &mut ZipArchive<impl Read + Seek>, name: &str, limit: u64) -> Checked<(Header, Vec<u8>)> {
    let index = archive.index_for_name(&format!("{name}.npy")).ok_or("it is missing")?;
    let mut entry = archive.by_index_raw(index).map_err(|error| error.to_string())?;
    let (crc, compression) = (entry.crc32(), entry.compression());
    if compression == CompressionMethod::Stored {
        elements(&mut entry, crc, limit)
    } else if compression == CompressionMethod::DEFLATE {
        elements(&mut DeflateDecoder::new(&mut entry), crc, limit)
    } else {
        Err(format!("it is packed by {compression:?}; use `numpy.savez` or `numpy.savez_compressed`"))
    }
}

fn elements(reader: &mut impl Read, crc: u32, limit: u64) -> Checked<(Header, Vec<u8>)> {
    let mut summing = Summing { reader, crc: Crc::new() };
    let header = npy::header(&mut summing)?;
    let announced =
        header.data_len().ok_or_else(|| format!("elements are '{}', which are not read", header.descr))? as u64;
    if announced > limit {
        return Err(format!("it announces {announced} bytes; at most {limit} are read"));
    }
    let mut bytes = Vec::new();
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

/// A reader that sums what passes.
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

/// Images as `[count, channels, height, width]`, however they were laid out.
fn planes((header, bytes): (Header, Vec<u8>)) -> Checked<([usize; 3], Vec<u8>)> {
    if header.descr != "|u1" {
        return Err(format!("elements are '{}'; convert to unsigned bytes (`uint8`), 0 to 255", header.descr));
    }
    if header.column_major {
        return Err("it is column-major; save `numpy.ascontiguousarray(…)`".into());
    }
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
    let mut planes = vec![0; bytes.len()];
    let plane = height * width;
    for (image, out) in bytes.chunks_exact(channels * plane).zip(planes.chunks_exact_mut(channels * plane)) {
        for (at, pixel) in image.chunks_exact(channels).enumerate() {
            for (channel, &value) in pixel.iter().enumerate() {
                out[channel * plane + at] = value;
            }
        }
    }
    Ok((shape, planes))
}

fn numbers((header, bytes): (Header, Vec<u8>)) -> Checked<Vec<i64>> {
    if !matches!(header.shape[..], [_] | [_, 1]) {
        return Err(format!("its shape {} is not (count,) or (count, 1)", npy::tuple(&header.shape)));
    }
    let refuse = || format!("elements are '{}'; convert to whole numbers, such as `int64`", header.descr);
    header.integers(&bytes).ok_or_else(refuse)
}

/// Texts of UTF-32, each filled up with zeros.
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

/// Writes a dataset to the file `path`: `x_train`, `y_train`, `x_test`, `y_test` and `classes`, images with channels last.
/// Equal datasets give equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write(dataset: &Dataset, path: &Path) -> Result<()> {
    let failed = |source| Error::Io { action: "write", path: path.into(), source };
    let file = File::create(path).map_err(failed)?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
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

/// Images as `[count, height, width, channels]`, or, if they are grey, `[count, height, width]`.
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
