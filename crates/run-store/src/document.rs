//! Single JSON files of the store that carry a format version: indices of suites and of tunings.
//!
//! Like a manifest they carry a seal, a hash of everything else in the file. Files of formats before [`SEALED`] have none.

use std::fs;
use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use unlearn_files::json;

use crate::atomic::write_atomic;
use crate::error::{Result, StoreError};
use crate::manifest::{DOCUMENT, check_format, seal};

/// The format since which such files carry a seal.
const SEALED: u64 = 2;

/// Writes a document, in one piece or not at all; its folder is made if need be.
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
pub(crate) fn read<T: DeserializeOwned>(file: &Path, newest: u32) -> Result<T> {
    let text = unlearn_files::read(file, DOCUMENT).map_err(StoreError::io("read", file))?;
    let damaged = |problem: String| StoreError::DamagedIndex { file: file.to_path_buf(), problem };
    let mut value = json::value(&text).map_err(|error| damaged(error.to_string()))?;
    check_format(file, &value, newest)?;
    let sealed = value.as_object_mut().and_then(|fields| fields.remove("seal"));
    let must = value.get("format").and_then(Value::as_u64).is_some_and(|format| format >= SEALED);
    if (must || sealed.is_some()) && sealed != Some(Value::String(seal(&value))) {
        return Err(damaged("its content is not what was written (the seal differs)".to_owned()));
    }
    serde_json::from_value(value).map_err(|error| damaged(error.to_string()))
}
