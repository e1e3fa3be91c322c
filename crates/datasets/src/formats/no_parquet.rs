//! A build without the reader of parquet files: datasets in other forms are opened as usual.

use unlearn_samples::Dataset;

use crate::entry::{Entry, HubRepository};
use crate::error::{Error, Result};
use crate::options::OpenOptions;
use crate::place::Place;

/// Says that the dataset of `entry` was not found in another form.
pub(crate) fn open(entry: &Entry, _: &HubRepository, options: &OpenOptions) -> Result<Dataset> {
    Err(entry.not_found(&entry.folders(options)))
}

/// Refuses a folder of parquet files.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    Err(Error::NotBuilt { name: place.name.clone(), feature: "parquet" })
}
