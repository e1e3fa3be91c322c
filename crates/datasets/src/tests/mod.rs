//! Tests of the whole crate: small files in real forms, compared with other programs, and damaged files.

#[cfg(feature = "hub")]
pub(crate) mod distributed;
#[cfg(feature = "hub")]
mod fuzz;
#[cfg(feature = "hub")]
pub(crate) mod imagenet;
mod memory;
#[cfg(feature = "hub")]
pub(crate) mod pictures;

use std::env;

use unlearn_samples::Dataset;

use crate::{error::Error, options::OpenOptions, registry::open};

/// The variable that lists, separated by commas, the datasets on this machine. Tests must not skip these.
const PROMISED: &str = "UNLEARN_TEST_DATASETS";

/// The dataset, if it is on this machine.
pub(crate) fn open_if_here(name: &str) -> Option<Dataset> {
    match open(name, &OpenOptions::default()) {
        Err(Error::DatasetNotFound { .. }) => {
            let promised = env::var(PROMISED).unwrap_or_default();
            assert!(promised.split(',').all(|promised| promised != name), "{PROMISED} names {name}, which is not here");
            None
        }
        other => Some(other.unwrap()),
    }
}
