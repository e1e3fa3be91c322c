//! Every dataset that this crate can open, by name.

use std::path::Path;

use unlearn_samples::Dataset;

use crate::error::{Error, Result};
use crate::formats::parquet;
use crate::hub_files;
use crate::location::Location;
use crate::{
    cifar10, cifar20, cifar100, fashion_mnist, fashion_mnist_mini, imagenet, kmnist, mnist, oxford_pets, sun397, svhn,
    tiny_imagenet,
};

pub use crate::entry::{Entry, HubRepository};
pub use crate::options::{DATA_VARIABLE, OpenOptions};

/// All datasets, by name.
pub static DATASETS: &[Entry] = &[
    fashion_mnist_mini::ENTRY,
    fashion_mnist::ENTRY,
    cifar10::ENTRY,
    cifar100::ENTRY,
    cifar20::ENTRY,
    svhn::ENTRY,
    mnist::ENTRY,
    kmnist::ENTRY,
    tiny_imagenet::ENTRY,
    imagenet::ENTRY,
    oxford_pets::ENTRY,
    sun397::ENTRY,
];

/// The entry with this name.
///
/// # Errors
/// If there is none. The error lists the valid names and the nearest one.
pub fn find(name: &str) -> Result<&'static Entry> {
    let found = unlearn_names::find("dataset", name, DATASETS, |entry| entry.name);
    // A path needs its form before it.
    match form_of(Path::new(name)) {
        Some(form) if found.is_err() => Err(Error::Location {
            name: name.to_owned(),
            problem: format!("a dataset at a path is named by its form and the path; did you mean `{form}:{name}`?"),
        }),
        _ => Ok(found?),
    }
}

/// The form of what lies at a path, as far as it is clear.
fn form_of(path: &Path) -> Option<&'static str> {
    if path.extension().is_some_and(|ending| ending == "npz") {
        return Some("npz");
    }
    let forms = [
        ("mat", "train_32x32.mat"),
        ("idx", "train-images-idx3-ubyte"),
        ("idx", "train-images-idx3-ubyte.gz"),
        ("cifar", "data_batch_1.bin"),
        ("cifar", "data_batch_1"),
        ("folder", "."),
    ];
    forms.iter().find(|(_, file)| path.join(file).exists() && path.is_dir()).map(|(form, _)| *form)
}

/// Checks that `name` is in the registry, or a [location](crate::location) such as `parquet:PATH`. Whether its files
/// exist is not checked.
///
/// # Errors
/// As [`find`], or if it is not a valid location.
pub fn check_name(name: &str) -> Result<()> {
    match Location::parse(name)? {
        Some(_) => Ok(()),
        None => find(name).map(|_| ()),
    }
}

/// Opens the dataset with this name, or at the [location](crate::location) in the name.
///
/// # Errors
/// If the name is unknown, or the files are missing or not as expected.
pub fn open(name: &str, options: &OpenOptions) -> Result<Dataset> {
    open_named(name, options).map_err(Error::recognised)
}

fn open_named(name: &str, options: &OpenOptions) -> Result<Dataset> {
    if let Some(location) = Location::parse(name)? {
        return location.open(options);
    }
    let entry = find(name)?;
    match ((entry.open)(entry, options), &entry.hub) {
        (Err(Error::DatasetNotFound { .. }), Some(hub)) => match parquet::open(entry, hub, options) {
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
            let subclasses: HashSet<_> = entry.subclasses.iter().collect();
            assert_eq!(subclasses.len(), entry.subclasses.len(), "{}: a subclass is found by its name", entry.name);
            assert_eq!(entry.mean.len(), entry.shape[0], "{}: one mean a channel", entry.name);
            let hub = entry.hub.map_or("owner/name", |hub| hub.name);
            assert!(hub.split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty()), "{hub}");
            assert_eq!(entry.std.len(), entry.shape[0], "{}: one deviation a channel", entry.name);
        }
    }

    #[test]
    fn every_entry_that_can_be_opened_here_is_as_described() {
        for entry in DATASETS {
            let Some(dataset) = crate::tests::open_if_here(entry.name) else { continue };
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
    fn what_a_failed_download_left_is_named_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let name = format!("npz:{}", path.display());
        for (content, said) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\n"[..],
                "it is a Git LFS pointer: the content was not fetched; run `git lfs pull`",
            ),
            (b"<!DOCTYPE html>", "it is a web page: the download met an error page or a login"),
            (b"", "it is an empty file: the download or the copy failed"),
            (b"PK\x03\x04", "failed to read"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = open(&name, &OpenOptions::default()).unwrap_err().to_string();
            assert!(error.contains("a.npz: ") && error.contains(said), "{error}");
        }
        let options = OpenOptions { data_dir: Some(folder.path().into()), ..OpenOptions::default() };
        for file in crate::idx_folder::FILES {
            std::fs::write(folder.path().join(file), "version https://git-lfs.github.com/spec/v1\n").unwrap();
        }
        let error = open("mnist", &options).unwrap_err().to_string();
        assert!(error.contains("ubyte: it is a Git LFS pointer"), "{error}");
        let error = open(&format!("parquet:{}", path.display()), &options).unwrap_err().to_string();
        assert!(error.ends_with("is a file; name the folder that it lies in"), "{error}");
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones_and_the_nearest() {
        let valid = "fashion-mnist-mini, fashion-mnist, cifar10, cifar100, cifar20, svhn, mnist, kmnist, tiny-imagenet, imagenet, oxford-pets, sun397";
        assert_eq!(
            find("fashion_mnist").unwrap_err().to_string(),
            format!("unknown dataset `fashion_mnist` (did you mean `fashion-mnist`?); valid names: {valid}")
        );
        assert_eq!(find("zzz").unwrap_err().to_string(), format!("unknown dataset `zzz`; valid names: {valid}"));
    }
}
