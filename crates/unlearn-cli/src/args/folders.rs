//! Folders on the command line that a command reads.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};

/// Reads the name of a folder that must exist. A misspelt one would otherwise be passed over, and the data taken from elsewhere.
pub(super) fn existing() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|folder| {
        if folder.is_dir() {
            Ok(folder)
        } else if folder.exists() {
            Err("it is a file; name a folder")
        } else {
            Err("there is no such folder")
        }
    })
}
