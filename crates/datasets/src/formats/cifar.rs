//! CIFAR-10 and CIFAR-100 in the two forms in which they are distributed: binary records, and Python 2's pickles.
//!
//! A binary file is a run of records: one byte of label (CIFAR-100 has the coarse label before the fine one), then 3,072
//! of pixels, 1,024 each of red, green and blue, row after row. A pickle is a dictionary with the same pixels as a NumPy
//! array `[images, 3072]` under `data`, and a list of labels. Both are described at
//! <https://www.cs.toronto.edu/~kriz/cifar.html>. Pickles are read as data, never run. The archives in which either is
//! distributed are read as they are, once their checksum was found right.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use unlearn_samples::{Dataset, ImageSet};
use unlearn_torch_files::Record;

use crate::checksum::Published;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::formats::archive::Archive;
use crate::options::OpenOptions;

/// Most bytes read of one file: several times the largest, CIFAR-100's training set of 155 MB.
const FILE_LIMIT: u64 = 1 << 29;

/// One form of a dataset. Each training file holds an equal share of the training images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// The folder that the distributed archive unpacks to.
    pub(crate) folder: &'static str,
    /// That archive.
    pub(crate) archive: Published,
    pub(crate) train: &'static [&'static str],
    pub(crate) test: &'static str,
    pub(crate) coding: Coding,
}

/// How a file holds images and labels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coding {
    /// Records of `label_bytes` bytes, the last of which is the label, and the pixels.
    Records { label_bytes: usize },
    /// A pickle with the labels under this key.
    Pickle { labels: &'static str },
}

impl Form {
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test])
    }

    fn is_in(&self, folder: &Path) -> bool {
        self.files().any(|file| folder.join(file).is_file())
    }
}

/// Opens the dataset of `entry` in the first form and place that has any of its files; folders go before archives.
pub(crate) fn open(entry: &Entry, forms: &[Form], options: &OpenOptions) -> Result<Dataset> {
    let roots = options.folders(entry.name, &[]);
    for (root, form) in roots.iter().flat_map(|root| forms.iter().map(move |form| (root, form))) {
        if let Some(folder) = [root.join(form.folder), root.clone()].iter().find(|folder| form.is_in(folder)) {
            return open_folder(entry, form, folder);
        }
        let archive = root.join(form.archive.file);
        if archive.is_file() {
            return open_archive(entry, form, &archive);
        }
    }
    Err(entry.not_found(&roots))
}

/// Opens the dataset of `entry` from the files of `form` in `folder`.
pub(crate) fn open_folder(entry: &Entry, form: &Form, folder: &Path) -> Result<Dataset> {
    if let Some(file) = form.files().find(|file| !folder.join(file).is_file()) {
        return Err(Error::MissingFile { folder: folder.into(), file: file.into() });
    }
    read(entry, form, &Place::Folder(folder.into()))
}

/// Opens the dataset of `entry` from the archive `path` of `form`.
pub(crate) fn open_archive(entry: &Entry, form: &Form, path: &Path) -> Result<Dataset> {
    form.archive.check(path)?;
    read_archive(entry, form, path)
}

/// As [`open_archive`], whatever the checksum of the archive.
pub(crate) fn read_archive(entry: &Entry, form: &Form, path: &Path) -> Result<Dataset> {
    let members: Vec<_> = form.files().map(|file| format!("{}/{file}", form.folder)).collect();
    read(entry, form, &Place::Archive(Archive::read(path, &members, FILE_LIMIT)?, form.folder))
}

/// Where the files of a form lie.
enum Place {
    Folder(PathBuf),
    /// An archive, and the folder within.
    Archive(Archive, &'static str),
}

impl Place {
    /// What the file is called in errors, and its bytes.
    fn load(&self, file: &str) -> Result<(PathBuf, Cow<'_, [u8]>)> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                let failed = |source| Error::Io { action: "read", path: path.clone(), source };
                let found = path.metadata().map_err(failed)?.len();
                if found > FILE_LIMIT {
                    return Err(Error::FileTooLarge { path, found, limit: FILE_LIMIT });
                }
                let bytes = std::fs::read(&path).map_err(failed)?;
                Ok((path, bytes.into()))
            }
            Self::Archive(archive, folder) => {
                let (path, bytes) = archive.member(&format!("{folder}/{file}"))?;
                Ok((path, bytes.into()))
            }
        }
    }
}

fn read(entry: &Entry, form: &Form, place: &Place) -> Result<Dataset> {
    let train = read_set(entry, form.coding, place, form.train, entry.train)?;
    let test = read_set(entry, form.coding, place, &[form.test], entry.test)?;
    Ok(entry.dataset(train, test))
}

/// `count` images from `files`, an equal share from each.
fn read_set(entry: &Entry, coding: Coding, place: &Place, files: &[&str], count: usize) -> Result<ImageSet> {
    let share = count / files.len();
    let mut pixels = Vec::with_capacity(count * entry.image_len());
    let mut labels = Vec::with_capacity(count);
    for file in files {
        let first = labels.len();
        let (path, bytes) = place.load(file)?;
        match coding {
            Coding::Records { label_bytes } => {
                read_records(entry, label_bytes, (&path, &bytes), share, &mut pixels, &mut labels)?;
            }
            Coding::Pickle { labels: key } => {
                read_pickle(entry, key, (&path, &bytes), share, &mut pixels, &mut labels)?;
            }
        }
        entry.check_labels(&path, &labels[first..])?;
    }
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    Ok(ImageSet::new(entry.shape, pixels, labels)?)
}

fn read_records(
    entry: &Entry,
    label_bytes: usize,
    (path, bytes): (&Path, &[u8]),
    count: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<i64>,
) -> Result<()> {
    let record = label_bytes + entry.image_len();
    let expected = (count * record) as u64;
    let found = bytes.len() as u64;
    if found != expected {
        return Err(Error::FileSize { path: path.into(), dataset: entry.name, images: count, expected, found });
    }
    for record in bytes.chunks_exact(record) {
        let (label, image) = record.split_at(label_bytes);
        labels.extend(label.last().copied().map(i64::from));
        pixels.extend_from_slice(image);
    }
    Ok(())
}

fn read_pickle(
    entry: &Entry,
    key: &str,
    (path, bytes): (&Path, &[u8]),
    count: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<i64>,
) -> Result<()> {
    let damaged = |source| Error::Record { path: path.into(), source: Box::new(source) };
    let record = Record::read(bytes).map_err(damaged)?;
    let array = record.bytes("data").map_err(damaged)?;
    entry.check_shape(path, "data", &[count, entry.image_len()], &array.shape)?;
    let mut found = record.integers(key).map_err(damaged)?;
    if found.len() != count {
        return Err(Error::CountMismatch {
            images_path: path.into(),
            images: count,
            labels_path: path.into(),
            labels: found.len(),
        });
    }
    pixels.extend_from_slice(&array.elements);
    labels.append(&mut found);
    Ok(())
}
