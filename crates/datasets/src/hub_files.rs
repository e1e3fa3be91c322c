//! Datasets from the Hugging Face Hub's parquet files, fetched into the Hub's cache.

use std::path::{Path, PathBuf};

use unlearn_hub::{Hub, Kind, Reference};
use unlearn_samples::Dataset;

use crate::entry::{Entry, HubRepository};
use crate::error::{Error, Result};
use crate::formats::parquet::{self, split_of};
use crate::formats::split_names::TRAIN;
use crate::options::OpenOptions;
use crate::place::Place;

/// Fetches the parquet files of a dataset of the registry and opens them.
///
/// # Errors
/// If the Hub refuses or cannot be reached, or the files are not that dataset.
pub(crate) fn open(entry: &Entry, repository: &HubRepository) -> Result<Dataset> {
    let reference = format!("{}{}", unlearn_hub::PREFIX, repository.name);
    let snapshot = fetch(entry.name, &reference, |path| is_of(repository, path))?;
    parquet::open_folder(entry, repository, &snapshot.join(repository.folder))
}

/// Fetches the parquet files of the repository in a location `hub:owner/name@revision`. Returns their folder.
///
/// # Errors
/// If fetching is not allowed, or the Hub refuses, cannot be reached, or has no such files.
pub(crate) fn find(place: &Place, options: &OpenOptions) -> Result<PathBuf> {
    if !options.fetch {
        return Err(Error::Location {
            name: place.name.clone(),
            problem: "nothing may be fetched from the Hub here".into(),
        });
    }
    let reference = format!("{}{}", unlearn_hub::PREFIX, place.path.display());
    fetch(&place.name, &reference, |path| split_of(path).is_some())
}

/// Checks the `owner/name@revision` of a location.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(path: &str) -> std::result::Result<(), String> {
    match format!("{}{path}", unlearn_hub::PREFIX).parse::<Reference>() {
        Ok(_) => Ok(()),
        Err(unlearn_hub::Error::Reference { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a file holds images of a dataset's training or test set. A repository may have other splits. ImageNet's
/// has a test set of 13 GB without labels.
fn is_of(repository: &HubRepository, path: &Path) -> bool {
    let split = split_of(path);
    path.starts_with(repository.folder) && [TRAIN, repository.test].iter().any(|known| split.as_deref() == Some(known))
}

/// Fetches the parquet files whose paths are `wanted`. Returns the folder of the repository in the cache.
fn fetch(name: &str, reference: &str, wanted: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let fail = |source: unlearn_hub::Error| Error::Hub { name: name.into(), source: Box::new(source) };
    let reference: Reference = reference.parse().map_err(fail)?;
    let hub = Hub::from_environment().map_err(fail)?;
    let files = hub.files(&reference, Kind::Dataset).map_err(fail)?;
    let wanted = |path: &Path| path.extension().is_some_and(|extension| extension == "parquet") && wanted(path);
    let mut snapshot = None;
    for file in files.iter().filter(|file| wanted(Path::new(&file.name))) {
        let fetched = hub.fetch(&reference, Kind::Dataset, &file.name).map_err(fail)?;
        snapshot = fetched.path.ancestors().nth(Path::new(&file.name).components().count()).map(Path::to_path_buf);
    }
    snapshot.ok_or_else(|| {
        let found = files.iter().take(5).map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
        let problem = format!(
            "{reference} has no parquet files of a split `train` or `test`; its files are {found}, …; many datasets have them at \
             the revision `@refs/convert/parquet`"
        );
        Error::Location { name: name.into(), problem }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{imagenet, tiny_imagenet};

    #[test]
    fn of_a_repository_the_training_and_the_test_set_are_fetched_and_nothing_else() {
        let wanted = |repository: Option<HubRepository>, path: &str| is_of(&repository.unwrap(), Path::new(path));
        let imagenet = |path| wanted(imagenet::ENTRY.hub, path);
        assert!(imagenet("data/train-00000-of-00294.parquet"));
        assert!(imagenet("data/validation-00013-of-00014.parquet"));
        assert!(!imagenet("data/test-00000-of-00028.parquet"));
        assert!(!imagenet("other/train-00000-of-00294.parquet"));
        assert!(wanted(tiny_imagenet::ENTRY.hub, "data/valid-00000-of-00001-70d52db3c749a935.parquet"));
    }
}
