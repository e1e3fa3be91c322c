//! Finds the stages of a store that certificates of deletions name: the models before a deletion, by their content.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use unlearn_certificates::Certificate;
use unlearn_run_store::{Record, StageName, Store};

use crate::{Error, Result, stages::KINDS};

/// Maximum bytes of a certificate.
const MOST: u64 = 1 << 30;
/// How deep the folders that a user names are searched.
const DEPTH: usize = 8;

/// The stages that certificates name, each with one certificate that does. Certificates are sought in the folders inside the store that
/// hold no stages, in the store's own folder and in the folders beside it, and at any depth in `folders`.
///
/// # Errors
/// A folder of `folders` that cannot be listed, and a certificate that cannot be read: it is not known what that one names.
pub fn certified(store: &Store, records: &[Record], folders: &[PathBuf]) -> Result<BTreeMap<StageName, PathBuf>> {
    let mut found = BTreeSet::new();
    let root = store.root();
    search(root, 2, &mut found, false)?;
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    if let Some(beside) = absolute.parent() {
        search(beside, 1, &mut found, false)?;
    }
    for folder in folders {
        search(folder, DEPTH, &mut found, true)?;
    }
    let mut named = BTreeMap::new();
    for folder in found {
        let inputs: BTreeSet<String> =
            Certificate::load(&folder)?.input.into_values().map(|artifact| artifact.blake3).collect();
        for record in records {
            let artifacts = record.manifest.iter().flat_map(|manifest| manifest.artifacts.values());
            if artifacts.into_iter().any(|artifact| inputs.contains(&artifact.blake3)) {
                named.entry(record.summary.name()).or_insert_with(|| folder.join(Certificate::FILE));
            }
        }
    }
    Ok(named)
}

/// Adds the folders that hold a certificate, in `folder` and `depth` levels below it. Links are not followed. A folder that cannot be listed
/// is an error if it `must` be searched.
fn search(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>, must: bool) -> Result<()> {
    if is_certificate(&folder.join(Certificate::FILE)) {
        found.insert(fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()));
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if must => return Err(Error::Io { action: "list", path: folder.to_owned(), source }),
        Err(_) => return Ok(()),
    };
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let holds_stages = KINDS.iter().any(|kind| entry.file_name() == *kind.name);
        if depth > 0 && is_folder && !holds_stages {
            search(&entry.path(), depth - 1, found, must)?;
        }
    }
    Ok(())
}

/// Whether a file of the certificate's name is one, damaged or not. JSON of another form belongs to another program.
fn is_certificate(file: &Path) -> bool {
    if !file.is_file() {
        return false;
    }
    let text = unlearn_files::read(file, MOST).unwrap_or_default();
    match serde_json::from_slice::<serde_json::Value>(&text) {
        Ok(value) => value.get("request").is_some() || value.get("measured").is_some(),
        Err(_) => true,
    }
}
