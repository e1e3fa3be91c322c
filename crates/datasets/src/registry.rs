//! Every dataset this crate can open, and how to open it by name.

use std::path::{Path, PathBuf};

use crate::checksum::Published;
use crate::error::{Error, Result};
use crate::hub_files;
use crate::location::{Location, damaged};
use crate::packed::{Fit, PackedSet};
use crate::parquet_folder::{self, HubRepository};
use crate::{cifar10, cifar100, fashion_mnist, fashion_mnist_mini, imagenet, kmnist, mnist, svhn, tiny_imagenet};
use unlearn_samples::{Augmentation, Dataset, ImageSet, Normalization};

/// The environment variable that names a folder of datasets.
pub const DATA_VARIABLE: &str = "UNLEARN_DATA";

/// All datasets, by name.
pub static DATASETS: &[Entry] = &[
    fashion_mnist_mini::ENTRY,
    fashion_mnist::ENTRY,
    cifar10::ENTRY,
    cifar100::ENTRY,
    svhn::ENTRY,
    mnist::ENTRY,
    kmnist::ENTRY,
    tiny_imagenet::ENTRY,
    imagenet::ENTRY,
];

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

    /// That `folder` holds as many classes, training and test images as the dataset has.
    pub(crate) fn check_counts(&self, folder: &Path, classes: usize, train: usize, test: usize) -> Result<()> {
        let expected = [self.class_count, self.train, self.test];
        let counts = ["classes", "training images", "test images"].iter().zip([classes, train, test]).zip(expected);
        for ((what, found), expected) in counts {
            if found != expected {
                return Err(damaged(folder, format!("it holds {found} {what}, where {} has {expected}", self.name)));
            }
        }
        Ok(())
    }

    /// That every label of the file `path` is one of the classes.
    pub(crate) fn check_labels(&self, path: &Path, labels: &[i64]) -> Result<()> {
        check_labels(path, labels, self.class_count)
    }

    /// That the array `array` of the file `path` has the shape that the dataset's has.
    pub(crate) fn check_shape(
        &self,
        path: &Path,
        array: &'static str,
        expected: &[usize],
        found: &[usize],
    ) -> Result<()> {
        if expected == found {
            return Ok(());
        }
        Err(Error::ArrayShape {
            path: path.into(),
            array,
            dataset: self.name,
            expected: expected.into(),
            found: found.into(),
        })
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

/// Where to look for datasets.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// A folder looked in before `$UNLEARN_DATA` and the system's own places.
    pub data_dir: Option<PathBuf>,
    /// Whether what no folder has may be fetched from the Hugging Face Hub that the environment names.
    pub fetch: bool,
}

impl OpenOptions {
    /// The folders that may hold dataset `name`, in the order they are tried: `data_dir` itself and its subfolder
    /// `name`, the same of `$UNLEARN_DATA`, then `system`.
    pub(crate) fn folders(&self, name: &str, system: &[&str]) -> Vec<PathBuf> {
        candidates(self.roots(), name, system)
    }

    /// `data_dir`, then `$UNLEARN_DATA`, each if there is one.
    pub(crate) fn roots(&self) -> impl Iterator<Item = PathBuf> {
        let variable = std::env::var_os(DATA_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        [self.data_dir.clone(), variable].into_iter().flatten()
    }
}

fn candidates(roots: impl Iterator<Item = PathBuf>, name: &str, system: &[&str]) -> Vec<PathBuf> {
    roots.flat_map(|root| [root.clone(), root.join(name)]).chain(system.iter().map(PathBuf::from)).collect()
}

/// The entry of that name.
///
/// # Errors
/// When there is none; the error lists the valid names and the nearest one.
pub fn find(name: &str) -> Result<&'static Entry> {
    Ok(unlearn_names::find("dataset", name, DATASETS, |entry| entry.name)?)
}

/// That `name` is one of the registry's, or a [location](crate::location) such as `parquet:PATH`; whether anything is there
/// is not looked at.
///
/// # Errors
/// As [`find`], or when it is no proper location.
pub fn check_name(name: &str) -> Result<()> {
    match Location::parse(name)? {
        Some(_) => Ok(()),
        None => find(name).map(|_| ()),
    }
}

/// Opens the dataset of that name, or at the [location](crate::location) that the name gives.
///
/// # Errors
/// When the name is unknown, the files are nowhere to be found, or are not what they should be.
pub fn open(name: &str, options: &OpenOptions) -> Result<Dataset> {
    if let Some(location) = Location::parse(name)? {
        return location.open(options);
    }
    let entry = find(name)?;
    match ((entry.open)(entry, options), &entry.hub) {
        (Err(Error::DatasetNotFound { .. }), Some(hub)) => match parquet_folder::open(entry, hub, options) {
            Err(Error::DatasetNotFound { .. }) if options.fetch => hub_files::open(entry, hub),
            opened => opened,
        },
        (opened, _) => opened,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_entry_is_documented_and_uniquely_named() {
        let names: HashSet<_> = DATASETS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), DATASETS.len());
        for entry in DATASETS {
            for text in [entry.summary, entry.source, entry.licence, entry.needs] {
                assert!(!text.is_empty(), "{} lacks a description", entry.name);
            }
            assert!(entry.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            assert!(entry.classes.is_empty() || entry.classes.len() == entry.class_count, "{}", entry.name);
            assert_eq!(entry.mean.len(), entry.shape[0], "{}: one mean a channel", entry.name);
            let hub = entry.hub.map_or("owner/name", |hub| hub.name);
            assert!(hub.split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty()), "{hub}");
            assert_eq!(entry.std.len(), entry.shape[0], "{}: one deviation a channel", entry.name);
        }
    }

    #[test]
    fn every_entry_that_can_be_opened_here_is_as_described() {
        for entry in DATASETS {
            let dataset = match open(entry.name, &OpenOptions::default()) {
                Err(Error::DatasetNotFound { .. }) => continue,
                other => other.unwrap(),
            };
            assert_eq!(dataset.name, entry.name);
            assert_eq!(dataset.classes, entry.classes);
            assert_eq!((dataset.train.len(), dataset.test.len()), (entry.train, entry.test), "{}", entry.name);
            for set in [&dataset.train, &dataset.test] {
                assert_eq!([set.channels, set.height, set.width], entry.shape, "{}", entry.name);
                assert!((0..entry.class_count as u32).all(|class| set.labels.contains(&class)), "{}", entry.name);
            }
        }
    }

    #[test]
    fn the_users_folders_come_before_the_systems() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let (flag, variable) = (Some(PathBuf::from("flag")), Some(PathBuf::from("variable")));
        assert_eq!(
            candidates([flag.clone(), variable.clone()].into_iter().flatten(), "cats", &["/usr/cats"]),
            paths(&["flag", "flag/cats", "variable", "variable/cats", "/usr/cats"])
        );
        assert_eq!(candidates(variable.into_iter(), "cats", &["/usr/cats"])[0], PathBuf::from("variable"));
        assert_eq!(candidates([].into_iter(), "cats", &["/usr/cats"]), paths(&["/usr/cats"]));
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones_and_the_nearest() {
        let valid =
            "fashion-mnist-mini, fashion-mnist, cifar10, cifar100, svhn, mnist, kmnist, tiny-imagenet, imagenet";
        assert_eq!(
            find("fashion_mnist").unwrap_err().to_string(),
            format!("unknown dataset `fashion_mnist` (did you mean `fashion-mnist`?); valid names: {valid}")
        );
        assert_eq!(find("zzz").unwrap_err().to_string(), format!("unknown dataset `zzz`; valid names: {valid}"));
    }
}
