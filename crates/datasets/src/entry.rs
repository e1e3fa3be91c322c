//! What is known of a dataset before it is opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use unlearn_samples::{Augmentation, Dataset, ImageSet, Normalization};

use crate::checksum::Published;
use crate::error::{Error, Result};
use crate::formats::packed::{Fit, PackedSet};
use crate::options::{DATA_VARIABLE, OpenOptions};

/// What is known of a dataset before it is opened.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name in suites, on the command line and in reports.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub summary: &'static str,
    /// Where the data comes from.
    pub source: &'static str,
    /// The data's licence.
    pub licence: &'static str,
    /// What the user has to do to have it.
    pub needs: &'static str,
    /// Class names; a label is a position in this list. Empty if the files name their classes.
    pub classes: &'static [&'static str],
    /// How many classes there are.
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
    /// What training does to its images unless told otherwise.
    pub augmentation: Augmentation,
    /// Where the Hugging Face Hub has it as parquet, a form that is opened as well.
    pub hub: Option<HubRepository>,
    /// Files that it is distributed as, with their published checksums.
    pub files: &'static [Published],
    /// How it is opened.
    pub(crate) open: fn(&Entry, &OpenOptions) -> Result<Dataset>,
}

impl Entry {
    /// Bytes of one image.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The images of these pictures. Where training sees random parts of them, they are of many sizes, and so many that they stay
    /// where they are; else they are unpacked.
    pub(crate) fn images(&self, set: PackedSet) -> Result<ImageSet> {
        if self.streams() { set.stream(self.shape[1]) } else { set.unpack(self.shape, Fit::Exact) }
    }

    /// Whether its pictures stay where they are until they are asked for.
    pub(crate) fn streams(&self) -> bool {
        self.augmentation.resized_crop
    }

    /// The dataset of these images.
    pub(crate) fn dataset(&self, train: ImageSet, test: ImageSet) -> Dataset {
        self.dataset_of(self.classes.iter().map(ToString::to_string).collect(), train, test)
    }

    /// The dataset of these images, whose classes the files named.
    pub(crate) fn dataset_of(&self, classes: Vec<String>, train: ImageSet, test: ImageSet) -> Dataset {
        let normalization = Normalization { mean: self.mean.to_vec(), std: self.std.to_vec() };
        Dataset::new(self.name, classes, normalization, self.augmentation, train, test)
    }

    /// That `folder` holds as many classes, training and test images as the dataset has. What has other counts is opened as
    /// `form:folder`.
    pub(crate) fn check_counts(&self, (form, folder): (&str, &Path), counts: [usize; 3]) -> Result<()> {
        let expected = [self.class_count, self.train, self.test];
        for ((what, found), expected) in ["classes", "training images", "test images"].iter().zip(counts).zip(expected)
        {
            self.check_count((folder, what), found, expected, (form, folder))?;
        }
        Ok(())
    }

    /// That there are as many of `what` in the file or folder `path` as were published. `form` and `folder` are how any number of
    /// images is opened.
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

    /// The first of `places` that `has` the dataset's files. Where others have them too, it says which place is taken.
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

    /// That every label of the file `path` is one of the classes.
    pub(crate) fn check_labels(&self, path: &Path, labels: &[i64]) -> Result<()> {
        check_labels(path, labels, self.class_count)
    }

    /// That the dataset is in none of `folders`.
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
    /// The folder within that has the files.
    pub folder: &'static str,
    /// The column of pictures.
    pub image: &'static str,
    /// The column of labels.
    pub label: &'static str,
    /// The split that is the official test set.
    pub test: &'static str,
}

impl HubRepository {
    /// Where a person finds it.
    pub fn address(&self) -> String {
        format!("https://huggingface.co/datasets/{}", self.name)
    }
}

/// That every label of the file `path` is below `classes`.
pub(crate) fn check_labels(path: &Path, labels: &[i64], classes: usize) -> Result<()> {
    let valid = |label: i64| usize::try_from(label).is_ok_and(|label| label < classes);
    match labels.iter().position(|&label| !valid(label)) {
        None => Ok(()),
        Some(position) => Err(Error::LabelOutOfRange { path: path.into(), position, label: labels[position], classes }),
    }
}
