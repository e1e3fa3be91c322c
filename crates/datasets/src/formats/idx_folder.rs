//! Datasets in MNIST's form: four IDX files in a folder.
//!
//! Datasets of this form share file names, and many share shapes and counts. So the images' statistics are compared
//! with the published ones, and a mismatch is reported. A path opens any number of images of any size.

use std::path::{Path, PathBuf};

use unlearn_samples::{Dataset, ImageSet, Normalization};

use crate::entry::{Entry, check_labels};
use crate::error::{Error, Result};
use crate::formats::{idx, unread};
use crate::place::Place;
use crate::registry::DATASETS;
use crate::verify;

/// Training images. Each name may also end in `.gz`.
pub const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
/// Training labels.
pub const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
/// Test images.
pub const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
/// Test labels.
pub const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// The four names above.
pub const FILES: [&str; 4] = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];

/// Whether any of the four files is in `folder`.
pub fn is_in(folder: &Path) -> bool {
    FILES.iter().any(|name| locate(folder, name).is_ok())
}

/// Opens the dataset of `entry` from the first of `folders` that has any of the files.
pub(crate) fn open_first(entry: &Entry, folders: &[PathBuf]) -> Result<Dataset> {
    match entry.first_with(folders, |folder| is_in(folder)) {
        Some(folder) => {
            let dataset = open(entry, folder)?;
            if let Some(problem) = suspicions(entry, &dataset.train)? {
                tracing::warn!("{} may not be {}: {problem}", folder.display(), entry.name);
            }
            Ok(dataset)
        }
        None => Err(entry.not_found(folders)),
    }
}

/// The evidence that these images are not those of `entry`: another mean. Datasets of the registry with that mean are
/// named.
fn suspicions(entry: &Entry, train: &ImageSet) -> Result<Option<String>> {
    let found = Normalization::of(train)?;
    if verify::near(&found.mean, entry.mean) {
        return Ok(None);
    }
    let others = DATASETS.iter().filter(|other| other.shape == entry.shape && verify::near(&found.mean, other.mean));
    let others = others.map(|other| other.name).collect::<Vec<_>>().join(" or ");
    let others = if others.is_empty() { String::new() } else { format!(", and {:.4} for {others}", found.mean[0]) };
    Ok(Some(format!(
        "the mean of its training images is {:.4}, where {:.4} is published{others}",
        found.mean[0], entry.mean[0]
    )))
}

/// The training and the test set of the four files in `folder`, and the files' paths: images, labels, images, labels.
type Parts = ([(idx::IdxImages, Vec<u8>); 2], [PathBuf; 4]);

fn read(folder: &Path) -> Result<Parts> {
    let [a, b, c, d] = FILES.map(|file| locate(folder, file));
    let paths = [a?, b?, c?, d?];
    let set = |at: usize| -> Result<_> { Ok((idx::read_images(&paths[at])?, idx::read_labels(&paths[at + 1])?)) };
    Ok(([set(0)?, set(2)?], paths))
}

/// Opens the dataset of `entry` from its four files in `folder`.
pub(crate) fn open(entry: &Entry, folder: &Path) -> Result<Dataset> {
    let (sets, paths) = read(folder)?;
    check(entry, sets, &paths, folder)
}

/// As [`open`], from four files in memory: training images and labels, test images and labels.
pub(crate) fn decode(entry: &Entry, files: [&[u8]; 4]) -> Result<Dataset> {
    let folder = Path::new(entry.name);
    let paths = FILES.map(|file| folder.join(file));
    let set = |at: usize| -> Result<_> {
        Ok((idx::decode_images(files[at], &paths[at])?, idx::decode_labels(files[at + 1], &paths[at + 1])?))
    };
    check(entry, [set(0)?, set(2)?], &paths, folder)
}

fn check(entry: &Entry, sets: [(idx::IdxImages, Vec<u8>); 2], paths: &[PathBuf; 4], folder: &Path) -> Result<Dataset> {
    for (at, (images, labels)) in sets.iter().enumerate() {
        check_pair((&paths[2 * at], images.count), (&paths[2 * at + 1], labels.len()))?;
    }
    let [train, test] = sets;
    let expected = [("training images", entry.train), ("test images", entry.test)];
    for ((images, path), (what, expected)) in [(&train.0, &paths[0]), (&test.0, &paths[2])].into_iter().zip(expected) {
        let [_, height, width] = entry.shape;
        if [images.height, images.width] != [height, width] {
            return Err(Error::ImageSize {
                path: path.into(),
                dataset: entry.name,
                height,
                width,
                found_height: images.height,
                found_width: images.width,
            });
        }
        entry.check_count((path, what), images.count, expected, ("idx", folder))?;
    }
    let set = |(images, labels), at: usize| pair((&*paths[at], images), (&*paths[at + 1], labels), entry.class_count);
    Ok(entry.dataset(set(train, 0)?, set(test, 2)?))
}

/// Opens a folder that the registry does not know, with any number of images of any size.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    place.refuse_size()?;
    let ([train, test], paths) = read(&place.path)?;
    let is_part = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["ubyte", ".idx", "-idx"].iter().any(|part| name.contains(part))
            || ["train-", "t10k-", "test-"].iter().any(|part| name.starts_with(part))
    };
    let names = FILES.map(|file| {
        [format!("{file}.gz"), file.replace("-idx", ".idx"), format!("{}.gz", file.replace("-idx", ".idx"))]
    });
    let known: Vec<&str> = FILES.into_iter().chain(names.iter().flatten().map(String::as_str)).collect();
    unread::warn(&place.path, &known, is_part)?;
    if [train.0.height, train.0.width] != [test.0.height, test.0.width] {
        let sides = |images: &idx::IdxImages| format!("{}×{}", images.height, images.width);
        let problem = format!("its images have {} pixels, but the training images {}", sides(&test.0), sides(&train.0));
        return Err(crate::error::damaged(&paths[2], problem));
    }
    let classes = train.1.iter().max().map_or(0, |&label| usize::from(label) + 1);
    let set = |(images, labels), at: usize| pair((&*paths[at], images), (&*paths[at + 1], labels), classes);
    let (train, test) = (set(train, 0)?, set(test, 2)?);
    place.dataset_of_images((0..classes).map(|class| class.to_string()).collect(), train, test)
}

fn locate(folder: &Path, file: &'static str) -> Result<PathBuf> {
    // Kaggle has a dot before the form: `train-images.idx3-ubyte`.
    let dotted = file.replace("-idx", ".idx");
    let names = [file.to_owned(), format!("{file}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let places = names.map(|name| folder.join(name));
    let mut found = places.into_iter().filter(|path| path.is_file());
    let first = found.next();
    if let (Some(first), Some(other)) = (&first, found.next()) {
        tracing::warn!("{} is taken, and not {}", first.display(), other.display());
    }
    first.ok_or_else(|| Error::MissingFile { folder: folder.into(), file: format!("{file} (or {file}.gz)") })
}

fn check_pair((images_path, images): (&Path, usize), (labels_path, labels): (&Path, usize)) -> Result<()> {
    if images == labels {
        return Ok(());
    }
    Err(Error::CountMismatch { images_path: images_path.into(), images, labels_path: labels_path.into(), labels })
}

/// Images and labels of one set, checked against each other. Labels are below `classes`.
fn pair(
    (images_path, images): (&Path, idx::IdxImages),
    (labels_path, labels): (&Path, Vec<u8>),
    classes: usize,
) -> Result<ImageSet> {
    check_pair((images_path, images.count), (labels_path, labels.len()))?;
    let labels: Vec<i64> = labels.into_iter().map(i64::from).collect();
    check_labels(labels_path, &labels, classes)?;
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    Ok(ImageSet::new([1, images.height, images.width], images.pixels, labels)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fashion_mnist;
    use crate::registry::{self, OpenOptions};

    /// The entry, reduced to the content of [`folder`].
    fn entry(train: usize) -> Entry {
        Entry { train, test: 1, ..fashion_mnist::ENTRY }
    }

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

    #[test]
    fn the_names_of_kaggle_have_a_dot() {
        let folder = folder(2, 28, &[4, 2]);
        for name in FILES {
            fs::rename(folder.path().join(name), folder.path().join(name.replace("-idx", ".idx"))).unwrap();
        }
        assert!(is_in(folder.path()));
        assert_eq!(open(&entry(2), folder.path()).unwrap().train.len(), 2);
    }

    fn refuses(folder: &tempfile::TempDir, message: &str) {
        let error = open(&entry(2), folder.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} does not contain {message:?}");
    }

    #[test]
    fn four_files_make_a_dataset() {
        let dataset = open(&entry(3), folder(3, 28, &[4, 0, 9]).path()).unwrap();
        assert_eq!(*dataset.train.labels, [4, 0, 9]);
        assert_eq!(*dataset.test.image(0).unwrap(), [255; 784]);
        assert_eq!(dataset.classes[9], "Ankle boot");
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        refuses(&folder(2, 28, &[4, 0, 1]), "holds 2 images");
        refuses(&folder(2, 28, &[4, 0, 1]), "train-labels-idx1-ubyte holds 3 labels");
        refuses(&folder(2, 28, &[4, 10]), "gives image 1 the label 10, but there are 10 classes (0 to 9)");
        refuses(&folder(2, 32, &[4, 1]), "holds images of 32×32 pixels, but fashion-mnist has 28×28");
    }

    #[test]
    fn another_count_than_the_published_one_is_refused_and_a_path_opens_it() {
        let folder = folder(3, 28, &[4, 0, 9]);
        let path = folder.path().display();
        refuses(
            &folder,
            &format!(
                "train-images-idx3-ubyte holds 3 training images, but 2 are published for fashion-mnist; fetch it again, or open any \
                 number of images by path: `idx:{path}`"
            ),
        );
        let options = OpenOptions::default();
        let dataset = registry::open(&format!("idx:{path}"), &options).unwrap();
        assert_eq!((*dataset.train.labels).to_vec(), [4, 0, 9]);
        assert_eq!((dataset.classes.len(), dataset.test.len()), (10, 1));
        let named = registry::open("fashion-mnist", &OpenOptions { data_dir: Some(folder.path().into()), ..options });
        assert!(named.unwrap_err().to_string().contains("holds 3 training images, but 60000 are published"));
    }

    #[test]
    fn images_with_the_mean_of_another_dataset_are_suspicious() {
        let set = |value| ImageSet::new([1, 28, 28], vec![value; 784], vec![0]).unwrap();
        let said = suspicions(&fashion_mnist::ENTRY, &set(33)).unwrap().unwrap();
        let expected = "the mean of its training images is 0.1294, where 0.2860 is published, and 0.1294 for mnist";
        assert_eq!(said, expected);
        assert_eq!(suspicions(&fashion_mnist::ENTRY, &set(73)).unwrap(), None);
        assert!(suspicions(&fashion_mnist::ENTRY, &set(200)).unwrap().unwrap().ends_with("where 0.2860 is published"));
    }

    #[test]
    fn a_dataset_found_nowhere_says_where_it_was_looked_for_and_the_fix() {
        let error = |folders: &[PathBuf]| open_first(&fashion_mnist::ENTRY, folders).unwrap_err().to_string();
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
