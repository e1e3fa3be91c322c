//! Single JSON files of the store that carry a format version: indices of suites and of tunings.

use std::fs;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::atomic::write_atomic;
use crate::error::{Result, StoreError};
use crate::manifest::check_format;

/// Writes a document, in one piece or not at all; its folder is made if need be.
pub(crate) fn write(file: &Path, document: &impl Serialize) -> Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(StoreError::io("create the folder", folder))?;
    }
    let mut text = serde_json::to_vec_pretty(document)
        .map_err(|source| StoreError::Unserialisable { path: file.to_path_buf(), source })?;
    text.push(b'\n');
    write_atomic(file, &text)
}

/// Reads a document of a format up to `newest`.
pub(crate) fn read<T: DeserializeOwned>(file: &Path, newest: u32) -> Result<T> {
    let text = fs::read(file).map_err(StoreError::io("read", file))?;
    let damaged =
        |source: serde_json::Error| StoreError::DamagedIndex { file: file.to_path_buf(), problem: source.to_string() };
    let value: Value = serde_json::from_slice(&text).map_err(damaged)?;
    check_format(file, &value, newest)?;
    serde_json::from_value(value).map_err(damaged)
}
