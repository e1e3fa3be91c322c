//! Datasets that the Hugging Face Hub has as parquet, fetched into its cache.

use std::path::{Path, PathBuf};

use unlearn_hub::{Hub, Kind, Reference};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::location::Location;
use crate::parquet_folder::{self, HubRepository, split_of};
use crate::registry::{Entry, OpenOptions};

/// Fetches the parquet files of a dataset of the registry and opens them.
///
/// # Errors
/// When the Hub refuses or cannot be reached, or the files are not that dataset.
pub(crate) fn open(entry: &Entry, repository: &HubRepository) -> Result<Dataset> {
    let reference = format!("{}{}", unlearn_hub::PREFIX, repository.name);
    let snapshot = fetch(entry.name, &reference, Some(repository.folder))?;
    parquet_folder::open_folder(entry, repository, &snapshot.join(repository.folder))
}

/// Fetches the parquet files of the repository that a location `hub:owner/name@revision` names; gives their folder.
///
/// # Errors
/// When the Hub may not be asked, refuses or cannot be reached, or has no such files.
pub(crate) fn find(location: &Location, options: &OpenOptions) -> Result<PathBuf> {
    if !options.fetch {
        return Err(Error::Location { name: location.name.clone(), problem: "the Hub is not to be asked here".into() });
    }
    let reference = format!("{}{}", unlearn_hub::PREFIX, location.path.display());
    fetch(&location.name, &reference, None)
}

/// Fetches the parquet files of training and test images, of one folder or of all; gives the folder that stands for the
/// repository.
fn fetch(name: &str, reference: &str, folder: Option<&str>) -> Result<PathBuf> {
    let fail = |source: unlearn_hub::Error| Error::Hub { name: name.into(), source: Box::new(source) };
    let reference: Reference = reference.parse().map_err(fail)?;
    let hub = Hub::from_environment().map_err(fail)?;
    let files = hub.files(&reference, Kind::Dataset).map_err(fail)?;
    let wanted = |path: &Path| {
        let here = folder.is_none_or(|folder| path.starts_with(folder));
        here && path.extension().is_some_and(|extension| extension == "parquet") && split_of(path).is_some()
    };
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
