//! A build that fetches nothing from the Hugging Face Hub.

use std::path::PathBuf;

use unlearn_samples::Dataset;

use crate::entry::{Entry, HubRepository};
use crate::error::{Error, Result};
use crate::options::OpenOptions;
use crate::place::Place;

/// Refuses to fetch a dataset of the registry.
pub(crate) fn open(entry: &Entry, _: &HubRepository) -> Result<Dataset> {
    Err(Error::NotBuilt { name: format!("{} from the Hub", entry.name), feature: "hub" })
}

/// Refuses to fetch the repository in a location.
pub(crate) fn find(place: &Place, _: &OpenOptions) -> Result<PathBuf> {
    Err(Error::NotBuilt { name: place.name.clone(), feature: "hub" })
}

/// Accepts every location; [`find`] refuses it.
#[allow(clippy::unnecessary_wraps, reason = "a build with the Hub refuses some")]
pub(crate) fn check(_: &str) -> std::result::Result<(), String> {
    Ok(())
}
