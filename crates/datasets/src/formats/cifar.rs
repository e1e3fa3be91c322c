//! CIFAR-10 and CIFAR-100 in their two distributed forms: binary records, and Python 2 pickles.
//!
//! A binary file is a sequence of records: one byte of label (CIFAR-100 has the coarse label before the fine one),
//! then 3,072 bytes of pixels, 1,024 each of red, green and blue, row by row. A pickle is a dictionary with the same
//! pixels as a NumPy array `[images, 3072]` under `data`, and a list of labels. Both are described at
//! <https://www.cs.toronto.edu/~kriz/cifar.html>. Pickles are read as data and never run. Pickles that Python 3 saved
//! again are read too. The distributed archives are read directly, after a check of their checksum. By path, files
//! with the same names and layout are opened with any number of images, and archives with any checksum.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use unlearn_samples::{Dataset, ImageSet, Subclasses};
use unlearn_torch_files::Record;

use crate::checksum::Published;
use crate::entry::{Entry, check_labels};
use crate::error::{Error, Result, damaged};
use crate::formats::archive::Archive;
use crate::formats::unread;
use crate::options::OpenOptions;
use crate::place;
use crate::{cifar10, cifar20, cifar100};

/// Maximum bytes of one file: several times the largest, CIFAR-100's training set of 155 MB.
const FILE_LIMIT: u64 = 1 << 29;

/// One form of a dataset. Each training file holds an equal share of the training images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// The folder in the distributed archive.
    pub(crate) folder: &'static str,
    /// The distributed archive.
    pub(crate) archive: Published,
    pub(crate) train: &'static [&'static str],
    pub(crate) test: &'static str,
    pub(crate) coding: Coding,
    /// The file of class names: one per line, or a pickle.
    pub(crate) names: &'static str,
}

/// Bytes of an image: 1,024 each of red, green and blue.
const IMAGE: usize = 3072;

/// The encoding of images and labels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coding {
    /// Records of `label_bytes` bytes, and the pixels. Of these bytes, the one at `label` is the label, and the one at `subclass` the
    /// subclass.
    Records { label_bytes: usize, label: usize, subclass: Option<usize> },
    /// A pickle with the labels under the key `labels`, and the subclasses under the key `subclasses`. Another pickle has the names of the classes under the key
    /// `names`.
    Pickle { labels: &'static str, subclasses: Option<&'static str>, names: &'static str },
}

impl Form {
    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test])
    }

    fn is_in(&self, folder: &Path) -> bool {
        self.files().any(|file| folder.join(file).is_file())
    }
}

/// Opens the dataset of `entry` in the first form and place with any of its files. Folders come before archives.
pub(crate) fn open(entry: &Entry, forms: &[Form], options: &OpenOptions) -> Result<Dataset> {
    let roots = entry.folders(options);
    let places = roots.iter().flat_map(|root| forms.iter().flat_map(|form| Candidate::all(root, form)));
    match entry.first_with(places, Candidate::is_there) {
        Some(Candidate::Folder(folder, form)) => open_folder(entry, form, &folder),
        Some(Candidate::Archive(path, form)) => open_archive(entry, form, &path),
        None => Err(entry.not_found(&roots)),
    }
}

/// A place that may hold a form.
enum Candidate<'a> {
    Folder(PathBuf, &'a Form),
    Archive(PathBuf, &'a Form),
}

impl<'a> Candidate<'a> {
    fn all(root: &Path, form: &'a Form) -> [Self; 3] {
        let archive = root.join(form.archive.file);
        [Self::Folder(root.join(form.folder), form), Self::Folder(root.into(), form), Self::Archive(archive, form)]
    }

    fn is_there(&self) -> bool {
        match self {
            Self::Folder(folder, form) => form.is_in(folder),
            Self::Archive(path, _) => path.is_file(),
        }
    }
}

impl AsRef<Path> for Candidate<'_> {
    fn as_ref(&self) -> &Path {
        let (Self::Folder(path, _) | Self::Archive(path, _)) = self;
        path
    }
}

/// Opens a folder or an archive that the registry does not know, with any number of images.
pub(crate) fn open_place(place: &place::Place) -> Result<Dataset> {
    place.refuse_size()?;
    let path = &place.path;
    let known: &[&[Form]] = if place.coarse { &[&cifar20::FORMS] } else { &[&cifar10::FORMS, &cifar100::FORMS] };
    let forms = known.iter().copied().flatten();
    let found: Vec<_> = if path.is_dir() {
        let there = forms.flat_map(|form| Candidate::all(path, form)).filter(Candidate::is_there);
        // An unpacked archive is often still in the same folder.
        let (folders, archives): (Vec<_>, Vec<_>) =
            there.partition(|candidate| matches!(candidate, Candidate::Folder(..)));
        if folders.is_empty() { archives } else { folders }
    } else {
        let named = |form: &&Form| path.file_name().is_some_and(|name| name == form.archive.file);
        forms.filter(named).map(|form| Candidate::Archive(path.clone(), form)).collect()
    };
    let (form, files) = match &found[..] {
        [Candidate::Folder(folder, form)] => {
            form.check_files(folder)?;
            let read: Vec<&str> = form.files().chain([form.names]).collect();
            unread::warn(folder, &read, |name| {
                let begins = ["data_batch", "test_batch", "train", "test"].iter().any(|part| name.starts_with(part));
                begins && !unread::ends_in(name, &["txt", "html", "md"])
            })?;
            (form, Place::Folder(folder.clone()))
        }
        [Candidate::Archive(path, form)] => (form, form.archived(path)?),
        [] if path.is_dir() => {
            let wanted = "data_batch_1.bin … test_batch.bin, data_batch_1 … test_batch, train.bin and test.bin, or train and test";
            return Err(damaged(path, format!("it holds no files of CIFAR: {wanted}, nor an archive of these")));
        }
        [] => {
            return Err(damaged(path, "its name is not that of a CIFAR archive; unpack it and name the folder"));
        }
        several => {
            let several =
                several.iter().map(|one| one.as_ref().join(one.first())).map(|path| path.display().to_string());
            let several = several.collect::<Vec<_>>().join(", ");
            return Err(damaged(
                path,
                format!("it holds several forms of CIFAR; name the folder of one of them: {several}"),
            ));
        }
    };
    let (mut train, mut test) = (read_set(form, &files, form.train)?, read_set(form, &files, &[form.test])?);
    let numbers = [&mut train, &mut test].map(|set| std::mem::take(&mut set.subclasses));
    let classes = match form.class_names(&files)? {
        Some(names) => names,
        None => (0..train.labels.iter().max().map_or(0, |label| label + 1)).map(|class| class.to_string()).collect(),
    };
    let set = |set: Batches| {
        for (path, labels) in set.of_files() {
            check_labels(&path, labels, classes.len())?;
        }
        set.images([3, 32, 32])
    };
    let paths = [&train, &test].map(|set| set.ends.first().map(|(path, _)| path.clone()).unwrap_or_default());
    let (train, test) = (set(train)?, set(test)?);
    let dataset = place.dataset_of_images(classes, train, test)?;
    if !place.coarse {
        return Ok(dataset);
    }
    let fine = cifar100::FORMS.iter().find(|fine| fine.folder == form.folder);
    let named = fine.map(|fine| fine.class_names(&files)).transpose()?.flatten();
    let names = named.unwrap_or_else(|| {
        let most = numbers.iter().flatten().max().map_or(0, |number| number + 1);
        (0..most).map(|number| number.to_string()).collect()
    });
    for (path, numbers) in paths.iter().zip(&numbers) {
        check_labels(path, numbers, names.len())?;
    }
    let [train, test] = numbers.map(|numbers| numbers.into_iter().map(|number| number as u32).collect());
    Ok(dataset.with_subclasses(Subclasses { names, train, test })?)
}

impl Candidate<'_> {
    /// The file by which the form is recognised.
    fn first(&self) -> &'static str {
        match self {
            Self::Folder(_, form) => form.train[0],
            Self::Archive(..) => "",
        }
    }
}

impl Form {
    fn check_files(&self, folder: &Path) -> Result<()> {
        match self.files().find(|file| !folder.join(file).is_file()) {
            Some(file) => Err(Error::MissingFile { folder: folder.into(), file: file.into() }),
            None => Ok(()),
        }
    }

    /// The files in the archive `path`.
    fn archived(&self, path: &Path) -> Result<Place> {
        let members: Vec<_> = self.files().chain([self.names]).map(|file| format!("{}/{file}", self.folder)).collect();
        Ok(Place::Archive(Archive::read(path, &members, FILE_LIMIT)?, self.folder))
    }

    /// The names of the classes, if there is a file of them.
    fn class_names(&self, place: &Place) -> Result<Option<Vec<String>>> {
        if !place.has(self.names) {
            return Ok(None);
        }
        let (path, bytes) = place.load(self.names)?;
        match self.coding {
            Coding::Records { .. } => {
                let text =
                    std::str::from_utf8(&bytes).map_err(|_| damaged(&path, "the names of its classes are not text"))?;
                Ok(Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()))
            }
            Coding::Pickle { names, .. } => {
                let damaged = |source| Error::Record { path: path.clone(), source: Box::new(source) };
                Record::read(&bytes).map_err(damaged)?.texts(names).map(Some).map_err(damaged)
            }
        }
    }
}

/// Opens the dataset of `entry` from the files of `form` in `folder`.
pub(crate) fn open_folder(entry: &Entry, form: &Form, folder: &Path) -> Result<Dataset> {
    form.check_files(folder)?;
    read(entry, form, &Place::Folder(folder.into()), folder)
}

/// Opens the dataset of `entry` from the archive `path` of `form`.
pub(crate) fn open_archive(entry: &Entry, form: &Form, path: &Path) -> Result<Dataset> {
    form.archive.check(path)?;
    read_archive(entry, form, path)
}

/// As [`open_archive`], whatever the checksum of the archive.
pub(crate) fn read_archive(entry: &Entry, form: &Form, path: &Path) -> Result<Dataset> {
    read(entry, form, &form.archived(path)?, path)
}

/// The place of a form's files.
enum Place {
    Folder(PathBuf),
    /// An archive, and the folder in it.
    Archive(Archive, &'static str),
}

impl Place {
    fn has(&self, file: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(file).is_file(),
            Self::Archive(archive, folder) => archive.member(&format!("{folder}/{file}")).is_ok(),
        }
    }

    /// The file's name for errors, and its bytes.
    fn load(&self, file: &str) -> Result<(PathBuf, Cow<'_, [u8]>)> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                let failed = |source| Error::Io { action: "read", path: path.clone(), source };
                let bytes = unlearn_files::read(&path, FILE_LIMIT).map_err(failed)?;
                Ok((path, bytes.into()))
            }
            Self::Archive(archive, folder) => {
                let (path, bytes) = archive.member(&format!("{folder}/{file}"))?;
                Ok((path, bytes.into()))
            }
        }
    }
}

/// The dataset of `entry`, with the published counts. `path` is the folder or archive.
fn read(entry: &Entry, form: &Form, place: &Place, path: &Path) -> Result<Dataset> {
    let set = |files: &[&str], what, count: usize| -> Result<(ImageSet, Option<Vec<u32>>)> {
        let mut set = read_set(form, place, files)?;
        for (file, labels) in set.of_files() {
            entry.check_count((&file, what), labels.len(), count / files.len(), ("cifar", path))?;
            entry.check_labels(&file, labels)?;
        }
        let subclasses = set.take_subclasses(entry)?;
        Ok((set.images(entry.shape)?, subclasses))
    };
    let (train, subclasses) = set(form.train, "training images", entry.train)?;
    let (test, of_test) = set(&[form.test], "test images", entry.test)?;
    entry.with_subclasses(entry.dataset(train, test), subclasses.zip(of_test).map(Into::into))
}

/// The content of several files.
#[derive(Default)]
struct Batches {
    pixels: Vec<u8>,
    labels: Vec<i64>,
    /// One per image, or none at all.
    subclasses: Vec<i64>,
    /// Each file, with the number of images in it and the files before it.
    ends: Vec<(PathBuf, usize)>,
}

impl Batches {
    /// Each file's labels.
    fn of_files(&self) -> impl Iterator<Item = (PathBuf, &[i64])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends.iter().zip(starts).map(|((path, end), start)| (path.clone(), &self.labels[start..*end]))
    }

    /// The subclasses of all images, if the dataset has some. Each must be one of the entry's.
    fn take_subclasses(&mut self, entry: &Entry) -> Result<Option<Vec<u32>>> {
        if entry.subclasses.is_empty() {
            return Ok(None);
        }
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        for ((path, end), start) in self.ends.iter().zip(starts) {
            check_labels(path, &self.subclasses[start..*end], entry.subclasses.len())?;
        }
        Ok(Some(std::mem::take(&mut self.subclasses).into_iter().map(|number| number as u32).collect()))
    }

    /// The images. Every label was checked.
    fn images(self, shape: [usize; 3]) -> Result<ImageSet> {
        let labels: Vec<u32> = self.labels.into_iter().map(|label| label as u32).collect();
        Ok(ImageSet::new(shape, self.pixels, labels)?)
    }
}

fn read_set(form: &Form, place: &Place, files: &[&str]) -> Result<Batches> {
    let mut set = Batches::default();
    for file in files {
        let (path, bytes) = place.load(file)?;
        match form.coding {
            Coding::Records { label_bytes, label, subclass } => {
                read_records(label_bytes, [Some(label), subclass], (&path, &bytes), &mut set)?;
            }
            Coding::Pickle { labels, subclasses, .. } => {
                read_pickle((labels, subclasses), (&path, &bytes), &mut set)?;
            }
        }
        set.ends.push((path, set.labels.len()));
    }
    Ok(set)
}

fn read_records(
    label_bytes: usize,
    places: [Option<usize>; 2],
    (path, bytes): (&Path, &[u8]),
    set: &mut Batches,
) -> Result<()> {
    let image = label_bytes + IMAGE;
    if bytes.is_empty() || !bytes.len().is_multiple_of(image) {
        return Err(Error::FileSize { path: path.into(), image, found: bytes.len() as u64 });
    }
    for record in bytes.chunks_exact(image) {
        let (labels, image) = record.split_at(label_bytes);
        let [label, subclass] = places.map(|place| place.and_then(|place| labels.get(place)).copied().map(i64::from));
        set.labels.extend(label);
        set.subclasses.extend(subclass);
        set.pixels.extend_from_slice(image);
    }
    Ok(())
}

fn read_pickle(
    (key, subclasses): (&str, Option<&str>),
    (path, bytes): (&Path, &[u8]),
    set: &mut Batches,
) -> Result<()> {
    let damaged = |source| Error::Record { path: path.into(), source: Box::new(source) };
    let record = Record::read(bytes).map_err(damaged)?;
    let array = record.bytes("data").map_err(damaged)?;
    let [images, IMAGE] = array.shape[..] else {
        let (path, expected, found) = (path.into(), format!("[images, {IMAGE}]"), array.shape.into());
        return Err(Error::ArrayShape { path, array: "data", expected, found });
    };
    let of_images = |key| {
        let numbers = record.integers(key).map_err(damaged)?;
        if numbers.len() != images {
            return Err(Error::CountMismatch {
                images_path: path.into(),
                images,
                labels_path: path.into(),
                labels: numbers.len(),
            });
        }
        Ok(numbers)
    };
    set.labels.extend(of_images(key)?);
    if let Some(key) = subclasses {
        set.subclasses.extend(of_images(key)?);
    }
    set.pixels.extend_from_slice(&array.elements);
    Ok(())
}
