//! The facts about a dataset that are known before it is opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use unlearn_samples::{Augmentation, Dataset, ImageSet, Normalization, Subclasses};

use crate::checksum::Published;
use crate::error::{Error, Result, damaged};
use crate::formats::packed::{Fit, PackedSet};
use crate::options::{DATA_VARIABLE, OpenOptions};

/// The facts about a dataset that are known before it is opened.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name in suites, on the command line and in reports.
    pub name: &'static str,
    /// Summary in one sentence.
    pub summary: &'static str,
    /// Where the data comes from.
    pub source: &'static str,
    /// The data's licence.
    pub licence: &'static str,
    /// What the user must do to get it.
    pub needs: &'static str,
    /// Class names. A label is a position in this list. Empty if the files name their classes.
    pub classes: &'static [&'static str],
    /// Names of the subclasses of the classes, if the files say of which subclass each image is. A subclass is a position in this list.
    pub subclasses: &'static [&'static str],
    /// The dataset whose files these are, if it has another name. They are sought in its folders too.
    pub files_of: Option<&'static str>,
    /// Number of classes.
    pub class_count: usize,
    /// `[channels, height, width]` of an image.
    pub shape: [usize; 3],
    /// Images in the official training set.
    pub train: usize,
    /// Images in the official test set.
    pub test: usize,
    /// Per-channel mean of the training images scaled to 0..1.
    pub mean: &'static [f32],
    /// Per-channel standard deviation of the same.
    pub std: &'static [f32],
    /// The default transforms in training.
    pub augmentation: Augmentation,
    /// The Hub repository that holds it as parquet, which is opened too.
    pub hub: Option<HubRepository>,
    /// The distributed files with published checksums.
    pub files: &'static [Published],
    /// The function that opens it.
    pub(crate) open: fn(&Entry, &OpenOptions) -> Result<Dataset>,
}

impl Entry {
    /// Bytes of one image.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The folders that may hold it, in search order.
    pub(crate) fn folders(&self, options: &OpenOptions) -> Vec<PathBuf> {
        let mut folders = options.folders(self.name, &[]);
        for folder in self.files_of.iter().flat_map(|name| options.folders(name, &[])) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders
    }

    /// The images of these pictures. If training uses random parts, the pictures have many sizes and are too many for
    /// memory, so they stay on disk. Otherwise they are unpacked.
    pub(crate) fn images(&self, set: PackedSet) -> Result<ImageSet> {
        if self.streams() { set.stream(self.shape[1]) } else { set.unpack(self.shape, Fit::Exact) }
    }

    /// Whether its pictures are decoded on demand.
    pub(crate) fn streams(&self) -> bool {
        self.augmentation.resized_crop
    }

    /// The dataset of these images.
    pub(crate) fn dataset(&self, train: ImageSet, test: ImageSet) -> Dataset {
        self.dataset_of(self.classes.iter().map(ToString::to_string).collect(), train, test)
    }

    /// The dataset of these images, with classes named by the files.
    pub(crate) fn dataset_of(&self, classes: Vec<String>, train: ImageSet, test: ImageSet) -> Dataset {
        let normalization = Normalization { mean: self.mean.to_vec(), std: self.std.to_vec() };
        Dataset::new(self.name, classes, normalization, self.augmentation, train, test)
    }

    /// The dataset with these subclasses of its training and its test images, if there are some.
    pub(crate) fn with_subclasses(&self, dataset: Dataset, numbers: Option<[Vec<u32>; 2]>) -> Result<Dataset> {
        let Some([train, test]) = numbers else { return Ok(dataset) };
        let names = self.subclasses.iter().map(ToString::to_string).collect();
        Ok(dataset.with_subclasses(Subclasses { names, train, test })?)
    }

    /// Checks that `folder` holds as many classes, training and test images as the dataset. A folder with other
    /// counts can be opened as `form:folder`.
    pub(crate) fn check_counts(&self, (form, folder): (&str, &Path), counts: [usize; 3]) -> Result<()> {
        let expected = [self.class_count, self.train, self.test];
        for ((what, found), expected) in ["classes", "training images", "test images"].iter().zip(counts).zip(expected)
        {
            self.check_count((folder, what), found, expected, (form, folder))?;
        }
        Ok(())
    }

    /// Checks that the file or folder `path` holds the published number of `what`. `form` and `folder` name the way
    /// to open any number of images.
    pub(crate) fn check_count(
        &self,
        (path, what): (&Path, &'static str),
        found: usize,
        expected: usize,
        (form, folder): (&str, &Path),
    ) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        let by_path = format!("{form}:{}", folder.display());
        Err(Error::Count { path: path.into(), what, found, dataset: self.name, expected, by_path })
    }

    /// The first of `places` that `has` the dataset's files. If others have them too, a warning says which place is
    /// used.
    pub(crate) fn first_with<T: AsRef<Path>>(
        &self,
        places: impl IntoIterator<Item = T>,
        has: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let mut found = places.into_iter().filter(has);
        let first = found.next()?;
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let others: BTreeSet<_> =
            found.map(|other| real(other.as_ref())).filter(|other| *other != real(first.as_ref())).collect();
        if !others.is_empty() {
            let others = others.iter().map(|other| other.display().to_string()).collect::<Vec<_>>().join(", ");
            tracing::info!(
                "{} lies in several places: {} is taken, and not {others}",
                self.name,
                first.as_ref().display()
            );
        }
        Some(first)
    }

    /// Checks that every label of the file `path` is one of the classes.
    pub(crate) fn check_labels(&self, path: &Path, labels: &[i64]) -> Result<()> {
        check_labels(path, labels, self.class_count)
    }

    /// The error if none of `folders` holds the dataset.
    pub(crate) fn not_found(&self, folders: &[PathBuf]) -> Error {
        let looked: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let nowhere = || format!("no folder, for neither --data-dir nor ${DATA_VARIABLE} names one");
        let looked = if looked.is_empty() { nowhere() } else { looked.join(", ") };
        Error::DatasetNotFound { name: self.name, looked, needs: self.needs }
    }
}

/// A dataset repository of the Hugging Face Hub that holds a dataset as parquet.
#[derive(Debug, Clone, Copy)]
pub struct HubRepository {
    /// `owner/name`.
    pub name: &'static str,
    /// The folder in it that holds the files.
    pub folder: &'static str,
    /// The column of pictures.
    pub image: &'static str,
    /// The column of labels.
    pub label: &'static str,
    /// The split that is the official test set.
    pub test: &'static str,
    /// The column of subclasses, if the dataset has some.
    pub subclass: Option<&'static str>,
}

impl HubRepository {
    /// The address of its web page.
    pub fn address(&self) -> String {
        format!("https://huggingface.co/datasets/{}", self.name)
    }
}

/// Checks labels without names of classes against the number of training images: each class needs one.
pub(crate) fn check_numbering(path: &Path, labels: &[i64], images: usize) -> Result<()> {
    let valid = |label: i64| usize::try_from(label).is_ok_and(|label| label < images.max(1));
    let Some(position) = labels.iter().position(|&label| !valid(label)) else { return Ok(()) };
    let label = labels[position];
    let problem = format!(
        "it gives image {position} the label {label}; classes are numbered from 0, each has a training image, and there are {images} \
         of these"
    );
    Err(damaged(path, problem))
}

/// Checks that every label of the file `path` is below `classes`.
pub(crate) fn check_labels(path: &Path, labels: &[i64], classes: usize) -> Result<()> {
    if classes == 0 && !labels.is_empty() {
        return Err(damaged(path, "there is no training image, and so no class"));
    }
    let valid = |label: i64| usize::try_from(label).is_ok_and(|label| label < classes);
    match labels.iter().position(|&label| !valid(label)) {
        None => Ok(()),
        Some(position) => Err(Error::LabelOutOfRange { path: path.into(), position, label: labels[position], classes }),
    }
}
