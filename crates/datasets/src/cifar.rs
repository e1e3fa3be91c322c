//! CIFAR-10 and CIFAR-100 in the two forms in which they are distributed: binary records, and Python 2's pickles.
//!
//! A binary file is a run of records: one byte of label (CIFAR-100 has the coarse label before the fine one), then 3,072
//! of pixels, 1,024 each of red, green and blue, row after row. A pickle is a dictionary with the same pixels as a NumPy
//! array `[images, 3072]` under `data`, and a list of labels. Both are described at
//! <https://www.cs.toronto.edu/~kriz/cifar.html>. Pickles are read as data, never run.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use unlearn_torch_files::Record;

use crate::dataset::{Dataset, ImageSet};
use crate::error::{Error, Result};
use crate::registry::{Entry, OpenOptions};

/// Most bytes read of one pickle: several times the largest, CIFAR-100's training set of 155 MB.
const PICKLE_LIMIT: u64 = 1 << 30;

/// One form of a dataset. Each training file holds an equal share of the training images.
#[derive(Debug)]
pub(crate) struct Form {
    /// The folder that the distributed archive unpacks to.
    pub(crate) folder: &'static str,
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

/// Opens the dataset of `entry` in the first form and folder that has any of its files.
pub(crate) fn open(entry: &Entry, forms: &[Form], options: &OpenOptions) -> Result<Dataset> {
    let roots = options.folders(entry.name, &[]);
    let places = roots.iter().flat_map(|root| {
        forms.iter().flat_map(move |form| [root.join(form.folder), root.clone()].map(|folder| (form, folder)))
    });
    match places.into_iter().find(|(form, folder)| form.is_in(folder)) {
        Some((form, folder)) => open_folder(entry, form, &folder),
        None => Err(Error::not_found(entry, &roots)),
    }
}

/// Opens the dataset of `entry` from the files of `form` in `folder`.
pub(crate) fn open_folder(entry: &Entry, form: &Form, folder: &Path) -> Result<Dataset> {
    if let Some(file) = form.files().find(|file| !folder.join(file).is_file()) {
        return Err(Error::MissingFile { folder: folder.into(), file: file.into() });
    }
    let train = read(entry, form.coding, form.train.iter().map(|file| folder.join(file)), entry.train)?;
    let test = read(entry, form.coding, [folder.join(form.test)].into_iter(), entry.test)?;
    Ok(entry.dataset(train, test))
}

/// `count` images from `files`, an equal share from each.
fn read(
    entry: &Entry,
    coding: Coding,
    files: impl ExactSizeIterator<Item = PathBuf>,
    count: usize,
) -> Result<ImageSet> {
    let share = count / files.len();
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for path in files {
        let first = labels.len();
        match coding {
            Coding::Records { label_bytes } => {
                read_records(entry, label_bytes, &path, share, &mut pixels, &mut labels)?;
            }
            Coding::Pickle { labels: key } => read_pickle(entry, key, &path, share, &mut pixels, &mut labels)?,
        }
        entry.check_labels(&path, &labels[first..])?;
    }
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    ImageSet::new(entry.shape, pixels, labels)
}

fn read_records(
    entry: &Entry,
    label_bytes: usize,
    path: &Path,
    count: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<i64>,
) -> Result<()> {
    let record = label_bytes + entry.image_len();
    let expected = (count * record) as u64;
    let (file, found) = open_file(path)?;
    let refusal = |found| Error::FileSize { path: path.into(), dataset: entry.name, images: count, expected, found };
    if found != expected {
        return Err(refusal(found));
    }
    let bytes = read_to_limit(file, expected, path)?;
    if bytes.len() as u64 != expected {
        return Err(refusal(bytes.len() as u64));
    }
    pixels.reserve(count * entry.image_len());
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
    path: &Path,
    count: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<i64>,
) -> Result<()> {
    let (file, found) = open_file(path)?;
    if found > PICKLE_LIMIT {
        return Err(Error::FileTooLarge { path: path.into(), found, limit: PICKLE_LIMIT });
    }
    let bytes = read_to_limit(file, PICKLE_LIMIT, path)?;
    let damaged = |source| Error::Record { path: path.into(), source: Box::new(source) };
    let record = Record::read(&bytes).map_err(damaged)?;
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
    pixels.extend_from_slice(array.elements);
    labels.append(&mut found);
    Ok(())
}

fn open_file(path: &Path) -> Result<(File, u64)> {
    let failed = |source| Error::Io { action: "open", path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    Ok((file, len))
}

fn read_to_limit(file: File, limit: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(limit).read_to_end(&mut bytes);
    read.map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
    Ok(bytes)
}
