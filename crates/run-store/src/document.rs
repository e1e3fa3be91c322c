//! Single JSON files of the store with a format version: the indices of suites and of tunings.
//!
//! Like a manifest, each carries a seal: a hash of everything else in the file. Older programs wrote no seal. A file
//! without one may hold only keys that those programs knew, so that a file with a damaged seal is not accepted as an
//! older one.

use std::fs;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use unlearn_files::json;

use crate::atomic::write_atomic;
use crate::error::{Result, StoreError};
use crate::manifest::{DOCUMENT, check_format, seal};

/// Writes a document atomically, and creates its folder if needed.
pub(crate) fn write(file: &Path, document: &impl Serialize) -> Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(StoreError::io("create the folder", folder))?;
    }
    let refuse = |source| StoreError::Unserialisable { path: file.to_path_buf(), source };
    let mut value = serde_json::to_value(document).map_err(refuse)?;
    value["seal"] = Value::String(seal(&value));
    let mut text = serde_json::to_vec_pretty(&value).map_err(refuse)?;
    text.push(b'\n');
    write_atomic(file, &text)
}

/// Reads a document of a format up to `newest`.
pub(crate) fn read<T: Serialize + DeserializeOwned>(file: &Path, newest: u32) -> Result<T> {
    let text = unlearn_files::read(file, DOCUMENT).map_err(StoreError::io("read", file))?;
    let damaged = |problem: String| StoreError::DamagedIndex { file: file.to_path_buf(), problem };
    let mut value = json::value(&text).map_err(|error| damaged(error.to_string()))?;
    check_format(file, &value, newest)?;
    let sealed = value.as_object_mut().and_then(|fields| fields.remove("seal"));
    if sealed.as_ref().is_some_and(|sealed| *sealed != Value::String(seal(&value))) {
        return Err(damaged("its content is not what was written (the seal differs)".to_owned()));
    }
    let document: T = T::deserialize(&value).map_err(|error| damaged(error.to_string()))?;
    if sealed.is_none() {
        let known = serde_json::to_value(&document).map_err(|error| damaged(error.to_string()))?;
        let unknown = value.as_object().and_then(|fields| fields.keys().find(|key| known.get(key.as_str()).is_none()));
        if let Some(key) = unknown {
            return Err(damaged(format!("it has no seal, but has an unknown key `{key}`")));
        }
    }
    Ok(document)
}
