//! Datasets kept as MNIST keeps its own: four IDX files in a folder.

use std::io::Read;
use std::path::{Path, PathBuf};

use unlearn_samples::{Dataset, ImageSet};

use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::formats::idx;

/// Training images; each name may also end in `.gz`.
pub const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
/// Training labels.
pub const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
/// Test images.
pub const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
/// Test labels.
pub const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// Whether any of the four files is in `folder`.
pub fn is_in(folder: &Path) -> bool {
    [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS].iter().any(|name| locate(folder, name).is_ok())
}

/// Opens the dataset of `entry` from the first of `folders` that has any of the files.
pub(crate) fn open_first(entry: &Entry, folders: &[PathBuf]) -> Result<Dataset> {
    match folders.iter().find(|folder| is_in(folder)) {
        Some(folder) => open(entry, folder),
        None => Err(entry.not_found(folders)),
    }
}

/// Opens the dataset of `entry` from its four files in `folder`.
pub(crate) fn open(entry: &Entry, folder: &Path) -> Result<Dataset> {
    let set = |images, labels| -> Result<ImageSet> {
        let (images, labels) = (locate(folder, images)?, locate(folder, labels)?);
        pair(entry, (&images, idx::read_images(&images)?), (&labels, idx::read_labels(&labels)?))
    };
    Ok(entry.dataset(set(TRAIN_IMAGES, TRAIN_LABELS)?, set(TEST_IMAGES, TEST_LABELS)?))
}

/// As [`open`], from four files in memory: training images and labels, test images and labels.
pub(crate) fn decode(entry: &Entry, files: [impl Read; 4]) -> Result<Dataset> {
    let [train_images, train_labels, test_images, test_labels] = files;
    let set = |(images, images_name): (_, &str), (labels, labels_name): (_, &str)| {
        let folder = Path::new(entry.name);
        let (images_path, labels_path) = (folder.join(images_name), folder.join(labels_name));
        let images = idx::decode_images(images, &images_path)?;
        let labels = idx::decode_labels(labels, &labels_path)?;
        pair(entry, (&images_path, images), (&labels_path, labels))
    };
    let train = set((train_images, TRAIN_IMAGES), (train_labels, TRAIN_LABELS))?;
    let test = set((test_images, TEST_IMAGES), (test_labels, TEST_LABELS))?;
    Ok(entry.dataset(train, test))
}

fn locate(folder: &Path, file: &'static str) -> Result<PathBuf> {
    [folder.join(file), folder.join(format!("{file}.gz"))]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Error::MissingFile { folder: folder.into(), file: format!("{file} (or {file}.gz)") })
}

/// Images and labels that belong together, checked against each other and against `entry`.
fn pair(
    entry: &Entry,
    (images_path, images): (&Path, idx::IdxImages),
    (labels_path, labels): (&Path, Vec<u8>),
) -> Result<ImageSet> {
    if images.count != labels.len() {
        return Err(Error::CountMismatch {
            images_path: images_path.into(),
            images: images.count,
            labels_path: labels_path.into(),
            labels: labels.len(),
        });
    }
    let [channels, height, width] = entry.shape;
    if [1, images.height, images.width] != entry.shape {
        return Err(Error::ImageSize {
            path: images_path.into(),
            dataset: entry.name,
            height,
            width,
            found_height: images.height,
            found_width: images.width,
        });
    }
    let labels: Vec<i64> = labels.into_iter().map(i64::from).collect();
    entry.check_labels(labels_path, &labels)?;
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    Ok(ImageSet::new([channels, height, width], images.pixels, labels)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fashion_mnist::ENTRY;

    /// A folder with `images` blank training images of `side` pixels, the training `labels`, and one test image.
    fn folder(images: u32, side: u32, labels: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, shape: &[u32], elements: &[u8]| {
            let mut bytes = Vec::new();
            idx::encode(shape, elements, &mut bytes).unwrap();
            fs::write(folder.path().join(name), bytes).unwrap();
        };
        write(TRAIN_IMAGES, &[images, side, side], &vec![0; (images * side * side) as usize]);
        write(TRAIN_LABELS, &[labels.len() as u32], labels);
        write(TEST_IMAGES, &[1, 28, 28], &[255; 784]);
        write(TEST_LABELS, &[1], &[9]);
        folder
    }

    fn refuses(folder: &tempfile::TempDir, message: &str) {
        let error = open(&ENTRY, folder.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not contain {message:?}");
    }

    #[test]
    fn four_files_make_a_dataset() {
        let dataset = open(&ENTRY, folder(3, 28, &[4, 0, 9]).path()).unwrap();
        assert_eq!(*dataset.train.labels, [4, 0, 9]);
        assert_eq!(*dataset.test.image(0).unwrap(), [255; 784]);
        assert_eq!(dataset.classes[9], "Ankle boot");
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        refuses(&folder(3, 28, &[4, 0]), "holds 3 images");
        refuses(&folder(3, 28, &[4, 0]), "train-labels-idx1-ubyte holds 2 labels");
        refuses(&folder(2, 28, &[4, 10]), "gives image 1 the label 10, but there are 10 classes (0 to 9)");
        refuses(&folder(2, 32, &[4, 1]), "holds images of 32×32 pixels, but fashion-mnist has 28×28");
    }

    #[test]
    fn a_dataset_found_nowhere_says_where_it_was_looked_for_and_the_fix() {
        let error = |folders: &[PathBuf]| open_first(&ENTRY, folders).unwrap_err().to_string();
        assert_eq!(
            error(&["no/such".into(), "place".into()]),
            "fashion-mnist was not found; looked in no/such, place; it needs apt-get install dataset-fashion-mnist, or \
             the four IDX files in --data-dir or $UNLEARN_DATA"
        );
        assert!(error(&[]).contains("looked in no folder, for neither --data-dir nor $UNLEARN_DATA names one"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = folder(2, 28, &[4, 1]);
        fs::remove_file(folder.path().join(TEST_LABELS)).unwrap();
        assert!(is_in(folder.path()));
        refuses(&folder, "lacks t10k-labels-idx1-ubyte (or t10k-labels-idx1-ubyte.gz)");
    }
}
